"""What loyalty tells others. Reads only, inside the shop's scope."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from django.db.models import F, Q, Sum, Window
from django.db.models.functions import Coalesce

from loyalty import facts
from loyalty.models import Account, Entry, ProgrammeDraft, ProgrammeVersion
from loyalty.rules.earning import Explanation
from loyalty.rules.facts import MemberFacts, OrderFact
from loyalty.rules.programme import Document, Programme, Version, completed, worth_minor
from loyalty.rules.statement import statement
from retention_app import clock
from retention_app.models import Customer, Order
from retention_app.tenancy import current_shop_id

_ALL_TIME = dt.datetime.min.replace(tzinfo=dt.UTC)


@dataclass(frozen=True, kw_only=True)
class MemberSummary:
    """A member's points; zeros for a customer the programme hasn't seen. `worth_minor` is None without a programme."""

    points: int
    worth_minor: int | None
    revision: int
    points_pending: int = 0
    points_held: int = 0
    debt: int = 0
    tier: str | None = None


@dataclass(frozen=True, kw_only=True)
class LedgerRow:
    """A posting on a member's account as people read it; `balance` is what they had after it, in business order."""

    id: int
    at: dt.datetime
    amount: int
    balance: int
    source: str
    order_shopify_id: int | None
    order_name: str  # #1042; empty once the mirror has lost the order
    version: int | None
    explanation: Explanation


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
    """Points orders earned, points taken back from them, and what members have."""

    issued: int
    reversed: int
    outstanding: int


def programme_live(shop_id: int) -> ProgrammeVersion | None:
    """The version in force now; None until one is published."""
    started = ProgrammeVersion.objects.filter(shop_id=shop_id, withdrawal=None, effective_from__lte=clock.now())
    return started.order_by("-number").first()


def version_scheduled(shop_id: int) -> ProgrammeVersion | None:
    """The version that waits for its start."""
    return ProgrammeVersion.objects.filter(shop_id=shop_id, withdrawal=None, effective_from__gt=clock.now()).first()


def version_before(version: ProgrammeVersion) -> ProgrammeVersion | None:
    """The version that was in force until this one started."""
    return ProgrammeVersion.objects.filter(withdrawal=None, number__lt=version.number).order_by("-number").first()


def versions(shop_id: int) -> list[ProgrammeVersion]:
    """All published versions with their withdrawals, newest first."""
    return list(ProgrammeVersion.objects.filter(shop_id=shop_id).select_related("withdrawal").order_by("-number"))


def version_number_next(shop_id: int) -> int:
    """The number that the next version will have."""
    last = ProgrammeVersion.objects.filter(shop_id=shop_id).order_by("-number").values_list("number", flat=True).first()
    return (last or 0) + 1


def draft_current(shop_id: int) -> ProgrammeDraft | None:
    """The draft, while it differs from what was published last."""
    draft = ProgrammeDraft.objects.filter(shop_id=shop_id).first()
    latest = ProgrammeVersion.objects.filter(shop_id=shop_id, withdrawal=None).order_by("-number").first()
    if draft is None or (latest and completed(latest.document) == completed(draft.document)):
        return None
    return draft


def _account(customer: Customer) -> Account | None:
    return Account.objects.filter(member__customer=customer, asset=Account.POINTS).select_related("member").first()


def member_summary(customer: Customer, live: ProgrammeVersion | None) -> MemberSummary:
    """A customer's points and what they are worth by the live version. One query."""
    account = _account(customer)
    points = (account.balance or 0) if account else 0
    return MemberSummary(
        points=points,
        worth_minor=worth_minor(points, live.document) if live else None,
        revision=account.member.revision if account and account.member else 0,
    )


def ledger_rows(customer: Customer, limit: int, before_id: int | None = None) -> list[LedgerRow]:
    """The member's postings, newest business first; with `before_id` those that follow that row. At most 4 queries."""
    account = _account(customer)
    if account is None:
        return []
    entries = Entry.objects.filter(account=account)
    if before_id is not None:
        last = entries.filter(id=before_id).values_list("occurred_at", flat=True).first()
        if last is None:
            return []
        entries = entries.filter(Q(occurred_at__lt=last) | Q(occurred_at=last, id__lt=before_id))
    with_balance = entries.annotate(
        balance_after=Window(Sum("amount"), order_by=[F("occurred_at").asc(), F("id").asc()])
    )
    page = list(with_balance.order_by("-occurred_at", "-id")[:limit])
    order_ids = {entry.order_shopify_id for entry in page if entry.order_shopify_id is not None}
    names: dict[int | None, str] = dict(
        Order.objects.filter(shopify_id__in=order_ids).values_list("shopify_id", "name")
    )
    return [
        LedgerRow(
            id=entry.id,
            at=entry.occurred_at,
            amount=entry.amount,
            balance=entry.balance_after,
            source=entry.source,
            order_shopify_id=entry.order_shopify_id,
            order_name=names.get(entry.order_shopify_id, ""),
            version=entry.version,
            explanation=cast(Explanation, entry.explanation),
        )
        for entry in page
    ]


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
    """What the order would have come to, had this document always been in force."""
    version = Version(number=1, effective_from=_ALL_TIME, document=completed(document))
    programme = Programme(versions=(version,), earn_from=_ALL_TIME, currency=currency)
    return statement(MemberFacts(orders=(order,)), programme, order.newest_instant()).balance


def points_totals(shop_id: int) -> PointsTotals:
    """What was ever issued and reversed, and what members hold. Four queries."""
    members = Account.objects.filter(shop_id=shop_id, kind=Account.Kind.MEMBER, asset=Account.POINTS)
    return PointsTotals(
        issued=-_counter_sum(shop_id, Account.Kind.ISSUED),
        reversed=_counter_sum(shop_id, Account.Kind.REVERSED),
        outstanding=members.aggregate(sum=Coalesce(Sum("balance"), 0))["sum"],
    )


def points_issued() -> int:
    """What orders of the shop in scope earned, for `shop_stats`."""
    return -_counter_sum(current_shop_id(), Account.Kind.ISSUED)


def _counter_sum(shop_id: int, kind: Account.Kind) -> int:
    account = Account.objects.filter(shop_id=shop_id, member=None, kind=kind, asset=Account.POINTS)
    return int(Entry.objects.filter(account__in=list(account)).aggregate(sum=Coalesce(Sum("amount"), 0))["sum"])


def balances(shop_id: int) -> Iterator[dict[str, Any]]:
    """Each member's balances as DESIGN 2 has them, by customer; streamed. Who was merged away is the survivor."""
    accounts = Account.objects.filter(
        shop_id=shop_id, kind=Account.Kind.MEMBER, asset=Account.POINTS, member__customer__merged_into=None
    )
    for shopify_id, points in (
        accounts.order_by("member__customer__shopify_id")
        .values_list("member__customer__shopify_id", "balance")
        .iterator(chunk_size=2000)
    ):
        yield {
            "customer": shopify_id,
            "points_available": points,
            "points_pending": 0,
            "points_held": 0,
            "debt": 0,
            "tier": None,
            "wallet": {},
        }
