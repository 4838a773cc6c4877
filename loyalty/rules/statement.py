"""The statement: everything a member has earned and lost, as a pure function of facts (DESIGN 5).

It folds over the orders in business order (`processed_at`, then id), never arrival order. Each order is judged by the
version in force at its instant. Its *base* is the sum of its lines' net prices without gift cards and without pieces
an edit removed; it earns floor(base × points / per_minor), rounded down once. Returned pieces, amounts given back and a
cancellation lower the base later on, at their own instants, and take floor(before) − floor(after): never more than was
earned. Test, unpaid, worthless and foreign-currency orders, and those before the programme's history, earn nothing.

Explanations are JSON data that add up; `loyalty.explain` puts them into words.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

from loyalty.rules.facts import LineFact, OrderFact, RefundFact
from loyalty.rules.programme import EarnDocument, Programme, Version

Explanation = dict[str, Any]

REVISION = 1  # raised when the same facts come to another statement than before, so that members are judged anew
LINES_EXPLAINED_MAX = 20  # an explanation names this many order lines and sums up the rest


@dataclass(frozen=True, slots=True)
class StatementLine:
    """A credit or debit in points and where it comes from.

    `source` is `order:<order id>`, `refund:<refund id>` or `cancellation:<order id>`. An order that earns nothing has
    a line of amount 0 that says why; `version` is None when no version judges it.
    """

    source: str
    order_id: int
    amount: int
    occurred_at: dt.datetime
    version: int | None
    explanation: Explanation


@dataclass(frozen=True, slots=True)
class Statement:
    """The lines by instant and what they sum up to; no partial sum is negative."""

    lines: tuple[StatementLine, ...]
    balance: int


class _Part(NamedTuple):
    """Some pieces of an order line and their exact net price."""

    title: str
    pieces: int
    net: Fraction

    @classmethod
    def of(cls, line: LineFact, pieces: int) -> _Part:
        return cls(line.title, pieces, Fraction(line.net_minor * pieces, line.quantity))


def _sum(parts: Iterable[_Part]) -> Fraction:
    return sum((part.net for part in parts), Fraction())


def statement(orders: Iterable[OrderFact], programme: Programme, as_of: dt.datetime) -> Statement:
    """What the facts up to and including `as_of` amount to."""
    known = sorted((order for order in orders if order.processed_at <= as_of), key=_business_order)
    lines = [line for order in known for line in _order_lines(order, programme, as_of)]
    lines.sort(key=_occurred_at)  # stable: what happens at one instant stays in business order
    return Statement(tuple(lines), sum(line.amount for line in lines))


def _business_order(order: OrderFact) -> tuple[dt.datetime, int]:
    return (order.processed_at, order.id)


def _occurred_at(line: StatementLine) -> dt.datetime:
    return line.occurred_at


def _order_lines(order: OrderFact, programme: Programme, as_of: dt.datetime) -> list[StatementLine]:
    """An order's lines: what it earned, then what each later step took back."""
    version = programme.version_at(order.processed_at)
    kept = _pieces_kept(order)
    earning = [_Part.of(line, kept[line.id]) for line in order.lines if line.id in kept]
    base = _sum(earning)
    refusal = _refusal(order, version, base, programme)
    if version is None or refusal:
        explanation: Explanation = {"kind": "nothing", "order": order.name, "reason": refusal}
        number = version.number if version else None
        return [StatementLine(f"order:{order.id}", order.id, 0, order.processed_at, number, explanation)]

    earn = version.document["earn"]
    points = _points(base, earn)
    backdated = order.processed_at < version.effective_from
    formula = {"order": order.name, "rule": "spending", "version": version.number, "backdated": backdated, **earn}
    lines = [
        StatementLine(
            f"order:{order.id}",
            order.id,
            points,
            order.processed_at,
            version.number,
            {
                "kind": "earned",
                **formula,
                "base_minor": exact(base),
                "result": points,
                "lines": _lines_explained(earning),
            },
        )
    ]
    for instant, refund in _steps(order, as_of):
        if refund:
            returned = _pieces_returned(refund, order, kept)
            after = max(Fraction(), base - _sum(returned) - refund.unlined_minor)
            source = f"refund:{refund.id}"
            detail = {"kind": "refunded", "lines": _lines_explained(returned), "unlined_minor": refund.unlined_minor}
        else:
            after = Fraction()
            source = f"cancellation:{order.id}"
            detail = {"kind": "cancelled"}
        before_points, after_points = _points(base, earn), _points(after, earn)
        if before_points != after_points:
            explanation = {
                **detail,
                **formula,
                "base_before_minor": exact(base),
                "base_after_minor": exact(after),
                "before": before_points,
                "after": after_points,
            }
            amount = after_points - before_points
            lines.append(StatementLine(source, order.id, amount, instant, version.number, explanation))
        base = after
    return lines


