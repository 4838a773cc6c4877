"""Who a person is: asked of the platform once, believed only about the one who came, never in a page's way."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from retention_app import clock
from retention_app.models import AuditEntry, Shop, ShopToken, StaffMember
from retention_app.services.staff import PAUSE_SECONDS
from retention_app.tenancy import shop_scope
from tests.conftest import id_token, make_staff
from tests.platform.conftest import Answer, Platform

ONLINE = "urn:shopify:params:oauth:token-type:online-access-token"


def user(number: int = 77, **fields: Any) -> Answer:
    """What the platform answers to an exchange for an online token."""
    known = {"id": number, "first_name": "Bruno", "last_name": "Lima", "email": "bruno@example.com"}
    known |= {"account_owner": False, "locale": "en", "collaborator": False, "email_verified": True, **fields}
    token = {"access_token": "shpua_secret", "scope": "read_orders", "expires_in": 86_399}
    return Answer({**token, "associated_user_scope": "read_orders", "associated_user": known})


def visit(shop: Shop, actor: str = "77") -> int:
    headers = {"Authorization": f"Bearer {id_token(shop, sub=actor)}"}
    return Client(headers=headers).get("/app/settings/languages/").status_code


def person(shop: Shop, actor: str = "77") -> StaffMember:
    with shop_scope(shop.id):
        return StaffMember.objects.get(actor=actor)


@pytest.fixture
def unvisited(alpha: Shop) -> Shop:
    """Our shop before anybody opened the app."""
    with shop_scope(alpha.id):
        StaffMember.objects.all().delete()
    return alpha


def test_a_person_is_asked_for_once_and_the_token_is_dropped(unvisited: Shop, platform: Platform) -> None:
    platform.script(user())
    assert [visit(unvisited) for _ in range(3)] == [200, 200, 200]
    (call,) = platform.calls
    assert call.path.startswith("/admin/oauth/access_token")
    assert call.body["requested_token_type"] == ONLINE
    known = person(unvisited)
    assert (known.name, known.email, known.role) == ("Bruno Lima", "bruno@example.com", "manager")
    with shop_scope(unvisited.id):
        assert ShopToken.objects.get().access_token == "shpat_alpha"
        (entry,) = AuditEntry.objects.all()
    assert (entry.code, entry.actor, entry.data["after"]) == ("staff.person.joined", "77", {"role": "manager"})


@pytest.mark.parametrize(
    ("owns", "after", "role"), [(True, "", "owner"), (True, "42", "owner"), (False, "42", "viewer")]
)
def test_the_account_owner_is_an_owner_and_later_people_get_what_the_shop_chose(
    unvisited: Shop, platform: Platform, owns: bool, after: str, role: str
) -> None:
    Shop.objects.filter(id=unvisited.id).update(role_new="viewer")
    if after:
        make_staff(unvisited, after, "manager")
    platform.script(user(account_owner=owns))
    visit(unvisited)
    assert person(unvisited).role == role


def test_a_store_that_was_sold_has_one_account_owner(unvisited: Shop, platform: Platform) -> None:
    make_staff(unvisited, "42", "owner", "Olivia Owner", owns_account=True)
    platform.script(user(account_owner=True))
    visit(unvisited)
    assert (person(unvisited).role, person(unvisited).owns_account) == ("owner", True)
    assert (person(unvisited, "42").role, person(unvisited, "42").owns_account) == ("owner", False)


@pytest.mark.parametrize(
    "answer",
    [
        Answer({"error": "invalid_subject_token"}, status=400),
        Answer(b"<html>", status=200),
        Answer({"access_token": "shpua_secret"}),
        Answer({"associated_user": []}),
        user(78, account_owner=True),
        Answer({}, status=503),
    ],
)
def test_what_the_platform_does_not_say_keeps_nobody_out(unvisited: Shop, platform: Platform, answer: Answer) -> None:
    platform.script(answer, user(account_owner=True))
    with time_machine.travel(clock.now(), tick=False) as now:
        assert [visit(unvisited), visit(unvisited)] == [200, 200]
        known = person(unvisited)
        assert (known.name, known.role, known.told_at) == ("", "manager", None)
        assert len(platform.calls) == 1  # who failed to say is left alone for a while
        now.shift(PAUSE_SECONDS + 1)
        visit(unvisited)
    assert (person(unvisited).name, person(unvisited).role) == ("Bruno Lima", "owner")


def test_a_name_is_asked_for_again_after_a_week_and_a_chosen_role_stays(alpha: Shop, platform: Platform) -> None:
    make_staff(alpha, "77", "viewer", "Bruno")
    platform.script(user(first_name=None, last_name="Limão"))
    with time_machine.travel(clock.now() + dt.timedelta(days=8), tick=False):
        visit(alpha)
        visit(alpha)
    assert (person(alpha).name, person(alpha).role) == ("Limão", "viewer")
    assert len(platform.calls) == 1


def test_one_of_two_requests_asks(unvisited: Shop, platform: Platform) -> None:
    with shop_scope(unvisited.id):
        far = clock.system_now() + dt.timedelta(seconds=5)
        StaffMember.objects.create(shop=unvisited, actor="77", lease_until=far)
    assert visit(unvisited) == 200
    assert not platform.calls
    assert person(unvisited).role == ""  # which may look


def test_a_known_person_costs_one_query(alpha: Shop, platform: Platform) -> None:
    visit(alpha, "42")
    with CaptureQueriesContext(connection) as captured:
        visit(alpha, "42")
    assert len([each for each in captured if "staffmember" in each["sql"]]) == 1
    assert not platform.calls


def test_when_somebody_was_here_last_is_known_to_ten_minutes(alpha: Shop, platform: Platform) -> None:
    seen = person(alpha, "42").last_seen_at
    assert seen
    with time_machine.travel(seen + dt.timedelta(minutes=9), tick=False):
        visit(alpha, "42")
    assert person(alpha, "42").last_seen_at == seen
    with time_machine.travel(seen + dt.timedelta(minutes=11), tick=False):
        visit(alpha, "42")
    assert person(alpha, "42").last_seen_at == seen + dt.timedelta(minutes=11)


def test_two_shops_have_their_own_people(alpha: Shop, beta: Shop, platform: Platform) -> None:
    platform.script(user())
    visit(alpha)
    with shop_scope(beta.id):
        assert not StaffMember.objects.filter(actor="77").exists()
