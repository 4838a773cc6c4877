"""What a shop owes its members as of any date, from the ledger's entries by when they were recorded (DESIGN 5).

An entry is never changed and never recorded in the past, so what is answered for a past date is what was answered then.
Sums are made by the database; what comes back is as long as a year has months, whatever the number of members.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from zoneinfo import ZoneInfo

from loyalty import sql
from loyalty.models import Entry, ProgrammeVersion
from loyalty.rules.programme import completed, worth_minor
from loyalty.rules.reckoning import day_months_after, local_day, midnight
from retention_app import clock
from retention_app.tenancy import current_shop_id

MONTHS = 12  # of a roll-forward
AGES = (3, 6, 12, 24)  # months since a credit, the bounds of the ages

_FIRST = dt.date(1970, 1, 1)  # no ledger is older
_MOMENT = dt.timedelta(microseconds=1)  # the shortest time there is in the ledger
_MEMBERS = "a.kind = 'member' AND a.asset = 'points'"
# What a member's entry adds to, or takes from: its credit; the spending an undo gives back; else itself.
_CREDIT = """CASE
    WHEN e.source LIKE 'expiry:%%' THEN substr(e.source, 8, length(e.source) - 28)
    WHEN e.source LIKE 'undo:%%' THEN 'spending:' || substr(e.source, 6)
    WHEN e.order_shopify_id IS NULL THEN e.source
    WHEN e.source LIKE 'first_order:%%' OR e.source LIKE '%%bonus:%%' THEN 'first_order:' || e.order_shopify_id
    ELSE 'order:' || e.order_shopify_id END"""


@dataclass(frozen=True, kw_only=True)
class AsOf:
    """A date in the shop's time zone, up to its end or up to now: what was recorded before `until` counts, and `at` is
    the instant that is looked at."""

    day: dt.date
    zone: ZoneInfo
    until: dt.datetime
    at: dt.datetime


@dataclass(frozen=True, kw_only=True)
class Worth:
    """What points were worth by the version in force at an instant; None where there was none yet."""

    version: ProgrammeVersion | None

    def minor(self, points: int) -> int | None:
        return worth_minor(points, completed(self.version.document)) if self.version else None


@dataclass(frozen=True, kw_only=True)
class Owed:
    """Points members have, those who have any; of them points of members whose e-mail hasn't signed in yet; points
    members owe, those who owe any; points set aside."""

    claims: int
    claimants: int
    unclaimed: int
    waiting: int
    debts: int
    debtors: int
    held: int

    @property
    def closing(self) -> int:
        """What the roll-forward ends with."""
        return self.claims - self.debts + self.held


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Members' claims by age and by expiry. `ages` has a number for each of `AGES` and one for what is older; months
    are first days, None for points without a date. `due` are those that members weren't told of in time, which keeps
    them from expiring; `pending` those that can't be used yet, `unclaimed` those of customers whose e-mail hasn't
    signed in."""

    ages: tuple[int, ...]
    expiries: dict[dt.date | None, int]
    due: int
    pending: int
    unclaimed: int


@dataclass(frozen=True, kw_only=True)
class Movement:
    """What was recorded from `begins` until `until`: opening + issued − redeemed − expired − reversed = closing."""

    begins: dt.datetime
    until: dt.datetime
    opening: int
    issued: int
    redeemed: int
    expired: int
    reversed: int
    worth: Worth

    @property
    def closing(self) -> int:
        return self.opening + self.issued - self.redeemed - self.expired - self.reversed


def as_of(day: dt.date, timezone: str) -> AsOf:
    """A day up to its end; today, and any later one, up to now; one before any ledger is the first."""
    zone, now = ZoneInfo(timezone), clock.now()
    day = max(_FIRST, min(day, local_day(now, zone)))
    until = midnight(day + dt.timedelta(days=1), zone)
    return AsOf(day=day, zone=zone, until=until, at=min(until - _MOMENT, now))


