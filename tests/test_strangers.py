"""The stranger table: every address of the app, and what it answers to those it isn't for. A missing one fails."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.http import urlencode
from time_machine import TimeMachineFixture

from config.asgi import RECEIVERS, application
from loyalty.models import AdjustmentRequest
from retention_app import clock
from retention_app.api.keys import api_key_create, api_key_revoke
from retention_app.api.scopes import scopes
from retention_app.doors import LINK_SECONDS, link_to
from retention_app.models import ApiKey, Customer, Outbound, PrivacyExport, PrivacyRequest, Shop, StaffMember
from retention_app.outbound import outbound_request
from retention_app.tenancy import shop_scope
from tests.conftest import id_token, make_staff
from tests.deliveries import ask
from tests.visits import SESSION, ask_session, signed

# Embedded admin: staff of a shop only, by ID token. The arguments are another shop's ids.
STAFF = {
    "admin:home": "/app/",
    "admin:language": "/app/language/",
    "admin:look_again": "/app/trouble/",
    "admin:definitions": "/app/insights/definitions/",
    "admin:customers": "/app/customers/",
    "admin:customers_export": "/app/customers/export/",
    "admin:customer": "/app/customers/{customer}/",
    "admin:code_give": "/app/customers/{customer}/code/",
    "admin:activity": "/app/activity/",
    "admin:activity_check": "/app/activity/check/",
    "admin:activity_item": "/app/activity/call-{call}/",
    "admin:activity_retry": "/app/activity/call-{call}/retry/",
    "admin:activity_skip": "/app/activity/call-{call}/skip/",
    "admin:settings": "/app/settings/",
    "admin:store": "/app/settings/store/",
    "admin:staff": "/app/settings/staff/",
    "admin:staff_rules": "/app/settings/staff/rules/",
    "admin:staff_person": "/app/settings/staff/{staff}/",
    "admin:languages": "/app/settings/languages/",
    "admin:audit": "/app/settings/audit/",
    "admin:audit_export": "/app/settings/audit/export/",
    "admin:storefront": "/app/settings/storefront/",
    "admin:storefront_look": "/app/settings/storefront/look/",
    "admin:storefront_switch": "/app/settings/storefront/switch/",
    "admin:api_keys": "/app/settings/api-keys/",
    "admin:api_key_new": "/app/settings/api-keys/new/",
    "admin:api_key_revoke": "/app/settings/api-keys/{key}/revoke/",
    "admin:privacy": "/app/settings/privacy/",
    "admin:privacy_download": "/app/settings/privacy/{request}/download/",
    "member:adjust": "/app/customers/{customer}/adjust/",
    "member:tier": "/app/customers/{customer}/tier/",
    "liability:page": "/app/insights/liability/",
    "liability:close": "/app/insights/liability/close/2026-1/",
    "liability:download": "/app/insights/liability/2026-01-01/members/download/",
    "start:step": "/app/start/",
    "start:dismiss": "/app/start/dismiss/",
    "loyalty:overview": "/app/loyalty/",
    "loyalty:launch_cancel": "/app/loyalty/programme/launch/1/cancel/",
    "loyalty:programme": "/app/loyalty/programme/",
    "loyalty:draft": "/app/loyalty/draft/",
    "loyalty:discard": "/app/loyalty/draft/discard/",
    "loyalty:review": "/app/loyalty/draft/review/",
    "loyalty:moves": "/app/loyalty/draft/review/moves/",
    "loyalty:versions": "/app/loyalty/versions/",
    "loyalty:version": "/app/loyalty/versions/1/",
    "loyalty:bring_back": "/app/loyalty/versions/1/bring-back/",
    "loyalty:withdraw": "/app/loyalty/versions/1/withdraw/",
    "loyalty:backfill": "/app/loyalty/backfill/",
    "loyalty:tiers": "/app/loyalty/tiers/",
    "loyalty:approve": "/app/loyalty/approvals/{asked}/approve/",
    "loyalty:refuse": "/app/loyalty/approvals/{asked}/refuse/",
}
SIGNED = {
    "proxy_page": "/proxy/",
    "proxy_shown": "/proxy/v1/shown",
    "proxy_programme": "/proxy/v1/programme",
    "proxy_history": "/proxy/v1/history",
    "proxy_earns": "/proxy/v1/earns",
    "admin:customers_file": "/app/customers/file/",
    "admin:audit_file": "/app/settings/audit/file/",
    "admin:privacy_file": "/app/settings/privacy/{request}/file/",
    "loyalty:moves_file": "/app/loyalty/draft/review/moves/1.csv",
    "loyalty:panel_frame": "/app/loyalty/draft/panel/",
    "liability:file": "/app/insights/liability/2026-01-01/members/file/",
}
# The merchant REST API: programs with a key of a shop. Customers go by the platform's id.
API = {
    "api_customers": "/api/v1/customers",
    "api_customer": "/api/v1/customers/8101",
    "api_balances": "/api/v1/balances",
    "api_balance": "/api/v1/customers/8101/balance",
    "api_ledger": "/api/v1/customers/8101/ledger",
    "api_adjustments": "/api/v1/customers/8101/adjustments",
    "api_programme": "/api/v1/programme",
    "api_programme_versions": "/api/v1/programme/versions",
    "api_nothing": "/api/v1/elsewhere",
}
RECEIVED = {"/webhooks/shopify", "/proxy/v1/session"}  # by path: answered in front of Django
# The console: operators only, by a session of theirs (tests/console/test_door.py goes through it).
OPERATORS = {
    "console_home": "/console/",
    "console_stuck": "/console/queues/delivery/",
    "console_replay_kind": "/console/queues/delivery/replay/",
    "console_row": "/console/queues/delivery/1/",
    "console_replay": "/console/queues/delivery/1/replay/",
    "console_drop": "/console/queues/delivery/1/drop/",
    "console_reveal": "/console/queues/delivery/1/reveal/",
    "console_privacy": "/console/privacy/",
    "console_shops": "/console/shops/",
    "console_actions": "/console/actions/",
    "account_change_password": "/console/account/password/",
    "account_reauthenticate": "/console/account/confirm/",
    "mfa_index": "/console/account/",
    "mfa_reauthenticate": "/console/account/confirm/code/",
    "mfa_activate_totp": "/console/account/authenticator/",
    "mfa_deactivate_totp": "/console/account/authenticator/remove/",
    "mfa_view_recovery_codes": "/console/account/recovery-codes/",
    "mfa_generate_recovery_codes": "/console/account/recovery-codes/new/",
    "mfa_download_recovery_codes": "/console/account/recovery-codes/file/",
}
# Everybody: these say nothing about a shop's people.
PUBLIC = {
    "healthz": "/healthz",
    "readyz": "/readyz",
    "metrics": "/metrics",
    "patch_id_token": "/auth/patch-id-token",
    "grant_install": "/auth/install",
    "grant_callback": "/auth/callback",
    "storefront_loader": "/storefront/alpha-public-id.js",
    "storefront_module": "/storefront/earn/0123456789abcdef.js",
    "api_schema": "/api/schema/",
    "api_docs": "/api/docs/",
    "account_login": "/console/login/",
    "account_logout": "/console/logout/",
    "mfa_authenticate": "/console/login/code/",
}


def names(patterns: list[Any], prefix: str = "") -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            inside = f"{prefix}{pattern.namespace}:" if pattern.namespace else prefix
            yield from names(pattern.url_patterns, inside)
        elif isinstance(pattern, URLPattern):
            yield f"{prefix}{pattern.name}"


def test_every_address_is_in_the_table() -> None:
    assert set(names(get_resolver().url_patterns)) == {*STAFF, *SIGNED, *API, *OPERATORS, *PUBLIC}
    assert set(RECEIVERS) == RECEIVED


@pytest.fixture
def theirs(beta: Shop) -> Customer:
    """A customer of the stranger's shop, a call for them, the file that answers their data request, an API key."""
    with shop_scope(beta.id):
        now = clock.now()
        customer = Customer.objects.create(
            shop=beta, shopify_id=8101, first_name="Secret", created_at=now, updated_at=now, read_at=now
        )
        outbound_request(kind="script_tag", key="theirs", customer_id=customer.id)
        request = PrivacyRequest.objects.create(
            shop=beta, kind="data_request", key="theirs", state="done", received_at=now, deadline_at=now, due_at=now
        )
        PrivacyExport.objects.create(
            shop=beta, request=request, created_at=now, expires_at=now + dt.timedelta(days=1), content="Secret"
        )
        api_key_create(shop=beta, name="Secret", scopes=[], actor="42")
        make_staff(beta, "77", "support", "Secret")
        AdjustmentRequest.objects.create(
            shop=beta, customer=customer, at=now, points=900, reason="gift", note="Secret", actor="77", key="theirs"
        )
        return customer


