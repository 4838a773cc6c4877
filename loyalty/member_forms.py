"""What staff fill in about one member."""

from __future__ import annotations

import datetime as dt
import secrets
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.utils.translation import gettext as _

from loyalty.explain import reason_text
from loyalty.rules.programme import Document
from loyalty.rules.reckoning import midnight
from loyalty.staff import NOTE_MAX, REASONS
from retention_app import clock
from retention_app.models import Shop
from retention_app.rights import POINTS_MAX
from retention_app.words import words_for

AUTOMATIC, NO_TIER = "automatic", "none"


class _MemberForm(forms.Form):
    """`key` tells one opening of the form from another, so that sending it twice decides once."""

    key = forms.RegexField(r"^[\w-]{16,64}$")

    def __init__(self, *args: Any, shop: Shop, document: Document, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.shop, self.document = shop, document
        self.fields["key"].label = _("This form")
        self.fields["key"].error_messages |= dict.fromkeys(("required", "invalid"), _("Open this form again."))

    @staticmethod
    def key_new() -> str:
        return secrets.token_urlsafe(24)

    def midnight(self, name: str) -> dt.datetime | None:
        """The instant a day begins in the shop's zone; None for none. What has begun already is refused."""
        text = self.cleaned_data.get(name, "").strip()
        if not text:
            return None
        try:
            instant = midnight(dt.date.fromisoformat(text), ZoneInfo(self.shop.timezone))
        except (ValueError, OverflowError):
            self.add_error(name, _("Enter a date."))
            return None
        if instant <= clock.now():
            self.add_error(name, _("Enter a day in the future."))
        return instant


class AdjustForm(_MemberForm):
    """`points` is a whole number with a sign, `most` at once. `counts` is offered where tiers go by points. `ask` asks
    for what is above the limit; `is_over` once somebody typed that and hasn't asked."""

    points = forms.CharField(max_length=12)
    reason = forms.ChoiceField()
    note = forms.CharField(max_length=NOTE_MAX, required=False)
    counts = forms.BooleanField(required=False)
    expires = forms.CharField(max_length=10, required=False)
    ask = forms.BooleanField(required=False)

    def __init__(self, *args: Any, most: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.most, self.is_over = most, False
        self.fields["reason"].choices = self.reasons  # type: ignore[attr-defined]
        labels = {
            "points": _("Points"),
            "reason": _("Reason"),
            "note": _("Note for your team"),
            "counts": _("Tiers"),
            "expires": _("Expires on"),
            "ask": _("Approval"),
        }
        for name, label in labels.items():
            self.fields[name].label = label
        self.fields["points"].error_messages["required"] = _("Enter a number.")
        self.fields["reason"].error_messages |= dict.fromkeys(("required", "invalid_choice"), _("Choose one."))

    @property
    def reasons(self) -> list[tuple[str, str]]:
        return [(code, reason_text(code)) for code in REASONS]

    @property
    def may_count(self) -> bool:
        tiers = self.document["tiers"]
        return tiers is not None and tiers["by"] == "points"

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if "points" in cleaned:
            cleaned["points"] = self._points(cleaned["points"], asks=bool(cleaned.get("ask")))
        if cleaned.get("reason") == "other" and not cleaned.get("note", "").strip():
            self.add_error("note", _("Say what the reason is."))
        cleaned["expires_at"] = self.midnight("expires")
        if cleaned["expires_at"] and isinstance(cleaned.get("points"), int) and cleaned["points"] < 0:
            self.add_error("expires", _("Only points that you give can expire."))
        cleaned["counts"] = bool(cleaned.get("counts")) and self.may_count
        return cleaned

    def _points(self, text: str, *, asks: bool) -> int:
        digits = text.strip().replace("−", "-")
        sign = -1 if digits.startswith("-") else 1
        digits = digits.removeprefix("-").removeprefix("+").strip()
        if not (digits.isascii() and digits.isdecimal() and int(digits)):
            self.add_error("points", _("Enter a whole number like 50, or −50 to take points away."))
            return 0
        words = words_for(self.shop)
        if int(digits) > POINTS_MAX:
            most = words.count(POINTS_MAX)
            self.add_error("points", _("The limit is %(most)s points at once. Nothing was changed.") % {"most": most})
        elif int(digits) > self.most and not asks:
            self.is_over = True
            most = words.count(self.most)
            self.add_error("points", _("Over your limit of %(most)s points. Nothing was changed.") % {"most": most})
        return sign * int(digits)


class TierForm(_MemberForm):
    """`tier` is a level's key, "none" or "automatic"; `ends` is the day on which a given tier ends."""

    tier = forms.ChoiceField()
    ends = forms.CharField(max_length=10, required=False)
    note = forms.CharField(max_length=NOTE_MAX)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["tier"].choices = self.choices  # type: ignore[attr-defined]
        for name, label in {"tier": _("Tier"), "ends": _("Ends on"), "note": _("Reason")}.items():
            self.fields[name].label = label
        self.fields["tier"].error_messages |= dict.fromkeys(("required", "invalid_choice"), _("Choose one."))
        self.fields["note"].error_messages["required"] = _("Say what the reason is.")

    @property
    def choices(self) -> list[tuple[str, str]]:
        tiers = self.document["tiers"]
        levels = [(level["key"], level["name"]) for level in tiers["levels"]] if tiers else []
        return [(AUTOMATIC, _("The tier they reached themselves")), *reversed(levels), (NO_TIER, _("No tier"))]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        chosen = cleaned.get("tier", "")
        cleaned["level"] = {AUTOMATIC: None, NO_TIER: ""}.get(chosen, chosen)
        cleaned["until"] = self.midnight("ends")
        if cleaned["until"] and cleaned["level"] is None:
            self.add_error("ends", _("The tier they reached has no end."))
        return cleaned
