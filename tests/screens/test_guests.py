"""Points that wait for their owner, as staff see them: in the list, the profile and what is owed."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from loyalty.programme import draft_save, programme_publish
from retention_app import mirror, sign_ins
from retention_app.models import Customer, DomainEvent, Shop
from retention_app.tenancy import shop_scope
from tests.loyalty.ground import mirrored, publish
from tests.orders import at, customer_row, order_row
from tests.screens.conftest import see


@pytest.fixture
def guest(alpha: Shop, work_off: Callable[[], None]) -> Customer:
    """Somebody who bought twice without an account."""
    with shop_scope(alpha.id):
        publish(alpha)
        row = customer_row(1, account_state="DISABLED")
        mirror.customers_upsert([row], read_at=at(0), origin=DomainEvent.Origin.BACKFILL)
        mirrored(order_row(5, net_minor=10_800), order_row(6, net_minor=13_200))
        work_off()
        return Customer.objects.get()


def test_home_counts_who_could_use_points_and_the_whole_revenue(
    guest: Customer, alpha: Shop, staff: Client, work_off: Callable[[], None]
) -> None:
    def home() -> str:
        work_off()
        return see(staff.get(reverse("admin:home"), {"period": "all"}).content.decode()).text

    assert "0 points of 0 customers" in home()
    with shop_scope(alpha.id):
        draft_save(alpha.id, {"earn": {"points": 1, "per_minor": 100}, "worth": {"points": 100, "minor": 500}}, "42")
        programme_publish(alpha.id, "42")
        mirrored(order_row(7, customer=None, net_minor=24_000))
        assert sign_ins.customer_signed_in(1)
    said = home()
    assert "240 points of 1 customer" in said
    assert "2.5% of revenue" in said


def test_staff_see_that_points_wait_and_then_that_they_were_claimed(
    guest: Customer, alpha: Shop, staff: Client, work_off: Callable[[], None]
) -> None:
    pages = [reverse("admin:customers"), reverse("admin:customer", args=[guest.id]), reverse("liability:page")]
    customers, profile, owed = (see(staff.get(page).content.decode()).text for page in pages)
    assert "240 unclaimed" in customers
    assert "240 points wait until this e-mail signs in" in profile
    assert "unclaimed" in profile.partition("Order #6")[2]
    assert "Of it unclaimed" in owed
    assert "240 points of 1 member" in owed.partition("Of it unclaimed")[2]
    file = staff.get(staff.post(reverse("admin:customers_export"))["Location"])
    (row,) = csv.DictReader(io.StringIO(file.getvalue().decode("utf-8-sig")))
    assert (row["Points"], row["Pending"], row["Unclaimed"]) == ("0", "0", "240")
    with shop_scope(alpha.id):
        assert sign_ins.customer_signed_in(1)
    work_off()
    customers, profile, owed = (see(staff.get(page).content.decode()).text for page in pages)
    assert "unclaimed" not in customers
    assert "wait until" not in profile
    assert "Claimed by signing in: Order #6" in profile
    assert "This e-mail has signed in." in profile
    assert "0 points of 0 members" in owed.partition("Of it unclaimed")[2]
