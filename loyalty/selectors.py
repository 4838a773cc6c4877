"""What loyalty tells others. Reads only, inside the shop's scope."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import Any, Protocol, TypeVar, cast
from zoneinfo import ZoneInfo

from django.db.models import BigIntegerField, Case, Count, Exists, F, OuterRef, Q, Sum, Value, When, Window
from django.db.models.functions import Coalesce, TruncMonth

from loyalty import facts, sql
from loyalty.models import (
    Account,
    Adjustment,
    Entry,
    Launch,
    Lot,
    Member,
    ProgrammeDraft,
    ProgrammeVersion,
    Spending,
    TierChange,
    TierMove,
)
from loyalty.rules.earning import Explanation
from loyalty.rules.facts import MemberFacts, OrderFact
from loyalty.rules.programme import (
    Document,
    Programme,
    Rules,
    TierBy,
    TierPeriod,
    Tiers,
    Version,
    completed,
    worth_minor,
)
from loyalty.rules.reckoning import NOTICE, day_months_after, local_day, midnight, subject
from loyalty.rules.statement import statement
from retention_app import clock
from retention_app.models import Customer, Order
from retention_app.selectors import customers_present
from retention_app.tenancy import current_shop_id

_MEMBERS_AT_ONCE = 2000
_LATELY = dt.timedelta(days=30)
_END_OF_TIME = dt.datetime.max.replace(tzinfo=dt.UTC)
_ALL_TIME = dt.datetime.min.replace(tzinfo=dt.UTC)


@dataclass(frozen=True, kw_only=True)
class Pending:
    """Points that can be used from an instant on; None: not known yet."""

    points: int
    at: dt.datetime | None


@dataclass(frozen=True, kw_only=True)
class Coming:
    """Something announced before it happens: when it is due, and when it happens as far as it was announced."""

    subject: str
    due: dt.datetime
    ends: dt.datetime | None

    def at(self, now: dt.datetime) -> dt.datetime:
        """When it happens if it was announced, or is now."""
        return self.ends or max(self.due, now + NOTICE)


@dataclass(frozen=True, kw_only=True)
class Expiring(Coming):
    """Points that expire."""

    points: int


@dataclass(frozen=True, kw_only=True)
class NextTier:
    """The level above the tier held: what is lacking, and how much of the way is done, 0 to 1."""

    name: str
    threshold: int
    lacking: int
    share: float


@dataclass(frozen=True, kw_only=True)
class ComingDown(Coming):
    """A move down that comes unless more counts, or the end of a tier given by staff. `to` is the level's name, empty
    for none."""

    to: str


@dataclass(frozen=True, kw_only=True)
class TierStanding:
    """The tier held (`name` is empty for none), what counts towards tiers as `by` says, and where that leads."""

    key: str
    name: str
    since: dt.datetime | None
    by: TierBy
    period: TierPeriod
    quantity: int
    next: NextTier | None
    move_down: ComingDown | None


@dataclass(frozen=True, kw_only=True)
class MemberSummary:
    """A member's points; zeros for a customer the programme hasn't seen. `worth_minor` is None without a programme,
    `tier` without tiers. Debts are set off against what can be used: one of the two is zero."""

    worth_minor: int | None
    revision: int
    points_available: int = 0
    points_pending: int = 0
    points_unclaimed: int = 0  # wait until the customer's e-mail signs in
    points_held: int = 0
    debt: int = 0
    pending: tuple[Pending, ...] = ()  # next first, unknown instants last
    expiring: tuple[Expiring, ...] = ()  # next first
    tier: TierStanding | None = None


@dataclass(frozen=True, kw_only=True)
class LedgerRow:
    """A posting on a member's account as people read it; `balance` is what they had after it, in business order.

    A change of dates is one row without an amount. `is_pending`: points of this credit can't be used yet, if
    `is_unclaimed` because the member's e-mail hasn't signed in; its dates are today's, which may differ from those it
    was posted with.
    """

    id: int
    at: dt.datetime
    amount: int
    balance: int
    source: str
    order_shopify_id: int | None
    order_name: str  # #1042; empty once the mirror has lost the order
    version: int | None
    explanation: Explanation
    usable_from: dt.datetime | None
    expires_at: dt.datetime | None
    is_pending: bool
    is_unclaimed: bool
    adjustment: Adjustment | None
    spending: Spending | None


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What an order brings by a document, had it always been in force, before any return: points and why, bonuses
    apart."""

    points: int
    explanations: tuple[Explanation, ...]


