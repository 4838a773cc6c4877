"""What Home counts: at once, or, for a shop too big to count while somebody waits, in the background and kept.

Kept counts say when they were made. Whoever opens Home asks for new ones when they are older than `FRESH`; a wake-up
that is lost is asked for again by the next.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import orjson

from retention_app import clock, statistics, work
from retention_app.models import Order, Shop, ShopCount
from retention_app.screens import EngineScreens, Window, engines
from retention_app.statistics import LadderStep, MonthRate, ShopNumbers

LIVE_ORDERS_MAX = 100_000  # which take well under a second
FRESH = dt.timedelta(minutes=10)
WINDOW_DAYS = 30


class Counts:
    """A shop's numbers, each counted when it is asked for."""

    at: dt.datetime | None = None  # when they were counted; None: now

    def __init__(self, shop: Shop) -> None:
        self.shop = shop

    def numbers(self, window: Window) -> ShopNumbers:
        return statistics.shop_numbers(self.shop, start=window.start)

    def rates(self, *, rolling: bool) -> list[MonthRate]:
        months = statistics.WINDOW_MONTHS if rolling else statistics.ALL_MONTHS
        return statistics.repeat_rate_by_month(self.shop, window_months=months)

    def ladder(self) -> list[LadderStep]:
        return statistics.order_ladder()

    def of_engine(self, engine: EngineScreens) -> Any:
        return engine.home_count()


class KeptCounts(Counts):
    """The numbers as they were counted before."""

    def __init__(self, shop: Shop, kept: ShopCount) -> None:
        super().__init__(shop)
        self.at, self._counts = kept.counted_at, kept.counts

    def numbers(self, window: Window) -> ShopNumbers:
        return ShopNumbers.of(self._counts["numbers"][window.key])

    def rates(self, *, rolling: bool) -> list[MonthRate]:
        found = self._counts["rates"]["rolling" if rolling else "all"]
        return [MonthRate(dt.date.fromisoformat(month), customers, repeat) for month, customers, repeat in found]

    def ladder(self) -> list[LadderStep]:
        return self.numbers(Window("all", None, "")).ladder

    def of_engine(self, engine: EngineScreens) -> Any:
        return self._counts["engines"].get(engine.name)


def counts_of(shop: Shop) -> Counts | None:
    """The shop's numbers; None while they are counted for the first time. New ones are asked for where they are due."""
    from retention_app.tasks import shop_count  # tasks count by this module

    kept = ShopCount.objects.first()
    if kept is None and Order.objects.all()[: LIVE_ORDERS_MAX + 1].count() <= LIVE_ORDERS_MAX:
        return Counts(shop)
    if kept is None or kept.counted_at is None or kept.counted_at < clock.now() - FRESH:
        shop_count.delay(shop_id=shop.id)
    return KeptCounts(shop, kept) if kept and kept.counted_at else None


def numbers_ever(shop: Shop) -> ShopNumbers | None:
    """The shop's all-time numbers, as `counts_of` has them."""
    counts = counts_of(shop)
    return counts.numbers(Window("all", None, "")) if counts else None


def count_and_keep(shop: Shop) -> None:
    """Count everything Home shows of the shop in scope, and keep it. One worker at a time."""
    ShopCount.objects.get_or_create(shop=shop)
    mine = ShopCount.objects.filter(work.unleased())
    if not mine.update(lease_until=clock.now() + FRESH):
        return
    try:
        counts, now = Counts(shop), clock.now()
        month_ago = now - dt.timedelta(days=WINDOW_DAYS)
        windows = (Window("all", None, ""), Window("30", month_ago, ""))
        found = {
            "numbers": {window.key: counts.numbers(window) for window in windows},
            "rates": {
                key: [(rate.month, rate.customers, rate.repeat) for rate in counts.rates(rolling=key == "rolling")]
                for key in ("rolling", "all")
            },
            "engines": {engine.name: counts.of_engine(engine) for engine in engines()},
        }
        ShopCount.objects.update(counts=orjson.loads(orjson.dumps(found)), counted_at=now)
    finally:
        ShopCount.objects.update(lease_until=None)
