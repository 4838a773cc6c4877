"""Settings > API keys: making one, the only page that shows it, the list, revoking."""

from __future__ import annotations

import json
import re

import pytest
from django.test import Client

from retention_app import clock
from retention_app.api.keys import KEYS_MAX, api_key_create, api_key_presented
from retention_app.models import ApiKey, Customer, Shop
from retention_app.tenancy import shop_scope
from tests.conftest import make_staff
from tests.screens.conftest import sane, see

PATH = "/app/settings/api-keys/"
FILLED = {"name": "Stock system", "scopes": ["points:read", "points:write"]}


def keys(shop: Shop) -> list[ApiKey]:
    with shop_scope(shop.id):
        return list(ApiKey.objects.order_by("id"))


def test_a_key_is_shown_once_and_works(alpha: Shop, staff: Client) -> None:
    answer = staff.post(f"{PATH}new/", FILLED)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "private, no-store")
    seen = see(answer.content.decode())
    sane(seen)
    token = re.search(r'value="(enc_[^"]+)"', seen.html)
    assert token
    (key,) = keys(alpha)
    assert api_key_presented(token[1]) == key
    assert (key.name, key.scopes, key.created_by) == ("Stock system", FILLED["scopes"], "42")
    listed = staff.get(PATH).content.decode()
    assert token[1] not in listed
    assert key.digest not in listed


def test_the_list_says_what_each_may_do_who_made_it_and_when_it_was_used(alpha: Shop, staff: Client) -> None:
    staff.post(f"{PATH}new/", FILLED)
    seen = see(staff.get(PATH).content.decode())
    sane(seen)
    for said in (
        "Stock system",
        "Read points: balances, tiers",
        "Give points to customers",
        "Made by you",
        "Not used yet.",
    ):
        assert said in seen.text
    assert "Read customers" not in seen.text
    with shop_scope(alpha.id):
        ApiKey.objects.update(last_used_at=clock.now(), created_by="77")
    make_staff(alpha, "77", "manager", "Bruno Lima")
    seen = see(staff.get(PATH).content.decode())
    assert "Made by Bruno Lima" in seen.text
    assert re.search(r"Last used \d", seen.text)
    assert "1 key" in see(staff.get("/app/settings/").content.decode()).text


def test_revoking_is_confirmed_by_name_and_closes_the_key(alpha: Shop, staff: Client) -> None:
    staff.post(f"{PATH}new/", FILLED)
    (key,) = keys(alpha)
    html = staff.get(PATH).content.decode()
    assert "Revoke Stock system?" in see(html).text
    assert f'action="{PATH}{key.id}/revoke/"' in html
    answer = staff.post(f"{PATH}{key.id}/revoke/", headers={"HX-Request": "true"})
    assert json.loads(answer.headers["HX-Trigger"]) == {"toast": "Key revoked"}
    seen = see(staff.get(PATH).content.decode())
    sane(seen)
    assert "Stock system revoked" in seen.text
    assert re.search(r"Revoked \d", seen.text)
    assert "/revoke/" not in seen.html
    assert "No key" in see(staff.get("/app/settings/").content.decode()).text
    staff.post(f"{PATH}{key.id}/revoke/")
    activity = see(staff.get("/app/activity/?tab=staff").content.decode()).text
    assert activity.count("API key Stock system revoked") == 1
    assert activity.count("API key Stock system made") == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": " "}, "Say which program it is for."),
        ({"name": "x" * 61}, "at most 60 characters"),
        ({"name": "\x00"}, "Name:"),
        ({"scopes": []}, "Choose one at least."),
        ({"scopes": ["everything"]}, "Choose one at least."),
    ],
)
def test_what_is_missing_is_said_and_the_rest_stays(
    alpha: Shop, staff: Client, change: dict[str, object], said: str
) -> None:
    answer = staff.post(f"{PATH}new/", {**FILLED, **change})
    assert answer.status_code == 422
    seen = see(answer.content.decode())
    sane(seen)
    assert said in seen.text
    assert "name" in change or 'value="Stock system"' in seen.html
    assert not keys(alpha)


def test_there_is_a_limit(alpha: Shop, staff: Client) -> None:
    with shop_scope(alpha.id):
        for number in range(KEYS_MAX):
            api_key_create(shop=alpha, name=f"{number}", scopes=["points:read"], actor="42")
    answer = staff.post(f"{PATH}new/", FILLED)
    assert answer.status_code == 422
    assert "You have 20 keys, which is the most. Revoke one first." in see(answer.content.decode()).text


def test_what_a_program_did_bears_its_name_in_activity(programmed: Shop, staff: Client) -> None:
    with shop_scope(programmed.id):
        _key, token = api_key_create(shop=programmed, name="ERP", scopes=["points:write"], actor="42")
        first = Customer.objects.order_by("shopify_id").first()
        assert first
    program = Client(headers={"Authorization": f"Bearer {token}", "Idempotency-Key": "one"})
    said = program.post(
        f"/api/v1/customers/{first.shopify_id}/adjustments", {"points": 5, "reason": "gift"}, "application/json"
    )
    assert said.status_code == 201
    assert "By the program ERP, with an API key" in see(staff.get("/app/activity/?tab=staff").content.decode()).text
