"""Published versions: what was in force when, compared, brought back, withdrawn; and back-fills."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _

from loyalty import launch, selectors
from loyalty.differences import differences
from loyalty.forms import BackfillForm
from loyalty.models import ProgrammeDraft, ProgrammeVersion
from loyalty.programme import (
    DraftConflict,
    NothingToCount,
    TooLate,
    backfill_decide,
    counting_from,
    launch_cancel,
    version_bring_back,
    version_withdraw,
)
from loyalty.rules.programme import completed
from loyalty.sentences import Sentences, sentences
from loyalty.views import EVER, draft_page, revision_named, revision_of
from retention_app.doors import ShopRequest, shop_view
from retention_app.people import names_of
from retention_app.rights import Right
from retention_app.views.admin_page import done, page
from retention_app.words import words_for


@dataclass(frozen=True)
class VersionRow:
    """A version as the list shows it. `state`: live, scheduled, withdrawn, or empty for one that was in force."""

    version: ProgrammeVersion
    sentences: Sentences
    state: str
    former: int | None  # the version to compare with
    person: str  # who published it


@shop_view(Right.READ)
def versions(request: ShopRequest) -> HttpResponse:
    """What was published when, newest first."""
    shop, words = request.shop, words_for(request.shop)
    published = selectors.publications(shop.id)
    found = published.versions
    names = names_of(version.published_by for version in found)
    rows = [
        VersionRow(
            version,
            sentences(completed(version.document), words),
            published.state(version),
            found[place + 1].number if place + 1 < len(found) else None,
            names.get(version.published_by, ""),
        )
        for place, version in enumerate(found)
    ]
    context = {"shop": shop, "versions": rows, "may_backfill": _counting_from_later()}
    return page(request, "loyalty/versions.html", context, current="loyalty")


def _counting_from_later() -> bool:
    counting = counting_from()
    return counting is not None and counting.year > EVER.year


@shop_view(Right.READ)
def version(request: ShopRequest, number: int) -> HttpResponse:
    """A version's rules, or how they differ from those of the version `against`."""
    shop, words = request.shop, words_for(request.shop)
    published = selectors.publications(shop.id)
    found = published.versions
    shown = next((version for version in found if version.number == number), None)
    if shown is None:
        raise Http404
    wanted = request.GET.get("against", "")
    against = next((version for version in found if str(version.number) == wanted and version != shown), None)
    before = completed(against.document) if against else None
    context: dict[str, Any] = {
        "shop": shop,
        "version": shown,
        "person": names_of([shown.published_by]).get(shown.published_by, ""),
        "state": published.state(shown),
        "live": published.live,
        "draft_revision": revision_of(ProgrammeDraft.objects.first()),
        "against": against,
        "chosen": str(against.number) if against else "",
        "differences": differences(before, completed(shown.document), words) if against else [],
        "sentences": sentences(completed(shown.document), words),
        "others": [("", _("Only this version"))]
        + [
            (str(other.number), _("Version %(number)s") % {"number": other.number}) for other in found if other != shown
        ],
    }
    return page(request, "loyalty/version.html", context, current="loyalty")


@shop_view(Right.PROGRAMME, methods=["POST"])
def bring_back(request: ShopRequest, number: int) -> HttpResponse:
    """Make an earlier version's rules the draft, to be reviewed."""
    try:
        version_bring_back(request.shop.id, number, request.actor, draft_revision=revision_named(request))
    except ProgrammeVersion.DoesNotExist:
        raise Http404 from None
    except DraftConflict:
        return draft_page(request, None, status=409)
    if selectors.draft_current(request.shop.id) is None:
        return done(request, reverse("loyalty:programme"), toast=_("Nothing to bring back"))
    return done(request, reverse("loyalty:review"), toast=_("Review it first"))


@shop_view(Right.PROGRAMME, methods=["POST"])
def withdraw(request: ShopRequest, number: int) -> HttpResponse:
    """Take a version back before it starts."""
    try:
        version_withdraw(request.shop.id, number, request.actor)
    except ProgrammeVersion.DoesNotExist:
        raise Http404 from None
    except TooLate:
        return done(request, reverse("loyalty:programme"), toast=_("It has started already"))
    return done(request, reverse("loyalty:programme"), toast=_("Version %(number)s is cancelled") % {"number": number})


@shop_view(Right.PROGRAMME, methods=["POST"])
def cancel_launch(request: ShopRequest, launch_id: int) -> HttpResponse:
    """Take the start of the programme back before it has come."""
    try:
        launch_cancel(launch_id, request.actor)
    except TooLate:
        return done(request, reverse("loyalty:programme"), toast=_("It has started already"))
    return done(request, reverse("loyalty:programme"), toast=_("The start is cancelled"))


@shop_view(Right.PROGRAMME, methods=["GET", "POST"], look=Right.PROGRAMME)
def backfill(request: ShopRequest) -> HttpResponse:
    """Count orders from an earlier day too: what that brings, then the decision."""
    shop, words = request.shop, words_for(request.shop)
    live, counting = selectors.programme_live(shop.id), counting_from()
    if live is None or counting is None or not _counting_from_later():
        return HttpResponseRedirect(reverse("loyalty:versions"))
    typed = request.POST if request.method == "POST" else request.GET if "day" in request.GET else None
    form = BackfillForm(typed, shop=shop, counting=counting)
    is_valid = form.is_bound and form.is_valid()
    if request.method == "POST" and is_valid and form.starts:
        try:
            backfill_decide(shop.id, form.starts, request.actor)
        except NothingToCount:
            form.add_error("day", _("Orders from then on count already. Enter an earlier day."))
        else:
            return done(request, reverse("loyalty:versions"), toast=_("Earlier orders count"))
    found = None
    if is_valid and form.starts and not form.errors:
        found = launch.backfilled(shop, completed(live.document), form.starts, counting)
    context = {
        "shop": shop,
        "form": form,
        "live": live,
        "counting": counting,
        "found": found,
        "worth": words.money(found.worth_minor) if found else "",
    }
    status = 422 if form.is_bound and form.errors else 200
    return page(request, "loyalty/backfill.html", context, current="loyalty", status=status)
