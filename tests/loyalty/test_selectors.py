"""What screens and the storefront read."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from loyalty import selectors
from loyalty.models import Account, Adjustment, Lot, Spending
from loyalty.programme import draft_save, programme_publish
from retention_app import clock
from retention_app.models import Customer, Order, Shop
from tests.loyalty.conftest import TIERED, Tiered, customer, days, go, summary_of
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


def test_nothing_is_live_before_version_1(shop: Shop) -> None:
    customers(1)
    assert selectors.programme_live(shop.id) is None
    assert selectors.draft_current(shop.id) is None
    assert selectors.versions(shop.id) == []
    summary = selectors.member_summary(customer(1), selectors.programme_live(shop.id))
    assert (summary.points_available, summary.worth_minor, summary.revision) == (0, None, 0)
    assert selectors.ledger_rows(customer(1), 10) == []
    assert selectors.points_issued() == 0


def test_the_live_version_is_the_newest_in_force(members: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    first = selectors.programme_live(members.id)
    assert first is not None
    second = publish(members, points=2)
    assert selectors.programme_live(members.id) == second
    monkeypatch.setattr(clock, "now", lambda: first.effective_from)
    assert selectors.programme_live(members.id) == first


def test_a_summary_has_points_and_what_they_are_worth(members: Shop) -> None:
    mirrored(order_row(5, net_minor=12_399))
    bring(1, 2)
    summary = selectors.member_summary(customer(1), selectors.programme_live(members.id))
    assert (summary.points_available, summary.worth_minor, summary.revision) == (123, 615, 1)
    assert (summary.points_pending, summary.points_held, summary.debt, summary.tier) == (0, 0, 0, None)
    assert selectors.member_summary(customer(2), selectors.programme_live(members.id)).points_available == 0


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
    assert counts == {7}


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
    assert list(selectors.balances()) == [
        {
            "customer": id_,
            "points_available": points,
            "points_pending": 0,
            "points_unclaimed": 0,
            "points_held": 0,
            "debt": 0,
            "tier": None,
            "wallet": {},
        }
        for id_, points in ((1, 25), (2, 10))
    ]


def test_points_are_pending_then_usable_then_expire_once_announced(tiered: Tiered) -> None:
    mirrored(order_row(5, net_minor=9_000, processed_at=days(1)), order_row(6, net_minor=500, processed_at=days(2)))
    go(tiered, 3)
    found = summary_of(tiered)
    assert (found.points_available, found.points_pending, found.worth_minor) == (0, 95, 0)
    assert [(one.points, one.at) for one in found.pending] == [(90, days(15)), (5, days(16))]
    go(tiered, 15.5)
    found = summary_of(tiered)
    assert (found.points_available, found.points_pending, found.worth_minor) == (90, 5, 450)
    due = dt.datetime(2026, 3, 16, tzinfo=dt.UTC)  # midnight, two months after 16 January
    first = found.expiring[0]
    assert (first.points, first.due, first.ends, first.at(clock.now())) == (90, due, None, due)
    go(tiered, 400)
    assert summary_of(tiered).points_available == 95  # nobody told them
    assert summary_of(tiered).expiring[0].at(clock.now()) == days(407)


def test_what_time_changed_shows_before_anybody_judged_it(tiered: Tiered) -> None:
    mirrored(order_row(5, net_minor=9_000, processed_at=days(1)))
    go(tiered, 3)
    tiered.clock.move_to(days(16))
    found = summary_of(tiered)
    assert (found.points_available, found.points_pending) == (90, 0)
    assert [row["points_available"] for row in selectors.balances()] == [90]
    Lot.objects.update(ends=days(16))
    assert summary_of(tiered).points_available == 0
    Account.objects.filter(kind="member").update(debt=30)
    Lot.objects.update(ends=None)
    found = summary_of(tiered)
    assert (found.points_available, found.debt) == (60, 0)
    Account.objects.filter(kind="member").update(debt=100)
    found = summary_of(tiered)
    assert (found.points_available, found.debt) == (0, 10)
    (row,) = selectors.balances()
    assert (row["points_available"], row["debt"]) == (0, 10)


def test_held_points_are_told_apart_and_follow_a_merge(tiered: Tiered) -> None:
    mirrored(order_row(5, net_minor=9_000, processed_at=days(1)))
    go(tiered, 20)
    for number, (of, state) in enumerate(((1, "held"), (1, "redeemed"), (2, "held"), (1, "asked"))):
        Spending.objects.create(
            shop=tiered.shop, customer=customer(of), at=days(20), points=10, state=state, purpose={}, key=f"{number}"
        )
    Customer.objects.filter(shopify_id=2).update(merged_into=customer(1))
    bring(1, 2)
    assert summary_of(tiered).points_held == 20
    (row,) = selectors.balances()
    assert (row["customer"], row["points_held"], row["tier"]) == (1, 20, "silver")


def test_a_tier_has_a_name_a_way_up_and_a_way_down(tiered: Tiered) -> None:
    nobody = summary_of(tiered, 2).tier
    assert nobody
    assert (nobody.key, nobody.name, nobody.since) == ("", "", None)
    assert nobody.next
    assert (nobody.next.name, nobody.next.lacking, nobody.next.share) == ("Silver", 7_000, 0.0)
    mirrored(order_row(5, net_minor=9_000, processed_at=days(1)))
    go(tiered, 3)
    tier = summary_of(tiered).tier
    assert tier
    assert (tier.key, tier.name, tier.since, tier.quantity, tier.move_down) == (
        "silver",
        "Silver",
        days(1),
        9_000,
        None,
    )
    assert tier.next
    assert (tier.next.name, tier.next.lacking, tier.next.share) == ("Gold", 11_000, 0.45)
    mirrored(order_row(5, net_minor=9_000, processed_at=days(1), cancelled_at=days(4)))
    go(tiered, 5)
    tier = summary_of(tiered).tier
    assert tier
    assert tier.move_down
    assert (tier.move_down.to, tier.move_down.due, tier.move_down.ends) == ("", days(14), None)
    assert tier.move_down.subject == "tier:silver:2026-01-15T12:00:00Z"


def test_rows_say_what_is_pending_and_what_changed_its_date(tiered: Tiered) -> None:
    mirrored(order_row(5, net_minor=9_000, processed_at=days(1)), order_row(6, net_minor=500, processed_at=days(2)))
    go(tiered, 15.5)
    newer, older = selectors.ledger_rows(customer(1), 10)
    assert [(row.amount, row.usable_from, row.is_pending) for row in (newer, older)] == [
        (5, days(16), True),
        (90, days(15), False),
    ]
    draft_save(tiered.shop.id, {**TIERED, "waiting": {"days": 20, "after": "payment"}}, "42")
    mirrored(order_row(6, net_minor=500, processed_at=days(2), paid_at=days(10)))
    go(tiered, 16)
    rows = selectors.ledger_rows(customer(1), 10)
    assert [(row.explanation["kind"], row.amount, row.balance) for row in rows] == [
        ("moved", 0, 95),
        ("earned", 5, 95),
        ("earned", 90, 90),
    ]
    assert [row.usable_from for row in rows] == [days(24), days(24), days(15)]
    assert selectors.ledger_rows(customer(1), 2, before_id=rows[0].id) == rows[1:]


def test_rows_know_the_decisions_and_spendings_they_are_about(tiered: Tiered) -> None:
    gift = Adjustment.objects.create(
        shop=tiered.shop, customer=customer(1), at=days(1), points=50, reason="gift", actor="42", key="1"
    )
    used = Spending.objects.create(
        shop=tiered.shop,
        customer=customer(1),
        at=days(2),
        points=20,
        state="undone",
        undone_at=days(3),
        purpose={},
        key="1",
    )
    go(tiered, 4)
    rows = selectors.ledger_rows(customer(1), 10)
    assert [(row.source, row.adjustment, row.spending) for row in rows] == [
        (f"undo:{used.id}", None, used),
        (f"spending:{used.id}", None, used),
        (f"adjustment:{gift.id}", gift, None),
    ]


def test_reading_a_member_costs_the_same_whatever_they_did(tiered: Tiered) -> None:
    counts = set()
    for number in (1, 30):
        mirrored(*(order_row(100 * number + n, net_minor=900, processed_at=days(n / 10)) for n in range(number)))
        Adjustment.objects.bulk_create(
            Adjustment(
                shop=tiered.shop,
                customer=customer(1),
                at=days(n),
                points=5,
                reason="gift",
                actor="42",
                key=f"{number}-{n}",
            )
            for n in range(number)
        )
        go(tiered, 40)
        person, live = customer(1), selectors.programme_live(tiered.shop.id)
        with CaptureQueriesContext(connection) as captured:
            selectors.member_summary(person, live)
            selectors.ledger_rows(person, 100)
            selectors.member_figures([person.id])
        counts.add(len(captured))
    assert counts == {11}