def owed(until: dt.datetime) -> Owed:
    """What members had and owed by what was recorded before `until`. One statement."""
    # All that a member has is unclaimed, or nothing is: a claim moves it from one to the other.
    of_waiting = "kind = 'member' AND points > 0 AND unclaimed > 0"
    [[claims, claimants, unclaimed, waiting, debts, debtors, held]] = sql.rows(
        "SELECT coalesce(sum(CASE WHEN kind = 'member' AND points > 0 THEN points END), 0),"
        " count(CASE WHEN kind = 'member' AND points > 0 THEN 1 END),"
        f" coalesce(sum(CASE WHEN {of_waiting} THEN points END), 0), count(CASE WHEN {of_waiting} THEN 1 END),"
        " coalesce(sum(CASE WHEN kind = 'member' AND points < 0 THEN -points END), 0),"
        " count(CASE WHEN kind = 'member' AND points < 0 THEN 1 END),"
        " coalesce(sum(CASE WHEN kind = 'held' THEN points END), 0)"
        " FROM (SELECT a.kind, sum(e.amount) AS points,"
        " sum(CASE WHEN e.unclaimed THEN e.amount ELSE 0 END) AS unclaimed"
        " FROM loyalty_entry e JOIN loyalty_account a ON a.id = e.account_id"
        " WHERE e.shop_id = %s AND a.asset = 'points' AND a.kind IN ('member', 'held') AND e.recorded_at < %s"
        " GROUP BY a.id, a.kind) sums",
        current_shop_id(),
        sql.stored(until),
    )
    return Owed(
        claims=int(claims),
        claimants=claimants,
        unclaimed=int(unclaimed),
        waiting=waiting,
        debts=int(debts),
        debtors=debtors,
        held=int(held),
    )


def parts(date: AsOf) -> Parts:
    """The claims by age and expiry. Points that were used, or taken from elsewhere, are those of the member's credits
    that expire first. One statement."""
    today = date.day
    bounds = [midnight(day_months_after(today, -months), date.zone) for months in AGES]
    age = " ".join(f"WHEN since >= %s THEN {number}" for number in range(len(bounds)))
    rows = sql.rows(
        # by credit and life …
        f"WITH lives AS (SELECT e.account_id, {_CREDIT} AS credit, e.source, e.usable_from, e.expires_at,"
        " e.unclaimed, sum(e.amount) AS points, min(e.occurred_at) AS since"
        " FROM loyalty_entry e JOIN loyalty_account a ON a.id = e.account_id"
        f" WHERE e.shop_id = %s AND {_MEMBERS} AND e.recorded_at < %s GROUP BY 1, 2, 3, 4, 5, 6),"
        # … by credit, with the life its points have now …
        " credits AS (SELECT account_id, credit, sum(points) AS points, min(since) AS since,"
        " max(CASE WHEN source = credit AND points > 0 THEN expires_at END) AS expires_at,"
        " max(CASE WHEN source = credit AND points > 0 THEN usable_from END) AS usable_from,"
        " max(CASE WHEN source = credit AND points > 0 AND unclaimed THEN 1 ELSE 0 END) AS unclaimed"
        " FROM lives GROUP BY account_id, credit HAVING sum(points) <> 0),"
        # … and what the member's debits leave of each
        " placed AS (SELECT points, since, expires_at, usable_from, unclaimed,"
        " sum(CASE WHEN points > 0 THEN points ELSE 0 END) OVER"
        " (PARTITION BY account_id ORDER BY expires_at IS NULL, expires_at, since, credit ROWS UNBOUNDED PRECEDING)"
        " - sum(CASE WHEN points < 0 THEN -points ELSE 0 END) OVER (PARTITION BY account_id) AS reached FROM credits)"
        f" SELECT expires_at, CASE {age} ELSE {len(bounds)} END,"
        " CASE WHEN unclaimed = 1 THEN 'unclaimed' WHEN usable_from <= %s THEN '' ELSE 'pending' END,"
        " sum(CASE WHEN reached < points THEN reached ELSE points END)"
        " FROM placed WHERE points > 0 AND reached > 0 GROUP BY 1, 2, 3",
        current_shop_id(),
        sql.stored(date.until),
        *map(sql.stored, bounds),
        sql.stored(date.at),
    )
    ages = [0] * (len(AGES) + 1)
    expiries: Counter[dt.date | None] = Counter()
    due, waiting = 0, Counter[str]()
    for expires_at, aged, waits_for, points in rows:
        expires = sql.instant_if_any(expires_at)
        ages[aged] += int(points)
        waiting[waits_for] += int(points)
        if expires is not None and expires <= date.at:
            due += int(points)
        else:
            expiries[expires and local_day(expires, date.zone).replace(day=1)] += int(points)
    months = sorted(expiries.items(), key=lambda one: one[0] or dt.date.max)
    return Parts(
        ages=tuple(ages),
        expiries=dict(months),
        due=due,
        pending=waiting["pending"],
        unclaimed=waiting["unclaimed"],
    )


