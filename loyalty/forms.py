"""The programme's rules as a form: sentences with fields in them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from babel.numbers import get_currency_symbol
from django import forms
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from loyalty.documents import document_problems
from loyalty.rules.programme import Document
from retention_app.money import example_amount, exponent, typed_minor_units


class RulesForm(forms.Form):
    """`earn_points` for each `earn_per`; `worth_points` are worth `worth_amount`. Amounts are decimals."""

    earn_per = forms.CharField(max_length=20)
    earn_points = forms.CharField(max_length=10)
    worth_points = forms.CharField(max_length=10)
    worth_amount = forms.CharField(max_length=20)

    def __init__(self, *args: Any, currency: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.currency = currency
        self.document: Document | None = None
        labels = {
            "earn_per": _("Amount spent"),
            "earn_points": _("Points earned"),
            "worth_points": _("Points used"),
            "worth_amount": _("What they are worth"),
        }
        for name, label in labels.items():
            field = self.fields[name]
            field.label = label
            field.error_messages["required"] = _("Enter a number.")
            is_money = name in ("earn_per", "worth_amount")
            field.widget.attrs.update(
                {
                    "aria-label": label,
                    "inputmode": "decimal" if is_money else "numeric",
                    "autocomplete": "off",
                    "class": "money" if is_money else "",
                }
            )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if self.errors:
            return cleaned
        values: dict[str, int | None] = {
            "earn_per": self._minor("earn_per"),
            "worth_amount": self._minor("worth_amount"),
            "earn_points": self._whole("earn_points"),
            "worth_points": self._whole("worth_points"),
        }
        if self.errors:
            return cleaned
        document = {
            "earn": {"points": values["earn_points"], "per_minor": values["earn_per"]},
            "worth": {"points": values["worth_points"], "minor": values["worth_amount"]},
        }
        for problem in document_problems(document):
            self.add_error(problem.field, problem.message())
        if not self.errors:
            self.document = document  # type: ignore[assignment]  # document_problems has checked it
        return cleaned

    def _minor(self, name: str) -> int | None:
        try:
            return typed_minor_units(self.cleaned_data[name], self.currency)
        except ValueError:
            example = example_amount(self.currency)
            self.add_error(name, _("Enter an amount like %(example)s.") % {"example": example})
            return None

    def _whole(self, name: str) -> int | None:
        text = self.cleaned_data[name].strip()
        if not text.isascii() or not text.isdecimal():
            self.add_error(name, _("Enter a whole number."))
            return None
        return int(text)

    def sentence_fields(self) -> dict[str, SafeString]:
        """Each field as HTML to stand inside a sentence, money with its sign."""
        locale = (get_language() or "en").replace("-", "_")
        sign = get_currency_symbol(self.currency, locale="zh_Hant" if locale.startswith("zh") else "en")
        fields = {}
        for name in self.fields:
            bound = self[name]
            if bound.errors:
                bound.field.widget.attrs |= {"aria-invalid": "true", "aria-describedby": f"{bound.auto_id}-error"}
            prefix = (
                format_html('<span class="muted">{}</span>', sign)
                if "money" in bound.field.widget.attrs["class"]
                else ""
            )
            fields[name] = format_html('<span class="rule-field">{}{}</span>', prefix, bound)
        return fields

    @staticmethod
    def initial_of(document: Document, currency: str) -> dict[str, str]:
        """What the fields show for a document."""
        digits = exponent(currency)

        def amount(minor: int) -> str:
            return f"{Decimal(minor).scaleb(-digits):.{digits}f}"

        return {
            "earn_per": amount(document["earn"]["per_minor"]),
            "earn_points": str(document["earn"]["points"]),
            "worth_points": str(document["worth"]["points"]),
            "worth_amount": amount(document["worth"]["minor"]),
        }


class PublishForm(forms.Form):
    """`count_past` says with version 1 which earlier orders count, `draft_revision` which draft was reviewed."""

    count_past = forms.ChoiceField(choices=[("all", "all"), ("year", "year"), ("none", "none")], required=False)
    note = forms.CharField(max_length=500, required=False)
    draft_revision = forms.IntegerField(required=False, min_value=1)

    def __init__(self, *args: Any, is_first: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["count_past"].required = is_first
        self.fields["count_past"].label = _("Earlier orders")
        self.fields["count_past"].error_messages["required"] = _("Choose which earlier orders count.")
        self.fields["count_past"].error_messages["invalid_choice"] = _("Choose which earlier orders count.")
        self.fields["note"].label = _("Note")
