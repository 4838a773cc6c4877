"""Explanations in words: the data a statement keeps, as complete sentences of a language.

The texts are gettext's; numbers, money and days are written by `retention_app.words`. The sums add up as they stand.
"""

from __future__ import annotations

import datetime as dt
from contextlib import AbstractContextManager, nullcontext
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any, Protocol

from babel.numbers import format_decimal
from django.utils import translation
from django.utils.translation import gettext, ngettext

from loyalty.models import Adjustment, Spending
from retention_app.formatting import KEPT
from retention_app.money import exponent
from retention_app.words import Words

Explanation = dict[str, Any]

_DECIMALS_MAX = 4  # of a figure that doesn't come out even; "…" stands for the rest
_DUE_LENGTH = len(":2027-01-31T03:00:00Z")  # what follows the credit's source in an expiry's
_JUDGED_IN_TIER = {"earned", "refunded", "cancelled"}
_CREDITS = {"earned", "first_order", "adjusted"}


class Explained(Protocol):
    """A line of a statement or a posting of it, with what is known about its order, adjustment or spending."""

    @property
    def source(self) -> str: ...

    @property
    def explanation(self) -> Explanation: ...

    @property
    def order_name(self) -> str: ...

    @property
    def adjustment(self) -> Adjustment | None: ...

    @property
    def spending(self) -> Spending | None: ...


class Dated(Explained, Protocol):
    """The same with its amount and instants."""

    @property
    def at(self) -> dt.datetime: ...

    @property
    def amount(self) -> int: ...

    @property
    def usable_from(self) -> dt.datetime | None: ...

    @property
    def expires_at(self) -> dt.datetime | None: ...


def what(row: Explained, words: Words, by: str = "") -> str:
    """What a row is about: "Order #1042", "Return from order #1031", "Adjusted by the store: Late parcel". `by` is who
    of the store it was, for staff's eyes."""
    with _language_of(words):
        name = _name(row.source, row, by)
        match row.explanation["kind"]:
            case "corrected" | "withdrawn" if row.order_name:
                return gettext("Correction for order %(order)s") % {"order": row.order_name}
            case "corrected" | "withdrawn":
                return gettext("Correction: %(what)s") % {"what": name}
            case "moved" if row.explanation.get("claimed"):
                return gettext("Claimed by signing in: %(what)s") % {"what": name}
            case "moved":
                return gettext("New dates: %(what)s") % {"what": name}
        return name


def why(row: Dated, words: Words) -> list[str]:
    """All sentences behind a row: the sum in figures, rule and version, the tier then, from when it counts and can be
    used, and when it expires."""
    told = explanation_lines(row.explanation, words)
    with _language_of(words):
        judged = row.explanation.get("now", row.explanation)
        if judged["kind"] in _JUDGED_IN_TIER:
            tier = judged.get("tier")
            told.append(
                gettext("Tier then: %(tier)s.") % {"tier": tier["name"]} if tier else gettext("Tier then: none.")
            )
        if row.amount > 0 and judged["kind"] in _CREDITS:
            told += _life(row, judged.get("waiting"), words)
        elif judged["kind"] != "moved":
            told.append(gettext("Counts from %(moment)s.") % {"moment": words.moment(row.at)})
    return told


def explanation_lines(explanation: Explanation, words: Words) -> list[str]:
    """The sentences that an explanation itself holds: the sum in figures first, then rule and version."""
    with _language_of(words):
        return _Sentences(words).lines(explanation)


def trial_lines(explanation: Explanation, words: Words) -> list[str]:
    """Why an order would have earned what it would: the sum and the order's lines, without any version's name."""
    with _language_of(words):
        return _Sentences(words).trial(explanation)


def _language_of(words: Words) -> AbstractContextManager[None]:
    """Speak these words' language. Where it is spoken already, changing it would cost more than a sentence."""
    return nullcontext() if translation.get_language() == words.locale else translation.override(words.locale)


def reason_text(code: str) -> str:
    """Why staff adjusted somebody's points, in the active language."""
    return {
        "goodwill": gettext("Goodwill"),
        "late": gettext("Late parcel"),
        "mistake": gettext("Correction of a mistake"),
        "gift": gettext("Gift"),
        "moved": gettext("Balance from another programme"),
        "misuse": gettext("Misuse"),
    }.get(code, gettext("Other reason"))


