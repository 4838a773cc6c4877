"""The programme's rules as a form: sentences with fields in them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Literal
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from loyalty.documents import LEVELS_MAX, MULTIPLIERS_MAX, NAME_MAX, document_known, document_problems, key_new
from loyalty.rules.programme import Document, completed
from loyalty.rules.reckoning import local_day, midnight
from loyalty.sentences import label_kinds, periods, ways_to_qualify
from retention_app import labels
from retention_app.formatting import currency_symbol
from retention_app.models import Product, Shop
from retention_app.money import example_amount, exponent, typed_minor_units

Kind = Literal["money", "whole", "times", "date", "text", "choice", "hidden"]
Flat = dict[str, str]  # what the fields show, by their names

ROWS = {"level": LEVELS_MAX, "multiplier": MULTIPLIERS_MAX}
_ROW = re.compile(r"(level|multiplier)_(\d{1,4})_(\w+)")
_WIDGETS: dict[Kind, dict[str, str]] = {
    "money": {"inputmode": "decimal", "class": "money"},
    "whole": {"inputmode": "numeric", "class": ""},
    "times": {"inputmode": "decimal", "class": "times"},
    "date": {"type": "date", "class": "date"},
    "text": {"class": "words"},
    "choice": {},
    "hidden": {"type": "hidden"},
}


@dataclass(frozen=True)
class Row:
    """A tier or a multiplier in the form: its fields as HTML to stand in a sentence, and bound for their errors."""

    number: int
    fields: dict[str, SafeString]
    bound: list[forms.BoundField]


class RulesForm(forms.Form):
    """A document as fields; `document` once it is valid. Amounts are decimals, factors times, days the shop's.

    Rows are named by their number: `level_0_name`. An empty field means "none" wherever a document can say so.
    """

    def __init__(self, data: Mapping[str, str] | None = None, *, shop: Shop, initial: Flat | None = None) -> None:
        source = contiguous(data if data is not None else initial or {})
        super().__init__(source if data is not None else None, initial=source)
        self.currency, self.zone = shop.currency, ZoneInfo(shop.timezone)
        self.document: Document | None = None
        self.kinds: dict[str, Kind] = {}
        self.levels, self.multipliers = _numbers(source, "level"), _numbers(source, "multiplier")
        self._add_fields(source)

    def _add_fields(self, source: Flat) -> None:
        self._add("earn_per", "money", _("Amount spent"), required=True)
        self._add("earn_points", "whole", _("Points earned"), required=True)
        self._add("worth_points", "whole", _("Points used"), required=True)
        self._add("worth_amount", "money", _("What they are worth"), required=True)
        for number in self.multipliers:
            row, field = _("Rule %(number)s") % {"number": number + 2}, f"multiplier_{number}_"
            self._add(f"{field}key", "hidden", row)
            self._add(
                f"{field}kind", "choice", _("%(row)s: what it is about") % {"row": row}, list(label_kinds().items())
            )
            self._add(f"{field}label", "text", _("%(row)s: which") % {"row": row})
            self.fields[f"{field}label"].widget.attrs["list"] = "products"
            self._add(f"{field}name", "text", _("%(row)s: name") % {"row": row})
            self._add(f"{field}percent", "times", _("%(row)s: times") % {"row": row})
            self._add(f"{field}from", "date", _("%(row)s: first day") % {"row": row})
            self._add(f"{field}until", "date", _("%(row)s: last day") % {"row": row})
        self._add("order_bonus_from", "money", _("Large orders from"))
        self._add("order_bonus_points", "whole", _("Points for large orders"))
        self._add("first_order_bonus", "whole", _("Points for the first order"))
        self._add("order_max", "whole", _("Most points an order"))
        self._add("waiting_days", "whole", _("Waiting days"))
        after = [("payment", _("payment")), ("fulfilment", _("fulfilment"))]
        self._add("waiting_after", "choice", _("Waiting begins with"), after)
        self._add("expiry_months", "whole", _("Months until points expire"))
        short = [
            ("owed", _("goes below zero")),
            ("floored", _("stops at zero")),
        ]
        self._add("short", "choice", _("Negative balances"), short)
        if self.levels:
            self._add("tiers_by", "choice", _("Members qualify by"), list(ways_to_qualify().items()))
            self._add("tiers_period", "choice", _("What counts"), list(periods().items()))
            self._add("tiers_grace_days", "whole", _("Days of grace"))
            self._add("tiers_hold_days", "whole", _("Days a tier is kept"))
            self._add("tiers_protect_until", "date", _("Nobody moves down before"))
        by_money = source.get("tiers_by", "spend") == "spend"
        for number in self.levels:
            row, field = _("Tier %(number)s") % {"number": number + 1}, f"level_{number}_"
            self._add(f"{field}key", "hidden", row)
            self._add(f"{field}name", "text", _("%(row)s: name") % {"row": row})
            self._add(f"{field}from", "money" if by_money else "whole", _("%(row)s: from") % {"row": row})
            self._add(f"{field}percent", "times", _("%(row)s: times") % {"row": row})

    def _add(
        self, name: str, kind: Kind, label: str, choices: list[tuple[str, str]] | None = None, *, required: bool = False
    ) -> None:
        attributes = {"aria-label": label, "autocomplete": "off", **_WIDGETS[kind]}
        field: forms.Field
        if choices:
            field = forms.ChoiceField(choices=choices, required=False, widget=forms.Select(attrs=attributes))
        else:
            widget = forms.HiddenInput() if kind == "hidden" else forms.TextInput(attrs=attributes)
            if kind == "date":
                widget = forms.DateInput(attrs=attributes)
                widget.input_type = "date"
            most = NAME_MAX if name.endswith("_name") else 255 if kind == "text" else 20
            field = forms.CharField(required=required, max_length=most, widget=widget)
        field.label = label
        field.error_messages["required"] = _("Enter a number.")
        field.error_messages["invalid_choice"] = _("Choose one of the answers.")
        self.fields[name], self.kinds[name] = field, kind

    # --- what was typed ----------------------------------------------------------------------------------------------

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if self.errors:
            return cleaned
        self.values = {name: self._value(name, kind, cleaned[name].strip()) for name, kind in self.kinds.items()}
        document = {} if self.errors else self._document()
        if self.errors:
            return cleaned
        for problem in document_problems(document):
            self.add_error(problem.field if problem.field in self.fields else None, problem.message())
        if not self.errors:
            self.document = document_known(document)
        return cleaned

    def _value(self, name: str, kind: Kind, text: str) -> Any:
        """What was typed as the document has it; None for nothing. Notes an error for what can't be read."""
        if kind in ("text", "choice", "hidden"):
            return text
        if not text:
            return None
        try:
            match kind:
                case "money":
                    return typed_minor_units(text, self.currency)
                case "times":
                    return _percent(text)
                case "date":
                    return _day(text)
            if text.isascii() and text.isdecimal():
                return int(text)
            raise ValueError(text)
        except (ValueError, InvalidOperation):
            self.add_error(name, self._how_to_type(kind))
            return None

    def _how_to_type(self, kind: Kind) -> str:
        match kind:
            case "money":
                return _("Enter an amount like %(example)s.") % {"example": example_amount(self.currency)}
            case "times":
                return _("Enter a number like 1.5.")
            case "date":
                return _("Enter a date like 2026-12-31.")
        return _("Enter a whole number.")

    def _document(self) -> dict[str, Any]:
        values = self.values
        bonus = {"from_minor": values["order_bonus_from"], "points": values["order_bonus_points"]}
        return {
            "earn": {"points": values["earn_points"], "per_minor": values["earn_per"]},
            "worth": {"points": values["worth_points"], "minor": values["worth_amount"]},
            "waiting": {"days": values["waiting_days"] or 0, "after": values["waiting_after"] or "payment"},
            "expiry_months": values["expiry_months"],
            "short": values["short"] or "owed",
            "bonuses": {
                "order": None if bonus == {"from_minor": None, "points": None} else bonus,
                "first_order": values["first_order_bonus"],
            },
            "order_max": values["order_max"],
            "multipliers": [self._multiplier(f"multiplier_{number}_") for number in self.multipliers],
            "tiers": {
                "by": values["tiers_by"] or "spend",
                "period": values["tiers_period"] or "rolling_year",
                "grace_days": values["tiers_grace_days"] or 0,
                "hold_days": values["tiers_hold_days"] or 0,
                "protect_until": self._begin(values["tiers_protect_until"]),
                "levels": [self._level(f"level_{number}_") for number in self.levels],
            }
            if self.levels
            else None,
        }

    def _level(self, field: str) -> dict[str, Any]:
        values, percent = self.values, self.values[f"{field}percent"]
        return {
            "key": values[f"{field}key"] or key_new(),
            "name": values[f"{field}name"],
            "from": values[f"{field}from"],
            "percent": 100 if percent is None else percent,
        }

    def _multiplier(self, field: str) -> dict[str, Any]:
        values = self.values
        label, called = self._label(field)
        until = values[f"{field}until"]
        return {
            "key": values[f"{field}key"] or key_new(),
            "label": label,
            "name": values[f"{field}name"] or called,
            "percent": values[f"{field}percent"],
            "from": self._begin(values[f"{field}from"]),
            "until": self._begin(until and until + dt.timedelta(days=1)),
        }

    def _label(self, field: str) -> tuple[str, str]:
        """The label a row is about, and a name for it. A product may be said by its title."""
        text = self.values[f"{field}label"]
        match self.values[f"{field}kind"] or "product":
            case "tag":
                return labels.of_tag(text) if text else "", text[:NAME_MAX]
            case "collection":
                return labels.of_collection(int(text)) if text.isascii() and text.isdecimal() else "", ""
        if text.isascii() and text.isdecimal():
            titles = Product.objects.filter(shopify_id=int(text[:18])).values_list("title", flat=True)
            return labels.of_product(int(text)), (titles.first() or "")[:NAME_MAX]
        named = Product.objects.filter(title__iexact=text).values_list("shopify_id", "title")
        found = list(named[:2]) if text else []
        if len(found) == 1:
            return labels.of_product(found[0][0]), found[0][1][:NAME_MAX]
        if found:
            self.add_error(f"{field}label", _("Several products are called that. Enter the id of one."))
        elif text:
            self.add_error(f"{field}label", _("No product is called that."))
        return "", ""

    def _begin(self, day: dt.date | None) -> str | None:
        return None if day is None else midnight(day, self.zone).isoformat()

    # --- what is shown -----------------------------------------------------------------------------------------------

    def sentence_fields(self) -> dict[str, SafeString]:
        """Each field as HTML to stand inside a sentence, money with its sign."""
        return {name: self._in_sentence(name) for name in self.fields}

    def level_rows(self) -> list[Row]:
        return [self._row("level", number) for number in self.levels]

    def multiplier_rows(self) -> list[Row]:
        return [self._row("multiplier", number) for number in self.multipliers]

    def _row(self, prefix: str, number: int) -> Row:
        start = f"{prefix}_{number}_"
        names = [name for name in self.fields if name.startswith(start)]
        fields = {name.removeprefix(start): self._in_sentence(name) for name in names}
        return Row(number, fields, [self[name] for name in names])

    def _in_sentence(self, name: str) -> SafeString:
        bound, kind = self[name], self.kinds[name]
        if kind == "hidden":
            return SafeString(bound)
        if bound.errors:
            bound.field.widget.attrs |= {"aria-invalid": "true", "aria-describedby": f"{bound.auto_id}-error"}
        sign = SafeString("")
        if kind == "money":
            symbol = currency_symbol(self.currency, get_language() or settings.LANGUAGE_CODE)
            sign = format_html('<span class="muted">{}</span>', symbol)
        return format_html('<span class="rule-field">{}{}</span>', sign, bound)


