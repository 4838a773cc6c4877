"""The OpenAPI schema of the merchant REST API, made by drf-spectacular from the views themselves."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Sequence
from functools import cache
from typing import Any, TypeVar

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers

from retention_app.api.problems import CONTENT_TYPE, ProblemSerializer
from retention_app.api.writes import HEADER, REPLAYED

PREFIX = "/api/v1/"
AnySerializer = type[serializers.Serializer[Any]]
_Method = TypeVar("_Method", bound=Callable[..., Any])

_MEANINGS = {
    400: "The body can't be read.",
    401: "No key was sent, or one that opens nothing.",
    403: "The key hasn't the scope, or the store is paused.",
    404: "Nothing is there, or it is another store's.",
    409: "Not possible as things stand; nothing was changed.",
    411: "The body comes in pieces, without its length.",
    413: "The body is too large.",
    415: "The body isn't JSON.",
    422: "Something isn't as it has to be; `errors` says what, by field.",
    429: "Too many requests.",
}
_ALWAYS = (401, 403, 411, 413, 422, 429)
_WRITING = (400, 409, 415)
_HEADERS = [
    OpenApiParameter("WWW-Authenticate", str, OpenApiParameter.HEADER, response=[401]),
    OpenApiParameter("Retry-After", int, OpenApiParameter.HEADER, response=[429], description="Seconds to wait."),
]
_LANGUAGE = OpenApiParameter(
    "Accept-Language",
    str,
    OpenApiParameter.HEADER,
    description="The language of sentences: en, zh-Hans, zh-Hant, pt-BR or es.",
)
_IDEMPOTENCY = [
    OpenApiParameter(
        HEADER,
        {"type": "string", "pattern": "^[!-~]{1,255}$"},
        OpenApiParameter.HEADER,
        required=True,
        description="A name of your own for this request. Sent again, it answers what it answered first.",
    ),
    OpenApiParameter(
        REPLAYED, str, OpenApiParameter.HEADER, response=[201], description="`true` when it was sent before."
    ),
]


class ApiSchema(AutoSchema):
    """REST framework's view in OpenAPI, with the scope its key needs."""

    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        operation = super().get_operation(*args, **kwargs)
        return operation and {**operation, "x-scope": getattr(self.view, "scope", "")}


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "retention_app.api.view.KeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "A key from Settings > API keys in Encore: enc_…"}


def reads(
    tag: str,
    operation_id: str,
    answer: AnySerializer,
    *,
    query: Sequence[AnySerializer] = (),
    speaks: bool = False,
    may_miss: bool = False,
) -> Callable[[_Method], _Method]:
    """Describe a GET. `speaks`: in the asked language; `may_miss`: what it names may not be there."""
    parameters = [*query, *([_LANGUAGE] if speaks else []), *_HEADERS]
    responses: dict[Any, Any] = {200: answer, **_problems([*_ALWAYS, *([404] if may_miss else [])])}
    return _described(tag, operation_id=operation_id, parameters=parameters, responses=responses)


def writes(tag: str, operation_id: str, body: AnySerializer, answer: AnySerializer) -> Callable[[_Method], _Method]:
    """Describe a POST that is done by `retention_app.api.writes.written_once`."""
    responses: dict[Any, Any] = {201: answer, **_problems([*_ALWAYS, *_WRITING, 404])}
    return _described(
        tag, operation_id=operation_id, request=body, parameters=[*_IDEMPOTENCY, *_HEADERS], responses=responses
    )


def _described(tag: str, **said: Any) -> Callable[[_Method], _Method]:
    """The rest of the description is the method's docstring: a heading, and what there is to say."""

    def decorate(method: _Method) -> _Method:
        summary, _line, description = (inspect.getdoc(method) or "").partition("\n\n")
        described: _Method = extend_schema(tags=[tag], summary=summary, description=description, **said)(method)
        return described

    return decorate


def _problems(statuses: Collection[int]) -> dict[tuple[int, str], OpenApiResponse]:
    return {
        (status, CONTENT_TYPE): OpenApiResponse(ProblemSerializer, description=_MEANINGS[status])
        for status in sorted(statuses)
    }


def only_the_api(endpoints: list[tuple[str, str, str, Any]]) -> list[tuple[str, str, str, Any]]:
    """A hook of drf-spectacular: the storefront's addresses aren't for merchants."""
    return [endpoint for endpoint in endpoints if endpoint[0].startswith(PREFIX)]


@cache
def openapi() -> dict[str, Any]:
    """The schema. It is the same for everybody, and made once by a process."""
    return dict(SchemaGenerator().get_schema(request=None, public=True))  # type: ignore[no-untyped-call]
