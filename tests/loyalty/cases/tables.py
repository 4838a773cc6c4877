"""The worked cases as Markdown, in a merchant's words."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from tests.loyalty.cases import CHAPTERS
from tests.loyalty.cases.told import (
    BERLIN,
    Adjusted,
    Announced,
    Bonus,
    BonusTaken,
    Cancelled,
    Case,
    Edited,
    Expired,
    Fulfilled,
    GivenBack,
    Happening,
    Line,
    Money,
    Order,
    Paid,
    Plain,
    Returned,
    Row,
    SignedIn,
    TakenAfterAll,
    TierSet,
    Used,
    local,
)

HEAD = """\
# Worked cases

What members get, keep and owe, case by case. This file is made from `tests/loyalty/cases/`, where the same tables are
tests: `python -m tests.loyalty.cases > docs/worked-cases.md`. The rules in words are in [statement.md](statement.md).

How to read a table: each row is something that happened, or came by itself, on that day. "Points" is what it brought or
took. The columns after it say how things stand then: points that can be used, points still waiting, points that wait
for a guest to sign in, points owed, and the tier; an empty cell says nothing about it.

Unless a case says otherwise, the shop gives 1 point for every 1.00 spent; points can be used at once and never expire;
what is taken back beyond what a member has is owed; there are no bonuses and no tiers; the programme began on 1 Jan
2026; the shop is in Berlin and its currency is the euro; the member has an account. Days are the shop's own. Where no
time is given, it is noon.

