"""What the first-run assistant proposes, computed from the shop's own orders, and why, in a sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from django.db.models import Count, Q
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from loyalty.rules.programme import Document, LevelDocument, TiersDocument, completed, given_back
from retention_app.counts import numbers_ever
from retention_app.models import Customer, Shop
from retention_app.money import exponent
from retention_app.services.store import ComingBack, coming_back
from retention_app.store_form import goods_name
from retention_app.words import Words

Goods = Shop.Goods

FEW_ORDERS = 30  # below, common values stand in for the shop's own
WAITING_DAYS = 14  # a usual return window
_Orders = tuple[int | Fraction, ...]
BACK_PERCENT_USUAL = 5  # what points give back
BACK_PERCENT: dict[str, int] = {Goods.USED_UP: 3}  # where margins are usually thin
LEVELS = (("silver", "Silver", 125), ("gold", "Gold", 150), ("vip", "VIP", 200))
LEVELS_FROM_USUAL: _Orders = (2, Fraction(11, 2), 17)  # average orders that each level begins with
LEVELS_FROM: dict[str, _Orders] = {Goods.RARELY: (1, 2, 4)}  # where few people come to many
_ROUND = (1, Fraction(3, 2), 2, Fraction(5, 2), 3, 4, 5, 6, 7, 8, 10)  # figures people call round, up to a power of ten


def step_names() -> list[str]:
    return [
        _("Your store"),
        _("Points"),
        _("Tiers"),
        _("Waiting and expiry"),
        _("Past orders and launch"),
    ]


@dataclass(frozen=True)
class Known:
    """What the shop's orders say: money in minor units. `average_minor` is None where they are few; so is all else but
    `coming_back` while a big shop's are counted for the first time."""

    orders: int | None
    customers: int | None
    average_minor: int | None
    coming_back: ComingBack


def known(shop: Shop) -> Known:
    """A fixed number of queries; big shops' numbers are those that Home keeps."""
    numbers = numbers_ever(shop)
    back = coming_back(numbers)
    if numbers is None:
        return Known(None, None, None, back)
    average = numbers.aov_minor if numbers.orders >= FEW_ORDERS else None
    return Known(numbers.orders, numbers.customers, average, back)


