"""Connections: pages of a table by sort key and cursor, `query:` filters, and lists that are in memory already."""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from graphql import GraphQLError

from devstore.clock import normal
from devstore.graphql.context import Context
from devstore.graphql.errors import bad_request, not_played
from devstore.records import Kind
from devstore.state import load

MAX_PAGE = 250
Connection = dict[str, Any]

TABLES: dict[Kind, str] = {"Customer": "customers", "Order": "orders", "Product": "products"}
SORT_COLUMNS: dict[Kind, dict[str, str]] = {
    "Customer": {"ID": "id", "CREATED_AT": "created_at", "UPDATED_AT": "updated_at"},
    "Order": {
        "ID": "id",
        "CREATED_AT": "created_at",
        "UPDATED_AT": "updated_at",
        "PROCESSED_AT": "processed_at",
        "ORDER_NUMBER": "number",
    },
    "Product": {"ID": "id", "CREATED_AT": "created_at", "UPDATED_AT": "updated_at"},
}
FILTER_COLUMNS: dict[Kind, dict[str, str]] = {
    "Customer": {"id": "id", "created_at": "created_at", "updated_at": "updated_at", "email": "email"},
    "Order": {"id": "id", "created_at": "created_at", "updated_at": "updated_at", "processed_at": "processed_at"},
    "Product": {"id": "id", "created_at": "created_at", "updated_at": "updated_at", "handle": "handle"},
}
PLACED_WITH = (  # a discount code, whatever its case
    "EXISTS (SELECT 1 FROM json_each(document -> 'applications') AS application"
    " WHERE lower(application.value ->> 'code') = lower(?))"
)
TERM = re.compile(r"""\s*(?:AND\s+)?(\w+):(>=|<=|>|<|=)?(?:'([^']*)'|"([^"]*)"|(\S+))\s*""")


@dataclass(frozen=True, slots=True)
class Where:
    """SQL conditions over a table's own columns and their values."""

    conditions: tuple[str, ...]
    values: tuple[Any, ...]

    def more(self, condition: str, *values: Any) -> "Where":
        return Where((*self.conditions, condition), (*self.values, *values))


def table_page(
    context: Context,
    kind: Kind,
    where: Where,
    *,
    first: int | None = None,
    last: int | None = None,
    after: str | None = None,
    before: str | None = None,
    reverse: bool = False,
    sort_key: str = "ID",
) -> Connection:
    """One page of a shop's customers, orders or products. In a bulk operation its own page size and cursor rule."""
    if last is not None or before is not None:
        raise not_played("`last` and `before`: page forwards, with `reverse` if need be")
    if context.bulk is not None:
        first, after = context.bulk.first, context.bulk.after
    size = page_size(first) if context.bulk is None else context.bulk.first
    column = SORT_COLUMNS[kind].get(sort_key)
    if column is None:
        raise not_played(f"{TABLES[kind]} sorted by {sort_key}")
    way, beyond = ("DESC", "<") if reverse else ("ASC", ">")
    if after is not None:
        value, number = decode_cursor(after)
        where = where.more(f"({column}, id) {beyond} (?, ?)", value, number)
    # Table, column and direction come from the constants above, never from the caller.
    query = (
        f"SELECT id, {column}, document FROM {TABLES[kind]} WHERE {' AND '.join(where.conditions)}"
        f" ORDER BY {column} {way}, id {way} LIMIT ?"
    )
    rows = context.connection.execute(query, (*where.values, size + 1)).fetchall()
    more = len(rows) > size
    documents = context.loader.arrive(kind, {row[0]: load(row[2]) for row in rows[:size]})
    cursors = [encode_cursor(row[1], row[0]) for row in rows[:size]]
    if context.bulk is not None:
        context.bulk.next = cursors[-1] if more else None
    return connection(list(documents.values()), cursors, more, after is not None)


def table_count(context: Context, kind: Kind, where: Where) -> int:
    """How many of a shop's customers, orders or products meet the conditions."""
    query = f"SELECT count(*) FROM {TABLES[kind]} WHERE {' AND '.join(where.conditions)}"
    return int(context.connection.execute(query, where.values).fetchone()[0])


def memory_page(
    context: Context, nodes: Sequence[Any], *, first: int | None = None, after: str | None = None, **others: Any
) -> Connection:
    """One page of a list that is in memory; cursors are positions. A bulk operation takes all of it."""
    if others.get("last") is not None or others.get("before") is not None:
        raise not_played("`last` and `before`: page forwards, with `reverse` if need be")
    if others.get("reverse"):
        nodes = list(reversed(nodes))
    if context.bulk is not None:
        return {"nodes": nodes, "edges": [{"node": node} for node in nodes]}
    start = int(decode_cursor(after)[1]) if after is not None else 0
    end = start + page_size(first)
    cursors = [encode_cursor(position, position) for position in range(start + 1, min(end, len(nodes)) + 1)]
    return connection(list(nodes[start:end]), cursors, end < len(nodes), start > 0)


def page_size(first: int | None) -> int:
    if first is None:
        raise bad_request("you must provide one of first or last")
    if not 0 <= first <= MAX_PAGE:
        raise bad_request(f"first cannot exceed {MAX_PAGE}")
    return first


def connection(nodes: list[Any], cursors: list[str], more: bool, earlier: bool) -> Connection:
    return {
        "nodes": nodes,
        "edges": [{"node": node, "cursor": cursor} for node, cursor in zip(nodes, cursors, strict=True)],
        "pageInfo": {
            "hasNextPage": more,
            "hasPreviousPage": earlier,
            "startCursor": cursors[0] if cursors else None,
            "endCursor": cursors[-1] if cursors else None,
        },
    }


def filtered(kind: Kind, shop_id: int, query: str | None) -> Where:
    """The conditions of a `query:` search such as `updated_at:>='2026-11-01T00:00:00Z' created_at:<2026-12-01`."""
    where = Where(("shop_id = ?",), (shop_id,))
    text, position = (query or "").strip(), 0
    while position < len(text):
        term = TERM.match(text, position)
        if term is None:
            raise not_played(f"the search {text[position:]!r}")
        name, operator, *quoted = term.groups()
        column, wanted = FILTER_COLUMNS[kind].get(name), next(each for each in quoted if each is not None)
        if kind == "Order" and name == "discount_code" and not operator:
            where = where.more(PLACED_WITH, wanted)
        elif column is None:
            raise not_played(f"{TABLES[kind]} searched by {name}")
        else:
            where = where.more(f"{column} {operator or '='} ?", searched(column, wanted))
        position = term.end()
    return where


def searched(column: str, text: str) -> Any:
    try:
        if column == "id":
            return int(text)
        return normal(text) if column.endswith("_at") else text
    except ValueError:
        raise bad_request(f"Invalid search value {text!r}") from None


def encode_cursor(value: Any, number: int) -> str:
    return base64.b64encode(orjson.dumps({"last_id": number, "last_value": value})).decode()


def decode_cursor(cursor: str) -> tuple[Any, int]:
    try:
        read = orjson.loads(base64.b64decode(cursor, validate=True))
        return read["last_value"], int(read["last_id"])
    except (binascii.Error, ValueError, KeyError, TypeError):
        raise GraphQLError("Invalid cursor for current pagination sort.", extensions={"code": "BAD_REQUEST"}) from None
