"""The arithmetic of orders, on documents alone."""

from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devstore import orders
from devstore.documents import DiscountCode, Order, ShopDocument
from devstore.money import fixed_amount, graphql_amount, parse_amount, split
from devstore.orders import CommerceError, Item, Ware

AT, LATER = "2026-11-21T10:00:00Z", "2026-11-22T10:00:00Z"


def shop(*, included: bool = False, rate: str = "0", shipping: int = 0, free_from: int | None = None) -> ShopDocument:
    settings: Any = {
        "name": "Shop",
        "currency": "EUR",
        "locale": "en",
        "taxes_included": included,
        "tax_rate": rate,
        "tax_title": "VAT",
        "shipping_price": shipping,
        "shipping_free_from": free_from,
    }
    return settings  # type: ignore[no-any-return]


class Take:
    """Ids from 1 up, whatever the kind."""

    def __init__(self) -> None:
        self.numbers = count(1)

    def __call__(self, kind: str, many: int = 1) -> int:
        first, *_ = [next(self.numbers) for _ in range(many)]
        return first


def order(settings: ShopDocument, *lines: tuple[int, int], code: DiscountCode | None = None, pay: bool = True) -> Order:
    """An order of lines (unit price, quantity)."""
    wares = [Ware(Item(quantity, title="Thing", price=price), None, None) for price, quantity in lines]
    return orders.compose(settings, wares, TAKE, AT, number=1001, customer_id=None, email=None, discount=code, pay=pay)


TAKE = Take()
TEN_PERCENT: DiscountCode = {"code": "TEN", "kind": "percentage", "value": "10"}
FIFTEEN_OFF: DiscountCode = {"code": "OFF", "kind": "fixed_amount", "value": "1500"}


def test_percentage_is_shared_over_the_lines_to_the_cent() -> None:
    placed = order(shop(), (333, 1), (333, 1), (334, 1), code=TEN_PERCENT)
    assert [line["allocations"][0]["amount"] for line in placed["lines"]] == [33, 34, 33]
    assert (placed["discounts"], placed["subtotal"], placed["total"]) == (100, 900, 900)


def test_fixed_discount_never_exceeds_the_order() -> None:
    placed = order(shop(shipping=500), (600, 2), code=FIFTEEN_OFF)
    assert (placed["discounts"], placed["subtotal"], placed["total"]) == (1200, 0, 500)


def test_tax_comes_on_top_or_is_inside() -> None:
    on_top, inside = order(shop(rate="0.19"), (2000, 2)), order(shop(rate="0.19", included=True), (2000, 2))
    assert (on_top["tax"], on_top["subtotal"], on_top["total"]) == (760, 4000, 4760)
    assert (inside["tax"], inside["subtotal"], inside["total"]) == (639, 4000, 4000)


def test_shipping_is_free_from_a_subtotal_after_discounts() -> None:
    settings = shop(shipping=500, free_from=4000)
    assert order(settings, (2000, 2))["total"] == 4000
    assert order(settings, (2000, 2), code=TEN_PERCENT)["total"] == 3600 + 500


def test_free_order_is_paid_without_a_transaction() -> None:
    placed = order(shop(), (0, 1))
    assert (placed["financial_status"], placed["fully_paid"], placed["transactions"]) == ("PAID", True, [])


def test_unpaid_order_waits_and_is_paid_later() -> None:
    placed = order(shop(), (2000, 1), pay=False)
    assert (placed["financial_status"], placed["fully_paid"], placed["outstanding"]) == ("PENDING", False, 2000)
    orders.pay_order(placed, TAKE, LATER)
    assert (placed["financial_status"], placed["fully_paid"], placed["updated_at"]) == ("PAID", True, LATER)
    with pytest.raises(CommerceError):
        orders.pay_order(placed, TAKE, LATER)


def test_refund_of_a_line_gives_its_share_after_discount_and_its_tax() -> None:
    placed = order(shop(rate="0.10"), (1000, 3), code=TEN_PERCENT)
    line = placed["lines"][0]
    refund = orders.refund_order(placed, {line["id"]: 1}, TAKE, LATER)
    assert (refund["lines"][0]["subtotal"], refund["lines"][0]["tax"], refund["amount"]) == (900, 90, 990)
    assert (orders.current_quantity(line), placed["financial_status"]) == (2, "PARTIALLY_REFUNDED")
    assert (placed["current_total"], placed["total"], placed["fully_paid"]) == (1980, 2970, True)


def test_amount_alone_is_an_adjustment_and_leaves_the_lines() -> None:
    placed = order(shop(), (1000, 2))
    refund = orders.refund_order(placed, {}, TAKE, LATER, amount=300)
    assert (refund["lines"], refund["adjustment"], placed["refunded"]) == ([], 300, 300)
    assert (orders.current_quantity(placed["lines"][0]), placed["outstanding"]) == (2, 0)
    assert placed["financial_status"] == "PARTIALLY_REFUNDED"


def test_lines_without_money_can_be_restocked() -> None:
    placed = order(shop(), (1000, 2))
    refund = orders.refund_order(placed, {placed["lines"][0]["id"]: 1}, TAKE, LATER, amount=0)
    assert (refund["transactions"], refund["adjustment"], placed["received"]) == ([], -1000, 2000)
    assert placed["outstanding"] == 0


@pytest.mark.parametrize(
    ("quantities", "amount"),
    [({0: 3}, None), ({0: 0}, None), ({99: 1}, None), ({}, None), ({}, 2001), ({}, -1), ({}, 0)],
)
def test_senseless_refund_is_refused(quantities: dict[int, int], amount: int | None) -> None:
    placed = order(shop(), (1000, 2))
    named = {placed["lines"][line]["id"] if line == 0 else line: units for line, units in quantities.items()}
    with pytest.raises(CommerceError):
        orders.refund_order(placed, named, TAKE, LATER, amount=amount)


