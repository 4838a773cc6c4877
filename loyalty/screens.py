"""What loyalty adds to the kernel's screens: numbers on Home, a column and a filter of the list, the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from loyalty import selectors
from loyalty.explain import explanation_lines, what
from loyalty.models import Account
from loyalty.rules.programme import worth_minor
from loyalty.selectors import LedgerRow
from retention_app.models import Customer, Shop
from retention_app.screens import Card, Column, Definition, EngineScreens, Filter, NavItem, Stat, Tab
from retention_app.statistics import ShopNumbers
from retention_app.words import Words, words_for

LEDGER_ROWS = 25


@dataclass(frozen=True)
class WhyRow:
    """A ledger row in words: what it is about, the name of its button, the lines behind it."""

    row: LedgerRow
    what: str
    order_name: str
    question: str
    lines: list[str]


class LoyaltyScreens(EngineScreens):
    def nav_items(self) -> Sequence[NavItem]:
        return [NavItem(_("Loyalty"), reverse("loyalty:programme"), "loyalty", 20)]

    def audit_text(self, code: str, data: Mapping[str, Any]) -> str:
        if code == "loyalty.programme.published":
            return _("Version %(number)s of the programme published") % {"number": data["version"]}
        return ""

    def definitions(self) -> Sequence[Definition]:
        return [
            Definition(
                "points-available",
                _("Points available"),
                _("All points your members have and could use today."),
                _("points earned − points taken back, added up over all members."),
            ),
            Definition(
                "if-redeemed",
                _("If all were redeemed"),
                _("What it would cost if every member used all their points today."),
                _("points available × what a point is worth in the live programme, rounded down."),
            ),
        ]

    def home_stats(self, shop: Shop, numbers: ShopNumbers) -> Sequence[Stat]:
        available, redeemed = self.definitions()
        live = selectors.programme_live(shop.id)
        if live is None:
            start = reverse("loyalty:programme")
            quiet = _("No programme yet")
            return [
                Stat(definition, quiet, quiet=True, rows_url=start, rows_label=_("Write your rules"))
                for definition in (available, redeemed)
            ]
        words, totals = words_for(shop), _member_totals()
        members = ngettext("%(count)s customer", "%(count)s customers", totals.members) % {
            "count": words.count(totals.members)
        }
        points = words.count(totals.points)
        worth = worth_minor(totals.points, live.document)
        revenue = Customer.objects.aggregate(sum=Coalesce(Sum("spent_minor"), 0))["sum"]
        share = _("%(share)s of revenue") % {"share": words.percent(worth / revenue)} if revenue > 0 else ""
        rows_url = f"{reverse('admin:customers')}?points=some"
        return [
            Stat(
                available,
                points,
                note=members,
                figures=_("%(points)s points of %(customers)s") % {"points": points, "customers": members},
                window=_("Today"),
                rows_url=rows_url,
            ),
            Stat(
                redeemed,
                words.money(worth),
                note=share,
                figures=f"{points} × {words.money(live.document['worth']['minor'])} ÷ "
                f"{words.count(live.document['worth']['points'])} = {words.money(worth)}",
                window=_("Today, compared with all revenue so far"),
                rows_url=rows_url,
            ),
        ]

    def customer_columns(self) -> Sequence[Column]:
        return [Column("points", _("Points"))]

    def customer_cells(self, shop: Shop, customers: Sequence[Customer]) -> Mapping[int, Mapping[str, str]]:
        words = words_for(shop)
        balances = Account.objects.filter(
            member__customer__in=[customer.id for customer in customers], asset=Account.POINTS
        ).values_list("member__customer_id", "balance")
        return {customer_id: {"points": words.count(balance or 0)} for customer_id, balance in balances}

    def customer_filters(self) -> Sequence[Filter]:
        return [Filter("points", _("Points"), [("", _("Any")), ("some", _("With points")), ("none", _("Without"))])]

    def customers_filter(self, customers: QuerySet[Customer], chosen: Mapping[str, str]) -> QuerySet[Customer]:
        accounts = Account.objects.filter(kind=Account.Kind.MEMBER, asset=Account.POINTS, balance__gt=0)
        with_points = accounts.values("member__customer_id")
        match chosen.get("points"):
            case "some":
                return customers.filter(id__in=with_points)
            case "none":
                return customers.exclude(id__in=with_points)
        return customers

    def profile_cards(self, shop: Shop, customer: Customer) -> Sequence[Card]:
        words = words_for(shop)
        summary = selectors.member_summary(customer, selectors.programme_live(shop.id))
        if summary.worth_minor is None:
            return [Card(_("Points available"), "–", [_("No programme yet")], quiet=True)]
        return [
            Card(
                _("Points available"),
                words.count(summary.points),
                [_("worth %(amount)s") % {"amount": words.money(summary.worth_minor)}],
            ),
            Card(_("Pending"), words.count(summary.points_pending), [_("Points can be used at once")]),
            Card(_("Tier"), "–", [_("Your programme has no tiers yet")]),
        ]

    def profile_tab_labels(self) -> Sequence[tuple[str, str]]:
        return [("points", _("Points"))]

    def profile_tab(self, shop: Shop, customer: Customer, key: str, params: Mapping[str, str]) -> Tab | None:
        if key != "points":
            return None
        words = words_for(shop)
        before = params.get("before", "")
        rows = selectors.ledger_rows(customer, LEDGER_ROWS + 1, int(before) if before.isdecimal() else None)
        shown = rows[:LEDGER_ROWS]
        return Tab(
            "points",
            _("Points"),
            "loyalty/ledger.html",
            {
                "rows": [_why(row, words) for row in shown],
                "older": shown[-1].id if len(rows) > LEDGER_ROWS else None,
                "has_programme": selectors.programme_live(shop.id) is not None if not rows else True,
            },
        )


@dataclass(frozen=True)
class MemberTotals:
    """All members' points, and how many members have any."""

    points: int
    members: int


def _member_totals() -> MemberTotals:
    accounts = Account.objects.filter(kind=Account.Kind.MEMBER, asset=Account.POINTS)
    return MemberTotals(
        **accounts.aggregate(points=Coalesce(Sum("balance"), 0), members=Count("id", filter=Q(balance__gt=0)))
    )


def _why(row: LedgerRow, words: Words) -> WhyRow:
    name = what(row, words.locale)
    return WhyRow(
        row=row,
        what=name,
        order_name=_("Order %(order)s") % {"order": row.order_name},
        question=_question(row, name, words),
        lines=[*explanation_lines(row.explanation, words.locale, words.currency), *_when(row, words)],
    )


def _question(row: LedgerRow, name: str, words: Words) -> str:
    """The name of the row's "Why?" button."""
    amount = words.count(abs(row.amount))
    if row.amount >= 0 and row.source.startswith("order:"):
        return _("Why %(points)s points for order %(order)s?") % {"points": amount, "order": row.order_name}
    sign = "−" if row.amount < 0 else ""
    return _("Why %(points)s points? %(what)s") % {"points": f"{sign}{amount}", "what": name}


def _when(row: LedgerRow, words: Words) -> list[str]:
    """The tier then and the date it counts from."""
    moment = {"moment": words.moment(row.at)}
    counts = _("Counts from %(moment)s and can be used at once.") if row.amount > 0 else _("Counts from %(moment)s.")
    return [_("Tier then: none, the version has no tiers."), counts % moment]
