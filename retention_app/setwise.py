"""Set-based writes: many rows as one JSON parameter, in PostgreSQL's and SQLite's dialect.

A statement reads its rows from `rows_from(columns)`, a derived table that takes exactly one parameter, made by
`rows_json(rows, columns)`. So a batch of 500 costs the same few statements as a batch of one, and the text of a
statement doesn't depend on the number of rows (both databases can reuse its plan).

    cursor.execute(
        f"INSERT INTO t (a, b) SELECT a, b FROM {rows_from(COLUMNS)} WHERE true ON CONFLICT DO NOTHING",
        [rows_json(rows, COLUMNS)],
    )
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import orjson
from django.db import connection

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
    store = _instant_encoder()
    plain = [name for name, kind in columns.items() if kind != "timestamptz"]
    instants = [name for name, kind in columns.items() if kind == "timestamptz"]
    encoded = []
    for row in rows:
        fields = {name: row[name] for name in plain}
        for name in instants:
            value = row[name]
            fields[name] = value and store(value)
        encoded.append(fields)
    return orjson.dumps(encoded).decode()


def instant(value: dt.datetime) -> str:
    """An aware instant as this database stores it, so that comparisons agree with Django's own columns."""
    return _instant_encoder()(value)


def _instant_encoder() -> Callable[[dt.datetime], str]:
    return dt.datetime.isoformat if connection.vendor == "postgresql" else _naive_utc


def _naive_utc(value: dt.datetime) -> str:
    return str(value.astimezone(dt.UTC).replace(tzinfo=None))


def ids_in(column: str) -> str:
    """A condition `column IN (ids)` that takes one JSON array parameter, whatever the number of ids."""
    if connection.vendor == "postgresql":
        # An array, not a sub-select: the planner then uses the column's index even before the table's first ANALYZE.
        return f"{column} = ANY(ARRAY(SELECT value::bigint FROM jsonb_array_elements_text(%s::jsonb)))"
    return f"{column} IN (SELECT value FROM json_each(%s))"


def ids_json(ids: Iterable[int]) -> str:
    """The parameter of `ids_in`."""
    return orjson.dumps(list(ids)).decode()
