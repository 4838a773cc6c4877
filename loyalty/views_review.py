"""Review and publish: what the draft changes, who moves, what it costs; nobody moves who isn't listed here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from loyalty import launch, selectors
from loyalty.differences import differences
from loyalty.documents import document_warnings
from loyalty.forms import PublishForm
from loyalty.models import ProgrammeDraft, ProgrammeVersion, SimulatedMove, Simulation
from loyalty.programme import (
    AlreadyScheduled,
    DraftConflict,
    NothingToPublish,
    TooLate,
    launch_schedule,
    programme_publish,
)
from loyalty.rules.programme import Document, completed, worth_minor
from loyalty.simulation import Totals, simulation_find, simulation_request, year
from retention_app.audit import file_taken
from retention_app.customer_list import customers_found
from retention_app.doors import ShopRequest, link_to, link_view, shop_view
from retention_app.models import Shop
from retention_app.rights import Right
from retention_app.spreadsheet import csv_file
from retention_app.views.admin_page import done, is_part, page, take
from retention_app.words import Words, words_for

NAMES = 50  # members a page


@shop_view(Right.PROGRAMME, methods=["GET", "POST"])
def review(request: ShopRequest) -> HttpResponse:
    """What publishing the draft changes, and the button that does it once it is counted who moves."""
    shop = request.shop
    live, waiting = selectors.programme_live(shop.id), selectors.draft_current(shop.id)
    if request.method == "GET":
        if waiting is None:
            return HttpResponse(status=204) if is_part(request, "consequences") else _to_draft()
        simulation_request(shop.id, completed(waiting.document))
        return _review_page(request, PublishForm(is_first=live is None, shop=shop))
    form = PublishForm(request.POST, is_first=live is None, shop=shop)
    if not form.is_valid():
        return _review_page(request, form, status=422)
    reviewed = form.cleaned_data["draft_revision"]
    if live and waiting and reviewed in (None, waiting.revision) and not _is_counted(waiting):
        simulation_request(shop.id, completed(waiting.document))
        form.add_error(None, _("Who moves is still being counted. Publish when it is done."))
        return _review_page(request, form, status=422)
    told, status = published(request, form)
    if not told:
        return _review_page(request, form, status=status)
    return done(request, reverse("loyalty:programme"), toast=told)


def published(request: ShopRequest, form: PublishForm) -> tuple[str, int]:
    """Publish the draft, or decide its start, as a valid form says: what to tell of it. Refused, the text is empty, the
    form has the reason, and the number is the answer's status."""
    shop_id, chosen = request.shop.id, form.cleaned_data
    past, note, revision = chosen["count_past"], chosen["note"], chosen["draft_revision"]
    try:
        if form.is_first and form.starts_at:
            launch_schedule(shop_id, request.actor, past, note, draft_revision=revision, starts_at=form.starts_at)
            return _("Your programme is scheduled"), 303
        version = programme_publish(
            shop_id, request.actor, past or "none", note, draft_revision=revision, starts_at=form.starts_at
        )
    except NothingToPublish:
        form.add_error(None, _("There is nothing to publish: the draft doesn't differ from what is live."))
        return "", 422
    except AlreadyScheduled:
        form.add_error(None, _("Another version waits for its start. Cancel it before you publish this one."))
        return "", 409
    except DraftConflict:
        form.add_error(None, _("Somebody changed or published the draft meanwhile. This is how it looks now."))
        return "", 409
    except TooLate:
        form.add_error("day", _("That has passed. Enter a later day or start now."))
        return "", 422
    if form.is_first:
        return _("Your programme is live"), 303
    told = _("Version %(number)s is scheduled") if form.starts_at else _("Version %(number)s is live")
    return told % {"number": version.number}, 303


def _to_draft() -> HttpResponse:
    return HttpResponseRedirect(reverse("loyalty:draft"))


def _is_counted(waiting: ProgrammeDraft) -> bool:
    found = simulation_find(completed(waiting.document))
    return found is not None and found.finished_at is not None