@dataclass(frozen=True, kw_only=True)
class PreviewRow:
    """What one order earns, less what was taken back, by the live rules and by the draft's."""

    order: Order
    customer: Customer | None
    now: int
    draft: int

    @property
    def difference(self) -> int:
        return self.draft - self.now


@dataclass(frozen=True, kw_only=True)
class Preview:
    """The preview's rows, newest order first, and their totals."""

    rows: list[PreviewRow]
    now: int
    draft: int
    difference: int


@dataclass(frozen=True, kw_only=True)
class PointsTotals:
    """Points orders earned and staff gave, points taken back, and what members have."""

    issued: int
    reversed: int
    outstanding: int


def programme_live(shop_id: int) -> ProgrammeVersion | None:
    """The version in force now; None until one is published."""
    started = ProgrammeVersion.objects.filter(shop_id=shop_id, withdrawal=None, effective_from__lte=clock.now())
    return started.order_by("-number").first()


def programme_decided() -> bool:
    """Whether a programme is live, or its start is decided."""
    return ProgrammeVersion.objects.exists() or Launch.objects.exists()


@dataclass(frozen=True)
class Publications:
    """All published versions, newest first, as they stand at `now`; before the first, the start that waits."""

    versions: list[ProgrammeVersion]
    now: dt.datetime
    launch: Launch | None = None

    @property
    def valid(self) -> list[ProgrammeVersion]:
        """Those that weren't withdrawn before they started."""
        return [version for version in self.versions if not hasattr(version, "withdrawal")]

    @property
    def latest(self) -> ProgrammeVersion | None:
        return next(iter(self.valid), None)

    @property
    def live(self) -> ProgrammeVersion | None:
        """The version in force."""
        return next((version for version in self.valid if version.effective_from <= self.now), None)

    @property
    def scheduled(self) -> ProgrammeVersion | None:
        """The version that waits for its start."""
        return next((version for version in self.valid if version.effective_from > self.now), None)

    @property
    def former(self) -> ProgrammeVersion | None:
        """The version that was in force before the live one."""
        live = self.live
        return next((version for version in self.valid if live and version.number < live.number), None)

    @property
    def decided(self) -> ProgrammeVersion | Launch | None:
        """What was published last, or waits to be the first."""
        return self.latest or self.launch

    @property
    def number_next(self) -> int:
        return self.versions[0].number + 1 if self.versions else 2 if self.launch else 1

    def state(self, version: ProgrammeVersion) -> str:
        """live, scheduled, withdrawn, or nothing for one that was in force."""
        if hasattr(version, "withdrawal"):
            return "withdrawn"
        return "live" if version == self.live else "scheduled" if version == self.scheduled else ""


def publications(shop_id: int) -> Publications:
    """One query, two before the first version."""
    found = list(ProgrammeVersion.objects.filter(shop_id=shop_id).select_related("withdrawal").order_by("-number"))
    launch = None if found else Launch.objects.filter(shop_id=shop_id).first()
    return Publications(found, clock.now(), launch)


def versions(shop_id: int) -> list[ProgrammeVersion]:
    """All published versions, newest first."""
    return publications(shop_id).versions


def draft_current(shop_id: int) -> ProgrammeDraft | None:
    """The draft, while it differs from what was published last."""
    draft = ProgrammeDraft.objects.filter(shop_id=shop_id).first()
    return draft_waiting(draft, publications(shop_id).decided)


