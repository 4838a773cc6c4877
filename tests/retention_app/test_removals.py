"""What leaves the mirror: told twice, late, in any order, or of something it never had."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from retention_app import mirror, removals
from retention_app.models import Customer, DomainEvent, Order, OrderLine, Product, Shop
from retention_app.selectors import labels_of
from retention_app.tenancy import shop_scope
from tests.orders import at, customer_row, order_row, product_row

LIVE = DomainEvent.Origin.LIVE


def customers(*rows: dict[str, Any], read: float = 1) -> None:
    mirror.customers_upsert(rows, read_at=at(read), origin=LIVE)


def orders(*rows: dict[str, Any], read: float = 1000) -> None:
    mirror.orders_upsert(rows, read_at=at(read), origin=LIVE)


def merge(kept: int, deleted: int) -> bool:
    return removals.customers_merge(kept_id=kept, deleted_id=deleted, origin=LIVE)


def owners() -> dict[int, int | None]:
    """Order → its customer, by the platform's ids."""
    return dict(Order.objects.values_list("shopify_id", "customer__shopify_id"))


def events(kind: str) -> int:
    return DomainEvent.objects.filter(type=kind).count()


def test_a_deleted_customer_keeps_a_row_that_names_nobody(shop: Shop) -> None:
    customers(customer_row(1), customer_row(2))
    assert removals.customers_gone([1, 9], origin=LIVE) == 1
    gone = Customer.objects.get(shopify_id=1)
    assert (gone.name, gone.email, gone.locale, gone.words.count()) == ("", "", "", 0)
    assert gone.gone_at is not None
    assert Customer.objects.get(shopify_id=2).name == "First2 Last2"
    assert removals.customers_gone([1], origin=LIVE) == 0
    assert events("customer.deleted") == 1


def test_a_customer_the_platform_tells_of_again_comes_back(shop: Shop) -> None:
    customers(customer_row(1))
    removals.customers_gone([1], origin=LIVE)
    customers(customer_row(1), read=2)
    back = Customer.objects.get()
    assert (back.gone_at, back.name) == (None, "First1 Last1")


def test_a_deleted_order_leaves_with_its_lines_and_its_customers_sum(shop: Shop) -> None:
    customers(customer_row(1))
    orders(order_row(10, customer=1, net_minor=500), order_row(11, customer=1, net_minor=700))
    assert removals.orders_gone([10, 99], origin=LIVE) == 1
    assert removals.orders_gone([10], origin=LIVE) == 0
    assert list(OrderLine.objects.values_list("order__shopify_id", flat=True)) == [11]
    customer = Customer.objects.get()
    assert (customer.orders_count, customer.spent_minor) == (1, 700)
    assert events("order.deleted") == 1


def test_deleted_products_leave(shop: Shop) -> None:
    mirror.products_upsert([product_row(7, "tag:tea")], read_at=at(1), origin=LIVE)
    assert removals.products_gone([7]) == 1
    assert removals.products_gone([7]) == 0
    assert not Product.objects.exists()
    assert labels_of([7]) == {7: [("tag:tea", None, None)]}


def test_the_survivor_gets_the_orders_and_the_figures(shop: Shop) -> None:
    customers(customer_row(1), customer_row(2))
    orders(order_row(10, customer=1), order_row(20, customer=2))
    assert merge(2, 1)
    assert owners() == {10: 2, 20: 2}
    away, kept = Customer.objects.get(shopify_id=1), Customer.objects.get(shopify_id=2)
    assert (away.merged_into_id, away.email, away.orders_count) == (kept.id, "", 0)
    assert (kept.orders_count, kept.spent_minor) == (2, 10_000)
    assert not merge(2, 1)
    assert events("customer.merged") == 1


def test_orders_told_late_under_the_old_customer_are_the_survivors(shop: Shop) -> None:
    customers(customer_row(1), customer_row(2))
    merge(2, 1)
    orders(order_row(10, customer=1))
    assert owners() == {10: 2}


def test_a_slow_copy_does_not_bring_back_who_was_merged_away(shop: Shop) -> None:
    customers(customer_row(1), customer_row(2))
    merge(2, 1)
    customers(customer_row(1, updated_at=at(50)), read=60)
    away = Customer.objects.get(shopify_id=1)
    assert (away.name, away.merged_into_id is not None) == ("", True)


@pytest.mark.parametrize("order", list(itertools.permutations([(2, 1), (3, 2), (4, 3)])))
def test_a_chain_of_merges_ends_at_the_last_survivor_in_any_order(shop: Shop, order: list[tuple[int, int]]) -> None:
    customers(*(customer_row(n) for n in (1, 2, 3, 4)))
    orders(*(order_row(n * 10, customer=n) for n in (1, 2, 3, 4)))
    for kept, deleted in order:
        merge(kept, deleted)
    survivor = Customer.objects.get(shopify_id=4)
    assert owners() == {10: 4, 20: 4, 30: 4, 40: 4}
    assert set(Customer.objects.exclude(id=survivor.id).values_list("merged_into_id", flat=True)) == {survivor.id}
    assert survivor.orders_count == 4