def staff_path(name: str, customer: Customer) -> str:
    call = Outbound.objects.values_list("id", flat=True).get(customer_id=customer.id)
    request = PrivacyRequest.objects.values_list("id", flat=True).get()
    with shop_scope(customer.shop_id):
        key = ApiKey.objects.values_list("id", flat=True).get()
        staff = StaffMember.objects.values_list("id", flat=True).get(name="Secret")
        asked = AdjustmentRequest.objects.values_list("id", flat=True).get()
    return STAFF[name].format(customer=customer.id, call=call, request=request, key=key, staff=staff, asked=asked)


BAD_TOKENS: dict[str, dict[str, Any]] = {
    "forged": {"secret": "not-the-apps-secret-but-long-enough"},
    "expired": {"exp": 1_700_000_000, "nbf": 1_699_999_000, "iat": 1_699_999_000},
    "without an end": {"exp": None},
    "for another app": {"aud": "somebody-elses-client-id"},
    "issued by another shop": {"iss": "https://beta.myshopify.com/admin"},
    "of no shop": {"dest": "https://evil.example.com", "iss": "https://evil.example.com/admin"},
}


@pytest.mark.parametrize("name", STAFF)
@pytest.mark.parametrize("method", ["get", "post"])
def test_the_admin_is_closed_to_whoever_is_logged_out(alpha: Shop, theirs: Customer, name: str, method: str) -> None:
    answer = getattr(Client(headers={"HX-Request": "true"}), method)(staff_path(name, theirs))
    assert answer.status_code in (401, 405)
    assert b"Secret" not in answer.content