def draft_waiting(draft: ProgrammeDraft | None, decided: ProgrammeVersion | Launch | None) -> ProgrammeDraft | None:
    """The draft, if it differs from what was decided last."""
    if draft is None or (decided and completed(decided.document) == completed(draft.document)):
        return None
    return draft


def tier_moved(customer: Customer) -> TierMove | None:
    """What staff decided last about a customer's tier, while it stands."""
    last = TierMove.objects.filter(customer=customer).order_by("at", "id").last()
    return last if last and (last.until is None or last.until > clock.now()) else None


def _account(customer: Customer) -> Account | None:
    return Account.objects.filter(member__customer=customer, asset=Account.POINTS).select_related("member").first()


class OpenLot(Protocol):
    """What is left of a credit, as the lots' table has it."""

    @property
    def source(self) -> str: ...

    @property
    def points(self) -> int: ...

    @property
    def usable_from(self) -> dt.datetime | None: ...

    @property
    def due(self) -> dt.datetime | None: ...

    @property
    def ends(self) -> dt.datetime | None: ...


def member_summary(customer: Customer, live: ProgrammeVersion | None) -> MemberSummary:
    """A customer's points, what they are worth by the live version, what comes, and their tier. At most 3 queries."""
    account = _account(customer)
    member = account.member if account else None
    document = cast(Document, live.document) if live else None
    if account is None or member is None:
        return summary_of(Member(), debt=0, held=0, lots=(), document=document, now=clock.now())
    held = _held([customer.id]).get(customer.id, 0)
    lots = Lot.objects.filter(account=account).order_by("id")
    return summary_of(member, debt=account.debt, held=held, lots=lots, document=document, now=clock.now())


def summary_of(
    member: Member, *, debt: int, held: int, lots: Iterable[OpenLot], document: Document | None, now: dt.datetime
) -> MemberSummary:
    """The summary at an instant of what a member's projections say, by the live document. No query."""
    lots = [lot for lot in lots if lot.ends is None or lot.ends > now]
    pending = [] if member.unclaimed else [lot for lot in lots if is_pending(lot, now)]
    unclaimed = sum(lot.points for lot in lots) if member.unclaimed else 0
    usable = sum(lot.points for lot in lots) - sum(lot.points for lot in pending) - unclaimed
    available = max(0, usable - debt)
    expiring = [
        Expiring(subject=subject(f"expiry:{lot.source}", lot.due), due=lot.due, ends=lot.ends, points=lot.points)
        for lot in lots
        if lot.due is not None
    ]
    return MemberSummary(
        worth_minor=worth_minor(available, document) if document else None,
        revision=member.revision,
        points_available=available,
        points_pending=sum(lot.points for lot in pending),
        points_unclaimed=unclaimed,
        points_held=held,
        debt=max(0, debt - usable),
        pending=_by_instant(pending),
        expiring=tuple(sorted(expiring, key=lambda one: (one.at(now), one.subject))),
        tier=_standing(member, document) if document else None,
    )


def is_pending(lot: OpenLot, now: dt.datetime) -> bool:
    """Whether these points can't be used yet."""
    return lot.usable_from is None or lot.usable_from > now


def _by_instant(lots: Iterable[OpenLot]) -> tuple[Pending, ...]:
    points: dict[dt.datetime | None, int] = defaultdict(int)
    for lot in lots:
        points[lot.usable_from] += lot.points
    return tuple(Pending(points=points[at], at=at) for at in sorted(points, key=lambda at: at or _END_OF_TIME))


