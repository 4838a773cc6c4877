"""A shop with waiting, expiry and tiers, and its clock."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import time_machine

from loyalty import selectors
from loyalty.programme import draft_save, programme_publish
from retention_app.models import Customer, Shop
from tests.loyalty.ground import bring, customers
from tests.orders import at

TIERED: dict[str, Any] = {
    "earn": {"points": 1, "per_minor": 100},
    "worth": {"points": 100, "minor": 500},
    "waiting": {"days": 14, "after": "payment"},
    "expiry_months": 2,
    "tiers": {
        "by": "spend",
        "period": "lifetime",
        "grace_days": 10,
        "hold_days": 0,
        "protect_until": None,
        "levels": [
            {"key": "silver", "name": "Silver", "from": 7_000, "percent": 100},
            {"key": "gold", "name": "Gold", "from": 20_000, "percent": 200},
        ],
    },
}


def days(number: float) -> dt.datetime:
    """So many days after the tests' epoch, 1 January at noon."""
    return at(number * 24 * 60)


def customer(shopify_id: int) -> Customer:
    return Customer.objects.get(shopify_id=shopify_id)


@dataclass
class Tiered:
    """The shop and the clock that everything in it goes by."""

    shop: Shop
    clock: time_machine.Coordinates


@pytest.fixture
def tiered(shop: Shop) -> Iterator[Tiered]:
    """Our shop with `TIERED` published and customers 1 and 2, at the tests' epoch."""
    with time_machine.travel(days(0), tick=False) as clock:
        draft_save(shop.id, TIERED, "42")
        programme_publish(shop.id, "42", "all")
        customers(1, 2)
        yield Tiered(shop, clock)


def summary_of(tiered: Tiered, shopify_id: int = 1) -> selectors.MemberSummary:
    return selectors.member_summary(customer(shopify_id), selectors.programme_live(tiered.shop.id))


def go(tiered: Tiered, number: float) -> None:
    """Move the clock to so many days after the epoch and let time pass."""
    tiered.clock.move_to(days(number))
    bring(1, 2)
