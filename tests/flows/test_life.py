"""A shop's life with the app, in a browser and over real HTTP: approved in a window of its own, approved again after
permissions were taken away, asked for a person's data, told to forget them, left, forgotten."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from playwright.sync_api import Browser, Page, expect

from tests.flows.conftest import admin_frame
from tests.stack import Stack

SECONDS_MAX = 20  # until the app has heard of something and done it
ORDERS = """customer,order,processed_at,sku,title,quantity,amount,currency
otto@mail.example,a,2026-01-01T12:00:00Z,S,Thing,1,70.00,USD
otto@mail.example,b,2026-02-01T12:00:00Z,S,Thing,1,20.00,USD
"""
PERSON = {"email": "zebulonia.quaxby@mail.example", "first_name": "Zebulonia", "last_name": "Quaxby"}


def test_a_shop_comes_by_approval_and_nothing_is_left_of_it_or_of_who_asked(tmp_path: Path, browser: Browser) -> None:
    (tmp_path / "orders.csv").write_text(ORDERS)
    options: dict[str, Any] = {"scenario": "csv", "file": tmp_path / "orders.csv", "database": "postgresql"}
    with Stack(tmp_path / "stack", **options) as stack:
        merchant = browser.new_context().new_page()
        problems: list[str] = []
        merchant.on("pageerror", lambda error: problems.append(str(error)))
        comes(merchant, stack)
        loses_permissions_and_gives_them_again(merchant, stack)
        asks_about_a_person(merchant, stack)
        leaves(stack)
        assert not problems


def comes(merchant: Page, stack: Stack) -> None:
    merchant.goto(f"{stack.app_url}/auth/install?shop=csv.myshopify.com")
    approve(merchant)
    stack.wait_done(60)
    stack.devstore("POST", "/devstore/programme")
    merchant.goto(f"{stack.devstore_url}/admin/apps/encore")
    expect(admin_frame(merchant).get_by_text("Repeat customer rate").first).to_be_visible()
    assert grants(stack) == ["code"]


def loses_permissions_and_gives_them_again(merchant: Page, stack: Stack) -> None:
    left = set(settings.SHOPIFY_SCOPES) - {"read_products", "write_script_tags"}
    stack.devstore("POST", "/devstore/scopes", {"scopes": sorted(left)})
    until(lambda: shop(stack)["missing_scopes"] != "")
    merchant.reload()
    banner = admin_frame(merchant).locator("#trouble")
    expect(banner).to_contain_text("Missing: seeing products, the rewards button on your storefront.")
    banner.get_by_role("link", name="Approve permissions").click()
    approve(merchant)
    expect(admin_frame(merchant).locator("#trouble")).to_have_count(0)
    assert (shop(stack)["trouble"], shop(stack)["missing_scopes"]) == ("", "")
    assert grants(stack)[-1] == "code"


def asks_about_a_person(merchant: Page, stack: Stack) -> None:
    person = stack.devstore("POST", "/devstore/customers", {**PERSON, "password": "a-long-password"})
    bought = {"customer_id": person["id"], "lines": [{"title": "Thing", "price": "50.00", "quantity": 1}]}
    order = stack.devstore("POST", "/devstore/orders", bought)
    until(lambda: order["id"] in stack.mirrored_orders() and not stack.at_work())

    stack.devstore("POST", "/devstore/compliance", {"topic": "customers/data_request", "customer_id": person["id"]})
    assert answered(stack, "data_request") == {"customers": 1, "orders": 1}
    merchant.get_by_role("link", name="Settings").last.click()
    app = admin_frame(merchant)
    app.get_by_role("link", name="Privacy").click()
    with merchant.expect_download() as download:
        app.get_by_role("button", name="Download the data of Zebulonia Quaxby").click()
    content = json.loads(download.value.path().read_text())
    assert [customer["email"] for customer in content["customers"]] == [PERSON["email"]]
    assert [each["name"] for each in content["orders"]] == [order["name"]]

    assert named(stack, person["id"]) == {*PERSON.values(), str(person["id"])}
    stack.devstore("POST", "/devstore/compliance", {"topic": "customers/redact", "customer_id": person["id"]})
    assert answered(stack, "customer_redact")["customers"] == 1
    assert named(stack, person["id"]) == set()
    for topic in ("customers/create", "orders/paid"):
        stack.devstore("POST", "/devstore/webhooks/replay", {"topic": topic, "new_ids": True})
    stack.devstore("POST", "/devstore/webhooks/flush")
    until(lambda: not stack.at_work())
    assert named(stack, person["id"]) == set()
    assert sorted(stack.balances().values()) == [50, 90]
    assert "OK" in stack.manage("ledger_verify", "--shop", "csv")
    assert stack.dead() == []


def leaves(stack: Stack) -> None:
    assert "otto@mail.example" in stack.dump()
    stack.devstore("POST", "/devstore/uninstall")
    until(lambda: shop(stack)["state"] == "uninstalled")
    stack.devstore("POST", "/devstore/compliance", {"topic": "shop/redact"})
    assert answered(stack, "shop_redact")["rows"] > 20
    kept = shop(stack)
    counted = {name: kept["aggregates"][name] for name in ("customers", "orders", "revenue_minor", "points_issued")}
    assert counted == {"customers": 2, "orders": 3, "revenue_minor": 140_00, "points_issued": 140}
    assert (kept["state"], kept["name"]) == ("redacted", "")
    of_shops = stack.execute("SELECT table_name FROM information_schema.columns WHERE column_name = 'shop_id'")
    filled = {table for (table,) in of_shops if stack.execute(f"SELECT 1 FROM {table} LIMIT 1")}
    assert filled == {"retention_app_privacyrequest"}  # kinds, dates and numbers
    assert stack.execute("SELECT 1 FROM retention_app_webhookdelivery") == []
    assert "otto" not in stack.dump().lower()


def approve(merchant: Page) -> None:
    """Agree on the platform's page, which leads back into the admin."""
    expect(merchant).to_have_url(re.compile("/admin/oauth/authorize"))
    merchant.get_by_role("button", name="Install Encore").click()
    expect(merchant).to_have_url(re.compile("/admin/apps/"))
    expect(admin_frame(merchant).get_by_role("heading", level=1)).to_be_visible()


