"""Shopify-looking ids: numeric, 64-bit, unique over all shops, with `gid://shopify/<Type>/<id>` around them."""

import secrets
import sqlite3

FIRST_ID = {
    "DataRequest": 9999,
    "Mail": 70001,
    "Shop": 548380009,
    "StaffMember": 548380101,
    "AppInstallation": 733900001,
    "BulkOperation": 147595010,
    "ScriptTag": 596720001,
    "DiscountCodeNode": 1057370001,
    "DiscountRedeemCode": 11180490001,
    "Metafield": 19204000000001,
    "OnlineStoreTheme": 128380010001,
    "ShippingLine": 5001000000001,
    "Collection": 2841564295101,
    "Order": 6001000000001,
    "Product": 7001000000001,
    "Customer": 8101000000001,
    "ProductOption": 9001000000001,
    "MailingAddress": 9207000000001,
    "Refund": 9301000000001,
    "RefundLineItem": 9311000000001,
    "OrderTransaction": 9320000000001,
    "OrderAdjustment": 9330000000001,
    "OrderEdit": 9340000000001,
    "Fulfillment": 9350000000001,
    "FulfillmentLineItem": 9360000000001,
    "LineItem": 15001000000001,
    "ProductVariant": 42001000000001,
}


def take(connection: sqlite3.Connection, kind: str, count: int = 1) -> int:
    """Reserve `count` following ids of a kind and return the first. Runs in the caller's transaction."""
    connection.execute("INSERT OR IGNORE INTO sequences (kind, next) VALUES (?, ?)", (kind, FIRST_ID[kind]))
    (following,) = connection.execute(
        "UPDATE sequences SET next = next + ? WHERE kind = ? RETURNING next", (count, kind)
    ).fetchone()
    return int(following) - count


def gid(kind: str, number: int) -> str:
    return f"gid://shopify/{kind}/{number}"


def parse_gid(text: str) -> tuple[str, int]:
    """`gid://shopify/Order/6001` → `("Order", 6001)`. Raises ValueError."""
    prefix, _, rest = text.partition("gid://shopify/")
    kind, _, number = rest.partition("/")
    if prefix or not kind or not number.isdecimal():
        raise ValueError(f"Invalid global id '{text}'")
    return kind, int(number)


def token(length: int = 16) -> str:
    """A random lower-case hex token, as in order status URLs."""
    return secrets.token_hex(length)


class Batch:
    """Hands out ids like `take`, from memory, for loading many rows in one transaction; `close` writes back how far
    it came."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._next = {kind: take(connection, kind, 0) for kind in FIRST_ID}

    def __call__(self, kind: str, count: int = 1) -> int:
        first = self._next[kind]
        self._next[kind] += count
        return first

    def close(self) -> None:
        self.connection.executemany(
            "UPDATE sequences SET next = ? WHERE kind = ?",
            [(following, kind) for kind, following in self._next.items()],
        )
