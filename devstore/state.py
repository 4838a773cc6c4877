"""Devstore's own SQLite file: schema, connections, transactions."""

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

# Documents (documents.py) are kept whole as JSON; columns beside them exist to find and sort by.
SCHEMA = """
CREATE TABLE settings (name TEXT PRIMARY KEY, document BLOB NOT NULL);
CREATE TABLE sequences (kind TEXT PRIMARY KEY, next INTEGER NOT NULL);
CREATE TABLE shops (id INTEGER PRIMARY KEY, handle TEXT NOT NULL UNIQUE, document BLOB NOT NULL,
                    knobs BLOB NOT NULL);

CREATE TABLE customers (id INTEGER PRIMARY KEY, shop_id INTEGER NOT NULL, email TEXT NOT NULL, password TEXT,
                        created_at TEXT NOT NULL, updated_at TEXT NOT NULL, document BLOB NOT NULL);
CREATE UNIQUE INDEX customers_email ON customers (shop_id, email);
CREATE INDEX customers_updated ON customers (shop_id, updated_at, id);

CREATE TABLE products (id INTEGER PRIMARY KEY, shop_id INTEGER NOT NULL, handle TEXT NOT NULL,
                       created_at TEXT NOT NULL, updated_at TEXT NOT NULL, document BLOB NOT NULL);
CREATE UNIQUE INDEX products_handle ON products (shop_id, handle);
CREATE INDEX products_updated ON products (shop_id, updated_at, id);
CREATE TABLE variants (id INTEGER PRIMARY KEY, product_id INTEGER NOT NULL);

CREATE TABLE orders (id INTEGER PRIMARY KEY, shop_id INTEGER NOT NULL, number INTEGER NOT NULL,
                     token TEXT NOT NULL UNIQUE, customer_id INTEGER, created_at TEXT NOT NULL,
                     processed_at TEXT NOT NULL, updated_at TEXT NOT NULL, document BLOB NOT NULL);
CREATE UNIQUE INDEX orders_number ON orders (shop_id, number);
CREATE INDEX orders_updated ON orders (shop_id, updated_at, id);
CREATE INDEX orders_processed ON orders (shop_id, processed_at, id);
CREATE INDEX orders_customer ON orders (customer_id, processed_at);

CREATE TABLE refunds (id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL);

CREATE TABLE script_tags (id INTEGER PRIMARY KEY, shop_id INTEGER NOT NULL, document BLOB NOT NULL);

-- What a resource looked like before its last changes, for the `stale` knob.
CREATE TABLE earlier_states (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, resource_id INTEGER NOT NULL,
                             document BLOB NOT NULL);
CREATE INDEX earlier_states_resource ON earlier_states (kind, resource_id, id);

CREATE TABLE access_tokens (id INTEGER PRIMARY KEY, shop_id INTEGER NOT NULL, staff_id INTEGER,
                            access_token TEXT NOT NULL UNIQUE, scopes TEXT NOT NULL, expires_at REAL NOT NULL,
                            refresh_token TEXT UNIQUE, refresh_expires_at REAL, used INTEGER NOT NULL DEFAULT 0,
                            successor_id INTEGER, revoked INTEGER NOT NULL DEFAULT 0);

CREATE TABLE bulk_operations (id INTEGER PRIMARY KEY, shop_id INTEGER NOT NULL, status TEXT NOT NULL,
                              document BLOB NOT NULL);

-- A delivery is due on devstore's clock; a call was at a real instant. Both are epoch seconds.
CREATE TABLE deliveries (id INTEGER PRIMARY KEY, shop_id INTEGER NOT NULL, topic TEXT NOT NULL, uri TEXT NOT NULL,
                         webhook_id TEXT NOT NULL, event_id TEXT NOT NULL, triggered_at TEXT NOT NULL,
                         body BLOB NOT NULL, status TEXT NOT NULL, due_at REAL NOT NULL,
                         attempts INTEGER NOT NULL DEFAULT 0, answer INTEGER);
CREATE INDEX deliveries_due ON deliveries (due_at) WHERE status = 'queued';

CREATE TABLE calls (id INTEGER PRIMARY KEY, shop_id INTEGER, at REAL NOT NULL, kind TEXT NOT NULL,
                    document BLOB NOT NULL);
CREATE TABLE graphql_documents (hash TEXT PRIMARY KEY, text TEXT NOT NULL);

-- Carts and sessions of the theme.
CREATE TABLE carts (token TEXT PRIMARY KEY, shop_id INTEGER NOT NULL, document BLOB NOT NULL);
"""
# What state folders of an earlier devstore lack. A discount's `code` is in the form that codes are compared in.
ADDED = """
CREATE TABLE IF NOT EXISTS discounts (id INTEGER PRIMARY KEY, shop_id INTEGER NOT NULL, code TEXT NOT NULL,
                                      document BLOB NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS discounts_code ON discounts (shop_id, code);
-- Codes of the authorization code grant that have not been exchanged; a staff member's is for an online token.
CREATE TABLE IF NOT EXISTS grant_codes (code TEXT PRIMARY KEY, shop_id INTEGER NOT NULL, staff_id INTEGER,
                                        expires_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS collections (id INTEGER PRIMARY KEY, shop_id INTEGER NOT NULL, document BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS collections_shop ON collections (shop_id);
CREATE TABLE IF NOT EXISTS themes (id INTEGER PRIMARY KEY, shop_id INTEGER NOT NULL, document BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS app_metafields (id INTEGER PRIMARY KEY, shop_id INTEGER NOT NULL, document BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS mails (id INTEGER PRIMARY KEY, shop_id INTEGER NOT NULL, document BLOB NOT NULL);
-- Codes that were sent to sign in with, on devstore's clock.
CREATE TABLE IF NOT EXISTS sign_in_codes (shop_id INTEGER NOT NULL, email TEXT NOT NULL, code TEXT NOT NULL,
                                          expires_at REAL NOT NULL, tries INTEGER NOT NULL,
                                          PRIMARY KEY (shop_id, email));
CREATE INDEX IF NOT EXISTS themes_shop ON themes (shop_id);
"""
# What documents of an earlier devstore lack; put in once, when its state folder is opened.
UPGRADE = """
UPDATE orders SET document = CAST(json_set(CAST(document AS TEXT), '$.fulfilments', json('[]'), '$.lines', (
    SELECT json_group_array(json_set(line.value, '$.fulfilled', 0))
    FROM json_each(CAST(document AS TEXT), '$.lines') AS line)) AS BLOB);
UPDATE products SET document = CAST(json_set(CAST(document AS TEXT), '$.collection_ids', json('[]')) AS BLOB);
DELETE FROM earlier_states;
PRAGMA user_version = 1;
"""