def initial_of(document: Document, shop: Shop) -> Flat:
    """What the fields show for a document."""
    known = completed(document)
    digits, zone = exponent(shop.currency), ZoneInfo(shop.timezone)

    def amount(minor: int | None) -> str:
        return "" if minor is None else f"{Decimal(minor).scaleb(-digits):.{digits}f}"

    def number(value: int | None) -> str:
        return "" if value is None else str(value)

    def day(instant: str | None, *, last: bool = False) -> str:
        if instant is None:
            return ""
        return local_day(dt.datetime.fromisoformat(instant) - dt.timedelta(seconds=last), zone).isoformat()

    order, tiers = known["bonuses"]["order"], known["tiers"]
    flat = {
        "earn_per": amount(known["earn"]["per_minor"]),
        "earn_points": number(known["earn"]["points"]),
        "worth_points": number(known["worth"]["points"]),
        "worth_amount": amount(known["worth"]["minor"]),
        "order_bonus_from": amount(order["from_minor"] if order else None),
        "order_bonus_points": number(order["points"] if order else None),
        "first_order_bonus": number(known["bonuses"]["first_order"]),
        "order_max": number(known["order_max"]),
        "waiting_days": number(known["waiting"]["days"]),
        "waiting_after": known["waiting"]["after"],
        "expiry_months": number(known["expiry_months"]),
        "short": known["short"],
        "tiers_by": tiers["by"] if tiers else "spend",
        "tiers_period": tiers["period"] if tiers else "rolling_year",
        "tiers_grace_days": number(tiers["grace_days"] if tiers else 30),
        "tiers_hold_days": number(tiers["hold_days"] if tiers else 0),
        "tiers_protect_until": day(tiers["protect_until"]) if tiers else "",
    }
    titles = _titles(row["label"] for row in known["multipliers"])
    for place, row in enumerate(known["multipliers"]):
        kind, _colon, which = row["label"].partition(":")
        flat |= {
            f"multiplier_{place}_key": row["key"],
            f"multiplier_{place}_kind": kind,
            f"multiplier_{place}_label": titles.get(row["label"], which),
            f"multiplier_{place}_name": row["name"],
            f"multiplier_{place}_percent": _times(row["percent"]),
            f"multiplier_{place}_from": day(row["from"]),
            f"multiplier_{place}_until": day(row["until"], last=True),
        }
    for place, level in enumerate(tiers["levels"] if tiers else []):
        flat |= {
            f"level_{place}_key": level["key"],
            f"level_{place}_name": level["name"],
            f"level_{place}_from": amount(level["from"]) if tiers and tiers["by"] == "spend" else number(level["from"]),
            f"level_{place}_percent": _times(level["percent"]),
        }
    return flat


