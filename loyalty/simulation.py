"""What a programme comes to over the shop's members, and what another document would change.

One engine for the review's boxes and for `programme_simulate`: members go through the same pure statement that the
ledger posts, slice by slice. A what-if compares, for each member, the tier they end in by what is live and by the
document in force from now on; and what orders of the last twelve months earn by either, had it been in force then.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from django.db import transaction
from django.db.models import Count, F, Sum
from django.db.models.functions import Coalesce

from loyalty import facts, sql
from loyalty.models import SimulatedMove, Simulation
from loyalty.rules.facts import MemberFacts, OrderFact
from loyalty.rules.programme import Document, Programme, Tiers, Version, completed
from loyalty.rules.reckoning import local_day
from loyalty.rules.statement import REVISION, Statement, statement
from retention_app import clock
from retention_app.events import Fact, events_record
from retention_app.models import Customer, DomainEvent, Order, Shop
from retention_app.tenancy import current_shop_id

SLICE = 500  # customers a step
_YEAR = dt.timedelta(days=365)
_ALL_HISTORY = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Move:
    """A member who would hold another tier: keys of levels, None for no tier."""

    customer_id: int
    before: str | None
    after: str | None
    up: bool


@dataclass(kw_only=True)
class Totals:
    """Sums over members. `orders`: of members, gone through. Of what is live alone: balances and `tiers`. Of a what-if:
    `tiers` and `points` of the year by what is live, and the same by the document."""

    members: int = 0
    orders: int = 0
    usable: int = 0
    pending: int = 0
    unclaimed: int = 0
    debt: int = 0
    up: int = 0
    down: int = 0
    points: int = 0
    points_then: int = 0
    tiers: Counter[str] = field(default_factory=Counter)
    tiers_then: Counter[str] = field(default_factory=Counter)

    @property
    def balance(self) -> int:
        return self.usable + self.pending + self.unclaimed - self.debt

    def add(self, other: Totals) -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Totals:
        """As `vars` gave them, after a trip through JSON."""
        totals = cls()
        for name, value in data.items():
            setattr(totals, name, Counter(value) if isinstance(getattr(totals, name), Counter) else value)
        return totals


@dataclass(frozen=True, kw_only=True)
class Year:
    """The shop's last twelve months with orders: from `since` up to and including `until`."""

    since: dt.datetime
    until: dt.datetime

    def sums(self) -> tuple[int, int]:
        """How many orders counted in it, and what they brought, in the shop's currency."""
        counted = Order.objects.filter(
            processed_at__range=(self.since, self.until), cancelled_at=None, test=False, currency=facts.shop_currency()
        )
        sums = counted.aggregate(orders=Count("id"), revenue=Coalesce(Sum(F("total_minor") - F("refunded_minor")), 0))
        return sums["orders"], sums["revenue"]


