"""What is owed, in words: figures with their definitions, rows of the tables, the sentence over them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from loyalty.books import month_closable, month_ended
from loyalty.liability import AGES, AsOf, Movement, Owed, Parts, Worth
from loyalty.models import PeriodClose
from loyalty.rules.reckoning import local_day
from retention_app.charts import AreaChart, AreaPoint, area_chart
from retention_app.screens import Definition, Stat
from retention_app.words import Words

WRITTEN_DOWN = ("opening", "issued", "redeemed", "expired", "reversed", "closing")


@dataclass(frozen=True)
class MonthRow:
    """A month of the roll-forward. `state` is its books' in words, empty while they are open; `agrees` that what was
    written down is what its entries come to; `can_close` that they can be closed now."""

    row: Movement
    month: dt.date
    name: str
    worth: str
    state: str
    agrees: bool
    can_close: bool

    @property
    def tone(self) -> str:
        return "neutral" if self.agrees else "bad"

    @property
    def owed_minor(self) -> int | None:
        return self.row.worth.minor(self.row.closing)

    @property
    def used(self) -> int:
        return -self.row.redeemed

    @property
    def expired(self) -> int:
        return -self.row.expired

    @property
    def taken_back(self) -> int:
        return -self.row.reversed


@dataclass(frozen=True)
class PartRow:
    """Points of one age, or with one expiry."""

    name: str
    points: int
    minor: int | None


def definitions() -> list[Definition]:
    return [
        Definition(
            "owed",
            _("What you owe"),
            _("What your members' points are worth on a date, points set aside for rewards included."),
            _("points of all members who had any + points set aside, × what a point was worth, rounded down."),
        ),
        Definition(
            "owed-unclaimed",
            _("Of it unclaimed"),
            _("Points of customers whose e-mail hadn't signed in by then. They can't be used and don't expire."),
            _("points of all members who had any and hadn't signed in, × what a point was worth, rounded down."),
        ),
        Definition(
            "owed-held",
            _("Of it set aside"),
            _("Points that members gave for a reward which wasn't made yet on that date."),
            _("points set aside − used − given back, up to the end of that date."),
        ),
        Definition(
            "owed-debts",
            _("Members owe you"),
            _("Points that members used and then lost, such as by a return. They aren't set off against what you owe."),
            _("balances below zero on that date, added up, × what a point was worth, rounded down."),
        ),
        Definition(
            "owed-worth",
            _("What 100 points are worth"),
            _("What points were worth by the version of your programme that was in force on that date."),
            _("as published in that version; later versions change later dates only."),
        ),
    ]


def stats(date: AsOf, owed: Owed, worth: Worth, words: Words, rows_url: str) -> list[Stat]:
    """The five figures; `rows_url` leads to the rows behind them."""
    what, unclaimed, held, debts, hundred = definitions()
    day = words.day(date.at)

    def stat(definition: Definition, points: int, note: str) -> Stat:
        worth_text = money(worth.minor(points), words)
        figures = f"{points_text(points, words)} = {worth_text}"
        return Stat(definition, worth_text, note=note, figures=figures, window=day, rows_url=rows_url)

    version = worth.version
    by = _("by version %(number)s") % {"number": version.number} if version else _("No programme yet")
    claims, owes = _of_members(owed.claims, owed.claimants, words), _of_members(owed.debts, owed.debtors, words)
    versions = {"rows_url": reverse("loyalty:versions"), "rows_label": _("See the versions")}
    return [
        stat(what, owed.claims + owed.held, claims),
        stat(unclaimed, owed.unclaimed, _of_members(owed.unclaimed, owed.waiting, words)),
        stat(held, owed.held, points_text(owed.held, words)),
        stat(debts, owed.debts, owes),
        Stat(hundred, money(worth.minor(100), words), note=by, window=day, quiet=version is None, **versions),
    ]


def points_text(points: int, words: Words) -> str:
    return ngettext("%(points)s point", "%(points)s points", points) % {"points": words.count(points)}


def _of_members(points: int, members: int, words: Words) -> str:
    told = ngettext("%(points)s points of %(count)s member", "%(points)s points of %(count)s members", members)
    return told % {"points": words.count(points), "count": words.count(members)}


def pending_text(parts: Parts, worth: Worth, words: Words) -> str:
    """How much of the claims couldn't be used yet."""
    said = {"points": points_text(parts.pending, words), "worth": money(worth.minor(parts.pending), words)}
    return _("Pending, so not to be used yet: %(points)s, worth %(worth)s.") % said


