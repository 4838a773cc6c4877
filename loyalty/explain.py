"""Explanations in words: the data a statement keeps, as complete sentences of a language.

The texts are gettext's; numbers and money are written by `retention_app.formatting`. The sums add up as they stand.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any, Protocol

from babel.numbers import format_decimal
from django.utils import translation
from django.utils.translation import gettext, ngettext

from retention_app.formatting import money
from retention_app.money import exponent

Explanation = dict[str, Any]

_DECIMALS_MAX = 4  # of a figure that doesn't come out even; "…" stands for the rest


class Explained(Protocol):
    """What `what` names: a ledger row or a statement's line."""

    @property
    def source(self) -> str: ...

    @property
    def explanation(self) -> Explanation: ...

    @property
    def order_name(self) -> str: ...


def what(row: Explained, locale: str) -> str:
    """What a row is about: "Order #1042", "Return from order #1031"."""
    with translation.override(locale):
        names = {"order": row.order_name}
        if row.explanation["kind"] in ("corrected", "withdrawn"):
            return gettext("Correction for order %(order)s") % names
        if row.source.startswith("refund:"):
            if row.explanation["lines"]:
                return gettext("Return from order %(order)s") % names
            return gettext("Refund on order %(order)s") % names
        if row.source.startswith("cancellation:"):
            return gettext("Cancellation of order %(order)s") % names
        return gettext("Order %(order)s") % names


def explanation_lines(explanation: Explanation, locale: str, currency: str) -> list[str]:
    """The sentences behind an amount: the sum in figures first, then rule and version."""
    with translation.override(locale):
        return _Words(locale, currency).lines(explanation)


def _present(explanation: Explanation) -> Explanation:
    """An explanation in today's form: the first postings had a take-back's sums as plain numbers."""
    if "base_before_minor" not in explanation:
        return explanation
    sums = {
        when: {"base_minor": explanation[f"base_{when}_minor"], "result": explanation[when]}
        for when in ("before", "after")
    }
    return {**explanation, **sums}


class _Words:
    """Writes explanations in the active language; `locale` and `currency` shape the figures."""

    def __init__(self, locale: str, currency: str) -> None:
        self.locale, self.currency = locale, currency

    def lines(self, explanation: Explanation) -> list[str]:
        explanation = _present(explanation)
        match explanation["kind"]:
            case "earned":
                formula = self.formula(explanation, explanation["base_minor"])
                return [formula, *self.order_lines(explanation["lines"]), self.rule(explanation)]
            case "nothing":
                return [self.nothing(explanation["reason"])]
            case "refunded":
                return self.refunded(explanation)
            case "cancelled":
                return [self.cancelled(explanation), self.rule(explanation)]
            case "corrected":
                figures = {
                    "posted": self.signed(explanation["posted"]),
                    "stated": self.signed(explanation["stated"]),
                    "amount": self.signed(explanation["stated"] - explanation["posted"]),
                }
                sentence = gettext("Corrected from %(posted)s to %(stated)s: %(amount)s.")
                return [sentence % figures, *self.lines(explanation["now"])]
            case "withdrawn":
                sentence = gettext("This order no longer counts for this customer: %(posted)s is undone.")
                return [sentence % {"posted": self.signed(explanation["posted"])}]
            case kind:
                raise ValueError(f"No words for an explanation of kind {kind!r}.")

    def formula(self, explanation: Explanation, base_minor: int | str) -> str:
        """“36.00 × 3 points per R$1.00 = 108”, with the rounding where there is any."""
        result = Fraction(base_minor) * explanation["points"] / explanation["per_minor"]
        figures = {
            "base": self.amount(base_minor),
            "points": self.number(explanation["points"]),
            "per": money(explanation["per_minor"], self.currency, self.locale),
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
        """“2 × Mug: 24.00”, one for each order line."""
        told = []
        for line in lines:
            amount = self.amount(line["minor"])
            if "more" in line:
                sentence = ngettext("%(count)s more line: %(amount)s", "%(count)s more lines: %(amount)s", line["more"])
                told.append(sentence % {"count": self.number(line["more"]), "amount": amount})
            else:
                figures = {"quantity": self.number(line["quantity"]), "title": line["title"], "amount": amount}
                told.append(gettext("%(quantity)s × %(title)s: %(amount)s") % figures)
        return told

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
            "money": money(unlined, self.currency, self.locale),
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
        before, after = (
            sentence % {"formula": self.formula(explanation, explanation[which]["base_minor"])}
            for which, sentence in (
                ("before", gettext("Before: %(formula)s")),
                ("after", gettext("After: %(formula)s")),
            )
        )
        return [sentence % figures, *self.order_lines(lines), before, after, self.rule(explanation)]

    def cancelled(self, explanation: Explanation) -> str:
        taken = explanation["before"]["result"] - explanation["after"]["result"]
        sentence = ngettext(
            "The order was cancelled: the %(taken)s point it still had is taken back.",
            "The order was cancelled: the %(taken)s points it still had are taken back.",
            taken,
        )
        return sentence % {"taken": self.number(taken)}

    def amount(self, minor: int | str) -> str:
        """Minor units as a plain decimal number: “36.00”."""
        decimals = exponent(self.currency)
        return self.number(Fraction(minor) / 10**decimals, decimals)

    def number(self, value: int | Fraction, decimals: int = 0) -> str:
        """A number with at least `decimals` decimals; more where it needs them, “…” where they don't end."""
        while decimals < _DECIMALS_MAX and (value * 10**decimals) % 1:
            decimals += 1
        shown = int(value * 10**decimals // 1)
        text = format_decimal(
            Decimal(shown).scaleb(-decimals),
            format="#,##0." + "0" * decimals if decimals else "#,##0",
            locale=self.locale.replace("-", "_"),
        )
        return text if shown == value * 10**decimals else f"{text}…"

    def signed(self, points: int) -> str:
        """“+50”, “−35” or “0”."""
        return ("−" if points < 0 else "+" if points else "") + self.number(abs(points))
