"""The statement: all that a member has earned, spent, lost and may use, as a pure function of facts (DESIGN 5).

`docs/statement.md` is the rule in words. The facts are gone through in business order, never arrival order: orders are
assessed (`earning`), told to the tier (`tiers`), and what they come to is told to the lots (`lots`). Explanations are
JSON data that add up; `loyalty.explain` puts them into words.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from loyalty.rules.earning import Assessment, Explanation, Points, Step, Worth, assess, exact, points
from loyalty.rules.facts import AdjustmentFact, MemberFacts, OrderFact, SpendingFact, TierMoveFact
from loyalty.rules.lots import Booked, Lots
from loyalty.rules.programme import Level, Programme, Rules, Version
from loyalty.rules.reckoning import Saved, day_months_after, days_after, local_day, midnight, saved
from loyalty.rules.tiers import MoveDown, Standing, TierChange

REVISION = 4  # raised when the same facts come to another statement than before, so that members are judged anew
EXPIRIES_EXPLAINED_MAX = 5  # of the points that a spending took
OUTLOOK_DAYS = 30  # how far ahead a move down is looked for


@dataclass(frozen=True, slots=True)
class StatementLine:
    """A credit or debit in points and where it comes from; sources are listed in `docs/statement.md`.

    Credits can be used from `usable_from` (None: not known yet) and expire at `expires_at` (None: never); `unclaimed`:
    both wait for the member's e-mail to sign in. An order that
    earns nothing has a line of amount 0 that says why; `version` is None when no version judges it. `order_id` is the
    order that earned, or lost, the points; also what time or an undo brings has one.
    """

    source: str
    order_id: int | None
    amount: int
    occurred_at: dt.datetime
    version: int | None
    explanation: Explanation
    usable_from: dt.datetime | None = None
    expires_at: dt.datetime | None = None
    unclaimed: bool = False


@dataclass(frozen=True, slots=True)
class Claimed:
    """What became the member's when their e-mail first signed in: points, and how many orders they are of."""

    at: dt.datetime
    points: int
    orders: int


