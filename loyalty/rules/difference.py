"""What is left to post: a statement against what was posted before. Pure; the ledger books what it answers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from loyalty.rules.earning import Explanation
from loyalty.rules.statement import StatementLine

Side = Literal["member", "issued", "reversed", "held", "redeemed", "expired"]


class Life(NamedTuple):
    """When points can be used and expire; `unclaimed`: both wait for the member's e-mail to sign in."""

    usable_from: dt.datetime | None
    expires_at: dt.datetime | None
    unclaimed: bool = False


DEBIT = Life(None, None)  # a debit has no life of its own


class Leg(NamedTuple):
    """Points that an account gets (or gives, negative)."""

    account: Side
    points: int
    life: Life = DEBIT


@dataclass(frozen=True, slots=True)
class Difference:
    """What is left to post for one source: legs that sum to zero, told by the explanation."""

    source: str
    order_id: int | None
    occurred_at: dt.datetime
    version: int | None
    explanation: Explanation
    legs: tuple[Leg, ...]

    @property
    def points(self) -> int:
        """What it changes the member's balance by."""
        return sum(leg.points for leg in self.legs if leg.account == "member")


@dataclass(slots=True)
class PostedSource:
    """What was posted for one source so far: the member's points by their life, and what the held account has of it."""

    order_id: int | None
    occurred_at: dt.datetime
    points: dict[Life, int] = field(default_factory=dict)
    held: int = 0

    @property
    def total(self) -> int:
        return sum(self.points.values())


def differences(
    lines: Iterable[StatementLine],
    posted: Mapping[str, PostedSource],
    undecided: Collection[int] = (),
    since: dt.datetime | None = None,
) -> list[Difference]:
    """What brings the posted sums to the statement's lines: changed sources in the statement's order, then those it no
    longer has. `undecided` are the spendings for which the outside world hasn't said yes; `since` is the instant of the
    snapshot that the statement was taken up from: what was posted up to it is as it was."""
    found: list[Difference] = []
    stated = {line.source: line for line in lines}
    for source, line in stated.items():
        found += _of_line(line, posted.get(source), undecided)
    for source, before in sorted(posted.items()):
        covered = since is not None and before.occurred_at <= since
        if source not in stated and before.total and not covered:
            counter: Side = "held" if before.held else _counter(source, before.total, undecided)
            legs = [leg for life, points in before.points.items() if points for leg in _pair(counter, -points, life)]
            explanation: Explanation = {"kind": "withdrawn", "posted": before.total}
            found.append(Difference(source, before.order_id, before.occurred_at, None, explanation, tuple(legs)))
    return found


def _of_line(line: StatementLine, before: PostedSource | None, undecided: Collection[int]) -> list[Difference]:
    total = before.total if before else 0
    counter = _counter(line.source, line.amount or total, undecided)
    life = Life(line.usable_from, line.expires_at, line.unclaimed) if line.amount > 0 else DEBIT
    if line.amount == 0 and before:
        life = next((life for life, points in before.points.items() if points), DEBIT)
    found = []

    def note(explanation: Explanation, legs: list[Leg]) -> None:
        found.append(Difference(line.source, line.order_id, line.occurred_at, line.version, explanation, tuple(legs)))

    change = line.amount - total
    if change:
        explanation = line.explanation
        if before is not None:
            explanation = {"kind": "corrected", "posted": total, "stated": line.amount, "now": line.explanation}
        note(explanation, _pair(counter, change, life))
    if before is None:
        return found
    for old, points in before.points.items():
        if old != life and points:
            note(_move(old, life), [Leg("member", -points, old), Leg("member", points, life)])
    if before.held and counter == "redeemed" and line.source.startswith("spending:"):
        note({"kind": "decided"}, [Leg("held", -before.held), Leg("redeemed", before.held)])
    return found


def _pair(counter: Side, points: int, life: Life) -> list[Leg]:
    return [Leg("member", points, life), Leg(counter, -points)]


def _move(old: Life, life: Life) -> Explanation:
    moved: Explanation = {
        "kind": "moved",
        "usable_from": _told(old.usable_from, life.usable_from),
        "expires_at": _told(old.expires_at, life.expires_at),
    }
    return moved | ({"claimed": True} if old.unclaimed and not life.unclaimed else {})


def _told(old: dt.datetime | None, new: dt.datetime | None) -> list[str | None]:
    return [None if instant is None else instant.isoformat() for instant in (old, new)]


def _counter(source: str, points: int, undecided: Collection[int]) -> Side:
    """The account that gives or takes the other side of a source's points."""
    kind, _, rest = source.partition(":")
    match kind:
        case "order" | "first_order":
            return "issued"
        case "adjustment":
            return "issued" if points > 0 else "reversed"
        case "spending" | "undo":
            return "held" if int(rest) in undecided else "redeemed"
        case "expiry":
            return "expired"
        case _:
            return "reversed"
