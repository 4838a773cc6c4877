"""The customer list: search, filters and pages by cursor, so that page 400 costs what page 1 costs.

Which customers make a page, and how many there are, is read off an index that has all columns of the filters
(`customer_list_by_…`); only the page's own rows are fetched.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import orjson
from django.db.models import BooleanField, F, Field, Func, Q, QuerySet, Value

from retention_app import clock
from retention_app.models import Customer
from retention_app.screens import engines
from retention_app.search import FEW, matches

PAGE_SIZE = 50
COUNT_MAX = FEW  # a search that finds more tells so at once
ROWS_AT_ONCE = 1_000  # of everybody who was found
SORTS = {"last": "last_order_at", "spent": "spent_minor", "orders": "orders_count", "points": "points"}
BIG_MAX = 2**63 - 1  # what a column holds
LAST_DAYS = {"30": 30, "90": 90, "365": 365}


Place = tuple[Any, int | None]  # a row in the order: its column's value and its id
_BEGINNING: Place = (None, None)


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
    called = matches(params.get("q", ""))
    return _filtered(Customer.objects.filter(called.condition if called else Q(), merged_into=None), params)


def _filtered(customers: QuerySet[Customer], params: Mapping[str, str]) -> QuerySet[Customer]:
    """Those whom every filter lets through; without a filter the queryset itself."""
    match params.get("orders"):
        case "repeat":
            customers = customers.filter(orders_count__gte=2)
        case "once":
            customers = customers.filter(orders_count=1)
        case "none":
            customers = customers.filter(orders_count=0, last_order_at=None)  # either says so; each order has its index
    match params.get("status"):
        case "here":
            customers = customers.filter(gone_at=None)
        case "gone":
            customers = customers.filter(gone_at__isnull=False)
    if days := LAST_DAYS.get(params.get("last", "")):
        customers = customers.filter(last_order_at__gte=clock.now() - dt.timedelta(days=days))
    for engine in engines():
        customers = engine.customers_filter(customers, params)
    return customers


def customer_page(params: Mapping[str, str], *, sort: str, cursor: str = "") -> CustomerPage:
    """A page of fifty of `customers_found`, largest first, from the cursor on. Raises `CursorUnreadable`.

    Up to COUNT_MAX are all looked at, whatever index finds them soonest, and put in order here; of more the page is
    read off the order's index, where it is never far to the next.
    """
    column = SORTS[sort]
    backwards, place = _read_cursor(cursor, column) if cursor else (False, _BEGINNING)
    called = matches(params.get("q", ""))
    everybody = Customer.objects.filter(called.condition if called else Q(), merged_into=None)
    found = _filtered(everybody, params)
    limit = PAGE_SIZE + 1
    places = None
    if found is not everybody or not called or not called.are_many:
        places = list(found.values_list(column, "id")[: COUNT_MAX + 1])
    if places is not None and len(places) <= COUNT_MAX:
        count, ids = len(places), _ids_in_order(places, place, backwards, limit)
    else:
        count, ids = COUNT_MAX + 1, _ids_walked(found, column, place, backwards, limit)
    has_more, ids = len(ids) > PAGE_SIZE, ids[:PAGE_SIZE]
    if backwards:
        ids.reverse()
    page = _rows(ids)
    has_before, has_after = (has_more, True) if backwards else (bool(cursor), has_more)
    return CustomerPage(
        customers=page,
        count=count,
        before=_cursor(page[0], column, True) if page and has_before else "",
        after=_cursor(page[-1], column, False) if page and has_after else "",
    )


def customer_batches(params: Mapping[str, str], *, sort: str) -> Iterator[list[Customer]]:
    """Everybody whom `customers_found` finds, in the list's order, `ROWS_AT_ONCE` at a time. Who orders meanwhile may
    come twice or not at all."""
    column, place = SORTS[sort], _BEGINNING
    while page := _rows(_ids_walked(customers_found(params), column, place, False, ROWS_AT_ONCE)):
        yield page
        place = getattr(page[-1], column), page[-1].id


def _ids_in_order(places: list[Place], place: Place, backwards: bool, limit: int) -> list[int]:
    """The same as `_ids_walked`, of all places."""

    def rank(one: Place) -> tuple[bool, Any, int | None]:
        value, row_id = one
        return (value is not None, value, row_id) if value is not None else (False, 0, row_id)

    ordered = sorted(places, key=rank, reverse=not backwards)
    if place != _BEGINNING:
        here = rank(place)
        ordered = [one for one in ordered if (rank(one) > here if backwards else rank(one) < here)]
    return [row_id for _, row_id in ordered[:limit] if row_id is not None]


def _rows(ids: list[int]) -> list[Customer]:
    rows = Customer.objects.in_bulk(ids)
    return [rows[id_] for id_ in ids if id_ in rows]


def _ids_walked(found: QuerySet[Customer], column: str, place: Place, backwards: bool, limit: int) -> list[int]:
    """Up to `limit` ids from a place on, in the order "column descending, without a value last, id descending"; the
    other way round when `backwards`."""
    ids: list[int] = []
    for part in _parts(found, column, place, backwards):
        if len(ids) < limit:
            ids += part.values_list("id", flat=True)[: limit - len(ids)]
    return ids


def _parts(found: QuerySet[Customer], column: str, place: Place, backwards: bool) -> Iterator[QuerySet[Customer]]:
    """What follows a place, each part a range of the column's index: rows with a value, then those without."""
    value, row_id = place
    sign, step = ("", "gt") if backwards else ("-", "lt")
    filled, empty = found, found.none()
    if Customer._meta.get_field(column).null:
        filled = found.filter(**{f"{column}__isnull": False})
        empty = found.filter(**{f"{column}__isnull": True}).order_by(f"{sign}id")
    if row_id is None:
        parts = [filled, empty]
    elif value is not None:
        parts = [filled.filter(_Beyond(column, value, row_id, backwards)), *([] if backwards else [empty])]
    else:
        parts = [empty.filter(**{f"id__{step}": row_id}), *([filled] if backwards else [])]
    yield from (part if part.query.order_by else part.order_by(f"{sign}{column}", f"{sign}id") for part in parts)


class _Beyond(Func):
    """(column, id) < (value, row id), or > backwards. As one comparison of rows it is where a scan of the index begins;
    taken apart, a million customers of one order each would be walked through."""

    template = "(%(expressions)s)"
    output_field = BooleanField()

    def __init__(self, column: str, value: Any, row_id: int, backwards: bool) -> None:
        kept = Value(value, cast("Field[Any, Any]", Customer._meta.get_field(column)))
        super().__init__(_Row(F(column), F("id")), _Row(kept, Value(row_id)))
        self.arg_joiner = " > " if backwards else " < "


class _Row(Func):
    template = "(%(expressions)s)"
    output_field = BooleanField()


def _cursor(customer: Customer, column: str, backwards: bool) -> str:
    value = getattr(customer, column)
    kept = value.isoformat() if isinstance(value, dt.datetime) else value
    return base64.urlsafe_b64encode(orjson.dumps([backwards, kept, customer.id])).decode().rstrip("=")


def _read_cursor(cursor: str, column: str) -> tuple[bool, Place]:
    try:
        backwards, value, row_id = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if column == "last_order_at" and value is not None:
            value = dt.datetime.fromisoformat(value)
        elif value is not None:
            value = int(value)
        if max(abs(row_id), abs(value) if isinstance(value, int) else 0) > BIG_MAX:
            raise ValueError(cursor)
        return bool(backwards), (value, int(row_id))
    except (ValueError, TypeError, binascii.Error) as error:
        raise CursorUnreadable(cursor) from error
