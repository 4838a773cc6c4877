"""The tier a member holds, folded through time (`docs/statement.md`, 3).

`Standing` is told in business order what counts and what staff decided, and brings time itself: windows that move,
versions that start, moves down that fall due. The automatic tier goes on underneath a tier given by staff.
"""

from __future__ import annotations

import datetime as dt
import heapq
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Literal

from loyalty.rules.facts import TierMoveFact
from loyalty.rules.programme import Level, Programme, Tiers
from loyalty.rules.reckoning import (
    Saved,
    announced,
    day_months_after,
    days_after,
    local_day,
    midnight,
    months_after,
    saved,
    subject,
    unsaved,
)

Reason = Literal["reached", "fell", "version", "staff", "staff_ended"]
NONE = -1  # the rank below the lowest level


@dataclass(frozen=True, slots=True)
class TierChange:
    """The tier held became another one. `quantity` is what counted at that instant, as `by` says."""

    at: dt.datetime
    before: str | None
    after: str | None
    reason: Reason
    version: int
    quantity: int


@dataclass(frozen=True, slots=True)
class MoveDown:
    """A move down that will fall due unless more counts: to be announced under `subject`. `at` is when it happens, None
    while it isn't announced."""

    subject: str
    level: str
    to: str | None
    due: dt.datetime
    at: dt.datetime | None


@dataclass(slots=True)
class _Counted:
    """What one order or adjustment counts, at its instant."""

    at: dt.datetime
    spend: Fraction
    points: int
    orders: int

    @classmethod
    def of(cls, amount: Fraction, at: dt.datetime) -> _Counted:
        """What counted so much, by whatever the tiers go by."""
        return cls(at, amount, int(amount), int(amount))


@dataclass(frozen=True, slots=True)
class _Given:
    """A tier given by staff, until the next move or `ends`."""

    move: TierMoveFact
    is_floor: bool
    ends: dt.datetime | None


