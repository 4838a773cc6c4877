"""A small shop with a past, for tests of screens: 260 customers, fourteen months of orders, returns, a missing name."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

from retention_app import clock, mirror
from retention_app.models import DomainEvent, Shop
from tests.orders import customer_row, line_row, order_row

CUSTOMERS = 260
MONTHS = 14
NAMES = [
    ("Ana", "Souza"),
    ("João", "Lima"),
    ("Maria", "Oliveira"),
    ("Pedro", "Santos"),
    ("Beatriz", "Ferreira"),
    ("小美", "陳"),
    ("Lucas", "Almeida"),
    ("Rafaela", "Costa-Vasconcellos de Albuquerque"),
]
GOODS = [("Coffee 500 g", 3600), ("Green tea", 2400), ("Mug", 4800), ("Paper filters", 1900), ("Grinder", 18900)]


def tell(shop: Shop, *, last_order_at: dt.datetime | None = None) -> None:
    """Write the story into the mirror, inside the shop's scope. Its newest order: `last_order_at` (a minute ago)."""
    end = last_order_at or clock.now() - dt.timedelta(minutes=1)
    dice = random.Random(7)  # the same story each time
    begin = end - dt.timedelta(days=30 * MONTHS)
    people = [_person(number, dice, begin) for number in range(CUSTOMERS)]
    orders: list[dict[str, Any]] = []
    for person in people:
        day = person["created_at"]
        while day < end:
            orders.append(_order(person["shopify_id"], day, shop.currency, dice))
            if dice.random() < 0.4:
                break
            day += dt.timedelta(days=dice.randint(9, 110), hours=dice.randint(0, 12))
    for days in (200, 96, 31, 3):
        orders.append(_order(people[0]["shopify_id"], end - dt.timedelta(days=days), shop.currency, dice))
    orders.append(_two_mugs(people[0]["shopify_id"], end, shop.currency))
    orders.sort(key=lambda order: order["processed_at"])
    for number, order in enumerate(orders, 1001):
        order["name"] = f"#{number}"
    _return_a_mug(orders, end)
    mirror.customers_upsert(people, read_at=end, origin=DomainEvent.Origin.BACKFILL)
    for start in range(0, len(orders), 100):
        mirror.orders_upsert(orders[start : start + 100], read_at=end, origin=DomainEvent.Origin.BACKFILL)


def _person(number: int, dice: random.Random, begin: dt.datetime) -> dict[str, Any]:
    first, last = NAMES[number % len(NAMES)]
    withheld = number % 29 == 3
    since = begin + dt.timedelta(days=dice.randint(0, 30 * MONTHS - 2), minutes=number)
    return customer_row(
        7_000_000_000 + number,
        first_name="" if withheld else first,
        last_name="" if withheld else last if number < len(NAMES) else f"{last} {number}",
        email="" if withheld else f"customer{number}@example.com",
        created_at=since,
        updated_at=since,
    )


def _order(customer: int, placed: dt.datetime, currency: str, dice: random.Random) -> dict[str, Any]:
    number = dice.randint(10**8, 10**9)
    chosen = dice.sample(GOODS, dice.choice([1, 1, 2, 3]))
    lines = []
    for position, (title, price) in enumerate(chosen):
        pieces = dice.choice([1, 1, 1, 2])
        lines.append(line_row(number * 10 + position, price * pieces, pieces, title=title))
    return order_row(
        number, customer, currency=currency, lines=lines, processed_at=placed, created_at=placed, updated_at=placed
    )


def _two_mugs(customer: int, placed: dt.datetime, currency: str) -> dict[str, Any]:
    lines = [line_row(91, 9600, 2, title="Mug"), line_row(92, 3600, 1, title="Coffee 500 g")]
    return order_row(
        9, customer, currency=currency, lines=lines, processed_at=placed, created_at=placed, updated_at=placed
    )


def _return_a_mug(orders: list[dict[str, Any]], end: dt.datetime) -> None:
    """The last order but one of the first customer gave a piece back; the third order was cancelled."""
    orders[2]["cancelled_at"] = orders[2]["processed_at"] + dt.timedelta(hours=3)
    returned = orders[-1]
    line = returned["lines"][0]
    share = line["net_minor"] // line["quantity"]
    line["current_quantity"] -= 1
    returned["refunded_minor"] = share
    returned["refunds"] = [
        {
            "shopify_id": returned["shopify_id"] + 5,
            "processed_at": end,
            "total_minor": share,
            "unlined_minor": 0,
            "lines": [{"line_shopify_id": line["shopify_id"], "quantity": 1, "net_minor": share}],
        }
    ]
