"""The programme: live rules as sentences, and the editor of the one draft."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _

from loyalty import selectors
from loyalty.differences import differences
from loyalty.documents import document_warnings
from loyalty.explain import trial_lines
from loyalty.models import Launch, ProgrammeDraft, ProgrammeVersion
from loyalty.programme import DraftConflict, counting_from, draft_discard, draft_save
from loyalty.rules.programme import Document, completed
from loyalty.rules_form import RulesForm, initial_of, row_added, row_removed
from loyalty.sentences import sentences
from loyalty.start import common_document
from loyalty.views_preview import Panel
from retention_app import clock
from retention_app.doors import ShopRequest, shop_view
from retention_app.models import Order, Product
from retention_app.people import names_of
from retention_app.rights import Right
from retention_app.services.storefront import store_url
from retention_app.views.admin_page import done, is_part, page
from retention_app.views.admin_storefront import summary
from retention_app.words import Words, words_for

PREVIEW_ORDERS = 100
PRODUCTS_OFFERED = 200  # titles the editor proposes while somebody types
BRING_BACK_WITHIN = dt.timedelta(hours=24)  # how long the programme offers to bring the former version back
EVER = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)  # a programme's beginning when all earlier orders count


@shop_view(Right.READ)
def overview(request: ShopRequest) -> HttpResponse:
    """One area so far: straight on to the programme."""
    return HttpResponseRedirect(reverse("loyalty:programme"))


@shop_view(Right.PROGRAMME)
def programme(request: ShopRequest) -> HttpResponse:
    """The live rules as sentences, what waits for its start, the way back to the former rules while these are new."""
    shop, words = request.shop, words_for(request.shop)
    published = selectors.publications(shop.id)
    kept = ProgrammeDraft.objects.first()
    live, waiting = published.live, selectors.draft_waiting(kept, published.decided)
    launch = published.launch
    rules = live or launch
    is_new = live is not None and live.effective_from > clock.now() - BRING_BACK_WITHIN
    context = {
        "shop": shop,
        "live": live,
        "launch": launch,
        "sentences": sentences(completed(rules.document), words) if rules else None,
        "example": sentences(common_document(shop.currency, shop.goods, shop.margin_percent), words),
        "changes": changes(rules, waiting, words),
        "since": _since(live, words) if live else "",
        "counts": past_told(launch.count_past) if launch else "",
        "city": words.city,
        "scheduled": published.scheduled,
        "draft_revision": revision_of(kept),
        "former": published.former if is_new else None,
        "is_launch": is_new and not published.former,
        "store_url": store_url(shop),
        "storefront": summary(shop),
    }
    return page(request, "loyalty/programme.html", context, current="loyalty")


def _since(live: ProgrammeVersion, words: Words) -> str:
    """Since when the version is live and which orders count."""
    started = _("Version %(number)s is live since %(day)s.") % {
        "number": live.number,
        "day": words.day(live.effective_from),
    }
    counting = counting_from()
    if counting is None or counting.year <= EVER.year:
        return f"{started} " + _("All earlier orders count.")
    return f"{started} " + _("Orders count from %(day)s on.") % {"day": words.day(counting)}


def past_told(count_past: str) -> str:
    """Which earlier orders a programme will count that waits for its start."""
    return {
        "all": _("All earlier orders count."),
        "year": _("Orders of the 12 months before count."),
        "none": _("No earlier orders count."),
    }[count_past]


def changes(live: ProgrammeVersion | Launch | None, waiting: ProgrammeDraft | None, words: Words) -> int:
    """How many changes wait in the draft; 0 while there is none."""
    if waiting is None:
        return 0
    return len(differences(completed(live.document) if live else None, completed(waiting.document), words))


@shop_view(Right.PROGRAMME, methods=["GET", "POST"])
def draft(request: ShopRequest) -> HttpResponse:
    """The editor. `#preview` renews while somebody types; saving keeps the draft and publishes nothing, adding and
    removing rows only shows the form anew."""
    shop = request.shop
    if request.method == "GET":
        if is_part(request, "preview"):
            return draft_page(request, RulesForm(request.GET, shop=shop))
        return draft_page(request, None)
    if prefix := request.POST.get("add"):
        return draft_page(request, None, row_added(request.POST, prefix))
    if row := request.POST.get("remove"):
        return draft_page(request, None, row_removed(request.POST, row))
    form = RulesForm(request.POST, shop=shop)
    if not form.is_valid() or not form.document:
        return draft_page(request, form, status=422)
    revision = revision_named(request) if "draft_revision" in request.POST else None
    try:
        draft_save(shop.id, form.document, request.actor, draft_revision=revision)
    except DraftConflict:
        return draft_page(request, form, status=409)
    return done(request, reverse("loyalty:draft"), toast=_("Draft saved"))


def draft_page(
    request: ShopRequest, form: RulesForm | None, flat: dict[str, str] | None = None, status: int = 200
) -> HttpResponse:
    """The page with a form somebody filled in, with what they typed so far, or with the draft, what is live, or what
    many stores do."""
    shop, words = request.shop, words_for(request.shop)
    published, kept = selectors.publications(shop.id), ProgrammeDraft.objects.first()
    live, waiting = published.live, selectors.draft_waiting(kept, published.decided)
    if form or flat:
        typed = form or RulesForm(flat, shop=shop)
        document = typed.document if typed.is_valid() else None
        form = form or RulesForm(shop=shop, initial=flat)
    else:
        known = waiting or live or published.launch
        document = (
            completed(known.document) if known else common_document(shop.currency, shop.goods, shop.margin_percent)
        )
        form = RulesForm(shop=shop, initial=initial_of(document, shop))
    if added := _added(request, form):
        form.fields[added].widget.attrs["autofocus"] = True
    preview = selectors.preview_orders(shop.id, document, PREVIEW_ORDERS) if document else None
    context: dict[str, Any] = {
        "shop": shop,
        "form": form,
        "fields": form.sentence_fields(),
        "live": live,
        "decided": published.decided,
        "changes": changes(live or published.launch, waiting, words),
        "draft_revision": _revision_begun(request, kept, status),
        **overtaken(kept, status == 409),
        "products": Product.objects.order_by("title").values_list("title", flat=True)[:PRODUCTS_OFFERED],
        "preview": preview,
        "tried": _tried(request, preview, document, live) if preview and document else None,
        "sentences": sentences(document, words) if document else None,
        "tiers_multiply": document is not None and _tiers_multiply(document),
        "warnings": [warning.message() for warning in document_warnings(document, shop.margin_percent)]
        if document
        else [],
    }
    if document:
        context["panel"] = Panel.of(shop, document, _average(preview), words)
    if is_part(request, "preview"):
        return page(request, "loyalty/draft.html#preview", {**context, "is_part": True}, current="loyalty")
    return page(request, "loyalty/draft.html", context, current="loyalty", status=status)


def overtaken(kept: ProgrammeDraft | None, is_overtaken: bool) -> dict[str, Any]:
    """What `overtaken.html` says of who saved the draft that is kept now, or that it was discarded."""
    person = names_of([kept.edited_by]).get(kept.edited_by, "") if kept and is_overtaken else ""
    return {"overtaken": is_overtaken, "overtaken_by": kept, "person": person}


def _average(preview: selectors.Preview | None) -> int | None:
    """What the last orders counted for on average, in minor units; None without any."""
    amounts = [row.order.total_minor for row in preview.rows] if preview else []
    return sum(amounts) // len(amounts) or None if amounts else None


def _tiers_multiply(document: Document) -> bool:
    tiers = completed(document)["tiers"]
    return tiers is not None and any(level["percent"] != 100 for level in tiers["levels"])


@dataclass(frozen=True, kw_only=True)
class Trial:
    """An order of the last ones, what it would bring by what is typed and why, and what it brings by the live rules."""

    order: Order
    points: int
    lines: list[str]
    live: int | None


def _tried(
    request: ShopRequest, preview: selectors.Preview, document: Document, live: ProgrammeVersion | None
) -> Trial | None:
    """The order that was chosen, the newest otherwise; None while there are no orders."""
    chosen = request.GET.get("order", "")
    orders = [row.order for row in preview.rows]
    order = next((one for one in orders if str(one.id) == chosen), orders[0] if orders else None)
    if order is None:
        return None
    words, documents = words_for(request.shop), [document, *([live.document] if live else [])]
    tried, *by_live = selectors.order_tried(order, documents, request.shop.timezone)
    return Trial(
        order=order,
        points=tried.points,
        lines=[line for explanation in tried.explanations for line in trial_lines(explanation, words)],
        live=by_live[0].points if by_live else None,
    )


def revision_named(request: ShopRequest) -> int:
    """The draft's revision that the person saw; −1, which no draft has, when they name none."""
    named = request.POST.get("draft_revision", "")[:18]
    return int(named) if named.isdecimal() else -1


def _revision_begun(request: ShopRequest, kept: ProgrammeDraft | None, status: int) -> str:
    """The revision the person began with; the draft's own on a fresh page, and once they were told of a conflict."""
    begun = request.POST.get("draft_revision", "")
    return begun if begun and status != 409 else str(revision_of(kept))


def revision_of(kept: ProgrammeDraft | None) -> int:
    """The revision of the shop's draft; 0 while there is none."""
    return kept.revision if kept else 0


def _added(request: ShopRequest, form: RulesForm) -> str:
    """The first field of the row that was just added, to put the cursor in it."""
    match request.POST.get("add"):
        case "level" if form.levels:
            return f"level_{form.levels[-1]}_name"
        case "multiplier" if form.multipliers:
            return f"multiplier_{form.multipliers[-1]}_kind"
    return ""


@shop_view(Right.PROGRAMME, methods=["POST"])
def discard(request: ShopRequest) -> HttpResponse:
    """Take the draft back to what was published last."""
    try:
        draft_discard(request.shop.id, request.actor, draft_revision=revision_named(request))
    except DraftConflict:
        return draft_page(request, None, status=409)
    return done(request, reverse("loyalty:programme"), toast=_("Draft discarded"))