def _standing(member: Member, document: Document) -> TierStanding | None:
    """The member's tier by the live document's levels; None when it has no tiers."""
    tiers = Rules.of(completed(document)).tiers
    if tiers is None:
        return None
    rank = tiers.rank(member.tier)
    above = tiers.levels[rank + 1] if rank + 1 < len(tiers.levels) else None
    coming = member.move_down
    return TierStanding(
        key=member.tier if rank >= 0 else "",
        name=tiers.levels[rank].name if rank >= 0 else "",
        since=member.tier_since if rank >= 0 else None,
        by=tiers.by,
        period=tiers.period,
        quantity=member.tier_quantity,
        next=NextTier(
            name=above.name,
            threshold=above.threshold,
            lacking=max(0, above.threshold - member.tier_quantity),
            share=min(1.0, max(0, member.tier_quantity) / above.threshold) if above.threshold else 1.0,
        )
        if above
        else None,
        move_down=_coming_down(coming, tiers) if coming else None,
    )


def _coming_down(coming: Mapping[str, Any], tiers: Tiers) -> ComingDown:
    to = tiers.rank(coming["to"])
    return ComingDown(
        to=tiers.levels[to].name if to >= 0 else "",
        subject=coming["subject"],
        due=dt.datetime.fromisoformat(coming["due"]),
        ends=dt.datetime.fromisoformat(coming["at"]) if coming["at"] else None,
    )


def _held(customer_ids: Collection[int] | None = None) -> dict[int, int]:
    """Points held of these customers, or of all; of who was merged away, the survivor's. One query."""
    held = Spending.objects.filter(state=Spending.State.HELD)
    if customer_ids is not None:
        held = held.filter(Q(customer__in=customer_ids) | Q(customer__merged_into__in=customer_ids))
    by_owner = held.annotate(owner=Coalesce("customer__merged_into_id", "customer_id")).values("owner").order_by()
    return dict(by_owner.annotate(sum=Sum("points")).values_list("owner", "sum"))


def ledger_rows(customer: Customer, limit: int, before_id: int | None = None) -> list[LedgerRow]:
    """The member's postings, newest business first; with `before_id` those that follow that row. At most 7 queries."""
    account = _account(customer)
    if account is None:
        return []
    entries = Entry.objects.filter(account=account).exclude(explanation__kind="moved", amount__lt=0)
    if before_id is not None:
        last = entries.filter(id=before_id).values_list("occurred_at", flat=True).first()
        if last is None:
            return []
        entries = entries.filter(Q(occurred_at__lt=last) | Q(occurred_at=last, id__lt=before_id))
    change = Case(When(explanation__kind="moved", then=Value(0)), default=F("amount"), output_field=BigIntegerField())
    with_balance = entries.annotate(
        change=change, balance_after=Window(Sum(change), order_by=[F("occurred_at").asc(), F("id").asc()])
    )
    page = list(with_balance.order_by("-occurred_at", "-id")[:limit])
    order_ids = {entry.order_shopify_id for entry in page if entry.order_shopify_id is not None}
    names: dict[int | None, str] = dict(
        Order.objects.filter(shopify_id__in=order_ids).values_list("shopify_id", "name")
    )
    lots = {lot.source: lot for lot in Lot.objects.filter(account=account).order_by("id")}
    adjustments = _named_by(Adjustment, ("adjustment",), page)
    spendings = _named_by(Spending, ("spending", "undo"), page)
    now, is_unclaimed = clock.now(), account.member is not None and account.member.unclaimed
    return [
        LedgerRow(
            id=entry.id,
            at=entry.occurred_at,
            amount=entry.change,
            balance=entry.balance_after,
            source=entry.source,
            order_shopify_id=entry.order_shopify_id,
            order_name=names.get(entry.order_shopify_id, ""),
            version=entry.version,
            explanation=cast(Explanation, entry.explanation),
            usable_from=lots[entry.source].usable_from if entry.source in lots else entry.usable_from,
            expires_at=lots[entry.source].due if entry.source in lots else entry.expires_at,
            is_pending=entry.amount > 0 and entry.source in lots and is_pending(lots[entry.source], now),
            is_unclaimed=entry.amount > 0 and entry.source in lots and is_unclaimed,
            adjustment=adjustments.get(entry.source),
            spending=spendings.get(entry.source),
        )
        for entry in page
    ]