def common_document(currency: str, goods: str = "", margin_percent: int | None = None) -> Document:
    """What a first draft starts with: a point for each unit of money, a hundred points worth five of them, three where
    goods are used up, no more than half of a known margin (or one); used after the return window."""
    unit, back_percent = 10 ** exponent(currency), BACK_PERCENT.get(goods, BACK_PERCENT_USUAL)
    if margin_percent is not None:
        back_percent = min(back_percent, max(margin_percent // 2, 1))
    return completed(
        {
            "earn": {"points": 1, "per_minor": unit},
            "worth": {"points": 100, "minor": back_percent * unit},
            "waiting": {"days": WAITING_DAYS, "after": "payment"},
        }
    )


def document_proposed(
    currency: str, average_minor: int | None, goods: str = Goods.AGAIN, margin_percent: int | None = None
) -> Document:
    """The common draft with three tiers by what was spent so far, each from some average orders; with none where the
    average isn't known."""
    document = common_document(currency, goods, margin_percent)
    if not average_minor:
        return document
    levels: list[LevelDocument] = [
        {"key": key, "name": name, "from": rounded(average_minor * orders), "percent": percent}
        for (key, name, percent), orders in zip(LEVELS, LEVELS_FROM.get(goods, LEVELS_FROM_USUAL), strict=True)
    ]
    tiers: TiersDocument = {
        "by": "spend",
        "period": "lifetime",
        "grace_days": 0,
        "hold_days": 0,
        "protect_until": None,
        "levels": levels,
    }
    return {**document, "tiers": tiers}


def rounded(minor: Fraction | int) -> int:
    """The round figure nearest to an amount: 7178 → 7000."""
    power = 10 ** max(math.floor(math.log10(minor)), 0)
    return int(min((figure * power for figure in _ROUND), key=lambda figure: abs(figure - minor)))


# --- why --------------------------------------------------------------------------------------------------------------


def why_store(known: Known, words: Words) -> str:
    back = known.coming_back
    goods = goods_name(back.goods)
    if back.few_do:
        told = {"share": words.percent(back.share or 0), "goods": goods}
        return _("%(share)s of your customers came back, so “%(goods)s” is proposed.") % told
    if back.days is None:
        return few(known, words)
    return ngettext(
        "Customers come back after %(days)s day (median), so “%(goods)s” is proposed.",
        "Customers come back after %(days)s days (median), so “%(goods)s” is proposed.",
        back.days,
    ) % {"days": words.count(back.days), "goods": goods}


def few(known: Known, words: Words) -> str:
    if known.orders is None:
        return _("Your orders are being counted, so these are common values to start with.")
    return ngettext(
        "You have %(count)s order, so these are common values to start with.",
        "You have %(count)s orders, so these are common values to start with.",
        known.orders,
    ) % {"count": words.count(known.orders)}


def why_points(document: Document, known: Known, margin_percent: int | None, words: Words) -> str:
    """What the rates give back, of the margin too, and with which order a hundred points come together."""
    share = float(given_back(document))
    back = _("That gives back %(share)s; stores give 3 to 10%%.") % {"share": words.percent(share)}
    if margin_percent is not None:
        margin = margin_percent / 100
        told = {"margin": words.tick(margin), "share": words.percent(share / margin)}
        back += " " + _("Of your margin of %(margin)s, that is %(share)s.") % told
    if known.average_minor is None:
        return f"{back} {few(known, words)}"
    earned = known.average_minor * document["earn"]["points"] // document["earn"]["per_minor"]
    if not earned:
        return back
    first = {
        "average": words.money(known.average_minor),
        "points": words.count(earned),
        "worth": words.money(document["worth"]["minor"]),
        "orders": words.count(math.ceil(document["worth"]["points"] / earned)),
    }
    return (
        f"{back} "
        + _("An average order (%(average)s) earns %(points)s points, so %(worth)s come with order number %(orders)s.")
        % first
    )


@dataclass(frozen=True)
class Share:
    """How many customers a tier would have today, and their share of all who ordered."""

    name: str
    customers: int
    share: str


def tier_shares(document: Document, known: Known, words: Words) -> list[Share]:
    """Who would be in which tier by what they have spent so far, no tier first. One query."""
    levels = _levels(document)
    asked = {f"level_{n}": Count("id", filter=Q(spent_minor__gte=level["from"])) for n, level in enumerate(levels)}
    reached = Customer.objects.filter(orders_count__gt=0).aggregate(all=Count("id"), **asked)
    counts = [reached["all"], *(reached[f"level_{n}"] for n in range(len(levels))), 0]
    names = [_("No tier"), *(level["name"] for level in levels)]
    return [
        Share(name, here - above, words.percent((here - above) / counts[0]) if counts[0] else "")
        for name, here, above in zip(names, counts, counts[1:], strict=False)
    ]


def why_tiers(document: Document, known: Known, shares: Sequence[Share], words: Words) -> str:
    levels = _levels(document)
    if not levels and known.average_minor is None:
        return few(known, words)
    if not levels:
        return _("Every order earns the same. Tiers can follow later.")
    if not known.average_minor:
        return ""
    told = {
        "first": levels[0]["name"],
        "orders": words.decimal(levels[0]["from"] / known.average_minor),
        "share": shares[-1].share,
        "last": levels[-1]["name"],
    }
    return (
        _(
            "%(first)s is %(orders)s average orders. %(share)s of your customers have reached %(last)s: "
            "few enough to be special."
        )
        % told
    )


def _levels(document: Document) -> list[LevelDocument]:
    tiers = completed(document)["tiers"]
    return tiers["levels"] if tiers else []


def why_time(document: Document) -> str:
    days = completed(document)["waiting"]["days"]
    if not days:
        return _("Points can be used at once, also those of orders that come back later.")
    return ngettext(
        "%(days)s day is your return window, then: points aren't used on orders that come back.",
        "%(days)s days are your return window, then: points aren't used on orders that come back.",
        days,
    ) % {"days": days}
