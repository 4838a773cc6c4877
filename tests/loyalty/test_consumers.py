"""From events to the ledger, by the workers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from loyalty import consumers
from loyalty.models import Entry
from loyalty.verification import ledger_verify
from retention_app.models import EventRun, Shop
from tests.loyalty.ground import customers, mirrored, points_of, publish
from tests.orders import line_row, order_row, refund_row


def test_an_order_becomes_points(shop: Shop, work_off: Callable[[], None]) -> None:
    publish(shop)
    customers(1)
    mirrored(order_row(5))
    work_off()
    assert points_of(shop) == {1: 50}
    lines = [line_row(50, 5000)]
    mirrored(order_row(5, lines=lines, refunds=[refund_row(55, 6, [(50, 1, 5000)])]))
    work_off()
    assert points_of(shop) == {1: 0}


def test_orders_that_came_before_the_programme_are_caught_up_in_slices(
    shop: Shop, work_off: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "CATCH_UP_SLICE", 2)
    customers(*range(1, 6))
    mirrored(*(order_row(100 + id_, customer=id_) for id_ in range(1, 6)))
    work_off()
    assert points_of(shop) == {}
    publish(shop)
    work_off()
    assert points_of(shop) == dict.fromkeys(range(1, 6), 50)


def test_a_new_version_leaves_earlier_orders_alone(shop: Shop, work_off: Callable[[], None]) -> None:
    publish(shop)
    customers(1)
    mirrored(order_row(5))
    work_off()
    publish(shop, points=3)
    work_off()
    assert points_of(shop) == {1: 50}
    assert Entry.objects.count() == 2
    assert not ledger_verify().findings


def test_told_again_in_any_order_events_change_nothing(shop: Shop, work_off: Callable[[], None]) -> None:
    publish(shop)
    customers(1, 2)
    mirrored(order_row(5), order_row(6, customer=2), order_row(7))
    work_off()
    EventRun.objects.update(state=EventRun.State.WAITING, attempts=0, cursor=0)
    work_off()
    assert points_of(shop) == {1: 100, 2: 50}
    assert Entry.objects.count() == 6
