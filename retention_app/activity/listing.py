"""Activity's list: the newest rows of all sources in one order, a page at a time from a cursor on."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from django.db.models import Min, Q
from django.http import Http404

from retention_app import clock
from retention_app.activity.changes import Changes
from retention_app.activity.comparing import Checks, Imports
from retention_app.activity.received import Received
from retention_app.activity.sent import Sent
from retention_app.activity.source import Item, Source
from retention_app.models import Shop, WebhookDelivery
from retention_app.screens import engines
from retention_app.words import Words

PAGE_SIZE = 50
LATE = dt.timedelta(minutes=2)  # what comes in later than this is told

OWN: Sequence[Source[Any]] = (Received(), Sent(), Imports(), Checks(), Changes())
ATTENTION = "attention"
ATTENTION_SHOWN = 3  # on Home


class CursorUnreadable(ValueError):
    """A cursor that this list didn't write."""


@dataclass(frozen=True)
class Page:
    """Items, newest first; `older` is the cursor of the next page, empty at the end."""

    items: list[Item]
    older: str


def sources() -> Sequence[Source[Any]]:
    """The kernel's and the engines', in an order that cursors rely on."""
    return (*OWN, *(source for engine in engines() for source in engine.activity_sources()))


def source_named(key: str) -> Source[Any]:
    """Raises `Http404`."""
    for source in sources():
        if source.key == key:
            return source
    raise Http404("activity")


def activity_page(shop: Shop, *, tab: str, since: dt.datetime, cursor: str, actor: str, words: Words) -> Page:
    """A page of a tab ("all", "attention" or a source's). What needs attention is shown however old it is.

    Raises `CursorUnreadable`.
    """
    before = _read_cursor(cursor) if cursor else None
    found: list[tuple[dt.datetime, int, int, Any]] = []
    for rank, source in enumerate(sources()):
        if tab not in ("all", ATTENTION, source.tab) or (tab == ATTENTION and source.attention is None):
            continue
        rows = source.rows(shop)
        rows = rows.filter(source.attention) if tab == ATTENTION else rows.filter(**{f"{source.at}__gte": since})
        if before:
            rows = rows.filter(_beyond(source.at, rank, before))
        for row in rows.order_by(f"-{source.at}", "-id")[: PAGE_SIZE + 1]:
            found.append((getattr(row, source.at), rank, row.pk, row))
    found.sort(key=lambda each: each[:3], reverse=True)
    shown = found[:PAGE_SIZE]
    items: dict[tuple[int, int], Item] = {}
    for rank, source in enumerate(sources()):
        if its := [row for _at, of, _id, row in shown if of == rank]:
            items |= {(rank, item.row_id): item for item in source.items(shop, its, actor, words)}
    return Page(
        items=[items[rank, row_id] for _at, rank, row_id, _row in shown],
        older=_cursor(*shown[-1][:3]) if len(found) > PAGE_SIZE else "",
    )


def attention_count(shop: Shop) -> int:
    """How much needs attention."""
    return sum(
        source.rows(shop).filter(source.attention).count() for source in sources() if source.attention is not None
    )


def attention(shop: Shop, actor: str, words: Words) -> list[Item]:
    """The newest of what needs attention, for Home."""
    found = activity_page(shop, tab=ATTENTION, since=clock.now(), cursor="", actor=actor, words=words)
    return found.items[:ATTENTION_SHOWN]


def minutes_late(shop: Shop) -> int:
    """For how many minutes something from the platform has been waiting untried; 0 when it is taken in promptly."""
    untried = WebhookDelivery.objects.filter(
        shop_domain=shop.domain, state=WebhookDelivery.State.WAITING, attempts=0, lease_until=None
    )
    oldest = untried.aggregate(oldest=Min("received_at"))["oldest"]
    age = clock.now() - oldest if oldest else dt.timedelta()
    return int(age.total_seconds() // 60) if age > LATE else 0


def _beyond(column: str, rank: int, before: tuple[dt.datetime, int, int]) -> Q:
    """Rows of the source `rank` that come after the cursor's in the order by instant, source and id, descending."""
    at, cursor_rank, cursor_id = before
    earlier = Q(**{f"{column}__lt": at})
    if rank < cursor_rank:
        return earlier | Q(**{column: at})
    return earlier | Q(**{column: at, "id__lt": cursor_id}) if rank == cursor_rank else earlier


def _cursor(at: dt.datetime, rank: int, row_id: int) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([at.isoformat(), rank, row_id])).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[dt.datetime, int, int]:
    try:
        at, rank, row_id = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        instant = dt.datetime.fromisoformat(at)
        if instant.tzinfo is None:
            raise ValueError(at)
        return instant, int(rank), int(row_id)
    except (ValueError, TypeError, binascii.Error) as error:
        raise CursorUnreadable(cursor) from error
