"""What shoppers read of the programme and of baskets: the shop speaks, to them, in the active language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from loyalty.estimates import Basket, Certainty, Estimate
from loyalty.rules.programme import TierBy, TierPeriod, completed
from loyalty.sentences import sentences, threshold, times
from retention_app.words import Words

_TIME_TOLD = ("waiting", "expiry")  # of the sentences on time; what happens to debts is the member's own line


def rules_told(document: Mapping[str, Any], words: Words) -> dict[str, Any]:
    """The ways to earn in sentences; how tiers work and each of them, None without any."""
    complete = completed(document)
    told = sentences(complete, words)
    tiers = complete["tiers"]
    return {
        "earn": told.earn + told.worth + [line.text for line in told.lines if line.key in _TIME_TOLD],
        "tiers": tiers
        and {
            "text": [your_tier(tiers["by"], tiers["period"])],
            "levels": [
                {
                    "name": level["name"],
                    "from": _("From %(threshold)s") % {"threshold": threshold(tiers, level, words)},
                    "gives": _("Your orders count %(times)s") % {"times": times(level["percent"], words)},
                }
                for level in tiers["levels"]
            ],
        },
    }


def your_tier(by: TierBy, period: TierPeriod) -> str:
    """What decides a shopper's tier."""
    return {
        ("spend", "lifetime"): _("Your tier follows all you have spent here."),
        ("spend", "rolling_year"): _("Your tier follows what you spend in 12 months."),
        ("spend", "calendar_year"): _("Your tier follows what you spend in a calendar year."),
        ("spend", "anniversary"): _("Your tier follows what you spend in a year of membership."),
        ("points", "lifetime"): _("Your tier follows all points you have earned."),
        ("points", "rolling_year"): _("Your tier follows the points you earn in 12 months."),
        ("points", "calendar_year"): _("Your tier follows the points you earn in a calendar year."),
        ("points", "anniversary"): _("Your tier follows the points you earn in a year of membership."),
        ("orders", "lifetime"): _("Your tier follows all your orders."),
        ("orders", "rolling_year"): _("Your tier follows your orders of 12 months."),
        ("orders", "calendar_year"): _("Your tier follows your orders of a calendar year."),
        ("orders", "anniversary"): _("Your tier follows your orders of a year of membership."),
    }[by, period]


NOTHING_TO_SAY = {"points": 0, "text": "", "figure": ""}


def earns_told(basket: Basket, found: Estimate, is_signed_in: bool, words: Words) -> dict[str, Any]:
    """The earn line, and its short form for the button."""
    return _line(_earns(basket, found.certainty, is_signed_in, found.points), found.points, words)


def earned_told(points: int, words: Words) -> dict[str, Any]:
    """The same of an order that was booked: nothing about it is open."""
    said = ngettext("This order earns %(points)s point", "This order earns %(points)s points", points)
    return _line(said, points, words)


def _line(said: str, points: int, words: Words) -> dict[str, Any]:
    if not points:
        return NOTHING_TO_SAY
    return {"points": points, "text": said % {"points": words.count(points)}, "figure": f"+{words.count(points)}"}


def _earns(basket: Basket, certainty: Certainty, is_signed_in: bool, points: int) -> str:
    if not basket.is_one_product:
        return ngettext("This basket earns about %(points)s point", "This basket earns about %(points)s points", points)
    if is_signed_in and certainty == "exact":
        return ngettext("Earn %(points)s point with this", "Earn %(points)s points with this", points)
    if is_signed_in:
        return ngettext("Earn about %(points)s point with this", "Earn about %(points)s points with this", points)
    if certainty == "least":
        return ngettext("Members earn at least %(points)s point", "Members earn at least %(points)s points", points)
    return ngettext("Members earn about %(points)s point", "Members earn about %(points)s points", points)
