"""The programme's rules as sentences."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from babel.numbers import format_decimal
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from loyalty.rules.programme import Document, LevelDocument, MultiplierDocument, TiersDocument, given_back
from loyalty.tier_words import quantity_text
from retention_app.words import Words

Section = Literal["earn", "worth", "time", "tiers"]


@dataclass(frozen=True)
class Line:
    """One rule in words. `key` names the same rule in every version of the programme."""

    key: str
    section: Section
    label: str
    text: str


@dataclass(frozen=True)
class Sentences:
    """A document in words, rule by rule, and what it gives back."""

    lines: list[Line]
    back: str

    def of(self, section: Section) -> list[str]:
        return [line.text for line in self.lines if line.section == section]

    @property
    def earn(self) -> list[str]:
        return self.of("earn")

    @property
    def worth(self) -> list[str]:
        return self.of("worth")

    @property
    def time(self) -> list[str]:
        return self.of("time")

    @property
    def tiers(self) -> list[str]:
        return self.of("tiers")


def sentences(document: Document, words: Words) -> Sentences:
    earn, worth, bonuses, tiers = document["earn"], document["worth"], document["bonuses"], document["tiers"]
    lines = [
        Line(
            "earn",
            "earn",
            _("Earning points"),
            ngettext(
                "Every %(per)s spent earns %(points)s point.",
                "Every %(per)s spent earns %(points)s points.",
                earn["points"],
            )
            % {"per": words.money(earn["per_minor"]), "points": words.count(earn["points"])},
        )
    ]
    for multiplier in document["multipliers"]:
        lines.append(Line(f"multiplier:{multiplier['key']}", "earn", multiplier["name"], _counts(multiplier, words)))
    if order := bonuses["order"]:
        text = ngettext(
            "Orders of %(amount)s or more earn %(points)s point more.",
            "Orders of %(amount)s or more earn %(points)s points more.",
            order["points"],
        ) % {"amount": words.money(order["from_minor"]), "points": words.count(order["points"])}
        lines.append(Line("order_bonus", "earn", _("Large orders"), text))
    if first := bonuses["first_order"]:
        text = ngettext(
            "The first order earns %(points)s point more.", "The first order earns %(points)s points more.", first
        ) % {"points": words.count(first)}
        lines.append(Line("first_order", "earn", _("First order"), text))
    if most := document["order_max"]:
        text = ngettext("At most %(points)s point an order.", "At most %(points)s points an order.", most) % {
            "points": words.count(most)
        }
        lines.append(Line("order_max", "earn", _("Limit"), text))
    text = ngettext(
        "%(points)s point is worth %(amount)s.", "%(points)s points are worth %(amount)s.", worth["points"]
    ) % {"points": words.count(worth["points"]), "amount": words.money(worth["minor"])}
    lines.append(Line("worth", "worth", _("What points are worth"), text))
    lines += _time(document)
    lines += _tiers(tiers, words) if tiers else []
    share = words.percent(float(given_back(document)))
    return Sentences(lines, _("That gives back %(share)s of what customers spend.") % {"share": share})


def times(percent: int, words: Words) -> str:
    """150 → 1.5×."""
    return f"{format_decimal(Decimal(percent) / 100, '0.##', locale=words.locale.replace('-', '_'))}×"


def threshold(tiers: TiersDocument, level: LevelDocument, words: Words) -> str:
    """What a level asks for: an amount, points or orders."""
    return quantity_text(tiers["by"], level["from"], words)


def _counts(multiplier: MultiplierDocument, words: Words) -> str:
    told = {
        "name": f"{multiplier['name']} ({_called(multiplier['label'])})",
        "times": times(multiplier["percent"], words),
    }
    starts, until = multiplier["from"], multiplier["until"]
    if starts:
        told["first"] = words.day(dt.datetime.fromisoformat(starts))
    if until:
        told["last"] = words.day(dt.datetime.fromisoformat(until) - dt.timedelta(seconds=1))
    if starts and until:
        return _("%(name)s counts %(times)s from %(first)s to %(last)s.") % told
    if starts:
        return _("%(name)s counts %(times)s from %(first)s on.") % told
    if until:
        return _("%(name)s counts %(times)s until %(last)s.") % told
    return _("%(name)s counts %(times)s.") % told


def _called(label: str) -> str:
    kind, _colon, which = label.partition(":")
    return f"{label_kinds()[kind]} {which}"


def label_kinds() -> dict[str, str]:
    """What a multiplier can be about, by the first word of its label."""
    return {"product": _("product"), "collection": _("collection"), "tag": _("tag")}


def _time(document: Document) -> list[Line]:
    days, after = document["waiting"]["days"], document["waiting"]["after"]
    if not days and after == "payment":
        waiting = _("Points can be used at once.")
    elif not days:
        waiting = _("Points can be used once the order is fulfilled.")
    elif after == "payment":
        waiting = ngettext(
            "Points can be used %(days)s day after payment.", "Points can be used %(days)s days after payment.", days
        ) % {"days": days}
    else:
        waiting = ngettext(
            "Points can be used %(days)s day after fulfilment.",
            "Points can be used %(days)s days after fulfilment.",
            days,
        ) % {"days": days}
    months = document["expiry_months"]
    expiry = _("Points never expire.")
    if months:
        expiry = ngettext(
            "Points expire %(months)s month after they can first be used.",
            "Points expire %(months)s months after they can first be used.",
            months,
        ) % {"months": months}
    short = (
        _("When points that were used are taken back, the balance goes below zero and new points settle it.")
        if document["short"] == "owed"
        else _("When points that were used are taken back, the balance stops at zero.")
    )
    return [
        Line("waiting", "time", _("Waiting period"), waiting),
        Line("expiry", "time", _("Expiry"), expiry),
        Line("short", "time", _("Negative balances"), short),
    ]


def _tiers(tiers: TiersDocument, words: Words) -> list[Line]:
    told = {"what": ways_to_qualify()[tiers["by"]], "when": periods()[tiers["period"]]}
    how = [_("Members qualify by %(what)s in %(when)s.") % told]
    if tiers["hold_days"]:
        how.append(
            ngettext(
                "They keep a tier for at least %(days)s day.",
                "They keep a tier for at least %(days)s days.",
                tiers["hold_days"],
            )
            % {"days": tiers["hold_days"]}
        )
    how.append(_loss(tiers["grace_days"]))
    lines = [Line("tiers", "tiers", _("How tiers work"), " ".join(how))]
    for level in tiers["levels"]:
        text = _("%(tier)s from %(threshold)s: orders count %(times)s.") % {
            "tier": level["name"],
            "threshold": threshold(tiers, level, words),
            "times": times(level["percent"], words),
        }
        lines.append(Line(f"level:{level['key']}", "tiers", level["name"], text))
    if tiers["protect_until"]:
        day = words.day(dt.datetime.fromisoformat(tiers["protect_until"]))
        text = _("Nobody moves down before %(day)s.") % {"day": day}
        lines.append(Line("protect_until", "tiers", _("Protection"), text))
    return lines


def _loss(grace_days: int) -> str:
    if not grace_days:
        return _("They lose one tier at a time.")
    return ngettext(
        "They lose one tier at a time after %(days)s day of grace.",
        "They lose one tier at a time after %(days)s days of grace.",
        grace_days,
    ) % {"days": grace_days}


def ways_to_qualify() -> dict[str, str]:
    """What counts towards tiers, by the document's `by`."""
    return {"spend": _("what they spend"), "points": _("points they earn"), "orders": _("their orders")}


def periods() -> dict[str, str]:
    """The time in which it counts, by the document's `period`."""
    return {
        "rolling_year": _("the last 12 months"),
        "calendar_year": _("this calendar year or the last"),
        "anniversary": _("this year of membership or the last"),
        "lifetime": _("all their time with you"),
    }
