"""Documents in and out of the database. Saving keeps what was there before, for stale reads."""

import re
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from devstore.documents import Collection, Customer, Order, Product
from devstore.state import dump, ids_json, load

EARLIER_STATES_KEPT = 5
Kind = Literal["Customer", "Order", "Product"]
KEEP = "INSERT INTO earlier_states (kind, resource_id, document) "
KEEP_EARLIER: dict[Kind, str] = {
    "Customer": KEEP + "SELECT ?, id, document FROM customers WHERE id = ?",
    "Order": KEEP + "SELECT ?, id, document FROM orders WHERE id = ?",
    "Product": KEEP + "SELECT ?, id, document FROM products WHERE id = ?",
}
READ: dict[Kind, str] = {
    "Customer": "SELECT id, document FROM customers WHERE shop_id = ? AND id IN (SELECT value FROM json_each(?))",
    "Order": "SELECT id, document FROM orders WHERE shop_id = ? AND id IN (SELECT value FROM json_each(?))",
    "Product": "SELECT id, document FROM products WHERE shop_id = ? AND id IN (SELECT value FROM json_each(?))",
}


def customer(connection: sqlite3.Connection, shop_id: int, customer_id: int) -> Customer | None:
    return _one(connection, "SELECT document FROM customers WHERE id = ? AND shop_id = ?", (customer_id, shop_id))


def customer_by_email(connection: sqlite3.Connection, shop_id: int, email: str) -> Customer | None:
    return _one(connection, "SELECT document FROM customers WHERE shop_id = ? AND email = ?", (shop_id, email))


def order(connection: sqlite3.Connection, shop_id: int, order_id: int) -> Order | None:
    return _one(connection, "SELECT document FROM orders WHERE id = ? AND shop_id = ?", (order_id, shop_id))


def product(connection: sqlite3.Connection, shop_id: int, product_id: int) -> Product | None:
    return _one(connection, "SELECT document FROM products WHERE id = ? AND shop_id = ?", (product_id, shop_id))


def products_of_variants(
    connection: sqlite3.Connection, shop_id: int, variant_ids: Sequence[int]
) -> dict[int, Product]:
    """The product of each variant that exists."""
    if not variant_ids:
        return {}
    rows = connection.execute(
        "SELECT variants.id, document FROM variants JOIN products ON products.id = product_id"
        " WHERE shop_id = ? AND variants.id IN (SELECT value FROM json_each(?))",
        (shop_id, ids_json(variant_ids)),
    )
    return {variant_id: load(document) for variant_id, document in rows}


def order_of_refund(connection: sqlite3.Connection, shop_id: int, refund_id: int) -> int | None:
    """The id of the order that a refund belongs to."""
    row = connection.execute(
        "SELECT order_id FROM refunds JOIN orders ON orders.id = order_id WHERE refunds.id = ? AND shop_id = ?",
        (refund_id, shop_id),
    ).fetchone()
    return row[0] if row else None


def order_ids_of(connection: sqlite3.Connection, shop_id: int, customer_id: int) -> list[int]:
    """All orders of a customer, test orders and cancelled ones included, oldest first."""
    rows = connection.execute(
        "SELECT id FROM orders WHERE shop_id = ? AND customer_id = ? ORDER BY processed_at, id", (shop_id, customer_id)
    )
    return [number for (number,) in rows]


def next_order_number(connection: sqlite3.Connection, shop_id: int) -> int:
    (last,) = connection.execute("SELECT max(number) FROM orders WHERE shop_id = ?", (shop_id,)).fetchone()
    return (last or 1000) + 1


def save_customer(
    connection: sqlite3.Connection, shop_id: int, document: Customer, *, password: str | None = None
) -> None:
    """Insert or update; `password` is a stored hash, None keeps the one there is."""
    _keep_earlier(connection, "Customer", document["id"])
    insert_customers(connection, shop_id, [(document, password)])


def insert_customers(connection: sqlite3.Connection, shop_id: int, rows: Iterable[tuple[Customer, str | None]]) -> None:
    connection.executemany(
        "INSERT INTO customers VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET email = excluded.email,"
        " password = coalesce(excluded.password, password), updated_at = excluded.updated_at,"
        " document = excluded.document",
        (
            (each["id"], shop_id, each["email"], password, each["created_at"], each["updated_at"], dump(each))
            for each, password in rows
        ),
    )


def delete_customer(connection: sqlite3.Connection, shop_id: int, customer_id: int) -> None:
    connection.execute("DELETE FROM customers WHERE id = ? AND shop_id = ?", (customer_id, shop_id))
    _forget_earlier(connection, "Customer", customer_id)


def delete_order(connection: sqlite3.Connection, shop_id: int, order_id: int) -> None:
    connection.execute("DELETE FROM orders WHERE id = ? AND shop_id = ?", (order_id, shop_id))
    connection.execute("DELETE FROM refunds WHERE order_id = ?", (order_id,))
    _forget_earlier(connection, "Order", order_id)


def save_order(connection: sqlite3.Connection, shop_id: int, document: Order) -> None:
    _keep_earlier(connection, "Order", document["id"])
    insert_orders(connection, shop_id, [document])


