"""The authorization code grant: consent, the way back to the app, and what a code is good for."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from devstore.install import query_signature
from tests.devstore.conftest import API_KEY, API_SECRET, APP_URL, Devstore, Start

CALLBACK = f"{APP_URL}/auth/callback"
SHOP = "{ currentAppInstallation { accessScopes { handle } } }"


@pytest.fixture
def devstore(start: Start) -> Devstore:
    return start(install=False)


def asked(**changes: str) -> dict[str, str]:
    return {
        "client_id": API_KEY,
        "scope": "read_orders,read_customers",
        "redirect_uri": CALLBACK,
        "state": "a state & more",
    } | changes


def code_of(location: str) -> str:
    return dict(parse_qsl(urlsplit(location).query))["code"]


def code(devstore: Devstore, **changes: str) -> str:
    return code_of(devstore.post("authorize", **asked(**changes))["location"])


def redeem(devstore: Devstore, code: str, **more: str) -> httpx.Response:
    body = {"client_id": API_KEY, "client_secret": API_SECRET, "code": code, **more}
    return devstore.http.post("/admin/oauth/access_token", json=body)


def test_merchant_agrees_on_the_page_and_is_sent_back_with_a_signature(devstore: Devstore) -> None:
    page = devstore.http.get("/admin/oauth/authorize", params=asked())
    assert page.status_code == 200
    assert "read_orders" in page.text
    assert not devstore.shop.installed
    answer = devstore.http.post("/admin/oauth/authorize", params=asked(), follow_redirects=False)
    assert answer.status_code == 302
    assert answer.headers["location"].startswith(f"{CALLBACK}?")
    query = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
    assert query.keys() == {"code", "hmac", "host", "shop", "state", "timestamp"}
    assert (query["shop"], query["state"]) == ("csv.myshopify.com", "a state & more")
    assert query.pop("hmac") == query_signature(API_SECRET, query)
    assert redeem(devstore, query["code"], expiring="1").json()["expires_in"] == 3600


def test_code_with_expiring_gives_a_pair_with_the_scopes_asked_for(devstore: Devstore) -> None:
    pair = redeem(devstore, code(devstore), expiring="1").json()
    assert pair.keys() == {"access_token", "scope", "expires_in", "refresh_token", "refresh_token_expires_in"}
    assert pair["scope"] == "read_orders,read_customers"
    assert devstore.refresh(pair["refresh_token"]).status_code == 200
    assert [each["grant"] for each in devstore.log("token")] == ["code", "refresh_token"]


def test_code_without_expiring_gives_a_token_that_lasts(devstore: Devstore) -> None:
    token = redeem(devstore, code(devstore)).json()
    assert token.keys() == {"access_token", "scope"}
    devstore.post("clock", advance=10 * 365 * 86400)
    assert devstore.call(SHOP, token=token["access_token"]).status_code == 200
    devstore.post("uninstall")
    assert devstore.call(SHOP, token=token["access_token"]).status_code == 401


def test_per_user_code_gives_the_staff_members_token(devstore: Devstore) -> None:
    body = redeem(devstore, code(devstore, **{"grant_options[]": "per-user"})).json()
    assert body["associated_user"]["account_owner"] is True


def test_code_is_good_once_and_for_a_minute(devstore: Devstore) -> None:
    once, late, other = code(devstore), code(devstore), code(devstore)
    assert redeem(devstore, once, client_secret="wrong").status_code == 401
    assert redeem(devstore, once).status_code == 200
    assert redeem(devstore, once).json()["error"] == "invalid_request"
    devstore.post("clock", advance=59)
    assert redeem(devstore, other).status_code == 200
    devstore.post("clock", advance=1)
    assert redeem(devstore, late).json()["error"] == "invalid_request"
    assert redeem(devstore, "guessed").status_code == 400


def test_no_scopes_asked_for_mean_those_of_the_toml(devstore: Devstore) -> None:
    scope = redeem(devstore, code(devstore, scope="")).json()["scope"]
    assert scope == ",".join(devstore.shop.store.app.scopes)


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "another"},
        {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": f"{CALLBACK}/more"},
        {"scope": "read_orders,write_themes"},
    ],
)
def test_what_shopify_would_refuse_installs_nothing(devstore: Devstore, changes: dict[str, Any]) -> None:
    devstore.refused("authorize", **asked(**changes))
    for call in (devstore.http.get, devstore.http.post):
        assert call("/admin/oauth/authorize", params=asked(**changes), follow_redirects=False).status_code == 400
    assert not devstore.shop.installed