@dataclass(frozen=True, slots=True)
class LotLeft:
    """Points left of a credit. `due`: when they are to expire; `ends`: when they do, as far as it was announced."""

    source: str
    points: int
    usable_from: dt.datetime | None
    due: dt.datetime | None
    ends: dt.datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """The lines by instant, what is left of them, and the tier held.

    `balance` is the sum of the lines: usable + pending + unclaimed − debt. Until the member's e-mail signed in
    (`is_claimed`) all there is is unclaimed; `claimed` is what was there then, if anything. `next_at`: when time alone
    may change it.
    """

    lines: tuple[StatementLine, ...]
    lots: tuple[LotLeft, ...]
    usable: int
    pending: int
    unclaimed: int
    held: int
    debt: int
    is_claimed: bool
    claimed: Claimed | None
    tier: str | None
    tier_since: dt.datetime | None
    tier_history: tuple[TierChange, ...]
    tier_quantity: Fraction  # what counts towards tiers now
    move_down: MoveDown | None  # the one that comes within `OUTLOOK_DAYS` unless more counts
    next_at: dt.datetime | None

    @property
    def balance(self) -> int:
        return self.usable + self.pending + self.unclaimed - self.debt


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a member's facts up to and including `at` came to, as far as later ones build on it: JSON data.

    Facts it covers may not change: whoever takes it up has to know that they are the same. `orders` are those that
    open lots come from, by source.
    """

    at: dt.datetime
    standing: Saved
    lots: Saved
    held: int
    first_order_of: int | None
    orders: dict[str, int]
    claimed: Claimed | None

    @classmethod
    def read(cls, data: dict[str, Any]) -> Snapshot:
        """A snapshot after a trip through JSON."""
        at, claimed = dt.datetime.fromisoformat(data["at"]), data["claimed"]
        if claimed:
            claimed = Claimed(**{**claimed, "at": dt.datetime.fromisoformat(claimed["at"])})
        return cls(**{**data, "at": at, "claimed": claimed})


def statement(facts: MemberFacts, programme: Programme, as_of: dt.datetime, since: Snapshot | None = None) -> Statement:
    """What the facts up to and including `as_of` amount to. With a snapshot, `facts` are those after it
    (`MemberFacts.after`), and so are the lines; all else is as if it were told from the beginning."""
    return _folded(facts, programme, as_of, since).result()


def snapshot(
    facts: MemberFacts, programme: Programme, at: dt.datetime, since: Snapshot | None = None
) -> Snapshot | None:
    """What to take up from at a closed instant (`MemberFacts.closed_instants`). None when what comes later depends on
    more than a snapshot keeps: a version or a claim yet to come, or take-backs that an undo could still reach."""
    claim = [] if facts.claimed_at is None else [facts.claimed_at]
    if any(instant > at for instant in [*claim, *(version.effective_from for version in programme.versions[1:])]):
        return None
    return _folded(facts, programme, at, since).saved()


def _folded(facts: MemberFacts, programme: Programme, as_of: dt.datetime, since: Snapshot | None) -> _Fold:
    fold = _Fold(facts, programme, as_of, since)
    claimed_at = None if since else fold.claimed_at
    for instant, _, _, fact in _business_order(fold.assessments, facts, as_of, claimed_at):
        fold.standing.advance(instant)
        fold.lots.advance(instant)
        fold.tell(fact)
    fold.standing.advance(as_of)
    fold.lots.advance(as_of)
    return fold


_Fact = Assessment | tuple[Assessment, int] | AdjustmentFact | TierMoveFact | SpendingFact
_Told = tuple[dt.datetime, int, int, _Fact | tuple[SpendingFact] | dt.datetime]


def _business_order(
    assessments: list[Assessment], facts: MemberFacts, as_of: dt.datetime, claimed_at: dt.datetime | None
) -> list[_Told]:
    """What happened up to `as_of`: (instant, kind, id, fact), in the order it is judged."""
    told: list[_Told] = [(claimed_at, -1, 0, claimed_at)] if claimed_at else []
    for assessment in assessments:
        order = assessment.order
        told.append((order.processed_at, 0, order.id, assessment))
        for number, step in enumerate(assessment.steps):
            kind, id_ = (1, step.refund.id) if step.refund else (2, order.id)
            told.append((step.instant, kind, id_, (assessment, number)))
    told += [(fact.at, 3, fact.id, fact) for fact in facts.adjustments if fact.at <= as_of]
    told += [(fact.at, 4, fact.id, fact) for fact in facts.tier_moves if fact.at <= as_of]
    for spending in facts.spendings:
        if spending.at <= as_of:
            told.append((spending.at, 6, spending.id, spending))
            if spending.undone_at is not None and spending.undone_at <= as_of:
                kind = 5 if spending.undone_at > spending.at else 7  # never before the spending itself
                told.append((max(spending.undone_at, spending.at), kind, spending.id, (spending,)))
    told.sort(key=lambda one: one[:3])
    return told


@dataclass(slots=True)
class _Earned:
    """What an order has come to so far."""

    version: Version
    level: Level | None
    worth: Worth
    points: Points
    first_order: int = 0


@dataclass
class _Fold:
    """The state that the facts are told to, one after the other."""

    facts: MemberFacts
    programme: Programme
    as_of: dt.datetime
    since: Snapshot | None
    lines: list[StatementLine] = field(default_factory=list)
    held: int = 0

    def __post_init__(self) -> None:
        orders = sorted(self.facts.orders, key=lambda order: (order.processed_at, order.id))
        self.assessments = [
            assess(order, self.programme, self.as_of) for order in orders if order.processed_at <= self.as_of
        ]
        made = {
            about: [instant for instant in instants if instant <= self.as_of]
            for about, instants in self.facts.announcements.items()
        }
        self.standing = Standing(self.programme, made)
        self.lots = Lots(self.programme.zone, made)
        self.earned: dict[int, _Earned] = {}
        self.first_order_of: int | None = None  # the order whose first-order bonus stands
        self.orders_of: dict[str, int] = {}  # the order that each source is about
        claimed_at = self.facts.claimed_at
        self.claimed_at = None if claimed_at is None or claimed_at > self.as_of else claimed_at
        self.claimed: Claimed | None = None
        if self.since:
            self.claimed = self.since.claimed
            self.held, self.first_order_of = self.since.held, self.since.first_order_of
            self.orders_of |= self.since.orders
            self.standing.restore(self.since.standing, self.since.at)
            self.lots.restore(self.since.lots, self.since.at)

    # --- telling -----------------------------------------------------------------------------------------------------

    def tell(self, fact: _Fact | tuple[SpendingFact] | dt.datetime) -> None:
        match fact:
            case dt.datetime():
                self.claim(fact)
            case Assessment():
                self.order(fact)
            case (Assessment() as assessment, int() as number):
                self.step(assessment, assessment.steps[number])
            case AdjustmentFact():
                self.adjustment(fact)
            case TierMoveFact():
                self.standing.move(fact)
            case SpendingFact():
                self.spending(fact)
            case (SpendingFact() as spending,):
                self.undo(spending)

    def claim(self, at: dt.datetime) -> None:
        """Note what the claim found. That it can be used from then on, the credits know."""
        found = self.lots.open()
        points = sum(lot.remaining for lot in found) - self.lots.debt
        orders = {self.orders_of[lot.source] for lot in found if lot.source in self.orders_of}
        self.claimed = Claimed(at, points, len(orders)) if points > 0 else None

    def order(self, assessment: Assessment) -> None:
        """An order's credit and, once a member, the bonus for the first."""
        order, version = assessment.order, assessment.version
        if version is None or assessment.refusal:
            explanation: Explanation = {"kind": "nothing", "order": order.name, "reason": assessment.refusal}
            number = version.number if version else None
            self.line(f"order:{order.id}", order, 0, order.processed_at, number, explanation)
            return
        self.standing.join(order.processed_at)
        level = self.standing.level_of(version.rules.tiers)
        came_to = points(assessment.worth, version, level)
        earned = self.earned[order.id] = _Earned(version, level, assessment.worth, came_to)
        by_rule = _usable_from(order, version.rules, self.programme, self.as_of)
        usable_from = self.claimable(by_rule)
        due = self._due(usable_from, assessment)
        explanation = {"kind": "earned", **_formula(assessment, level), **_sum(earned.worth, came_to, version.rules)}
        explanation["lines"] = assessment.lines
        explanation["waiting"] = {"days": version.rules.waiting_days, "after": version.rules.waiting_after}
        if self.claimed_at is None or usable_from != by_rule:
            explanation["waiting"]["claim"] = True
        at = order.processed_at
        self.credit(f"order:{order.id}", order, came_to.total, at, version, explanation, usable_from, due)
        if version.rules.first_order_bonus and self.first_order_of is None:
            self.first_order_of, earned.first_order = order.id, version.rules.first_order_bonus
            explanation = {
                "kind": "first_order",
                "order": order.name,
                "version": version.number,
                "points": earned.first_order,
                "waiting": explanation["waiting"],
            }
            bonus = earned.first_order
            self.credit(f"first_order:{order.id}", order, bonus, at, version, explanation, usable_from, due)
        self.count(order, order.processed_at)

    def step(self, assessment: Assessment, step: Step) -> None:
        """What a refund or the cancellation takes back of an order."""
        order = assessment.order
        earned = self.earned[order.id]
        version, before = earned.version, earned.points
        after = points(step.worth, version, earned.level)
        detail: Explanation = {"kind": "cancelled"}
        source, bonus_source = f"cancellation:{order.id}", f"cancellation_bonus:{order.id}"
        if step.refund:
            source, bonus_source = f"refund:{step.refund.id}", f"refund_bonus:{step.refund.id}"
            unlined = step.refund.unlined_minor
            detail = {"kind": "refunded", "lines": step.returned, "unlined_minor": unlined}
        if before.total != after.total:
            explanation = {
                **detail,
                **_formula(assessment, earned.level),
                "before": _sum(earned.worth, before, version.rules),
                "after": _sum(step.worth, after, version.rules),
            }
            self.take_back(f"order:{order.id}", source, order, before.total - after.total, step.instant, explanation)
        if earned.first_order and not step.worth.base:
            explanation = {
                "kind": "first_order_lost",
                "order": order.name,
                "version": version.number,
                "points": earned.first_order,
            }
            self.take_back(
                f"first_order:{order.id}", bonus_source, order, earned.first_order, step.instant, explanation
            )
            self.first_order_of, earned.first_order = None, 0
        earned.worth, earned.points = step.worth, after
        self.count(order, step.instant)

    def adjustment(self, fact: AdjustmentFact) -> None:
        """Points given or taken by staff."""
        version = self.programme.version_at(fact.at)
        source = f"adjustment:{fact.id}"
        explanation: Explanation = {"kind": "adjusted", "adjustment": fact.id, "counts": fact.counts}
        if fact.points > 0:
            usable_from, due = self.claimable(fact.at), fact.expires_at if self.claimed_at else None
            if usable_from != fact.at:
                explanation["waiting"] = {"days": 0, "after": "payment", "claim": True}
            self.credit(source, None, fact.points, fact.at, version, explanation, usable_from, due)
        else:
            wanted, debt = -fact.points, self.lots.debt
            taken = self.lots.spend(source, wanted, fact.at, version.rules.short)
            explanation |= _shortage(wanted, taken, self.lots.debt - debt)
            self.line(source, None, -taken, fact.at, version.number, explanation)
        if fact.counts:
            self.standing.count(-fact.id - 1, fact.at, fact.at, Fraction(), fact.points, 0)

    def spending(self, fact: SpendingFact) -> None:
        """Points used, soonest expiry first."""
        version, debt = self.programme.version_at(fact.at), self.lots.debt
        taken = self.lots.spend(f"spending:{fact.id}", fact.points, fact.at, version.rules.short)
        parts = self.lots.taken_by(f"spending:{fact.id}")
        explanation: Explanation = {"kind": "spent", "spending": fact.id, **_parts(parts)}
        explanation |= _shortage(fact.points, taken, self.lots.debt - debt)
        self.line(f"spending:{fact.id}", None, -taken, fact.at, version.number, explanation)
        if fact.held and (fact.undone_at is None or fact.undone_at > self.as_of):
            self.held += taken

    def undo(self, fact: SpendingFact) -> None:
        """A spending's points given back."""
        at = max(fact.undone_at or fact.at, fact.at)
        amount = self.lots.undo(f"spending:{fact.id}", at)
        explanation: Explanation = {"kind": "undone", "spending": fact.id}
        self.line(f"undo:{fact.id}", None, amount, at, self.programme.version_at(at).number, explanation)

    # --- noting ------------------------------------------------------------------------------------------------------

    def claimable(self, usable_from: dt.datetime | None) -> dt.datetime | None:
        """When points can be used that could be from an instant on: not before the claim."""
        return max(usable_from, self.claimed_at) if usable_from and self.claimed_at else None

    def count(self, order: OrderFact, now: dt.datetime) -> None:
        """Tell the tier what an order counts from now on."""
        earned = self.earned[order.id]
        base = earned.worth.base
        came_to = earned.points.total + earned.first_order
        self.standing.count(order.id, order.processed_at, now, base, came_to, 1 if base else 0)

    def credit(
        self,
        source: str,
        order: OrderFact | None,
        amount: int,
        at: dt.datetime,
        version: Version,
        explanation: Explanation,
        usable_from: dt.datetime | None,
        due: dt.datetime | None,
    ) -> None:
        unclaimed = self.claimed_at is None
        self.line(source, order, amount, at, version.number, explanation, usable_from, due, unclaimed)
        self.lots.credit(source, amount, at, usable_from, due)

    def take_back(
        self, credit: str, source: str, order: OrderFact, amount: int, at: dt.datetime, explanation: Explanation
    ) -> None:
        version, debt = self.programme.version_at(at), self.lots.debt
        taken = self.lots.take_back(credit, source, amount, at, version.rules.short)
        explanation |= _shortage(amount, taken, self.lots.debt - debt)
        self.line(source, order, -taken, at, self.earned[order.id].version.number, explanation)

    def line(
        self,
        source: str,
        order: OrderFact | None,
        amount: int,
        at: dt.datetime,
        version: int | None,
        explanation: Explanation,
        usable_from: dt.datetime | None = None,
        expires_at: dt.datetime | None = None,
        unclaimed: bool = False,
    ) -> None:
        order_id = order.id if order else None
        if order:
            self.orders_of[source] = order.id
        self.lines.append(
            StatementLine(source, order_id, amount, at, version, explanation, usable_from, expires_at, unclaimed)
        )

    def _due(self, usable_from: dt.datetime | None, assessment: Assessment) -> dt.datetime | None:
        """When a credit is to expire: months after it could be used, and after the decision to count it."""
        assert assessment.version is not None
        months, zone = assessment.version.rules.expiry_months, self.programme.zone
        if months is None or usable_from is None:
            return None
        begins = max(usable_from, assessment.decision) if assessment.decision else usable_from
        return midnight(day_months_after(local_day(begins, zone), months), zone)

    # --- the result --------------------------------------------------------------------------------------------------

    def result(self) -> Statement:
        lines = [*self.lines, *(self.booked_line(booked) for booked in self.lots.booked.values())]
        lines.sort(key=lambda line: line.occurred_at)  # stable: what happens at one instant stays in business order
        lots = tuple(LotLeft(lot.source, lot.remaining, lot.usable_from, lot.due, lot.ends) for lot in self.lots.open())
        usable = sum(lot.points for lot in lots if lot.usable_from is not None and lot.usable_from <= self.as_of)
        waiting, is_claimed = sum(lot.points for lot in lots) - usable, self.claimed_at is not None
        standing = self.standing
        moments = [self._in_sight(standing.next_change()), self.lots.next_change()]
        found = {
            "tier": standing.held,
            "tier_since": standing.since,
            "tier_history": tuple(standing.history),
            "tier_quantity": standing.quantity(),
        }
        return Statement(
            lines=tuple(lines),
            lots=lots,
            usable=usable,
            pending=waiting if is_claimed else 0,
            unclaimed=0 if is_claimed else waiting,
            held=self.held,
            debt=self.lots.debt,
            is_claimed=is_claimed,
            claimed=self.claimed,
            next_at=min((moment for moment in moments if moment is not None), default=None),
            move_down=self.outlook(),
            **found,  # type: ignore[arg-type]
        )

    def _in_sight(self, moment: dt.datetime | None) -> dt.datetime | None:
        """When a moment comes into sight of the outlook; the moment itself once it has."""
        if moment is None:
            return None
        early = moment - dt.timedelta(days=OUTLOOK_DAYS)
        return early if early > self.as_of else moment

    def outlook(self) -> MoveDown | None:
        """The move down that comes unless more counts. Lets time go on: nothing may be told afterwards."""
        horizon = self.as_of + dt.timedelta(days=OUTLOOK_DAYS)
        for moment in self.moments(horizon):
            coming = self.standing.move_down()
            if coming:
                return coming
            self.standing.advance(moment)
        return self.standing.move_down()

    def moments(self, horizon: dt.datetime) -> Iterator[dt.datetime]:
        """The instants up to the horizon at which time alone changes the tier."""
        while (moment := self.standing.next_change()) is not None and moment <= horizon:
            yield moment

    def booked_line(self, booked: Booked) -> StatementLine:
        explanation: dict[str, Any] = {"kind": booked.kind, "of": booked.of}
        order_id = self.orders_of.get(booked.of)
        return StatementLine(booked.source, order_id, -booked.amount, booked.at, None, explanation)

    def saved(self) -> Snapshot | None:
        standing, lots = self.standing.saved(), self.lots.saved()
        if standing is None or lots is None:
            return None
        return Snapshot(
            at=self.as_of,
            standing=standing,
            lots=lots,
            held=self.held,
            first_order_of=self.first_order_of,
            orders={lot.source: self.orders_of[lot.source] for lot in self.lots.open() if lot.source in self.orders_of},
            claimed=self.claimed,
        )


