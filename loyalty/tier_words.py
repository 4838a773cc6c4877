"""What counts towards tiers, in words."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from loyalty.rules.programme import TierBy, TierPeriod
from retention_app.words import Words


def quantity_text(by: TierBy, quantity: int, words: Words) -> str:
    """R$412.00, 412 points or 4 orders."""
    if by == "spend":
        return words.money(quantity)
    if by == "points":
        said = ngettext("%(count)s point", "%(count)s points", quantity)
    else:
        said = ngettext("%(count)s order", "%(count)s orders", quantity)
    return said % {"count": words.count(quantity)}


def by_text(by: TierBy, period: TierPeriod) -> str:
    """By spend in 12 months."""
    return {
        ("spend", "lifetime"): _("by all they ever spent"),
        ("spend", "rolling_year"): _("by spend in 12 months"),
        ("spend", "calendar_year"): _("by spend in a calendar year"),
        ("spend", "anniversary"): _("by spend in a year of membership"),
        ("points", "lifetime"): _("by all points they ever earned"),
        ("points", "rolling_year"): _("by points earned in 12 months"),
        ("points", "calendar_year"): _("by points earned in a calendar year"),
        ("points", "anniversary"): _("by points earned in a year of membership"),
        ("orders", "lifetime"): _("by all their orders"),
        ("orders", "rolling_year"): _("by orders in 12 months"),
        ("orders", "calendar_year"): _("by orders in a calendar year"),
        ("orders", "anniversary"): _("by orders in a year of membership"),
    }[by, period]