@pytest.mark.parametrize("name", STAFF)
@pytest.mark.parametrize("token", BAD_TOKENS)
def test_the_admin_is_closed_to_a_bad_token(alpha: Shop, theirs: Customer, name: str, token: str) -> None:
    bearer = id_token(alpha, **BAD_TOKENS[token])
    client = Client(headers={"Authorization": f"Bearer {bearer}"})
    fetched = client.get(staff_path(name, theirs))
    if fetched.status_code == 405:
        fetched = client.post(staff_path(name, theirs))
    assert fetched.status_code == 401
    opened = Client().get(staff_path(name, theirs), {"id_token": bearer, "shop": alpha.domain})
    assert opened.status_code in (302, 405)
    if opened.status_code == 302:
        assert opened.headers["Location"].startswith("/auth/patch-id-token?")
        assert "id_token" not in opened.headers["Location"]


@pytest.mark.parametrize("name", STAFF)
def test_the_admin_is_closed_to_a_shop_that_left(gone: Shop, theirs: Customer, name: str) -> None:
    client = Client(headers={"Authorization": f"Bearer {id_token(gone)}"})
    assert client.get(staff_path(name, theirs)).status_code in (401, 405)


@pytest.mark.parametrize("name", STAFF)
def test_another_shop_finds_nothing_of_ours(alpha: Shop, theirs: Customer, name: str) -> None:
    answer = Client(headers={"Authorization": f"Bearer {id_token(alpha)}"}).get(staff_path(name, theirs))
    assert "{" not in STAFF[name] or answer.status_code in (404, 405)
    assert b"Secret" not in answer.content


@pytest.mark.parametrize("name", [name for name, path in STAFF.items() if "{" in path])
def test_another_shop_changes_nothing_of_ours(alpha: Shop, theirs: Customer, name: str) -> None:
    client = Client(headers={"Authorization": f"Bearer {id_token(alpha)}"})
    answer = client.post(staff_path(name, theirs), {"role": "viewer", "answer": "x", "key": "k" * 20})
    assert answer.status_code == 404 or client.get(staff_path(name, theirs)).status_code == 404
    assert answer.status_code in (404, 405)
    with shop_scope(theirs.shop_id):
        assert AdjustmentRequest.objects.get().state == "waiting"
        assert StaffMember.objects.get(name="Secret").role == "support"
        assert ApiKey.objects.get().revoked_at is None
    assert Outbound.objects.get(customer_id=theirs.id).state == "waiting"


@pytest.mark.parametrize("name", [name for name in SIGNED if ":" in name])
def test_a_download_opens_by_its_own_fresh_link_alone(
    alpha: Shop, theirs: Customer, time_machine: TimeMachineFixture, name: str
) -> None:
    path = SIGNED[name].format(request=PrivacyRequest.objects.get().id)
    link = link_to(alpha, path)
    of_another = link_to(alpha, "/app/elsewhere/").partition("?")[2]
    forged = link[:-1] + ("A" if link[-1] != "A" else "B")
    for address in (path, f"{path}?signed=", forged, f"{path}?{of_another}"):
        assert Client().get(address).status_code == 404
    assert Client().post(link).status_code == 405
    opened = Client().get(link)
    assert opened.status_code in (200, 404)  # 404: there is no such file in alpha
    assert b"Secret" not in opened.getvalue()
    time_machine.move_to(clock.now() + dt.timedelta(seconds=LINK_SECONDS + 1), tick=False)
    assert Client().get(link).status_code == 404


