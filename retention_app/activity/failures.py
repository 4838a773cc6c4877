"""What an error means, in the shop's words. The class says it; its message is for support."""

from __future__ import annotations

from django.utils.translation import gettext as _

UNREACHABLE = frozenset({"TransientError", "Throttled", "StaleAnswer", "StillStale"})
NO_PERMISSION = frozenset({"AccessDenied", "ScopesMissing"})
REFUSED = frozenset({"Refused", "Expired"})
NO_ENTRY = frozenset({"Unauthorized", "ShopUnavailable", "ShopClosed", "UnknownShop"})


def happened(error_class: str, error: str) -> str:
    """What happened, one sentence."""
    if error_class in UNREACHABLE:
        return _("Shopify couldn't be reached, or asked us to wait.")
    if error_class in NO_PERMISSION:
        return _("Shopify refused: Encore doesn't have the permission for this.")
    if error_class in REFUSED:
        return _("Shopify refused: “%(reason)s”") % {"reason": error}
    if error_class in NO_ENTRY:
        return _("Shopify doesn't let Encore into your store.")
    return _("Something broke on our side.")


def todo(error_class: str) -> str:
    """What to do about something that needs attention."""
    if error_class in UNREACHABLE:
        return _("Retry. Shopify's status page says whether there is an outage.")
    if error_class in NO_PERMISSION | NO_ENTRY:
        return _("Open Encore from your Shopify admin and accept the permissions it asks for, then Retry.")
    if error_class in REFUSED:
        return _("Fix what Shopify names, then Retry. If it is no longer wanted, Skip.")
    return _("Retry. If it fails again, tell us the reference below.")


def try_text(error_class: str) -> str:
    """A failed try in a few words."""
    if error_class in UNREACHABLE:
        return _("no answer")
    if error_class in NO_PERMISSION | REFUSED | NO_ENTRY:
        return _("refused")
    return _("failed")
