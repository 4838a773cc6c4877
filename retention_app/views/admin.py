"""Home, the glossary, the language switch, and the pages for what isn't there or broke."""

from __future__ import annotations

import uuid
from typing import Any

import structlog
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import translation
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from retention_app import home as figures
from retention_app import sync
from retention_app.activity.listing import attention
from retention_app.api.problems import CONTENT_TYPE, FAILED, problem_body
from retention_app.api.schema import PREFIX
from retention_app.counts import Counts, counts_of
from retention_app.doors import ShopRequest, embed, shop_view
from retention_app.models import Shop, StaffMember
from retention_app.rights import Right, may
from retention_app.screens import engines
from retention_app.services.install import shop_reread
from retention_app.shopify import bucket
from retention_app.shopify.errors import ShopifyError
from retention_app.tenancy import shop_scope
from retention_app.views.admin_page import Shell, done, is_part, page
from retention_app.views.import_card import import_card
from retention_app.words import Words, words_for

log = structlog.get_logger(__name__)


@shop_view(Right.READ)
def home(request: ShopRequest) -> HttpResponse:
    """How am I doing: import while it runs, four numbers, two charts. `#figures` renews itself during an import;
    `#charts` comes after the page, because counting months takes longer."""
    shop = request.shop
    runs = may(request.staff, Right.PROGRAMME)
    guide = next(filter(None, (engine.guide(shop) for engine in engines())), None) if runs else None
    if guide and guide.is_new:
        return HttpResponseRedirect(f"{guide.url}?{request.GET.urlencode()}")
    words = words_for(shop)
    latest = figures.latest_order_at()
    window, is_old = figures.window_for(request.GET.get("period", ""), latest)
    rolling = request.GET.get("rate", "rolling" if window.start else "all") == "rolling"
    context: dict[str, Any] = {"shop": shop, "window": window, "rolling": rolling, "latest": latest, "is_old": is_old}
    counts = counts_of(shop)
    if is_part(request, "charts"):
        charts = _charts(counts, words, rolling) if counts else {"counting": True}
        return page(request, "retention_app/home.html#charts", context | charts, current="home")
    context |= {
        "guide": guide,
        "counting": counts is None,
        "counted_at": counts and counts.at,
        "progress": import_card(sync.import_progress(shop_id=shop.id), request.GET, words),
        "stats": figures.stats(counts, window, words) if counts else [],
        "is_part": is_part(request, "figures"),
    }
    if not context["is_part"]:
        context["attention"] = attention(shop, request.actor, words)
    template = "retention_app/home.html#figures" if context["is_part"] else "retention_app/home.html"
    return page(request, template, context, current="home")


def _charts(counts: Counts, words: Words, rolling: bool) -> dict[str, Any]:
    return {
        "rate": figures.rate_card(counts.rates(rolling=rolling), words, rolling=rolling),
        "ladder": figures.ladder_card(counts.ladder(), words),
    }


@shop_view(Right.READ)
def definitions(request: ShopRequest) -> HttpResponse:
    """The glossary behind every (i)."""
    return page(request, "retention_app/definitions.html", {"definitions": figures.definitions()}, current="home")


@shop_view(Right.READ, methods=["POST"])
def language(request: ShopRequest) -> HttpResponse:
    """Keep a person's language for this shop (none: the platform's), then show the page they were on in it."""
    chosen = request.POST.get("language", "")
    if chosen and chosen not in dict(settings.LANGUAGES):
        raise Http404
    StaffMember.objects.filter(id=request.staff.id).update(language=chosen)
    return done(request, _came_from(request))


@shop_view(Right.READ, methods=["POST"])
def look_again(request: ShopRequest) -> HttpResponse:
    """Ask the platform whether the shop is open again, then show the page they were on."""
    try:
        with bucket.people_waiting():
            shop_reread(shop_id=request.shop.id)
    except ShopifyError as error:
        log.info("shop_still_in_trouble", reason=str(error))
        return done(request, _came_from(request), toast=_("Still closed"))
    return done(request, _came_from(request), toast=_("Encore is back"))


def _came_from(request: HttpRequest) -> str:
    """The page a form names to come back to; Home when that is none of ours."""
    target = request.POST.get("next", "")
    if target.startswith("/app/") and url_has_allowed_host_and_scheme(target, allowed_hosts=None):
        return target
    return reverse("admin:home")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403: what the person's role doesn't allow, and who can change that."""
    return _error(request, "403", 403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404, the same for what isn't there and what is another shop's."""
    return _error(request, "404", 404, what=str(exception))


def server_error(request: HttpRequest) -> HttpResponse:
    """500, with a reference that is also in the log."""
    reference = uuid.uuid4().hex[:6]
    log.error("server_error_shown", reference=reference)
    if request.path.startswith(PREFIX):
        return JsonResponse(problem_body(FAILED), status=500, content_type=CONTENT_TYPE)
    return _error(request, "500", 500, reference=reference)


def _error(request: HttpRequest, name: str, status: int, **context: str) -> HttpResponse:
    shop: Shop | None = getattr(request, "shop", None)
    if shop is None or not hasattr(request, "staff"):
        shell = {"shell": Shell("")}
        return render(request, f"retention_app/errors/{name}_standalone.html", {**context, **shell}, status=status)
    if status != 403:
        request.right = Right.READ  # type: ignore[attr-defined]  # there is nothing on this page that could be changed
    with shop_scope(shop.id), translation.override(getattr(request, "locale", None)):
        return embed(
            page(request, f"retention_app/errors/{name}.html", context, current="", status=status), shop.domain
        )