def test_edit_takes_units_away_and_adds_lines() -> None:
    placed = order(shop(), (1000, 3))
    line = placed["lines"][0]
    changes = orders.edit_order(
        shop(), placed, {line["id"]: 1}, [Ware(Item(1, title="Mug", price=500), None, None)], TAKE, LATER
    )
    added = placed["lines"][1]
    assert changes == {line["id"]: -2, added["id"]: 1}
    assert (line["quantity"], orders.current_quantity(line)) == (3, 1)
    assert (placed["total"], placed["received"], placed["outstanding"]) == (1500, 3000, -1500)
    assert placed["financial_status"] == "PAID"


def test_more_units_become_a_line_of_their_own_without_the_discount() -> None:
    placed = order(shop(rate="0.10"), (1000, 1), code=TEN_PERCENT)
    orders.edit_order(shop(rate="0.10"), placed, {placed["lines"][0]["id"]: 3}, [], TAKE, LATER)
    first, more = placed["lines"]
    assert (first["quantity"], more["quantity"], more["allocations"]) == (1, 2, [])
    assert more["tax_lines"][0]["amount"] == 200
    assert (placed["outstanding"], placed["financial_status"], placed["fully_paid"]) == (2200, "PARTIALLY_PAID", False)


def test_cancelling_a_paid_order_refunds_all_that_is_left() -> None:
    placed = order(shop(shipping=500, rate="0.10"), (1000, 2), (333, 1), code=TEN_PERCENT)
    orders.refund_order(placed, {placed["lines"][0]["id"]: 1}, TAKE, LATER)
    refund = orders.cancel_order(placed, TAKE, LATER, reason="CUSTOMER", refund=True)
    assert refund is not None
    assert refund["adjustment"] == 0
    assert placed["refunded"] == placed["received"] == placed["total"]
    assert (placed["financial_status"], placed["current_total"], placed["cancelled_at"]) == ("REFUNDED", 0, LATER)
    assert all(orders.current_quantity(line) == 0 for line in placed["lines"])


def test_cancelling_an_unpaid_order_voids_it() -> None:
    placed = order(shop(), (1000, 2), pay=False)
    assert orders.cancel_order(placed, TAKE, LATER, reason="DECLINED", refund=True) is None
    assert (placed["financial_status"], placed["fully_paid"], placed["outstanding"]) == ("VOIDED", False, 0)
    with pytest.raises(CommerceError):
        orders.cancel_order(placed, TAKE, LATER, reason="DECLINED", refund=True)


@given(
    lines=st.lists(st.tuples(st.integers(1, 9_999), st.integers(1, 7)), min_size=1, max_size=5),
    code=st.sampled_from([None, TEN_PERCENT, FIFTEEN_OFF]),
    rate=st.sampled_from(["0", "0.07", "0.19"]),
    included=st.booleans(),
    moves=st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.integers(1, 3)), max_size=12),
)
def test_nothing_is_lost_however_an_order_is_taken_apart(
    lines: list[tuple[int, int]],
    code: DiscountCode | None,
    rate: str,
    included: bool,
    moves: list[tuple[int, bool, int]],
) -> None:
    settings = shop(included=included, rate=rate, shipping=700)
    placed = order(settings, *lines, code=code)
    ordered = placed["total"]
    removed = 0
    for index, refunding, units in moves:
        line = placed["lines"][index % len(placed["lines"])]
        units = min(units, orders.current_quantity(line))
        if units == 0:
            continue
        before = placed["current_total"]
        if refunding:
            orders.refund_order(placed, {line["id"]: units}, TAKE, LATER)
        else:
            orders.edit_order(settings, placed, {line["id"]: orders.current_quantity(line) - units}, [], TAKE, LATER)
            removed += before - placed["current_total"]
        assert placed["current_total"] >= 0
    assert placed["total"] == ordered - removed
    rest = {line["id"]: orders.current_quantity(line) for line in placed["lines"] if orders.current_quantity(line)}
    if rest:
        orders.refund_order(placed, rest, TAKE, LATER, shipping=True)
        assert placed["current_total"] == 0
        assert placed["refunded"] == placed["received"] - removed
        assert placed["current_tax"] == 0


@given(st.integers(0, 10**9), st.lists(st.integers(0, 10**6), min_size=1, max_size=9).filter(sum))
def test_parts_add_up_to_the_whole(total: int, weights: list[int]) -> None:
    parts = split(total, weights)
    assert sum(parts) == total
    assert all(part >= 0 for part in parts)


@pytest.mark.parametrize(
    ("minor", "currency", "fixed", "graphql"),
    [
        (3600, "BRL", "36.00", "36.0"),
        (490, "EUR", "4.90", "4.9"),
        (5, "USD", "0.05", "0.05"),
        (-1234, "EUR", "-12.34", "-12.34"),
        (500, "JPY", "500", "500.0"),
        (1234, "KWD", "1.234", "1.234"),
    ],
)
def test_amounts_are_written_as_shopify_does(minor: int, currency: str, fixed: str, graphql: str) -> None:
    assert fixed_amount(minor, currency) == fixed
    assert graphql_amount(minor, currency) == graphql
    assert parse_amount(fixed, currency) == minor


@pytest.mark.parametrize(
    ("text", "currency"), [("1.234", "EUR"), ("1.5", "JPY"), ("abc", "EUR"), ("NaN", "EUR"), ("", "EUR")]
)
def test_senseless_amount_is_refused(text: str, currency: str) -> None:
    with pytest.raises(ValueError, match=r"is not an amount|decimal places"):
        parse_amount(text, currency)