def roll_forward(date: AsOf, months: int = MONTHS) -> list[Movement]:
    """The `months` up to and including the date's, the last up to the date; without those before the first entry.
    At most three statements."""
    first = Entry.objects.order_by("id").values_list("recorded_at", flat=True).first()
    if first is None or first >= date.until:
        return []
    this = date.day.replace(day=1)
    begins = [midnight(day_months_after(this, -back), date.zone) for back in range(months - 1, -1, -1)]
    return [month for month in movements([*begins, date.until]) if month.until > first]


def movements(bounds: Sequence[dt.datetime]) -> list[Movement]:
    """The periods between the bounds. Two statements."""
    sums, versions, now = _counter_sums(bounds), _versions(), clock.now()
    opening = -sum(sums[-1].values())
    found: list[Movement] = []
    for number, (begins, until) in enumerate(pairwise(bounds)):
        moved = sums[number]
        row = Movement(
            begins=begins,
            until=until,
            opening=opening,
            issued=-moved["issued"],
            redeemed=moved["redeemed"],
            expired=moved["expired"],
            reversed=moved["reversed"],
            worth=_worth_at(versions, min(until - _MOMENT, now)),
        )
        found.append(row)
        opening = row.closing
    return found


def worth_at(date: AsOf) -> Worth:
    """By the version in force at that instant. One statement."""
    return _worth_at(_versions(), date.at)


def members(until: dt.datetime) -> Iterator[tuple[int, int]]:
    """(the platform's customer id, points; negative when they owe) of everybody who had or owed any, by id."""
    yield from sql.rows(
        # By look-ups: a join of all four goes through everybody for everybody where nothing is known of the tables yet.
        "SELECT (SELECT c.shopify_id FROM loyalty_member m JOIN retention_app_customer c ON c.id = m.customer_id"
        " WHERE m.id = a.member_id) AS customer, sum(e.amount)"
        " FROM loyalty_entry e JOIN loyalty_account a ON a.id = e.account_id"
        f" WHERE e.shop_id = %s AND {_MEMBERS} AND e.recorded_at < %s"
        " GROUP BY a.id, a.member_id HAVING sum(e.amount) <> 0 ORDER BY customer",
        current_shop_id(),
        sql.stored(until),
    )


def _versions() -> list[ProgrammeVersion]:
    return list(ProgrammeVersion.objects.filter(withdrawal=None).order_by("number"))


def _worth_at(versions: Sequence[ProgrammeVersion], at: dt.datetime) -> Worth:
    in_force = [version for version in versions if version.effective_from <= at]
    return Worth(version=in_force[-1] if in_force else None)


def _counter_sums(bounds: Sequence[dt.datetime]) -> dict[int, Counter[str]]:
    """What the counter accounts that points come from and go to got, by kind, in each period between the bounds; −1 is
    the time before the first."""
    period = " ".join(f"WHEN e.recorded_at < %s THEN {number}" for number in range(-1, len(bounds) - 1))
    sums: dict[int, Counter[str]] = defaultdict(Counter)
    for number, kind, points in sql.rows(
        f"SELECT CASE {period} END, a.kind, sum(e.amount)"
        " FROM loyalty_entry e JOIN loyalty_account a ON a.id = e.account_id WHERE e.shop_id = %s"
        " AND a.asset = 'points' AND a.kind IN ('issued', 'redeemed', 'expired', 'reversed') AND e.recorded_at < %s"
        " GROUP BY 1, 2",
        *map(sql.stored, bounds),
        current_shop_id(),
        sql.stored(bounds[-1]),
    ):
        sums[number][kind] = int(points)
    return sums
