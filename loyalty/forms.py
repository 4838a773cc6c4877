"""Publishing a version and deciding a back-fill as forms. Days and times are the shop's."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.utils.translation import gettext as _

from loyalty.rules.reckoning import midnight
from retention_app import clock
from retention_app.models import Shop

START_WITHIN = dt.timedelta(days=366)  # how far ahead a version can be scheduled
EARLIEST = dt.date(1970, 1, 1)  # the first day a back-fill can begin


class PublishForm(forms.Form):
    """`count_past` says with version 1 which earlier orders count, `draft_revision` which draft was reviewed. It starts
    now, or when the shop's clock shows `day` and `time`."""

    count_past = forms.ChoiceField(choices=[("all", "all"), ("year", "year"), ("none", "none")], required=False)
    start = forms.ChoiceField(choices=[("now", "now"), ("later", "later")], required=False)
    day = forms.DateField(required=False)
    time = forms.TimeField(required=False)
    note = forms.CharField(max_length=500, required=False)
    draft_revision = forms.IntegerField(required=False, min_value=1)

    def __init__(self, *args: Any, is_first: bool, shop: Shop, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.is_first, self.zone = is_first, ZoneInfo(shop.timezone)
        self.starts_at: dt.datetime | None = None
        self.fields["count_past"].required = is_first
        self.fields["count_past"].label = _("Earlier orders")
        self.fields["count_past"].error_messages["required"] = _("Choose which earlier orders count.")
        self.fields["count_past"].error_messages["invalid_choice"] = _("Choose which earlier orders count.")
        self.fields["day"].label = _("First day")
        self.fields["day"].error_messages["invalid"] = _("Enter a date like 2026-12-31.")
        self.fields["time"].label = _("Time")
        self.fields["time"].error_messages["invalid"] = _("Enter a time like 09:00.")
        self.fields["note"].label = _("Note")
        self.fields["draft_revision"].label = _("This form")
        for code in ("required", "invalid", "min_value"):
            self.fields["draft_revision"].error_messages[code] = _("Open this form again.")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("start") != "later" or self.errors:
            return cleaned
        if not cleaned["day"]:
            self.add_error("day", _("Enter the day it starts."))
            return cleaned
        starts = dt.datetime.combine(cleaned["day"], cleaned["time"] or dt.time(), tzinfo=self.zone)
        if starts <= clock.now():
            self.add_error("day", _("That has passed. Enter a later day or start now."))
        elif starts > clock.now() + START_WITHIN:
            self.add_error("day", _("Enter a day within a year."))
        else:
            self.starts_at = starts.astimezone(dt.UTC)
        return cleaned


class BackfillForm(forms.Form):
    """The first day whose orders count too, by the shop's calendar."""

    day = forms.DateField()

    def __init__(self, *args: Any, shop: Shop, counting: dt.datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.zone, self.counting = ZoneInfo(shop.timezone), counting
        self.starts: dt.datetime | None = None
        self.fields["day"].label = _("First day")
        for code in ("required", "invalid"):
            self.fields["day"].error_messages[code] = _("Enter a date like 2026-12-31.")

    def clean_day(self) -> dt.date:
        day: dt.date = self.cleaned_data["day"]
        if day < EARLIEST or midnight(day, self.zone) >= self.counting:
            raise forms.ValidationError(_("Orders from then on count already. Enter an earlier day."))
        self.starts = midnight(day, self.zone)
        return day
