"""What a worked case is made of: plain data that reads as a table and is told to the statement and to the oracle.

A case is a list of rows in the order of their dates. A row is something that happens (an order, a return, points used),
something that comes by itself (points expired), or only a look. It states the points it brings, and as much as it likes
of how the member stands then: points usable, pending and owed, and the tier.

Dates are the shop's own time, noon unless a time is given. Amounts of money are whole units or text: 50, "11.67".
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from loyalty.rules.programme import completed
from tests.loyalty.histories import member

Money = int | str
Plain = dict[str, Any]

USUAL: Plain = {"earn": {"points": 1, "per_minor": 100}, "worth": {"points": 100, "minor": 500}}
BERLIN, SAO_PAULO, TAIPEI = "Europe/Berlin", "America/Sao_Paulo", "Asia/Taipei"


def minor(amount: Money) -> int:
    return int(Decimal(amount) * 100)


def local(when: str) -> dt.datetime:
    """The wall-clock time; noon unless `when` has one."""
    return dt.datetime.fromisoformat(when if ":" in when else f"{when} 12:00")


def instant(when: str, zone: str) -> dt.datetime:
    return local(when).replace(tzinfo=ZoneInfo(zone)).astimezone(dt.UTC)


# --- what happens -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    title: str
    net: Money
    quantity: int = 1
    labels: tuple[str, ...] = ()
    gift_card: bool = False


@dataclass(frozen=True)
class Order:
    """`of`: an amount, or its lines. `paid` is False until a `Paid` says so."""

    name: str
    of: Money | tuple[Line, ...]
    paid: bool = True
    test: bool = False
    currency: str = "EUR"

    @property
    def lines(self) -> tuple[Line, ...]:
        return self.of if isinstance(self.of, tuple) else (Line("Goods", self.of),)


@dataclass(frozen=True)
class Paid:
    order: str


@dataclass(frozen=True)
class Fulfilled:
    order: str


@dataclass(frozen=True)
class Cancelled:
    order: str


@dataclass(frozen=True)
class Edited:
    """Pieces taken off an order."""

    order: str
    line: str
    pieces: int = 1


@dataclass(frozen=True)
class Returned:
    """Pieces by line, and money given back beyond them; without either, the whole order. `how` is only said."""

    order: str
    pieces: Mapping[str, int] = field(default_factory=dict)
    money: Money = 0
    how: str = ""


@dataclass(frozen=True)
class Used:
    points: int


@dataclass(frozen=True)
class GivenBack:
    """The first use's points."""


@dataclass(frozen=True)
class Adjusted:
    points: int
    counts: bool = False
    until: str | None = None


@dataclass(frozen=True)
class SignedIn:
    """A guest's e-mail signs in for the first time."""


@dataclass(frozen=True)
class TierSet:
    """By staff: a level's name, "no tier", or None for back to automatic."""

    level: str | None
    until: str | None = None


@dataclass(frozen=True)
class Announced:
    """What is announced: "A" (the expiry of order A's points), a tier's name (the move down from it), or "staff" (the
    end of the tier that staff set)."""

    of: str
    due: str


# --- what comes by itself ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bonus:
    """The first-order bonus that came with an order."""

    order: str


@dataclass(frozen=True)
class BonusTaken:
    """The same, taken back by the order's first return or by its cancellation."""

    order: str


@dataclass(frozen=True)
class Expired:
    """What was left of an order's points; `due` is when it was to be, where that is earlier."""

    order: str
    due: str | None = None


@dataclass(frozen=True)
class TakenAfterAll:
    """What the order's first return had been spared."""

    order: str


Told = (
    Order
    | Paid
    | Fulfilled
    | Cancelled
    | Edited
    | Returned
    | Used
    | GivenBack
    | Adjusted
    | SignedIn
    | TierSet
    | Announced
)
Happening = Told | Bonus | BonusTaken | Expired | TakenAfterAll


@dataclass(frozen=True)
class Row:
    when: str
    what: Happening | str
    points: int | None
    stands: Mapping[str, Any]


