"""What screens and the storefront read."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from loyalty import selectors
from loyalty.programme import draft_save, programme_publish
from retention_app import clock
from retention_app.models import Customer, Order, Shop
from tests.loyalty.ground import bring, customers, mirrored, publish
from tests.orders import at, line_row, order_row, refund_row


def document(points: int) -> Any:
    return {"earn": {"points": points, "per_minor": 100}, "worth": {"points": 100, "minor": 500}}


@pytest.fixture
def members(shop: Shop) -> Shop:
    """Our shop with a live programme (100 points are worth 5.00) and customers 1 and 2."""
    draft_save(shop.id, document(1), "42")
    programme_publish(shop.id, "42", "all")
    customers(1, 2)
    return shop


def customer(shopify_id: int) -> Customer:
    return Customer.objects.get(shopify_id=shopify_id)


def test_nothing_is_live_before_version_1(shop: Shop) -> None:
    customers(1)
    assert selectors.programme_live(shop.id) is None
    assert selectors.draft_current(shop.id) is None
    assert selectors.versions(shop.id) == []
    summary = selectors.member_summary(customer(1), selectors.programme_live(shop.id))
    assert (summary.points, summary.worth_minor, summary.revision) == (0, None, 0)
    assert selectors.ledger_rows(customer(1), 10) == []
    assert selectors.points_issued() == 0


def test_the_live_version_is_the_newest_in_force(members: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    first = selectors.programme_live(members.id)
    before = clock.now()
    second = publish(members, points=2)
    assert selectors.programme_live(members.id) == second
    monkeypatch.setattr(clock, "now", lambda: before)
    assert selectors.programme_live(members.id) == first


def test_a_summary_has_points_and_what_they_are_worth(members: Shop) -> None:
    mirrored(order_row(5, net_minor=12_399))
    bring(1, 2)
    summary = selectors.member_summary(customer(1), selectors.programme_live(members.id))
    assert (summary.points, summary.worth_minor, summary.revision) == (123, 615, 1)
    assert (summary.points_pending, summary.points_held, summary.debt, summary.tier) == (0, 0, 0, None)
    assert selectors.member_summary(customer(2), selectors.programme_live(members.id)).points == 0


def test_ledger_rows_come_newest_business_first_with_running_balances(members: Shop) -> None:
    lines = [line_row(50, 5000, quantity=2, current_quantity=1)]
    mirrored(order_row(6, net_minor=1000), order_row(5, lines=lines, refunds=[refund_row(55, 7, [(50, 1, 2500)])]))
    bring(1)
    mirrored(order_row(4, net_minor=300))  # an older order that came late
    bring(1)
    rows = selectors.ledger_rows(customer(1), 10)
    assert [(row.source, row.at, row.amount, row.balance) for row in rows] == [
        ("refund:55", at(7), -25, 38),
        ("order:6", at(6), 10, 63),
        ("order:5", at(5), 50, 53),
        ("order:4", at(4), 3, 3),
    ]
    assert [(row.order_name, row.order_shopify_id, row.version) for row in rows[:2]] == [("#5", 5, 1), ("#6", 6, 1)]
    assert selectors.ledger_rows(customer(1), 2) == rows[:2]
    assert selectors.ledger_rows(customer(1), 2, before_id=rows[1].id) == rows[2:]
    assert selectors.ledger_rows(customer(1), 2, before_id=rows[3].id) == []
    assert selectors.ledger_rows(customer(1), 2, before_id=10**9) == []
    assert selectors.ledger_rows(customer(2), 2) == []


def test_a_row_of_an_order_the_mirror_lost_has_no_name(members: Shop) -> None:
    mirrored(order_row(5))
    bring(1)
    Order.objects.all().delete()
    (row,) = selectors.ledger_rows(customer(1), 10)
    assert (row.order_name, row.order_shopify_id) == ("", 5)


def test_a_preview_compares_the_live_rules_with_the_draft(members: Shop) -> None:
    lines = [line_row(50, 5000, quantity=2, current_quantity=1)]
    mirrored(
        order_row(5, lines=lines, refunds=[refund_row(55, 7, [(50, 1, 2500)])]),
        order_row(6, customer=None, net_minor=1000),
        order_row(7, test=True),
    )
    preview = selectors.preview_orders(members.id, document(3))
    assert [(row.order.name, row.customer and row.customer.shopify_id) for row in preview.rows] == [
        ("#7", 1),
        ("#6", None),
        ("#5", 1),
    ]
    assert [(row.now, row.draft, row.difference) for row in preview.rows] == [(0, 0, 0), (10, 30, 20), (25, 75, 50)]
    assert (preview.now, preview.draft, preview.difference) == (35, 105, 70)
    assert [row.order.name for row in selectors.preview_orders(members.id, document(3), limit=1).rows] == ["#7"]


def test_a_preview_before_version_1_has_only_the_draft(shop: Shop) -> None:
    customers(1)
    mirrored(order_row(5))
    preview = selectors.preview_orders(shop.id, document(2))
    assert (preview.now, preview.draft) == (0, 100)


def test_a_preview_costs_the_same_queries_whatever_the_number_of_orders(members: Shop) -> None:
    counts = set()
    for first, number in ((100, 1), (200, 100)):
        mirrored(*(order_row(first + n) for n in range(number)))
        with CaptureQueriesContext(connection) as captured:
            selectors.preview_orders(members.id, document(2))
        counts.add(len(captured))
    assert counts == {6}


def test_totals_and_balances(members: Shop) -> None:
    lines = [line_row(50, 5000, quantity=2, current_quantity=1)]
    mirrored(
        order_row(5, lines=lines, refunds=[refund_row(55, 7, [(50, 1, 2500)])]),
        order_row(6, customer=2, net_minor=1000),
    )
    bring(1, 2)
    totals = selectors.points_totals(members.id)
    assert (totals.issued, totals.reversed, totals.outstanding) == (60, 25, 35)
    assert selectors.points_issued() == 60
    assert list(selectors.balances(members.id)) == [
        {
            "customer": id_,
            "points_available": points,
            "points_pending": 0,
            "points_held": 0,
            "debt": 0,
            "tier": None,
            "wallet": {},
        }
        for id_, points in ((1, 25), (2, 10))
    ]