A "complaint" is what merchants say of other programmes, with its number in the list that Encore was planned by. Every
table is also told to the books piece by piece, in the order of time and backwards and the whole of it twice, and comes
to the same points (complaints 9 and 10).
"""
COLUMNS = {"usable": "Usable", "pending": "Waiting", "unclaimed": "Unclaimed", "owed": "Owed", "tier": "Tier"}
PERIODS = {
    "lifetime": "over the whole membership",
    "rolling_year": "over the last 12 months",
    "calendar_year": "per calendar year, this one or the last",
    "anniversary": "per year of membership, this one or the last",
}
COUNTED = {"spend": "what was spent", "points": "points earned", "orders": "number of orders"}


def document() -> str:
    parts = [HEAD, "## Contents\n"]
    parts.append("\n".join(f"- [{title}](#{_anchor(title)}) ({len(cases)})" for title, _, cases in CHAPTERS) + "\n")
    number = 0
    for title, about, cases in CHAPTERS:
        parts.append(f"## {title}\n\n{about}\n")
        for case in cases:
            number += 1
            parts.append("\n".join(_case(number, case)))
    return "\n".join(parts)


def _anchor(title: str) -> str:
    return "".join(sign for sign in title.lower().replace(" ", "-") if sign.isalnum() or sign == "-")


def _case(number: int, case: Case) -> Iterator[str]:
    yield f"### {number}. {case.title}\n"
    if case.complaint:
        yield f"*Complaint{'s' * (',' in case.complaint.partition(':')[0])} {case.complaint}*\n"
    if case.note:
        yield f"{case.note}\n"
    if rules := list(_rules(case)):
        yield "\n".join(f"- {rule}" for rule in rules) + "\n"
    columns = [column for column in COLUMNS if any(column in row.stands for row in case.rows)]
    points = ["Points"] if any(row.points is not None for row in case.rows) else []
    heads = ["Day", "What happens", *points, *(COLUMNS[column] for column in columns)]
    yield "| " + " | ".join(heads) + " |"
    yield "| " + " | ".join("---" if head in ("Day", "What happens", "Tier") else "--:" for head in heads) + " |"
    for row in case.rows:
        cells = [_day(row.when), _row(case, row), *([_signed(row.points)] if points else [])]
        cells += [_shown(row.stands.get(column, "")) for column in columns]
        yield "| " + " | ".join(cells) + " |"
    yield ""


def _shown(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _signed(points: int | None) -> str:
    return "" if points is None else f"{points:+,}".replace("-", "−") if points else "0"


def _day(when: str) -> str:
    moment = local(when)
    time = f", {moment.time().isoformat('seconds' if moment.second else 'minutes')}" if ":" in when else ""
    return f"{moment.day} {moment:%b %Y}{time}"


def _begins(when: str) -> str:
    """A day that something begins with, by itself when it does at midnight."""
    return _day(when).removesuffix(", 00:00")


def _money(amount: Money) -> str:
    return f"{Decimal(amount):,.2f}"


def _row(case: Case, row: Row) -> str:
    if isinstance(row.what, Order) and not row.what.paid:
        paid = next((_day(other.when) for other in case.rows if other.what == Paid(row.what.name)), None)
        return f"{_order(row.what)}, " + (f"paid on {paid}" if paid else "never paid")
    return row.what if isinstance(row.what, str) else _happening(row.what)


def _happening(what: Happening) -> str:
    match what:
        case Order():
            return _order(what)
        case Paid(order):
            return f"Order {order} is paid"
        case Fulfilled(order):
            return f"Order {order} is fulfilled"
        case Cancelled(order):
            return f"Order {order} is cancelled"
        case Edited(order, line, pieces):
            return f"Order {order} is edited: {pieces} × {line} taken off"
        case Returned(order, by_line, money, how):
            goods = " and ".join(f"{pieces} × {line}" if pieces > 1 else line for line, pieces in by_line.items())
            said = f", {how}" if how else ""
            if money and not goods:
                return f"{_money(money)} given back on order {order}{said}, nothing returned"
            beyond = f", and {_money(money)} given back beyond it" if money else ""
            return f"Return of {f'{goods} from' if goods else 'all of'} order {order}{beyond}{said}"
        case Used(points):
            return f"Uses {points:,} points"
        case GivenBack():
            return "The points used are given back"
        case Adjusted(points, counts, until):
            said = ", which count towards tiers" if counts else ""
            return (
                f"Staff {'gives' if points > 0 else 'takes'} {abs(points):,} points"
                + (f" that expire on {_day(until)}" if until else "")
                + said
            )
        case SignedIn():
            return "Signs in for the first time"
        case TierSet(level, until):
            does = "takes the tier back to automatic" if level is None else f"sets {level}"
            return f"Staff {does}" + (f" until {_day(until)}" if until else "")
        case Announced("staff", due):
            return f"Announced: the tier set by staff ends on {_day(due)}"
        case Announced(of, due) if len(of) == 1:
            return f"Announced: points of order {of} expire on {_day(due)}"
        case Announced(of, due):
            return f"Announced: {of} ends on {_day(due)}"
        case Bonus(order):
            return f"First-order bonus with order {order}"
        case BonusTaken(order):
            return f"The first-order bonus of order {order} goes back"
        case Expired(order):
            return f"*What is left of order {order}'s points expires*"
        case TakenAfterAll(order):
            return f"*What order {order}'s return had been spared is taken now*"


def _order(order: Order) -> str:
    of = ": " + ", ".join(map(_line, order.of)) if isinstance(order.of, tuple) else f" of {_money(order.of)}"
    currency = f", in {order.currency}" if order.currency != "EUR" else ""
    return f"Order {order.name}{of}{currency}" + (", a test" if order.test else "")


def _line(line: Line) -> str:
    title = f"{line.quantity} × {line.title}" if line.quantity > 1 else line.title
    labels = ", ".join(label.replace(":", " ") for label in line.labels)
    inner = f"{labels}; " if labels else ""
    return f"{title} ({inner}{_money(line.net)}{' together' if line.quantity > 1 else ''})"


# --- rules ------------------------------------------------------------------------------------------------------------


def _rules(case: Case) -> Iterator[str]:
    """What is not as usual."""
    if case.guest:
        yield "The member is a guest: their e-mail hasn't signed in yet."
    if tuple(case.zones) != (BERLIN,):
        cities = [zone.rpartition("/")[2].replace("_", " ").replace("Sao", "São") for zone in case.zones]
        others = f" The same comes out in {' and in '.join(cities[1:])}." if cities[1:] else ""
        yield f"The shop is in {cities[0]}.{others}"
    if case.published != "2026-01-01 00:00":
        yield f"The programme began on {_begins(case.published)}."
    if case.counts_from:
        yield f"Orders count from {_begins(case.counts_from)} on."
    yield from _document(case.rules)
    if case.backfill:
        start, decided = case.backfill
        yield f"On {_day(decided)} the shop decides to count orders from {_begins(start)} on as well."
    for start, rules in case.later:
        yield f"From {_begins(start)} on: " + " ".join(_document(rules))


def _document(rules: Plain) -> Iterator[str]:
    for name, rule in rules.items():
        match name:
            case "earn":
                yield f"{_count(rule['points'], 'point')} for every {rule['per_minor'] / 100:.2f} spent."
            case "waiting":
                yield f"Points can be used {_count(rule['days'], 'day')} after {rule['after']}."
            case "expiry_months":
                yield f"Points expire after {_count(rule, 'month')}."
            case "short":
                yield "What is short is " + ("given up by the shop." if rule == "floored" else "owed.")
            case "bonuses":
                if bonus := rule.get("order"):
                    yield f"Orders of {bonus['from_minor'] / 100:.2f} or more get {bonus['points']} points more."
                if rule.get("first_order"):
                    yield f"The first order gets {rule['first_order']} points more."
            case "order_max":
                yield f"One order gives {rule} points at most."
            case "multipliers":
                yield from map(_multiplier, rule) if rule else ["Each product counts as it is."]
            case "tiers":
                yield from _tiers(rule)


def _multiplier(rule: Plain) -> str:
    start = f" from {_day(rule['from'])}" if rule["from"] else ""
    until = f" until {_day(rule['until'])}" if rule["until"] else ""
    counts = f"counts {rule['percent'] / 100:g} times" if rule["percent"] else "doesn't count"
    return f"{rule['name']} ({rule['label'].replace(':', ' ')}) {counts}{start}{until}."


def _tiers(rule: Plain | None) -> Iterator[str]:
    if rule is None:
        yield "No tiers."
        return
    unit = 100 if rule["by"] == "spend" else 1
    levels = []
    for level in rule["levels"]:
        amount = f"{level['from'] // unit:,}" + (".00" if unit > 1 else "")
        percent = f" (points count {level['percent'] / 100:g} times)" if level["percent"] != 100 else ""
        levels.append(f"{level['name']} from {amount}{percent}")
    counted = COUNTED[rule["by"]]
    yield f"Tiers by {counted} {PERIODS[rule['period']]}: {', '.join(levels)}."
    if rule["grace_days"]:
        yield f"A tier is kept {_count(rule['grace_days'], 'day')} longer (grace)."
    if rule["hold_days"]:
        yield f"A tier once reached is held {_count(rule['hold_days'], 'day')} at least."
    if rule["protect_until"]:
        yield f"Nobody moves down before {_day(rule['protect_until'])}."


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" + ("" if number == 1 else "s")
