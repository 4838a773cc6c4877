"""Members with many orders are judged from a snapshot, and come to what they come to without."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine

from loyalty import ledger, snapshots
from loyalty.models import Account, Entry, MemberSnapshot
from loyalty.rules.facts import MemberFacts
from loyalty.staff import points_adjust
from loyalty.verification import ledger_verify
from retention_app.models import Customer, Product, Shop
from retention_app.tenancy import shop_scope
from tests.loyalty.ground import bring, customers, mirrored, publish
from tests.orders import at, line_row, order_row, refund_row

ORDERS = 12


@pytest.fixture
def judged_orders(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many orders each judgement went through, from here on."""
    numbers: list[int] = []
    state = ledger.statement

    def counted(known: MemberFacts, *args: Any) -> Any:
        numbers.append(len(known.orders))
        return state(known, *args)

    monkeypatch.setattr(ledger, "statement", counted)
    return numbers


@pytest.fixture
def regular(alpha: Shop, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A customer with many orders, all of one product, brought up to date."""
    monkeypatch.setattr(snapshots, "ORDERS_AFTER", 3)
    monkeypatch.setattr(snapshots, "ORDERS_AGAIN", 6)
    with shop_scope(alpha.id):
        publish(alpha)
        (customer_id,) = customers(1)
        Product.objects.create(shop_id=alpha.id, shopify_id=70, title="Tea", updated_at=at(0), read_at=at(0))
        mirrored(*(order_row(number) for number in range(1, ORDERS + 1)))
        bring(1)
        yield customer_id
        assert not ledger_verify().findings


def balance() -> int | None:
    return Account.objects.get(kind="member").balance


def test_orders_dated_ahead_of_the_clock_are_posted_when_it_comes_to_them(
    alpha: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "ORDERS_AFTER", 3)
    monkeypatch.setattr(snapshots, "ORDERS_AGAIN", 6)
    with shop_scope(alpha.id):
        with time_machine.travel(at(150), tick=False):
            publish(alpha)
            customers(1)
            mirrored(*(order_row(number, processed_at=at(60 * number)) for number in range(1, ORDERS + 1)))
            bring(1)
            assert balance() == 2 * 50
        bring(1)
        assert balance() == ORDERS * 50
        assert not ledger_verify().findings


def test_a_new_order_is_judged_with_the_latest_ones(regular: int, judged_orders: list[int]) -> None:
    mirrored(order_row(20))
    bring(1)
    assert judged_orders == [4]
    assert balance() == (ORDERS + 1) * 50


def test_another_snapshot_is_taken_from_the_last(regular: int, judged_orders: list[int]) -> None:
    before = MemberSnapshot.objects.get().at
    for number in range(20, 25):
        mirrored(order_row(number))
        bring(1)
    assert judged_orders == [4, 5, 6, 7, 4]
    assert MemberSnapshot.objects.get().at > before


def test_a_changed_old_order_has_all_gone_through_again(regular: int, judged_orders: list[int]) -> None:
    returned = refund_row(900, 50, [(20, 1, 5000)])
    mirrored(order_row(2, refunds=[returned], lines=[line_row(20, 5000, current_quantity=0)]))
    bring(1)
    assert judged_orders == [ORDERS]
    assert balance() == (ORDERS - 1) * 50


def test_what_is_taken_back_by_a_change_comes_again_when_the_change_goes(
    regular: int, judged_orders: list[int]
) -> None:
    """The order is as the snapshot knew it, but the ledger isn't."""
    returned = refund_row(900, 1_000, [(10, 1, 5000)])  # after all others: no instant is closed meanwhile
    mirrored(order_row(1, refunds=[returned], lines=[line_row(10, 5000, current_quantity=0)]))
    bring(1)
    assert balance() == (ORDERS - 1) * 50
    mirrored(order_row(1))
    bring(1)
    assert balance() == ORDERS * 50
    assert judged_orders == [ORDERS, ORDERS]


def test_an_order_found_late_has_all_gone_through_again(regular: int, judged_orders: list[int]) -> None:
    mirrored(order_row(30, processed_at=at(1.5)))
    bring(1)
    assert judged_orders == [ORDERS + 1]


def test_one_that_went_to_somebody_else_is_taken_out(regular: int, judged_orders: list[int]) -> None:
    customers(2)
    mirrored(order_row(2, customer=2))
    bring(1, 2)
    assert sorted(judged_orders) == [1, ORDERS - 1]
    assert balance_of(1) == (ORDERS - 1) * 50


def balance_of(shopify_id: int) -> int | None:
    return Account.objects.get(member__customer__shopify_id=shopify_id).balance


def test_another_version_has_all_gone_through_once(regular: int, alpha: Shop, judged_orders: list[int]) -> None:
    publish(alpha, points=2)
    bring(1)
    mirrored(order_row(20, processed_at=dt.datetime.now(dt.UTC)))
    bring(1)
    assert judged_orders == [ORDERS, ORDERS + 1]


def test_one_of_another_shape_is_not_taken_up(regular: int, judged_orders: list[int]) -> None:
    MemberSnapshot.objects.update(data={"at": "2026-01-01T00:00:00+00:00"}, fingerprint="of an older release")
    mirrored(order_row(20, processed_at=dt.datetime.now(dt.UTC)))
    bring(1)
    assert judged_orders == [ORDERS + 1]


def test_labels_of_a_product_are_looked_at_in_all_orders(regular: int, judged_orders: list[int]) -> None:
    ledger.members_judge_soon(Product.objects.values_list("id", flat=True))
    assert not MemberSnapshot.objects.exists()
    bring(1)
    assert judged_orders == [ORDERS]
    assert MemberSnapshot.objects.exists()


def test_what_staff_give_is_told_after_it(regular: int, alpha: Shop, judged_orders: list[int]) -> None:
    given_to = Customer.objects.get(id=regular)
    points_adjust(shop=alpha, customer=given_to, points=30, reason="gift", actor="42", key="1")
    assert balance() == ORDERS * 50 + 30
    assert set(judged_orders) == {3}


def test_verifying_takes_none(regular: int, monkeypatch: pytest.MonkeyPatch) -> None:
    MemberSnapshot.objects.all().delete()
    monkeypatch.setattr(snapshots, "snapshot", lambda *args: pytest.fail("A snapshot that nobody keeps."))
    assert not ledger_verify().findings


def test_repairing_goes_through_all_of_them(regular: int, judged_orders: list[int]) -> None:
    MemberSnapshot.objects.update(data={"broken": True}, fingerprint="")
    Account.objects.filter(kind="member").update(balance=7)
    assert ledger_verify().findings
    assert ledger_verify(repair=True).repaired == 1
    assert balance() == ORDERS * 50


def test_a_member_nobody_can_close_an_instant_of_is_judged_whole(
    alpha: Shop, monkeypatch: pytest.MonkeyPatch, judged_orders: list[int]
) -> None:
    """Each order is refunded after the next one was placed."""
    monkeypatch.setattr(snapshots, "ORDERS_AFTER", 3)
    monkeypatch.setattr(snapshots, "ORDERS_AGAIN", 6)
    with shop_scope(alpha.id):
        publish(alpha)
        customers(1)
        mirrored(
            *(order_row(n, refunds=[refund_row(900 + n, n + 1.5, [(n * 10, 1, 5000)])]) for n in range(1, ORDERS + 1))
        )
        bring(1)
        mirrored(order_row(20))
        bring(1)
        assert not MemberSnapshot.objects.exists()
        assert judged_orders == [ORDERS, ORDERS + 1]
        assert not ledger_verify().findings
        assert Entry.objects.filter(account__kind="member").count() == 2 * ORDERS + 1