def _titles(of: Iterable[str]) -> dict[str, str]:
    """The titles of products by their labels, where only one product is called so."""
    ids = [int(which) for kind, _colon, which in (label.partition(":") for label in of) if kind == "product"]
    found = dict(Product.objects.filter(shopify_id__in=ids).values_list("shopify_id", "title"))
    return {
        labels.of_product(id_): title
        for id_, title in found.items()
        if Product.objects.filter(title__iexact=title).count() == 1
    }


def row_added(data: Mapping[str, str], prefix: str) -> Flat:
    """What was typed, with an empty row more."""
    flat = contiguous(data)
    number = len(_numbers(flat, prefix))
    if prefix in ROWS and number < ROWS[prefix]:
        flat |= {f"{prefix}_{number}_key": key_new(), f"{prefix}_{number}_name": ""}
        for name, value in (("tiers_by", "spend"), ("tiers_period", "rolling_year"), ("tiers_grace_days", "30")):
            flat.setdefault(name, value)
    return flat


def row_removed(data: Mapping[str, str], row: str) -> Flat:
    """What was typed, without the row `level_1`."""
    return contiguous({name: value for name, value in contiguous(data).items() if not name.startswith(f"{row}_")})


def contiguous(data: Mapping[str, str]) -> Flat:
    """The fields with their rows numbered from 0 on, one more than allowed at most."""
    flat, numbers = {}, {prefix: _numbers(data, prefix) for prefix in ROWS}
    for name in data:
        if match := _ROW.fullmatch(name):
            prefix, number, rest = match.groups()
            place = numbers[prefix].index(int(number))
            if place <= ROWS[prefix]:
                flat[f"{prefix}_{place}_{rest}"] = data[name]
        else:
            flat[name] = data[name]
    return flat


def _numbers(data: Iterable[str], prefix: str) -> list[int]:
    """The numbers of the rows there are."""
    found = (_ROW.fullmatch(name) for name in data)
    return sorted({int(match[2]) for match in found if match and match[1] == prefix})


def _percent(text: str) -> int:
    """1.25 → 125. Raises `ValueError` for more than two decimals."""
    percent = Decimal(text.removesuffix("×").replace(",", ".")) * 100
    if not percent.is_finite() or percent != percent.to_integral_value() or abs(percent) > 10**9:
        raise ValueError(text)
    return int(percent)


def _day(text: str) -> dt.date:
    """2026-12-31 → that day. Raises `ValueError` for what is none, or none of our time."""
    day = dt.date.fromisoformat(text)
    if not 1990 <= day.year <= 2100:
        raise ValueError(text)
    return day


def _times(percent: int) -> str:
    return f"{Decimal(percent) / 100:f}"
