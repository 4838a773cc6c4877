"""Connections beside Django's: no pool to wait for, and no request's end closes them."""

from __future__ import annotations

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

# PostgreSQL: a server that is gone without a word is noticed before the platform gives up waiting (5 s).
CONNECT_SECONDS_MAX = 2
UNACKNOWLEDGED_MS_MAX = 4_000

READ_MS_MAX = 1_500  # a statement of a connection that only reads
_READING = (
    "default_transaction_read_only=on",
    f"statement_timeout={READ_MS_MAX}",
    "plan_cache_mode=force_generic_plan",
    "jit=off",
)


def own_connection() -> BaseDatabaseWrapper:
    """A connection not yet opened. For one thread at a time."""
    connection = connections.create_connection(DEFAULT_DB_ALIAS)
    if connection.vendor == "postgresql":
        options = {
            **connection.settings_dict["OPTIONS"],
            "connect_timeout": CONNECT_SECONDS_MAX,
            "tcp_user_timeout": UNACKNOWLEDGED_MS_MAX,
        }
        options.pop("pool", None)
        connection.settings_dict = {**connection.settings_dict, "OPTIONS": options}
    return connection


def reading_connection() -> BaseDatabaseWrapper:
    """One that only reads, the same few statements again and again: their plans are made once, and one that takes long
    is given up."""
    connection = own_connection()
    if connection.vendor == "postgresql":
        reading = {"options": " ".join(f"-c {one}" for one in _READING), "prepare_threshold": 0}
        options = {**connection.settings_dict["OPTIONS"], **reading}
        connection.settings_dict = {**connection.settings_dict, "OPTIONS": options}
    return connection
