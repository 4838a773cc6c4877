"""Customers merged by the platform: the survivor folds the merged history, both accounts posted in one transaction."""

from __future__ import annotations

import pytest
from django.db.models import Sum

from loyalty import posting
from loyalty.models import Account, Entry, LedgerTransaction
from loyalty.staff import points_adjust
from loyalty.verification import ledger_verify
from retention_app import removals
from retention_app.models import Customer, EventRun, Order, Shop
from tests.loyalty.ground import LIVE, bring, customers, mirrored, points_of, publish
from tests.orders import order_row
from tests.workers import work_off


def merge(kept: int, deleted: int) -> None:
    removals.customers_merge(kept_id=kept, deleted_id=deleted, origin=LIVE)


@pytest.fixture
def two(shop: Shop) -> Shop:
    """Customer 1 has 50 points, customer 2 has 30."""
    publish(shop)
    customers(1, 2)
    mirrored(order_row(10, customer=1, net_minor=5000), order_row(20, customer=2, net_minor=3000))
    work_off()
    assert points_of(shop) == {1: 50, 2: 30}
    return shop


def balance_of(shopify_id: int) -> int | None:
    return Account.objects.get(member__customer__shopify_id=shopify_id).balance


def test_the_survivor_has_the_points_of_both(two: Shop) -> None:
    merge(2, 1)
    work_off()
    assert points_of(two) == {2: 80}
    assert balance_of(1) == 0
    assert Entry.objects.filter(shop=two).aggregate(sum=Sum("amount"))["sum"] == 0


def test_both_accounts_are_posted_together(two: Shop) -> None:
    merge(2, 1)
    before = LedgerTransaction.objects.count()
    bring(1)  # whichever of the two is brought up to date
    assert points_of(two) == {2: 80}
    assert LedgerTransaction.objects.count() == before + 2
    assert len(set(LedgerTransaction.objects.order_by("-id").values_list("recorded_at", flat=True)[:2])) == 1
    merged = bring(1, 2)
    assert (merged.entries, points_of(two)) == (0, {2: 80})


def test_a_notice_after_a_wrong_conclusion_leaves_the_points_with_one(two: Shop) -> None:
    customers(3)
    points_adjust(shop=two, customer=Customer.objects.get(shopify_id=1), points=70, reason="gift", actor="42", key="1")
    merge(2, 1)
    work_off()
    assert points_of(two) == {2: 150}
    merge(3, 1)
    work_off()
    assert points_of(two) == {2: 80, 3: 70}  # whose orders are, the orders' reads say
    assert not ledger_verify().findings


def test_when_one_of_them_lost_the_guard_nothing_is_posted(two: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    merge(2, 1)
    guard, first = posting._guard, []

    def loses_once(judgements: list[posting.Judgement]) -> list[posting.Judgement]:
        winners = guard(judgements)
        if not first:
            first.append(True)
            survivor = Customer.objects.get(shopify_id=2).id
            return [judgement for judgement in winners if judgement.customer_id != survivor]
        return winners

    posted: list[list[str]] = []
    append = posting._entries_append
    monkeypatch.setattr(posting, "_guard", loses_once)
    monkeypatch.setattr(posting, "_entries_append", lambda judgements: posted.append([]) or append(judgements))
    bring(1, 2)
    assert len(posted) == 1  # the first round was rolled back before it posted
    assert points_of(two) == {2: 80}


def test_a_refund_of_a_merged_order_is_taken_from_the_survivor(two: Shop) -> None:
    merge(2, 1)
    work_off()
    mirrored(order_row(10, customer=1, net_minor=5000, cancelled_at=None, test=True))
    work_off()
    assert points_of(two) == {2: 30}


def test_a_deleted_order_takes_its_points_along(two: Shop) -> None:
    removals.orders_gone([10], origin=LIVE)
    work_off()
    assert points_of(two) == {1: 0, 2: 30}
    assert not Order.objects.filter(shopify_id=10).exists()


def test_events_in_any_order_end_the_same(two: Shop) -> None:
    merge(2, 1)
    mirrored(order_row(30, customer=1, net_minor=1000))
    EventRun.objects.filter(state="waiting").order_by("-id").update(cursor=0)
    work_off()
    assert points_of(two) == {2: 90}


def test_a_deleted_order_that_comes_back_earns_again(two: Shop) -> None:
    removals.orders_gone([10], origin=LIVE)
    work_off()
    mirrored(order_row(10, customer=1, net_minor=5000))
    work_off()
    assert points_of(two) == {1: 50, 2: 30}
    removals.orders_gone([10], origin=LIVE)
    mirrored(order_row(10, customer=1, net_minor=5000))
    work_off()
    assert points_of(two) == {1: 50, 2: 30}


def test_an_order_moved_and_deleted_before_anybody_looked_leaves_nothing_behind(two: Shop) -> None:
    mirrored(order_row(10, customer=2, net_minor=5000))
    removals.orders_gone([10], origin=LIVE)
    work_off()
    assert points_of(two) == {1: 0, 2: 30}
