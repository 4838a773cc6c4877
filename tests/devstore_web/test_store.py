"""The theme: shopping as a visitor, as a new customer and as a known one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Page, expect

from devstore import discounts
from devstore.web import editor, presenting, staff, texts
from tests.devstore_web.conftest import handles

WEB = Path(texts.__file__).parent


def register(page: Page, email: str) -> None:
    page.goto("/account/register")
    page.get_by_label("First name").fill("Lin")
    page.get_by_label("Last name").fill("Mei")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill("secret-1")
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("heading", name="Hello, Lin")).to_be_visible()


def add_to_cart(page: Page, handle: str, quantity: int = 1) -> None:
    page.goto(f"/products/{handle}")
    page.get_by_label("Quantity").fill(str(quantity))
    page.get_by_role("button", name="Add to cart").click()
    expect(page.get_by_text("Added to your cart.")).to_be_visible()


def fill_address(page: Page) -> None:
    page.get_by_label("Address").fill("Rua Augusta 1")
    page.get_by_label("City").fill("São Paulo")
    page.get_by_label("Postcode").fill("01304-000")


def test_a_new_customer_registers_buys_and_finds_the_order(page: Page, variant: dict[str, Any]) -> None:
    register(page, "lin@example.com")
    add_to_cart(page, variant["handle"], 2)
    page.get_by_role("link", name="View cart").click()
    expect(page.get_by_role("link", name="Cart 2")).to_be_visible()
    page.get_by_role("button", name="Check out").click()
    expect(page.get_by_label("E-mail")).to_have_value("lin@example.com")
    expect(page.get_by_label("First name")).to_have_value("Lin")
    fill_address(page)
    page.get_by_role("button", name="Pay now").click()

    expect(page.get_by_role("heading", name="Thank you, Lin")).to_be_visible()
    assert re.fullmatch(r".*/orders/[0-9a-f]+", page.url)
    expect(page.get_by_role("rowheader", name=variant["product_title"])).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name=re.compile(r"Order #\d+"))).to_be_visible()

    page.goto("/account")
    expect(page.get_by_role("cell", name="Paid")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    page.goto("/account")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    page.get_by_label("E-mail").fill("LIN@example.com")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("do not belong together")
    page.get_by_label("Password").fill("secret-1")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Hello, Lin")).to_be_visible()


def test_a_guest_buys_and_can_open_an_account_later(page: Page, variant: dict[str, Any]) -> None:
    add_to_cart(page, variant["handle"])
    page.goto("/checkout")
    page.get_by_role("button", name="Pay now").click()
    expect(page.get_by_role("alert")).to_contain_text("e-mail")
    expect(page.get_by_role("alert")).to_be_focused()
    page.get_by_label("E-mail").fill("guest@example.com")
    page.get_by_label("First name").fill("Gil")
    page.get_by_label("Last name").fill("Costa")
    fill_address(page)
    page.get_by_role("button", name="Pay now").click()
    expect(page.get_by_role("heading", name="Thank you, Gil")).to_be_visible()

    register(page, "guest@example.com")
    expect(page.get_by_role("cell", name="Paid")).to_be_visible()
    expect(page.get_by_role("link", name="Cart 0")).to_be_visible()


def test_the_shopper_chooses_a_language_and_keeps_it(page: Page) -> None:
    page.goto("/")
    page.get_by_role("link", name="繁體中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hant")
    page.goto("/cart")
    expect(page.get_by_role("heading", name="購物車")).to_be_visible()
    shop = page.evaluate("window.Shopify")
    assert shop["locale"] == "zh-TW"
    assert shop["routes"] == {"root": "/"}
    assert shop["shop"] == "aurora.myshopify.com"
    assert shop["currency"]["active"] == "BRL"


def test_quantities_change_and_lines_leave_on_the_cart_page(page: Page, api: httpx.Client) -> None:
    first, second = handles(api)[:2]
    add_to_cart(page, first)
    add_to_cart(page, second)
    page.goto("/cart")
    page.get_by_label("Quantity").first.fill("3")
    page.get_by_role("button", name="Update cart").click()
    expect(page.get_by_role("link", name="Cart 4")).to_be_visible()
    page.get_by_role("button", name="Remove").first.click()
    expect(page.get_by_role("link", name="Cart 1")).to_be_visible()


CART_KEYS = (
    "token note attributes original_total_price total_price total_discount total_weight item_count items"
    " requires_shipping currency items_subtotal_price cart_level_discount_applications discount_codes"
)
ITEM_KEYS = (
    "id properties quantity variant_id key title price original_price discounted_price line_price original_line_price"
    " total_discount discounts sku vendor product_id gift_card final_price final_line_price url featured_image image"
    " handle requires_shipping product_type product_title variant_title line_level_discount_allocations"
)


def test_the_ajax_cart_has_shopifys_shape(api: httpx.Client, variant: dict[str, Any]) -> None:
    assert set(api.get("/cart.js").json()) == set(CART_KEYS.split())
    added = api.post("/cart/add.js", json={"id": variant["id"], "quantity": 2, "properties": {"_src": "x"}}).json()
    assert set(ITEM_KEYS.split()) <= set(added)
    assert added["properties"] == {"_src": "x"}
    several = api.post("/cart/add.js", json={"items": [{"id": variant["id"], "quantity": 1}]}).json()
    assert [item["quantity"] for item in several["items"]] == [1]

    cart = api.get("/cart.js").json()
    assert cart["item_count"] == 3
    assert len(cart["items"]) == 2  # other properties, another line
    assert cart["total_price"] == 3 * variant["price"]
    assert cart["currency"] == "BRL"

    cart = api.post("/cart/change.js", json={"line": 1, "quantity": 0}).json()
    assert cart["item_count"] == 2
    cart = api.post("/cart/update.js", data={f"updates[{variant['id']}]": "5", "attributes[gift]": "yes"}).json()
    assert cart["item_count"] == 5
    assert cart["attributes"] == {"gift": "yes"}
    assert api.post("/cart/clear.js").json()["items"] == []


def test_a_refused_cart_change_says_why(api: httpx.Client, variant: dict[str, Any]) -> None:
    unknown = api.post("/cart/add.js", json={"id": 1})
    assert unknown.status_code == 404
    assert unknown.json() == {"status": 404, "message": "Cart Error", "description": "Cannot find variant"}
    assert api.post("/cart/add.js", json={"id": variant["id"], "quantity": "lots"}).status_code == 422
    assert api.post("/cart/change.js", json={"id": variant["id"], "quantity": 1}).status_code == 400
    assert api.post("/cart/add.js", content=b"{", headers={"Content-Type": "application/json"}).status_code == 400


def test_a_form_sent_from_another_site_is_refused(api: httpx.Client, variant: dict[str, Any]) -> None:
    sent = api.post("/cart/add.js", json={"id": variant["id"]}, headers={"Origin": "https://evil.example"})
    assert sent.status_code == 403
    assert api.get("/cart.js").json()["item_count"] == 0


def test_returning_to_another_site_after_login_is_refused(api: httpx.Client) -> None:
    form = {"first_name": "R", "last_name": "T", "email": "return@example.com", "password": "secret-1"}
    api.post("/account/register", data=form)
    for elsewhere in ("https://evil.example/", "//evil.example/", "/\\evil.example"):
        answer = api.post("/account/login", data={**form, "return_to": elsewhere}, follow_redirects=False)
        assert answer.headers["location"] == "/account"


def test_an_unknown_page_is_a_404_in_the_theme(api: httpx.Client) -> None:
    answer = api.get("/nowhere")
    assert answer.status_code == 404
    assert "Page not found" in answer.text


def test_every_text_of_the_pages_has_its_translation() -> None:
    call = re.compile(r"""(?:\b_|\.text)\(\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')""")
    plural = re.compile(r'(?:n_|text_for)\("[^"]*", "([^"]*)"')
    sources = [path.read_text() for path in (*WEB.rglob("*.html"), *WEB.glob("*.py"))]
    used = {double or single for source in sources for double, single in call.findall(source)}
    used |= {many for source in sources for many in plural.findall(source)}
    used |= {state for state, _ in (*presenting.STATES.values(), *presenting.SENDING.values())} | {"Cancelled"}
    used |= {*presenting.PRODUCT_STATES.values(), *discounts.REFUSALS, *(label for _, label, _ in staff.STEPS)}
    used |= {text for _, *words in (*staff.KNOBS, *staff.ACCOUNTS) for text in words}
    used |= {*staff.DELIVERY_STATES, *editor.TEMPLATES.values()}
    for code, _name in texts.LANGUAGES[1:]:
        translated = json.loads((WEB / f"{code}.json").read_text())
        assert used - set(translated) == set(), code
        assert set(translated) - used == set(), code
