"""Numbers, money and days as one shop writes them, in one language."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import get_language

from retention_app import clock, formatting
from retention_app.models import Shop


@dataclass(frozen=True)
class Words:
    """`retention_app.formatting` with its locale, currency and time zone filled in."""

    locale: str
    currency: str
    timezone: str

    def count(self, number: int) -> str:
        return formatting.points(number, self.locale)

    def decimal(self, number: float) -> str:
        return formatting.decimal(number, self.locale)

    def money(self, minor: int) -> str:
        return formatting.money(minor, self.currency, self.locale)

    def money_short(self, minor: int) -> str:
        return formatting.money_short(minor, self.currency, self.locale)

    def percent(self, share: float) -> str:
        return formatting.percent(share, self.locale)

    def tick(self, share: float) -> str:
        return formatting.percent(share, self.locale, digits=0)

    def day(self, instant: dt.datetime) -> str:
        return formatting.day(instant, self.timezone, self.locale, clock.now())

    def moment(self, instant: dt.datetime) -> str:
        return formatting.moment(instant, self.timezone, self.locale, clock.now())

    def listing(self, parts: Sequence[str]) -> str:
        return formatting.listing(parts, self.locale)

    @property
    def city(self) -> str:
        """Where the shop's clock is: America/Sao_Paulo → Sao Paulo."""
        return formatting.city(self.timezone, self.locale)

    def month(self, day: dt.date) -> str:
        return formatting.month(day, self.locale)


def words_for(shop: Shop) -> Words:
    """As this shop writes them, in the active language."""
    return Words(get_language() or "en", shop.currency, shop.timezone)