def on(when: str, what: Happening | str, points: int | None = None, **stands: Any) -> Row:
    """`stands`: usable, pending, unclaimed, owed, tier (a name, "none" for none) once all of this instant happened."""
    return Row(when, what, points, stands)


@dataclass(frozen=True, kw_only=True)
class Case:
    """`rules` are what differs from the usual; `later`: further versions; `guest`: the member's e-mail hasn't signed in
    before a row says so. `complaint`: what merchants say of
    other programmes, by its number in the product's reference ("4: …")."""

    title: str
    rows: Sequence[Row]
    rules: Plain = field(default_factory=dict)
    later: Sequence[tuple[str, Plain]] = ()
    published: str = "2026-01-01 00:00"
    counts_from: str | None = None
    backfill: tuple[str, str] | None = None  # (from, decided)
    zones: Sequence[str] = (BERLIN,)
    guest: bool = False
    note: str = ""
    complaint: str = ""

    def told(self) -> list[tuple[int, str, Told]]:
        """What happens, (id, when, fact), without what comes by itself."""
        return [(id_, row.when, row.what) for id_, row in enumerate(self.rows, 1) if isinstance(row.what, Told)]


# --- as the statement and the oracle are told it ----------------------------------------------------------------------


def tiers(by: str, period: str, *, grace: int = 0, hold: int = 0, protect: str | None = None, **levels: Any) -> Plain:
    """Levels by name: from (whole units of money, points or orders), or (from, percent)."""
    unit = 100 if by == "spend" else 1
    pairs = {name: given if isinstance(given, tuple) else (given, 100) for name, given in levels.items()}
    return {
        "tiers": {
            "by": by,
            "period": period,
            "grace_days": grace,
            "hold_days": hold,
            "protect_until": protect,
            "levels": [
                {"key": name.lower(), "name": name, "from": threshold * unit, "percent": percent}
                for name, (threshold, percent) in pairs.items()
            ],
        }
    }


def times(name: str, label: str, percent: int, start: str | None = None, until: str | None = None) -> Plain:
    """A multiplier; `label` as `product:1`, `collection:9`, `tag:tea`."""
    return {"key": name, "label": label, "name": name, "percent": percent, "from": start, "until": until}


def programme(case: Case, zone: str) -> Plain:
    """The programme as the oracle's plain dict."""
    versions = [(case.published, case.rules), *((start, {**case.rules, **rules}) for start, rules in case.later)]
    return {
        "versions": [
            {"number": number, "from": instant(start, zone), "rules": _document(rules, zone)}
            for number, (start, rules) in enumerate(versions, 1)
        ],
        "earn_from": instant(case.counts_from or case.published, zone),
        "backfills": [
            {"from": instant(start, zone), "version": 1, "decided_at": instant(decided, zone)}
            for start, decided in ([case.backfill] if case.backfill else [])
        ],
        "currency": "EUR",
        "timezone": zone,
    }


def _document(rules: Plain, zone: str) -> Plain:
    def dated(document: Plain, *names: str) -> Plain:
        return document | {name: instant(document[name], zone).isoformat() for name in names if document[name]}

    document = dict(completed({**USUAL, **rules}))
    document["multipliers"] = [dated(one, "from", "until") for one in document["multipliers"]]
    document["tiers"] = document["tiers"] and dated(document["tiers"], "protect_until")
    return document


