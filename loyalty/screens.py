"""What loyalty adds to the kernel's screens: numbers on Home, a column and a filter of the list, the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum
from django.urls import reverse
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from loyalty import selectors
from loyalty.explain import explanation_lines, what
from loyalty.models import Account
from loyalty.rules.programme import worth_minor
from loyalty.selectors import LedgerRow
from retention_app import clock, formatting
from retention_app.models import Customer, Shop
from retention_app.screens import Card, Column, Definition, EngineScreens, Filter, NavItem, Stat, Tab
from retention_app.statistics import ShopNumbers

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
                _("points available × what a point is worth in the live programme, each member rounded down."),
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
        locale = get_language() or "en"
        totals = _member_totals()
        worth = worth_minor(totals["points"] or 0, live.document)
        members = ngettext("%(count)s customer", "%(count)s customers", totals["members"]) % {
            "count": formatting.points(totals["members"], locale)
        }
        revenue = Customer.objects.aggregate(sum=Sum("spent_minor"))["sum"] or 0
        points_text = formatting.points(totals["points"] or 0, locale)
        rule = _("%(points)s points are worth %(amount)s") % {
            "points": formatting.points(live.document["worth"]["points"], locale),
            "amount": formatting.money(live.document["worth"]["minor"], shop.currency, locale),
        }
        rows_url = f"{reverse('admin:customers')}?points=some"
        return [
            Stat(
                available,
                points_text,
                note=members,
                figures=_("%(points)s points of %(customers)s") % {"points": points_text, "customers": members},
                window=_("Today"),
                rows_url=rows_url,
            ),
            Stat(
                redeemed,
                formatting.money(worth, shop.currency, locale),
                note=_("%(share)s of revenue") % {"share": formatting.percent(worth / revenue, locale)}
                if revenue > 0
                else "",
                figures=f"{points_text}; {rule}",
                window=_("Today, compared with all revenue so far"),
                rows_url=rows_url,
            ),
        ]

    def customer_columns(self) -> Sequence[Column]:
        return [Column("points", _("Points"))]

    def customer_cells(self, shop: Shop, customers: Sequence[Customer]) -> Mapping[int, Mapping[str, str]]:
        locale = get_language() or "en"
        balances = Account.objects.filter(
            member__customer__in=[customer.id for customer in customers], asset=Account.POINTS
        ).values_list("member__customer_id", "balance")
        return {customer_id: {"points": formatting.points(balance, locale)} for customer_id, balance in balances}

    def customer_filters(self) -> Sequence[Filter]:
        return [Filter("points", _("Points"), [("", _("Any")), ("some", _("With points")), ("none", _("Without"))])]

    def customers_filter(self, customers: QuerySet[Customer], chosen: Mapping[str, str]) -> QuerySet[Customer]:
        with_points = Exists(
            Account.objects.filter(member__customer=OuterRef("pk"), asset=Account.POINTS, balance__gt=0)
        )
        match chosen.get("points"):
            case "some":
                return customers.filter(with_points)
            case "none":
                return customers.exclude(with_points)
        return customers

    def profile_cards(self, shop: Shop, customer: Customer) -> Sequence[Card]:
        locale = get_language() or "en"
        summary = selectors.member_summary(customer)
        if summary.worth_minor is None:
            return [Card(_("Points available"), "–", [_("No programme yet")], quiet=True)]
        return [
            Card(
                _("Points available"),
                formatting.points(summary.points, locale),
                [_("worth %(amount)s") % {"amount": formatting.money(summary.worth_minor, shop.currency, locale)}],
            ),
            Card(_("Pending"), formatting.points(0, locale), [_("Points can be used at once")]),
            Card(_("Tier"), "–", [_("Your programme has no tiers yet")]),
        ]

    def profile_tab_labels(self) -> Sequence[tuple[str, str]]:
        return [("points", _("Points"))]

    def profile_tab(self, shop: Shop, customer: Customer, key: str, params: Mapping[str, str]) -> Tab | None:
        if key != "points":
            return None
        before = params.get("before", "")
        rows = selectors.ledger_rows(customer, LEDGER_ROWS + 1, int(before) if before.isdecimal() else None)
        shown = rows[:LEDGER_ROWS]
        return Tab(
            "points",
            _("Points"),
            "loyalty/ledger.html",
            {
                "rows": [_why(row, shop) for row in shown],
                "older": shown[-1].id if len(rows) > LEDGER_ROWS else None,
                "has_programme": selectors.programme_live(shop.id) is not None if not rows else True,
            },
        )


def _member_totals() -> dict[str, int]:
    accounts = Account.objects.filter(kind=Account.Kind.MEMBER, asset=Account.POINTS)
    return accounts.aggregate(points=Sum("balance"), members=Count("id", filter=Q(balance__gt=0)))


def _why(row: LedgerRow, shop: Shop) -> WhyRow:
    locale = get_language() or "en"
    name = what(row, locale)
    return WhyRow(
        row=row,
        what=name,
        order_name=_("Order %(order)s") % {"order": row.order_name},
        question=_question(row, name, locale),
        lines=[*explanation_lines(row.explanation, locale, shop.currency), *_when(row, shop, locale)],
    )


def _question(row: LedgerRow, name: str, locale: str) -> str:
    """The name of the row's "Why?" button."""
    amount = formatting.points(abs(row.amount), locale)
    if row.amount >= 0 and row.source.startswith("order:"):
        return _("Why %(points)s points for order %(order)s?") % {"points": amount, "order": row.order_name}
    sign = "−" if row.amount < 0 else ""
    return _("Why %(points)s points? %(what)s") % {"points": f"{sign}{amount}", "what": name}


def _when(row: LedgerRow, shop: Shop, locale: str) -> list[str]:
    """The tier then and the date it counts from."""
    moment = formatting.moment(row.at, shop.timezone, locale, clock.now())
    if row.amount > 0:
        return [
            _("Tier then: none, the version has no tiers."),
            _("Counts from %(moment)s and can be used at once.") % {"moment": moment},
        ]
    return [_("Tier then: none, the version has no tiers."), _("Counts from %(moment)s.") % {"moment": moment}]
