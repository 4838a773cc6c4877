"""Set-based writes: many rows as one JSON parameter, in PostgreSQL's and SQLite's dialect.

A statement reads its rows from `rows_from(columns)`, a derived table that takes exactly one parameter, made by
`rows_json(rows, columns)`. So a batch of 500 costs the same few statements as a batch of one, and the text of a
statement doesn't depend on the number of rows (both databases can reuse its plan).

    run(f"INSERT INTO t (a, b) SELECT a, b FROM {rows_from(COLUMNS)} WHERE true ON CONFLICT DO NOTHING", rows, COLUMNS)
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import orjson
from django.db import connection
from django.utils import timezone

Kind = Literal["bigint", "integer", "text", "boolean", "timestamptz", "jsonb"]
Columns = Mapping[str, Kind]
Row = Mapping[str, Any]


def rows_from(columns: Columns, alias: str = "r") -> str:
    """A FROM item named `alias` with these columns, reading one JSON array parameter (`%s`)."""
    if connection.vendor == "postgresql":
        typed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        return f"jsonb_to_recordset(%s::jsonb) AS {alias}({typed})"
    picked = ", ".join(f"json_extract(value, '$.{name}') AS {name}" for name in columns)
    return f"(SELECT {picked} FROM json_each(%s)) AS {alias}"


def rows_json(rows: Iterable[Row], columns: Columns) -> str:
    """The rows as the parameter of `rows_from`. Instants must be aware. Raises KeyError for a missing column."""
    return orjson.dumps([{name: _encoded(row[name], kind) for name, kind in columns.items()} for row in rows]).decode()


def _encoded(value: Any, kind: Kind) -> Any:
    if kind == "timestamptz" and value is not None:
        return instant(value)
    return value


def instant(value: dt.datetime) -> str:
    """An aware instant as this database stores it, so that comparisons agree with Django's own columns."""
    utc = value.astimezone(dt.UTC)
    return utc.isoformat() if connection.vendor == "postgresql" else str(timezone.make_naive(utc, dt.UTC))


def run(sql: str, rows: Iterable[Row], columns: Columns, *after: Any) -> int:
    """Execute a statement whose first parameter is the rows; answers how many rows it touched."""
    with connection.cursor() as cursor:
        cursor.execute(sql, [rows_json(rows, columns), *after])
        return int(cursor.rowcount)


def fetch(sql: str, params: Sequence[Any]) -> list[dict[str, Any]]:
    """Execute a query and answer its rows as dicts, values as the driver gives them."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]


def ids_in(column: str) -> str:
    """A condition `column IN (ids)` that takes one JSON array parameter, whatever the number of ids."""
    if connection.vendor == "postgresql":
        return f"{column} IN (SELECT value::bigint FROM jsonb_array_elements_text(%s::jsonb))"
    return f"{column} IN (SELECT value FROM json_each(%s))"


def ids_json(ids: Iterable[int]) -> str:
    """The parameter of `ids_in`."""
    return orjson.dumps(list(ids)).decode()
