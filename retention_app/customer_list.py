"""The customer list: search, filters and pages by cursor, so that page 400 costs what page 1 costs."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from django.db.models import F, Q, QuerySet

from retention_app import clock
from retention_app.models import Customer, Order
from retention_app.screens import engines

PAGE_SIZE = 50
COUNT_MAX = 10_000
SORTS = {"last": "last_order_at", "spent": "spent_minor", "orders": "orders_count"}
LAST_DAYS = {"30": 30, "90": 90, "365": 365}


class CursorUnreadable(ValueError):
    """A cursor that this list didn't write."""


@dataclass(frozen=True)
class CustomerPage:
    """Customers in order; `count` stops at COUNT_MAX + 1; a cursor is empty where the list ends."""

    customers: list[Customer]
    count: int
    before: str
    after: str

    @property
    def is_more(self) -> bool:
        return self.count > COUNT_MAX


def customers_found(params: Mapping[str, str]) -> QuerySet[Customer]:
    """The shop's customers that match the search text `q` and every filter; who was merged away is the survivor."""
    found = Customer.objects.filter(merged_into=None)
    text = params.get("q", "").strip()
    if text:
        lowered = text.lower()
        names = [text, text if text.startswith("#") else f"#{text}"]
        of_order = Order.objects.filter(name__in=names, customer__isnull=False).values("customer_id")
        found = found.filter(
            Q(search_name__startswith=lowered) | Q(search_email__startswith=lowered) | Q(id__in=of_order)
        )
    match params.get("orders"):
        case "repeat":
            found = found.filter(orders_count__gte=2)
        case "once":
            found = found.filter(orders_count=1)
        case "none":
            found = found.filter(orders_count=0)
    if days := LAST_DAYS.get(params.get("last", "")):
        found = found.filter(last_order_at__gte=clock.now() - dt.timedelta(days=days))
    for engine in engines():
        found = engine.customers_filter(found, params)
    return found


def customer_page(found: QuerySet[Customer], *, sort: str, cursor: str = "") -> CustomerPage:
    """A page of fifty, largest first, from the cursor on. Raises `CursorUnreadable`."""
    column = SORTS[sort]
    backwards, value, row_id = _read_cursor(cursor, column) if cursor else (False, None, None)
    rows = found
    if row_id is not None:
        rows = rows.filter(_beyond(column, value, row_id, backwards))
    if backwards:
        rows = rows.order_by(F(column).asc(nulls_first=True), "id")
    else:
        rows = rows.order_by(F(column).desc(nulls_last=True), "-id")
    page = list(rows[: PAGE_SIZE + 1])
    has_more, page = len(page) > PAGE_SIZE, page[:PAGE_SIZE]
    if backwards:
        page.reverse()
    has_before, has_after = (has_more, True) if backwards else (bool(cursor), has_more)
    return CustomerPage(
        customers=page,
        count=found[: COUNT_MAX + 1].count(),
        before=_cursor(page[0], column, True) if page and has_before else "",
        after=_cursor(page[-1], column, False) if page and has_after else "",
    )


def _beyond(column: str, value: Any, row_id: int, backwards: bool) -> Q:
    """Rows after (or before) a row in the order "column descending, without a value last, id descending"."""
    step = "gt" if backwards else "lt"
    same = Q(**{column: value} if value is not None else {f"{column}__isnull": True}, **{f"id__{step}": row_id})
    if value is None:
        return same | Q(**{f"{column}__isnull": False}) if backwards else same
    further = Q(**{f"{column}__{step}": value}) | same
    return further if backwards else further | Q(**{f"{column}__isnull": True})


def _cursor(customer: Customer, column: str, backwards: bool) -> str:
    value = getattr(customer, column)
    kept = value.isoformat() if isinstance(value, dt.datetime) else value
    return base64.urlsafe_b64encode(orjson.dumps([backwards, kept, customer.id])).decode().rstrip("=")


def _read_cursor(cursor: str, column: str) -> tuple[bool, Any, int]:
    try:
        backwards, value, row_id = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if column == "last_order_at" and value is not None:
            value = dt.datetime.fromisoformat(value)
        elif value is not None:
            value = int(value)
        return bool(backwards), value, int(row_id)
    except (ValueError, TypeError, binascii.Error) as error:
        raise CursorUnreadable(cursor) from error
