"""The one upsert path: what reaches the mirror, what doesn't, and which facts it tells."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from retention_app import mirror
from retention_app.models import (
    Customer,
    DomainEvent,
    EventRun,
    Order,
    OrderLine,
    OrderTransaction,
    Product,
    Refund,
    RefundLine,
    Shop,
)
from retention_app.selectors import orders_with_codes
from retention_app.tenancy import shop_scope
from tests.orders import at, customer_row, line_row, order_row, product_row, refund_row

LIVE = DomainEvent.Origin.LIVE


def customers(*rows: dict[str, Any], read: float = 1) -> list[int]:
    return mirror.customers_upsert(rows, read_at=at(read), origin=LIVE)


def orders(*rows: dict[str, Any], read: float = 1000, **options: Any) -> list[int]:
    return mirror.orders_upsert(rows, read_at=at(read), origin=LIVE, **options)


def facts() -> list[str]:
    return list(DomainEvent.objects.order_by("id").values_list("type", flat=True))


def test_a_customer_is_written_once_and_told_once(shop: Shop) -> None:
    assert customers(customer_row(1)) == [1]
    assert customers(customer_row(1)) == []
    assert customers(customer_row(1), read=2) == [1]  # an equal state read later is taken, and changes nothing
    customer = Customer.objects.get()
    assert customer.name == "First1 Last1"
    assert set(customer.words.values_list("word", flat=True)) == {"first1", "last1", "c1@example.com", "example.com"}
    assert facts() == ["customer.registered", "customer.signed_in"]


def test_an_older_customer_never_replaces_a_newer_one(shop: Shop) -> None:
    customers(customer_row(1, first_name="New", updated_at=at(5)), read=5)
    assert customers(customer_row(1, first_name="Old", updated_at=at(4)), read=9) == []
    assert Customer.objects.get().first_name == "New"


def test_withheld_fields_are_empty_and_break_nothing(shop: Shop) -> None:
    customers(customer_row(1, first_name="", last_name="", email=""))
    assert Customer.objects.get().name == ""


def test_a_product_is_kept_up_to_date(shop: Shop) -> None:
    row = product_row(7)
    assert mirror.products_upsert([row], read_at=at(1), origin=LIVE) == [7]
    assert mirror.products_upsert([{**row, "title": "Cup", "updated_at": at(2)}], read_at=at(2), origin=LIVE) == [7]
    assert mirror.products_upsert([row], read_at=at(3), origin=LIVE) == []
    assert Product.objects.get().title == "Cup"


def test_a_new_order_tells_that_it_was_placed_and_paid(shop: Shop) -> None:
    customers(customer_row(1))
    assert orders(order_row(1)) == [1]
    order = Order.objects.get()
    assert order.customer is not None
    assert order.customer.shopify_id == 1
    assert facts()[2:] == ["order.placed", "order.paid"]
    assert not order.event_due


def test_the_same_state_told_again_writes_nothing(shop: Shop) -> None:
    orders(order_row(1))
    before = facts()
    assert orders(order_row(1)) == []
    assert orders(order_row(1), read=2000) == []
    assert orders(order_row(1, updated_at=at(99)), read=2001) == []
    assert facts() == before


def test_an_equal_newer_state_still_keeps_an_older_one_out(shop: Shop) -> None:
    orders(order_row(1, updated_at=at(5)))
    orders(order_row(1, updated_at=at(7)), read=1001)
    assert orders(order_row(1, updated_at=at(6), net_minor=1), read=1002) == []
    assert OrderLine.objects.get().net_minor == 5000


def test_of_two_states_of_the_same_second_the_later_read_wins(shop: Shop) -> None:
    orders(order_row(1, net_minor=100), read=1000)
    assert orders(order_row(1, net_minor=200), read=999) == []
    assert orders(order_row(1, net_minor=300), read=1001) == [1]
    assert OrderLine.objects.get().net_minor == 300


def test_an_edit_replaces_the_lines_and_tells_an_update(shop: Shop) -> None:
    orders(order_row(1, lines=[line_row(11, 100), line_row(12, 200)]))
    edited = order_row(1, lines=[line_row(11, 100), line_row(13, 300)], updated_at=at(50))
    assert orders(edited) == [1]
    assert set(OrderLine.objects.values_list("shopify_id", flat=True)) == {11, 13}
    assert facts() == ["order.placed", "order.paid", "order.updated"]


def test_a_refund_and_a_cancellation_are_told_once_each(shop: Shop) -> None:
    orders(order_row(1))
    refunded = order_row(1, refunds=[refund_row(91, 60, [(10, 1, 5000)])], refunded_minor=5000, updated_at=at(60))
    orders(refunded)
    orders({**refunded, "cancelled_at": at(61), "updated_at": at(61)})
    assert facts()[2:] == ["order.updated", "order.refunded", "order.updated", "order.cancelled"]
    assert RefundLine.objects.get().net_minor == 5000


def test_a_refund_that_names_a_line_twice_counts_it_once_with_both_pieces(shop: Shop) -> None:
    refund = refund_row(91, 60, [(10, 1, 100), (10, 2, 200)])
    orders(order_row(1, lines=[line_row(10, 300, 3)], refunds=[refund]))
    line = RefundLine.objects.get()
    assert (line.quantity, line.net_minor) == (3, 300)


def test_refunds_and_transactions_that_vanish_are_taken_away(shop: Shop) -> None:
    orders(order_row(1, refunds=[refund_row(91, 60, [(10, 1, 5000)])]))
    orders(order_row(1, transactions=[], updated_at=at(70)))
    assert Refund.objects.count() == OrderTransaction.objects.count() == RefundLine.objects.count() == 0


def test_an_unpaid_order_is_told_paid_when_it_is(shop: Shop) -> None:
    orders(order_row(1, paid=False, financial_status="PENDING"))
    orders(order_row(1, updated_at=at(80)))
    assert facts() == ["order.placed", "order.updated", "order.paid"]


def test_a_later_payment_is_told_when_it_came(shop: Shop) -> None:
    orders(order_row(1, paid=False, financial_status="PENDING"))
    orders(order_row(1, paid_at=at(80), updated_at=at(80)))
    orders(order_row(1, paid_at=at(80), updated_at=at(80)), read=1001)
    assert DomainEvent.objects.get(type="order.paid").occurred_at == Order.objects.get().paid_at == at(80)


def test_an_order_that_is_sent_tells_an_update(shop: Shop) -> None:
    orders(order_row(1))
    orders(order_row(1, fulfilled_at=at(90), updated_at=at(90)))
    assert Order.objects.get().fulfilled_at == at(90)
    assert orders(order_row(1, fulfilled_at=None, updated_at=at(89)), read=1001) == []
    assert orders(order_row(1, fulfilled_at=None, updated_at=at(91)), read=1002) == [1]  # the fulfilment is cancelled
    assert Order.objects.get().fulfilled_at is None
    assert facts()[2:] == ["order.updated", "order.updated"]


def test_orders_are_found_by_their_codes(alpha: Shop, beta: Shop) -> None:
    with shop_scope(beta.id):
        orders(order_row(9, discount_codes=["TEA-10"]))
    with shop_scope(alpha.id):
        orders(order_row(1, discount_codes=["ANA", "TEA-10"]), order_row(2, discount_codes=["TEA-10"]), order_row(3))
        one, two = Order.objects.order_by("shopify_id").values_list("id", flat=True)[:2]
        assert orders_with_codes(["tea-10", "ANA", "none"]) == {"tea-10": [one, two], "ANA": [one], "none": []}
        assert orders(order_row(1, discount_codes=["ANA"], updated_at=at(9))) == [1]
        assert orders_with_codes(["TEA-10", "ANA"]) == {"TEA-10": [two], "ANA": [one]}


def test_a_customer_summary_counts_neither_tests_nor_cancellations(shop: Shop) -> None:
    customers(customer_row(1))
    orders(
        order_row(1, net_minor=1000),
        order_row(2, net_minor=2000, refunded_minor=500),
        order_row(3, test=True),
        order_row(4, cancelled_at=at(5)),
    )
    customer = Customer.objects.get()
    assert (customer.orders_count, customer.spent_minor) == (2, 2500)
    assert (customer.first_order_at, customer.last_order_at) == (at(1), at(2))


def test_an_order_that_moves_takes_its_sum_along(shop: Shop) -> None:
    customers(customer_row(1), customer_row(2))
    orders(order_row(1, customer=1, net_minor=700))
    orders(order_row(1, customer=2, net_minor=700, updated_at=at(9)))
    assert list(Customer.objects.order_by("shopify_id").values_list("spent_minor", flat=True)) == [0, 700]


def test_an_order_of_an_unknown_customer_is_kept_without_one(shop: Shop) -> None:
    orders(order_row(1, customer=404), order_row(2, customer=None))
    assert list(Order.objects.values_list("customer", flat=True)) == [None, None]


def test_an_order_finds_its_customer_once_the_mirror_knows_them(shop: Shop) -> None:
    orders(order_row(1, customer=1))
    customers(customer_row(1))
    assert orders(order_row(1, customer=1), read=1001) == [1]
    assert facts()[-1] == "order.updated"


def test_deferred_facts_are_told_in_business_order(shop: Shop) -> None:
    rows = [order_row(n, processed_at=at(100 - n)) for n in (1, 2, 3)]
    orders(*rows, defer_events=True)
    assert facts() == []
    assert mirror.due_events_tell(origin=DomainEvent.Origin.BACKFILL, limit=2) == 2
    assert mirror.due_events_tell(origin=DomainEvent.Origin.BACKFILL, limit=2) == 1
    assert mirror.due_events_tell(origin=DomainEvent.Origin.BACKFILL, limit=2) == 0
    placed = DomainEvent.objects.filter(type="order.placed").order_by("id").values_list("occurred_at", flat=True)
    assert list(placed) == [at(97), at(98), at(99)]


def test_a_live_change_before_the_deferred_facts_tells_each_once(shop: Shop) -> None:
    orders(order_row(1), defer_events=True)
    orders(order_row(1, net_minor=1, updated_at=at(3)))
    assert mirror.due_events_tell(origin=DomainEvent.Origin.BACKFILL, limit=9) == 0
    assert facts() == ["order.placed", "order.paid"]


def test_every_consumer_gets_one_run_per_event(shop: Shop) -> None:
    orders(order_row(1))
    runs = EventRun.objects.values_list("consumer", "event__type")
    assert list(runs) == [("loyalty.bring_up_to_date", "order.paid")]


def test_a_batch_costs_the_same_statements_whatever_its_size(shop: Shop) -> None:
    def cost(ids: range) -> int:
        customers(*(customer_row(n) for n in ids))
        codes = ["A", "B"]
        rows = [
            order_row(n, customer=n, discount_codes=codes, refunds=[refund_row(n * 10 + 2, n, [(n * 10, 1, 5000)])])
            for n in ids
        ]
        with CaptureQueriesContext(
            connection,
        ) as queries:
            orders(*rows)
        return len([q for q in queries if "SAVEPOINT" not in q["sql"]])

    assert cost(range(1, 101)) == cost(range(1001, 1501)) <= 40


def test_two_shops_hold_the_same_platform_ids_apart(alpha: Shop, beta: Shop) -> None:
    for shop, net in ((alpha, 100), (beta, 200)):
        with shop_scope(shop.id):
            customers(customer_row(1))
            orders(order_row(1, net_minor=net))
    for shop, net in ((alpha, 100), (beta, 200)):
        with shop_scope(shop.id):
            assert OrderLine.objects.get().net_minor == net
            assert Order.objects.get().customer.spent_minor == net  # type: ignore[union-attr]


@pytest.mark.parametrize("instant", [dt.datetime(1997, 1, 1, 12, tzinfo=dt.UTC), at(0.0123)])
def test_instants_come_back_as_they_went_in(shop: Shop, instant: dt.datetime) -> None:
    orders(order_row(1, processed_at=instant))
    assert Order.objects.get().processed_at == instant
    assert Order.objects.filter(processed_at=instant).exists()
