"""What loyalty tells others. Reads only, inside the shop's scope."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import F, OuterRef, Q, Subquery, Sum, Window
from django.db.models.functions import Coalesce

from loyalty import facts
from loyalty.models import Account, Entry, Member, ProgrammeDraft, ProgrammeVersion
from loyalty.rules.programme import Document, Programme, Version, worth_minor
from loyalty.rules.statement import statement
from retention_app import clock
from retention_app.models import Customer, Order

_ALL_TIME = dt.datetime.min.replace(tzinfo=dt.UTC)
_FOR_EVER = dt.datetime.max.replace(tzinfo=dt.UTC)


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
    order_name: str
    version: int | None
    explanation: dict[str, Any]


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
    return ProgrammeVersion.objects.filter(shop_id=shop_id, effective_from__lte=clock.now()).order_by("-number").first()


def versions(shop_id: int) -> list[ProgrammeVersion]:
    """All published versions, newest first."""
    return list(ProgrammeVersion.objects.filter(shop_id=shop_id).order_by("-number"))


def draft_current(shop_id: int) -> ProgrammeDraft | None:
    """The draft, while it differs from what was published last."""
    draft = ProgrammeDraft.objects.filter(shop_id=shop_id).first()
    latest = ProgrammeVersion.objects.filter(shop_id=shop_id).order_by("-number").first()
    return None if draft is None or (latest and latest.document == draft.document) else draft


def member_for(customer: Customer) -> Member | None:
    return Member.objects.filter(customer=customer).first()


def member_summary(customer: Customer) -> MemberSummary:
    """A customer's points and what they are worth by the live version. Two queries."""
    account = Account.objects.filter(member__customer=customer, asset=Account.POINTS).select_related("member").first()
    live = programme_live(customer.shop_id)
    points = (account.balance or 0) if account else 0
    return MemberSummary(
        points=points,
        worth_minor=worth_minor(points, live.document) if live else None,
        revision=account.member.revision if account and account.member else 0,
    )


def ledger_rows(customer: Customer, limit: int, before_id: int | None = None) -> list[LedgerRow]:
    """The member's postings, newest business first; those that come after row `before_id` in that order. One query,
    two with `before_id`."""
    entries = Entry.objects.filter(account__member__customer=customer, account__asset=Account.POINTS)
    page = entries
    if before_id is not None:
        last = entries.filter(id=before_id).values_list("occurred_at", flat=True).first()
        if last is None:
            return []
        page = entries.filter(Q(occurred_at__lt=last) | Q(occurred_at=last, id__lt=before_id))
    with_balance = page.annotate(
        balance=Window(Sum("amount"), partition_by=F("account_id"), order_by=[F("occurred_at").asc(), F("id").asc()])
    ).annotate(
        order_name=Subquery(Order.objects.filter(shopify_id=OuterRef("order_shopify_id")).values("name")[:1])
    )
    with_balance = with_balance.order_by("-occurred_at", "-id")
    return [
        LedgerRow(
            id=entry.id,
            at=entry.occurred_at,
            amount=entry.amount,
            balance=entry.balance,
            source=entry.source,
            order_shopify_id=entry.order_shopify_id,
            order_name=entry.order_name or "",
            version=entry.version,
            explanation=entry.explanation,
        )
        for entry in with_balance[:limit]
    ]


def preview_orders(shop_id: int, document: Document, limit: int = 100) -> Preview:
    """What the last `limit` orders earn by the live rules and by `document`. A constant number of queries."""
    live = programme_live(shop_id)
    orders = Order.objects.filter(shop_id=shop_id).order_by("-processed_at", "-id")[:limit]
    rows = []
    with_customers = {order.shopify_id: order for order in orders.select_related("customer")}
    currency = facts.shop_currency()
    for _, fact in facts.order_facts(Order.objects.filter(id__in=facts.among(o.id for o in with_customers.values()))):
        order = with_customers[fact.id]
        rows.append(
            PreviewRow(
                order=order,
                customer=order.customer,
                now=statement([fact], _alone(live.document, currency), _FOR_EVER).balance if live else 0,
                draft=statement([fact], _alone(document, currency), _FOR_EVER).balance,
            )
        )
    rows.sort(key=lambda row: (row.order.processed_at, row.order.id), reverse=True)
    now, draft = sum(row.now for row in rows), sum(row.draft for row in rows)
    return Preview(rows=rows, now=now, draft=draft, difference=draft - now)


def _alone(document: Document, currency: str) -> Programme:
    """A programme in which this document has always been in force."""
    version = Version(number=1, effective_from=_ALL_TIME, document=document)
    return Programme(versions=(version,), earn_from=_ALL_TIME, currency=currency)


def points_totals(shop_id: int) -> PointsTotals:
    """What was ever issued and reversed, and what members hold. Two queries."""
    sums = dict(
        Entry.objects.filter(shop_id=shop_id, account__member=None, account__asset=Account.POINTS)
        .order_by()
        .values_list("account__kind")
        .annotate(Sum("amount"))
    )
    held = Account.objects.filter(shop_id=shop_id, kind=Account.Kind.MEMBER, asset=Account.POINTS)
    return PointsTotals(
        issued=-sums.get(Account.Kind.ISSUED, 0),
        reversed=sums.get(Account.Kind.REVERSED, 0),
        outstanding=held.aggregate(sum=Coalesce(Sum("balance"), 0))["sum"],
    )


def points_issued() -> int:
    """What orders of the shop in scope earned, for `shop_stats`."""
    return -(Entry.objects.filter(account__kind=Account.Kind.ISSUED).aggregate(sum=Sum("amount"))["sum"] or 0)


def balances(shop_id: int) -> Iterator[dict[str, Any]]:
    """Each member's balances as DESIGN 2 has them, by customer; streamed."""
    accounts = Account.objects.filter(shop_id=shop_id, kind=Account.Kind.MEMBER, asset=Account.POINTS)
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
