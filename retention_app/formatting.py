"""Money, points, days and shares as people write them, by Babel.

English uses British dates (20 Nov 2026); money reads R$1,240.50 in English and R$ 1.240,50 in Portuguese. Locales are
Django's or the platform's names: en, zh-hant, zh-Hant, pt-BR. What was written lately is remembered, by figure: Babel
takes longer than all the rest of an answer.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError, dates, lists, numbers

from retention_app.money import exponent

KEPT = 8_192  # figures of each sort, nobody's


@cache
def _locale(name: str) -> Locale:
    try:
        return Locale.parse(name.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        return Locale.parse("en")


@cache
def _date_locale(name: str) -> Locale:
    locale = _locale(name)
    return Locale.parse("en_GB") if locale.language == "en" else locale


@lru_cache(KEPT)
def money(minor: int, currency: str, locale: str) -> str:
    """124050 BRL → R$1,240.50. Always all decimals of the currency."""
    amount = Decimal(minor).scaleb(-exponent(currency))
    return numbers.format_currency(amount, currency, locale=_locale(locale), currency_digits=True)


@lru_cache(KEPT)
def money_short(minor: int, currency: str, locale: str) -> str:
    """150000000 BRL → R$1.5M, for axes."""
    amount = Decimal(minor).scaleb(-exponent(currency))
    return numbers.format_compact_currency(amount, currency, locale=_locale(locale), fraction_digits=1)


def currency_symbol(currency: str, locale: str) -> str:
    """R$, NT$."""
    return numbers.get_currency_symbol(currency, locale=_locale(locale))


@lru_cache(KEPT)
def points(number: int, locale: str) -> str:
    """1240 → 1,240: any whole number."""
    return numbers.format_decimal(number, locale=_locale(locale))


def decimal(number: float, locale: str) -> str:
    """0.84 → 0.8."""
    return numbers.format_decimal(number, format="0.0", locale=_locale(locale))


def listing(parts: Sequence[str], locale: str) -> str:
    """Mug, tea and coffee."""
    return lists.format_list(list(parts), locale=_date_locale(locale))


def percent(share: float, locale: str, digits: int = 1) -> str:
    """0.4948 → 49.5% in English, 49,5 % in Spanish."""
    pattern = _locale(locale).percent_formats[None].pattern
    return numbers.format_percent(
        share, format=pattern.replace("0", "0.0") if digits else pattern, locale=_locale(locale)
    )


def day(instant: dt.datetime, timezone: str, locale: str, now: dt.datetime) -> str:
    """20 Nov, with the year when it isn't the current one, in the shop's time zone. Without the full stop that some
    languages put after a short month: sentences end in days."""
    local, today = instant.astimezone(ZoneInfo(timezone)), now.astimezone(ZoneInfo(timezone))
    return _day(local.date(), local.year == today.year, locale)


@lru_cache(KEPT)
def _day(local: dt.date, is_this_year: bool, locale: str) -> str:
    if is_this_year:
        return dates.format_skeleton("MMMd", local, locale=_date_locale(locale)).removesuffix(".")
    return dates.format_date(local, format="medium", locale=_date_locale(locale))


def moment(instant: dt.datetime, timezone: str, locale: str, now: dt.datetime) -> str:
    """20 Nov 14:02, in the shop's time zone."""
    local = instant.astimezone(ZoneInfo(timezone))
    return f"{day(instant, timezone, locale, now)} {local:%H:%M}"


def month(first: dt.date, locale: str) -> str:
    """Jun 1998."""
    return dates.format_skeleton("yMMM", first, locale=_date_locale(locale))


def city(timezone: str, locale: str) -> str:
    """Where a clock is: America/Sao_Paulo → Sao Paulo."""
    return dates.get_timezone_location(timezone, locale=_date_locale(locale), return_city=True)