def history(case: Case, zone: str, told: Sequence[tuple[int, str, Told]]) -> Plain:
    """What was told so far as the oracle's plain dict; what belongs to an order that wasn't told yet is left out."""
    known: Plain = member([], *([None] if case.guest else []))
    orders: dict[str, Plain] = {}
    for id_, when, fact in told:
        if isinstance(fact, Order):
            lines = [
                {
                    "id": id_ * 100 + place,
                    "quantity": line.quantity,
                    "removed": 0,
                    "net": minor(line.net),
                    "gift_card": line.gift_card,
                    "labels": line.labels,
                }
                for place, line in enumerate(fact.lines)
            ]
            orders[fact.name] = {"id": id_, "at": instant(when, zone), "paid": fact.paid, "test": fact.test}
            orders[fact.name] |= {"paid_at": None, "fulfilled_at": None, "cancelled_at": None, "refunds": []}
            orders[fact.name] |= {"currency": fact.currency, "lines": lines}
    known["orders"] = list(orders.values())
    for id_, when, fact in told:
        at, of = instant(when, zone), orders.get(getattr(fact, "order", ""))
        match fact:
            case Used(points):
                undone = next((instant(back, zone) for _, back, one in told if isinstance(one, GivenBack)), None)
                first = not known["spendings"]
                known["spendings"].append(
                    {"id": id_, "at": at, "points": points, "undone_at": undone if first else None, "held": False}
                )
            case Adjusted(points, counts, until):
                expires = until and instant(until, zone)
                known["adjustments"].append(
                    {"id": id_, "at": at, "points": points, "counts": counts, "expires_at": expires}
                )
            case SignedIn():
                known["claimed_at"] = at
            case TierSet(level, until):
                key = None if level is None else "" if level == "no tier" else level.lower()
                known["tier_moves"].append({"id": id_, "at": at, "level": key, "until": until and instant(until, zone)})
            case Announced():
                known["announcements"].append({"subject": _subject(case, fact, zone), "at": at})
            case Paid() if of:
                of |= {"paid": True, "paid_at": at}
            case Fulfilled() if of:
                of["fulfilled_at"] = at
            case Cancelled() if of:
                of["cancelled_at"] = at
            case Edited(order, line, pieces) if of:
                of["lines"][_place(case, order, line)]["removed"] = pieces
            case Returned(order, by_line, money) if of:
                if not by_line and not money:
                    by_line = {line.title: line.quantity for line in _order(case, order).lines}
                returned = {of["lines"][_place(case, order, line)]["id"]: n for line, n in by_line.items()}
                of["refunds"].append({"id": id_, "at": at, "lines": returned, "unlined": minor(money)})
    return known


def source(case: Case, row: int, zone: str) -> str:
    """The statement's source for a row's points, by the row's number from 1."""
    what = case.rows[row - 1].what
    match what:
        case Order():
            return f"order:{row}"
        case Returned():
            return f"refund:{row}"
        case Cancelled(order):
            return f"cancellation:{_id(case, Order, order)}"
        case Used():
            return f"spending:{row}"
        case GivenBack():
            return f"undo:{_id(case, Used)}"
        case Adjusted():
            return f"adjustment:{row}"
        case Bonus(order):
            return f"first_order:{_id(case, Order, order)}"
        case BonusTaken(order):
            returned = _id(case, Returned, order)
            return f"refund_bonus:{returned}" if returned else f"cancellation_bonus:{_id(case, Order, order)}"
        case Expired(order, due):
            told = instant(due or case.rows[row - 1].when, zone)
            return f"expiry:order:{_id(case, Order, order)}:{told:%Y-%m-%dT%H:%M:%SZ}"
        case TakenAfterAll(order):
            return f"late:refund:{_id(case, Returned, order)}:{_id(case, Used)}"
    raise ValueError(f"{case.title}: {what} brings no points")


def _subject(case: Case, announced: Announced, zone: str) -> str:
    due = f"{instant(announced.due, zone):%Y-%m-%dT%H:%M:%SZ}"
    if announced.of == "staff":
        return f"tier_move:{_id(case, TierSet)}:{due}"
    order = _id(case, Order, announced.of)
    return f"expiry:order:{order}:{due}" if order else f"tier:{announced.of.lower()}:{due}"


def _id(case: Case, kind: type, order: str | None = None) -> int:
    """The number of the first such row; 0 when there is none."""
    for number, row in enumerate(case.rows, 1):
        name = getattr(row.what, "name", None) or getattr(row.what, "order", None)
        if isinstance(row.what, kind) and order in (None, name):
            return number
    return 0


def _order(case: Case, name: str) -> Order:
    return next(row.what for row in case.rows if isinstance(row.what, Order) and row.what.name == name)


def _place(case: Case, order: str, line: str) -> int:
    return [one.title for one in _order(case, order).lines].index(line)