class Database:
    """One SQLite file in WAL mode, a connection per thread, one writer at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        self._writing = threading.RLock()
        self._after_write: list[Callable[[], object]] = []
        if self.connection().execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
            self.connection().executescript(SCHEMA)
        self.connection().executescript(ADDED)
        if self.connection().execute("PRAGMA user_version").fetchone() == (0,):
            self.connection().executescript(UPGRADE)

    def connection(self) -> sqlite3.Connection:
        """This thread's connection. Outside `write()` and `read()` each statement is its own transaction."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self.path, isolation_level=None, timeout=30, cached_statements=256)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            self._local.connection = connection
        return connection

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A write transaction: commits at the end of the block, rolls back when it raises. Blocks may nest; only the
        outermost one commits."""
        with self._writing:
            connection = self.connection()
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
        for callback in self._after_write:
            callback()

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """One consistent snapshot for the statements of the block."""
        connection = self.connection()
        if connection.in_transaction:
            yield connection
            return
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            connection.execute("COMMIT")

    def after_write(self, callback: Callable[[], object]) -> None:
        """Call this after each committed write transaction (the delivery loop's alarm clock)."""
        self._after_write.append(callback)


def dump(document: Any) -> bytes:
    return orjson.dumps(document)


def load(document: bytes) -> Any:
    return orjson.loads(document)


def ids_json(values: Iterable[int]) -> str:
    """For `IN (SELECT value FROM json_each(?))`: one parameter, however many ids."""
    return orjson.dumps(list(values)).decode()
