"""Keys: what opens the API, what doesn't, what each may do, how often; and what is kept of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
import time_machine
from django.test import Client
from pytest_django import Settings

from retention_app.api import view
from retention_app.api.keys import KEYS_MAX, TooManyKeys, api_key_create, api_key_presented, api_key_revoke
from retention_app.api.scopes import scopes
from retention_app.models import ApiKey, AuditEntry, Shop
from retention_app.observability import redacted
from retention_app.tenancy import shop_scope
from tests.api.conftest import V1, Program, key_of
from tests.loyalty.conftest import Tiered, days

# address → the scope it needs
NEEDS = {
    "/customers": "customers:read",
    "/customers/1": "customers:read",
    "/balances": "points:read",
    "/customers/1/balance": "points:read",
    "/customers/1/ledger": "points:read",
    "/programme": "programme:read",
    "/programme/versions": "programme:read",
}
KeyTo = Callable[..., Program]


def test_the_secret_is_kept_nowhere(alpha: Shop, key_to: KeyTo) -> None:
    program = key_to(alpha)
    prefix, secret = program.token.split("_")[-2:]
    with shop_scope(alpha.id):
        (kept,) = ApiKey.objects.values()
        audit = list(AuditEntry.objects.values_list("data", flat=True))
    assert kept["prefix"] == prefix
    assert secret not in str(kept) + str(audit)
    assert len(bytes.fromhex(secret)) * 8 == 256
    assert secret not in redacted(f"GET /api/v1/customers Authorization: {program.token}")


def test_making_and_revoking_are_audited_and_revoking_twice_is_once(alpha: Shop, key_to: KeyTo) -> None:
    program = key_to(alpha, "points:read")
    assert api_key_presented(program.token) == program.key
    with shop_scope(alpha.id):
        for _ in range(2):
            api_key_revoke(key=program.key, actor="43")
        audit = list(AuditEntry.objects.order_by("id").values_list("code", "actor", "data"))
    said = {"key": program.key.id, "name": "ERP", "scopes": ["points:read"]}
    assert audit == [("api.key.created", "42", said), ("api.key.revoked", "43", said)]
    assert api_key_presented(program.token) is None


def test_a_shop_has_a_limited_number_of_keys(shop: Shop) -> None:
    keys = [api_key_create(shop=shop, name=f"{n}", scopes=[], actor="42")[0] for n in range(KEYS_MAX)]
    with pytest.raises(TooManyKeys):
        api_key_create(shop=shop, name="one more", scopes=[], actor="42")
    api_key_revoke(key=keys[0], actor="42")
    api_key_create(shop=shop, name="one more", scopes=[], actor="42")


@pytest.mark.parametrize("sent", ["Basic abc", "Bearer", "Bearer  ", "bearer enc_x", "enc_", "Bearer \xff"])
def test_anything_else_opens_nothing(tiered: Tiered, sent: str) -> None:
    answer = Client(headers={"Authorization": sent}).get(f"{V1}/customers")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="Encore"'
    assert answer.json()["type"] == "/api/docs/#problem-key-refused"


def test_a_request_without_a_key_is_told_how_to_send_one(tiered: Tiered) -> None:
    answer = Client().get(f"{V1}/customers")
    assert (answer.status_code, answer.headers["Content-Type"]) == (401, "application/problem+json")
    assert answer.json() == {
        "type": "/api/docs/#problem-key-missing",
        "title": "No API key was sent",
        "status": 401,
        "detail": "Send the header Authorization: Bearer, followed by your key.",
    }


@pytest.mark.parametrize("method", ["get", "head", "post"])
@pytest.mark.parametrize(("path", "needed"), NEEDS.items())
def test_each_address_needs_its_scope_and_no_other(
    tiered: Tiered, key_to: KeyTo, path: str, needed: str, method: str
) -> None:
    others = [scope.code for scope in scopes() if scope.code != needed]
    refused = getattr(Client(headers=key_to(tiered.shop, *others).headers), method)(V1 + path)
    assert refused.status_code == 403
    assert method == "head" or f"The scope {needed} is missing." in refused.json()["detail"]
    let_in = getattr(Client(headers=key_to(tiered.shop, needed).headers), method)(V1 + path)
    assert let_in.status_code == (405 if method == "post" else 200)


def test_writing_needs_its_own_scope(tiered: Tiered, key_to: KeyTo) -> None:
    said = {"points": 5, "reason": "gift"}
    others = [scope.code for scope in scopes() if scope.code != "points:write"]
    assert key_to(tiered.shop, *others).post("/customers/1/adjustments", said).status_code == 403
    assert key_to(tiered.shop, "points:write").post("/customers/1/adjustments", said).status_code == 201


def test_a_scope_nobody_knows_any_more_allows_nothing(
    tiered: Tiered, key_to: KeyTo, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = key_to(tiered.shop, "points:read")
    monkeypatch.delitem(scopes.__globals__["_scopes"], "points:read")
    assert program.get("/balances").status_code == 403


def test_keys_sleep_while_the_store_is_frozen_or_has_left(tiered: Tiered, key_to: KeyTo) -> None:
    program = key_to(tiered.shop)
    for fields, status in (
        ({"trouble": Shop.Trouble.FROZEN}, 403),
        ({"trouble": "", "state": Shop.State.UNINSTALLED}, 401),
        ({"state": Shop.State.INSTALLED}, 200),
    ):
        Shop.objects.filter(id=tiered.shop.id).update(**fields)
        assert program.get("/customers").status_code == status


def test_the_last_use_is_noted_once_a_minute(tiered: Tiered, key_to: KeyTo) -> None:
    program = key_to(tiered.shop)
    assert key_of(program).last_used_at is None
    for seconds, noted in ((0, 0), (59, 0), (61, 61), (100, 61)):
        tiered.clock.move_to(days(0) + dt.timedelta(seconds=seconds))
        program.get("/customers")
        assert key_of(program).last_used_at == days(0) + dt.timedelta(seconds=noted)


def test_a_key_may_ask_so_many_times_a_minute(
    tiered: Tiered, key_to: KeyTo, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setattr(view, "REQUESTS_PER_MINUTE", 3)
    program, other = key_to(tiered.shop), key_to(tiered.shop)
    tiered.clock.move_to(days(0) + dt.timedelta(seconds=15))
    assert [program.get("/customers").status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = program.get("/customers")
    assert refused.headers["Retry-After"] == "45"
    assert refused.json()["type"] == "/api/docs/#problem-too-many"
    assert other.get("/customers").status_code == 200
    tiered.clock.move_to(days(0) + dt.timedelta(seconds=60))
    assert program.get("/customers").status_code == 200


def test_a_limit_holds_for_each_process_while_redis_is_gone(
    tiered: Tiered, key_to: KeyTo, monkeypatch: pytest.MonkeyPatch, redis_gone: None
) -> None:
    monkeypatch.setattr(view, "REQUESTS_PER_MINUTE", 1)
    program = key_to(tiered.shop)
    assert [program.get("/customers").status_code for _ in range(2)] == [200, 429]


def test_a_key_is_looked_up_within_its_shop(alpha: Shop, beta: Shop, key_to: KeyTo) -> None:
    ours, theirs = key_to(alpha), key_to(beta)
    with shop_scope(alpha.id):
        ApiKey.objects.update(prefix=theirs.key.prefix)
    assert api_key_presented(theirs.token) == theirs.key
    assert api_key_presented(ours.token) is None
    with time_machine.travel(days(9)):
        assert api_key_presented(theirs.token.replace(beta.public_id, alpha.public_id)) is None
