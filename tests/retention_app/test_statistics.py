"""The numbers, against figures worked out by hand and against the definition by brute force."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention_app import mirror, statistics
from retention_app.models import DomainEvent, Shop
from retention_app.statistics import (
    days_between_orders,
    ladder_steps,
    repeat_rate_by_month,
    rolling_rates,
    shop_numbers,
    wilson_interval,
)
from tests.orders import at, customer_row, order_row

LIVE = DomainEvent.Origin.LIVE


def load(*orders: dict[str, Any]) -> None:
    people = {order["customer_shopify_id"] for order in orders} - {None}
    mirror.customers_upsert([customer_row(n) for n in people], read_at=at(0), origin=LIVE)
    mirror.orders_upsert(orders, read_at=at(0), origin=LIVE)


def on(day: str) -> dt.datetime:
    return dt.datetime.fromisoformat(f"{day}T12:00:00+00:00")


def test_a_shop_without_orders_has_nothing_to_divide(shop: Shop) -> None:
    numbers = shop_numbers(shop)
    assert (numbers.customers, numbers.orders, numbers.revenue_minor) == (0, 0, 0)
    assert numbers.repeat_rate is numbers.aov_minor is numbers.last_order_at is None
    assert numbers.ladder == repeat_rate_by_month(shop) == []


def test_the_numbers_of_a_small_shop(shop: Shop) -> None:
    load(
        order_row(1, customer=1, net_minor=1000),
        order_row(2, customer=1, net_minor=2000),
        order_row(3, customer=2, net_minor=3001),
        order_row(4, customer=3, net_minor=500, refunded_minor=500),  # given back in full: an order, but no repeat
        order_row(5, customer=3, net_minor=600),
        order_row(6, customer=2, cancelled_at=at(7)),
        order_row(7, customer=2, test=True),
        order_row(8, customer=None, net_minor=400),
    )
    numbers = shop_numbers(shop)
    assert (numbers.customers, numbers.orders, numbers.revenue_minor) == (3, 6, 7001)
    assert numbers.repeat_customers == 2
    assert (numbers.rate_repeat, numbers.rate_customers) == (1, 3)
    assert numbers.repeat_rate == pytest.approx(1 / 3)
    assert numbers.aov_minor == 1167
    assert [(step.base, step.reached) for step in numbers.ladder] == [(3, 2), (2, 0)]


def test_a_window_counts_its_customers_and_everything_they_did_before(shop: Shop) -> None:
    load(
        order_row(1, customer=1, processed_at=on("2026-01-10")),
        order_row(2, customer=1, processed_at=on("2026-03-10")),
        order_row(3, customer=2, processed_at=on("2026-03-20")),
        order_row(4, customer=2, processed_at=on("2026-04-01")),
        order_row(5, customer=3, processed_at=on("2026-01-01")),
    )
    numbers = shop_numbers(shop, start=on("2026-03-01"), end=on("2026-03-31"))
    assert (numbers.customers, numbers.orders, numbers.repeat_customers) == (2, 2, 1)
    assert numbers.repeat_rate == 0.5


def test_the_numbers_take_a_fixed_number_of_queries(shop: Shop, django_assert_max_num_queries: Any) -> None:
    load(*(order_row(n, customer=n % 7 + 1) for n in range(1, 50)))
    with django_assert_max_num_queries(4):
        shop_numbers(shop)
    with django_assert_max_num_queries(1):
        repeat_rate_by_month(shop)


def test_rates_are_the_same_however_many_months_are_read_at_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    load(*(order_row(n, customer=n % 7 + 1, processed_at=on(f"2026-{n % 5 + 1:02}-10")) for n in range(1, 50)))
    whole = repeat_rate_by_month(shop)
    monkeypatch.setattr("retention_app.statistics.ROWS_AT_ONCE", 6)
    assert repeat_rate_by_month(shop) == whole


def test_the_ladder_stops_where_nobody_stands_and_after_four_steps() -> None:
    assert [step.rate for step in ladder_steps({1: 50, 2: 30, 3: 20})] == [0.5, 0.4, 0.0]
    assert len(ladder_steps({9: 10})) == 4
    assert ladder_steps({}) == []


def test_the_interval_is_wilsons() -> None:
    low, high = wilson_interval(10, 100)  # worked example: 0.0552 to 0.1744
    assert (round(low, 4), round(high, 4)) == (0.0552, 0.1744)
    assert wilson_interval(0, 5)[0] == 0.0
    assert wilson_interval(5, 5)[1] == pytest.approx(1.0)


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(24000, 24030), st.integers(1, 3)), max_size=30))
def test_rolling_rates_equal_the_definition(rows: list[tuple[int, int, int]]) -> None:
    placed: dict[tuple[int, int], int] = {}
    for customer, month, orders in rows:
        placed[customer, month] = placed.get((customer, month), 0) + orders
    months = [month for _, month in placed]
    expected = []
    for month in range(min(months, default=0), max(months, default=-1) + 1):
        active = {c for c, m in placed if month - 12 < m <= month}
        repeat = {c for c in active if sum(n for (d, m), n in placed.items() if d == c and m <= month) >= 2}
        expected.append((len(active), len(repeat)))
    rates = rolling_rates(sorted((c, m, n) for (c, m), n in placed.items()))
    assert [(rate.customers, rate.repeat) for rate in rates] == expected


def test_a_months_orders_are_the_shops_months(alpha: Shop) -> None:
    from retention_app.tenancy import shop_scope

    alpha.timezone = "America/Sao_Paulo"
    alpha.save()
    with shop_scope(alpha.id):
        load(order_row(1, customer=1, processed_at=dt.datetime(2026, 3, 1, 1, tzinfo=dt.UTC)))
        assert [rate.month for rate in repeat_rate_by_month(alpha)] == [dt.date(2026, 2, 1)]


def test_the_usual_gap_is_the_median_of_orders_that_count(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "FEW_GAPS", 4)
    load(
        order_row(1, customer=1, processed_at=on("2026-01-01")),
        order_row(2, customer=1, processed_at=on("2026-01-11")),
        order_row(3, customer=1, processed_at=on("2026-01-11")),  # at the same instant
        order_row(4, customer=2, processed_at=on("2026-01-01")),
        order_row(5, customer=2, processed_at=on("2026-01-02"), test=True),
        order_row(6, customer=2, processed_at=on("2026-01-05"), cancelled_at=on("2026-01-06")),
        order_row(7, customer=2, processed_at=on("2026-01-31")),
        order_row(8, customer=2, processed_at=on("2026-02-20")),
        order_row(9, customer=None, processed_at=on("2026-02-21")),
    )
    assert days_between_orders() == 15  # of 0, 10, 20 and 30
    monkeypatch.setattr(statistics, "FEW_GAPS", 5)
    assert days_between_orders() is None