def order_earned(customer: Customer, order_shopify_id: int) -> int:
    """What an order was booked to earn this customer, its bonus for a first order included; 0 for any other's."""
    sources = (f"order:{order_shopify_id}", f"first_order:{order_shopify_id}")
    booked = Entry.objects.filter(order_shopify_id=order_shopify_id, source__in=sources)
    booked = booked.filter(account__member__customer=customer, account__asset=Account.POINTS)
    return int(booked.aggregate(sum=Coalesce(Sum("amount"), 0))["sum"])


@dataclass(frozen=True)
class HistoryPage:
    """Rows of a member's history, and the `before_id` of the page after it; None on the last."""

    rows: list[LedgerRow]
    older: int | None


def history_page(customer: Customer, limit: int, before_id: int | None = None) -> HistoryPage:
    """A page of the history as members read it: changes of dates aren't lines of it, what came of them stands with the
    points. At most 7 queries."""
    rows = ledger_rows(customer, limit + 1, before_id)
    page = rows[:limit]
    told = [row for row in page if row.explanation["kind"] != "moved"]
    return HistoryPage(told, page[-1].id if len(rows) > limit else None)


_Fact = TypeVar("_Fact", Adjustment, Spending)


def _named_by(model: type[_Fact], kinds: Collection[str], entries: Iterable[Entry]) -> dict[str, _Fact]:
    """The facts that entries' sources name (`adjustment:7`, `expiry:adjustment:7:…`), by source. One query, or none."""
    ids = {}
    for entry in entries:
        kind, _, rest = entry.source.removeprefix("expiry:").partition(":")
        if kind in kinds:
            ids[entry.source] = int(rest.partition(":")[0])
    found = model.objects.in_bulk(list(ids.values())) if ids else {}
    return {source: found[id_] for source, id_ in ids.items() if id_ in found}


def preview_orders(shop_id: int, document: Document, limit: int = 100) -> Preview:
    """What the last `limit` orders earn by the live rules and by `document`, less what was taken back from them.

    A constant number of queries.
    """
    live = programme_live(shop_id)
    currency = facts.shop_currency()
    orders = Order.objects.filter(shop_id=shop_id).select_related("customer").order_by("-processed_at", "-id")[:limit]
    judged = facts.orders_by_id(order.id for order in orders)
    rows = [
        PreviewRow(
            order=order,
            customer=order.customer,
            now=_earned(judged[order.id], live.document, currency) if live else 0,
            draft=_earned(judged[order.id], document, currency),
        )
        for order in orders
    ]
    now, draft = sum(row.now for row in rows), sum(row.draft for row in rows)
    return Preview(rows=rows, now=now, draft=draft, difference=draft - now)


def _earned(order: OrderFact, document: Document, currency: str) -> int:
    """What the order would have come to by itself, had this document always been in force."""
    return statement(MemberFacts(orders=(order,)), always(document, currency), max(order.instants())).balance


def always(document: Document, currency: str, timezone: str = "UTC") -> Programme:
    version = Version(number=1, effective_from=_ALL_TIME, document=completed(document))
    return Programme(versions=(version,), earn_from=_ALL_TIME, currency=currency, timezone=timezone)


def order_tried(order: Order, documents: Sequence[Document], timezone: str) -> list[Tried]:
    """What an order would have brought its customer by each document, with the tier that was theirs then by it."""
    if order.customer_id is None:
        known = MemberFacts(orders=(facts.orders_by_id([order.id])[order.id],))
    else:
        known = facts.members_facts([order.customer_id])[order.customer_id]
        known = replace(known, orders=tuple(one for one in known.orders if one.processed_at <= order.processed_at))
    currency, as_of = facts.shop_currency(), known.as_of(clock.now())
    sources = (f"order:{order.shopify_id}", f"first_order:{order.shopify_id}")
    tried = []
    for document in documents:
        lines = statement(known, always(document, currency, timezone), as_of).lines
        credits = [line for line in lines if line.source in sources]
        explanations = tuple(line.explanation for line in credits)
        tried.append(Tried(points=sum(line.amount for line in credits), explanations=explanations))
    return tried


