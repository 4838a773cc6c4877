"""Settings > Storefront: whether shoppers see Encore, how it gets there, and the switch that takes everything away."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

import structlog
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from retention_app import clock
from retention_app.doors import ShopRequest, shop_view
from retention_app.models import Shop
from retention_app.rights import Right
from retention_app.services.storefront import Driver, editor_url, store_url, storefront_switch, theme_read
from retention_app.shopify import bucket
from retention_app.shopify.errors import ShopifyError
from retention_app.views.admin_page import done, page
from retention_app.views.storefront import LOADER, panels, sizes
from retention_app.words import Words, words_for

log = structlog.get_logger(__name__)

DAY = dt.timedelta(days=1)

Offer = Literal["", "store", "editor", "again", "off", "on"]


@dataclass(frozen=True)
class Row:
    """One thing about the storefront: its state in a word (`tone` is the badge's), what it means, what can be done."""

    name: str
    state: str
    tone: str
    means: str
    offers: tuple[Offer, ...] = ()


@shop_view(Right.STORE)
def storefront(request: ShopRequest) -> HttpResponse:
    shop, words = request.shop, words_for(request.shop)
    rows = [_seen(shop, words), _way(shop), *([_theme(shop, words)] if is_by_theme(shop) else []), _weight(words)]
    context = {
        "shop": shop,
        "rows": [*rows, _switch(shop, words)],
        "store_url": store_url(shop),
        "editor_url": editor_url(shop),
    }
    return page(request, "retention_app/storefront.html", context, current="settings")


@shop_view(Right.STORE, methods=["POST"])
def look(request: ShopRequest) -> HttpResponse:
    """Read the published theme's settings again."""
    try:
        with bucket.people_waiting():
            theme_read(request.shop.id)
    except ShopifyError as error:
        log.info("theme_not_read", reason=str(error))
        return done(request, reverse("admin:storefront"), toast=_("Shopify didn't answer"))
    return done(request, reverse("admin:storefront"), toast=_("Checked"))


@shop_view(Right.STORE, methods=["POST"])
def switch(request: ShopRequest) -> HttpResponse:
    """Switch everything on the storefront off, or on again: `on` is 1 or 0."""
    on = request.POST.get("on") == "1"
    storefront_switch(shop=request.shop, on=on, actor=request.actor)
    return done(request, reverse("admin:storefront"), toast=_("Switched on") if on else _("Switched off"))


def summary(shop: Shop) -> str:
    """The storefront's state in the list of settings."""
    if shop.storefront_off_at:
        return _("Switched off")
    if is_by_theme(shop) and not shop.storefront_theme.get("embed"):
        return _("Not switched on in your theme yet")
    return _("Seen by visitors") if shop.storefront_seen else _("Not seen by a visitor yet")


def is_by_theme(shop: Shop) -> bool:
    return shop.storefront_driver == Driver.APP_EMBED


def _seen(shop: Shop, words: Words) -> Row:
    seen = [dt.datetime.fromisoformat(at) for at in shop.storefront_seen.values()]
    lately = sum(at > clock.now() - DAY for at in seen)
    if not seen:
        means = _("Nobody has loaded Encore in your store yet. Open your store once to check.")
        return Row(_("In visitors' browsers"), _("not seen yet"), "neutral", means, ("store",))
    means = ngettext(
        "Last loaded %(moment)s; on %(count)s kind of page in the last 24 hours.",
        "Last loaded %(moment)s; on %(count)s kinds of pages in the last 24 hours.",
        lately,
    ) % {"moment": words.moment(max(seen)), "count": words.count(lately)}
    return Row(_("In visitors' browsers"), _("seen"), "good", means, ("store",))


def _way(shop: Shop) -> Row:
    name = _("How it gets there")
    if is_by_theme(shop):
        means = _(
            "Shopify takes no scripts from apps any more, so you switch the rewards button on in your theme, once."
        )
        return Row(name, _("your theme"), "neutral", means)
    if shop.storefront_problem:
        return Row(name, _("failed"), "bad", _("Shopify didn't take the script. Activity says why."))
    if shop.script_tag_id is None:
        return Row(name, _("under way"), "info", _("Shopify is being asked to load the script on your storefront."))
    means = _("Your store loads a small script on each page. Nothing in your theme was changed.")
    return Row(name, _("script tag"), "neutral", means)


def _theme(shop: Shop, words: Words) -> Row:
    theme = shop.storefront_theme
    if not theme:
        means = _("We can't see your theme yet.")
        return Row(_("Your published theme"), _("not known"), "neutral", means, ("editor", "again"))
    name = _("Your published theme: %(theme)s") % {"theme": theme["name"]}
    checked = _("Checked %(moment)s.") % {"moment": words.moment(dt.datetime.fromisoformat(theme["read_at"]))}
    if theme["embed"]:
        return Row(name, _("switched on"), "good", checked, ("editor", "again"))
    if theme["embed"] is None:
        unread = _("The theme's settings can't be read.")
        return Row(name, _("not known"), "neutral", f"{unread} {checked}", ("editor", "again"))
    todo = _("The theme editor opens with the button switched on: press Save there. A new theme needs it once more.")
    return Row(name, _("switched off"), "warn", f"{todo} {checked}", ("editor", "again"))


def _weight(words: Words) -> Row:
    bytes_of = sizes()
    heaviest = max(bytes_of[f"{name}.js"] for name in panels())
    loader, panel = (words.decimal(size / 1000) for size in (bytes_of[f"{LOADER}.js"], heaviest))
    means = _(
        "%(loader)s KB on each page, %(panel)s KB more when somebody opens the panel. Your page never waits for it."
    )
    return Row(_("Weight"), "", "neutral", means % {"loader": loader, "panel": panel})


def _switch(shop: Shop, words: Words) -> Row:
    if shop.storefront_off_at:
        means = _("Off since %(moment)s. Shoppers see nothing of Encore; points are counted all the same.") % {
            "moment": words.moment(shop.storefront_off_at)
        }
        return Row(_("Everything on the storefront"), _("switched off"), "warn", means, ("on",))
    means = _(
        "Takes the button, the panel and what is said about points away from each page that is opened from then on."
    )
    return Row(_("Everything on the storefront"), _("switched on"), "good", means, ("off",))
