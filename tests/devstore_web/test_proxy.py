"""The app proxy and the app's scripts in the store."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, parse_qsl

import httpx
from playwright.sync_api import Page

from devstore.web.proxy import signature, signed_query
from tests.devstore_web.conftest import SECRET
from tests.devstore_web.dummy_app import DummyApp

VECTOR = "shop=bean-shop.myshopify.com&logged_in_customer_id=&path_prefix=%2Fapps%2Fretention&timestamp=1795255327"
CUSTOMER = {"first_name": "Po", "last_name": "Xi", "email": "proxy@example.com", "password": "secret-1"}


def test_the_signature_is_shopifys() -> None:
    given = parse_qsl(VECTOR + "&a=1&a=2", keep_blank_values=True)
    assert signature(given, "hush") == "78e4fff46bb608356413a3879de8b8e529c59ca8cd51ae93cbaf25acc7284915"


def test_own_parameters_and_signature_come_after_the_visitors() -> None:
    own = dict(parse_qsl(VECTOR, keep_blank_values=True))
    query = signed_query("a=1&a=2&signature=forged", own, "hush")
    expected = "78e4fff46bb608356413a3879de8b8e529c59ca8cd51ae93cbaf25acc7284915"
    assert query == f"a=1&a=2&{VECTOR}&signature={expected}"


def test_the_app_is_asked_with_a_signature_and_without_cookies(api: httpx.Client, installed: DummyApp) -> None:
    api.cookies.set("visitor", "1")
    answer = api.get("/apps/encore/v1/session", params={"locale": "en", "q": "a b"})
    assert answer.json() == {"hello": "there"}
    assert answer.headers["cache-control"] == "private, no-store"
    assert "set-cookie" not in answer.headers

    (call,) = installed.seen
    assert call["path"] == "/proxy/v1/session"
    assert "cookie" not in call["headers"]
    query = parse_qs(call["query"], keep_blank_values=True)
    assert query["shop"] == ["aurora.myshopify.com"]
    assert query["path_prefix"] == ["/apps/encore"]
    assert query["logged_in_customer_id"] == [""]
    assert query["q"] == ["a b"]
    pairs = [(name, value) for name, value in parse_qsl(call["query"], keep_blank_values=True) if name != "signature"]
    assert query["signature"] == [signature(pairs, SECRET)]


def test_the_session_says_who_is_logged_in_and_a_visitor_cannot(api: httpx.Client, installed: DummyApp) -> None:
    api.post("/account/register", data=CUSTOMER)
    api.post("/apps/encore/v1/thing?logged_in_customer_id=7", json={"a": 1})
    (call,) = installed.seen
    assert call["method"] == "POST"
    assert call["body"] == '{"a":1}'
    said, true = parse_qs(call["query"], keep_blank_values=True)["logged_in_customer_id"]
    assert said == "7"
    assert int(true) > 8_000_000_000_000
    api.post("/account/logout")
    api.get("/apps/encore/v1/thing")
    assert parse_qs(installed.seen[-1]["query"], keep_blank_values=True)["logged_in_customer_id"] == [""]


def test_liquid_is_shown_inside_the_theme(api: httpx.Client, installed: DummyApp) -> None:
    installed.proxy_type = "application/liquid"
    installed.proxy_body = (
        "<h1>{{ shop.name }}, {{ request.locale.iso_code }}</h1>{% if customer %}in{% else %}out{% endif %}"
    )
    html = api.get("/apps/encore/page?locale=zh-TW").text
    assert re.search(r"<h1>Aurora[^<]*, zh-TW</h1>out", html)
    assert 'class="brand"' in html
    installed.proxy_body = "{{ 1 | no_filter }}"
    assert "Liquid error" in api.get("/apps/encore/page").text


def test_other_paths_under_apps_are_not_the_apps(api: httpx.Client, installed: DummyApp) -> None:
    assert api.get("/apps/encorex/v1/session").status_code == 404
    assert api.get("/apps/other/v1/session").status_code == 404
    assert installed.seen == []


def test_script_tags_run_in_the_store_and_never_in_checkout(
    page: Page, api: httpx.Client, installed: DummyApp, variant: dict[str, Any]
) -> None:
    create_script_tag(api, f"{installed.url}/script.js")
    page.goto("/")
    tag = page.locator("script[async]")
    assert tag.get_attribute("src") == f"{installed.url}/script.js?shop=aurora.myshopify.com"
    page.wait_for_function("window.encoreLoaded")
    page.request.post("/cart/add.js", data={"id": variant["id"]})
    page.goto("/checkout")
    assert page.locator("script[async]").count() == 0


def create_script_tag(api: httpx.Client, source: str) -> None:
    """As the app does it: exchange an ID token, then ask the Admin API."""
    shop = {"Host": "aurora.myshopify.com"}
    exchange = {
        "client_id": "client-id",
        "client_secret": SECRET,
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": api.get("/devstore/id-token").json()["id_token"],
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        "requested_token_type": "urn:shopify:params:oauth:token-type:offline-access-token",
        "expiring": "1",
    }
    token = api.post("/admin/oauth/access_token", json=exchange, headers=shop).json()["access_token"]
    mutation = """mutation Add($input: ScriptTagInput!) {
      scriptTagCreate(input: $input) { scriptTag { id } userErrors { message } }
    }"""
    body = {"query": mutation, "variables": {"input": {"src": source, "displayScope": "ALL"}}}
    headers = {**shop, "X-Shopify-Access-Token": token}
    answer = api.post("/admin/api/2026-10/graphql.json", json=body, headers=headers).json()
    assert answer["data"]["scriptTagCreate"]["userErrors"] == [], answer
