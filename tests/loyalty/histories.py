"""Generated order histories as the oracle's plain dicts, and how they look as facts and as mapped rows."""

from __future__ import annotations

import datetime as dt
from typing import Any

from hypothesis import strategies as st

from loyalty.rules.facts import LineFact, OrderFact, RefundFact
from loyalty.rules.programme import Programme, Version, completed

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
END = START + dt.timedelta(days=100)
NEVER = dt.datetime(2200, 1, 1, tzinfo=dt.UTC)


def day(number: float) -> dt.datetime:
    return START + dt.timedelta(days=number)


instants = st.integers(0, 99).map(day)


@st.composite
def order_histories(draw: st.DrawFn, id_: int) -> dict[str, Any]:
    lines = []
    for position in range(draw(st.integers(0, 3))):
        quantity = draw(st.integers(1, 4))
        lines.append(
            {
                "id": id_ * 100 + position,
                "quantity": quantity,
                "removed": draw(st.integers(0, quantity)),
                "net": draw(st.integers(0, 9_999)),
                "gift_card": draw(st.integers(0, 5)) == 0,
            }
        )
    left = {line["id"]: line["quantity"] - line["removed"] for line in lines}
    at = draw(instants)
    refunds = []
    for position in range(draw(st.integers(0, 3))):
        returned = {}
        for line_id, pieces in left.items():
            quantity = draw(st.integers(0, pieces))
            if quantity:
                returned[line_id] = quantity
                left[line_id] -= quantity
        refunds.append(
            {
                "id": id_ * 100 + 50 + position,
                "at": at + dt.timedelta(days=draw(st.integers(0, 30))),
                "lines": returned,
                "unlined": draw(st.sampled_from([0, 0, 0, 1, 250, 12_345])),
            }
        )
    return {
        "id": id_,
        "at": at,
        "paid": draw(st.integers(0, 9)) > 0,
        "test": draw(st.integers(0, 9)) == 0,
        "currency": "EUR" if draw(st.integers(0, 9)) == 0 else "USD",
        "cancelled_at": at + dt.timedelta(days=draw(st.integers(0, 30))) if draw(st.integers(0, 4)) == 0 else None,
        "lines": lines,
        "refunds": refunds,
    }


@st.composite
def histories(draw: st.DrawFn) -> list[dict[str, Any]]:
    return [draw(order_histories(id_)) for id_ in range(1, draw(st.integers(1, 5)) + 1)]


@st.composite
def programmes(draw: st.DrawFn) -> tuple[list[tuple[dt.datetime, int, int]], dt.datetime]:
    """Versions as (effective_from, points, per_minor) and earn_from, not after the first of them."""
    instants_of = sorted(draw(st.sets(instants, min_size=1, max_size=4)))
    versions = [(at, draw(st.integers(1, 7)), draw(st.sampled_from([1, 7, 100, 250]))) for at in instants_of]
    return versions, draw(st.sampled_from([START, instants_of[0]]))


def order_fact(order: dict[str, Any]) -> OrderFact:
    returned: dict[int, int] = {}
    for refund in order["refunds"]:
        for line_id, quantity in refund["lines"].items():
            returned[line_id] = returned.get(line_id, 0) + quantity
    return OrderFact(
        id=order["id"],
        name=f"#{order['id']}",
        processed_at=order["at"],
        currency=order["currency"],
        paid=order["paid"],
        test=order["test"],
        cancelled_at=order["cancelled_at"],
        lines=tuple(
            LineFact(
                id=line["id"],
                title=f"Thing {line['id']}",
                quantity=line["quantity"],
                current_quantity=line["quantity"] - line["removed"] - returned.get(line["id"], 0),
                net_minor=line["net"],
                gift_card=line["gift_card"],
            )
            for line in order["lines"]
        ),
        refunds=tuple(
            RefundFact(
                id=refund["id"],
                processed_at=refund["at"],
                lines=tuple(refund["lines"].items()),
                unlined_minor=refund["unlined"],
            )
            for refund in order["refunds"]
        ),
    )


def order_row(order: dict[str, Any], *, customer: int, updated_at: dt.datetime) -> dict[str, Any]:
    """The order as `retention_app.mirror.orders_upsert` takes it."""
    fact = order_fact(order)
    return {
        "shopify_id": fact.id,
        "customer_shopify_id": customer,
        "name": fact.name,
        "currency": fact.currency,
        "processed_at": fact.processed_at,
        "created_at": fact.processed_at,
        "updated_at": updated_at,
        "cancelled_at": fact.cancelled_at,
        "test": fact.test,
        "financial_status": "PAID" if fact.paid else "PENDING",
        "paid": fact.paid,
        "paid_at": fact.paid_at,
        "fulfilled_at": fact.fulfilled_at,
        "discount_codes": [],
        "taxes_included": False,
        "total_minor": sum(line.net_minor for line in fact.lines),
        "refunded_minor": 0,
        "lines": [
            {
                "shopify_id": line.id,
                "product_shopify_id": None,
                "title": line.title,
                "sku": "",
                "quantity": line.quantity,
                "current_quantity": line.current_quantity,
                "gift_card": line.gift_card,
                "net_minor": line.net_minor,
            }
            for line in fact.lines
        ],
        "refunds": [
            {
                "shopify_id": refund.id,
                "processed_at": refund.processed_at,
                "total_minor": refund.unlined_minor,
                "unlined_minor": refund.unlined_minor,
                "lines": [
                    {"line_shopify_id": line_id, "quantity": quantity, "net_minor": 0}
                    for line_id, quantity in refund.lines
                ],
            }
            for refund in fact.refunds
        ],
        "transactions": [],
    }


def rules(points: int = 1, per_minor: int = 100) -> dict[str, Any]:
    return {"earn": {"points": points, "per_minor": per_minor}, "worth": {"points": 100, "minor": 500}}


def programme(
    versions: list[tuple[dt.datetime, int, int]] | None = None,
    earn_from: dt.datetime = START,
    currency: str = "USD",
) -> Programme:
    return Programme(
        versions=tuple(
            Version(number=number, effective_from=effective_from, document=completed(rules(points, per_minor)))
            for number, (effective_from, points, per_minor) in enumerate(versions or [(START, 1, 100)], 1)
        ),
        earn_from=earn_from,
        currency=currency,
    )
