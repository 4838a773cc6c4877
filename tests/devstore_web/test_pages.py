"""Every page for people: no accessibility fault, nothing that scrolls sideways, in both languages and widths."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page

from tests.devstore_web.conftest import ROOT
from tests.devstore_web.dummy_app import DummyApp

AXE = ROOT / "node_modules/axe-core/axe.min.js"
SHOP_ID = 548380009
STORE = ("/", "/collections/all", "/cart", "/checkout", "/account", "/nowhere")
VISITOR = ("/account/login", "/account/register")
ADMIN = (
    "/admin",
    "/admin/themes",
    "/admin/themes/current/editor",
    "/admin/oauth/authorize",
    "/admin/listing",
    "/admin/apps/encore/",
)
STAFF = tuple(
    f"/devstore/staff{path}"
    for path in (
        "",
        "/customers",
        "/products",
        "/orders/new",
        "/clock",
        "/knobs",
        "/store",
        "/mail",
        "/webhooks",
        "/calls",
    )
)
LOOKS = [(1280, "en", "light"), (390, "zh-Hant", "dark")]


def faults(page: Page) -> list[Any]:
    """What axe finds on the page itself, the app's frame left out, and whether it is wider than the window."""
    page.evaluate("document.querySelector('iframe')?.remove()")
    page.add_script_tag(path=AXE)
    found = page.evaluate("axe.run({resultTypes: ['violations']}).then(({violations}) => violations)")
    wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    return [(each["id"], [node["target"] for node in each["nodes"]]) for each in found] + ["wide"] * wide


@pytest.mark.parametrize(("width", "locale", "scheme"), LOOKS)
def test_pages_are_accessible_and_fit(
    browser: Browser, devstore: str, api: httpx.Client, installed: DummyApp, width: int, locale: str, scheme: Any
) -> None:
    context = browser.new_context(
        base_url=devstore, viewport={"width": width, "height": 844}, color_scheme=scheme, reduced_motion="reduce"
    )
    page = context.new_page()
    handle = api.get("/collections/all").text.split('href="/products/')[1].split('"')[0]
    variant = api.get(f"/products/{handle}.js").json()["variants"][0]["id"]
    body = {"email": "look@example.com", "lines": [{"variant_id": variant, "quantity": 2}]}
    order = api.post("/devstore/orders", json=body).json()
    parcel = {"lines": {order["lines"][0]["id"]: 1}}
    api.post(f"/devstore/orders/{order['id']}/fulfil", json=parcel)
    product = api.get("/devstore/products").json()["products"][0]
    found = {}

    def look(*paths: str) -> None:
        for path in paths:
            page.goto(f"{path}?locale={locale}")
            if problems := faults(page):
                found[path] = problems

    look(*VISITOR, f"/products/{handle}")
    page.request.post("/cart/add.js", data={"id": variant})
    page.request.get("/discount/NOPE")
    form = {"first_name": "Ax", "last_name": "E", "email": f"axe{width}{locale}@example.com", "password": "secret-1"}
    page.request.post("/account/register", form=form)
    look(*STORE, f"/orders/{order['token']}", *ADMIN, *STAFF)
    look(f"/devstore/staff/orders/{order['id']}", f"/devstore/staff/products/{product['id']}")
    api.post("/devstore/shop", json={"consent_banner": True, "customer_accounts": "NEW_CUSTOMER_ACCOUNTS"})
    api.post("/devstore/themes/publish", json={"theme": "Nocturne" if scheme == "dark" else "Harvest"})
    look("/", f"/{SHOP_ID}/account", "/devstore/staff/mail")
    page.request.post("/account/logout")
    look("/customer_authentication/login")
    page.request.post("/customer_authentication/login", form={"email": "look@example.com"})
    look("/customer_authentication/code")
    api.post("/devstore/shop", json={"consent_banner": False, "customer_accounts": "CLASSIC"})
    api.post("/devstore/themes/publish", json={"theme": "Daybreak"})
    api.post("/devstore/uninstall")
    look("/admin", "/admin/listing", "/admin/grant")
    context.close()
    assert found == {}
