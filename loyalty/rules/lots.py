"""Lots: what is left of each credit, and who took the rest (`docs/statement.md`, 4).

`Lots` is told in business order of credits, spendings, undos and take-backs, and brings expiry and the settling of
debts itself. Amounts are points. Each teller answers what it really came to; `booked` lists what time or an undo
brought.
"""

from __future__ import annotations

import datetime as dt
import heapq
from bisect import insort
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from loyalty.rules.programme import Short
from loyalty.rules.reckoning import Saved, announced, days_after, saved, subject, unsaved

RESTORED_DAYS = 30  # that points given back live at least
_LONG_AGO = dt.datetime.min.replace(tzinfo=dt.UTC)
_FAR = dt.datetime.max.replace(tzinfo=dt.UTC)


@dataclass(slots=True)
class Lot:
    """Part of a credit that can be used from `usable_from` (None: not known yet) and expires at `due`, or at `ends` as
    far as that was announced."""

    source: str
    credited_at: dt.datetime
    usable_from: dt.datetime | None
    due: dt.datetime | None
    ends: dt.datetime | None
    remaining: int
    number: int = 0  # as the member's lots were opened

    def spending_order(self) -> tuple[dt.datetime, dt.datetime, str]:
        return (self.due or _FAR, self.credited_at, self.source)

    def usable(self, at: dt.datetime) -> bool:
        return self.usable_from is not None and self.usable_from <= at and not self.ended(at)

    def ended(self, at: dt.datetime) -> bool:
        return self.ends is not None and self.ends <= at


@dataclass(slots=True)
class Claim:
    """What a spending or a take-back took of lots that aren't its own, still owes, gave up (`floored`), or was spared
    because it had expired already (`set_off`)."""

    source: str
    taken: list[tuple[Lot, int]] = field(default_factory=list)
    owed: int = 0
    floored: int = 0
    set_off: int = 0


@dataclass(slots=True)
class Booked:
    """Points that went by themselves: `kind` is "expired", or "late" for points a take-back had been spared and takes
    after an undo (`of` is the lot's source, or the take-back's)."""

    kind: str
    source: str
    of: str
    amount: int
    at: dt.datetime


