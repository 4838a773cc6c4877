"""Reads the mirror into the facts the rules judge. Three statements, whatever the number of orders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Literal

from loyalty import sql
from loyalty.models import Programme as ProgrammeRow
from loyalty.models import ProgrammeVersion
from loyalty.rules.facts import LineFact, OrderFact, RefundFact
from loyalty.rules.programme import Programme, Version
from retention_app.models import Shop
from retention_app.tenancy import current_shop_id


def orders_of_customers(customer_ids: Iterable[int]) -> dict[int, list[OrderFact]]:
    """All orders of these customers as facts, by customer (the mirror's ids)."""
    orders: dict[int, list[OrderFact]] = defaultdict(list)
    for customer_id, _, order in _orders("customer_id", customer_ids):
        assert customer_id is not None
        orders[customer_id].append(order)
    return orders


def orders_by_id(order_ids: Iterable[int]) -> dict[int, OrderFact]:
    """These orders as facts, by the mirror's id."""
    return {order_id: order for _, order_id, order in _orders("id", order_ids)}


def _orders(column: Literal["customer_id", "id"], ids: Iterable[int]) -> list[tuple[int | None, int, OrderFact]]:
    """(customer, order, facts) of the orders whose column is one of the ids."""
    found = sql.rows(
        "SELECT o.customer_id, o.id, o.shopify_id, o.name, o.processed_at, o.currency, o.paid, o.test, o.cancelled_at"
        f" FROM {sql.wanted()} CROSS JOIN retention_app_order o WHERE o.shop_id = %s AND o.{column} = wanted.id",
        sql.ids(ids),
        current_shop_id(),
    )
    order_ids = sql.ids(row[1] for row in found)
    lines, refunds = _lines(order_ids), _refunds(order_ids)
    return [
        (
            customer_id,
            order_id,
            OrderFact(
                id=shopify_id,
                name=name,
                processed_at=sql.instant(processed_at),
                currency=currency,
                paid=bool(paid),
                test=bool(test),
                cancelled_at=None if cancelled_at is None else sql.instant(cancelled_at),
                lines=tuple(lines.get(order_id, ())),
                refunds=tuple(refunds.get(order_id, ())),
            ),
        )
        for customer_id, order_id, shopify_id, name, processed_at, currency, paid, test, cancelled_at in found
    ]


def _lines(order_ids: str) -> dict[int, list[LineFact]]:
    """The orders' lines in the order they were placed in."""
    found = sql.rows(
        "SELECT l.order_id, l.shopify_id, l.title, l.quantity, l.current_quantity, l.net_minor, l.gift_card"
        f" FROM {sql.wanted()} CROSS JOIN retention_app_orderline l WHERE l.shop_id = %s AND l.order_id = wanted.id",
        order_ids,
        current_shop_id(),
    )
    lines: dict[int, list[LineFact]] = defaultdict(list)
    for order_id, shopify_id, title, quantity, current_quantity, net_minor, gift_card in sorted(found):
        lines[order_id].append(
            LineFact(
                id=shopify_id,
                title=title,
                quantity=quantity,
                current_quantity=current_quantity,
                net_minor=net_minor,
                gift_card=bool(gift_card),
            )
        )
    return lines


def _refunds(order_ids: str) -> dict[int, list[RefundFact]]:
    found = sql.rows(
        "SELECT f.order_id, f.shopify_id, f.processed_at, f.unlined_minor, l.line_shopify_id, l.quantity"
        f" FROM {sql.wanted()} CROSS JOIN retention_app_refund f"
        " LEFT JOIN retention_app_refundline l ON l.shop_id = f.shop_id AND l.refund_id = f.id"
        " WHERE f.shop_id = %s AND f.order_id = wanted.id",
        order_ids,
        current_shop_id(),
    )
    pieces: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for _, shopify_id, _, _, line_shopify_id, quantity in found:
        if line_shopify_id is not None:
            pieces[shopify_id].append((line_shopify_id, quantity))
    refunds: dict[int, list[RefundFact]] = defaultdict(list)
    for order_id, shopify_id, processed_at, unlined_minor in sorted({row[:4] for row in found}):
        refunds[order_id].append(
            RefundFact(
                id=shopify_id,
                processed_at=sql.instant(processed_at),
                lines=tuple(sorted(pieces.get(shopify_id, ()))),
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
