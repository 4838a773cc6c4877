"""What the API answers when it can't do as asked: `application/problem+json` (RFC 9457), in English.

`title` says what happened, `detail` why and what to do about it; `type` is an address in the documentation that stays.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions, serializers
from rest_framework.response import Response

CONTENT_TYPE = "application/problem+json"
TYPES = "/api/docs/#problem-"  # what a problem's type begins with


@dataclass(frozen=True)
class ProblemType:
    """A kind of problem: its permanent code, status, title, and what is said where nothing more exact can be."""

    code: str
    status: int
    title: str
    detail: str


UNREADABLE = ProblemType("unreadable", 400, "The body can't be read", "Send one JSON object, in UTF-8.")
KEY_MISSING = ProblemType(
    "key-missing", 401, "No API key was sent", "Send the header Authorization: Bearer, followed by your key."
)
KEY_REFUSED = ProblemType(
    "key-refused",
    401,
    "This API key opens nothing",
    "It is unknown or revoked, or the store has uninstalled Encore. Use a key from Settings > API keys in Encore.",
)
SCOPE_MISSING = ProblemType(
    "scope-missing",
    403,
    "This API key may not do that",
    "Make a key with the scope that is named in Settings > API keys in Encore.",
)
STORE_PAUSED = ProblemType(
    "store-paused", 403, "The store is paused", "Shopify has frozen or closed it. The key works again when it opens."
)
NOT_FOUND = ProblemType(
    "not-found",
    404,
    "There is nothing here",
    "The address is wrong, or what it names isn't in this store, or not any more.",
)
METHOD_UNKNOWN = ProblemType(
    "method-unknown", 405, "This address doesn't know that method", "The header Allow names those it knows."
)
NOT_NOW = ProblemType("not-now", 409, "That isn't possible as things stand", "Nothing was changed.")
LENGTH_MISSING = ProblemType(
    "length-missing", 411, "The body has no length", "Send it whole, with the header Content-Length."
)
TOO_LARGE = ProblemType("too-large", 413, "The body is too large", "Send fewer bytes.")
NOT_JSON = ProblemType("not-json", 415, "The body isn't JSON", "Send it as Content-Type: application/json.")
INVALID = ProblemType(
    "invalid",
    422,
    "Some of it isn't as it has to be",
    "Nothing was changed. errors says what to put right, by field.",
)
KEY_REUSED = ProblemType(
    "idempotency-key-reused",
    422,
    "This Idempotency-Key stands for another request",
    "It was sent before with another address or body. Nothing was changed. Use a new one for each new request.",
)
TOO_MANY = ProblemType(
    "too-many", 429, "Too many requests with this key", "Wait for the seconds that the header Retry-After says."
)
FAILED = ProblemType(
    "failed", 500, "Something went wrong on our side", "Send the same request again, a write with its Idempotency-Key."
)
PROBLEM_TYPES = (
    UNREADABLE,
    KEY_MISSING,
    KEY_REFUSED,
    SCOPE_MISSING,
    STORE_PAUSED,
    NOT_FOUND,
    METHOD_UNKNOWN,
    NOT_NOW,
    LENGTH_MISSING,
    TOO_LARGE,
    NOT_JSON,
    INVALID,
    KEY_REUSED,
    TOO_MANY,
    FAILED,
)
_BY_EXCEPTION: Mapping[type[exceptions.APIException], ProblemType] = {
    exceptions.ParseError: UNREADABLE,
    exceptions.NotAuthenticated: KEY_MISSING,
    exceptions.AuthenticationFailed: KEY_REFUSED,
    exceptions.PermissionDenied: SCOPE_MISSING,
    exceptions.NotFound: NOT_FOUND,
    exceptions.MethodNotAllowed: METHOD_UNKNOWN,
    exceptions.UnsupportedMediaType: NOT_JSON,
    exceptions.ValidationError: INVALID,
    exceptions.Throttled: TOO_MANY,
}


class Problem(exceptions.APIException):
    """A request that can't be answered as asked; `detail` instead of what its type says."""

    def __init__(self, kind: ProblemType, detail: str = "") -> None:
        super().__init__(detail or kind.detail)
        self.kind, self.status_code = kind, kind.status


class FieldErrorSerializer(serializers.Serializer[Any]):
    """What is wrong with one field; `field` is empty where it is the whole."""

    field = serializers.CharField()
    code = serializers.CharField()
    detail = serializers.CharField()


class ProblemSerializer(serializers.Serializer[Any]):
    """A problem after RFC 9457; `errors` comes with `invalid` only."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    errors = FieldErrorSerializer(many=True, required=False)  # type: ignore[assignment]  # a field, not the attribute


def problem_response(exc: Exception, context: Mapping[str, Any]) -> Response | None:
    """REST framework's exception handler for the API. None for what nobody expected."""
    if isinstance(exc, Http404):
        exc = exceptions.NotFound()
    elif isinstance(exc, PermissionDenied):
        exc = exceptions.PermissionDenied()
    if not isinstance(exc, exceptions.APIException):
        return None
    if isinstance(exc, Problem):
        body = problem_body(exc.kind, str(exc.detail))
    else:
        kind = _BY_EXCEPTION[type(exc)]
        body = problem_body(kind)
        if isinstance(exc, exceptions.ValidationError):
            body["errors"] = list(_field_errors(exc.get_full_details()))
    return Response(body, status=body["status"], headers=_headers(exc), content_type=CONTENT_TYPE)


def problem_body(kind: ProblemType, detail: str = "") -> dict[str, Any]:
    return {"type": TYPES + kind.code, "title": kind.title, "status": kind.status, "detail": detail or kind.detail}


def _headers(exc: exceptions.APIException) -> dict[str, str]:
    if scheme := getattr(exc, "auth_header", None):
        return {"WWW-Authenticate": scheme}
    if isinstance(exc, exceptions.Throttled):
        return {"Retry-After": str(math.ceil(getattr(exc, "wait", 1)))}
    return {}


def _field_errors(details: Any, field: str = "") -> Iterator[dict[str, str]]:
    """REST framework's nested details as a list; a field inside another is `outer.inner`."""
    if isinstance(details, list):
        for one in details:
            yield from _field_errors(one, field)
    elif "message" in details and "code" in details:
        yield {"field": field, "code": details["code"], "detail": str(details["message"])}
    else:
        for name, inner in details.items():
            name = "" if name == "non_field_errors" else name
            yield from _field_errors(inner, f"{field}.{name}" if field and name else field or name)