def _review_page(request: ShopRequest, form: PublishForm, status: int = 200) -> HttpResponse:
    shop, words, known = request.shop, words_for(request.shop), selectors.publications(request.shop.id)
    live, waiting = known.live, selectors.draft_waiting(ProgrammeDraft.objects.first(), known.decided)
    document, before = completed(waiting.document) if waiting else None, live or known.launch
    simulation = simulation_find(document) if document else None
    is_counted = simulation is not None and simulation.finished_at is not None
    only_consequences = is_part(request, "consequences")
    context: dict[str, Any] = {
        "shop": shop,
        "form": form,
        "live": live,
        "before": before,
        "draft": waiting,
        "number": known.number_next,
        "differences": differences(completed(before.document) if before else None, document, words) if document else [],
        "warnings": [warning.message() for warning in document_warnings(document, shop.margin_percent)]
        if document
        else [],
        "choices": past_choices(shop, document) if document and not live and not only_consequences else [],
        "progress": _progress(simulation, words) if simulation else None,
        "moves": _who_moves(simulation, live, document, words) if simulation and document else None,
        "cost": _cost(simulation, live, document, shop.margin_percent, words)
        if simulation and document and live
        else None,
        "may_publish": is_counted or live is None,
        "protects": bool(document and document["tiers"] and document["tiers"]["protect_until"]),
        "chosen": form.data.get("count_past", "") if form.is_bound else "all",
        "start": form.data.get("start", "") if form.is_bound else "now",
        "city": words.city,
        "asks_margin": shop.margin_percent is None,
        "scheduled": known.scheduled,
        "launch": known.launch,
    }
    if only_consequences:
        return page(request, "loyalty/review.html#consequences", context | {"is_part": True}, current="loyalty")
    return page(request, "loyalty/review.html", context, current="loyalty", status=status)


@dataclass(frozen=True)
class Progress:
    """How far a simulation is. `text`: "Replaying 69,659 orders: 41%"."""

    running: bool
    done: int
    total: int
    text: str


def _progress(simulation: Simulation, words: Words) -> Progress:
    total = simulation.orders_total
    share = min(simulation.orders / total, 1) if total else 0
    text = ngettext("Replaying %(count)s order: %(share)s.", "Replaying %(count)s orders: %(share)s.", total) % {
        "count": words.count(total),
        "share": words.tick(share),
    }
    return Progress(simulation.finished_at is None, simulation.orders, total, text)


@dataclass(frozen=True)
class TierRow:
    """How many members a tier has now, and how many it will have."""

    name: str
    now: int
    then: int
    is_people: bool = True


@dataclass(frozen=True)
class WhoMoves:
    up: int
    down: int
    stay: int
    tiers: list[TierRow]


def _who_moves(
    simulation: Simulation, live: ProgrammeVersion | None, document: Document, words: Words
) -> WhoMoves | None:
    """How many members move, and how many each tier has before and after; None until it is counted."""
    if simulation.finished_at is None:
        return None
    totals = Totals.of(simulation.totals)
    before, after = level_names(live), level_names(document)
    names = {**before, **after}
    rows = [TierRow(name, totals.tiers[key], totals.tiers_then[key]) for key, name in names.items()]
    if rows:
        rows.insert(0, TierRow(_("No tier"), totals.tiers[""], totals.tiers_then[""]))
    return WhoMoves(totals.up, totals.down, totals.members - totals.up - totals.down, rows)


def level_names(of: ProgrammeVersion | Document | None) -> dict[str, str]:
    """The names of levels by their keys, the lowest first."""
    if of is None:
        return {}
    tiers = completed(of.document if isinstance(of, ProgrammeVersion) else of)["tiers"]
    return {level["key"]: level["name"] for level in tiers["levels"]} if tiers else {}


@dataclass(frozen=True)
class Cost:
    """The last year's points by what is live and by the draft, what they would be worth, and of what revenue."""

    heading: str
    period: str
    points: int
    points_then: int
    worth: str
    worth_then: str
    share: str
    share_then: str
    pays: str


def _cost(
    simulation: Simulation, live: ProgrammeVersion, document: Document, margin_percent: int | None, words: Words
) -> Cost | None:
    if simulation.finished_at is None:
        return None
    totals, of = Totals.of(simulation.totals), year()
    orders, revenue = of.sums()
    worth, worth_then = worth_minor(totals.points, completed(live.document)), worth_minor(totals.points_then, document)
    heading = ngettext(
        "What it costs: your last 12 months again, %(orders)s order, %(revenue)s",
        "What it costs: your last 12 months again, %(orders)s orders, %(revenue)s",
        orders,
    ) % {"orders": words.count(orders), "revenue": words.money(revenue)}
    return Cost(
        heading=heading,
        period=_("From %(first)s to %(last)s, by the rules of today and by the draft's.")
        % {"first": words.day(of.since), "last": words.day(of.until)},
        points=totals.points,
        points_then=totals.points_then,
        worth=words.money(worth),
        worth_then=words.money(worth_then),
        share=words.percent(worth / revenue) if revenue > 0 else "",
        share_then=words.percent(worth_then / revenue) if revenue > 0 else "",
        pays=_pays(worth, worth_then, revenue, margin_percent, words),
    )


