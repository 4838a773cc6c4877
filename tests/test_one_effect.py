"""Many at once, one effect each: workers on one event, updates of one member (issue 3). Refreshes of one token are in
tests/platform/test_tokens.py, calls to the outside in tests/retention_app/test_outbound.py."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, transaction

from loyalty.ledger import members_bring_up_to_date
from loyalty.models import Entry, LedgerTransaction
from retention_app import clock, events, tasks
from retention_app.models import Customer, DomainEvent, EventRun, Shop
from retention_app.tenancy import shop_scope
from tests.loyalty.ground import customers, mirrored, points_of, publish
from tests.orders import order_row

pytestmark = [
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer and one connection to its tests"),
    pytest.mark.django_db(transaction=True),
]
WORKERS = 8
UPDATES = 50


def at_once(number: int, work: Callable[[int], Any]) -> list[Any]:
    """Call it in so many threads, each with a connection of its own."""

    def one(position: int) -> Any:
        try:
            return work(position)
        finally:
            connection.close()

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(one, range(number)))


@pytest.fixture
def ordered(alpha: Shop) -> Shop:
    """A shop whose programme runs and whose customer has ordered for 50 points, not judged yet."""
    with shop_scope(alpha.id):
        publish(alpha)
        customers(1)
        EventRun.objects.all().delete()
        mirrored(order_row(10, customer=1))
    return alpha


def everybody() -> list[int]:
    return list(Customer.objects.values_list("id", flat=True))


def test_eight_workers_do_one_event_once(ordered: Shop) -> None:
    at_once(WORKERS, lambda _: tasks.event_runs_work(shop_id=ordered.id, consumer="loyalty.bring_up_to_date"))
    with shop_scope(ordered.id):
        assert points_of(ordered) == {1: 50}
        assert (LedgerTransaction.objects.count(), Entry.objects.count()) == (1, 2)
        assert set(EventRun.objects.values_list("state", "attempts")) == {("done", 1)}


def test_fifty_updates_of_one_member_post_once(ordered: Shop) -> None:
    def update(_: int) -> int:
        with shop_scope(ordered.id):
            return members_bring_up_to_date(everybody()).points

    assert sum(at_once(UPDATES, update)) == 50
    with shop_scope(ordered.id):
        assert points_of(ordered) == {1: 50}
        assert (LedgerTransaction.objects.count(), Entry.objects.count()) == (1, 2)


def test_ten_orders_of_one_member_at_once_lose_none(ordered: Shop) -> None:
    def order(position: int) -> None:
        with shop_scope(ordered.id):
            mirrored(order_row(100 + position, customer=1, net_minor=1000))
            members_bring_up_to_date(everybody())

    at_once(10, order)
    with shop_scope(ordered.id):
        members_bring_up_to_date(everybody())
        assert points_of(ordered) == {1: 50 + 10 * 10}


def test_one_fact_told_by_eight_at_once_is_one_event(ordered: Shop) -> None:
    def tell(_: int) -> int:
        fact = events.Fact(type="order.placed", key="order.placed:77", occurred_at=clock.now())
        with shop_scope(ordered.id), transaction.atomic():
            return events.events_record([fact], origin=DomainEvent.Origin.LIVE)

    assert sum(at_once(WORKERS, tell)) == 1
