"""The programme: live rules as sentences, the draft's editor, review and publish, published versions."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from loyalty import launch, selectors
from loyalty.differences import differences
from loyalty.forms import PublishForm, RulesForm
from loyalty.models import Programme, ProgrammeDraft, ProgrammeVersion
from loyalty.programme import DraftConflict, NothingToPublish, draft_discard, draft_save, programme_publish
from loyalty.rules.programme import Document, completed
from loyalty.sentences import sentences
from retention_app.doors import ShopRequest, shop_view
from retention_app.models import Shop
from retention_app.money import exponent
from retention_app.views.admin_page import done, is_part, page
from retention_app.words import Words, words_for

PREVIEW_ORDERS = 100
EVER = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)  # a programme's beginning when all earlier orders count


def common_document(currency: str) -> Document:
    """What a first draft starts with: a point for each unit of money, a hundred points worth five of them."""
    unit = 10 ** exponent(currency)
    return completed({"earn": {"points": 1, "per_minor": unit}, "worth": {"points": 100, "minor": 5 * unit}})


@shop_view()
def overview(request: ShopRequest) -> HttpResponse:
    """One area so far: straight on to the programme."""
    return HttpResponseRedirect(reverse("loyalty:programme"))


@shop_view()
def programme(request: ShopRequest) -> HttpResponse:
    """The live rules as sentences."""
    shop, words = request.shop, words_for(request.shop)
    live = selectors.programme_live(shop.id)
    context = {
        "shop": shop,
        "live": live,
        "sentences": sentences(live.document, words) if live else None,
        "example": sentences(common_document(shop.currency), words),
        "changes": _changes(live, selectors.draft_current(shop.id), words),
        "since": _since(live, words) if live else "",
    }
    return page(request, "loyalty/programme.html", context, current="loyalty")


def _since(live: ProgrammeVersion, words: Words) -> str:
    """Since when the version is live and which orders count."""
    started = _("Version %(number)s is live since %(day)s.") % {
        "number": live.number,
        "day": words.day(live.effective_from),
    }
    earn_from = Programme.objects.values_list("earn_from", flat=True).first()
    if earn_from is None or earn_from.year <= EVER.year:
        return f"{started} " + _("All earlier orders count.")
    return f"{started} " + _("Orders count from %(day)s on.") % {"day": words.day(earn_from)}


def _changes(live: ProgrammeVersion | None, waiting: ProgrammeDraft | None, words: Words) -> int:
    """How many changes wait in the draft; 0 while there is none."""
    return len(differences(live.document if live else None, waiting.document, words)) if waiting else 0


@shop_view(methods=["GET", "POST"])
def draft(request: ShopRequest) -> HttpResponse:
    """The editor. `#preview` renews while somebody types; saving keeps the draft and publishes nothing."""
    shop = request.shop
    if request.method == "POST":
        form = RulesForm(request.POST, currency=shop.currency)
        if form.is_valid() and form.document:
            draft_save(shop.id, form.document, request.actor)
            return done(request, reverse("loyalty:draft"), toast=_("Draft saved"))
        return _draft_page(request, form)
    if is_part(request, "preview"):
        return _draft_page(request, RulesForm(request.GET, currency=shop.currency))
    return _draft_page(request, None)


def _draft_page(request: ShopRequest, form: RulesForm | None) -> HttpResponse:
    """The page with a form somebody filled in, or with the draft, what is live, or what many stores do."""
    shop, words = request.shop, words_for(request.shop)
    live, waiting = selectors.programme_live(shop.id), selectors.draft_current(shop.id)
    if form:
        document = form.document if form.is_valid() else None
    else:
        known = waiting or live
        document = known.document if known else common_document(shop.currency)
        form = RulesForm(initial=RulesForm.initial_of(document, shop.currency), currency=shop.currency)
    context: dict[str, Any] = {
        "shop": shop,
        "form": form,
        "fields": form.sentence_fields(),
        "live": live,
        "changes": _changes(live, waiting, words),
        "preview": selectors.preview_orders(shop.id, document, PREVIEW_ORDERS) if document else None,
        "sentences": sentences(document, words) if document else None,
    }
    if is_part(request, "preview"):
        return page(request, "loyalty/draft.html#preview", context, current="loyalty")
    return page(request, "loyalty/draft.html", context, current="loyalty", status=200 if document else 422)


@shop_view(methods=["POST"])
def discard(request: ShopRequest) -> HttpResponse:
    """Take the draft back to what is live."""
    draft_discard(request.shop.id, request.actor)
    return done(request, reverse("loyalty:programme"), toast=_("Draft discarded"))


@shop_view(methods=["GET", "POST"])
def review(request: ShopRequest) -> HttpResponse:
    """What publishing the draft changes, and the button that does it."""
    shop = request.shop
    live, waiting = selectors.programme_live(shop.id), selectors.draft_current(shop.id)
    if request.method == "GET":
        if waiting is None:
            return HttpResponseRedirect(reverse("loyalty:draft"))
        return _review_page(request, PublishForm(is_first=live is None))
    form = PublishForm(request.POST, is_first=live is None)
    if not form.is_valid():
        return _review_page(request, form, status=422)
    try:
        version = programme_publish(
            shop.id,
            request.actor,
            form.cleaned_data["count_past"] or "none",
            form.cleaned_data["note"],
            draft_revision=form.cleaned_data["draft_revision"],
        )
    except NothingToPublish:
        form.add_error(None, _("There is nothing to publish: the draft doesn't differ from what is live."))
        return _review_page(request, form, status=422)
    except DraftConflict:
        form.add_error(None, _("Somebody changed or published the draft meanwhile. This is how it looks now."))
        return _review_page(request, form, status=409)
    return done(
        request, reverse("loyalty:programme"), toast=_("Version %(number)s is live") % {"number": version.number}
    )


def _review_page(request: ShopRequest, form: PublishForm, status: int = 200) -> HttpResponse:
    shop, words = request.shop, words_for(request.shop)
    live, waiting = selectors.programme_live(shop.id), selectors.draft_current(shop.id)
    context: dict[str, Any] = {
        "shop": shop,
        "form": form,
        "live": live,
        "draft": waiting,
        "number": live.number + 1 if live else 1,
        "differences": differences(live.document if live else None, waiting.document, words) if waiting else [],
        "choices": _past_choices(shop, waiting.document) if waiting and not live else [],
        "preview": selectors.preview_orders(shop.id, waiting.document, PREVIEW_ORDERS) if waiting and live else None,
        "chosen": form.data.get("count_past", "") if form.is_bound else "all",
    }
    return page(request, "loyalty/review.html", context, current="loyalty", status=status)


def _past_choices(shop: Shop, document: Document) -> list[tuple[str, str, str]]:
    """(value, label, what follows from it) for the first version."""
    words = words_for(shop)
    labels = {"all": _("All earlier orders"), "year": _("The last 12 months"), "none": _("No earlier orders")}
    choices = []
    for key, start in launch.starts(shop, document).items():
        if key == "none":
            told = _("Everybody starts with no points.")
        else:
            told = ngettext(
                "%(customers)s customer would start with about %(points)s points, worth up to %(worth)s.",
                "%(customers)s customers would start with about %(points)s points, worth up to %(worth)s.",
                start.customers,
            ) % {
                "customers": words.count(start.customers),
                "points": words.count(start.points),
                "worth": words.money(start.worth_minor),
            }
        choices.append((key, labels[key], told))
    return choices


@shop_view()
def versions(request: ShopRequest) -> HttpResponse:
    """What was published when, newest first."""
    words = words_for(request.shop)
    rows = [(version, sentences(version.document, words)) for version in selectors.versions(request.shop.id)]
    context = {"shop": request.shop, "versions": rows}
    return page(request, "loyalty/versions.html", context, current="loyalty")