class Lots:
    """A member's lots as of the last instant told. `announcements` are those made so far."""

    def __init__(self, zone: ZoneInfo, announcements: Mapping[str, Sequence[dt.datetime]]) -> None:
        self.zone = zone
        self.announcements = announcements
        self.booked: dict[str, Booked] = {}  # by source
        self._of: dict[str, list[Lot]] = defaultdict(list)
        self._usable: list[Lot] = []  # in the order they are spent, some of them empty or expired
        self._expired: dict[str, int] = defaultdict(int)  # of each credit, not yet set off against a take-back
        self._claims: dict[str, list[Claim]] = defaultdict(list)  # take-backs of each credit
        self._spendings: dict[str, Claim] = {}
        self._debts: list[Claim] = []
        self._timeline: list[tuple[dt.datetime, int, int, Lot]] = []  # (instant, 0 expiry or 1 usable, number, lot)
        self._opened = 0
        self._now = _LONG_AGO

    # --- what it is told ---------------------------------------------------------------------------------------------

    def credit(
        self, source: str, amount: int, at: dt.datetime, usable_from: dt.datetime | None, due: dt.datetime | None
    ) -> None:
        """A lot of `amount` points."""
        if amount:
            self._open(Lot(source, at, usable_from, due, None, amount), at)

    def spend(self, source: str, amount: int, at: dt.datetime, short: Short) -> int:
        """Take usable points, soonest expiry first; answers how many points that came to, debt included."""
        claim = self._spendings[source] = Claim(source)
        return amount - self._take(claim, amount, at, short)

    def taken_by(self, spending: str) -> list[tuple[int, dt.datetime | None]]:
        """What a spending took, by when it was to expire (None: never), the soonest first: (points, due)."""
        taken: dict[dt.datetime | None, int] = {}
        for lot, part in self._spendings[spending].taken:
            taken[lot.due] = taken.get(lot.due, 0) + part
        return [(points, due) for due, points in taken.items()]

    def take_back(self, credit: str, source: str, amount: int, at: dt.datetime, short: Short) -> int:
        """Take back points of a credit; answers how many points that came to, debt included."""
        wanted = amount
        for lot in sorted(self._of[credit], key=Lot.spending_order):
            if not lot.ended(at):
                part = min(wanted, lot.remaining)
                lot.remaining -= part
                wanted -= part
        claim = Claim(source, set_off=min(wanted, self._expired[credit]))
        self._expired[credit] -= claim.set_off
        self._claims[credit].append(claim)
        spared = claim.set_off + self._take(claim, wanted - claim.set_off, at, short)
        return amount - spared

    def undo(self, spending: str, at: dt.datetime) -> int:
        """Give a spending's points back; answers how many points that came to, the debt it drops included."""
        claim = self._spendings.pop(spending)
        amount = claim.owed
        claim.owed = 0
        for lot, part in claim.taken:
            amount += part
            self._give_back(lot, part, at, undone=spending.rpartition(":")[2], extend=True)
        return amount

    def advance(self, to: dt.datetime) -> None:
        """Let debts be settled by what the last fact made usable, then expiry and availability happen up to and
        including `to`. To be called before each fact is told, and at the end."""
        self._settle(self._now)
        while self._timeline and self._timeline[0][0] <= to:
            if self._timeline[0][0] > self._now:
                self._settle(self._now)
            self._now, what, _, lot = heapq.heappop(self._timeline)
            if what == 1:
                insort(self._usable, lot, key=Lot.spending_order)
            elif lot.remaining:
                about = subject(f"expiry:{lot.source}", lot.due or self._now)
                self._book("expired", about, lot.source, lot.remaining, self._now)
                self._expired[lot.source] += lot.remaining
                lot.remaining = 0
        self._settle(self._now)
        self._now = to

    # --- snapshots ---------------------------------------------------------------------------------------------------

    def saved(self) -> Saved | None:
        """What is left, to be taken up by `restore`. None when more than that matters: a take-back of an open lot's
        credit that an undo would have to look at, or a lot whose expiry was booked in part."""
        lots = self.open()
        for lot in lots:
            claims = self._claims.get(lot.source, ())
            if any(claim.taken or claim.owed or claim.floored or claim.set_off for claim in claims):
                return None
            if lot.due is not None and subject(f"expiry:{lot.source}", lot.due) in self.booked:
                return None
        return {
            "lots": [
                [lot.source, lot.credited_at.isoformat(), saved(lot.usable_from), saved(lot.due), lot.remaining]
                for lot in sorted(lots, key=lambda lot: lot.number)
            ],
            "debts": [claim.owed for claim in self._debts],
        }

    def restore(self, told: Saved, at: dt.datetime) -> None:
        """Take up what was left at an instant. Whoever owes it is forgotten: it can't be dropped any more."""
        for source, credited_at, usable_from, due, remaining in told["lots"]:
            credited = dt.datetime.fromisoformat(credited_at)
            lot = Lot(source, credited, unsaved(usable_from), unsaved(due), None, remaining)
            self._enter(lot, at)
            if lot.usable_from is not None and lot.usable_from <= at:
                self._usable.append(lot)
        self._usable.sort(key=Lot.spending_order)
        self._debts = [Claim("", owed=owed) for owed in told["debts"]]
        self._now = at

    # --- what it tells -----------------------------------------------------------------------------------------------

    def open(self) -> list[Lot]:
        """Lots with points left, in the order they are spent."""
        lots = [lot for of_source in self._of.values() for lot in of_source if lot.remaining]
        return sorted(lots, key=Lot.spending_order)

    @property
    def debt(self) -> int:
        return sum(claim.owed for claim in self._debts)

    def next_change(self) -> dt.datetime | None:
        """The next instant at which time alone changes something: an expiry, or a debt that can be settled."""
        return min(
            (at for at, what, _, lot in self._timeline if lot.remaining and (what == 0 or self.debt)), default=None
        )

    # --- inside ------------------------------------------------------------------------------------------------------

    def _open(self, lot: Lot, now: dt.datetime) -> None:
        self._enter(lot, now)
        if lot.usable_from is not None and lot.usable_from <= now:
            insort(self._usable, lot, key=Lot.spending_order)

    def _enter(self, lot: Lot, now: dt.datetime) -> None:
        """Number a lot and note what time will bring it."""
        if lot.due is not None:
            lot.ends = announced(lot.due, self.announcements.get(subject(f"expiry:{lot.source}", lot.due), ()))
        self._opened += 1
        lot.number = self._opened
        self._of[lot.source].append(lot)
        if lot.ends is not None:
            heapq.heappush(self._timeline, (max(lot.ends, now), 0, lot.number, lot))
        if lot.usable_from is not None and lot.usable_from > now:
            heapq.heappush(self._timeline, (lot.usable_from, 1, lot.number, lot))

    def _take(self, claim: Claim, amount: int, at: dt.datetime, short: Short) -> int:
        """Take usable points for a claim; what is lacking is owed or floored. Answers what was floored."""
        lacking = self._take_usable(claim, amount, at)
        if short == "owed":
            claim.owed = lacking
            if lacking:
                self._debts.append(claim)
        else:
            claim.floored = lacking
        return claim.floored

    def _take_usable(self, claim: Claim, wanted: int, at: dt.datetime) -> int:
        """Take usable points in order; answers how many are lacking."""
        while wanted and self._usable:
            lot = self._usable[0]
            if lot.remaining == 0 or lot.ended(at):
                del self._usable[0]
                continue
            part = min(wanted, lot.remaining)
            lot.remaining -= part
            wanted -= part
            claim.taken.append((lot, part))
        return wanted

    def _settle(self, at: dt.datetime) -> None:
        """Pay debts out of what is usable, oldest first."""
        while self._debts:
            claim = self._debts[0]
            claim.owed = self._take_usable(claim, claim.owed, at)
            if claim.owed:
                return
            del self._debts[0]

    def _give_back(self, lot: Lot, amount: int, at: dt.datetime, *, undone: str, extend: bool) -> None:
        """Points return to a lot: first to the take-backs of its credit that took elsewhere or too little, then to
        live on."""
        claims = self._claims[lot.source]
        for claim in claims:
            part = min(amount, claim.owed)
            claim.owed -= part
            amount -= part
        for claim in claims:
            part = min(amount, claim.floored)
            claim.floored -= part
            amount -= self._take_late(claim, part, at, undone)
        for claim in claims:
            claim.taken, taken = [], claim.taken
            for other, points in taken:
                part = min(amount, points)
                amount -= part
                if points > part:
                    claim.taken.append((other, points - part))
                if part:
                    self._give_back(other, part, at, undone=undone, extend=False)
        for claim in claims:
            part = min(amount, claim.set_off)
            claim.set_off -= part
            self._expired[lot.source] += part
            amount -= self._take_late(claim, part, at, undone)
        if amount:
            self._restore(lot, amount, at, extend=extend)

    def _book(self, kind: str, source: str, of: str, amount: int, at: dt.datetime) -> None:
        """Note points that went; what goes for one reason in several parts goes at one instant."""
        self.booked.setdefault(source, Booked(kind, source, of, 0, at)).amount += amount

    def _take_late(self, claim: Claim, amount: int, at: dt.datetime, undone: str) -> int:
        """Take what a take-back had been spared; answers the same amount."""
        if amount:
            self._book("late", f"late:{claim.source}:{undone}", claim.source, amount, at)
        return amount

    def _restore(self, lot: Lot, amount: int, at: dt.datetime, *, extend: bool) -> None:
        due = lot.due
        if due is not None and (extend or due <= at):
            due = max(due, days_after(at, RESTORED_DAYS, self.zone))
        if due == lot.due:
            if not lot.remaining and lot.usable(at):
                insort(self._usable, lot, key=Lot.spending_order)
            lot.remaining += amount
        else:
            self._open(Lot(lot.source, lot.credited_at, lot.usable_from, due, None, amount), at)
