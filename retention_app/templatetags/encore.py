"""Filters that write money, points, days and shares in the language of the page."""

from __future__ import annotations

import datetime as dt

from django import template
from django.utils.timesince import timesince
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from retention_app import clock, formatting
from retention_app.models import Customer

register = template.Library()


def _locale() -> str:
    return get_language() or "en"


@register.filter
def money(minor: int, currency: str) -> str:
    return formatting.money(minor, currency, _locale())


@register.filter
def points(number: int) -> str:
    return formatting.points(number, _locale())


@register.filter
def signed(number: int) -> str:
    """+108, −35 (with a true minus), 0."""
    text = formatting.points(abs(number), _locale())
    return f"+{text}" if number > 0 else f"−{text}" if number < 0 else text


@register.filter
def day(instant: dt.datetime | None, timezone: str) -> str:
    return formatting.day(instant, timezone, _locale(), clock.now()) if instant else ""


@register.filter
def moment(instant: dt.datetime | None, timezone: str) -> str:
    return formatting.moment(instant, timezone, _locale(), clock.now()) if instant else ""


@register.filter
def age(instant: dt.datetime) -> str:
    """How long ago, in its largest unit: 3 hours."""
    return timesince(instant, clock.now(), depth=1)


@register.filter
def percent(share: float) -> str:
    return formatting.percent(share, _locale())


@register.filter
def and_list(names: list[str]) -> str:
    """Ana, Bruno and Carla."""
    return formatting.listing(names, _locale())


@register.filter
def person(customer: Customer) -> str:
    """A customer's name, else their e-mail address, else nothing: the platform withholds both."""
    return customer.name or customer.email


@register.filter
def called(customer: Customer) -> str:
    """The same, or why there is neither."""
    if customer.shopify_id < 0:
        why = _("Erased customer")
    else:
        why = _("Deleted in Shopify") if customer.gone_at else _("Name not shared by Shopify")
    return person(customer) or why
