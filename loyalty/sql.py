"""Statements over a batch, in both databases' dialect: ids and rows go in as one JSON parameter."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction
from psycopg import IsolationLevel

from retention_app import setwise
from retention_app.tenancy import current_shop_id


def rows(sql: str, *params: str | int) -> list[Any]:
    """Run a statement; answers the rows it returns, if it returns any."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall()) if cursor.description else []


Statement = tuple[str, list[str | int]]  # with its parameters


def run(statements: Sequence[Statement]) -> list[int]:
    """Run statements of which none waits for another's answer; answers how many rows each wrote. PostgreSQL gets them
    in one message: a round trip costs as much as a small statement."""
    with connection.cursor() as cursor:
        if connection.vendor != "postgresql":
            return [cursor.execute(sql, params).rowcount for sql, params in statements]
        cursor.execute("; ".join(sql for sql, _ in statements), [one for _, params in statements for one in params])
        counts = [cursor.rowcount]
        while cursor.nextset():
            counts.append(cursor.rowcount)
        return counts


@contextmanager
def read_snapshot() -> Iterator[None]:
    """Make all reads of the block see one state. Inside a transaction they see what that transaction sees."""
    if connection.in_atomic_block:
        yield
    elif connection.vendor == "postgresql":
        connection.ensure_connection()
        driver = connection.connection
        usual, driver.isolation_level = driver.isolation_level, IsolationLevel.REPEATABLE_READ
        try:
            with transaction.atomic():
                yield
        finally:
            if not driver.closed:
                driver.isolation_level = usual
    else:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN DEFERRED")  # Django's own transactions here take the write lock at once
            try:
                yield
            finally:
                cursor.execute("ROLLBACK")


def look_up(columns: str, table: str, column: str, ids: Iterable[int], then: str = "") -> list[Any]:
    """`columns` (of `t`) of the shop's rows in `table` whose `column` is one of the ids; `then` follows the condition.

    One table at a time and not as a plain join: without statistics (a fresh import) both databases would rather scan
    all the shop's rows. SQLite keeps the order of a CROSS JOIN, PostgreSQL looks an array up by the index on both
    columns. No ids, no statement.
    """
    return look_up_all([(columns, table, then)], column, ids)


def look_up_all(tables: Sequence[tuple[str, str, str]], column: str, ids: Iterable[int]) -> list[Any]:
    """What `look_up` answers for each (columns, table, then), columns of the same kinds, in one statement."""
    wanted = list(ids)
    if not wanted:
        return []
    if connection.vendor == "postgresql":
        source = "{} AS t WHERE t.{} = ANY (ARRAY(SELECT jsonb_array_elements_text(%s::jsonb)::bigint))"
    else:
        source = "json_each(%s) AS wanted CROSS JOIN {} AS t WHERE t.{} = wanted.value"
    statement = " UNION ALL ".join(
        f"SELECT {columns} FROM {source.format(table, column)} AND t.shop_id = %s{then}"
        for columns, table, then in tables
    )
    params: list[str | int] = [setwise.ids_json(wanted), current_shop_id()]
    return rows(statement, *params * len(tables))


def stored(value: dt.datetime) -> str:
    """An instant as a parameter, in the form this database stores."""
    return setwise.instant(value)


def instant_if_any(value: Any) -> dt.datetime | None:
    return None if value is None else instant(value)


def instant(value: Any) -> dt.datetime:
    """An instant as a statement returns it. SQLite's are UTC without saying so; an expression makes them text."""
    found: dt.datetime = dt.datetime.fromisoformat(value) if isinstance(value, str) else value
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)
