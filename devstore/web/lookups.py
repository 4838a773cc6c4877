"""Reads that only pages need: lists with a search, counts, best sellers."""

from devstore.documents import Customer, Order, Product
from devstore.shops import Shop
from devstore.state import load

BEST_SELLERS_ORDERS = 500  # how many of the latest orders decide what sells best


def counts(shop: Shop) -> dict[str, int]:
    connection = shop.database.connection()
    return {
        table: connection.execute(f"SELECT count(*) FROM {table} WHERE shop_id = ?", (shop.id,)).fetchone()[0]
        for table in ("customers", "orders", "products")
    }


def orders_found(shop: Shop, words: str, *, limit: int, offset: int) -> list[Order]:
    """Orders, newest first: all, those of a number (`#1042`, `1042`), or of e-mail addresses beginning with `words`."""
    connection = shop.database.connection()
    number = words.removeprefix("#")
    where, values = "", list[int | str]()
    if number.isascii() and number.isdecimal():
        where, values = "AND number = ?", [int(number[:18])]
    elif words:
        where = "AND customer_id IN (SELECT id FROM customers WHERE shop_id = ? AND email >= ? AND email < ?)"
        values = [shop.id, *_beginning(words)]
    rows = connection.execute(
        f"SELECT document FROM orders WHERE shop_id = ? {where} ORDER BY processed_at DESC, id DESC LIMIT ? OFFSET ?",
        (shop.id, *values, limit, offset),
    )
    return [load(document) for (document,) in rows]


def customers_found(shop: Shop, words: str, *, limit: int, offset: int) -> list[Customer]:
    """Customers whose e-mail address begins with `words`, newest first."""
    rows = shop.database.connection().execute(
        "SELECT document FROM customers WHERE shop_id = ? AND email >= ? AND email < ?"
        " ORDER BY id DESC LIMIT ? OFFSET ?",
        (shop.id, *_beginning(words), limit, offset),
    )
    return [load(document) for (document,) in rows]


def products_found(shop: Shop, *, limit: int, offset: int) -> list[Product]:
    """Products of every status, in the order they were made."""
    rows = shop.database.connection().execute(
        "SELECT document FROM products WHERE shop_id = ? ORDER BY id LIMIT ? OFFSET ?", (shop.id, limit, offset)
    )
    return [load(document) for (document,) in rows]


def deliveries_waiting(shop: Shop) -> int:
    """How many webhooks wait to be sent or sent again."""
    row = shop.database.connection().execute(
        "SELECT count(*) FROM deliveries WHERE shop_id = ? AND status = 'queued'", (shop.id,)
    )
    return int(row.fetchone()[0])


def best_sellers(shop: Shop, products: list[Product], limit: int) -> list[Product]:
    """The products of which the latest orders hold most units, then the others in their own order."""
    sold: dict[int, int] = {}
    for order in orders_found(shop, "", limit=BEST_SELLERS_ORDERS, offset=0):
        for line in order["lines"]:
            if line["product_id"]:
                sold[line["product_id"]] = sold.get(line["product_id"], 0) + line["quantity"]
    return sorted(products, key=lambda product: -sold.get(product["id"], 0))[:limit]


def _beginning(words: str) -> tuple[str, str]:
    """The range of e-mail addresses that begin with `words`, for an index to search."""
    return words.lower(), words.lower() + "\U0010ffff"
