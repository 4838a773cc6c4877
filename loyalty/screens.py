"""What loyalty adds to the kernel's screens: numbers on Home, a column and a filter of the list, the ledger."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from loyalty import liability_words, selectors
from loyalty.activity import Approvals, approval_text
from loyalty.explain import reason_text, what, why
from loyalty.models import Adjustment, Launch, Lot, ProgrammeDraft, ProgrammeVersion, Setup, TierMove
from loyalty.rules.programme import completed, worth_minor
from loyalty.selectors import LedgerRow, MemberSummary, TierStanding
from loyalty.staff import may_be_decided
from loyalty.start import step_names
from loyalty.tier_words import by_text, quantity_text
from retention_app import clock, statistics
from retention_app.models import Customer, Shop, StaffMember
from retention_app.people import names_of
from retention_app.rights import Right, may
from retention_app.screens import (
    Action,
    AuditKind,
    Card,
    Column,
    Definition,
    EngineScreens,
    Filter,
    Guide,
    NavItem,
    Stat,
    Tab,
)
from retention_app.tenancy import current_shop_id
from retention_app.words import Words, words_for

LEDGER_ROWS = 25
UPCOMING_SHOWN = 2  # dates on a card


@dataclass(frozen=True)
class WhyRow:
    """A ledger row in words: what it is about, when it can be used if it can't yet, the name of its button, the lines
    behind it."""

    row: LedgerRow
    what: str
    pending: str
    order_name: str
    question: str
    lines: list[str]


class LoyaltyScreens(EngineScreens):
    name = "loyalty"

    def nav_items(self) -> Sequence[NavItem]:
        return [NavItem(_("Loyalty"), reverse("loyalty:programme"), "loyalty", 20)]

    def guide(self, shop: Shop) -> Guide | None:
        if selectors.programme_decided():
            return None
        setup, names = Setup.objects.first(), step_names()
        if setup is None:
            is_new, step = not ProgrammeDraft.objects.exists(), 1
        elif setup.dismissed_at:
            return None
        else:
            is_new, step = False, setup.step
        heading = _("Set up your programme: %(done)s of %(all)s done") % {"done": step - 1, "all": len(names)}
        steps = [(name, number < step) for number, name in enumerate(names, 1)]
        return Guide(is_new, heading, steps, reverse("start:step"), reverse("start:dismiss"))

    def audit_text(self, code: str, data: Mapping[str, Any]) -> str:
        if code == "loyalty.programme.published":
            return _("Version %(number)s of the programme published") % {"number": data["version"]}
        if code == "loyalty.programme.launch_scheduled":
            return _("Start of the programme scheduled")
        if code == "loyalty.programme.launch_cancelled":
            return _("Start of the programme cancelled")
        if code == "loyalty.programme.withdrawn":
            return _("Version %(number)s of the programme cancelled before it started") % {"number": data["version"]}
        if code == "loyalty.programme.backfilled":
            return _("Earlier orders counted by version %(number)s") % {"number": data["version"]}
        if code == "loyalty.period.closed":
            return _("Books of %(month)s closed") % {"month": data["month"]}
        if code == "loyalty.points.adjusted":
            said = {"points": data["points"], "reason": reason_text(data["why"])}
            return _("Points adjusted by %(points)s: %(reason)s") % said
        if code in ("loyalty.points.asked", "loyalty.points.approved", "loyalty.points.refused"):
            return approval_text(code, data)
        if code == "export.liability":
            return _("What you owe exported")
        if code == "export.moves":
            return _("Who moves exported")
        if code == "loyalty.tier.moved":
            if data["level"] is None:
                return _("Customer moved back to the tier they reached")
            return _("Customer moved to %(tier)s") % {"tier": data["name"] or _("no tier")}
        return ""

    def audit_change(self, code: str, data: Mapping[str, Any], words: Words) -> tuple[str, str] | None:
        if code.startswith("loyalty.points."):
            points = words.count(abs(data["points"]))
            return "", f"−{points}" if data["points"] < 0 else f"+{points}"
        if code == "loyalty.tier.moved":
            return data.get("before") or _("no tier"), data["name"] or _("no tier")
        if code == "loyalty.programme.published":
            number = data["version"]
            former = _("Version %(number)s") % {"number": number - 1} if number > 1 else ""
            return former, _("Version %(number)s") % {"number": number}
        if code.startswith("loyalty.programme.launch_"):
            starts = words.moment(dt.datetime.fromisoformat(data["starts_at"]))
            return ("", starts) if code.endswith("_scheduled") else (starts, "")
        return None

    def audit_kinds(self) -> Sequence[AuditKind]:
        return [
            AuditKind("points", _("Points and tiers"), ("loyalty.points.", "loyalty.tier.")),
            AuditKind("programme", _("Programme"), ("loyalty.programme.", "loyalty.period.")),
        ]

    def activity_sources(self) -> Sequence[Approvals]:
        return (Approvals(),)

    def definitions(self) -> Sequence[Definition]:
        return [
            Definition(
                "points-available",
                _("Points available"),
                _("All points your members have and could use today."),
                _("points earned − taken back − used − expired − pending − unclaimed, added up over all members."),
            ),
            Definition(
                "if-redeemed",
                _("If all were redeemed"),
                _("What it would cost if every member used all their points today."),
                _("points available × what a point is worth in the live programme, rounded down."),
            ),
            *liability_words.definitions(),
        ]

    def home_count(self) -> Mapping[str, int]:
        return {**_member_totals(), "revenue": statistics.revenue_minor()}

    def home_stats(self, shop: Shop, counted: Mapping[str, int]) -> Sequence[Stat]:
        available, redeemed, *_others = self.definitions()
        live = selectors.programme_live(shop.id)
        if live is None:
            start = reverse("loyalty:programme")
            launch = Launch.objects.first()
            quiet = _no_programme(launch, words_for(shop))
            label = _("See the programme") if launch else _("Write your rules")
            return [
                Stat(definition, quiet, quiet=True, rows_url=start, rows_label=label)
                for definition in (available, redeemed)
            ]
        words = words_for(shop)
        members = ngettext("%(count)s customer", "%(count)s customers", counted["members"]) % {
            "count": words.count(counted["members"])
        }
        points = words.count(counted["points"])
        worth, revenue = worth_minor(counted["points"], live.document), counted["revenue"]
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
                rows_url=reverse("liability:page"),
            ),
        ]

    def customer_columns(self) -> Sequence[Column]:
        return [
            Column("points", _("Points")),
            Column("pending", _("Pending"), wide=True),
            Column("unclaimed", _("Unclaimed"), file_only=True),
            Column("tier", _("Tier")),
        ]

    def customer_cells(self, shop: Shop, customers: Sequence[Customer]) -> Mapping[int, Mapping[str, str]]:
        words, names = words_for(shop), dict(_levels(selectors.programme_live(shop.id)))
        return {
            figures.customer_id: {
                "points": _("%(points)s unclaimed") % {"points": words.count(figures.unclaimed)}
                if figures.unclaimed
                else words.count(figures.available),
                "pending": words.count(figures.pending),
                "tier": names.get(figures.tier, "–"),
            }
            for figures in selectors.member_figures([customer.id for customer in customers])
        }

    def customer_figures(self, shop: Shop, customers: Sequence[Customer]) -> Mapping[int, Mapping[str, object]]:
        names = dict(_levels(selectors.programme_live(shop.id)))
        return {
            figures.customer_id: {
                "points": figures.available,
                "pending": figures.pending,
                "unclaimed": figures.unclaimed,
                "tier": names.get(figures.tier, ""),
            }
            for figures in selectors.member_figures([customer.id for customer in customers])
        }

    def customer_filters(self) -> Sequence[Filter]:
        points = Filter("points", _("Points"), [("", _("Any")), ("some", _("With points")), ("none", _("Without"))])
        levels = _levels(selectors.programme_live(current_shop_id()))
        if not levels:
            return [points]
        return [Filter("tier", _("Tier"), [("", _("Any")), *levels, ("none", _("No tier"))]), points]

    def customers_filter(self, customers: QuerySet[Customer], chosen: Mapping[str, str]) -> QuerySet[Customer]:
        match chosen.get("points"):
            case "some":
                customers = customers.filter(points__gt=0)
            case "none":
                customers = customers.filter(points__lte=0)
        match chosen.get("tier"):
            case None | "":
                return customers
            case "none":
                return customers.filter(tier="")
            case level:
                return customers.filter(tier=level)

    def profile_cards(self, shop: Shop, customer: Customer) -> Sequence[Card]:
        words = words_for(shop)
        live = selectors.programme_live(shop.id)
        summary = selectors.member_summary(customer, live)
        if live is None or summary.worth_minor is None:
            return [Card(_("Points available"), "–", [_no_programme(Launch.objects.first(), words)], quiet=True)]
        return [
            Card(_("Points available"), words.count(summary.points_available), _available_notes(summary, words)),
            Card(_("Pending"), words.count(summary.points_pending), _pending_notes(summary, live, words)),
            _tier_card(summary.tier, selectors.tier_moved(customer) if summary.tier else None, words),
        ]

    def profile_actions(self, shop: Shop, customer: Customer, person: StaffMember) -> Sequence[Action]:
        live = selectors.programme_live(shop.id)
        if live is None or not may_be_decided(customer):
            return ()
        actions = []
        if may(person, Right.POINTS):
            actions.append(Action(_("Adjust points"), reverse("member:adjust", args=[customer.id]), main=True))
        if may(person, Right.TIERS) and completed(live.document)["tiers"]:
            actions.append(Action(_("Move tier"), reverse("member:tier", args=[customer.id])))
        return actions

    def profile_tab_labels(self) -> Sequence[tuple[str, str]]:
        return [("points", _("Points"))]

    def profile_tab(self, shop: Shop, customer: Customer, key: str, params: Mapping[str, str]) -> Tab | None:
        if key != "points":
            return None
        words = words_for(shop)
        before = params.get("before", "")
        rows = selectors.ledger_rows(customer, LEDGER_ROWS + 1, int(before[:18]) if before.isdecimal() else None)
        shown = rows[:LEDGER_ROWS]
        names = _deciders(row.adjustment for row in shown)
        return Tab(
            "points",
            _("Points"),
            "loyalty/ledger.html",
            {
                "rows": [_why(row, words, names) for row in shown],
                "older": shown[-1].id if len(rows) > LEDGER_ROWS else None,
                "has_programme": selectors.programme_live(shop.id) is not None if not rows else True,
            },
        )


def _no_programme(launch: Launch | None, words: Words) -> str:
    """What stands for points before the first version."""
    return _("Starts %(moment)s") % {"moment": words.moment(launch.starts_at)} if launch else _("No programme yet")


def _levels(live: ProgrammeVersion | None) -> list[tuple[str, str]]:
    """(key, name) of the live tiers, the lowest first."""
    tiers = completed(live.document)["tiers"] if live else None
    return [(level["key"], level["name"]) for level in tiers["levels"]] if tiers else []


def _available_notes(summary: MemberSummary, words: Words) -> list[str]:
    notes = [_("worth %(amount)s") % {"amount": words.money(summary.worth_minor or 0)}]
    if unclaimed := summary.points_unclaimed:
        waits = ngettext(
            "%(points)s point waits until this e-mail signs in",
            "%(points)s points wait until this e-mail signs in",
            unclaimed,
        )
        notes.insert(0, waits % {"points": words.count(unclaimed)})
    if summary.debt:
        notes.append(_("%(points)s owed") % {"points": words.count(summary.debt)})
    if summary.points_held:
        notes.append(_("%(points)s set aside for a reward") % {"points": words.count(summary.points_held)})
    for day, points in _by_day(summary, words)[:UPCOMING_SHOWN]:
        said = {"points": words.count(points), "day": day}
        notes.append(ngettext("%(points)s expires %(day)s", "%(points)s expire %(day)s", points) % said)
    return notes


def _by_day(summary: MemberSummary, words: Words) -> list[tuple[str, int]]:
    """Points that expire by day, the next first."""
    points: dict[str, int] = defaultdict(int)
    for part in summary.expiring:
        points[words.day(part.at(clock.now()))] += part.points
    return list(points.items())


def _pending_notes(summary: MemberSummary, live: ProgrammeVersion, words: Words) -> list[str]:
    if not summary.pending:
        waits = completed(live.document)["waiting"]["days"] or completed(live.document)["waiting"]["after"] != "payment"
        return [_("Nothing waits") if waits else _("Points can be used at once")]
    return [
        _("%(points)s from %(day)s") % {"points": words.count(part.points), "day": words.day(part.at)}
        if part.at
        else _("%(points)s once their orders are fulfilled") % {"points": words.count(part.points)}
        for part in summary.pending[:UPCOMING_SHOWN]
    ]


def _tier_card(tier: TierStanding | None, moved: TierMove | None, words: Words) -> Card:
    """The tier held with the way to the next, and what staff decided about it."""
    if tier is None:
        return Card(_("Tier"), "–", [_("Your programme has no tiers")])
    notes = []
    if tier.next:
        lacking = {"amount": quantity_text(tier.by, tier.next.lacking, words), "tier": tier.next.name}
        notes.append(_("%(amount)s to %(tier)s") % lacking)
    notes.append(by_text(tier.by, tier.period))
    if tier.since:
        notes.append(_("since %(day)s") % {"day": words.day(tier.since)})
    if coming := tier.move_down:
        said = {"tier": coming.to or _("no tier"), "day": words.day(coming.at(clock.now()))}
        certain, possible = _("down to %(tier)s on %(day)s"), _("down to %(tier)s from %(day)s, once they are told")
        notes.append((certain if coming.ends else possible) % said)
    notes += _decided(moved, _deciders([moved]))
    progress = round(tier.next.share * 100) if tier.next else None
    return Card(_("Tier"), tier.name or _("No tier"), notes, quiet=not tier.name, progress=progress)


def _member_totals() -> dict[str, int]:
    """All members' `points` that can be used, and how many `members` have any."""
    now = clock.now()
    usable = Lot.objects.filter(Q(ends=None) | Q(ends__gt=now), usable_from__lte=now)
    return usable.aggregate(points=Coalesce(Sum("points"), 0), members=Count("account", distinct=True))


