"""Giving a customer a code, as a form."""

from __future__ import annotations

import secrets
from typing import Any

from django import forms
from django.utils.translation import gettext as _

from retention_app.models import DiscountCode, Shop
from retention_app.money import example_amount, typed_minor_units
from retention_app.offers.codes import DAYS_MAX, DAYS_USUAL, NOTE_MAX, WHOLE, fixed_minor_max
from retention_app.words import words_for

PERCENT = WHOLE // 100  # basis points


class CodeForm(forms.Form):
    """`value` is a whole percentage or a decimal amount, by `kind`; `minor` is what they mean, at most `limit_percent`
    of an order or of the average one. `key` tells one opening of the form from another, so that sending it twice gives
    one code."""

    kind = forms.ChoiceField()
    value = forms.CharField(max_length=20)
    days = forms.CharField(max_length=4)
    note = forms.CharField(max_length=NOTE_MAX, required=False)
    key = forms.RegexField(r"^[\w-]{16,64}$")

    def __init__(self, *args: Any, shop: Shop, limit_percent: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.shop, self.limit_percent = shop, limit_percent
        self.most = (fixed_minor_max(shop) or 0) * limit_percent // 100
        self.fields["kind"].choices = self.kinds  # type: ignore[attr-defined]
        labels = {
            "kind": _("Kind"),
            "value": _("How much"),
            "days": _("Days"),
            "note": _("Note for your team"),
            "key": _("This form"),
        }
        for name, label in labels.items():
            self.fields[name].label = label
            self.fields[name].error_messages["required"] = _("Enter a number.")
        self.fields["kind"].error_messages |= dict.fromkeys(("required", "invalid_choice"), _("Choose one."))
        self.fields["key"].error_messages |= dict.fromkeys(("required", "invalid"), _("Open this form again."))

    @staticmethod
    def blank() -> dict[str, str]:
        """What a form starts with."""
        return {"kind": DiscountCode.Kind.PERCENTAGE, "days": str(DAYS_USUAL), "key": secrets.token_urlsafe(24)}

    @property
    def kinds(self) -> list[tuple[str, str]]:
        """Amounts are measured by the average order, so there are none before the first."""
        share = _("Percent off the order, up to %(most)s") % {"most": self.limit_percent}
        choices = [(DiscountCode.Kind.PERCENTAGE.value, share)]
        if self.most:
            words = words_for(self.shop)
            told = {"most": words.money(self.most), "share": words.tick(self.limit_percent / 100)}
            amount = _("Amount off the order, up to %(most)s, your average order")
            if self.is_limited:
                amount = _("Amount off the order, up to %(most)s, %(share)s of your average order")
            choices.append((DiscountCode.Kind.FIXED.value, amount % told))
        return choices

    @property
    def is_limited(self) -> bool:
        return self.limit_percent < WHOLE // PERCENT

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if "value" in cleaned and "kind" in cleaned:
            is_share = cleaned["kind"] == DiscountCode.Kind.PERCENTAGE
            cleaned["minor"] = self._percent() if is_share else self._amount()
        if "days" in cleaned:
            cleaned["days"] = self._whole("days", DAYS_MAX)
        return cleaned

    def _percent(self) -> int:
        return self._whole("value", self.limit_percent) * PERCENT

    def _whole(self, name: str, most: int) -> int:
        text = self.cleaned_data[name].strip()
        if not (text.isascii() and text.isdecimal() and 0 < int(text) <= most):
            self.add_error(name, _("Enter a whole number from 1 to %(most)s.") % {"most": most})
            return 0
        return int(text)

    def _amount(self) -> int:
        try:
            minor = typed_minor_units(self.cleaned_data["value"], self.shop.currency)
        except ValueError:
            self.add_error(
                "value", _("Enter an amount like %(example)s.") % {"example": example_amount(self.shop.currency)}
            )
            return 0
        if not 0 < minor <= self.most:
            most = words_for(self.shop).money(self.most)
            self.add_error("value", _("Enter an amount up to %(most)s.") % {"most": most})
        return minor