# What each tells a shop's own visitor where no programme is published.
PROXIED = {SESSION: 200, "/proxy/": 200, "/proxy/v1/shown": 204} | dict.fromkeys(
    ["/proxy/v1/programme", "/proxy/v1/history", "/proxy/v1/earns"], 404
)


@pytest.mark.parametrize("path", PROXIED)
def test_the_storefront_is_closed_to_unsigned_and_badly_signed_visits(alpha: Shop, theirs: Customer, path: str) -> None:
    good = signed(alpha, 8101)

    def visit(query: dict[str, str], more: str = "") -> tuple[int, bytes]:
        text = f"{urlencode(query)}{more}"
        if path == SESSION:
            answer = ask_session(text)
            return answer.status, answer.body
        ask_for = Client().post if path == SIGNED["proxy_shown"] else Client().get
        told = ask_for(f"{path}?{text}")
        return told.status_code, told.content

    assert visit({name: value for name, value in good.items() if name != "signature"})[0] == 401
    assert visit({**good, "shop": "beta.myshopify.com"})[0] == 401
    assert visit({**good, "logged_in_customer_id": "1"})[0] == 401
    assert visit(good, "&logged_in_customer_id=1")[0] == 401
    status, content = visit(good)
    assert status == PROXIED[path]
    assert b"Secret" not in content  # 8101 is a customer of beta, not of alpha


def api_key(shop: Shop) -> tuple[ApiKey, str]:
    """A key that may do everything in the shop, and its token."""
    with shop_scope(shop.id):
        return api_key_create(shop=shop, name="ERP", scopes=[scope.code for scope in scopes()], actor="42")


NOTHING_THERE = {*API} - {"api_customers", "api_balances", "api_programme_versions"}  # for a shop without anything


def program(token: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {token}", "Idempotency-Key": "one"})


@pytest.mark.parametrize("name", API)
@pytest.mark.parametrize("method", ["get", "post"])
def test_the_api_is_closed_without_a_key_that_works(
    alpha: Shop, gone: Shop, theirs: Customer, name: str, method: str
) -> None:
    (revoked, of_revoked), (_, good), (_, of_gone) = api_key(alpha), api_key(alpha), api_key(gone)
    with shop_scope(alpha.id):
        api_key_revoke(key=revoked, actor="42")
    other_shop = good.replace(alpha.public_id, theirs.shop.public_id)
    wrong_secret = good[:-1] + ("0" if good[-1] != "0" else "1")
    for token in ("", id_token(alpha), "enc_", of_revoked, of_gone, other_shop, wrong_secret, good + "0"):
        answer = getattr(program(token), method)(API[name])
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert b"Secret" not in answer.content
    assert getattr(Client(), method)(API[name]).status_code == 401


@pytest.mark.parametrize("name", API)
@pytest.mark.parametrize("method", ["get", "post"])
def test_another_shops_key_finds_nothing_of_ours(alpha: Shop, theirs: Customer, name: str, method: str) -> None:
    body = {"points": 5, "reason": "gift"}
    answer = getattr(program(api_key(alpha)[1]), method)(API[name], body, content_type="application/json")
    found = {404, 405} if name in NOTHING_THERE else {200, 405}
    assert answer.status_code in found
    assert b"Secret" not in answer.content


def test_webhooks_are_closed_to_whoever_cannot_sign(alpha: Shop) -> None:
    unsigned: dict[str, str] = {}
    forged = {"X-Shopify-Hmac-Sha256": "bm90IGEgc2lnbmF0dXJl", "X-Shopify-Shop-Domain": alpha.domain}
    for method, headers, status in (("POST", unsigned, 401), ("POST", forged, 401), ("GET", unsigned, 405)):
        answer = asyncio.run(ask(application, b"{}", method=method, headers=headers))
        assert answer is not None
        assert answer.status == status


@pytest.mark.parametrize("path", sorted(RECEIVED))
def test_django_knows_nothing_of_what_is_answered_in_front_of_it(alpha: Shop, path: str) -> None:
    assert Client().get(path).status_code == 404


@pytest.mark.parametrize("name", OPERATORS)
def test_the_console_is_closed_to_the_logged_out_and_to_shops(alpha: Shop, name: str) -> None:
    for client in (Client(), Client(headers={"Authorization": f"Bearer {id_token(alpha)}"})):
        answer = client.get(OPERATORS[name])
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith("/console/login/")
