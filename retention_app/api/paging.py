"""Lists, a page at a time: `limit` and `cursor` in, `items` and `next_cursor` out.

A page begins after the last row of the one before, so a walk meets every row once, whatever is added meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from django.core import signing
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

LIMIT = 50
LIMIT_MAX = 100

T = TypeVar("T")


class PageParameters(serializers.Serializer[Any]):
    """What every list takes."""

    limit = serializers.IntegerField(
        default=LIMIT, min_value=1, max_value=LIMIT_MAX, help_text="How many items a page has at most."
    )
    cursor = serializers.CharField(
        required=False, max_length=300, help_text="`next_cursor` of the page before; none for the first page."
    )


def parameters(serializer: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    """The query's parameters, checked."""
    asked = serializer(data=request.query_params)
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)


def page(
    request: Request,
    asked: dict[str, Any],
    rows_after: Callable[[int, int | None], Sequence[T]],
    place: Callable[[T], int],
    serialize: Callable[[Sequence[T]], Any],
) -> Response:
    """A page of what `rows_after(limit, place)` finds, as `serialize` writes it; `place` says where in it a row is."""
    salt, limit = f"retention_app.api.paging:{request.path}", asked["limit"]
    rows = rows_after(limit + 1, _place(asked.get("cursor"), salt))
    more = len(rows) > limit
    shown = rows[:limit]
    return Response(
        {"items": serialize(shown), "next_cursor": signing.dumps(place(shown[-1]), salt=salt) if more else None}
    )


def _place(cursor: str | None, salt: str) -> int | None:
    if cursor is None:
        return None
    try:
        return int(signing.loads(cursor, salt=salt))
    except signing.BadSignature:
        raise serializers.ValidationError({"cursor": "This list never gave that cursor."}) from None


def page_of(item: type[serializers.Serializer[Any]]) -> type[serializers.Serializer[Any]]:
    """What a page of these looks like."""
    fields = {
        "items": item(many=True),
        "next_cursor": serializers.CharField(allow_null=True, help_text="Leads to the next page; null on the last."),
    }
    name = item.__name__.removesuffix("Serializer")
    return type(f"{name}PageSerializer", (serializers.Serializer,), fields)