def _name(source: str, row: Explained, by: str) -> str:
    kind, _, rest = source.partition(":")
    order = {"order": row.order_name}
    match kind:
        case "first_order":
            return gettext("First-order bonus, order %(order)s") % order
        case "refund" if row.explanation.get("now", row.explanation).get("lines"):
            return gettext("Return from order %(order)s") % order
        case "refund":
            return gettext("Refund on order %(order)s") % order
        case "cancellation":
            return gettext("Cancellation of order %(order)s") % order
        case "refund_bonus" | "cancellation_bonus":
            return gettext("First-order bonus taken back, order %(order)s") % order
        case "adjustment":
            reason = reason_text(row.adjustment.reason if row.adjustment else "")
            if by:
                return gettext("Adjusted by %(person)s: %(reason)s") % {"person": by, "reason": reason}
            return gettext("Adjusted by the store: %(reason)s") % {"reason": reason}
        case "spending" | "undo":
            return _spending_name(row.spending, undone=kind == "undo")
        case "expiry":
            return gettext("Expired: %(what)s") % {"what": _name(rest[:-_DUE_LENGTH], row, by)}
        case "late":
            return gettext("Taken back later: %(what)s") % {"what": _name(rest.rpartition(":")[0], row, by)}
        case _:
            return gettext("Order %(order)s") % order


def _spending_name(spending: Spending | None, *, undone: bool) -> str:
    code = spending.purpose.get("code") if spending else None
    if code and undone:
        return gettext("Points given back, %(code)s") % {"code": code}
    if code:
        return gettext("Points used, %(code)s") % {"code": code}
    return gettext("Points given back") if undone else gettext("Points used")


def _life(row: Dated, waiting: dict[str, Any] | None, words: Words) -> list[str]:
    """From when a credit counts and can be used, and when what is left of it expires."""
    moment = {"moment": words.moment(row.at)}
    days = waiting["days"] if waiting else 0
    fulfilled = waiting is not None and waiting["after"] == "fulfilment"
    usable = row.usable_from
    claim = waiting is not None and waiting.get("claim", False)
    if usable is None and claim:
        said = gettext("Can be used once this e-mail has signed in.")
    elif usable is None and fulfilled:
        said = (
            ngettext(
                "Can be used %(days)s day after the order is fulfilled.",
                "Can be used %(days)s days after the order is fulfilled.",
                days,
            )
            if days
            else gettext("Can be used once the order is fulfilled.")
        )
    elif usable is None or usable <= row.at:
        told = [gettext("Counts from %(moment)s and can be used at once.") % moment]
        return told + _expiry(row, words)
    elif days and fulfilled and not claim:
        said = ngettext(
            "Can be used from %(day)s, %(days)s day after the order was fulfilled.",
            "Can be used from %(day)s, %(days)s days after the order was fulfilled.",
            days,
        )
    elif days and not claim:
        said = ngettext(
            "Can be used from %(day)s, %(days)s day after payment.",
            "Can be used from %(day)s, %(days)s days after payment.",
            days,
        )
    else:
        said = gettext("Can be used from %(day)s.")
    figures = {"days": words.count(days), "day": words.day(usable) if usable else ""}
    return [gettext("Counts from %(moment)s.") % moment, said % figures, *_expiry(row, words)]


def _expiry(row: Dated, words: Words) -> list[str]:
    if row.expires_at is None:
        return []
    return [gettext("What is left of it expires on %(day)s.") % {"day": words.day(row.expires_at)}]


def _present(explanation: Explanation) -> Explanation:
    """An explanation in today's form: the first postings had a take-back's sums as plain numbers, and knew neither
    multipliers nor bonuses."""
    if "base_before_minor" in explanation:
        sums = {
            when: {"base_minor": explanation[f"base_{when}_minor"], "result": explanation[when]}
            for when in ("before", "after")
        }
        return {**explanation, **sums}
    return explanation


