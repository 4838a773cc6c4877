"""Nodes → rows: money, tax, discounts, edits, refunds, and what the platform withholds."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from retention_app.labels import LENGTH_MAX
from retention_app.money import exponent, minor_units
from retention_app.shopify import mapping
from retention_app.shopify.errors import UnreadableAnswer
from tests.platform.nodes import (
    bag,
    collection_node,
    customer_node,
    discounts,
    fulfilment_node,
    line_node,
    order_node,
    product_node,
    refund_line,
    refund_node,
    refund_shipping,
    taxes,
)


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("18.50", "EUR", 1850),
        ("18.5", "EUR", 1850),
        ("0.0", "EUR", 0),
        ("-3.07", "USD", -307),
        ("1200", "JPY", 1200),
        ("1200.0", "JPY", 1200),
        ("1.005", "KWD", 1005),
        ("0.1", "KWD", 100),
        ("90071992547409.93", "USD", 9007199254740993),
    ],
)
def test_amount_becomes_minor_units(amount: str, currency: str, minor: int) -> None:
    assert minor_units(amount, currency) == minor


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        ("1.005", "EUR"),
        ("0.5", "JPY"),
        ("", "EUR"),
        ("NaN", "EUR"),
        ("Infinity", "EUR"),
        ("1e30", "EUR"),
        ("ten", "EUR"),
    ],
)
def test_amount_that_is_not_exact_is_refused(amount: str, currency: str) -> None:
    with pytest.raises(ValueError, match=r"amount|decimals"):
        minor_units(amount, currency)


def test_amount_that_is_no_text_is_refused() -> None:
    with pytest.raises(ValueError, match="no amount"):
        minor_units(None, "EUR")  # type: ignore[arg-type]


def test_exponents_are_the_iso_ones() -> None:
    assert [exponent(currency) for currency in ("BRL", "KRW", "TND", "CLF")] == [2, 0, 3, 4]


def test_customer_is_mapped() -> None:
    assert mapping.customer(customer_node(8101)) == {
        "shopify_id": 8101,
        "first_name": "Ana",
        "last_name": "Petrova",
        "email": "ana@example.com",
        "locale": "de",
        "account_state": "ENABLED",
        "verified_email": True,
        "created_at": dt.datetime(2026, 1, 12, 8, tzinfo=dt.UTC),
        "updated_at": dt.datetime(2026, 11, 21, 10, 2, 7, tzinfo=dt.UTC),
    }


def test_withheld_customer_fields_come_out_empty() -> None:
    row = mapping.customer(customer_node(firstName=None, lastName=None, locale=None, defaultEmailAddress=None))
    assert (row["first_name"], row["last_name"], row["email"], row["locale"]) == ("", "", "", "")


def test_text_the_database_refuses_is_made_to_fit() -> None:
    row = mapping.customer(customer_node(firstName="A\0na", lastName="x" * 999))
    assert row["first_name"] == "Ana"
    assert len(row["last_name"]) == 255


def test_product_is_mapped() -> None:
    row = mapping.product(product_node(7001, isGiftCard=True), [])
    assert (row["shopify_id"], row["handle"], row["status"], row["is_gift_card"]) == (
        7001,
        "coffee-beans",
        "ACTIVE",
        True,
    )


def test_product_is_labelled_with_its_tags_and_collections() -> None:
    node = product_node(tags=["Black Tea", " black tea", "Summer\0", "İ" * 300])
    labels = mapping.product(node, [collection_node(91), collection_node(92)])["labels"]
    assert [label for label in labels if len(label) < 100] == [
        "collection:91",
        "collection:92",
        "tag:black tea",
        "tag:summer",
    ]
    assert max(map(len, labels)) == LENGTH_MAX


def test_order_without_customer_belongs_to_nobody() -> None:
    assert mapping.order(order_node(customer=None), [])["customer_shopify_id"] is None


def test_line_is_worth_its_price_after_discounts() -> None:
    line = line_node(1, "40.00", quantity=2, discountAllocations=discounts("3.00", "1.00"), taxLines=taxes("6.84"))
    row = mapping.order(order_node(), [line])["lines"][0]
    assert (row["net_minor"], row["quantity"], row["current_quantity"]) == (3600, 2, 2)


def test_included_tax_is_taken_off_a_line() -> None:
    line = line_node(1, "40.00", discountAllocations=discounts("4.00"), taxLines=taxes("5.00", "0.75"))
    assert mapping.order(order_node(taxesIncluded=True), [line])["lines"][0]["net_minor"] == 3025


def test_edited_line_keeps_its_quantity_and_tells_what_is_left() -> None:
    row = mapping.order(order_node(), [line_node(1, "60.00", quantity=3, currentQuantity=1)])["lines"][0]
    assert (row["quantity"], row["current_quantity"], row["net_minor"]) == (3, 1, 6000)


def test_line_of_a_deleted_product_has_none() -> None:
    row = mapping.order(order_node(), [line_node(1, "1.00", product=None, sku=None)])["lines"][0]
    assert (row["product_shopify_id"], row["sku"]) == (None, "")


def test_refund_of_lines_leaves_nothing_unexplained() -> None:
    refund = refund_node(9, "21.42", refund_line(1, "18.00", "3.42"))
    row = mapping.order(order_node(refunds=[refund]), [])["refunds"][0]
    assert row["lines"] == [{"line_shopify_id": 1, "quantity": 1, "net_minor": 1800}]
    assert (row["total_minor"], row["unlined_minor"]) == (2142, 0)


def test_refund_line_with_included_tax_counts_without_it() -> None:
    refund = refund_node(9, "18.00", refund_line(1, "18.00", "2.87"))
    row = mapping.order(order_node(refunds=[refund], taxesIncluded=True), [])["refunds"][0]
    assert (row["lines"][0]["net_minor"], row["unlined_minor"]) == (1513, 0)


def test_refund_of_an_amount_only_is_all_unlined() -> None:
    row = mapping.order(order_node(refunds=[refund_node(9, "7.50")]), [])["refunds"][0]
    assert (row["lines"], row["total_minor"], row["unlined_minor"]) == ([], 750, 750)


@pytest.mark.parametrize(("included", "unlined"), [(True, 144), (False, 0)])
def test_refunded_shipping_explains_its_part(included: bool, unlined: int) -> None:
    refund = refund_node(9, "24.34", refund_line(1, "18.00", "0.00"), shipping=(refund_shipping("4.90", "1.44"),))
    row = mapping.order(order_node(refunds=[refund], taxesIncluded=included), [])["refunds"][0]
    assert row["unlined_minor"] == unlined


def test_refund_of_less_than_its_lines_has_no_negative_rest() -> None:
    refund = refund_node(9, "10.00", refund_line(1, "18.00"))
    assert mapping.order(order_node(refunds=[refund]), [])["refunds"][0]["unlined_minor"] == 0


@pytest.mark.parametrize(
    ("status", "paid"),
    [
        ("PAID", True),
        ("PARTIALLY_REFUNDED", True),
        ("REFUNDED", True),
        ("PENDING", False),
        ("AUTHORIZED", False),
        ("PARTIALLY_PAID", False),
        ("VOIDED", False),
        ("SOMETHING_NEW", False),
        (None, False),
    ],
)
def test_order_counts_as_paid_by_its_status(status: str | None, paid: bool) -> None:
    row = mapping.order(order_node(displayFinancialStatus=status), [])
    assert (row["paid"], row["financial_status"]) == (paid, status or "")


def test_order_totals_are_those_placed_and_refunded() -> None:
    row = mapping.order(order_node(total="40.90", totalRefundedSet=bag("18.00")), [])
    assert (row["total_minor"], row["refunded_minor"]) == (4090, 1800)


def test_cancelled_test_order_says_so() -> None:
    row = mapping.order(order_node(cancelledAt="2026-11-22T09:00:00+01:00", test=True), [])
    assert row["cancelled_at"] == dt.datetime(2026, 11, 22, 8, tzinfo=dt.UTC)
    assert row["test"]


def test_transactions_are_mapped() -> None:
    transaction = {
        "id": "gid://shopify/OrderTransaction/5",
        "kind": "SALE",
        "status": "SUCCESS",
        "gateway": None,
        "processedAt": None,
        "amountSet": bag("40.90"),
    }
    assert mapping.order(order_node(transactions=[transaction]), [])["transactions"] == [
        {
            "shopify_id": 5,
            "kind": "SALE",
            "status": "SUCCESS",
            "gateway": "",
            "amount_minor": 4090,
            "processed_at": None,
        }
    ]


def test_bulk_order_needs_its_refunds_only_when_it_has_any() -> None:
    assert not mapping.order_needs_refunds(order_node(refunds=[]))
    assert mapping.order_needs_refunds(order_node(refunds=[{"id": "gid://shopify/Refund/1"}]))
    assert not mapping.order_needs_refunds(order_node(refunds=[refund_node(1, "1.00")]))


def test_order_with_half_a_refund_is_refused() -> None:
    with pytest.raises(UnreadableAnswer, match=r"Order/6001.*not complete"):
        mapping.order(order_node(6001, refunds=[{"id": "gid://shopify/Refund/1"}]), [])


@pytest.mark.parametrize(
    "damage",
    [
        {"totalPriceSet": bag("1.005")},
        {"processedAt": "2026-11-21T10:02:07"},
        {"currencyCode": None},
        {"totalPriceSet": None},
    ],
)
def test_node_that_cannot_be_taken_exactly_is_refused_by_name(damage: dict[str, object]) -> None:
    with pytest.raises(UnreadableAnswer, match="gid://shopify/Order/6001"):
        mapping.order(
            order_node(6001, **damage) if damage != {"currencyCode": None} else {"id": "gid://shopify/Order/6001"}, []
        )


def test_what_is_no_node_is_refused() -> None:
    with pytest.raises(UnreadableAnswer, match="without id"):
        mapping.customer(None)  # type: ignore[arg-type]


def test_ids_and_instants_are_read() -> None:
    assert mapping.gid("Order", 6001000000001) == "gid://shopify/Order/6001000000001"
    assert mapping.numeric_id("gid://shopify/Order/6001000000001") == 6001000000001
    assert mapping.instant("2026-11-21T10:02:07.123456789Z").microsecond == 123456


def sale(amount: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": "gid://shopify/OrderTransaction/9320",
        "kind": "SALE",
        "status": "SUCCESS",
        "gateway": "bogus",
        "processedAt": "2026-11-21T10:02:07Z",
        "amountSet": bag(amount),
        **fields,
    }


def unlined(total: str, received: str, *refunds: dict[str, Any]) -> list[int]:
    """What each refund took beyond lines, of an order with this total (after edits) and this much paid."""
    node = order_node(total=total, transactions=[sale(received)], refunds=list(refunds))
    return [refund["unlined_minor"] for refund in mapping.order(node, [])["refunds"]]


def test_money_back_for_pieces_an_edit_removed_takes_nothing_more() -> None:
    assert unlined("50.00", "100.00", refund_node(1, "50.00")) == [0]
    assert unlined("50.00", "100.00", refund_node(1, "30.00"), refund_node(2, "30.00")) == [0, 1000]


def test_money_back_on_an_order_edited_before_it_was_paid_counts() -> None:
    assert unlined("50.00", "50.00", refund_node(1, "10.00")) == [1000]


def test_money_that_follows_lines_returned_without_it_takes_nothing_more() -> None:
    lines_only = refund_node(1, "0.00", refund_line(15, "20.00"))
    assert unlined("40.00", "40.00", lines_only, refund_node(2, "25.00")) == [0, 500]


def test_refunds_settle_what_was_owed_in_the_order_they_were_made() -> None:
    late = {**refund_node(1, "40.00"), "processedAt": "2026-12-02T10:00:00Z"}
    early = {**refund_node(2, "40.00"), "processedAt": "2026-12-01T10:00:00Z"}
    assert unlined("50.00", "100.00", late, early) == [3000, 0]


def test_overpaid_money_given_back_is_no_lost_revenue() -> None:
    node = order_node(total="50.00", transactions=[sale("100.00")], totalRefundedSet=bag("60.00"))
    assert mapping.order(node, [])["refunded_minor"] == 1000


@pytest.mark.parametrize(
    ("status", "received", "paid"),
    [
        ("PARTIALLY_REFUNDED", "40.90", True),
        ("PARTIALLY_REFUNDED", "10.00", False),  # a deposit, or unpaid items added later
        ("REFUNDED", "40.90", True),
        ("PARTIALLY_PAID", "10.00", False),
    ],
)
def test_a_refunded_order_was_paid_only_if_its_total_came_in(status: str, received: str, paid: bool) -> None:
    node = order_node(displayFinancialStatus=status, transactions=[sale(received)])
    assert mapping.order(node, [])["paid"] is paid


def test_failed_payments_and_authorisations_bring_nothing_in() -> None:
    payments = [sale("40.90", status="FAILURE"), sale("40.90", kind="AUTHORIZATION")]
    node = order_node(displayFinancialStatus="PARTIALLY_REFUNDED", transactions=[*payments, sale("1.00")])
    assert mapping.order(node, [])["paid"] is False


PLACED, FIRST, SECOND = (f"2026-11-2{day}T10:02:07Z" for day in (1, 3, 7))


def payments(*amounts_and_instants: tuple[str, str | None]) -> list[dict[str, Any]]:
    return [
        sale(amount, id=f"gid://shopify/OrderTransaction/{number}", processedAt=instant)
        for number, (amount, instant) in enumerate(amounts_and_instants)
    ]


@pytest.mark.parametrize(
    ("total", "received", "paid_at"),
    [
        ("40.00", payments(("40.00", FIRST)), FIRST),
        ("40.00", payments(("10.00", FIRST), ("30.00", SECOND)), SECOND),
        ("40.00", payments(("30.00", SECOND), ("10.00", FIRST)), SECOND),  # told in any order
        ("40.00", payments(("40.00", FIRST), ("40.00", SECOND)), FIRST),  # and overpaid
        ("40.00", [sale("40.00", status="FAILURE", processedAt=FIRST), sale("40.00", processedAt=SECOND)], SECOND),
        ("40.00", [sale("40.00", kind="AUTHORIZATION", processedAt=FIRST)], None),
        ("40.00", [sale("40.00", kind="CAPTURE", processedAt=SECOND)], SECOND),
        ("40.00", payments(("40.00", None)), None),
        ("40.00", payments(("39.99", FIRST)), None),  # marked as paid, and nobody says when
        ("40.00", [], None),
        ("0.00", [], PLACED),
    ],
)
def test_an_order_is_paid_when_what_came_in_covers_it(
    total: str, received: list[dict[str, Any]], paid_at: str | None
) -> None:
    row = mapping.order(order_node(total=total, transactions=received, processedAt=PLACED), [])
    assert row["paid"]
    assert row["paid_at"] == (mapping.instant(paid_at) if paid_at else None)


def test_an_order_that_is_not_paid_has_no_instant_of_it() -> None:
    node = order_node(displayFinancialStatus="PARTIALLY_PAID", transactions=[sale("40.90")])
    assert mapping.order(node, [])["paid_at"] is None


@pytest.mark.parametrize(
    ("status", "sent", "fulfilled_at"),
    [
        ("FULFILLED", [fulfilment_node(SECOND), fulfilment_node(FIRST)], SECOND),
        ("FULFILLED", [fulfilment_node(FIRST), fulfilment_node(SECOND, "CANCELLED")], FIRST),
        ("FULFILLED", [], None),
        ("PARTIALLY_FULFILLED", [fulfilment_node(FIRST)], None),
        ("UNFULFILLED", [fulfilment_node(FIRST, "CANCELLED")], None),
    ],
)
def test_an_order_is_fulfilled_when_the_last_of_it_is_sent(
    status: str, sent: list[dict[str, Any]], fulfilled_at: str | None
) -> None:
    row = mapping.order(order_node(displayFulfillmentStatus=status, fulfillments=sent), [])
    assert row["fulfilled_at"] == (mapping.instant(fulfilled_at) if fulfilled_at else None)


def test_discount_codes_are_kept_in_capitals_once_each() -> None:
    assert mapping.order(order_node(discountCodes=["tea-10", "TEA-10 ", "Ana"]), [])["discount_codes"] == [
        "ANA",
        "TEA-10",
    ]


@pytest.mark.parametrize("missing", ["displayFulfillmentStatus", "fulfillments", "discountCodes"])
def test_an_order_asked_for_by_an_older_version_is_refused(missing: str) -> None:
    node = order_node(displayFulfillmentStatus="FULFILLED")
    del node[missing]
    with pytest.raises(UnreadableAnswer, match=missing):
        mapping.order(node, [])
