"""Reads the mirror into the facts the rules judge. Four look-ups, whatever the number of orders."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Literal

from loyalty import sql
from loyalty.rules.facts import LineFact, OrderFact, RefundFact
from loyalty.rules.programme import Programme, Version, completed
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
    found = sql.look_up(
        "t.customer_id, t.id, t.shopify_id, t.name, t.processed_at, t.currency, t.paid, t.test, t.cancelled_at",
        "retention_app_order",
        column,
        ids,
    )
    order_ids = [row[1] for row in found]
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


def _lines(order_ids: list[int]) -> dict[int, list[LineFact]]:
    """The orders' lines in the order they were placed in."""
    found = sql.look_up(
        "t.order_id, t.shopify_id, t.title, t.quantity, t.current_quantity, t.net_minor, t.gift_card",
        "retention_app_orderline",
        "order_id",
        order_ids,
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


def _refunds(order_ids: list[int]) -> dict[int, list[RefundFact]]:
    found = sql.look_up(
        "t.shopify_id, t.order_id, t.processed_at, t.unlined_minor, t.id", "retention_app_refund", "order_id", order_ids
    )
    pieces: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for refund_id, line_shopify_id, quantity in sql.look_up(
        "t.refund_id, t.line_shopify_id, t.quantity",
        "retention_app_refundline",
        "refund_id",
        (row[-1] for row in found),
    ):
        pieces[refund_id].append((line_shopify_id, quantity))
    refunds: dict[int, list[RefundFact]] = defaultdict(list)
    for shopify_id, order_id, processed_at, unlined_minor, refund_id in sorted(found):
        refunds[order_id].append(
            RefundFact(
                id=shopify_id,
                processed_at=sql.instant(processed_at),
                lines=tuple(sorted(pieces.get(refund_id, ()))),
                unlined_minor=unlined_minor,
            )
        )
    return refunds


def programme() -> Programme | None:
    """The programme of the shop in scope as the rules see it; None until version 1 is published. One statement."""
    found = sql.rows(
        "SELECT v.number, v.effective_from, v.document, p.earn_from, s.currency, s.timezone"
        " FROM loyalty_programmeversion v CROSS JOIN loyalty_programme p CROSS JOIN retention_app_shop s"
        " WHERE v.shop_id = %s AND p.shop_id = v.shop_id AND s.id = v.shop_id ORDER BY v.number",
        current_shop_id(),
    )
    if not found:
        return None
    return Programme(
        versions=tuple(
            Version(number=number, effective_from=sql.instant(effective_from), document=completed(json.loads(document)))
            for number, effective_from, document, _, _, _ in found
        ),
        earn_from=sql.instant(found[0][3]),
        currency=found[0][4],
        timezone=found[0][5],
    )


def shop_currency() -> str:
    return Shop.objects.values_list("currency", flat=True).get(id=current_shop_id())
