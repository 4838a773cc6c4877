"""What staff do about one member: adjusting points and moving the tier, from the profile."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.test import Client

from loyalty import staff as staff_services
from loyalty.ledger import members_bring_up_to_date
from loyalty.models import Adjustment, Member, TierChange, TierMove
from loyalty.programme import draft_save, programme_publish
from loyalty.rules.reckoning import day_months_after, midnight
from loyalty.selectors import tier_months
from retention_app import clock
from retention_app.models import Customer, Shop
from retention_app.tenancy import shop_scope
from tests.loyalty.conftest import TIERED, days
from tests.loyalty.ground import customers, mirrored
from tests.orders import order_row
from tests.screens.conftest import sane, see
from tests.screens.test_pages import queries_of

SECOND = dt.timedelta(seconds=1)


@pytest.fixture(autouse=True)
def _three_days_after_the_epoch() -> Iterator[None]:
    with time_machine.travel(days(3), tick=False):
        yield


@pytest.fixture
def member(alpha: Shop) -> Customer:
    """A Silver member of our shop with 90 points pending."""
    with shop_scope(alpha.id):
        draft_save(alpha.id, TIERED, "42")
        programme_publish(alpha.id, "42", "all")
        (id_,) = customers(1)
        mirrored(order_row(5, net_minor=9_000, processed_at=days(1)))
        members_bring_up_to_date([id_])
        return Customer.objects.get(id=id_)


def opened(staff: Client, path: str) -> str:
    """The key of a form as it is opened."""
    html = staff.get(path).content.decode()
    sane(see(html))
    key = re.search(r'name="key" value="([\w-]+)"', html)
    assert key
    return key[1]


def profile(member: Customer, tab: str = "") -> str:
    return f"/app/customers/{member.id}/{tab}"


def test_profile_shows_what_is_pending_and_the_way_to_the_next_tier(staff: Client, member: Customer) -> None:
    html = staff.get(profile(member)).content.decode()
    seen = see(html)
    sane(seen)
    for said in ("Pending 90 90 from 16 Jan", "Silver $110.00 to Gold", "by all they ever spent", "since 2 Jan"):
        assert said in seen.text
    assert '<progress max="100" value="45" aria-label="$110.00 to Gold">' in html
    assert "pending until 16 Jan" in seen.text
    for said in (
        "90.00 × 1 point per $1.00 = 90",
        "Tier then: none.",
        "Can be used from 16 Jan, 14 days after payment.",
    ):
        assert said in seen.text
    for path in ("adjust/", "tier/"):
        assert f'href="{profile(member, path)}"' in html


def test_points_are_adjusted_and_stand_in_the_ledger(alpha: Shop, staff: Client, member: Customer) -> None:
    path = profile(member, "adjust/")
    filled = {
        "key": opened(staff, path),
        "points": "+50",
        "reason": "late",
        "note": "Parcel 7",
        "expires": "2026-03-01",
    }
    for _ in range(2):
        answer = staff.post(path, filled)
        assert (answer.status_code, answer["Location"]) == (303, profile(member))
    with shop_scope(alpha.id):
        (made,) = Adjustment.objects.all()
    assert (made.points, made.reason, made.actor, made.expires_at) == (50, "late", "42", days(58.5))
    seen = see(staff.get(profile(member)).content.decode())
    sane(seen)
    for said in (
        "Points available 50",
        "Adjusted by Olivia Owner: Late parcel",
        "Note: “Parcel 7”",
    ):
        assert said in seen.text
    assert "Points adjusted by 50: Late parcel" in see(staff.get("/app/activity/?tab=staff").content.decode()).text
    assert staff.post(path, {**filled, "points": "60"}).status_code == 409


def test_taking_points_away_is_a_toast(staff: Client, member: Customer) -> None:
    path = profile(member, "adjust/")
    filled = {"key": opened(staff, path), "points": "−20", "reason": "mistake"}
    answer = staff.post(path, filled, headers={"HX-Request": "true"})
    assert json.loads(answer["HX-Trigger"])["toast"] == "Points adjusted"
    text = see(staff.get(profile(member)).content.decode()).text
    assert "20 owed" in text
    assert "20 points of it had been used already. They are owed" in text


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"points": ""}, "Points: Enter a number."),
        ({"points": "0"}, "Enter a whole number like 50"),
        ({"points": "4.5"}, "Enter a whole number like 50"),
        ({"points": "²"}, "Enter a whole number like 50"),
        ({"points": "--5"}, "Enter a whole number like 50"),
        ({"points": "1000001"}, "The limit is 1,000,000 points at once. Nothing was changed."),
        ({"points": "-1000001"}, "The limit is 1,000,000 points at once. Nothing was changed."),
        ({"reason": ""}, "Reason: Choose one."),
        ({"reason": "because"}, "Reason: Choose one."),
        ({"reason": "other"}, "Say what the reason is."),
        ({"expires": "soon"}, "Enter a date."),
        ({"expires": "2026-01-01"}, "Enter a day in the future."),
        ({"expires": "2026-03-01", "points": "-5"}, "Only points that you give can expire."),
        ({"key": "short"}, "Open this form again."),
    ],
)
def test_what_cannot_be_adjusted_is_said_at_its_field(
    alpha: Shop, staff: Client, member: Customer, wrong: dict[str, str], said: str
) -> None:
    path = profile(member, "adjust/")
    answer = staff.post(path, {"key": opened(staff, path), "points": "5", "reason": "gift", **wrong})
    assert answer.status_code == 422
    seen = see(answer.content.decode())
    sane(seen)
    assert said in seen.text
    with shop_scope(alpha.id):
        assert not Adjustment.objects.exists()


def test_tier_is_given_until_a_day(alpha: Shop, staff: Client, member: Customer) -> None:
    path = profile(member, "tier/")
    filled = {"key": opened(staff, path), "tier": "gold", "ends": "2026-06-01", "note": "A friend"}
    assert [staff.post(path, filled).status_code for _ in range(2)] == [303, 303]
    with shop_scope(alpha.id):
        (made,) = TierMove.objects.all()
    assert (made.level, made.note, made.actor) == ("gold", "A friend", "42")
    seen = see(staff.get(profile(member)).content.decode())
    sane(seen)
    assert "Tier Gold" in seen.text
    assert "Note: “A friend” By Olivia Owner." in seen.text
    assert "Customer moved to Gold" in see(staff.get("/app/activity/?tab=staff").content.decode()).text
    assert staff.post(path, {**filled, "tier": "none"}).status_code == 409
    again = {"key": opened(staff, path), "tier": "automatic", "note": "Enough"}
    assert staff.post(path, again).status_code == 303
    text = see(staff.get(profile(member)).content.decode()).text
    assert "Tier Silver" in text
    assert "Note: “Enough”" in text
    with time_machine.travel(days(400)):
        TierMove.objects.unscoped().filter(level=None).update(until=days(5))
        assert "Note:" not in see(staff.get(profile(member)).content.decode()).text


@pytest.mark.parametrize("path", ["adjust/", "tier/"])
def test_what_is_refused_after_the_form_was_checked_is_said(
    alpha: Shop, staff: Client, member: Customer, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled = {"key": opened(staff, profile(member, path)), "points": "5", "reason": "gift", "tier": "gold", "note": "x"}

    def refuse(*_: Any, **__: Any) -> None:
        raise staff_services.StaffRefused

    monkeypatch.setattr(staff_services, "_check", refuse)
    answer = staff.post(profile(member, path), filled)
    assert answer.status_code == 422
    assert "Open this form again." in see(answer.content.decode()).text
    with shop_scope(alpha.id):
        assert not TierMove.objects.exists()
        assert not Adjustment.objects.exists()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"tier": "platinum"}, "Choose one."),
        ({"tier": ""}, "Choose one."),
        ({"note": " "}, "Say what the reason is."),
        ({"ends": "2025-12-31"}, "Enter a day in the future."),
        ({"ends": "9999-99-99"}, "Enter a date."),
        ({"tier": "automatic", "ends": "2026-06-01"}, "The tier they reached has no end."),
    ],
)
def test_what_no_move_is_is_said_at_its_field(
    alpha: Shop, staff: Client, member: Customer, wrong: dict[str, str], said: str
) -> None:
    path = profile(member, "tier/")
    answer = staff.post(path, {"key": opened(staff, path), "tier": "gold", "note": "A friend", **wrong})
    assert answer.status_code == 422
    assert said in see(answer.content.decode()).text
    with shop_scope(alpha.id):
        assert not TierMove.objects.exists()


@pytest.mark.parametrize(
    ("fields", "said"), [({"gone_at": days(1)}, "in your store any more"), ({"merged_into": True}, "was merged into")]
)
def test_nobody_to_decide_about_is_said_instead_of_a_form(
    alpha: Shop, staff: Client, member: Customer, fields: dict[str, Any], said: str
) -> None:
    with shop_scope(alpha.id):
        (other,) = customers(2)
        values = {name: Customer.objects.get(id=other) if value is True else value for name, value in fields.items()}
        Customer.objects.filter(id=member.id).update(**values)
    assert f'href="{profile(member, "adjust/")}"' not in staff.get(profile(member)).content.decode()
    for path in ("adjust/", "tier/"):
        seen = see(staff.get(profile(member, path)).content.decode())
        sane(seen)
        assert said in seen.text
        assert staff.post(profile(member, path), {"points": "5"}).status_code == 422


def test_without_a_programme_there_is_nothing_to_decide(storied: Shop, staff: Client) -> None:
    with shop_scope(storied.id):
        person = Customer.objects.order_by("id").first()
        assert person
    for path in ("adjust/", "tier/"):
        seen = see(staff.get(profile(person, path)).content.decode())
        sane(seen)
        assert "Points start with your programme." in seen.text


def test_another_shops_customer_is_404(member: Customer, beta: Shop, merchant: Any) -> None:
    stranger = merchant(beta)
    for path in ("adjust/", "tier/"):
        assert stranger.get(profile(member, path)).status_code == 404
        assert stranger.post(profile(member, path), {"points": "5"}).status_code == 404


def test_list_has_pending_points_and_tiers_and_filters_by_them(staff: Client, member: Customer, alpha: Shop) -> None:
    with shop_scope(alpha.id):
        customers(2)
    seen = see(staff.get("/app/customers/").content.decode())
    sane(seen)
    assert "0 90 Silver" in seen.text
    for level, shown in (("silver", True), ("gold", False), ("none", False)):
        html = staff.get(f"/app/customers/?tier={level}").content.decode()
        assert (f"/app/customers/{member.id}/" in html) is shown
    assert f"/app/customers/{member.id + 1}/" in staff.get("/app/customers/?tier=none").content.decode()


def test_pages_cost_their_queries(staff: Client, member: Customer) -> None:
    for path, most in (("", 13), ("adjust/", 7), ("tier/", 7)):
        staff.get(profile(member, path))
        assert queries_of(staff, profile(member, path)) <= most


def test_tiers_show_their_people_and_who_moved(alpha: Shop, staff: Client, member: Customer) -> None:
    with shop_scope(alpha.id):
        others = customers(2, 3, 4)
        mirrored(
            order_row(6, customer=2, net_minor=25_000, processed_at=days(1)),
            order_row(7, customer=3, net_minor=9_000, processed_at=days(1), cancelled_at=days(2)),
            order_row(8, customer=4, net_minor=500, processed_at=days(1)),
        )
        members_bring_up_to_date(others)
    html = staff.get("/app/loyalty/tiers/").content.decode()
    seen = see(html)
    sane(seen)
    assert "3 of 4 members hold a tier." in seen.text
    for row in ("Gold $200.00 2× 1 1 0 0", "Silver $70.00 1× 2 2 0 1", "No tier – 1× 1 0 0 0"):
        assert row in seen.text
    assert 'href="/app/customers/?tier=silver"' in html
    assert "Silver 2 50.0%" in seen.text
    assert 'href="/app/loyalty/tiers/"' in staff.get("/app/loyalty/programme/").content.decode()


def test_the_tiers_of_the_months_before_are_reckoned_back_from_today(alpha: Shop, member: Customer) -> None:
    zone = ZoneInfo(alpha.timezone)
    this = clock.now().astimezone(zone).date().replace(day=1)
    last, before = day_months_after(this, -1), day_months_after(this, -2)
    now = {"": 1, "silver": 2, "gold": 1}
    with shop_scope(alpha.id):
        customers(2)
        TierChange.objects.all().delete()
        Customer.objects.update(first_order_at=midnight(before, zone))
        Customer.objects.filter(id=member.id).update(first_order_at=midnight(this, zone))
        changes = [(midnight(last, zone), "", "silver"), (midnight(this, zone) - SECOND, "silver", "gold")]
        changes += [(midnight(this, zone), "", "silver")]
        for at, lower, upper in changes:
            TierChange.objects.create(
                shop=alpha,
                member=Member.objects.get(customer=member),
                at=at,
                before=lower,
                after=upper,
                reason="reached",
                version=1,
                quantity=0,
            )
        found = dict(tier_months(now, zone))
    assert list(found)[-3:] == [before, last, this]
    assert found[this] == now
    assert found[last] == {"": 1, "silver": 1, "gold": 1}
    assert found[before] == {"": 2, "silver": 1, "gold": 0}


def test_a_shop_without_tiers_is_told_what_they_are_for(
    storied: Shop, staff: Client, beta: Shop, merchant: Any
) -> None:
    for client in (staff, merchant(beta)):
        assert "No tiers yet." in see(client.get("/app/loyalty/tiers/").content.decode()).text


def test_tiers_without_members_have_no_bars(alpha: Shop, staff: Client) -> None:
    with shop_scope(alpha.id):
        draft_save(alpha.id, TIERED, "42")
        programme_publish(alpha.id, "42", "all")
    assert "Bars appear with the first member." in see(staff.get("/app/loyalty/tiers/").content.decode()).text
