"""Signed deliveries, and an ASGI application asked directly: no server, no client library that would mend a header."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

PATH = "/webhooks/shopify"
BODY = b'{"id":6001000000001,"updated_at":"2026-11-21T11:02:09+01:00"}'


def signature(body: bytes, secret: str | None = None) -> str:
    key = settings.SHOPIFY_API_SECRET if secret is None else secret
    return base64.b64encode(hmac.digest(key.encode(), body, hashlib.sha256)).decode()


def headers_of(body: bytes = BODY, **replaced: Any) -> dict[str, Any]:
    """A genuine delivery's headers; one replaced by None is left out."""
    headers = {
        "X-Shopify-Hmac-Sha256": signature(body),
        "X-Shopify-Webhook-Id": "wh-1",
        "X-Shopify-Event-Id": "ev-1",
        "X-Shopify-Topic": "orders/updated",
        "X-Shopify-Shop-Domain": "alpha.myshopify.com",
        "X-Shopify-API-Version": "2026-10",
        "X-Shopify-Triggered-At": "2026-11-21T10:02:09.123456789Z",
        "Content-Length": str(len(body)),
        **replaced,
    }
    return {name: value for name, value in headers.items() if value is not None}


@dataclass
class Answer:
    status: int
    headers: dict[bytes, bytes]
    body: bytes
    pieces_left: int  # of the request's body, unread


async def ask(
    application: Any,
    *pieces: bytes,
    method: str = "POST",
    path: str = PATH,
    query: str = "",
    headers: Mapping[str, Any] | list[tuple[bytes, bytes]] = (),  # type: ignore[assignment]
    disconnect: bool = False,
) -> Answer | None:
    """What the application answers to a body in these pieces; None when it says nothing. `disconnect` hangs up after
    the pieces, with more of the body announced."""
    sent: list[dict[str, Any]] = []
    messages: Iterator[dict[str, Any]] = iter(
        [
            {"type": "http.request", "body": piece, "more_body": disconnect or number < len(pieces)}
            for number, piece in enumerate(pieces or (b"",), 1)
        ]
    )
    left = len(pieces)

    async def receive() -> dict[str, Any]:
        nonlocal left
        left -= 1
        return next(messages, {"type": "http.disconnect"})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    given = headers.items() if isinstance(headers, Mapping) else headers
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(_bytes(name).lower(), _bytes(value)) for name, value in given],
    }
    await application(scope, receive, send)
    if not sent:
        return None
    start, *rest = sent
    body = b"".join(message.get("body", b"") for message in rest)
    return Answer(start["status"], dict(start["headers"]), body, max(left, 0))


def _bytes(value: str | bytes) -> bytes:
    return value.encode("latin-1") if isinstance(value, str) else value
