"""Activity: what came in, what we did, what failed, and what to do about it."""

from __future__ import annotations

import datetime as dt
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from retention_app import clock
from retention_app import home as figures
from retention_app.activity import listing
from retention_app.activity.listing import ATTENTION, CursorUnreadable, activity_page, source_named
from retention_app.doors import ShopRequest, shop_view
from retention_app.models import Outbound, Reconciliation, WebhookDelivery
from retention_app.outbound import MayBeDone, NotStuck, outbound_retry, outbound_skip
from retention_app.reconcile import reconciliation_start
from retention_app.rights import Right
from retention_app.services.deliveries import delivery_retry, delivery_skip
from retention_app.views.admin_page import done, page
from retention_app.words import words_for

REASON_MAX = 255  # characters
PERIOD_DAYS = {"1": 1, "7": 7, "30": 30}
PERIOD_USUAL = "7"


class SkipForm(forms.Form):
    """Why somebody gives something up."""

    reason = forms.CharField(max_length=REASON_MAX)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].label = _("Why you skip it")
        self.fields["reason"].error_messages["required"] = _("Say why in a few words.")


@shop_view(Right.READ)
def activity(request: ShopRequest) -> HttpResponse:
    """The list, newest first."""
    shop, words = request.shop, words_for(request.shop)
    tab, period = request.GET.get("tab", "all"), request.GET.get("period", PERIOD_USUAL)
    stuck = listing.attention_count(shop)
    tabs = _tabs(words.count(stuck) if stuck else "")
    if tab not in dict(tabs) or period not in PERIOD_DAYS:
        raise Http404
    since = clock.now() - dt.timedelta(days=PERIOD_DAYS[period])
    cursor = request.GET.get("before", "")
    try:
        found = activity_page(shop, tab=tab, since=since, cursor=cursor, actor=request.actor, words=words)
    except CursorUnreadable as error:
        raise Http404 from error
    context = {
        "shop": shop,
        "found": found,
        "tab": tab,
        "tabs": [(key, label, _url(tab=key, period=period)) for key, label in tabs],
        "period": period,
        "periods": [(key, label, _url(tab=tab, period=key)) for key, label in _periods()] if tab != ATTENTION else [],
        "older": _url(tab=tab, period=period, before=found.older) if found.older else "",
        "newest": _url(tab=tab, period=period) if cursor else "",
        "late": listing.minutes_late(shop),
        "latest": figures.latest_order_at() if not found.items else None,
    }
    return page(request, "retention_app/activity.html", context, current="activity")


def _tabs(stuck: str) -> list[tuple[str, str]]:
    return [
        ("all", _("All")),
        (ATTENTION, _("Needs attention %(count)s") % {"count": stuck} if stuck else _("Needs attention")),
        ("from", _("From Shopify")),
        ("to", _("To Shopify")),
        ("imports", _("Imports")),
        ("staff", _("Changes by staff")),
    ]


def _periods() -> list[tuple[str, str]]:
    return [("1", _("Last 24 hours")), ("7", _("Last 7 days")), ("30", _("Last 30 days"))]


def _url(**params: str) -> str:
    usual = {"tab": "all", "period": PERIOD_USUAL}
    chosen = {name: value for name, value in params.items() if value and usual.get(name) != value}
    return f"{reverse('admin:activity')}?{urlencode(chosen)}" if chosen else reverse("admin:activity")


@shop_view(Right.READ)
def item(request: ShopRequest, source: str, row_id: int) -> HttpResponse:
    """One row told in full."""
    return item_page(request, source, row_id, SkipForm())


def item_page(request: ShopRequest, key: str, row_id: int, form: forms.Form, status: int = 200) -> HttpResponse:
    """The page of a row, with what was filled in there."""
    source, words = source_named(key), words_for(request.shop)
    row = source.row(request.shop, row_id)
    (shown,) = source.items(request.shop, [row], request.actor, words)
    context = {"shop": request.shop, "story": source.story(row, shown, words), "form": form}
    return page(request, "retention_app/activity_item.html", context, current="activity", status=status)


@shop_view(Right.STORE, methods=["POST"])
def retry(request: ShopRequest, source: str, row_id: int) -> HttpResponse:
    """Try what needs attention once more."""
    row = source_named(source).row(request.shop, row_id)
    back = reverse("admin:activity_item", args=[source, row_id])
    try:
        if isinstance(row, Outbound):
            outbound_retry(call=row, actor=request.actor)
        elif isinstance(row, WebhookDelivery):
            delivery_retry(shop=request.shop, delivery=row, actor=request.actor)
        else:
            raise Http404("activity")
    except NotStuck:
        return done(request, back, toast=_("Already taken care of"))
    return done(request, back, toast=_("Trying again"))


@shop_view(Right.STORE, methods=["POST"])
def skip(request: ShopRequest, source: str, row_id: int) -> HttpResponse:
    """Give up what needs attention, with a reason, unless Shopify has done it."""
    row = source_named(source).row(request.shop, row_id)
    form = SkipForm(request.POST)
    if not form.is_valid():
        return item_page(request, source, row_id, form, status=422)
    back, reason = reverse("admin:activity_item", args=[source, row_id]), form.cleaned_data["reason"]
    try:
        if isinstance(row, Outbound):
            outbound_skip(call=row, reason=reason, actor=request.actor)
        elif isinstance(row, WebhookDelivery):
            delivery_skip(shop=request.shop, delivery=row, reason=reason, actor=request.actor)
        else:
            raise Http404("activity")
    except MayBeDone as error:
        form.add_error(None, str(error))
        return item_page(request, source, row_id, form, status=422)
    except NotStuck:
        return done(request, back, toast=_("Already taken care of"))
    return done(request, back, toast=_("Already done in Shopify") if row.state == Outbound.State.DONE else _("Skipped"))


@shop_view(Right.STORE, methods=["POST"])
def check(request: ShopRequest) -> HttpResponse:
    """Compare with the platform now."""
    row = reconciliation_start(shop_id=request.shop.id, kind=Reconciliation.Kind.ASKED, actor=request.actor)
    return done(request, reverse("admin:activity_item", args=["check", row.id]), toast=_("Checking with Shopify"))
