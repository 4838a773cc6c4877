"""Reads the mirror into the facts the rules judge. Four queries, whatever the number of orders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from django.db import connection
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL

from loyalty.models import Programme as ProgrammeRow
from loyalty.models import ProgrammeVersion
from loyalty.rules.facts import LineFact, OrderFact, RefundFact
from loyalty.rules.programme import Programme, Version
from retention_app import setwise
from retention_app.models import Order, OrderLine, Refund, RefundLine, Shop
from retention_app.tenancy import current_shop_id


def among(ids: Iterable[int]) -> RawSQL:
    """The right side of `…__in`: one parameter, whatever the number of ids."""
    if connection.vendor == "postgresql":
        sql = "SELECT value::bigint FROM jsonb_array_elements_text(%s::jsonb)"
    else:
        sql = "SELECT value FROM json_each(%s)"
    return RawSQL(sql, [setwise.ids_json(ids)])  # noqa: S611 - constants above


def order_facts(orders: QuerySet[Order]) -> list[tuple[int | None, OrderFact]]:
    """The orders as facts, each with the mirror's id of its customer, in the queryset's order."""
    rows = list(
        orders.values_list(
            "id",
            "customer_id",
            "shopify_id",
            "name",
            "processed_at",
            "currency",
            "paid",
            "test",
            "cancelled_at",
        )
    )
    order_ids = [row[0] for row in rows]
    lines, refunds = _lines(order_ids), _refunds(order_ids)
    return [
        (
            customer_id,
            OrderFact(
                id=shopify_id,
                name=name,
                processed_at=processed_at,
                currency=currency,
                paid=paid,
                test=test,
                cancelled_at=cancelled_at,
                lines=tuple(lines.get(order_id, ())),
                refunds=tuple(refunds.get(order_id, ())),
            ),
        )
        for order_id, customer_id, shopify_id, name, processed_at, currency, paid, test, cancelled_at in rows
    ]


def _lines(order_ids: list[int]) -> dict[int, list[LineFact]]:
    lines: dict[int, list[LineFact]] = defaultdict(list)
    for order_id, shopify_id, title, quantity, current_quantity, net_minor, gift_card in (
        OrderLine.objects.filter(order_id__in=among(order_ids))
        .order_by("shopify_id")
        .values_list("order_id", "shopify_id", "title", "quantity", "current_quantity", "net_minor", "gift_card")
    ):
        lines[order_id].append(
            LineFact(
                id=shopify_id,
                title=title,
                quantity=quantity,
                current_quantity=current_quantity,
                net_minor=net_minor,
                gift_card=gift_card,
            )
        )
    return lines


def _refunds(order_ids: list[int]) -> dict[int, list[RefundFact]]:
    pieces: dict[int, list[tuple[int, int]]] = defaultdict(list)
    of_orders = RefundLine.objects.filter(refund__order_id__in=among(order_ids)).order_by("line_shopify_id")
    for refund_id, line_shopify_id, quantity in of_orders.values_list("refund_id", "line_shopify_id", "quantity"):
        pieces[refund_id].append((line_shopify_id, quantity))
    refunds: dict[int, list[RefundFact]] = defaultdict(list)
    for refund_id, order_id, shopify_id, processed_at, unlined_minor in (
        Refund.objects.filter(order_id__in=among(order_ids))
        .order_by("shopify_id")
        .values_list("id", "order_id", "shopify_id", "processed_at", "unlined_minor")
    ):
        refunds[order_id].append(
            RefundFact(
                id=shopify_id,
                processed_at=processed_at,
                lines=tuple(pieces.get(refund_id, ())),
                unlined_minor=unlined_minor,
            )
        )
    return refunds


def programme() -> Programme | None:
    """The programme of the shop in scope as the rules see it; None until version 1 is published. Three queries."""
    row = ProgrammeRow.objects.first()
    if row is None:
        return None
    versions = ProgrammeVersion.objects.order_by("number").values_list("number", "effective_from", "document")
    return Programme(
        versions=tuple(
            Version(number=number, effective_from=effective_from, document=document)
            for number, effective_from, document in versions
        ),
        earn_from=row.earn_from,
        currency=shop_currency(),
    )


def shop_currency() -> str:
    return Shop.objects.values_list("currency", flat=True).get(id=current_shop_id())
