"""What time alone changes, one member that can't be judged, and facts dated where no clock is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from loyalty import ledger, tasks
from loyalty.ledger import members_bring_along, members_due
from loyalty.models import Entry, Lot, Member, Programme
from loyalty.rules.earning import ORDER_POINTS_MAX
from loyalty.verification import ledger_verify
from retention_app import clock, work
from retention_app.models import Customer, Product, Shop
from retention_app.tenancy import shop_scope
from tests.loyalty.ground import bring, customers, mirrored, publish
from tests.orders import at, line_row, order_row


@pytest.fixture
def two(alpha: Shop) -> Iterator[list[int]]:
    with shop_scope(alpha.id):
        publish(alpha)
        yield customers(1, 2)


def due_now(*shopify_ids: int) -> None:
    Member.objects.filter(customer__shopify_id__in=shopify_ids).update(next_at=at(0))


def test_one_worker_at_a_time_lets_time_pass(two: list[int], alpha: Shop) -> None:
    mirrored(order_row(5))
    bring(1)
    due_now(1)
    Programme.objects.update(lease_until=work.lease_end())
    tasks.members_time_passes(shop_id=alpha.id)
    assert members_due(limit=5) == two[:1]
    Programme.objects.update(lease_until=None)
    tasks.members_time_passes(shop_id=alpha.id)
    assert members_due(limit=5) == []
    assert Programme.objects.get().lease_until is None


@pytest.fixture
def odd(two: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of the two can't be judged, as long as the test doesn't undo it."""
    mirrored(order_row(5), order_row(6, customer=2))
    judge = ledger._judge

    def fails_for_one(member: Any, *args: Any) -> Any:
        if member.customer_id == two[0]:
            raise ValueError("This one can't be judged.")
        return judge(member, *args)

    monkeypatch.setattr(ledger, "_judge", fails_for_one)


def test_a_member_that_can_not_be_judged_holds_nobody_up(
    two: list[int], alpha: Shop, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirrored(order_row(3), order_row(4, customer=2))
    bring(1, 2)
    request.getfixturevalue("odd")
    due_now(1, 2)
    tasks.members_time_passes(shop_id=alpha.id)
    assert Entry.objects.filter(source="order:6").exists()
    left = Member.objects.get(customer_id=two[0])
    assert left.next_at is not None
    assert left.next_at > clock.now()
    monkeypatch.undo()
    assert members_bring_along(two) == 2
    assert not ledger_verify().findings


def test_a_customer_who_can_not_become_a_member_holds_nobody_up_and_is_not_forgotten(
    two: list[int], odd: None, alpha: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert members_bring_along(two) == 1
    assert members_bring_along(two) == 1
    assert set(Member.objects.values_list("customer_id", flat=True)) == set(two)
    monkeypatch.undo()
    with time_machine.travel(clock.now() + 2 * ledger.AGAIN_AFTER, tick=False):
        tasks.members_time_passes(shop_id=alpha.id)
    assert Entry.objects.filter(source="order:5").exists()
    assert not ledger_verify().findings


def test_an_order_of_the_future_counts_when_it_comes(two: list[int]) -> None:
    tomorrow = timezone.now() + dt.timedelta(days=1)
    mirrored(order_row(5), order_row(6, processed_at=tomorrow))
    assert bring(1).points == 50
    assert Member.objects.get().next_at == tomorrow
    with time_machine.travel(tomorrow + dt.timedelta(hours=1), tick=False):
        assert members_due(limit=5) == two[:1]
        assert bring(1).points == 50


def test_who_is_being_judged_while_a_product_is_labelled_is_read_again(
    two: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    product = Product.objects.create(
        shop_id=Programme.objects.get().shop_id, shopify_id=9, title="Tea", updated_at=at(0), read_at=at(0)
    )
    mirrored(order_row(5, lines=[line_row(51, 5000, product_shopify_id=9)]))
    bring(1)
    mirrored(order_row(6))
    post = ledger.post

    def labelled_meanwhile(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(ledger, "post", post)
        ledger.members_judge_soon([product.id])
        return post(*args, **kwargs)

    monkeypatch.setattr(ledger, "post", labelled_meanwhile)
    bring(1)
    assert Member.objects.get().revision == 3  # judged, made due, judged again
    assert not ledger_verify().findings


def test_no_rules_make_more_of_an_order_than_the_ledger_can_hold(two: list[int], alpha: Shop) -> None:
    publish(alpha, points=1000, per_minor=1)
    mirrored(order_row(5, net_minor=10**15))
    bring(1)
    assert Lot.objects.get().points <= ORDER_POINTS_MAX
    assert not ledger_verify().findings
    assert Customer.objects.count() == 2
