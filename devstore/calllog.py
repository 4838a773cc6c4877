"""The log of everything devstore served to the app and sent to it (`/devstore/log`)."""

import hashlib
import time
from typing import Any

from devstore.shops import Shop
from devstore.state import Database, dump, load

PAGE = 500
KEPT = 100_000  # entries


def record(shop: Shop, kind: str, **detail: Any) -> None:
    """Log one call. Kinds: `graphql`, `token`, `bulk_file`, `webhook`, `app` (devstore opened one of the app's
    pages), `theme` (one was saved or published)."""
    with shop.database.write() as connection:
        connection.execute(
            "INSERT INTO calls (shop_id, at, kind, document) VALUES (?, ?, ?, ?)",
            (shop.id, time.time(), kind, dump({"shop": shop.domain, **detail})),
        )


def prune(database: Database) -> None:
    """Forget the oldest entries."""
    with database.write() as connection:
        connection.execute("DELETE FROM calls WHERE id <= (SELECT max(id) FROM calls) - ?", (KEPT,))


def remember_document(database: Database, text: str) -> str:
    """Keep a GraphQL document's text once and return its hash."""
    digest = document_hash(text)
    with database.write() as connection:
        connection.execute("INSERT OR IGNORE INTO graphql_documents VALUES (?, ?)", (digest, text))
    return digest


def document_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def page(database: Database, since: int, kind: str | None, limit: int = PAGE) -> dict[str, Any]:
    """Entries after id `since`, oldest first: `{entries: [{id, at, kind, shop, …}], documents: {hash: text}, next}`.
    `documents` holds every GraphQL document ever sent; `next` is the `since` of the following page, None when there
    is none."""
    connection = database.connection()
    rows = connection.execute(
        "SELECT id, at, kind, document FROM calls WHERE id > ? AND (? IS NULL OR kind = ?) ORDER BY id LIMIT ?",
        (since, kind, kind, limit + 1),
    ).fetchall()
    entries = [{"id": number, "at": at, "kind": each, **load(document)} for number, at, each, document in rows[:limit]]
    documents = dict(connection.execute("SELECT hash, text FROM graphql_documents").fetchall())
    return {"entries": entries, "documents": documents, "next": entries[-1]["id"] if len(rows) > limit else None}