def _why(row: LedgerRow, words: Words, names: Mapping[str, str]) -> WhyRow:
    name = what(row, words, names[row.adjustment.actor] if row.adjustment else "")
    return WhyRow(
        row=row,
        what=name,
        pending=_pending(row, words),
        order_name=_("Order %(order)s") % {"order": row.order_name},
        question=_question(row, name, words),
        lines=[*why(row, words), *_decided(row.adjustment, names)],
    )


def _pending(row: LedgerRow, words: Words) -> str:
    """When a credit that can't be used yet can be; empty for all others."""
    if row.is_unclaimed:
        return _("unclaimed")
    if not row.is_pending:
        return ""
    return _("pending until %(day)s") % {"day": words.day(row.usable_from)} if row.usable_from else _("pending")


def _question(row: LedgerRow, name: str, words: Words) -> str:
    """The name of the row's "Why?" button."""
    amount = words.count(abs(row.amount))
    if row.amount == 0 and not row.source.startswith("order:"):
        return _("Why? %(what)s") % {"what": name}
    if row.amount >= 0 and row.source.startswith("order:"):
        return _("Why %(points)s points for order %(order)s?") % {"points": amount, "order": row.order_name}
    sign = "−" if row.amount < 0 else ""
    return _("Why %(points)s points? %(what)s") % {"points": f"{sign}{amount}", "what": name}


def _deciders(made: Iterable[Adjustment | TierMove | None]) -> Mapping[str, str]:
    """The names of those who decided, and of those who approved it."""
    return names_of(actor for one in made if one for actor in (one.actor, getattr(one, "approved_by", "")))


def _decided(made: Adjustment | TierMove | None, names: Mapping[str, str]) -> list[str]:
    """What staff noted, and who of them decided or approved it; who adjusted points stands in the row's name."""
    if made is None:
        return []
    told = [_("Note: “%(note)s”") % {"note": made.note}] if made.note else []
    if isinstance(made, TierMove):
        told.append(_("By %(person)s.") % {"person": names[made.actor]})
    elif made.approved_by:
        told.append(_("Approved by %(person)s.") % {"person": names[made.approved_by]})
    return told
