"""What an order earns, and what each later step takes back (`docs/statement.md`, 2): pure functions of one order.

The order's *base* is the sum of its lines' net prices without gift cards and without pieces an edit removed, less what
was returned and given back so far; *weighted* is the same with the multipliers of products applied.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any

from loyalty.rules.facts import LineFact, OrderFact, RefundFact
from loyalty.rules.programme import Level, Multiplier, Programme, Version

Explanation = dict[str, Any]

ORDER_POINTS_MAX = 1_000_000_000  # that any order gives, whatever the rules multiply up to
LINES_EXPLAINED_MAX = 20  # an explanation names this many order lines and sums up the rest


@dataclass(frozen=True, slots=True)
class Worth:
    """What an order is worth after a step: minor units, exact."""

    base: Fraction
    weighted: Fraction


@dataclass(frozen=True, slots=True)
class Step:
    """A refund, or the cancellation (None), what it returned, and the order's worth after it."""

    instant: dt.datetime
    refund: RefundFact | None
    returned: list[Explanation]
    worth: Worth


@dataclass(frozen=True, slots=True)
class Assessment:
    """An order as its version judges it, before the member's tier is known. `refusal` says why it earns nothing."""

    order: OrderFact
    version: Version | None
    decision: dt.datetime | None
    refusal: str | None
    worth: Worth
    lines: list[Explanation]
    steps: list[Step]


@dataclass(frozen=True, slots=True)
class Points:
    """What an order's worth comes to: from spending, from the bonus for large orders, and in all after the cap."""

    spending: int
    bonus: int
    total: int
    exact: Fraction  # spending before rounding


@dataclass(slots=True)
class _Part:
    """Pieces of an order line that still count, and the price of one of them."""

    line: LineFact
    pieces: int
    price: Fraction
    factor: Fraction
    multipliers: tuple[Multiplier, ...]


def assess(order: OrderFact, programme: Programme, as_of: dt.datetime) -> Assessment:
    """Judge an order: its worth at its instant and after each step up to `as_of`."""
    judge = programme.judge(order.processed_at)
    version, decision = judge or (None, None)
    parts = _parts(order, version.rules.multipliers if version else ())
    worth = _worth(parts.values(), 0)
    lines = _explained((part, part.pieces) for part in parts.values())
    refusal = _refusal(order, version, worth, programme, as_of)
    steps = [] if refusal else _steps(order, parts, as_of)
    return Assessment(order, version, decision, refusal, worth, lines, steps)