def money(minor: int | None, words: Words) -> str:
    return "–" if minor is None else words.money(minor)


def month_rows(months: Sequence[Movement], closes: Sequence[PeriodClose], date: AsOf, words: Words) -> list[MonthRow]:
    """The months, newest first, with the state of their books."""
    by_month = {month_ended(close.until): close for close in closes}
    closed_until = max((close.until for close in closes), default=None)
    rows = []
    for row in reversed(months):
        month = local_day(row.begins, date.zone)
        close = by_month.get(month)
        agrees = close is None or _agrees(row, close)
        state = ""
        if close:
            closed = _("closed on %(day)s") if agrees else _("closed on %(day)s with other figures")
            state = closed % {"day": words.day(close.closed_at)}
        elif closed_until is not None and row.until < closed_until:
            state = _("closed with a later month")
        rows.append(
            MonthRow(
                row=row,
                month=month,
                name=words.month(month),
                worth=money(row.worth.minor(row.closing), words),
                state=state,
                agrees=agrees,
                can_close=is_whole(row, date) and month_closable(row.until, closed_until),
            )
        )
    return rows


def _agrees(row: Movement, close: PeriodClose) -> bool:
    """Whether a close has the month's figures. One of another period (months at once, another time zone) has its own,
    which `ledger_verify` checks."""
    if (dt.datetime.fromisoformat(close.totals["begins"]), close.until) != (row.begins, row.until):
        return True
    return all(close.totals[name] == getattr(row, name) for name in WRITTEN_DOWN)


def is_whole(row: Movement, date: AsOf) -> bool:
    """Whether the month is over at the date's end."""
    return local_day(row.until, date.zone).day == 1


def sum_text(month: MonthRow, words: Words) -> str:
    """A month's movements as a sum."""
    row = month.row
    return _(
        "%(month)s: %(opening)s + earned %(issued)s − used %(redeemed)s − expired %(expired)s"
        " − taken back %(reversed)s = %(closing)s points"
    ) % {
        "month": month.name,
        "opening": words.count(row.opening),
        "issued": words.count(row.issued),
        "redeemed": words.count(row.redeemed),
        "expired": words.count(row.expired),
        "reversed": words.count(row.reversed),
        "closing": words.count(row.closing),
    }


def chart(rows: Sequence[MonthRow], words: Words) -> AreaChart | None:
    """What was owed at each month's end, of `rows` (newest first) those with a worth."""
    ends = [AreaPoint(row.name, max(minor, 0)) for row in reversed(rows) if (minor := row.owed_minor) is not None]
    return area_chart(ends, amount=words.money, tick=words.money_short)


def answer(rows: Sequence[MonthRow], words: Words) -> str:
    """How what is owed developed over the months, `rows` newest first: one at least."""
    first, last = rows[-1], rows[0]
    if first is last:
        return _("%(worth)s at the end of %(month)s.") % {"worth": last.worth, "month": last.name}
    told = {"before": first.worth, "first": first.name, "after": last.worth, "last": last.name}
    return _("From %(before)s in %(first)s to %(after)s in %(last)s.") % told


def ages(parts: Parts, worth: Worth) -> list[PartRow]:
    """The claims by how long ago they were credited."""
    names = [
        _("Less than 3 months"),
        _("3 to 6 months"),
        _("6 to 12 months"),
        _("1 to 2 years"),
        _("2 years or more"),
    ]
    assert len(names) == len(AGES) + 1
    return [PartRow(name, points, worth.minor(points)) for name, points in zip(names, parts.ages, strict=True)]


def expiries(parts: Parts, worth: Worth, words: Words) -> list[PartRow]:
    """The claims by the month they are to expire in."""
    found = [(_("Due; they go once members were told for 7 days"), parts.due)] if parts.due else []
    for month, points in parts.expiries.items():
        found.append((words.month(month) if month else _("Never, or not known yet"), points))
    return [PartRow(name, points, worth.minor(points)) for name, points in found]
