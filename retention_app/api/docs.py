"""`/api/schema/` and `/api/docs/`: what the API can do, for machines and for people, both from the same schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.views.decorators.cache import cache_control
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import conditional_page, require_safe
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer

from retention_app.api.problems import PROBLEM_TYPES
from retention_app.api.schema import openapi
from retention_app.api.scopes import scopes
from retention_app.api.view import REQUESTS_PER_MINUTE

_MINUTES_5 = 300  # seconds
_REFERENCE = "#/components/schemas/"


@dataclass(frozen=True)
class Field:
    """A field of an object or a parameter. `refers` is the object it holds, if any; `where` is of a parameter."""

    name: str
    type: str
    refers: str
    note: str
    required: bool
    where: str = ""


@dataclass(frozen=True)
class Shape:
    """An object that bodies consist of."""

    name: str
    note: str
    fields: Sequence[Field]


@dataclass(frozen=True)
class Operation:
    """An address with its method. `answers` are pairs of a status and what it means; `example` is a whole answer."""

    id: str
    summary: str
    note: str
    method: str
    path: str
    scope: str
    parameters: Sequence[Field]
    body: str
    body_example: str
    gives: str
    example: str
    answers: Sequence[tuple[str, str]]


@gzip_page
@conditional_page
@require_safe
@cache_control(public=True, max_age=_MINUTES_5)
def schema(request: HttpRequest) -> HttpResponse:
    """The OpenAPI schema as YAML; as JSON with `?format=json`, or where `Accept` names JSON first."""
    wants_json = request.GET.get("format") == "json" or "json" in request.headers.get("Accept", "").partition(",")[0]
    renderer = OpenApiJsonRenderer() if wants_json else OpenApiYamlRenderer()
    text = renderer.render(openapi(), renderer_context={})
    return HttpResponse(text, content_type=str(renderer.media_type))


@gzip_page
@conditional_page
@require_safe
@cache_control(public=True, max_age=_MINUTES_5)
def docs(request: HttpRequest) -> HttpResponse:
    """The schema as a page that needs no script. It is written in English only."""
    with translation.override("en"):
        context = {
            "LANGUAGE_CODE": "en",
            "address": settings.APP_URL,
            "scopes": scopes(),
            "problems": PROBLEM_TYPES,
            "requests_per_minute": REQUESTS_PER_MINUTE,
            "operations": list(_operations(openapi())),
            "shapes": list(_shapes(openapi())),
        }
        return render(request, "retention_app/api_docs.html", context)


def _operations(spec: Mapping[str, Any]) -> Iterator[Operation]:
    for path, methods in spec["paths"].items():
        for method, said in methods.items():
            yield _operation(path, method.upper(), said)


def _operation(path: str, method: str, said: Mapping[str, Any]) -> Operation:
    answers = {status: _note(answer) or "Done." for status, answer in said["responses"].items()}
    done = said["responses"][next(status for status in answers if status < "300")]["content"]["application/json"]
    body = said.get("requestBody", {}).get("content", {}).get("application/json", {})
    return Operation(
        id=said["operationId"],
        summary=said["summary"],
        note=_note(said),
        method=method,
        path=path,
        scope=said["x-scope"],
        parameters=[_parameter(one) for one in said.get("parameters", ())],
        body=_name(body.get("schema", {})),
        body_example=_example(body),
        gives=_name(done["schema"]),
        example=_example(done),
        answers=sorted(answers.items()),
    )


def _parameter(said: Mapping[str, Any]) -> Field:
    described = {**said["schema"], "description": said.get("description", "")}
    return _field(said["name"], described, said.get("required", False), said["in"])


def _shapes(spec: Mapping[str, Any]) -> Iterator[Shape]:
    for name, said in spec["components"]["schemas"].items():
        if said["type"] == "object":
            required = said.get("required", ())
            fields = [_field(field, one, field in required) for field, one in said["properties"].items()]
            yield Shape(name, _note(said), fields)


def _field(name: str, said: Mapping[str, Any], required: bool, where: str = "") -> Field:
    type_, refers = _type(said)
    return Field(name, type_, refers, _note(said), required, where)


def _type(said: Mapping[str, Any]) -> tuple[str, str]:
    """A field's type in words, and the object it holds."""
    if "$ref" in said:
        name = _name(said)
        resolved = openapi()["components"]["schemas"][name]
        return ("", name) if resolved["type"] == "object" else _type(resolved)
    if "allOf" in said:
        return _type(said["allOf"][0])
    if "oneOf" in said:
        type_, refers = _type(said["oneOf"][0])
        return f"{type_} or null".strip(), refers
    if "enum" in said:
        return " | ".join(map(str, said["enum"])), ""
    kinds = said["type"] if isinstance(said["type"], list) else [said["type"]]
    if "array" in kinds:
        type_, refers = _type(said["items"])
        return f"list of {type_}".strip(), refers
    return " or ".join(said.get("format", kind) if kind == "string" else kind for kind in kinds), ""


def _note(said: Mapping[str, Any]) -> str:
    """A description without its marks for code."""
    return str(said.get("description", "")).replace("`", "")


def _name(said: Mapping[str, Any]) -> str:
    return str(said.get("$ref", "")).removeprefix(_REFERENCE)


def _example(content: Mapping[str, Any]) -> str:
    """The first example, as one reads JSON."""
    for example in content.get("examples", {}).values():
        return json.dumps(example["value"], indent=2, ensure_ascii=False)
    return ""
