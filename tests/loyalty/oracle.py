"""The statement written a second time, for the tests: pieces instead of formulas, no module shared with the product.

A history is a list of plain dicts:

    {"id", "at", "paid", "test", "currency", "cancelled_at" | None, "unlined": …,
     "lines": [{"id", "quantity", "removed", "net", "gift_card"}],
     "refunds": [{"id", "at", "lines": {line id: quantity}, "unlined"}]}

`removed` pieces were taken off by an edit. Every order line is laid out as that many single pieces, each worth
net / quantity, kept as whole numbers of a unit that divides every piece of the order.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import Any


def oracle(
    history: list[dict[str, Any]],
    *,
    versions: list[tuple[dt.datetime, int, int]],
    earn_from: dt.datetime,
    currency: str,
    as_of: dt.datetime,
) -> dict[str, int]:
    """Points by source, zeros left out. `versions` are (effective_from, points, per_minor), oldest first."""
    result: dict[str, int] = {}
    for order in history:
        for source, amount in _of_order(order, versions, earn_from, currency, as_of):
            if amount:
                result[source] = amount
    return result


def _of_order(
    order: dict[str, Any],
    versions: list[tuple[dt.datetime, int, int]],
    earn_from: dt.datetime,
    currency: str,
    as_of: dt.datetime,
) -> list[tuple[str, int]]:
    at = order["at"]
    if at > as_of or at < earn_from or order["test"] or not order["paid"] or order["currency"] != currency:
        return []
    points, per_minor = versions[0][1:]
    for effective_from, version_points, version_per in versions:
        if effective_from <= at:
            points, per_minor = version_points, version_per
    unit = math.lcm(*(line["quantity"] for line in order["lines"])) if order["lines"] else 1
    pieces = {
        line["id"]: [line["net"] * unit // line["quantity"]] * (line["quantity"] - line["removed"])
        for line in order["lines"]
        if not line["gift_card"]
    }
    given_back = 0

    def now_worth() -> int:
        left = sum(sum(of_line) for of_line in pieces.values()) - given_back * unit
        return max(left, 0) * points // (unit * per_minor)

    told = now_worth()
    lines = [(f"order:{order['id']}", told)]
    happenings = [(max(refund["at"], at), 0, refund["id"], refund) for refund in order["refunds"]]
    if order["cancelled_at"]:
        happenings.append((max(order["cancelled_at"], at), 1, order["id"], None))
    for instant, _, id_, refund in sorted(happenings, key=lambda happening: happening[:3]):
        if instant > as_of:
            break
        if refund is None:
            lines.append((f"cancellation:{id_}", -told))
            pieces.clear()
            told = 0
            continue
        for line_id, quantity in refund["lines"].items():
            if line_id in pieces:
                del pieces[line_id][:quantity]
        given_back += refund["unlined"]
        lines.append((f"refund:{id_}", now_worth() - told))
        told = now_worth()
    return lines