def _pays(worth: int, worth_then: int, revenue: int, margin_percent: int | None, words: Words) -> str:
    """What has to come in for a draft that costs more. Of each further sale the margin stays, less what its points are
    worth by the draft, so the year's revenue has to grow by (worth_then − worth) / (revenue × margin − worth_then), in
    minor units, every point redeemed. Empty where it costs no more or the margin isn't known."""
    if margin_percent is None or worth_then <= worth or revenue <= 0:
        return ""
    told = {"margin": words.tick(margin_percent / 100)}
    left = revenue * margin_percent / 100 - worth_then
    if left <= 0:
        return _("More sales can't pay for it: at your margin of %(margin)s, their points cost what they leave.") % told
    told["share"] = words.percent((worth_then - worth) / left)
    return _("Pays for itself if these customers spend %(share)s more, at your margin of %(margin)s.") % told


def past_choices(shop: Shop, document: Document) -> list[tuple[str, str, str]]:
    """(value, label, what follows from it) for the first version."""
    labels = {"all": _("All earlier orders"), "year": _("The last 12 months"), "none": _("No earlier orders")}
    choices = []
    for key, start in launch.starts(shop, document).items():
        told = _("Everybody starts with no points.") if key == "none" else start_told(start, words_for(shop))
        choices.append((key, labels[key], told))
    return choices


def start_told(start: launch.Start, words: Words) -> str:
    return ngettext(
        "%(customers)s customer would start with about %(points)s points, worth up to %(worth)s.",
        "%(customers)s customers would start with about %(points)s points, worth up to %(worth)s.",
        start.customers,
    ) % {
        "customers": words.count(start.customers),
        "points": words.count(start.points),
        "worth": words.money(start.worth_minor),
    }


# --- the names -------------------------------------------------------------------------------------------------------


@shop_view(Right.PROGRAMME, methods=["GET", "POST"])
def moves(request: ShopRequest) -> HttpResponse:
    """Who moves up or down, searched by name; a POST asks for the list as a file."""
    shop, published = request.shop, selectors.publications(request.shop.id)
    waiting = selectors.draft_waiting(ProgrammeDraft.objects.first(), published.decided)
    simulation = simulation_find(completed(waiting.document)) if waiting else None
    if waiting is None or simulation is None or simulation.finished_at is None:
        return HttpResponseRedirect(reverse("loyalty:review"))
    if request.method == "POST":
        file_taken(shop=shop, actor=request.actor, what="moves", simulation=simulation.id)
        return take(request, link_to(shop, reverse("loyalty:moves_file", args=[simulation.id])))
    way, after = request.GET.get("way", ""), request.GET.get("after", "")
    found = simulation.moves.select_related("customer").order_by("customer_id")
    if way in ("up", "down"):
        found = found.filter(up=way == "up")
    if text := request.GET.get("q", "").strip():
        found = found.filter(customer__in=customers_found({"q": text}).values("id"))
    if after.isdecimal():
        found = found.filter(customer_id__gt=int(after[:18]))
    rows = list(found[: NAMES + 1])
    names = _all_level_names(published.live, waiting)
    context = {
        "shop": shop,
        "number": published.number_next,
        "rows": [
            (row, names.get(row.before) or _("No tier"), names.get(row.after) or _("No tier")) for row in rows[:NAMES]
        ],
        "after": rows[NAMES - 1].customer_id if len(rows) > NAMES else None,
        "q": request.GET.get("q", ""),
        "way": way,
        "ways": [("", _("Everybody who moves")), ("up", _("Up")), ("down", _("Down"))],
    }
    return page(request, "loyalty/moves.html", context, current="loyalty")


@link_view
def moves_file(request: ShopRequest, simulation_id: int) -> HttpResponse:
    """Everybody who moves as CSV."""
    simulation = Simulation.objects.filter(id=simulation_id).first()
    if simulation is None:
        raise Http404
    names = _all_level_names(selectors.programme_live(request.shop.id), simulation)
    header = [_("Customer"), _("Name"), _("Moves"), _("Tier before"), _("Tier after")]
    rows = (
        [
            move.customer.shopify_id,
            move.customer.name,
            _("up") if move.up else _("down"),
            names.get(move.before, ""),
            names.get(move.after, ""),
        ]
        for move in _every(simulation)
    )
    return csv_file("who-moves", header, rows)


def _every(simulation: Simulation) -> Iterator[SimulatedMove]:
    return simulation.moves.select_related("customer").order_by("customer_id").iterator(chunk_size=2000)


def _all_level_names(live: ProgrammeVersion | None, document: ProgrammeDraft | Simulation) -> dict[str, str]:
    return {**level_names(live), **level_names(completed(document.document))}