class Question:
    """What is asked of each member at the instant `now`: where they stand by what is live or, with a document, what it
    would change. `programme` is None while nothing is published."""

    def __init__(
        self, programme: Programme | None, document: Document | None, now: dt.datetime, year: Year, shop: Shop
    ) -> None:
        self.programme, self.document, self.now, self.year, self.shop = programme, document, now, year, shop
        if document is None:
            return
        self.next = self._from(now, document)
        self.live_then = self._from(year.since, programme.version_at(now).document) if programme else None
        self.document_then = self._from(year.since, document)

    def _from(self, starts: dt.datetime, document: Document) -> Programme:
        """The programme with this document in force from an instant on; a first one that counts all orders."""
        known = self.programme
        if known is None:
            version = Version(number=1, effective_from=starts, document=document)
            return Programme(
                versions=(version,),
                earn_from=_ALL_HISTORY,
                currency=self.shop.currency,
                timezone=self.shop.timezone,
            )
        earlier = tuple(version for version in known.versions if version.effective_from < starts)
        number = known.versions[-1].number + 1
        numbers = {version.number for version in earlier}
        backfills = tuple(one if one.version in numbers else replace(one, version=number) for one in known.backfills)
        return replace(
            known,
            versions=(*earlier, Version(number=number, effective_from=starts, document=document)),
            earn_from=min(known.earn_from, starts),
            backfills=backfills,
        )

    def ask(self, members: Mapping[int, MemberFacts]) -> tuple[Totals, list[Move]]:
        """The members' sums, and who of them moves."""
        totals, moves = Totals(), []
        for customer_id, member in members.items():
            if not (member.orders or member.adjustments or member.spendings or member.tier_moves):
                continue
            totals.members += 1
            totals.orders += len(member.orders)
            if self.document is None:
                self._count(member, totals)
            elif move := self._compare(customer_id, member, totals):
                moves.append(move)
                totals.up += move.up
                totals.down += not move.up
        return totals, moves

    def _count(self, member: MemberFacts, totals: Totals) -> None:
        if self.programme is None:
            return
        found = statement(member, self.programme, member.as_of(self.now))
        totals.usable += found.usable
        totals.pending += found.pending
        totals.unclaimed += found.unclaimed
        totals.debt += found.debt
        totals.tiers[found.tier or ""] += 1

    def _compare(self, customer_id: int, member: MemberFacts, totals: Totals) -> Move | None:
        if recent := tuple(o for o in member.orders if self.year.since <= o.processed_at <= self.year.until):
            totals.points += self._earned(member, self.live_then, recent)
            totals.points_then += self._earned(member, self.document_then, recent)
        before, after = self._ends_in(member, self.programme), self._ends_in(member, self.next)
        totals.tiers[before or ""] += 1
        totals.tiers_then[after or ""] += 1
        if before == after:
            return None
        return Move(customer_id, before, after, self._place(after) > self._place(before))

    def _earned(self, member: MemberFacts, programme: Programme | None, orders: tuple[OrderFact, ...]) -> int:
        """What these orders, all judged by the programme's last version, earned less what was taken back."""
        if programme is None:
            return 0
        rules = programme.versions[-1].rules
        if rules.tiers is None and rules.first_order_bonus is None and rules.short == "owed":
            member = MemberFacts(orders=orders)  # nothing else about the member matters
        ids = {order.id for order in orders}
        return sum(
            line.amount for line in statement(member, programme, member.as_of(self.now)).lines if line.order_id in ids
        )

    def _ends_in(self, member: MemberFacts, programme: Programme | None) -> str | None:
        """The tier held at `now`, or the lower one a member will move down to unless more counts."""
        tiers = _tiers(programme, self.now)
        if programme is None or tiers is None:
            return None
        found = statement(member, programme, member.as_of(self.now))
        if _is_given(member, self.now):
            return found.tier
        held, entitled = tiers.rank(found.tier), _entitled(found, tiers)
        rank = min(held, entitled)
        return tiers.levels[rank].key if rank >= 0 else None

    def _place(self, key: str | None) -> float:
        """How high a level stands among the document's; one that is gone, between those it asked more and less than."""
        if key is None:
            return -1
        tiers, former = _tiers(self.next, self.now), _tiers(self.programme, self.now)
        if tiers and (rank := tiers.rank(key)) >= 0:
            return rank
        asked = next((level.threshold for level in former.levels if level.key == key), 0) if former else 0
        return sum(level.threshold < asked for level in tiers.levels) - 0.5 if tiers else 0


def _tiers(programme: Programme | None, now: dt.datetime) -> Tiers | None:
    return programme.version_at(now).rules.tiers if programme else None


def _entitled(found: Statement, tiers: Tiers) -> int:
    return sum(level.threshold <= found.tier_quantity for level in tiers.levels) - 1


def _is_given(member: MemberFacts, now: dt.datetime) -> bool:
    """Whether the tier is one that staff gave."""
    last = max(
        (move for move in member.tier_moves if move.at <= now), key=lambda move: (move.at, move.id), default=None
    )
    return last is not None and last.level is not None and (last.until is None or last.until > now)


# --- going through the shop ------------------------------------------------------------------------------------------


def question(document: Document | None, now: dt.datetime) -> Question:
    """What to ask, by the programme and the year as they are."""
    shop = Shop.objects.get(id=current_shop_id())
    return Question(facts.programme(), document and completed(document), now, year(), shop)


