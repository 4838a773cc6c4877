"""Statements over a batch, in both databases' dialect: ids and rows go in as one JSON parameter.

Reads start from the ids (`FROM {wanted()} CROSS JOIN …`): SQLite keeps that order, and so looks each id up by the index
on the shop and the id's column; left to itself, without statistics, it may scan all the shop's rows.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction
from psycopg import IsolationLevel

from retention_app import setwise

_WANTED: setwise.Columns = {"id": "bigint"}


def rows(sql: str, *params: str | int) -> list[Any]:
    """Run a statement; answers the rows it returns, if it returns any."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall()) if cursor.description else []


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


def wanted() -> str:
    """A FROM item `wanted(id)` that takes the parameter made by `ids`."""
    return setwise.rows_from(_WANTED, "wanted")


def ids(values: Iterable[int]) -> str:
    return setwise.rows_json(({"id": value} for value in values), _WANTED)


def instant(value: Any) -> dt.datetime:
    """An instant as a statement returns it. SQLite's are UTC without saying so; an expression makes them text."""
    found: dt.datetime = dt.datetime.fromisoformat(value) if isinstance(value, str) else value
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)
