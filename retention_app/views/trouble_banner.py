"""What every page of the admin says while something keeps us from working for the shop."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from retention_app.models import Shop
from retention_app.words import words_for


@dataclass(frozen=True)
class TroubleBanner:
    """What happened, what it means, what to do, and the way back: `link` opens in this frame or, with `leaves`, in the
    whole window; without a link the button looks again."""

    happened: str
    means: str
    todo: str
    button: str
    link: str = ""
    leaves: bool = False


def trouble_banner(shop: Shop) -> TroubleBanner | None:
    """The banner for what the shop is in; None when all is well."""
    if not shop.trouble or not shop.trouble_since:
        return None
    since = {"day": words_for(shop).moment(shop.trouble_since)}
    if shop.trouble == Shop.Trouble.SCOPES:
        return TroubleBanner(
            happened=_("Encore lacks permissions in your store."),
            means=_("Missing: %(permissions)s. What needs them waits; the rest works, and nothing is lost.")
            % {"permissions": _(", ").join(_permission(scope) for scope in shop.missing_scopes.split(",") if scope)},
            todo=_("Shopify shows you the list and asks for your approval."),
            button=_("Approve permissions"),
            link=f"{reverse('grant_install')}?{urlencode({'shop': shop.domain})}",
            leaves=True,
        )
    if shop.trouble == Shop.Trouble.FROZEN:
        return TroubleBanner(
            happened=_("Your store has been closed to apps since %(day)s.") % since,
            means=_("Nothing is lost: you see what is stored, and what happens meanwhile is fetched later."),
            todo=_("Once Shopify opens it again, Encore goes on by itself within the hour, or right away if you ask."),
            button=_("Check again"),
        )
    return TroubleBanner(
        happened=_("Encore has had no access to your store since %(day)s.") % since,
        means=_("Nothing is lost: you see what is stored, and new orders are fetched later."),
        todo=_("Opening Encore again renews its access."),
        button=_("Open Encore again"),
        link=reverse("admin:home"),
    )


def _permission(scope: str) -> str:
    """A scope as merchants understand it."""
    names = {
        "read_customers": _("seeing customers"),
        "read_orders": _("seeing orders"),
        "read_all_orders": _("seeing orders older than 60 days"),
        "read_products": _("seeing products"),
        "read_discounts": _("seeing discount codes"),
        "write_discounts": _("creating discount codes"),
        "read_themes": _("seeing whether your theme shows the rewards button"),
        "write_script_tags": _("the rewards button on your storefront"),
        "write_app_proxy": _("answering on your storefront"),
    }
    return names.get(scope, scope)
