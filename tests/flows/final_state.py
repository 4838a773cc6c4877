"""An oracle for a storm: what mirror, balances and statistics must say of devstore's final state.

Written from the rules' text: one point for each whole unit of what is left of an order's lines; nothing for a test, a
cancelled or an unpaid order; money given back without a line comes off, as far as it was not overpaid. A counted order
is neither cancelled nor a test.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

LADDER_STEPS = 4


def points(order: dict[str, Any]) -> int:
    if order["test"] or order["cancelled_at"] or not order["fully_paid"]:
        return 0
    left = sum(line["price"] * (line["quantity"] - line["removed"] - line["refunded"]) for line in order["lines"])
    given_back = sum(refund["adjustment"] for refund in order["refunds"])
    return max(0, left - max(0, given_back - overpaid(order))) // 100


def overpaid(order: dict[str, Any]) -> int:
    """What came in for pieces that an edit removed afterwards."""
    return max(0, int(order["received"]) - int(order["total"]))


def kept(order: dict[str, Any]) -> int:
    """What the shop has of an order's price, as ordered, once refunds beyond what was overpaid are off."""
    return int(order["total"]) - max(0, int(order["refunded"]) - overpaid(order))


def balances(orders: Iterable[dict[str, Any]]) -> dict[int, int]:
    """Points of each customer who has any."""
    found: Counter[int] = Counter()
    for order in orders:
        if order["customer_id"] is not None:
            found[order["customer_id"]] += points(order)
    return {customer: sum_ for customer, sum_ in found.items() if sum_}


def statistics(orders: Iterable[dict[str, Any]]) -> dict[str, Any]:
    counted = [order for order in orders if not order["test"] and not order["cancelled_at"]]
    of_customer = Counter(order["customer_id"] for order in counted if order["customer_id"] is not None)
    ladder = []
    for nth in range(1, LADDER_STEPS + 1):
        base = sum(count >= nth for count in of_customer.values())
        if not base:
            break
        ladder.append(round(sum(count > nth for count in of_customer.values()) / base, 4))
    revenue = sum(kept(order) for order in counted)
    return {
        "customers": len(of_customer),
        "orders": len(counted),
        "revenue_minor": revenue,
        "repeat_customers": sum(count >= 2 for count in of_customer.values()),
        "ladder": ladder,
        "aov_minor": round(revenue / len(counted)),
    }


def mirrored_orders(orders: Iterable[dict[str, Any]]) -> dict[int, tuple[Any, ...]]:
    """Each order as the mirror should have it: customer, total, cancelled, test, lines left, refunds."""
    return {
        order["id"]: (
            order["customer_id"],
            order["total"],
            bool(order["cancelled_at"]),
            order["test"],
            sorted((line["id"], line["quantity"] - line["removed"] - line["refunded"]) for line in order["lines"]),
            sorted((refund["id"], refund["amount"]) for refund in order["refunds"]),
        )
        for order in orders
    }
