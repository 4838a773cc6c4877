"""What a basket would earn, before anybody buys it: the rules' own sum, over what a browser says is in it.

Nothing here is booked. What isn't known stays out of the sum (a code to come, the first-order bonus), and how much that
may matter is told with the number.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from loyalty import facts
from loyalty.models import Member, ProgrammeVersion
from loyalty.rules import earning
from loyalty.rules.facts import LineFact, OrderFact
from loyalty.rules.programme import Document, completed
from loyalty.selectors import always
from retention_app import clock
from retention_app.models import Order, Product, Shop
from retention_app.selectors import labels_of

Certainty = Literal["exact", "least", "about"]


@dataclass(frozen=True, slots=True)
class BasketLine:
    """Pieces of a product and what they cost together, in minor units of the shop's currency."""

    product_shopify_id: int
    quantity: int
    minor: int


@dataclass(frozen=True, slots=True)
class Basket:
    """What is in it, and what a discount takes off all of it. `is_one_product`: a product's page, not a basket yet."""

    lines: Sequence[BasketLine]
    off_minor: int = 0
    is_one_product: bool = False


@dataclass(frozen=True, slots=True)
class Estimate:
    """`least`: whoever signs in gets this much or more; `about`: something that isn't known may make it less."""

    points: int
    certainty: Certainty


def estimate(shop: Shop, version: ProgrammeVersion, basket: Basket, customer_shopify_id: int | None) -> Estimate:
    """What the basket earns by the live version, in the tier of the customer if one is signed in. At most 4 queries."""
    now = clock.now()
    document = completed(version.document)
    programme = always(document, shop.currency, shop.timezone)
    assessed = earning.assess(_as_order(basket, shop.currency, now), programme, now)
    tiers = programme.versions[0].rules.tiers
    rank = tiers.rank(_tier(customer_shopify_id)) if tiers and customer_shopify_id else -1
    level = tiers.levels[rank] if tiers and rank >= 0 else None
    points = 0 if assessed.refusal else earning.points(assessed.worth, programme.versions[0], level).total
    return Estimate(points, _certainty(document, basket, customer_shopify_id is not None))


def _as_order(basket: Basket, currency: str, now: dt.datetime) -> OrderFact:
    ids = {line.product_shopify_id for line in basket.lines}
    labels = labels_of(ids)
    gift_cards = set(Product.objects.filter(shopify_id__in=ids, is_gift_card=True).values_list("shopify_id", flat=True))
    total = sum(line.minor for line in basket.lines)
    left = max(0, total - basket.off_minor)
    return OrderFact(
        id=0,
        name="",
        processed_at=now,
        currency=currency,
        lines=tuple(
            LineFact(
                id=place,
                title="",
                quantity=line.quantity,
                current_quantity=line.quantity,
                net_minor=line.minor * left // total if total else 0,
                gift_card=line.product_shopify_id in gift_cards,
                labels=facts.labels_at(now, line.product_shopify_id, labels),
            )
            for place, line in enumerate(basket.lines)
        ),
    )


def _tier(customer_shopify_id: int) -> str | None:
    return Member.objects.filter(customer__shopify_id=customer_shopify_id).values_list("tier", flat=True).first()


def _certainty(document: Document, basket: Basket, is_signed_in: bool) -> Certainty:
    """A basket may still change and get a code; a product's price is known, unless tax is in it."""
    if not basket.is_one_product or _prices_hold_tax():
        return "about"
    depends_on_the_rest = document["bonuses"]["order"] or document["order_max"]
    return "least" if not is_signed_in else "about" if depends_on_the_rest else "exact"


def _prices_hold_tax() -> bool:
    """Whether the shop's prices include tax, which earns nothing: as in its last order. Unknown counts as yes."""
    last = Order.objects.order_by("-processed_at", "-id").values_list("taxes_included", flat=True).first()
    return True if last is None else last