class _Sentences:
    """Writes explanations in the active language; `words` shapes the figures."""

    def __init__(self, words: Words) -> None:
        self.words, self.locale, self.currency = words, words.locale, words.currency

    def lines(self, explanation: Explanation) -> list[str]:
        explanation = _present(explanation)
        match explanation["kind"]:
            case "earned":
                sums = self.sums(explanation, explanation)
                return [*sums, *self.order_lines(explanation["lines"]), self.rule(explanation)]
            case "nothing":
                return [self.nothing(explanation["reason"])]
            case "first_order":
                return [self.first_order(explanation)]
            case "refunded":
                return self.refunded(explanation)
            case "cancelled":
                return [self.cancelled(explanation), *self.shortage(explanation), self.rule(explanation)]
            case "first_order_lost":
                return [self.first_order_lost(explanation), *self.shortage(explanation)]
            case "adjusted":
                counts = [gettext("It counts towards tiers.")] if explanation["counts"] else []
                return [gettext("The store's staff decided it."), *self.shortage(explanation), *counts]
            case "spent":
                return [self.spent(explanation), *self.shortage(explanation)]
            case "undone":
                return [gettext("What the points were for was given up, so they are back.")]
            case "expired":
                return [gettext("These points weren't used in time.")]
            case "late":
                return [
                    gettext(
                        "These points belonged to something that was returned. They had been used then, were given"
                        " back since, and are taken now."
                    )
                ]
            case "moved":
                return self.moved(explanation)
            case "corrected":
                figures = {
                    "posted": self.signed(explanation["posted"]),
                    "stated": self.signed(explanation["stated"]),
                    "amount": self.signed(explanation["stated"] - explanation["posted"]),
                }
                sentence = gettext("Corrected from %(posted)s to %(stated)s: %(amount)s.")
                return [sentence % figures, *self.lines(explanation["now"])]
            case "withdrawn":
                sentence = gettext("This no longer counts for this customer: %(posted)s is undone.")
                return [sentence % {"posted": self.signed(explanation["posted"])}]
            case kind:
                raise ValueError(f"No words for an explanation of kind {kind!r}.")

    def spent(self, explanation: Explanation) -> str:
        """Which points were used, as far as they were to expire."""
        taken = explanation.get("taken", ())
        parts = [
            gettext("%(points)s (%(day)s)")
            % {"points": self.number(points), "day": self.words.day(dt.datetime.fromisoformat(due))}
            for points, due in taken
            if due
        ]
        if not parts:
            return gettext("Points that expire first are used first.")
        lasting = explanation.get("more", 0) + sum(points for points, due in taken if not due)
        if lasting:
            parts.append(ngettext("%(points)s other", "%(points)s others", lasting) % {"points": self.number(lasting)})
        return gettext("Used the points that expire first: %(parts)s.") % {"parts": self.words.listing(parts)}

    def trial(self, explanation: Explanation) -> list[str]:
        if explanation["kind"] == "first_order":
            sentence = ngettext(
                "%(points)s point for a first order.", "%(points)s points for a first order.", explanation["points"]
            )
            return [sentence % {"points": self.number(explanation["points"])}]
        if explanation["kind"] != "earned":
            return self.lines(explanation)
        return [*self.sums(explanation, explanation), *self.order_lines(explanation["lines"])]

    def sums(self, explanation: Explanation, figures: Explanation) -> list[str]:
        """The way from an order's worth to its points: the formula, the bonus, the cap."""
        worth = figures["weighted_minor"] if "weighted_minor" in figures else figures["base_minor"]
        told = [self.formula(explanation, worth)]
        bonus, result = figures.get("bonus", 0), figures["result"]
        if bonus:
            sentence = gettext("Orders from %(amount)s on get more: %(spending)s + %(bonus)s = %(sum)s")
            told.append(
                sentence
                % {
                    "amount": self.words.money(figures["bonus_from_minor"]),
                    "spending": self.number(figures["spending"]),
                    "bonus": self.number(bonus),
                    "sum": self.number(figures["spending"] + bonus),
                }
            )
        if figures.get("order_max") is not None:
            sentence = gettext("%(sum)s, of which an order earns at most: %(most)s")
            told.append(sentence % {"sum": self.number(figures["spending"] + bonus), "most": self.number(result)})
        return told

    def formula(self, explanation: Explanation, worth_minor: int | str) -> str:
        """“Gold 1.5 × 36.00 × 2 points per R$1.00 = 108”, with the rounding where there is any."""
        percent = (explanation.get("tier") or {}).get("percent", 100)
        result = Fraction(worth_minor) * explanation["points"] * percent / (explanation["per_minor"] * 100)
        base = self.amount(worth_minor)
        if percent != 100:
            factor = {"tier": explanation["tier"]["name"], "factor": self.number(Fraction(percent, 100)), "base": base}
            base = gettext("%(tier)s %(factor)s × %(base)s") % factor
        figures = {
            "base": base,
            "points": self.number(explanation["points"]),
            "per": self.words.money(explanation["per_minor"]),
            "exact": self.number(result),
            "result": self.number(result // 1),
        }
        if result.denominator == 1:
            sentence = ngettext(
                "%(base)s × %(points)s point per %(per)s = %(result)s",
                "%(base)s × %(points)s points per %(per)s = %(result)s",
                explanation["points"],
            )
        else:
            sentence = ngettext(
                "%(base)s × %(points)s point per %(per)s = %(exact)s, rounded down to %(result)s",
                "%(base)s × %(points)s points per %(per)s = %(exact)s, rounded down to %(result)s",
                explanation["points"],
            )
        return sentence % figures

    def order_lines(self, lines: list[Explanation]) -> list[str]:
        """“2 × Mug: 24.00” or “1 × Tea: 36.00 × 2 (Tea week) = 72.00”, one for each order line."""
        told = []
        for line in lines:
            amount = self.counted(line)
            if "more" in line:
                sentence = ngettext("%(count)s more line: %(amount)s", "%(count)s more lines: %(amount)s", line["more"])
                told.append(sentence % {"count": self.number(line["more"]), "amount": amount})
            else:
                figures = {"quantity": self.number(line["quantity"]), "title": line["title"], "amount": amount}
                told.append(gettext("%(quantity)s × %(title)s: %(amount)s") % figures)
        return told

    def counted(self, line: Explanation) -> str:
        """An order line's price, and what multipliers make of it: “36.00 × 2 (Tea week) = 72.00”."""
        amount = self.amount(line["minor"])
        if "weighted_minor" in line:
            counts = {"amount": amount, "counted": self.amount(line["weighted_minor"])}
            return gettext("%(amount)s, counted as %(counted)s") % counts
        counted = Fraction(line["minor"])
        for multiplier in line.get("multipliers", ()):
            factor = Fraction(multiplier["percent"], 100)
            counted *= factor
            figures = {"amount": amount, "factor": self.number(factor), "name": multiplier["name"]}
            amount = gettext("%(amount)s × %(factor)s (%(name)s)") % figures
        return f"{amount} = {self.amount(str(counted))}" if line.get("multipliers") else amount

    def rule(self, explanation: Explanation) -> str:
        version = {"version": explanation["version"]}
        if explanation["backdated"]:
            sentence = gettext("Rule “Points for spending” of version %(version)s, which also counts earlier orders.")
        else:
            sentence = gettext("Rule “Points for spending” of version %(version)s, in force when the order was placed.")
        return sentence % version

    def nothing(self, reason: str) -> str:
        reasons = {
            "test": gettext("A test order earns no points."),
            "unpaid": gettext("The order isn't fully paid yet. It earns points once it is."),
            "before_programme": gettext("The order was placed before the programme counts orders."),
            "currency": gettext("The order is in a currency the programme doesn't count."),
            "no_value": gettext("Nothing in the order earns points: gift cards and free items don't count."),
        }
        return reasons[reason]

    def refunded(self, explanation: Explanation) -> list[str]:
        lines, unlined = explanation["lines"], explanation["unlined_minor"]
        taken = explanation["before"]["result"] - explanation["after"]["result"]
        figures = {
            "taken": self.number(taken),
            "version": explanation["version"],
            "before": self.number(explanation["before"]["result"]),
            "after": self.number(explanation["after"]["result"]),
            "money": self.words.money(unlined),
        }
        if len(lines) == 1 and not unlined:
            figures["title"] = lines[0]["title"]
            sentence = gettext(
                "The returned %(title)s had earned %(taken)s under version %(version)s:"
                " %(before)s before − %(after)s after."
            )
        elif lines and not unlined:
            sentence = gettext(
                "The returned items had earned %(taken)s under version %(version)s:"
                " %(before)s before − %(after)s after."
            )
        elif lines:
            sentence = gettext(
                "The returned items and the %(money)s given back had earned %(taken)s under version %(version)s:"
                " %(before)s before − %(after)s after."
            )
        else:
            sentence = gettext(
                "The %(money)s given back had earned %(taken)s under version %(version)s:"
                " %(before)s before − %(after)s after."
            )
        before, after = self.sums(explanation, explanation["before"]), self.sums(explanation, explanation["after"])
        before[0] = gettext("Before: %(formula)s") % {"formula": before[0]}
        after[0] = gettext("After: %(formula)s") % {"formula": after[0]}
        return [
            sentence % figures,
            *self.shortage(explanation),
            *self.order_lines(lines),
            *before,
            *after,
            self.rule(explanation),
        ]

    def cancelled(self, explanation: Explanation) -> str:
        taken = explanation["before"]["result"] - explanation["after"]["result"]
        sentence = ngettext(
            "The order was cancelled: the %(taken)s point it still had is taken back.",
            "The order was cancelled: the %(taken)s points it still had are taken back.",
            taken,
        )
        return sentence % {"taken": self.number(taken)}

    def first_order(self, explanation: Explanation) -> str:
        figures = {"points": self.number(explanation["points"]), "version": explanation["version"]}
        sentence = ngettext(
            "%(points)s point for a first order, by version %(version)s.",
            "%(points)s points for a first order, by version %(version)s.",
            explanation["points"],
        )
        return sentence % figures

    def first_order_lost(self, explanation: Explanation) -> str:
        sentence = ngettext(
            "Nothing is left of the order, so the %(points)s point for a first order is taken back.",
            "Nothing is left of the order, so the %(points)s points for a first order are taken back.",
            explanation["points"],
        )
        return sentence % {"points": self.number(explanation["points"])}

    def shortage(self, explanation: Explanation) -> list[str]:
        """What a debit found too little for: given up, or owed."""
        told = []
        if spared := explanation.get("spared"):
            sentence = gettext(
                "%(spared)s of them had expired or been used already and aren't taken:"
                " %(wanted)s − %(spared)s = %(taken)s."
            )
            figures = {
                "wanted": self.number(explanation["wanted"]),
                "spared": self.number(spared),
                "taken": self.number(explanation["wanted"] - spared),
            }
            told.append(sentence % figures)
        if owed := explanation.get("owed"):
            sentence = ngettext(
                "%(owed)s point of it had been used already. It is owed, and settled by what can be used next.",
                "%(owed)s points of it had been used already. They are owed, and settled by what can be used next.",
                owed,
            )
            told.append(sentence % {"owed": self.number(owed)})
        return told

    def moved(self, explanation: Explanation) -> list[str]:
        """Other dates than were posted before."""
        told = [gettext("This e-mail has signed in.")] if explanation.get("claimed") else []
        old, new = (self.day(instant) for instant in explanation["usable_from"])
        if new and old and new != old:
            told.append(gettext("Can be used from %(new)s instead of %(old)s.") % {"new": new, "old": old})
        elif new != old:
            known = gettext("Can be used from %(new)s, which wasn't known before.") % {"new": new}
            told.append(known if new else gettext("It isn't known any more from when it can be used."))
        old, new = (self.day(instant) for instant in explanation["expires_at"])
        if new and old and new != old:
            told.append(gettext("What is left of it expires on %(new)s instead of %(old)s.") % {"new": new, "old": old})
        elif new != old:
            known = gettext("What is left of it expires on %(new)s.") % {"new": new}
            told.append(known if new else gettext("It doesn't expire any more."))
        return told or [gettext("The hour changed, the day didn't.")]

    def day(self, instant: str | None) -> str:
        return self.words.day(dt.datetime.fromisoformat(instant)) if instant else ""

    def amount(self, minor: int | str) -> str:
        """Minor units as a plain decimal number: “36.00”."""
        decimals = exponent(self.currency)
        return self.number(Fraction(minor) / 10**decimals, decimals)

    def number(self, value: int | Fraction, decimals: int = 0) -> str:
        """A number with at least `decimals` decimals; more where it needs them, “…” where they don't end."""
        return _number(value, decimals, self.locale)

    def signed(self, points: int) -> str:
        """“+50”, “−35” or “0”."""
        return ("−" if points < 0 else "+" if points else "") + self.number(abs(points))


@lru_cache(KEPT)
def _number(value: int | Fraction, decimals: int, locale: str) -> str:
    while decimals < _DECIMALS_MAX and (value * 10**decimals) % 1:
        decimals += 1
    shown = int(value * 10**decimals // 1)
    text = format_decimal(
        Decimal(shown).scaleb(-decimals),
        format="#,##0." + "0" * decimals if decimals else "#,##0",
        locale=locale.replace("-", "_"),
    )
    return text if shown == value * 10**decimals else f"{text}…"
