"""Discount codes: kept, found and accepted at checkout. What they take off is worked out in `orders.py`."""

import sqlite3
from collections.abc import Mapping
from typing import Any, Literal

from devstore import ids
from devstore.documents import Customer, Discount, DiscountCode
from devstore.money import fixed_amount
from devstore.orders import CommerceError
from devstore.shops import Shop
from devstore.state import dump, load

Status = Literal["ACTIVE", "EXPIRED", "SCHEDULED"]


class CodeTaken(Exception):
    """The shop has this code already, whatever its case."""


# Why a code is refused; `{amount}` is what it asks for.
UNKNOWN = "There is no discount code {code}."
TOO_EARLY = "Discount code {code} does not count yet."
OVER = "Discount code {code} is no longer valid."
USED_UP = "Discount code {code} has been used as often as it may be."
TOO_SMALL = "Discount code {code} is for orders of at least {amount}."
SOMEBODY_ELSES = "Discount code {code} belongs to somebody else. Use the e-mail address that it was given to."
USED_BEFORE = "Discount code {code} counts once for each customer, and you have used it."
REFUSALS = (UNKNOWN, TOO_EARLY, OVER, USED_UP, TOO_SMALL, SOMEBODY_ELSES, USED_BEFORE)


class CodeRefused(CommerceError):
    """Why a code does not count for this cart or this buyer: one of REFUSALS, to be filled in. `amount` is minor
    units."""

    def __init__(self, reason: str, code: str, amount: int = 0, currency: str = "") -> None:
        super().__init__(reason.format(code=code, amount=f"{fixed_amount(amount, currency)} {currency}"))
        self.reason = reason
        self.code = code
        self.amount = amount


# --- keeping -----------------------------------------------------------------------------------------------------


def create(connection: sqlite3.Connection, shop: Shop, code: DiscountCode, **settings: Any) -> Discount:
    """A new code, open to everybody from now on as far as `settings` (fields of Discount) say nothing else. Raises
    CodeTaken."""
    if find(connection, shop, code["code"]):
        raise CodeTaken(code["code"])
    now = shop.clock.now()
    defaults: Discount = {
        "id": ids.take(connection, "DiscountCodeNode"),
        "redeem_code_id": ids.take(connection, "DiscountRedeemCode"),
        "title": code["code"],
        "code": code["code"],
        "kind": code["kind"],
        "value": code["value"],
        "starts_at": now,
        "ends_at": None,
        "usage_limit": None,
        "once_per_customer": False,
        "customer_ids": None,
        "minimum_subtotal": None,
        "combines_with": [],
        "tags": [],
        "used": 0,
        "created_at": now,
        "updated_at": now,
    }
    discount: Discount = {**defaults, **settings}  # type: ignore[typeddict-item]
    connection.execute(
        "INSERT INTO discounts VALUES (?, ?, ?, ?)", (discount["id"], shop.id, key(discount["code"]), dump(discount))
    )
    return discount


def save(connection: sqlite3.Connection, discount: Discount) -> None:
    connection.execute("UPDATE discounts SET document = ? WHERE id = ?", (dump(discount), discount["id"]))


def find(connection: sqlite3.Connection, shop: Shop, code: str) -> Discount | None:
    """The discount of a code, whatever its case."""
    row = connection.execute("SELECT document FROM discounts WHERE shop_id = ? AND code = ?", (shop.id, key(code)))
    return _document(row.fetchone())


def by_id(connection: sqlite3.Connection, shop: Shop, number: int) -> Discount | None:
    row = connection.execute("SELECT document FROM discounts WHERE shop_id = ? AND id = ?", (shop.id, number))
    return _document(row.fetchone())


def all_of(shop: Shop) -> list[Discount]:
    """The shop's discounts, oldest first."""
    rows = shop.database.connection().execute(
        "SELECT document FROM discounts WHERE shop_id = ? ORDER BY id", (shop.id,)
    )
    return [load(document) for (document,) in rows]


def key(code: str) -> str:
    return code.strip().casefold()


def status(discount: Discount, now: str) -> Status:
    if discount["ends_at"] is not None and discount["ends_at"] <= now:
        return "EXPIRED"
    return "SCHEDULED" if discount["starts_at"] > now else "ACTIVE"


def deactivate(connection: sqlite3.Connection, discount: Discount, now: str) -> None:
    """End it now; what has ended stays as it is."""
    if status(discount, now) != "EXPIRED":
        discount["starts_at"] = min(discount["starts_at"], now)
        discount["ends_at"] = discount["updated_at"] = now
        save(connection, discount)


def change_owner(connection: sqlite3.Connection, shop: Shop, before: int, after: int) -> None:
    """Codes of one customer become another's, who takes them over in a merge."""
    for discount in all_of(shop):
        if before in (discount["customer_ids"] or ()):
            owners = (after if each == before else each for each in discount["customer_ids"] or ())
            discount["customer_ids"] = list(dict.fromkeys(owners))
            save(connection, discount)


# --- at checkout -------------------------------------------------------------------------------------------------


def accepted(shop: Shop, code: str | None, subtotal: int) -> Discount | None:
    """The discount of a code that counts for a cart of this worth now, as far as that can be said before the buyer is
    known; None for no code. Raises CodeRefused."""
    if not code:
        return None
    discount = find(shop.database.connection(), shop, code)
    if discount is None:
        raise CodeRefused(UNKNOWN, code)
    state = status(discount, shop.clock.now())
    if state != "ACTIVE":
        raise CodeRefused(TOO_EARLY if state == "SCHEDULED" else OVER, code)
    if discount["usage_limit"] is not None and discount["used"] >= discount["usage_limit"]:
        raise CodeRefused(USED_UP, code)
    least = discount["minimum_subtotal"] or 0
    if subtotal < least:
        raise CodeRefused(TOO_SMALL, code, least, shop.currency)
    return discount


def use(connection: sqlite3.Connection, shop: Shop, discount: Discount, buyer: Customer | None) -> None:
    """Count one use, in the transaction of its order. Raises CodeRefused where it is not this buyer's or they have
    used it."""
    code, owners = discount["code"], discount["customer_ids"]
    if owners is not None and (buyer is None or buyer["id"] not in owners):
        raise CodeRefused(SOMEBODY_ELSES, code)
    if discount["once_per_customer"] and buyer and _used_by(connection, shop, discount, buyer):
        raise CodeRefused(USED_BEFORE, code)
    discount["used"] += 1
    save(connection, discount)


def _used_by(connection: sqlite3.Connection, shop: Shop, discount: Discount, buyer: Mapping[str, Any]) -> bool:
    row = connection.execute(
        "SELECT 1 FROM orders, json_each(orders.document -> 'applications') AS application"
        " WHERE shop_id = ? AND customer_id = ? AND application.value ->> 'code' = ? LIMIT 1",
        (shop.id, buyer["id"], discount["code"]),
    )
    return row.fetchone() is not None


def _document(row: Any) -> Discount | None:
    return load(row[0]) if row else None
