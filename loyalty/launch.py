"""What version 1 would start with: the consequences of counting earlier orders, before anybody decides."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.db.models import BigIntegerField, Case, Count, Exists, F, OuterRef, Q, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce, Greatest, Least

from loyalty.models import Entry
from loyalty.rules.programme import Document, worth_minor
from retention_app import clock
from retention_app.models import Order, OrderLine, Refund, Shop

YEAR = dt.timedelta(days=365)


@dataclass(frozen=True)
class Start:
    """How many customers would start with how many points, worth how much, from how many orders."""

    customers: int
    orders: int
    points: int
    worth_minor: int


def starts(shop: Shop, document: Document) -> dict[str, Start]:
    """The start for each answer to "count earlier orders?": all, year, none. About: tiers and multipliers aside, and a
    line's price is split by whole minor units. One query.
    """
    found = _counted(shop, document, {"all": Q(), "year": Q(processed_at__gte=clock.now() - YEAR)})
    return found | {"none": Start(0, 0, 0, 0)}


def backfilled(shop: Shop, document: Document, since: dt.datetime, until: dt.datetime) -> Start:
    """What counting the orders from `since` until `until` too would bring, as about as `starts`. One query."""
    return _counted(shop, document, {"more": Q(processed_at__gte=since, processed_at__lt=until)})["more"]


def _counted(shop: Shop, document: Document, parts: dict[str, Q]) -> dict[str, Start]:
    """What the orders of each part earn, and the first-order bonus of customers who never had it."""
    lines = (
        OrderLine.objects.filter(order=OuterRef("pk"), gift_card=False, quantity__gt=0)
        .order_by()
        .values("order")
        .annotate(sum=Sum(F("net_minor") * F("current_quantity") / F("quantity"), output_field=BigIntegerField()))
    )
    unlined = Refund.objects.filter(order=OuterRef("pk")).order_by().values("order").annotate(sum=Sum("unlined_minor"))
    base = Greatest(
        Coalesce(Subquery(lines.values("sum")), 0) - Coalesce(Subquery(unlined.values("sum")), 0),
        0,
        output_field=BigIntegerField(),
    )
    earn, order_bonus, first_order = document["earn"], document["bonuses"]["order"], document["bonuses"]["first_order"]
    points: Any = F("base") * earn["points"] / earn["per_minor"]
    if order_bonus:
        points += Case(When(base__gte=order_bonus["from_minor"], then=Value(order_bonus["points"])), default=Value(0))
    if document["order_max"] is not None:
        points = Least(points, Value(document["order_max"]), output_field=BigIntegerField())
    had_first = Exists(
        Entry.objects.filter(account__member__customer=OuterRef("customer"), source__startswith="first_order:")
    )
    earning = (
        Order.objects.filter(cancelled_at=None, test=False, paid=True, currency=shop.currency, customer__isnull=False)
        .annotate(base=base)
        .annotate(points=points, had_first=had_first)
        .filter(Q(base__gt=0) if first_order else Q(points__gt=0))
    )
    asked: dict[str, Any] = {}
    for key, part in parts.items():
        asked[f"{key}_points"] = Coalesce(Sum("points", filter=part), 0)
        asked[f"{key}_orders"] = Count("id", filter=part)
        asked[f"{key}_customers"] = Count("customer", distinct=True, filter=part)
        if first_order:
            asked[f"{key}_first"] = Count("customer", distinct=True, filter=part & Q(had_first=False))
    sums = earning.aggregate(**asked)
    found = {}
    for key in parts:
        earned = sums[f"{key}_points"] + (sums[f"{key}_first"] * first_order if first_order else 0)
        found[key] = Start(
            customers=sums[f"{key}_customers"],
            orders=sums[f"{key}_orders"],
            points=earned,
            worth_minor=worth_minor(earned, document),
        )
    return found
