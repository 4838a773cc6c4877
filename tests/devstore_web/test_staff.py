"""Staff pages: orders by hand, knobs, the webhook queue, the call log."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.devstore_web.dummy_app import DummyApp


@pytest.fixture
def order(api: httpx.Client, variant: dict[str, Any]) -> dict[str, Any]:
    body = {"email": "staff@example.com", "lines": [{"variant_id": variant["id"], "quantity": 3}], "shipping": "0.00"}
    placed: dict[str, Any] = api.post("/devstore/orders", json=body).json()
    return placed


def latest(api: httpx.Client, order: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = api.get(f"/devstore/orders/{order['id']}").json()
    return found


def open_order(page: Page, order: dict[str, Any]) -> None:
    page.goto("/devstore/staff")
    page.get_by_label("Search orders").fill(order["name"])
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name=f"Refund order {order['name']}").click()
    expect(page.get_by_role("heading", name=f"Order {order['name']}")).to_be_visible()


def title_of(variant: dict[str, Any]) -> str:
    return str(variant["name"])


def test_an_order_is_placed_for_a_new_customer(page: Page, api: httpx.Client, variant: dict[str, Any]) -> None:
    page.goto("/devstore/staff")
    page.get_by_role("link", name="Place an order").click()
    page.get_by_label(f"Quantity: {title_of(variant)}").fill("2")
    page.get_by_label("Title").fill("Gift wrap")
    page.get_by_label("Price in BRL").fill("7.50")
    page.get_by_label("E-mail").fill("walkin@example.com")
    page.get_by_role("button", name="Place the order").click()
    expect(page.get_by_role("status")).to_have_text(re.compile(r"Order #\d+ is placed\."))
    expect(page.get_by_role("rowheader", name="Gift wrap")).to_be_visible()

    page.goto("/devstore/staff?q=walkin@")
    expect(page.get_by_role("row")).to_have_count(2)
    page.goto("/devstore/staff/customers?q=walkin@example.com")
    expect(page.get_by_role("link", name="Place an order for walkin@example.com")).to_be_visible()


def test_a_mistake_in_the_order_form_is_said_and_nothing_is_lost(page: Page) -> None:
    page.goto("/devstore/staff/orders/new?email=kept@example.com")
    page.get_by_label("Title").fill("Gift wrap")
    page.get_by_label("Price in BRL").fill("a lot")
    page.get_by_role("button", name="Place the order").click()
    expect(page.get_by_role("alert")).to_contain_text("a lot is no amount")
    expect(page.get_by_label("Title")).to_have_value("Gift wrap")
    expect(page.get_by_label("E-mail")).to_have_value("kept@example.com")


def test_lines_are_refunded_and_then_an_amount(
    page: Page, api: httpx.Client, order: dict[str, Any], variant: dict[str, Any]
) -> None:
    open_order(page, order)
    page.get_by_label(f"Quantity to refund: {title_of(variant)}").fill("2")
    page.get_by_role("button", name=f"Refund order {order['name']}").click()
    expect(page.get_by_role("status")).to_contain_text("paid back")
    after = latest(api, order)
    assert after["lines"][0]["refunded"] == 2
    assert after["financial_status"] == "PARTIALLY_REFUNDED"

    page.get_by_label("Amount to refund in BRL").fill("1.25")
    page.get_by_role("button", name=f"Refund an amount of order {order['name']}").click()
    expect(page.get_by_role("status")).to_contain_text("R$1.25 paid back")
    assert latest(api, order)["refunded"] == after["refunded"] + 125
    page.get_by_label("Amount to refund in BRL").fill("99999")
    page.get_by_role("button", name=f"Refund an amount of order {order['name']}").click()
    expect(page.get_by_role("alert")).to_be_visible()


def test_quantities_are_edited_and_products_added(
    page: Page, api: httpx.Client, order: dict[str, Any], variant: dict[str, Any]
) -> None:
    open_order(page, order)
    page.get_by_label(f"New quantity: {title_of(variant)}").fill("1")
    page.get_by_label("Product to add").select_option(index=1)
    page.get_by_label("Quantity to add").fill("2")
    page.get_by_role("button", name=f"Save order {order['name']}").click()
    expect(page.get_by_role("status")).to_have_text("The order is changed.")
    after = latest(api, order)
    assert [line["quantity"] - line["removed"] for line in after["lines"]] == [1, 2]


def test_an_unpaid_order_is_paid_and_another_cancelled(
    page: Page, api: httpx.Client, variant: dict[str, Any], order: dict[str, Any]
) -> None:
    body = {"email": "later@example.com", "lines": [{"variant_id": variant["id"]}], "pay": False}
    unpaid = api.post("/devstore/orders", json=body).json()
    page.goto(f"/admin/orders/{unpaid['id']}")
    page.get_by_role("button", name=f"Mark order {unpaid['name']} as paid").click()
    expect(page.get_by_role("status")).to_have_text(f"Order {unpaid['name']} is paid.")
    assert latest(api, unpaid)["financial_status"] == "PAID"

    open_order(page, order)
    page.get_by_role("button", name=f"Cancel order {order['name']}").click()
    expect(page.get_by_role("status")).to_have_text(f"Order {order['name']} is cancelled.")
    after = latest(api, order)
    assert after["cancelled_at"]
    assert after["financial_status"] == "REFUNDED"
    expect(page.get_by_role("button", name=f"Cancel order {order['name']}")).to_have_count(0)


def test_knobs_are_turned_and_refused(page: Page, api: httpx.Client) -> None:
    page.goto("/devstore/staff/knobs")
    page.get_by_label("Slow answers of the Admin API").fill("5")
    page.get_by_role("button", name="Save knobs").click()
    expect(page.get_by_role("status")).to_have_text("Knobs saved.")
    turned = api.get("/devstore/knobs").json()
    assert turned["latency_ms"] == 5
    page.get_by_label("Throttled").fill("2")
    page.get_by_role("button", name="Save knobs").click()
    expect(page.get_by_role("alert")).to_contain_text("throttle")
    api.post("/devstore/knobs", json={"latency_ms": 0})


def test_waiting_webhooks_are_delivered_on_demand(
    page: Page, api: httpx.Client, installed: DummyApp, variant: dict[str, Any]
) -> None:
    api.post("/devstore/knobs", json={"delay_ms": 600_000})
    api.post("/devstore/orders", json={"email": "hook@example.com", "lines": [{"variant_id": variant["id"]}]})
    api.post("/devstore/knobs", json={"delay_ms": 0})
    page.goto("/devstore/staff/webhooks")
    expect(page.get_by_role("row").filter(has_text="orders/create").first).to_contain_text("next try in")
    page.get_by_role("button", name="Deliver now").click()
    expect(page.get_by_role("status")).to_have_text(re.compile(r"[1-9]\d* delivered, 0 failed"))

    page.goto("/devstore/staff/calls")
    page.get_by_label("Kind").select_option("webhook")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("row").filter(has_text="orders/create").first).to_be_visible()