class Standing:
    """A member's tier as of `now`, which only goes forward. `announcements` are those made so far."""

    def __init__(self, programme: Programme, announcements: Mapping[str, Sequence[dt.datetime]]) -> None:
        self.programme = programme
        self.announcements = announcements
        self.history: list[TierChange] = []
        self._version = programme.versions[0]
        self._auto = NONE
        self._since: dt.datetime | None = None  # of the automatic tier
        self._short: dt.datetime | None = None  # since when less counts than the tier asks for
        self._given: _Given | None = None
        self._held: str | None = None
        self._counted: dict[int, _Counted] = {}
        self._joined: dt.date | None = None
        self._total = Fraction()
        self._years: dict[int, Fraction] = defaultdict(Fraction)
        self._year: int | None = None  # the running period's number
        self._boundary: dt.datetime | None = None  # when the next period begins
        self._leaving: list[tuple[dt.datetime, int]] = []  # (instant, key of what leaves the rolling year)
        self._left: set[int] = set()
        self._starts = list(programme.versions[1:])
        self._now: dt.datetime | None = None  # what time has come to

    # --- what it is told ---------------------------------------------------------------------------------------------

    def count(self, key: int, at: dt.datetime, now: dt.datetime, spend: Fraction, points: int, orders: int) -> None:
        """From `now` on the order or adjustment `key`, made at `at`, counts so much."""
        before = self._amount(key)
        counted = self._counted.get(key)
        if counted is None:
            self._counted[key] = _Counted(at, spend, points, orders)
            self._enter_window(key, at, now)
        else:
            counted.spend, counted.points, counted.orders = spend, points, orders
        self._add(key, self._amount(key) - before)
        self._settle(now, begins=False)

    def join(self, now: dt.datetime) -> None:
        """The member's first earning order: membership years begin that day."""
        if self._joined is None:
            self._joined = local_day(now, self.programme.zone)
            self._recount(now)

    def move(self, fact: TierMoveFact) -> None:
        """Staff gave a tier, or took the member back to the automatic one."""
        tiers = self.tiers
        if fact.level is None:
            self._given = None
        elif tiers and (fact.level == "" or tiers.rank(fact.level) != NONE):
            self._given = self._give(fact, tiers.rank(fact.level) >= self._auto)
        self._record(fact.at, "staff")

    def advance(self, to: dt.datetime) -> None:
        """Let time itself happen up to and including `to`."""
        while (upcoming := self._upcoming()) and upcoming[0] <= to:
            instant, what = upcoming
            self._now = instant
            match what:
                case 0:
                    self._start_version(instant)
                case 1:
                    self._move_windows(instant)
                case 2:
                    self._move_down(instant)
                case _:
                    self._given = None
                    self._record(instant, "staff_ended")
        self._now = to

    # --- snapshots ---------------------------------------------------------------------------------------------------

    def saved(self) -> Saved | None:
        """Where the member stands, to be taken up by `restore` under the same programme. What counted is only sums, but
        for what is yet to leave the rolling year; None while the membership, by which it is counted anew, hasn't begun.
        """
        if self._joined is None and self._counted:
            return None
        given = self._given
        return {
            "auto": self._auto,
            "since": saved(self._since),
            "short": saved(self._short),
            "held": self._held,
            "joined": self._joined and self._joined.isoformat(),
            "total": str(self._total),
            "years": {str(number): str(amount) for number, amount in self._years.items()},
            "year": self._year,
            "boundary": saved(self._boundary),
            "leaving": [[leaves.isoformat(), key, str(self._amount(key))] for leaves, key in self._leaving],
            "given": given
            and {
                "id": given.move.id,
                "at": given.move.at.isoformat(),
                "level": given.move.level,
                "until": saved(given.move.until),
                "is_floor": given.is_floor,
            },
            "history": [{**asdict(change), "at": change.at.isoformat()} for change in self.history],
        }

    def restore(self, told: Saved, at: dt.datetime) -> None:
        """Take up where the member stood at an instant, when the last version had started."""
        self._version, self._starts, self._now = self.programme.versions[-1], [], at
        self._auto, self._held, self._year = told["auto"], told["held"], told["year"]
        self._since, self._short = unsaved(told["since"]), unsaved(told["short"])
        self._boundary = unsaved(told["boundary"])
        self._joined = told["joined"] and dt.date.fromisoformat(told["joined"])
        self._total = Fraction(told["total"])
        self._years |= {int(number): Fraction(amount) for number, amount in told["years"].items()}
        for leaves, key, amount in told["leaving"]:
            self._leaving.append((dt.datetime.fromisoformat(leaves), key))
            self._counted[key] = _Counted.of(Fraction(amount), at)
        if given := told["given"]:
            began, until = dt.datetime.fromisoformat(given["at"]), unsaved(given["until"])
            move = TierMoveFact(id=given["id"], at=began, level=given["level"], until=until)
            self._given = self._give(move, given["is_floor"])
        self.history = [
            TierChange(**{**change, "at": dt.datetime.fromisoformat(change["at"])}) for change in told["history"]
        ]

    # --- what it tells -----------------------------------------------------------------------------------------------

    @property
    def tiers(self) -> Tiers | None:
        """The tiers in force."""
        return self._version.rules.tiers

    @property
    def held(self) -> str | None:
        """The key of the tier held; None for none."""
        return self._held

    @property
    def since(self) -> dt.datetime | None:
        """Since when the tier is held."""
        return self.history[-1].at if self.history else None

    def level_of(self, tiers: Tiers | None) -> Level | None:
        """The level a set of tiers has for the tier held."""
        rank = tiers.rank(self._held) if tiers else NONE
        return tiers.levels[rank] if tiers and rank != NONE else None

    def quantity(self) -> Fraction:
        """What counts now towards tiers: minor units, points or orders."""
        tiers = self.tiers
        if tiers is None:
            return Fraction()
        if tiers.period in ("lifetime", "rolling_year"):
            return self._total
        if self._year is None:
            return Fraction()
        return max(self._years[self._year], self._years[self._year - 1])

    def next_change(self) -> dt.datetime | None:
        """The next instant at which time alone may change something here. Windows only ever take a tier away."""
        if self._auto == NONE and self._given is None:
            return self._starts[0].effective_from if self._starts else None
        upcoming = self._upcoming()
        return upcoming[0] if upcoming else None

    def move_down(self) -> MoveDown | None:
        """The move down that is coming by what counts so far, or the end of a tier given by staff."""
        given, held = self._given, self.tiers.rank(self._held) if self.tiers else NONE
        if given and given.move.until and given.is_floor and held > self._auto:
            until = given.move.until
            told = subject(f"tier_move:{given.move.id}", until)
            return MoveDown(told, self._held or "", self._key(self._auto), until, given.ends)
        due = self._due()
        if due is None:
            return None
        level = self._key(self._auto)
        assert level is not None
        return MoveDown(subject(f"tier:{level}", due), level, self._key(self._auto - 1), due, self._moves_at())

    # --- what staff gave ---------------------------------------------------------------------------------------------

    def _give(self, move: TierMoveFact, is_floor: bool) -> _Given:
        ends = move.until
        if ends and is_floor:
            ends = announced(ends, self._told(subject(f"tier_move:{move.id}", ends)))
        return _Given(move, is_floor, ends and max(ends, move.at))

    # --- what counts -------------------------------------------------------------------------------------------------

    def _amount(self, key: int) -> Fraction:
        counted, tiers = self._counted.get(key), self.tiers
        if counted is None or tiers is None:
            return Fraction()
        if tiers.by == "spend":
            return counted.spend
        return Fraction(counted.points if tiers.by == "points" else counted.orders)

    def _add(self, key: int, change: Fraction) -> None:
        at = self._counted[key].at
        if key not in self._left:
            self._total += change
        number = self._number(at)
        if number is not None:
            self._years[number] += change

    def _enter_window(self, key: int, at: dt.datetime, now: dt.datetime) -> None:
        """What counts from now on leaves the rolling year one day; the first to count begins the first period."""
        if self.tiers and self.tiers.period == "rolling_year":
            leaves = months_after(at, 12, self.programme.zone)
            if leaves <= now:
                self._left.add(key)
            else:
                heapq.heappush(self._leaving, (leaves, key))
        if self._year is None:
            self._begin_period(now)

    def _recount(self, now: dt.datetime) -> None:
        """Count everything anew, by the rules in force."""
        self._total, self._years, self._leaving, self._left = Fraction(), defaultdict(Fraction), [], set()
        self._year = self._boundary = None
        for key, counted in self._counted.items():
            self._enter_window(key, counted.at, now)
            self._add(key, self._amount(key))

    # --- periods -----------------------------------------------------------------------------------------------------

    def _number(self, instant: dt.datetime) -> int | None:
        """The number of the period an instant lies in: the calendar year, or the year of membership from 0. None where
        there are no periods and before the membership began."""
        if self.tiers is None:
            return None
        day = local_day(instant, self.programme.zone)
        if self.tiers.period == "calendar_year":
            return day.year
        if self.tiers.period != "anniversary" or self._joined is None or day < self._joined:
            return None
        years = day.year - self._joined.year
        return years if day_months_after(self._joined, 12 * years) <= day else years - 1

    def _begin_period(self, now: dt.datetime) -> None:
        """Find the running period and when the next begins."""
        self._year = number = self._number(now)
        if number is None:
            self._boundary = None
        elif self._joined is None or (self.tiers and self.tiers.period == "calendar_year"):
            self._boundary = midnight(dt.date(number + 1, 1, 1), self.programme.zone)
        else:
            self._boundary = midnight(day_months_after(self._joined, 12 * (number + 1)), self.programme.zone)

    # --- time --------------------------------------------------------------------------------------------------------

    def _upcoming(self) -> tuple[dt.datetime, int] | None:
        """The next thing time brings: (instant, kind), kinds in the order they happen at one instant."""
        found: list[tuple[dt.datetime, int]] = []
        if self._starts:
            found.append((self._starts[0].effective_from, 0))
        windows = [instant for instant in (self._boundary, self._leaving[0][0] if self._leaving else None) if instant]
        found += [(instant, 1) for instant in windows]
        if (moves_at := self._moves_at()) is not None:
            found.append((moves_at, 2))
        if self._given and self._given.ends is not None:
            found.append((self._given.ends, 3))
        return min(found, default=None)

    def _start_version(self, instant: dt.datetime) -> None:
        levels = self.tiers.levels if self.tiers else ()
        self._version = self._starts.pop(0)
        rank = self._auto
        while rank != NONE and (self.tiers is None or self.tiers.rank(levels[rank].key) == NONE):
            rank -= 1
        if rank != self._auto:
            self._since, self._short = instant, None
        self._auto = self.tiers.rank(levels[rank].key) if self.tiers and rank != NONE else NONE
        self._recount(instant)
        self._settle(instant, begins=True, reason="version")
        self._record(instant, "version")

    def _move_windows(self, instant: dt.datetime) -> None:
        while self._leaving and self._leaving[0][0] <= instant:
            _, key = heapq.heappop(self._leaving)
            self._total -= self._amount(key)
            self._left.add(key)
        begins = self._boundary is not None and self._boundary <= instant
        if begins:
            self._begin_period(instant)
        self._settle(instant, begins=begins)

    def _move_down(self, instant: dt.datetime) -> None:
        self._auto -= 1
        self._since, self._short = instant, None
        self._settle(instant, begins=False, reason="fell")

    def _settle(self, now: dt.datetime, *, begins: bool, reason: Reason = "reached") -> None:
        """Move up to what is entitled to; begin or end a shortfall. `begins`: a period or a version begins."""
        tiers = self.tiers
        if tiers is None:
            return
        quantity = self.quantity()
        entitled = max((rank for rank, level in enumerate(tiers.levels) if level.threshold <= quantity), default=NONE)
        if entitled > self._auto:
            self._auto, self._since = entitled, now
        if entitled >= self._auto:
            self._short = None
        elif self._short is None and (begins or tiers.period in ("lifetime", "rolling_year")):
            self._short = now
        self._record(now, reason)

    def _due(self) -> dt.datetime | None:
        """When the move down is due; None without a shortfall."""
        tiers, zone = self.tiers, self.programme.zone
        if tiers is None or self._short is None or self._since is None:
            return None
        due = max(days_after(self._short, tiers.grace_days, zone), days_after(self._since, tiers.hold_days, zone))
        return max(due, tiers.protect_until) if tiers.protect_until else due

    def _moves_at(self) -> dt.datetime | None:
        due = self._due()
        at = announced(due, self._told(subject(f"tier:{self._key(self._auto)}", due))) if due else None
        return max(at, self._now) if at and self._now else at

    # --- the tier held -----------------------------------------------------------------------------------------------

    def _told(self, about: str) -> Sequence[dt.datetime]:
        return self.announcements.get(about, ())

    def _key(self, rank: int) -> str | None:
        return self.tiers.levels[rank].key if self.tiers and rank != NONE else None

    def _record(self, now: dt.datetime, reason: Reason) -> None:
        """Note the tier held when it became another one; an instant has one change at most."""
        rank, given, tiers = self._auto, self._given, self.tiers
        if given and tiers and (given.move.level == "" or tiers.rank(given.move.level) != NONE):
            given_rank = tiers.rank(given.move.level)
            rank = max(rank, given_rank) if given.is_floor else min(rank, given_rank)
        held = self._key(rank)
        if held != self._held:
            quantity = self.quantity()
            whole = quantity.numerator // quantity.denominator
            before = self._held
            if self.history and self.history[-1].at == now:
                before = self.history.pop().before
            if before != held:
                self.history.append(TierChange(now, before, held, reason, self._version.number, whole))
            self._held = held
