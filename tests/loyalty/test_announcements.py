"""What the panel shows as coming is announced by being shown, and happens no earlier than it says."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
import time_machine
from django.core.cache import cache
from django.test import Client

from loyalty import announcements
from loyalty.announcements import announcements_make
from loyalty.ledger import members_bring_up_to_date
from loyalty.models import Announcement, Member
from loyalty.posting import MembersBusy
from loyalty.staff import points_adjust, tier_move
from retention_app.models import Customer, Shop
from tests.loyalty.conftest import Tiered, customer, days, go, summary_of
from tests.loyalty.ground import bring, mirrored, points_of
from tests.orders import order_row
from tests.visits import session_of, signed

Tell = Callable[..., int]


@pytest.fixture
def tell(client: Client) -> Tell:
    """Tells as the open panel does, through the app proxy, that it shows what comes; answers the status."""
    cache.clear()

    def tell(shop: Shop, logged_in: int | None = 1, method: str = "post") -> int:
        return int(getattr(client, method)(f"/proxy/v1/shown?{urlencode(signed(shop, logged_in))}").status_code)

    return tell


def given(tiered: Tiered, expires: float = 40, points: int = 50) -> None:
    points_adjust(
        shop=tiered.shop,
        customer=customer(1),
        points=points,
        reason="gift",
        expires_at=days(expires),
        actor="42",
        key=f"gift-{expires}",
    )


def panel(tiered: Tiered, tell: Tell) -> dict[str, Any]:
    """What the panel reads, and then tells it showed."""
    member = session_of(tiered.shop, 1)["member"]
    assert tell(tiered.shop) == 204
    return member


def made() -> list[tuple[int, dt.datetime]]:
    return [(one.days, one.at) for one in Announcement.objects.order_by("at", "id")]


def test_an_expiry_is_announced_30_and_7_days_before_and_booked_at_its_instant(tiered: Tiered, tell: Tell) -> None:
    given(tiered)
    assert panel(tiered, tell)["expiring"] == []  # 40 days before
    assert made() == []
    go(tiered, 15)
    assert panel(tiered, tell)["expiring"] == [{"points": 50, "when": "10 Feb"}]
    panel(tiered, tell)
    go(tiered, 20)
    panel(tiered, tell)
    go(tiered, 33)
    assert panel(tiered, tell)["expiring"] == [{"points": 50, "when": "10 Feb"}]
    panel(tiered, tell)
    assert made() == [(30, days(15)), (7, days(33))]
    assert Announcement.objects.values_list("channel", "subject").distinct().get() == (
        "panel",
        summary_of(tiered).expiring[0].subject,
    )
    assert Member.objects.get().next_at == days(40)
    go(tiered, 39.9)
    assert points_of(tiered.shop) == {1: 50}
    go(tiered, 40)
    assert points_of(tiered.shop) == {1: 0}


def test_what_is_shown_late_happens_seven_days_later_and_says_so(tiered: Tiered, tell: Tell) -> None:
    given(tiered)
    go(tiered, 39)
    assert panel(tiered, tell)["expiring"] == [{"points": 50, "when": "16 Feb"}]
    assert made() == [(7, days(39))]
    assert summary_of(tiered).expiring[0].ends == days(46)
    go(tiered, 42)
    assert panel(tiered, tell)["expiring"] == [{"points": 50, "when": "16 Feb"}]
    assert len(made()) == 1
    go(tiered, 46)
    assert panel(tiered, tell)["expiring"] == []
    assert points_of(tiered.shop) == {1: 0}


def test_a_second_notice_after_the_seventh_day_moves_the_date_it_shows(tiered: Tiered, tell: Tell) -> None:
    given(tiered)
    go(tiered, 15)
    panel(tiered, tell)
    go(tiered, 38)
    assert panel(tiered, tell)["expiring"] == [{"points": 50, "when": "15 Feb"}]
    assert summary_of(tiered).expiring[0].ends == days(45)


def test_a_move_down_and_the_end_of_a_given_tier_are_announced(tiered: Tiered, tell: Tell) -> None:
    mirrored(order_row(5, net_minor=9_000, processed_at=days(1), cancelled_at=days(4)))
    go(tiered, 5)
    member = panel(tiered, tell)
    assert member["tier"]["name"] == "Silver"
    assert member["tier"]["next"] == {"name": "Gold", "lacking": "$200.00", "share": 0.0}
    assert member["tier"]["down"] == {"to": None, "when": "15 Jan"}
    assert made() == [(30, days(5))]
    go(tiered, 14)
    assert summary_of(tiered).tier.name == ""  # type: ignore[union-attr]
    tier_move(
        shop=tiered.shop, customer=customer(1), level="gold", until=days(30), note="Friend", actor="42", key="move"
    )
    assert panel(tiered, tell)["tier"]["down"] == {"to": None, "when": "31 Jan"}
    assert panel(tiered, tell)["tier"]["next"] is None
    assert len(made()) == 2
    go(tiered, 30)
    assert summary_of(tiered).tier.name == ""  # type: ignore[union-attr]


def test_reading_the_session_announces_nothing(tiered: Tiered, tell: Tell) -> None:
    given(tiered)
    go(tiered, 15)
    session_of(tiered.shop, 1)
    assert made() == []


def test_nobody_else_is_told(tiered: Tiered, tell: Tell, beta: Shop) -> None:
    given(tiered)
    go(tiered, 15)
    for logged_in in (None, 2, 999):
        assert tell(tiered.shop, logged_in) == 204
    assert made() == []
    assert tell(tiered.shop, method="get") == 405


def test_two_panels_at_once_announce_once(tiered: Tiered, monkeypatch: pytest.MonkeyPatch) -> None:
    given(tiered)
    go(tiered, 15)
    first = announcements.upcoming(customer(1), summary_of(tiered))
    announcements_make(tiered.shop, customer(1), "panel")
    monkeypatch.setattr(announcements, "upcoming", lambda *_: first)  # what the second read before the first wrote
    announcements_make(tiered.shop, customer(1), "panel")
    assert made() == [(30, days(15))]


def test_a_busy_member_is_judged_by_the_sweep(tiered: Tiered, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(customer_ids: Any) -> None:
        raise MembersBusy

    given(tiered)
    go(tiered, 15)
    monkeypatch.setattr(announcements, "members_bring_up_to_date", busy)
    announcements_make(tiered.shop, customer(1), "panel")
    assert Member.objects.get().next_at == days(15)
    members_bring_up_to_date([customer(1).id])
    assert summary_of(tiered).expiring[0].ends == days(40)


def test_what_was_announced_before_a_merge_holds_after_it(tiered: Tiered, tell: Tell) -> None:
    given(tiered)
    go(tiered, 15)
    panel(tiered, tell)
    Customer.objects.filter(shopify_id=1).update(merged_into=customer(2))
    bring(1, 2)
    assert summary_of(tiered, 2).expiring[0].ends == days(40)
    assert tell(tiered.shop, 2) == 204
    assert len(made()) == 1


def test_the_anonymous_are_answered_without_a_word_of_anybody(beta: Shop, tell: Tell) -> None:
    with time_machine.travel(days(0), tick=False):
        assert tell(beta, None) == 204
    assert session_of(beta)["member"] is None