def hear_order(order: int, customer: int) -> None:
    orders(order_row(order, customer=customer, updated_at=at(90)), read=2000)


@pytest.mark.parametrize(
    "told",
    list(
        itertools.permutations(
            [
                lambda: removals.customers_gone([1], origin=LIVE),
                lambda: hear_order(10, 2),
                lambda: hear_order(11, 2),
            ]
        )
    ),
)
def test_a_merge_nobody_told_of_is_seen_by_its_orders(shop: Shop, told: list[Any]) -> None:
    customers(customer_row(1), customer_row(2))
    orders(order_row(10, customer=1), order_row(11, customer=1))
    away, kept = Customer.objects.get(shopify_id=1), Customer.objects.get(shopify_id=2)
    for each in told:
        assert removals.merges_conclude(origin=LIVE) == 0
        each()
    assert removals.merges_conclude(origin=LIVE) == 1
    assert removals.merges_conclude(origin=LIVE) == 0
    away.refresh_from_db()
    assert away.merged_into_id == kept.id
    assert not removals.survivor_unknown(away)
    assert events("customer.merged") == 1


def test_who_gave_an_order_away_and_stays_is_not_merged(shop: Shop) -> None:
    customers(customer_row(1), customer_row(2))
    orders(order_row(10, customer=1))
    hear_order(10, 2)
    assert removals.merges_conclude(origin=LIVE) == 0


def test_who_is_gone_with_orders_left_waits_for_the_survivor(shop: Shop) -> None:
    customers(customer_row(1), customer_row(2))
    orders(order_row(10, customer=1), order_row(11, customer=1))
    hear_order(10, 2)
    removals.customers_gone([1], origin=LIVE)
    assert removals.merges_conclude(origin=LIVE) == 0
    assert removals.survivor_unknown(Customer.objects.get(shopify_id=1))


def test_a_late_notice_of_a_merge_is_believed_over_what_the_orders_said(shop: Shop) -> None:
    customers(customer_row(1), customer_row(2), customer_row(3))
    orders(order_row(10, customer=1))
    hear_order(10, 2)
    removals.customers_gone([1], origin=LIVE)
    assert removals.merges_conclude(origin=LIVE) == 1
    assert merge(3, 1)
    assert Customer.objects.get(shopify_id=1).merged_into == Customer.objects.get(shopify_id=3)


def test_who_changed_after_giving_an_order_away_is_not_merged_when_they_leave(shop: Shop) -> None:
    customers(customer_row(1), customer_row(2))
    orders(order_row(10, customer=1))
    hear_order(10, 2)
    customers(customer_row(1), read=50)  # a slow copy, as it was
    assert Customer.objects.get(shopify_id=1).orders_went_to is not None
    customers(customer_row(1, updated_at=at(91)), read=95)
    removals.customers_gone([1], origin=LIVE)
    assert removals.merges_conclude(origin=LIVE) == 0


def test_who_comes_back_before_the_lock_is_not_merged(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    customers(customer_row(1), customer_row(2))
    orders(order_row(10, customer=1))
    hear_order(10, 2)
    removals.customers_gone([1], origin=LIVE)
    locked = removals._locked

    def back_first(shopify_ids: Any) -> Any:
        Customer.objects.filter(shopify_id=1).update(gone_at=None)
        return locked(shopify_ids)

    monkeypatch.setattr(removals, "_locked", back_first)
    assert removals.merges_conclude(origin=LIVE) == 0
    assert Customer.objects.get(shopify_id=1).merged_into is None


def test_nobody_is_merged_into_who_was_erased_meanwhile(shop: Shop) -> None:
    customers(customer_row(1), customer_row(2))
    orders(order_row(10, customer=1))
    hear_order(10, 2)
    removals.customers_gone([1], origin=LIVE)
    Customer.objects.filter(shopify_id=2).update(shopify_id=-5)
    assert removals.merges_conclude(origin=LIVE) == 0


def test_a_merge_of_strangers_or_with_oneself_changes_nothing(shop: Shop, beta: Shop) -> None:
    customers(customer_row(1))
    assert not merge(9, 1)
    assert not merge(1, 9)
    assert not merge(1, 1)
    assert Customer.objects.get().merged_into_id is None


def test_another_shops_customers_stay(alpha: Shop, beta: Shop) -> None:
    for each in (alpha, beta):
        with shop_scope(each.id):
            customers(customer_row(1), customer_row(2))
            orders(order_row(10, customer=1))
    with shop_scope(alpha.id):
        merge(2, 1)
        removals.orders_gone([10], origin=LIVE)
        removals.customers_gone([2], origin=LIVE)
    with shop_scope(beta.id):
        assert owners() == {10: 1}
        assert not Customer.objects.exclude(gone_at=None).exists()