def points(worth: Worth, version: Version, level: Level | None) -> Points:
    """What a worth earns under a version in a tier: rounded down once, then the bonus, then the cap."""
    rules = version.rules
    exact = worth.weighted * rules.points * (level.percent if level else 100) / (rules.per_minor * 100)
    spending = min(exact.numerator // exact.denominator, ORDER_POINTS_MAX)
    bonus = rules.order_bonus["points"] if rules.order_bonus and worth.base >= rules.order_bonus["from_minor"] else 0
    total = spending + bonus if worth.base > 0 else 0
    return Points(spending, bonus, min(total, rules.order_max or ORDER_POINTS_MAX), exact)


def _refusal(
    order: OrderFact, version: Version | None, worth: Worth, programme: Programme, as_of: dt.datetime
) -> str | None:
    """Why the order earns nothing; None when it may earn."""
    if order.test:
        return "test"
    if version is None:
        return "before_programme"
    if not order.paid or (order.paid_at is not None and order.paid_at > as_of):
        return "unpaid"
    if order.currency != programme.currency:
        return "currency"
    if worth.base <= 0:
        return "no_value"
    return None


def _parts(order: OrderFact, multipliers: tuple[Multiplier, ...]) -> dict[int, _Part]:
    """The earning lines with the pieces no edit removed, by line id.

    The platform tells how many pieces are left after edits and refunds together; what refunds don't account for was
    removed by an edit, and an edit counts from the order's own instant.
    """
    refunded: dict[int, int] = {}
    for refund in order.refunds:
        for line_id, quantity in refund.lines:
            refunded[line_id] = refunded.get(line_id, 0) + quantity
    parts = {}
    for line in order.lines:
        removed = max(0, line.quantity - line.current_quantity - refunded.get(line.id, 0))
        if not line.gift_card and line.quantity > removed:
            applied = tuple(one for one in multipliers if one.applies(line.labels, order.processed_at))
            factor = Fraction(prod(one.percent for one in applied), 100 ** len(applied))
            price = Fraction(line.net_minor, line.quantity)
            parts[line.id] = _Part(line, line.quantity - removed, price, factor, applied)
    return parts


def _worth(parts: Iterable[_Part], unlined_minor: int) -> Worth:
    base = weighted = Fraction()
    for part in parts:
        net = part.price * part.pieces
        base += net
        weighted += net * part.factor
    left = max(Fraction(), base - unlined_minor)
    return Worth(left, weighted * left / base if unlined_minor and base else weighted)


def _steps(order: OrderFact, parts: dict[int, _Part], as_of: dt.datetime) -> list[Step]:
    """Refunds and the cancellation up to `as_of` by instant, none before the order's own; uses up `parts`."""
    due: list[tuple[dt.datetime, int, int, RefundFact | None]] = [
        (max(refund.processed_at, order.processed_at), 0, refund.id, refund) for refund in order.refunds
    ]
    if order.cancelled_at:
        due.append((max(order.cancelled_at, order.processed_at), 1, 0, None))
    steps, unlined, cancelled = [], 0, False
    for instant, _, _, refund in sorted(due, key=lambda step: step[:3]):
        if instant > as_of:
            break
        returned: list[tuple[_Part, int]] = []
        if refund is None:
            cancelled = True
        else:
            unlined += refund.unlined_minor
            returned = _return(refund, parts)
        worth = Worth(Fraction(), Fraction()) if cancelled else _worth(parts.values(), unlined)
        steps.append(Step(instant, refund, _explained(returned), worth))
    return steps


def _return(refund: RefundFact, parts: dict[int, _Part]) -> list[tuple[_Part, int]]:
    """Take the refund's pieces away, never more than are still there; answers what it took."""
    returned = []
    for line_id, quantity in refund.lines:
        part = parts.get(line_id)
        pieces = min(quantity, part.pieces) if part else 0
        if part and pieces > 0:
            part.pieces -= pieces
            returned.append((part, pieces))
    return returned


def _explained(parts: Iterable[tuple[_Part, int]]) -> list[Explanation]:
    """The parts as data: {"title", "quantity", "minor"}, with {"name", "percent"} of each multiplier; beyond the limit
    one {"more", "minor"} for the rest, with "weighted_minor" when multipliers make that another amount."""
    known = list(parts)
    named: list[Explanation] = []
    for part, pieces in known[:LINES_EXPLAINED_MAX]:
        line: Explanation = {"title": part.line.title, "quantity": pieces, "minor": exact(part.price * pieces)}
        if part.multipliers:
            line["multipliers"] = [{"name": one.name, "percent": one.percent} for one in part.multipliers]
        named.append(line)
    rest = known[LINES_EXPLAINED_MAX:]
    if rest:
        amount = sum((part.price * pieces for part, pieces in rest), Fraction())
        weighted = sum((part.price * part.factor * pieces for part, pieces in rest), Fraction())
        named.append(
            {"more": len(rest), "minor": exact(amount)}
            | ({"weighted_minor": exact(weighted)} if weighted != amount else {})
        )
    return named


def exact(amount: Fraction) -> int | str:
    """An exact amount as JSON: 3600, or "2000/3" when it isn't a whole number or is too large for JSON. `Fraction()`
    reads both back."""
    return amount.numerator if amount.denominator == 1 and abs(amount) < 2**53 else str(amount)
