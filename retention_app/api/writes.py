"""Writes that happen once, however often they are sent.

What was asked under an `Idempotency-Key` is noted first, then done by a service that does it once for a key of its own,
then the answer is noted. Killed in between, or sent twice at the same time, the service's key makes it one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from retention_app import clock
from retention_app.api.problems import KEY_REUSED, Problem
from retention_app.models import ApiKey, ApiWrite, Customer

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"

_KEY = re.compile(r"[!-~]{1,255}")  # visible ASCII


def written_once(
    request: Request, *, api_key: ApiKey, customer: Customer, write: Callable[[str], Mapping[str, Any]]
) -> Response:
    """201 with what `write(key)` answers, as JSON data; what it answered the first time when it was sent before.

    `write` does the same thing once for the same key, and raises `Problem` when it did nothing. Raises a problem when
    the header is missing or stood for something else.
    """
    sent = _sent_key(request)
    input_hash = _digest([request.method, request.path, request.data])
    noted, _new = ApiWrite.objects.get_or_create(
        shop_id=customer.shop_id,
        api_key=api_key,
        key=sent,
        defaults={"input_hash": input_hash, "customer": customer, "begun_at": clock.now()},
    )
    if noted.input_hash != input_hash:
        raise Problem(KEY_REUSED)
    if noted.answer is not None:
        return Response(noted.answer, status=201, headers={REPLAYED: "true"})
    try:
        answer = write(_service_key(api_key, sent))
    except Problem:
        noted.delete()
        raise
    ApiWrite.objects.filter(id=noted.id).update(answer=answer)
    return Response(answer, status=201)


def _sent_key(request: Request) -> str:
    sent = request.headers.get(HEADER, "")
    if not _KEY.fullmatch(sent):
        said = f"Send the header {HEADER} with 1 to 255 visible ASCII characters, new for each new request."
        raise serializers.ValidationError({HEADER: said})
    return sent


def _service_key(key: ApiKey, sent: str) -> str:
    """What stands for the key at the service: at most 64 characters, another one for each API key."""
    return f"{key.actor}:{_digest(sent)[:32]}"


def _digest(said: Any) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