def points_totals(shop_id: int) -> PointsTotals:
    """What was ever issued and reversed, and what members hold. Four queries."""
    members = Account.objects.filter(shop_id=shop_id, kind=Account.Kind.MEMBER, asset=Account.POINTS)
    return PointsTotals(
        issued=-_counter_sum(shop_id, Account.Kind.ISSUED),
        reversed=_counter_sum(shop_id, Account.Kind.REVERSED),
        outstanding=members.aggregate(sum=Coalesce(Sum("balance"), 0))["sum"],
    )


def points_issued() -> int:
    """What orders earned and staff gave in the shop in scope, as in the months of what is owed; for `shop_stats`."""
    return -_counter_sum(current_shop_id(), Account.Kind.ISSUED)


def _counter_sum(shop_id: int, kind: Account.Kind) -> int:
    account = Account.objects.filter(shop_id=shop_id, member=None, kind=kind, asset=Account.POINTS)
    return int(Entry.objects.filter(account__in=list(account)).aggregate(sum=Coalesce(Sum("amount"), 0))["sum"])


@dataclass(frozen=True, kw_only=True)
class MemberFigures:
    """A member's points and tier in a list."""

    customer_id: int
    available: int
    pending: int
    unclaimed: int
    debt: int
    tier: str


def member_figures(customer_ids: Collection[int]) -> list[MemberFigures]:
    """The figures of those of the customers who are members. Three queries, each by an index: joined, all the shop's
    members would be gone through for each, until PostgreSQL has statistics."""
    with sql.read_snapshot():
        return _figures(customer_ids)


def _figures(customer_ids: Collection[int]) -> list[MemberFigures]:
    now = clock.now()
    columns = "t.id, t.customer_id, t.tier, t.unclaimed"
    members = sql.look_up(columns, "loyalty_member", "customer_id", customer_ids)
    of_points = f" AND t.asset = '{Account.POINTS}'"
    member_ids = [member_id for member_id, *_ in members]
    accounts = sql.look_up("t.member_id, t.id, t.debt", "loyalty_account", "member_id", member_ids, of_points)
    points: dict[int, Counter[str]] = defaultdict(Counter)
    for account_id, amount, usable_from, ends in sql.look_up(
        "t.account_id, t.points, t.usable_from, t.ends", "loyalty_lot", "account_id", (id_ for _, id_, _ in accounts)
    ):
        begins, ended = sql.instant_if_any(usable_from), sql.instant_if_any(ends)
        if ended is None or ended > now:
            points[account_id]["usable" if begins is not None and begins <= now else "pending"] += int(amount)
    known = {member_id: (points[account_id], debt) for member_id, account_id, debt in accounts}
    return [
        MemberFigures(
            customer_id=customer_id,
            available=max(0, lots["usable"] - debt),
            pending=0 if unclaimed else lots["pending"],
            unclaimed=lots["pending"] if unclaimed else 0,
            debt=max(0, debt - lots["usable"]),
            tier=tier,
        )
        for member_id, customer_id, tier, unclaimed in members
        for lots, debt in [known[member_id]]
    ]


@dataclass(frozen=True, kw_only=True)
class TierPeople:
    """Who is in a tier: how many, how many came up to it and fell from it in the last 30 days, how many will fall."""

    people: int = 0
    up: int = 0
    down: int = 0
    at_risk: int = 0


