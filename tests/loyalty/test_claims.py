"""Points wait for their owner: unclaimed until the customer's e-mail has signed in, then theirs, once."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any

import pytest
import time_machine
from django.db import connection

from loyalty import facts, liability, selectors
from loyalty.ledger import spending_grant
from loyalty.liability import as_of
from loyalty.models import Entry, LedgerTransaction, Lot, Member, Spending
from loyalty.programme import draft_save, programme_publish
from loyalty.staff import points_adjust
from loyalty.verification import ledger_verify
from retention_app import clock, mirror, removals, sign_ins
from retention_app.models import Customer, DomainEvent, EventRun, Shop
from retention_app.tenancy import shop_scope
from tests.loyalty.conftest import customer, days
from tests.loyalty.ground import LIVE, mirrored
from tests.loyalty.test_ledger import on_postgresql
from tests.orders import at, customer_row, order_row
from tests.workers import work_off

RULES = {
    "earn": {"points": 1, "per_minor": 100},
    "worth": {"points": 100, "minor": 500},
    "waiting": {"days": 14, "after": "payment"},
    "expiry_months": 2,
}


def told(shopify_id: int, state: str, day: float = 0, origin: DomainEvent.Origin = LIVE, **fields: Any) -> None:
    """The platform tells of a customer, as of a day."""
    row = customer_row(shopify_id, account_state=state, updated_at=days(day), **fields)
    mirror.customers_upsert([row], read_at=clock.now(), origin=origin)


@pytest.fixture
def guest(shop: Shop) -> Shop:
    """Customer 1 bought as a guest for 50.00 on day 1; nobody has signed in by day 20."""
    with time_machine.travel(days(0), tick=False):
        draft_save(shop.id, RULES, "42")
        programme_publish(shop.id, "42", "all")
        told(1, "DISABLED")
    with time_machine.travel(days(20), tick=False) as clock_:
        mirrored(order_row(5, processed_at=days(1)))
        work_off()
        shop.moves = clock_.move_to  # type: ignore[attr-defined]
        yield shop  # type: ignore[misc]


def test_a_claim_counts_whoever_else_is_asked_about(guest: Shop) -> None:
    told(2, "ENABLED")
    ids = [customer(2).id, customer(1).id]
    assert [facts.members_facts(some, states=[])[ids[0]].claimed_at for some in (ids[:1], ids)] == [days(0)] * 2


def points(shopify_id: int = 1) -> tuple[int, int, int, int]:
    """(available, pending, unclaimed, owed) as every figure of the member has them."""
    (figures,) = selectors.member_figures([customer(shopify_id).id])
    found = (figures.available, figures.pending, figures.unclaimed, figures.debt)
    summary = selectors.member_summary(customer(shopify_id), None)
    assert found == (summary.points_available, summary.points_pending, summary.points_unclaimed, summary.debt)
    (balance,) = [row for row in selectors.balances() if row["customer"] == shopify_id]
    assert found[:3] == tuple(balance[f"points_{name}"] for name in ("available", "pending", "unclaimed"))
    return found


def claimed(shopify_id: int = 1) -> tuple[int, int] | None:
    found = Member.objects.get(customer__shopify_id=shopify_id).claimed
    return found and (found["points"], found["orders"])


def asked_for(shop: Shop, points: int) -> Spending:
    return Spending.objects.create(
        shop=shop, customer=customer(1), at=clock.now(), points=points, purpose={}, key=clock.now().isoformat()
    )


def test_a_guests_points_wait_and_nobody_can_use_them(guest: Shop) -> None:
    assert points() == (0, 0, 50, 0)
    lot = Lot.objects.get()
    assert (lot.usable_from, lot.due, lot.points) == (None, None, 50)
    assert not spending_grant(asked_for(guest, 1).id)
    assert customer(1).points == 50
    assert ledger_verify().findings == []


def test_opening_the_account_makes_them_usable_once_and_starts_their_clock(guest: Shop) -> None:
    told(1, "ENABLED", 20)
    work_off()
    assert points() == (50, 0, 0, 0)
    assert claimed() == (50, 1)
    lot = Lot.objects.get()
    assert (lot.usable_from, lot.due) == (days(20), dt.datetime(2026, 3, 21, tzinfo=dt.UTC))
    assert spending_grant(asked_for(guest, 50).id)
    before = Entry.objects.count()
    told(1, "ENABLED", 21)
    told(1, "DISABLED", 22)
    sign_ins.customer_signed_in(1)
    work_off()
    assert (Entry.objects.count(), customer(1).signed_in_at) == (before, days(20))
    assert ledger_verify().findings == []


def test_what_is_still_in_its_waiting_period_waits_on(guest: Shop) -> None:
    mirrored(order_row(6, processed_at=days(18), net_minor=2000))
    told(1, "ENABLED", 20)
    work_off()
    assert points() == (50, 20, 0, 0)
    assert claimed() == (70, 2)
    assert Lot.objects.get(points=20).usable_from == days(32)


def test_a_signed_in_visit_claims_where_the_platforms_state_says_nothing(guest: Shop) -> None:
    Shop.objects.filter(id=guest.id).update(customer_accounts="NEW_CUSTOMER_ACCOUNTS")
    told(1, "ENABLED", 20)
    work_off()
    assert points() == (0, 0, 50, 0)
    assert sign_ins.customer_signed_in(1)
    assert not sign_ins.customer_signed_in(1)
    assert not sign_ins.customer_signed_in(2)  # the mirror doesn't know them yet
    work_off()
    assert (points(), claimed()) == ((50, 0, 0, 0), (50, 1))
    assert DomainEvent.objects.filter(type="customer.signed_in").count() == 1


def test_an_account_for_an_address_nobody_confirmed_proves_nothing(guest: Shop) -> None:
    told(1, "ENABLED", 20, verified_email=False)
    work_off()
    assert points() == (0, 0, 50, 0)


def test_accounts_count_once_the_shop_has_classic_ones(guest: Shop) -> None:
    Shop.objects.filter(id=guest.id).update(customer_accounts="")
    told(1, "ENABLED", 20)
    assert customer(1).signed_in_at is None
    assert sign_ins.accounts_recognise() == 1
    assert sign_ins.accounts_recognise() == 0


def test_an_imported_account_is_as_old_as_its_customer_and_tells_nothing(guest: Shop) -> None:
    told(2, "ENABLED", 20, DomainEvent.Origin.BACKFILL)
    told(3, "ENABLED", 0, DomainEvent.Origin.BACKFILL)
    assert customer(2).signed_in_at == customer(3).signed_in_at == at(0)
    assert not DomainEvent.objects.filter(type="customer.signed_in").exists()
    mirrored(order_row(7, 2, processed_at=days(1)))
    work_off()
    assert (points(2), claimed(2)) == ((50, 0, 0, 0), None)
    assert not Entry.objects.filter(unclaimed=True, account__member__customer__shopify_id=2).exists()


def test_an_order_attached_after_the_claim_belongs_to_it(guest: Shop) -> None:
    mirrored(order_row(6, None, processed_at=days(2), net_minor=3000))
    told(1, "ENABLED", 20)
    work_off()
    assert points() == (50, 0, 0, 0)
    mirrored(order_row(6, 1, processed_at=days(2), net_minor=3000))
    work_off()
    assert (points(), claimed()) == ((80, 0, 0, 0), (80, 2))
    assert ledger_verify().findings == []


def test_of_the_merged_the_earliest_claim_counts(guest: Shop) -> None:
    told(2, "ENABLED", 3)
    mirrored(order_row(6, 2, processed_at=days(2), net_minor=3000))
    work_off()
    removals.customers_merge(kept_id=1, deleted_id=2, origin=LIVE)
    work_off()
    assert points() == (80, 0, 0, 0)
    told(1, "ENABLED", 20)
    work_off()
    assert set(Lot.objects.values_list("usable_from", flat=True)) == {days(15), days(16)}
    assert ledger_verify().findings == []


def test_a_merge_takes_the_claim_from_whoever_has_nothing_else_left(guest: Shop) -> None:
    told(1, "ENABLED")
    told(2, "DISABLED")
    mirrored(order_row(5, customer=2, processed_at=days(1), updated_at=days(2)))
    work_off()
    assert not Member.objects.get(customer__shopify_id=1).unclaimed
    removals.customers_merge(kept_id=2, deleted_id=1, origin=LIVE)
    work_off()
    assert points(2) == (50, 0, 0, 0)
    assert ledger_verify().findings == []


def test_staff_may_give_to_and_take_from_whoever_has_not_signed_in(guest: Shop) -> None:
    for given in (30, -60):
        points_adjust(shop=guest, customer=customer(1), points=given, reason="gift", actor="42", key=str(given))
    assert points() == (0, 0, 80, 60)
    guest.moves(days(21))  # type: ignore[attr-defined]
    told(1, "ENABLED", 21)
    work_off()
    assert (points(), claimed()) == ((20, 0, 0, 0), (20, 0))  # the order's, which expire first, settled the debt
    assert ledger_verify().findings == []


def test_guests_orders_count_towards_tiers(guest: Shop) -> None:
    level = {"key": "silver", "name": "Silver", "from": 4_000, "percent": 100}
    tiers = {"by": "spend", "period": "lifetime", "grace_days": 0, "hold_days": 0, "protect_until": None}
    draft_save(guest.id, {**RULES, "tiers": {**tiers, "levels": [level]}}, "42")
    programme_publish(guest.id, "42", "none")
    work_off()
    member = Member.objects.get()
    assert (member.tier, member.unclaimed) == ("silver", True)


def test_what_is_owed_tells_the_unclaimed_apart_on_any_date(guest: Shop) -> None:
    date = as_of(days(20).date(), "UTC")
    owed = liability.owed(date.until)
    assert (owed.claims, owed.unclaimed, owed.waiting) == (50, 50, 1)
    parts = liability.parts(date)
    assert (parts.unclaimed, parts.pending, parts.expiries) == (50, 0, {None: 50})
    guest.moves(days(30))  # type: ignore[attr-defined]
    told(1, "ENABLED", 30)
    work_off()
    assert (liability.owed(date.until), liability.parts(date)) == (owed, parts)
    today = as_of(days(30).date(), "UTC")
    assert (liability.owed(today.until).unclaimed, liability.parts(today).unclaimed) == (0, 0)
    (movement,) = liability.roll_forward(today)
    assert (movement.issued, movement.closing) == (50, 50)


def test_an_erased_persons_ledger_stays_as_it_was(guest: Shop) -> None:
    told(1, "ENABLED", 20)
    work_off()
    removals.customers_gone([1], origin=LIVE)
    work_off()
    assert points() == (50, 0, 0, 0)


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_of_many_who_prove_it_at_once_one_is_told_and_the_points_come_once(alpha: Shop) -> None:
    with shop_scope(alpha.id):
        draft_save(alpha.id, {**RULES, "waiting": {"days": 0, "after": "payment"}}, "42")
        programme_publish(alpha.id, "42", "all")
        told(1, "DISABLED")
        mirrored(order_row(5))
        work_off()
    barrier = threading.Barrier(6)

    def prove(number: int) -> None:
        try:
            with shop_scope(alpha.id):
                barrier.wait(timeout=30)
                if number % 2:
                    sign_ins.customer_signed_in(1)
                else:
                    told(1, "ENABLED", number + 1)
        finally:
            connection.close()

    threads = [threading.Thread(target=prove, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with shop_scope(alpha.id):
        assert DomainEvent.objects.filter(type="customer.signed_in").count() == 1
        assert EventRun.objects.filter(event__type="customer.signed_in").count() == 1
        before = LedgerTransaction.objects.count()
        work_off()
        work_off()
        assert LedgerTransaction.objects.count() == before + 1
        assert (points(), claimed()) == ((50, 0, 0, 0), (50, 1))
        assert Customer.objects.get().signed_in_at is not None
        assert ledger_verify().findings == []
