"""Reads for a shop's visitors on a connection of its own: one statement, in a transaction of that shop, in one round
trip. Used by one thread at a time.

PostgreSQL gets the scope, the statement and a Sync in one pipeline. What comes before a Sync is one transaction, begun
with its first message and committed by the Sync, so the scope ends with it and no message of its own need say so.
https://www.postgresql.org/docs/15/protocol-flow.html#PROTOCOL-FLOW-PIPELINING

A shop's id never changes, so it is remembered by domain; whether it still has us installed is for the statement to say.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from typing import Any, cast

import structlog
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import RawCursor

from retention_app.models import Shop
from retention_app.receiving.connections import reading_connection

log = structlog.get_logger(__name__)

SHOPS_KEPT_MAX = 10_000

Parameters = Callable[[int], Sequence[Any]]  # of the statement, for a shop's id


class DatabaseAway(Exception):
    """The database doesn't answer, or not in time."""


class ShopReader:
    """`statement` gives the text for a database vendor: one row with one column, or none, with `$1` or `?1` marks."""

    def __init__(
        self, statement: Callable[[str], str], connect: Callable[[], BaseDatabaseWrapper] = reading_connection
    ) -> None:
        self._statement, self._connect = statement, connect
        self._connection: BaseDatabaseWrapper | None = None
        self._ids: dict[str, int] = {}
        self._began: float | None = None  # when the read that is under way did

    def read(self, domain: str, parameters: Parameters) -> Any:
        """What the statement finds; None for a shop we aren't installed in. Raises `DatabaseAway`: what a broken
        connection couldn't tell is asked once more on a new one."""
        again = self._connection is not None
        self._began = time.monotonic()
        try:
            return self._read(domain, parameters)
        except DatabaseAway:
            if not again or self._connection is not None:
                raise
            return self._read(domain, parameters)
        finally:
            self._began = None

    def hang_up(self, seconds: float) -> None:
        """End the read that another thread has been waiting for that long; it raises `DatabaseAway` there."""
        connection, began = self._connection, self._began
        if connection is None or began is None or time.monotonic() - began < seconds:
            return
        if connection.vendor == "postgresql":
            with suppress(Exception):  # it may end by itself meanwhile
                descriptor = connection.connection.fileno()
                with socket.socket(fileno=socket.dup(descriptor)) as line:
                    line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the connection up; the next read opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                connection.close()

    def _read(self, domain: str, parameters: Parameters) -> Any:
        try:
            connection = self._connected()
            with connection.wrap_database_errors:
                shop_id = self._shop_id(connection, domain)
                if shop_id is None:
                    return None
                row = self._row(connection, shop_id, parameters(shop_id))
        except Exception as error:
            cause = error.__cause__ or error  # its text may quote a row, and with it a person
            log.error("read_failed", error=type(cause).__name__, sqlstate=getattr(cause, "sqlstate", None))
            self._close_if_broken()
            raise DatabaseAway from error
        if row is None:
            self._ids.pop(domain, None)
        return row and row[0]

    def _connected(self) -> BaseDatabaseWrapper:
        if self._connection is None:
            connection = self._connect()
            connection.ensure_connection()
            self._connection = connection
        return self._connection

    def _shop_id(self, connection: BaseDatabaseWrapper, domain: str) -> int | None:
        if domain not in self._ids:
            mark = "$1" if connection.vendor == "postgresql" else "?1"
            text = (
                f"SELECT id FROM {Shop._meta.db_table} WHERE domain = {mark} AND state = '{Shop.State.INSTALLED.value}'"
            )
            with closing(self._cursor(connection)) as cursor:
                found = cursor.execute(text, [domain]).fetchone()
            if found is None:
                return None
            if len(self._ids) >= SHOPS_KEPT_MAX:
                self._ids.clear()
            self._ids[domain] = found[0]
        return self._ids[domain]

    def _row(self, connection: BaseDatabaseWrapper, shop_id: int, parameters: Sequence[Any]) -> Sequence[Any] | None:
        statement = self._statement(connection.vendor)
        with closing(self._cursor(connection)) as cursor:
            if connection.vendor == "postgresql":
                with connection.connection.pipeline(), closing(self._cursor(connection)) as scope:
                    scope.execute("SELECT set_config('app.shop_id', $1, true)", [str(shop_id)])
                    cursor.execute(statement, parameters)
            else:
                cursor.execute(statement, parameters)
            return cast("Sequence[Any] | None", cursor.fetchone())

    def _cursor(self, connection: BaseDatabaseWrapper) -> Any:
        """The driver's own: Django's and psycopg's placeholders cost more than the statement."""
        driver = connection.connection
        return RawCursor(driver) if connection.vendor == "postgresql" else driver.cursor()

    def _close_if_broken(self) -> None:
        connection = self._connection
        if connection is not None and getattr(connection.connection, "closed", False):
            self.close()
