"""The programme's rules as sentences."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from loyalty.rules.programme import Document
from retention_app.words import Words


@dataclass(frozen=True)
class Sentences:
    """A document in words: how points are earned, what they are worth, what that gives back."""

    earn: str
    worth: str
    back: str


def sentences(document: Document, words: Words) -> Sentences:
    earn, worth = document["earn"], document["worth"]
    return Sentences(
        earn=ngettext(
            "Every %(per)s spent earns %(points)s point.",
            "Every %(per)s spent earns %(points)s points.",
            earn["points"],
        )
        % {"per": words.money(earn["per_minor"]), "points": words.count(earn["points"])},
        worth=ngettext(
            "%(points)s point is worth %(amount)s.",
            "%(points)s points are worth %(amount)s.",
            worth["points"],
        )
        % {"points": words.count(worth["points"]), "amount": words.money(worth["minor"])},
        back=_("That gives back %(share)s of what customers spend.") % {"share": words.percent(given_back(document))},
    )


def given_back(document: Document) -> float:
    """The share of what was spent that its points are worth: 0.05 for a point a dollar, a hundred worth five."""
    earn, worth = document["earn"], document["worth"]
    return (earn["points"] * worth["minor"]) / (earn["per_minor"] * worth["points"])
