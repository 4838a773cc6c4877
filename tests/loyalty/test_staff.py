"""What staff decide about one member: facts with their audit and event, once for each key, within limits."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from loyalty import ledger, staff
from loyalty.models import Adjustment, TierMove
from loyalty.posting import MembersBusy
from loyalty.staff import KeyReused, StaffRefused, points_adjust, tier_move
from retention_app import clock
from retention_app.models import AuditEntry, Customer, DomainEvent, Shop
from tests.loyalty.conftest import Tiered, customer, days, go, summary_of
from tests.loyalty.ground import customers, points_of


def adjust(shop: Shop, person: Customer | None = None, **said: Any) -> Adjustment:
    decided: dict[str, Any] = {"points": 50, "reason": "late", "actor": "42", "key": "one", **said}
    return points_adjust(shop=shop, customer=person or customer(1), **decided)


def move(shop: Shop, person: Customer | None = None, **said: Any) -> TierMove:
    decided: dict[str, Any] = {"level": "gold", "note": "A friend of the house", "actor": "42", "key": "one", **said}
    return tier_move(shop=shop, customer=person or customer(1), **decided)


def test_adjusting_is_a_fact_with_audit_and_event_and_shows_at_once(tiered: Tiered) -> None:
    made = adjust(tiered.shop, note=" Parcel 7 ")
    assert (made.points, made.reason, made.note, made.counts, made.actor) == (50, "late", "Parcel 7", False, "42")
    assert points_of(tiered.shop) == {1: 50}
    (audit,) = AuditEntry.objects.filter(code="loyalty.points.adjusted")
    assert (audit.actor, audit.at) == ("42", made.at)
    assert audit.data == {"adjustment": made.id, "customer": made.customer_id, "points": 50, "why": "late"}
    (event,) = DomainEvent.objects.filter(type="points.adjusted")
    assert (event.subject_id, event.customer_id, event.occurred_at) == (made.id, made.customer_id, made.at)
    adjust(tiered.shop, points=-20, key="two")
    assert points_of(tiered.shop) == {1: 30}


def test_the_same_key_decides_once(tiered: Tiered) -> None:
    first = adjust(tiered.shop)
    assert adjust(tiered.shop) == first
    with pytest.raises(KeyReused) as reused:
        adjust(tiered.shop, points=51)
    assert reused.value.made == first
    with pytest.raises(KeyReused):
        adjust(tiered.shop, customer(2))
    assert (Adjustment.objects.count(), AuditEntry.objects.filter(code="loyalty.points.adjusted").count()) == (1, 1)
    given = move(tiered.shop)
    assert move(tiered.shop) == given
    with pytest.raises(KeyReused):
        move(tiered.shop, level="silver")
    assert TierMove.objects.count() == 1


@pytest.mark.parametrize(
    "said",
    [
        {"points": 0},
        {"points": 501},
        {"points": -501},
        {"reason": "because"},
        {"reason": "other"},
        {"reason": "other", "note": "  "},
        {"expires_at": days(0)},
        {"points": -5, "expires_at": days(9)},
    ],
)
def test_what_no_adjustment_may_be_is_refused(tiered: Tiered, said: dict[str, Any]) -> None:
    with pytest.raises(StaffRefused):
        adjust(tiered.shop, **said)
    assert not Adjustment.objects.exists()


def test_the_limit_itself_may_be_given(tiered: Tiered) -> None:
    assert adjust(tiered.shop, points=staff.ADJUST_MAX).points == 500
    assert adjust(tiered.shop, points=-500, key="two").points == -500


@pytest.mark.parametrize(
    "said",
    [{"level": "platinum"}, {"note": " "}, {"until": days(-1)}, {"level": None, "until": days(9)}],
)
def test_what_no_move_may_be_is_refused(tiered: Tiered, said: dict[str, Any]) -> None:
    with pytest.raises(StaffRefused):
        move(tiered.shop, **said)
    assert not TierMove.objects.exists()


def test_a_tier_is_given_taken_and_given_back(tiered: Tiered) -> None:
    move(tiered.shop, until=days(60))
    tier = summary_of(tiered).tier
    assert tier
    assert (tier.key, tier.since) == ("gold", days(0))
    (audit,) = AuditEntry.objects.filter(code="loyalty.tier.moved")
    assert (audit.data["level"], audit.data["name"]) == ("gold", "Gold")
    assert DomainEvent.objects.filter(type="tier.moved").count() == 1
    tiered.clock.move_to(days(1))
    move(tiered.shop, level="", key="two")
    tier = summary_of(tiered).tier
    assert tier
    assert tier.key == ""
    tiered.clock.move_to(days(2))
    assert move(tiered.shop, level=None, key="three").level is None


@pytest.mark.parametrize("fields", [{"gone_at": days(0)}, {"merged_into": True}])
def test_nobody_decides_about_who_is_not_there(tiered: Tiered, fields: dict[str, Any]) -> None:
    values = {name: customer(2) if value is True else value for name, value in fields.items()}
    Customer.objects.filter(shopify_id=1).update(**values)
    for decide in (adjust, move):
        with pytest.raises(StaffRefused):
            decide(tiered.shop)


def test_nothing_is_decided_before_there_is_a_programme(shop: Shop) -> None:
    customers(1)
    for decide in (adjust, move):
        with pytest.raises(StaffRefused):
            decide(shop)


def test_a_busy_member_is_left_to_the_workers(tiered: Tiered, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(customer_ids: Any) -> None:
        raise MembersBusy

    monkeypatch.setattr(staff, "members_bring_up_to_date", busy)
    made = adjust(tiered.shop)
    assert points_of(tiered.shop) == {}
    ledger.members_bring_up_to_date([made.customer_id])
    assert points_of(tiered.shop) == {1: 50}


def test_points_given_expire_like_others_only_once_announced(tiered: Tiered) -> None:
    adjust(tiered.shop, expires_at=days(5))
    go(tiered, 6)
    assert points_of(tiered.shop) == {1: 50}
    (expiring,) = summary_of(tiered).expiring
    assert expiring.due == days(5)
    assert expiring.at(clock.now()) == days(6) + dt.timedelta(days=7)
