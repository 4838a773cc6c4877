"""The app's own metafields on its installation in a shop, which its blocks read as `app.metafields`."""

import json
import sqlite3
from typing import Any, TypedDict

from devstore import ids
from devstore.shops import Shop
from devstore.state import dump, load

TYPES = ("boolean", "json", "multi_line_text_field", "number_decimal", "number_integer", "single_line_text_field")
PARSED: dict[str, tuple[type, ...]] = {"boolean": (bool,), "number_decimal": (int, float), "number_integer": (int,)}


class Metafield(TypedDict):
    id: int
    namespace: str
    key: str
    type: str
    value: str
    created_at: str
    updated_at: str


def all_of(shop: Shop) -> list[Metafield]:
    """Oldest first."""
    rows = shop.database.connection().execute(
        "SELECT document FROM app_metafields WHERE shop_id = ? ORDER BY id", (shop.id,)
    )
    return [load(document) for (document,) in rows]


def parsed(kind: str, value: str) -> Any:
    """The value as Liquid and `jsonValue` have it. Raises ValueError where the text is none of that type."""
    if kind.endswith("_text_field"):
        return value
    found = json.loads(value)
    if kind in PARSED and type(found) not in PARSED[kind]:
        raise ValueError(f"Value is no {kind}.")
    return found


def set_one(connection: sqlite3.Connection, shop: Shop, namespace: str, key: str, kind: str, value: str) -> Metafield:
    """Make or change one. Runs in the caller's transaction."""
    now = shop.clock.now()
    before = next((each for each in all_of(shop) if (each["namespace"], each["key"]) == (namespace, key)), None)
    made: Metafield = {
        "id": before["id"] if before else ids.take(connection, "Metafield"),
        "namespace": namespace,
        "key": key,
        "type": kind,
        "value": value,
        "created_at": before["created_at"] if before else now,
        "updated_at": now,
    }
    connection.execute("INSERT OR REPLACE INTO app_metafields VALUES (?, ?, ?)", (made["id"], shop.id, dump(made)))
    return made


def forget(connection: sqlite3.Connection, shop: Shop) -> None:
    """The installation is over, and they with it."""
    connection.execute("DELETE FROM app_metafields WHERE shop_id = ?", (shop.id,))


def for_liquid(shop: Shop) -> dict[str, dict[str, Any]]:
    """`{namespace: {key: {type, value}}}`."""
    found: dict[str, dict[str, Any]] = {}
    for each in all_of(shop):
        value = {"type": each["type"], "value": parsed(each["type"], each["value"])}
        found.setdefault(each["namespace"], {})[each["key"]] = value
    return found