def _usable_from(order: OrderFact, rules: Rules, programme: Programme, as_of: dt.datetime) -> dt.datetime | None:
    """When an order's points can be used; None while that isn't known."""
    paid_at = order.paid_at or order.processed_at
    begins = order.fulfilled_at if rules.waiting_after == "fulfilment" else paid_at
    if begins is None or begins > as_of:
        return None
    return days_after(max(begins, order.processed_at), rules.waiting_days, programme.zone)


def _formula(assessment: Assessment, level: Level | None) -> Explanation:
    """What an order's points are reckoned by: rule, version, tier."""
    version = assessment.version
    assert version is not None
    return {
        "order": assessment.order.name,
        "rule": "spending",
        "version": version.number,
        "backdated": assessment.decision is not None,
        "points": version.rules.points,
        "per_minor": version.rules.per_minor,
    } | ({"tier": {"name": level.name, "percent": level.percent}} if level else {})


def _sum(worth: Worth, came_to: Points, rules: Rules) -> Explanation:
    """The figures of an order's points, from its base to what it came to."""
    figures: Explanation = {
        "base_minor": exact(worth.base),
        "weighted_minor": exact(worth.weighted),
        "spending": came_to.spending,
        "bonus": came_to.bonus,
        "result": came_to.total,
    }
    if came_to.bonus and rules.order_bonus:
        figures["bonus_from_minor"] = rules.order_bonus["from_minor"]
    if came_to.total < came_to.spending + came_to.bonus:
        figures["order_max"] = rules.order_max
    return figures


def _parts(taken: list[tuple[int, dt.datetime | None]]) -> Explanation:
    """What a spending took, by expiry: {"taken": [[points, instant or None], …]}, and "more" for the points beyond."""
    named, rest = taken[:EXPIRIES_EXPLAINED_MAX], taken[EXPIRIES_EXPLAINED_MAX:]
    more = {"more": sum(points for points, _ in rest)} if rest else {}
    return {"taken": [[points, saved(due)] for points, due in named]} | more


def _shortage(wanted: int, taken: int, owed: int) -> Explanation:
    """What a debit lacked: {"wanted", "spared": points not taken, "owed": points owed}, where there are any."""
    spared = {"wanted": wanted, "spared": wanted - taken} if taken != wanted else {}
    return spared | ({"owed": owed} if owed else {})