def year() -> Year:
    """The twelve months up to the newest order."""
    newest = Order.objects.order_by("-processed_at").values_list("processed_at", flat=True).first()
    until = newest or clock.now()
    return Year(since=until - _YEAR, until=until)


def orders_total() -> int:
    """How many orders there are to go through."""
    return Order.objects.filter(customer__isnull=False).count()


def simulate(asked: Question) -> Iterator[Totals]:
    """Go through all members; gives the sums so far after each slice, the whole last."""
    totals, cursor = Totals(), 0
    while True:
        customer_ids = _slice(cursor)
        found, _ = asked.ask(_members(customer_ids))
        totals.add(found)
        yield totals
        if len(customer_ids) < SLICE:
            return
        cursor = customer_ids[-1]


def _slice(cursor: int) -> list[int]:
    """The next customers' ids."""
    return list(Customer.objects.filter(id__gt=cursor).order_by("id").values_list("id", flat=True)[:SLICE])


def _members(customer_ids: Iterable[int]) -> dict[int, MemberFacts]:
    with sql.read_snapshot():
        return facts.members_facts(customer_ids)


# --- for the screens: asked once, answered step by step --------------------------------------------------------------


def simulation_request(shop_id: int, document: Document) -> Simulation:
    """The simulation of a document as next version, asked for if nobody has today; the workers answer it in steps.

    A shop has one draft, so what was asked about others is forgotten.
    """
    now = clock.now()
    key = _key(document, now)
    with transaction.atomic():
        simulation, created = Simulation.objects.get_or_create(
            shop_id=shop_id,
            key=key,
            defaults={"document": document, "asked_at": now, "orders_total": orders_total(), "totals": vars(Totals())},
        )
        if created:
            Simulation.objects.exclude(id=simulation.id).delete()
            fact = Fact(
                type="programme.simulation_asked",
                key=f"programme.simulation_asked:{simulation.id}",
                subject_id=simulation.id,
                occurred_at=now,
            )
            events_record([fact], origin=DomainEvent.Origin.LIVE)
    return simulation


def simulation_find(document: Document) -> Simulation | None:
    """Today's simulation of a document as next version, if it was asked for."""
    return Simulation.objects.filter(key=_key(document, clock.now())).first()


def simulation_advance(simulation_id: int) -> int | None:
    """Ask the next slice of customers; answers the last one's id, None when all are through.

    One whose programme has changed meanwhile is dropped. Safe to repeat: a slice counts once.
    """
    simulation = Simulation.objects.filter(id=simulation_id, finished_at=None).first()
    if simulation is None:
        return None
    document = completed(simulation.document)
    if simulation.key != _key(document, simulation.asked_at):
        simulation.delete()
        return None
    customer_ids = _slice(simulation.cursor)
    found, moves = question(document, simulation.asked_at).ask(_members(customer_ids))
    totals = Totals.of(simulation.totals)
    totals.add(found)
    is_last = len(customer_ids) < SLICE
    cursor = simulation.cursor if is_last else customer_ids[-1]
    with transaction.atomic():
        mine = Simulation.objects.filter(id=simulation.id, cursor=simulation.cursor, finished_at=None)
        if not mine.update(
            cursor=cursor,
            orders=totals.orders,
            totals=vars(totals),
            finished_at=clock.now() if is_last else None,
        ):
            return simulation.cursor
        SimulatedMove.objects.bulk_create(
            SimulatedMove(
                shop_id=simulation.shop_id,
                simulation=simulation,
                customer_id=move.customer_id,
                before=move.before or "",
                after=move.after or "",
                up=move.up,
            )
            for move in moves
        )
    return None if is_last else cursor


def _key(document: Document, asked_at: dt.datetime) -> str:
    """Names a question: the document, what is published, the shop's day."""
    programme, shop = facts.programme(), Shop.objects.get(id=current_shop_id())
    known: list[Any] = [REVISION, completed(document), shop.currency, shop.timezone]
    known.append(local_day(asked_at, ZoneInfo(shop.timezone)).isoformat())
    if programme:
        known += [[version.number for version in programme.versions], len(programme.backfills)]
    return hashlib.blake2b(orjson.dumps(known, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()
