"""Writes groups of deliveries on a connection of its own, a group in one statement and so in one transaction.

A group that fails is tried once more on a new connection when the connection may be to blame, then row by row, so that
a row the database can't take never fails its neighbours. Used by one thread at a time.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from functools import lru_cache
from typing import Any

import structlog
from django.db import DatabaseError, DataError, IntegrityError
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import RawCursor

from retention_app.models import WebhookDelivery
from retention_app.receiving.connections import own_connection
from retention_app.receiving.headers import Delivery

log = structlog.get_logger(__name__)

COLUMNS = (*Delivery._fields, "due_at", "state", "attempts", "error")  # the others are null or have a default
_ROW_ERRORS = (DataError, IntegrityError, ValueError)  # ValueError: what the driver can't even encode
_STATEMENTS_KEPT = 256  # texts by number of rows


class Outcome(enum.Enum):
    STORED = "committed now or before"
    REFUSED = "the database can't take this row"
    UNAVAILABLE = "the database doesn't do its work now"


class _Unreachable(Exception):
    """There is no connecting to the database."""


class DeliveryTable:
    def __init__(self, connect: Callable[[], BaseDatabaseWrapper] = own_connection) -> None:
        self._connect = connect
        self._connection: BaseDatabaseWrapper | None = None

    def store(self, group: Sequence[Delivery]) -> list[Outcome]:
        """What became of each delivery. Never raises."""
        outcomes: list[Outcome] = []
        try:
            outcome = self._attempt(group)
            if outcome is Outcome.UNAVAILABLE:
                outcome = self._attempt(group)
            if outcome is Outcome.STORED:
                return [outcome] * len(group)
            for delivery in group:
                outcomes.append(self._attempt([delivery]))
        except _Unreachable:
            pass
        return outcomes + [Outcome.UNAVAILABLE] * (len(group) - len(outcomes))

    def close(self) -> None:
        """Give the connection up; the next group opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except Exception as error:
                _report("connection_not_closed", error)

    def _attempt(self, group: Sequence[Delivery]) -> Outcome:
        """What became of the group as a whole. Raises `_Unreachable`."""
        connection = self._connected()
        try:
            _insert(connection, group)
        except _ROW_ERRORS as error:
            _report("deliveries_not_taken", error, rows=len(group))
            return Outcome.REFUSED
        except Exception as error:
            _report("deliveries_not_stored", error, rows=len(group))
            self.close()
            return Outcome.UNAVAILABLE
        return Outcome.STORED

    def _connected(self) -> BaseDatabaseWrapper:
        if self._connection is None:
            try:
                connection = self._connect()
                connection.ensure_connection()
                _compress_fast(connection)
            except Exception as error:
                _report("database_unreachable", error)
                raise _Unreachable from error
            self._connection = connection
        return self._connection


def _compress_fast(connection: BaseDatabaseWrapper) -> None:
    """Have bodies stored with lz4, which costs PostgreSQL a third of what its default does; one built without it
    keeps to the default."""
    if connection.vendor == "postgresql":
        with suppress(DatabaseError), connection.cursor() as cursor:
            cursor.execute("SET default_toast_compression = 'lz4'")


def _insert(connection: BaseDatabaseWrapper, group: Sequence[Delivery]) -> None:
    """Commit the group; a webhook id that is there already is left as it is.

    On the driver's own cursor: Django's and psycopg's placeholders cost more than all the rest of a large statement.
    """
    postgresql = connection.vendor == "postgresql"
    instant = connection.ops.adapt_datetimefield_value
    values: list[Any] = []
    # In one order everywhere: two processes that were sent the same deliveries don't wait for each other in a circle.
    for delivery in sorted(group):
        values += delivery
        values[-1] = instant(delivery.received_at)
    driver = connection.connection
    with connection.wrap_database_errors, closing(RawCursor(driver) if postgresql else driver.cursor()) as cursor:
        cursor.execute(_statement(len(group), "$" if postgresql else "?"), values)


@lru_cache(_STATEMENTS_KEPT)
def _statement(rows: int, mark: str) -> str:
    """The insertion of so many rows, with parameters numbered `<mark>1` and so on."""
    width = len(Delivery._fields)
    values = []
    for first in range(1, rows * width, width):
        marks = [f"{mark}{number}" for number in range(first, first + width)]
        due_at = marks[-1]  # as soon as it is received
        values.append(f"({', '.join(marks)}, {due_at}, '{WebhookDelivery.State.WAITING.value}', 0, '')")
    return (
        f"INSERT INTO {WebhookDelivery._meta.db_table} ({', '.join(COLUMNS)})"
        f" VALUES {', '.join(values)} ON CONFLICT (webhook_id) DO NOTHING"
    )


def _report(event: str, error: Exception, **fields: object) -> None:
    """Log an error's kind only: its text may quote the row, and with it a person."""
    cause = error.__cause__ or error
    log.error(event, error=type(cause).__name__, sqlstate=getattr(cause, "sqlstate", None), **fields)
