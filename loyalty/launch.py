"""What version 1 would start with: the consequences of counting earlier orders, before anybody decides."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.db.models import BigIntegerField, Count, F, OuterRef, Q, Subquery, Sum
from django.db.models.functions import Coalesce, Greatest

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
    """What the orders of each part earn."""
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
    earn = document["earn"]
    earning = (
        Order.objects.filter(cancelled_at=None, test=False, paid=True, currency=shop.currency, customer__isnull=False)
        .annotate(base=base)
        .annotate(points=F("base") * earn["points"] / earn["per_minor"])
        .filter(points__gt=0)
    )
    asked: dict[str, Any] = {}
    for key, part in parts.items():
        asked[f"{key}_points"] = Coalesce(Sum("points", filter=part), 0)
        asked[f"{key}_orders"] = Count("id", filter=part)
        asked[f"{key}_customers"] = Count("customer", distinct=True, filter=part)
    sums = earning.aggregate(**asked)
    return {
        key: Start(
            customers=sums[f"{key}_customers"],
            orders=sums[f"{key}_orders"],
            points=sums[f"{key}_points"],
            worth_minor=worth_minor(sums[f"{key}_points"], document),
        )
        for key in parts
    }