def _refusal(order: OrderFact, version: Version | None, base: Fraction, programme: Programme) -> str | None:
    """Why the order earns nothing; None when it may earn."""
    if order.test:
        return "test"
    if version is None:
        return "before_programme"
    if not order.paid:
        return "unpaid"
    if order.currency != programme.currency:
        return "currency"
    if base <= 0:
        return "no_value"
    return None


def _pieces_kept(order: OrderFact) -> dict[int, int]:
    """Pieces of each earning line that no edit removed, by line id.

    The platform tells how many pieces are left after edits and refunds together; what refunds don't account for was
    removed by an edit, and an edit counts from the order's own instant.
    """
    refunded: dict[int, int] = {}
    for refund in order.refunds:
        for line_id, quantity in refund.lines:
            refunded[line_id] = refunded.get(line_id, 0) + quantity
    kept = {}
    for line in order.lines:
        removed = max(0, line.quantity - line.current_quantity - refunded.get(line.id, 0))
        if not line.gift_card and line.quantity > removed:
            kept[line.id] = line.quantity - removed
    return kept


def _pieces_returned(refund: RefundFact, order: OrderFact, kept: dict[int, int]) -> list[_Part]:
    """The pieces this refund takes back, never more than are still there; lowers `kept` by them."""
    by_id = {line.id: line for line in order.lines}
    returned = []
    for line_id, quantity in refund.lines:
        pieces = min(quantity, kept.get(line_id, 0))
        if pieces > 0:
            kept[line_id] -= pieces
            returned.append(_Part.of(by_id[line_id], pieces))
    return returned


def _steps(order: OrderFact, as_of: dt.datetime) -> list[tuple[dt.datetime, RefundFact | None]]:
    """Refunds and the cancellation (None) up to `as_of` by instant, none before the order's own."""
    steps: list[tuple[dt.datetime, int, int, RefundFact | None]] = [
        (max(refund.processed_at, order.processed_at), 0, refund.id, refund) for refund in order.refunds
    ]
    if order.cancelled_at:
        steps.append((max(order.cancelled_at, order.processed_at), 1, 0, None))
    return [(instant, refund) for instant, _, _, refund in sorted(steps, key=lambda s: s[:3]) if instant <= as_of]


def _points(base: Fraction, earn: EarnDocument) -> int:
    return base * earn["points"] // earn["per_minor"]


def _lines_explained(parts: list[_Part]) -> list[Explanation]:
    """The parts as data: {"title", "quantity", "minor"}; beyond the limit one {"more", "minor"} for the rest."""
    named: list[Explanation] = [
        {"title": part.title, "quantity": part.pieces, "minor": exact(part.net)} for part in parts[:LINES_EXPLAINED_MAX]
    ]
    rest = parts[LINES_EXPLAINED_MAX:]
    if rest:
        named.append({"more": len(rest), "minor": exact(_sum(rest))})
    return named


def exact(amount: Fraction) -> int | str:
    """An exact amount as JSON: 3600, or "2000/3" when it isn't a whole number. `Fraction()` reads both back."""
    return amount.numerator if amount.denominator == 1 else str(amount)
