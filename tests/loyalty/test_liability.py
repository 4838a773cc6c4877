"""What is owed as of a date, by hand-made sums; that a past date's figures stay; that months roll forward; closing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest
import time_machine
from django.db import DatabaseError, connection, transaction  # noqa: F401  (the condition of a test is a string)

from loyalty import books, liability
from loyalty.books import NotClosable, close_differences, period_close
from loyalty.liability import as_of
from loyalty.models import Adjustment, Announcement, Entry, LedgerTransaction, Lot, Member, PeriodClose, Spending
from loyalty.programme import draft_save, programme_publish
from loyalty.rules.reckoning import subject
from retention_app import clock
from retention_app.models import AuditEntry, Customer, Shop
from tests.loyalty.ground import bring, customers, mirrored
from tests.orders import line_row, order_row, refund_row

TEN_PERCENT = {"points": 100, "minor": 1000}


def day(month: int, day_: int, hour: int = 12) -> dt.datetime:
    return dt.datetime(2026, month, day_, hour, tzinfo=dt.UTC)


@pytest.fixture
def told(shop: Shop) -> Shop:
    """From January: 1 earns 100, spends 30 in February, 20 of it were held until March; 2 earns 50 that can be used in
    time, gives it back in February after spending 40, and owes; 3 gets 70 in March that expire in April."""
    customers(1, 2, 3)
    one, two, three = Customer.objects.filter(shopify_id__in=(1, 2, 3)).order_by("shopify_id")
    document = {
        "earn": {"points": 1, "per_minor": 100},
        "worth": {"points": 100, "minor": 500},
        "waiting": {"days": 14, "after": "payment"},
        "expiry_months": 12,
    }
    with time_machine.travel(day(1, 1), tick=False):
        draft_save(shop.id, document, "42")
        programme_publish(shop.id, "42", "all")
    mug = line_row(60, 5000, title="Mug")
    with time_machine.travel(day(1, 10), tick=False):
        mirrored(order_row(5, 1, 10000, processed_at=day(1, 10)))
        mirrored(order_row(6, 2, processed_at=day(1, 10), lines=[mug]))
        bring(1, 2)
    with time_machine.travel(day(2, 10), tick=False):
        spend(shop, one, 10, "redeemed")
        held = spend(shop, one, 20, "held")
        spend(shop, two, 40, "redeemed")
        bring(1, 2)
    with time_machine.travel(day(2, 20), tick=False):
        back = {"refunds": [refund_row(66, 60, [(60, 1, 5000)], processed_at=day(2, 20))]}
        mirrored(order_row(6, 2, processed_at=day(1, 10), lines=[{**mug, "current_quantity": 0}], **back))
        bring(2)
    with time_machine.travel(day(3, 5), tick=False):
        Spending.objects.filter(id=held.id).update(state="redeemed", decided_at=day(3, 5))
        due = day(4, 5)
        gift = Adjustment.objects.create(
            shop=shop, customer=three, at=day(3, 5), points=70, reason="gift", expires_at=due, actor="42", key="gift"
        )
        about = subject(f"expiry:adjustment:{gift.id}", due)
        Announcement.objects.create(shop=shop, customer=three, subject=about, days=30, at=day(3, 5), channel="panel")
        bring(1, 3)
    with time_machine.travel(day(4, 6), tick=False):
        bring(3)
    return shop


def spend(shop: Shop, customer: Customer, points: int, state: str) -> Spending:
    key = f"{customer.shopify_id}-{points}-{state}"
    return Spending.objects.create(
        shop=shop, customer=customer, at=clock.now(), points=points, state=state, purpose={}, key=key
    )


@pytest.fixture
def in_april() -> Iterator[None]:
    with time_machine.travel(day(4, 10), tick=False):
        yield


def figures(date: dt.date) -> tuple[int, int, int]:
    owed = liability.owed(as_of(date, "UTC").until)
    return owed.claims, owed.debts, owed.held


def test_claims_debts_and_points_set_aside_are_told_apart_on_any_date(told: Shop, in_april: None) -> None:
    assert figures(dt.date(2025, 12, 31)) == (0, 0, 0)
    assert figures(dt.date(2026, 1, 9)) == (0, 0, 0)
    assert figures(dt.date(2026, 1, 10)) == (150, 0, 0)
    assert figures(dt.date(2026, 2, 10)) == (70 + 10, 0, 20)
    assert figures(dt.date(2026, 2, 28)) == (70, 40, 20)
    assert figures(dt.date(2026, 3, 31)) == (70 + 70, 40, 0)
    assert figures(dt.date(2026, 4, 10)) == figures(dt.date(2030, 1, 1)) == (70, 40, 0)


def test_months_roll_forward_and_add_up_to_what_members_have(told: Shop, in_april: None) -> None:
    date = as_of(dt.date(2026, 4, 10), "UTC")
    months = liability.roll_forward(date)
    rows = [
        (row.begins.month, row.opening, row.issued, row.redeemed, row.expired, row.reversed, row.closing)
        for row in months
    ]
    assert rows == [
        (1, 0, 150, 0, 0, 0, 150),
        (2, 150, 0, 50, 0, 50, 50),
        (3, 50, 70, 20, 0, 0, 100),
        (4, 100, 0, 0, 70, 0, 30),
    ]
    for row in months:
        assert liability.owed(row.until).closing == row.closing
    assert liability.roll_forward(date, 2) == months[2:]
    assert liability.roll_forward(as_of(dt.date(2025, 12, 31), "UTC")) == []


def test_claims_are_told_by_age_and_expiry(told: Shop, in_april: None) -> None:
    parts = liability.parts(as_of(dt.date(2026, 3, 31), "UTC"))
    assert parts.ages == (140, 0, 0, 0, 0)
    assert parts.expiries == {dt.date(2026, 4, 1): 70, dt.date(2027, 1, 1): 70}
    assert (parts.due, parts.pending) == (0, 0)
    assert liability.parts(as_of(dt.date(2026, 1, 20), "UTC")).pending == 150
    with time_machine.travel(day(12, 1), tick=False):
        assert liability.parts(as_of(dt.date(2026, 12, 1), "UTC")).ages == (0, 0, 70, 0, 0)
    with time_machine.travel(dt.datetime(2027, 3, 1, tzinfo=dt.UTC), tick=False):
        parts = liability.parts(as_of(dt.date(2027, 3, 1), "UTC"))
        assert (parts.due, parts.expiries, parts.ages) == (70, {}, (0, 0, 0, 70, 0))


def test_ages_and_expiries_are_those_of_the_lots(told: Shop, in_april: None) -> None:
    parts = liability.parts(as_of(dt.date(2026, 4, 10), "UTC"))
    [lot] = Lot.objects.all()
    assert lot.due
    assert parts.expiries == {lot.due.date().replace(day=1): lot.points}


def test_a_past_date_stays_as_it_was_whatever_comes_later(told: Shop, in_april: None) -> None:
    def known() -> list[object]:
        date = as_of(dt.date(2026, 2, 15), "UTC")
        return [
            liability.owed(date.until),
            liability.parts(date),
            liability.roll_forward(date),
            liability.worth_at(date).minor(1000),
            list(liability.members(date.until)),
        ]

    before = known()
    mirrored(order_row(7, 2, processed_at=day(1, 5)))  # a late fact of January
    Spending.objects.filter(points=10).update(state="undone", undone_at=day(4, 10))
    document = {"earn": {"points": 3, "per_minor": 100}, "worth": TEN_PERCENT}
    draft_save(told.id, document, "42")
    programme_publish(told.id, "42", "none")
    bring(1, 2)
    assert figures(dt.date(2026, 4, 10)) == (80 + 10, 0, 0)
    assert known() == before
    assert liability.worth_at(as_of(dt.date(2026, 4, 10), "UTC")).minor(1000) == 10_000


def test_moved_dates_are_in_no_sum_and_in_the_expiry(told: Shop, in_april: None) -> None:
    date = as_of(dt.date(2026, 4, 10), "UTC")
    before = liability.roll_forward(date)
    mirrored(order_row(5, 1, 10000, processed_at=day(1, 10), paid_at=day(2, 5)))
    bring(1)
    assert Entry.objects.filter(explanation__kind="moved").exists()
    assert liability.roll_forward(date) == before
    assert liability.parts(date).expiries == {dt.date(2027, 2, 1): 70}


def test_a_day_ends_at_midnight_in_the_shops_time_zone(told: Shop, in_april: None) -> None:
    with time_machine.travel(dt.datetime(2026, 4, 1, 2, tzinfo=dt.UTC), tick=False):  # 31 March, 23:00 in São Paulo
        date = as_of(dt.date(2026, 3, 31), "America/Sao_Paulo")
        assert date.at == clock.now()
        assert date.until == dt.datetime(2026, 4, 1, 3, tzinfo=dt.UTC)
        assert as_of(dt.date(2026, 4, 1), "America/Sao_Paulo") == date  # not there yet
    assert as_of(dt.date(2026, 3, 31), "America/Sao_Paulo").at == date.until - dt.timedelta(microseconds=1)


def test_members_add_up_to_claims_and_debts(told: Shop, in_april: None) -> None:
    assert list(liability.members(as_of(dt.date(2026, 3, 1), "UTC").until)) == [(1, 70), (2, -40)]


# --- closing ----------------------------------------------------------------------------------------------------------


def test_a_month_is_closed_with_its_figures_once(told: Shop, in_april: None) -> None:
    closed = period_close(shop=told, month=dt.date(2026, 3, 1), actor="42")
    assert closed.until == day(4, 1, 0)
    assert closed.totals == {
        "begins": "2026-03-01T00:00:00+00:00",
        "opening": 50,
        "issued": 70,
        "redeemed": 20,
        "expired": 0,
        "reversed": 0,
        "closing": 100,
        "claims": 140,
        "debts": 40,
        "held": 0,
        "worth_minor": 700,
    }
    assert period_close(shop=told, month=dt.date(2026, 3, 1), actor="43") == closed
    [entry] = AuditEntry.objects.filter(code="loyalty.period.closed")
    assert (entry.actor, entry.data) == ("42", {"month": "2026-03", "closing": 100})
    assert close_differences(closed) == {}


@pytest.mark.parametrize("month", [dt.date(2026, 2, 1), dt.date(2026, 4, 1), dt.date(2030, 1, 1)])
def test_only_a_month_that_is_over_and_after_the_last_close_can_be_closed(
    told: Shop, in_april: None, month: dt.date
) -> None:
    period_close(shop=told, month=dt.date(2026, 3, 1), actor="42")
    with pytest.raises(NotClosable):
        period_close(shop=told, month=month, actor="42")
    assert PeriodClose.objects.count() == 1


SAO_PAULO, NEW_YORK = "America/Sao_Paulo", "America/New_York"


@pytest.mark.parametrize(("before", "after"), [(SAO_PAULO, NEW_YORK), (NEW_YORK, SAO_PAULO)])
def test_in_another_time_zone_no_month_is_closed_twice_and_each_goes_on_from_the_last(
    told: Shop, in_april: None, before: str, after: str
) -> None:
    told.timezone = before
    february = period_close(shop=told, month=dt.date(2026, 2, 1), actor="42")
    told.timezone = after
    with pytest.raises(NotClosable):
        period_close(shop=told, month=dt.date(2026, 2, 1), actor="42")
    march = period_close(shop=told, month=dt.date(2026, 3, 1), actor="42")
    assert march.totals["begins"] == february.until.isoformat()
    assert march.totals["opening"] == february.totals["closing"]
    assert (close_differences(february), close_differences(march)) == ({}, {})


def test_months_closed_at_once_go_on_from_the_last_close(told: Shop, in_april: None) -> None:
    january = period_close(shop=told, month=dt.date(2026, 1, 1), actor="42")
    march = period_close(shop=told, month=dt.date(2026, 3, 1), actor="42")
    assert march.totals["begins"] == january.until.isoformat()
    assert (march.totals["opening"], march.totals["redeemed"], march.totals["closing"]) == (150, 70, 100)


@pytest.mark.parametrize("timezone", ["UTC", "Pacific/Kiritimati", "Etc/GMT+12"])
def test_the_month_that_ended_is_known_in_any_time_zone(timezone: str) -> None:
    for month in (dt.date(2026, 2, 1), dt.date(2026, 12, 1)):
        assert books.month_ended(books.month_bounds(month, timezone)[1]) == month


def test_a_month_can_be_closed_once_what_began_in_it_is_written(told: Shop) -> None:
    early = time_machine.travel(day(4, 1, 0) + books.CLOSE_AFTER - dt.timedelta(seconds=1), tick=False)
    with early, pytest.raises(NotClosable):
        period_close(shop=told, month=dt.date(2026, 3, 1), actor="42")
    with time_machine.travel(day(4, 1, 0) + books.CLOSE_AFTER, tick=False):
        period_close(shop=told, month=dt.date(2026, 3, 1), actor="42")


def test_a_late_fact_is_recorded_after_the_close_and_leaves_it_right(told: Shop, in_april: None) -> None:
    closed = period_close(shop=told, month=dt.date(2026, 3, 1), actor="42")
    mirrored(order_row(8, 1, processed_at=day(3, 1)))
    assert bring(1).points == 50
    assert Entry.objects.latest("id").recorded_at >= closed.until
    assert close_differences(closed) == {}


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="closed books are kept by a trigger")
def test_nothing_is_recorded_in_a_closed_month(told: Shop, in_april: None) -> None:
    period_close(shop=told, month=dt.date(2026, 3, 1), actor="42")
    member = Member.objects.first()
    late = {"shop": told, "member": member, "revision": 99, "occurred_at": day(3, 1), "recorded_at": day(3, 31)}
    with pytest.raises(DatabaseError, match="closed"), transaction.atomic():
        LedgerTransaction.objects.create(**late)
    LedgerTransaction.objects.create(**{**late, "recorded_at": day(4, 1, 0)})