def insert_orders(connection: sqlite3.Connection, shop_id: int, rows: Sequence[Order]) -> None:
    connection.executemany(
        "INSERT OR IGNORE INTO refunds VALUES (?, ?)",
        ((refund["id"], each["id"]) for each in rows for refund in each["refunds"]),
    )
    connection.executemany(
        "INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
        " customer_id = excluded.customer_id, updated_at = excluded.updated_at, document = excluded.document",
        (
            (
                each["id"],
                shop_id,
                each["number"],
                each["token"],
                each["customer_id"],
                each["created_at"],
                each["processed_at"],
                each["updated_at"],
                dump(each),
            )
            for each in rows
        ),
    )


def save_product(connection: sqlite3.Connection, shop_id: int, document: Product) -> None:
    _keep_earlier(connection, "Product", document["id"])
    insert_products(connection, shop_id, [document])


def insert_products(connection: sqlite3.Connection, shop_id: int, rows: Sequence[Product]) -> None:
    connection.executemany(
        "INSERT INTO products VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
        " handle = excluded.handle, updated_at = excluded.updated_at, document = excluded.document",
        ((each["id"], shop_id, each["handle"], each["created_at"], each["updated_at"], dump(each)) for each in rows),
    )
    connection.executemany(
        "INSERT OR IGNORE INTO variants VALUES (?, ?)",
        ((variant["id"], each["id"]) for each in rows for variant in each["variants"]),
    )


def collections(connection: sqlite3.Connection, shop_id: int) -> list[Collection]:
    """The shop's collections, oldest first."""
    rows = connection.execute("SELECT document FROM collections WHERE shop_id = ? ORDER BY id", (shop_id,))
    return [load(document) for (document,) in rows]


def new_collection(number: int, title: str, at: str) -> Collection:
    """A collection that holds nothing and isn't saved yet."""
    handle = re.sub(r"\W+", "-", title.lower()).strip("-") or str(number)
    return {"id": number, "handle": handle, "title": title, "created_at": at, "updated_at": at}


def save_collection(connection: sqlite3.Connection, shop_id: int, document: Collection) -> None:
    connection.execute("INSERT OR REPLACE INTO collections VALUES (?, ?, ?)", (document["id"], shop_id, dump(document)))


def products_in(connection: sqlite3.Connection, shop_id: int, collection_id: int) -> dict[int, Any]:
    """The products of a collection by id, oldest first."""
    rows = connection.execute(
        "SELECT products.id, document FROM products, json_each(document -> 'collection_ids') AS collection"
        " WHERE shop_id = ? AND collection.value = ? ORDER BY products.id",
        (shop_id, collection_id),
    )
    return {number: load(document) for number, document in rows}


def count_purchases(connection: sqlite3.Connection, shop_id: int, buyer: Customer, at: str) -> None:
    """Bring `orders_count`, `spent` and the last order of a customer up to date with the orders as saved."""
    rows = connection.execute(
        "SELECT id, created_at, document ->> 'total', document ->> 'refunded' FROM orders"
        " WHERE shop_id = ? AND customer_id = ? AND document ->> 'cancelled_at' IS NULL AND NOT document ->> 'test'"
        " ORDER BY processed_at, id",
        (shop_id, buyer["id"]),
    ).fetchall()
    buyer["orders_count"] = len(rows)
    buyer["spent"] = sum(total - refunded for _, _, total, refunded in rows)
    buyer["last_order_id"], buyer["last_order_at"] = rows[-1][:2] if rows else (None, None)
    buyer["updated_at"] = max(buyer["updated_at"], at)


def by_ids(connection: sqlite3.Connection, shop_id: int, kind: Kind, resource_ids: Iterable[int]) -> dict[int, Any]:
    """Documents of one kind by id; ids that are not the shop's are left out."""
    rows = connection.execute(READ[kind], (shop_id, ids_json(resource_ids)))
    return {number: load(document) for number, document in rows}


def earlier_states(connection: sqlite3.Connection, kind: Kind, resource_ids: Sequence[int]) -> dict[int, list[Any]]:
    """Earlier documents of resources, by id, oldest first."""
    rows = connection.execute(
        "SELECT resource_id, document FROM earlier_states WHERE kind = ?"
        " AND resource_id IN (SELECT value FROM json_each(?)) ORDER BY id",
        (kind, ids_json(resource_ids)),
    )
    found: dict[int, list[Any]] = {}
    for resource_id, document in rows:
        found.setdefault(resource_id, []).append(load(document))
    return found


def _keep_earlier(connection: sqlite3.Connection, kind: Kind, resource_id: int) -> None:
    connection.execute(KEEP_EARLIER[kind], (kind, resource_id))
    connection.execute(
        "DELETE FROM earlier_states WHERE kind = ? AND resource_id = ? AND id NOT IN"
        " (SELECT id FROM earlier_states WHERE kind = ? AND resource_id = ? ORDER BY id DESC LIMIT ?)",
        (kind, resource_id, kind, resource_id, EARLIER_STATES_KEPT),
    )


def _forget_earlier(connection: sqlite3.Connection, kind: Kind, resource_id: int) -> None:
    connection.execute("DELETE FROM earlier_states WHERE kind = ? AND resource_id = ?", (kind, resource_id))


def _one(connection: sqlite3.Connection, query: str, parameters: tuple[Any, ...]) -> Any:
    row = connection.execute(query, parameters).fetchone()
    return load(row[0]) if row else None