def grants(stack: Stack) -> list[str]:
    """How tokens of the shop's were asked for."""
    asked = stack.devstore("GET", "/devstore/log", kind="token")["entries"]
    return [entry["grant"] for entry in asked if not entry["online"]]


def shop(stack: Stack) -> dict[str, Any]:
    columns = ("state", "name", "trouble", "missing_scopes", "aggregates")
    (row,) = stack.execute(f"SELECT {', '.join(columns)} FROM retention_app_shop")
    return dict(zip(columns, row, strict=True))


def answered(stack: Stack, kind: str) -> dict[str, Any]:
    """The proof of the compliance request of this kind, once it is done."""
    question = f"SELECT proof FROM retention_app_privacyrequest WHERE kind = '{kind}' AND state = 'done'"
    until(lambda: bool(stack.execute(question)))
    proof: dict[str, Any] = stack.execute(question)[0][0]
    return proof


def named(stack: Stack, customer_id: int) -> set[str]:
    """The person's particulars that the database or a log still has."""
    text = "\n".join([stack.dump(), stack.log("web"), stack.log("worker")]).lower()
    return {each for each in (*PERSON.values(), str(customer_id)) if each.lower() in text}


def until(happened: Callable[[], bool]) -> None:
    """Raises TimeoutError when it never does."""
    deadline = time.monotonic() + SECONDS_MAX
    while not happened():
        if time.monotonic() > deadline:
            raise TimeoutError("It never happened.")
        time.sleep(0.1)
