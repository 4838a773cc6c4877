"""Home of a big shop: counted in the background, the same figures, with their time."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from django.test import Client

from retention_app import clock, counts
from retention_app.counts import Counts, count_and_keep, counts_of
from retention_app.models import Shop, ShopCount
from retention_app.screens import Window, engines
from retention_app.tenancy import shop_scope
from tests.screens.conftest import programmed, see, staff, storied

__all__ = ["programmed", "staff", "storied"]  # fixtures


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The shops somebody asked to be counted: the broker's end of it."""
    shops: list[int] = []
    monkeypatch.setattr("retention_app.tasks.shop_count.delay", lambda *, shop_id: shops.append(shop_id))
    monkeypatch.setattr(counts, "LIVE_ORDERS_MAX", 10)
    return shops


def test_kept_counts_are_those_counted_at_once(
    programmed: Shop, asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with shop_scope(programmed.id):
        now = clock.now()
        monkeypatch.setattr("retention_app.counts.clock.now", lambda: now)
        count_and_keep(programmed)
        kept, fresh = counts_of(programmed), Counts(programmed)
        assert kept is not None
        assert kept.at == now
        for window in (Window("all", None, ""), Window("30", now - dt.timedelta(days=30), "")):
            assert kept.numbers(window) == fresh.numbers(window)
        for rolling in (True, False):
            assert kept.rates(rolling=rolling) == fresh.rates(rolling=rolling)
        assert kept.ladder() == fresh.ladder()
        assert [kept.of_engine(engine) for engine in engines()] == [fresh.of_engine(engine) for engine in engines()]
        assert asked == []  # they are fresh


def test_home_says_it_is_counting_and_then_when_it_counted(programmed: Shop, asked: list[int], staff: Client) -> None:
    seen = see(staff.get("/app/").content.decode())
    assert "Counting your orders" in seen.text
    assert "every 5s" in seen.html
    assert asked == [programmed.id]
    with shop_scope(programmed.id):
        count_and_keep(programmed)
    seen = see(staff.get("/app/").content.decode())
    assert re.search(r"Counted [^.]*\d\d:\d\d\.", seen.text)
    assert "every 5s" not in seen.html
    assert asked == [programmed.id]
    with shop_scope(programmed.id):
        ShopCount.objects.update(counted_at=clock.now() - dt.timedelta(minutes=11))
    staff.get("/app/")
    assert asked == [programmed.id, programmed.id]


def test_one_worker_counts_at_a_time(shop: Shop) -> None:
    ShopCount.objects.create(shop=shop, lease_until=clock.now() + dt.timedelta(minutes=1))
    count_and_keep(shop)
    assert ShopCount.objects.get().counted_at is None