def tier_people(levels: Sequence[str]) -> dict[str, TierPeople]:
    """The people of these levels, the lowest first, and of "", who have none. Two queries."""
    ranks = {"": -1, **{level: rank for rank, level in enumerate(levels)}}
    members = Member.objects.filter(customer__merged_into=None)
    found: dict[str, dict[str, int]] = {level: defaultdict(int) for level in ranks}
    by_tier = members.values("tier").annotate(people=Count("id"), risk=Count("move_down"))
    for tier, people, at_risk in by_tier.values_list("tier", "people", "risk"):
        if tier in found:
            found[tier] |= {"people": people, "at_risk": at_risk}
    lately = TierChange.objects.filter(at__gt=clock.now() - _LATELY, member__customer__merged_into=None)
    by_move = lately.values("before", "after").annotate(count=Count("id"))
    for before, after, count in by_move.values_list("before", "after", "count"):
        if before in ranks and after in ranks:
            is_up = ranks[after] > ranks[before]
            found[after if is_up else before]["up" if is_up else "down"] += count
    return {level: TierPeople(**counts) for level, counts in found.items()}


def tier_months(now: Mapping[str, int], zone: ZoneInfo, months: int = 12) -> list[tuple[dt.date, dict[str, int]]]:
    """Each month's first day with the people of each level at its end, the last one with those of `now`, which has
    everybody ("" has no tier). Reckoned backwards from there: moves are undone, and nobody is a member before the
    month of the first order. Two queries."""
    this = local_day(clock.now(), zone).replace(day=1)
    since = midnight(day_months_after(this, 1 - months), zone)
    moves: dict[dt.date, Counter[str]] = defaultdict(Counter)
    changes = TierChange.objects.filter(at__gte=since, member__customer__merged_into=None)
    by_month = changes.annotate(month=TruncMonth("at", tzinfo=zone)).values("month", "before", "after")
    for month, before, after, count in by_month.annotate(n=Count("id")).values_list("month", "before", "after", "n"):
        moves[month.date()][after] += count
        moves[month.date()][before] -= count
    members = Member.objects.filter(customer__merged_into=None, customer__first_order_at__gte=since)
    joined = members.annotate(month=TruncMonth("customer__first_order_at", tzinfo=zone)).values("month")
    for month, count in joined.annotate(n=Count("id")).values_list("month", "n"):
        moves[month.date()][""] += count
    found, held = [], Counter(now)
    for back in range(months):
        month = day_months_after(this, -back)
        found.append((month, {level: max(held[level], 0) for level in now}))
        held.subtract(moves[month])
    return found[::-1]


@dataclass(frozen=True, kw_only=True)
class Balance:
    """A member's points and the key of their tier, empty for none; `customer` is the platform's id."""

    customer: int
    points_available: int
    points_pending: int
    points_unclaimed: int
    points_held: int
    debt: int
    tier: str


def balances() -> Iterator[dict[str, Any]]:
    """Each member's balances as DESIGN 2 has them, by customer; streamed. Who was merged away is the survivor."""
    held = _held()
    customers = Customer.objects.filter(merged_into=None).order_by("shopify_id").values_list("id", "shopify_id")
    found = customers.iterator(chunk_size=_MEMBERS_AT_ONCE)
    while some := dict(islice(found, _MEMBERS_AT_ONCE)):
        for balance in _balances(some, held):
            yield {**asdict(balance), "tier": balance.tier or None, "wallet": {}}


def balances_after(limit: int, after: int | None) -> list[Balance]:
    """The balances of the first `limit` members who are in the store now and whose id there is above `after`. Six
    queries."""
    members = Member.objects.filter(customer=OuterRef("pk"))
    customers = customers_present().filter(Exists(members), shopify_id__gt=after or 0)
    some = dict(customers.values_list("id", "shopify_id")[:limit])
    return list(_balances(some, _held(some)))


def _balances(customers: Mapping[int, int], held: Mapping[int, int]) -> Iterator[Balance]:
    """The balances of those of the customers who are members, in the same order."""
    figures_of = {figures.customer_id: figures for figures in member_figures(customers)}
    for customer_id, shopify_id in customers.items():
        if figures := figures_of.get(customer_id):
            yield Balance(
                customer=shopify_id,
                points_available=figures.available,
                points_pending=figures.pending,
                points_unclaimed=figures.unclaimed,
                points_held=held.get(customer_id, 0),
                debt=figures.debt,
                tier=figures.tier,
            )
