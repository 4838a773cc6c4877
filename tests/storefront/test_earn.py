"""The earn line on product and cart, and what a guest's browser remembers of a basket."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.storefront.resting import rest
from tests.storefront.stub_shop import MEMBER, StubShop, session

SLOT = '<div data-encore-earn id="slot"></div>'
FORM = """<form action="/cart/add">
<label><input type="radio" name="id" value="1" checked> Small</label>
<label><input type="radio" name="id" value="2"> Large</label></form>"""
PRODUCT = {"id": 70, "variants": [{"id": 1, "price": 3600}, {"id": 2, "price": 4200}]}
CART = {
    "items_subtotal_price": 13_200,
    "total_price": 12_000,
    "items": [
        {"product_id": 70, "quantity": 2, "final_line_price": 7_200, "gift_card": False},
        {"product_id": 71, "quantity": 1, "final_line_price": 1_000, "gift_card": False},
        {"product_id": 72, "quantity": 1, "final_line_price": 5_000, "gift_card": True},
    ],
}
CONSENT = """window.mayRemember = %s; window.Shopify = { loadFeatures(features, done) {
  window.Shopify.customerPrivacy = { preferencesProcessingAllowed: () => window.mayRemember }; done();
} };"""
KEPT = "localStorage.getItem('encore')"


def told(points: int, text: str) -> dict[str, Any]:
    return {"points": points, "text": text, "figure": f"+{points}" if points else ""}


@pytest.fixture
def mug(stub: StubShop) -> StubShop:
    """A product's page with a choice of two."""
    stub.product, stub.main = PRODUCT, FORM + SLOT
    stub.css = "#slot { min-height: 1.5em }"
    stub.answers["earns"] = told(36, "Members earn at least 36 points")
    return stub


@pytest.fixture
def basket(stub: StubShop) -> StubShop:
    stub.cart = CART
    stub.answers["earns"] = told(120, "This basket earns about 120 points")
    return stub


def asked(stub: StubShop) -> list[dict[str, list[str]]]:
    return [query for what, query in stub.questions if what == "earns"]


def test_the_line_stands_in_the_themes_block_and_follows_the_choice(mug: StubShop, page: Page) -> None:
    page.add_init_script(
        "window.shifts = []; new PerformanceObserver((list) => shifts.push(...list.getEntries().map((e) => e.value)))"
        ".observe({ type: 'layout-shift', buffered: true })"
    )
    page.goto(f"{mug.url}/collections/all/products/mug")
    expect(page.locator("#slot")).to_have_text("Members earn at least 36 points")
    expect(page.locator("encore-rewards .launcher")).to_have_text("Rewards")
    mug.answers["earns"] = told(42, "Members earn at least 42 points")
    page.get_by_label("Large").check()
    expect(page.locator("#slot")).to_have_text("Members earn at least 42 points")
    assert [query["lines"] for query in asked(mug)] == [["70:1:3600"], ["70:1:4200"]]
    assert asked(mug)[0]["of"] == ["product"]
    assert page.evaluate("shifts") == []


def test_without_a_place_in_the_theme_the_button_says_it(mug: StubShop, page: Page) -> None:
    mug.main = FORM
    mug.answer = session(MEMBER)
    mug.answers["earns"] = told(54, "Earn 54 points with this")
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"{mug.url}/products/mug")
    launcher = page.get_by_role("button", name="Rewards, 1,240 points. Earn 54 points with this")
    expect(launcher.get_by_text("+54")).to_be_visible()
    box = launcher.bounding_box()
    assert box is not None
    assert min(box["width"], box["height"]) >= 48


def test_what_cannot_be_said_leaves_the_place_empty(mug: StubShop, page: Page) -> None:
    del mug.answers["earns"]
    page.goto(f"{mug.url}/products/mug")
    page.get_by_role("button", name="Rewards", exact=True).wait_for()
    rest(page)
    expect(page.locator("#slot")).to_have_text("")
    mug.answers["earns"] = told(0, "")
    page.reload()
    rest(page)
    expect(page.locator("#slot")).to_have_text("")
    expect(page.locator("encore-rewards .launcher")).to_have_text("Rewards")


def test_the_basket_is_asked_for_again_when_it_changes(basket: StubShop, page: Page) -> None:
    basket.main = SLOT
    page.goto(f"{basket.url}/cart")
    expect(page.locator("#slot")).to_have_text("This basket earns about 120 points")
    basket.cart = {**CART, "items": CART["items"][1:]}  # type: ignore[index]
    with page.expect_request("**/v1/earns*"):
        page.evaluate("fetch('/cart/change.js').then((answer) => answer.text())")
    expect(page.locator("#slot")).to_have_text("This basket earns about 120 points")
    rest(page)
    assert [(query["lines"], query["off"]) for query in asked(basket)] == [
        (["70:2:7200,71:1:1000"], ["1200"]),
        (["71:1:1000"], ["1200"]),
    ]


def test_a_guests_browser_remembers_the_basket_only_after_consent(basket: StubShop, page: Page) -> None:
    page.add_init_script(CONSENT % "false")
    page.goto(f"{basket.url}/cart")
    launcher = page.get_by_role("button", name="Rewards. This basket earns about 120 points")
    launcher.wait_for()
    rest(page)
    assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
    page.evaluate("mayRemember = true; document.dispatchEvent(new Event('visitorConsentCollected'))")
    page.wait_for_function(f"() => {KEPT} == '120'")
    launcher.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Your last basket: about 120 points. Sign in with the e-mail you used to keep them.")
    expect(dialog.get_by_role("link").first).to_have_text("Sign in")
    page.keyboard.press("Escape")
    page.evaluate("mayRemember = false; document.dispatchEvent(new Event('visitorConsentCollected'))")
    page.wait_for_function(f"() => {KEPT} == null")
    launcher.click()
    expect(dialog).to_contain_text("Points on every order")


def test_signing_in_clears_what_the_browser_remembered(basket: StubShop, page: Page) -> None:
    page.add_init_script(CONSENT % "true")
    page.goto(f"{basket.url}/cart")
    page.wait_for_function(f"() => {KEPT} == '120'")
    basket.answer = session(MEMBER)
    page.goto(f"{basket.url}/cart")
    page.wait_for_function(f"() => {KEPT} == null")
    rest(page)
    assert page.evaluate("localStorage.length") == 0


ORDER_STATUS = """Object.assign(window.Shopify ??= {}, { checkout: { order_id: 1042 }, Checkout: { OrderStatus: {
  addContentBox(html) { document.querySelector("main").insertAdjacentHTML("beforeend", html); } } } });"""


def test_an_order_says_what_it_earned_once_that_is_known(stub: StubShop, page: Page) -> None:
    page.add_init_script(ORDER_STATUS)
    stub.answer, stub.answers["earns"] = session(MEMBER), told(0, "")
    page.goto(f"{stub.url}/orders/0123")
    page.get_by_role("button", name="Rewards").wait_for()
    rest(page)
    assert page.locator("main").inner_text().endswith("Coffee")
    stub.answers["earns"] = told(108, "This order earns 108 points")
    expect(page.locator("main")).to_contain_text("This order earns 108 points", timeout=5000)
    assert asked(stub)[0] == {"order": ["1042"], "locale": ["en"]}


def test_a_guest_who_has_bought_is_told_how_to_keep_the_points(basket: StubShop, page: Page) -> None:
    page.add_init_script(CONSENT % "true" + ORDER_STATUS)
    page.goto(f"{basket.url}/cart")
    page.wait_for_function(f"() => {KEPT} == '120'")
    page.goto(f"{basket.url}/orders/0123")
    expect(page.locator("main")).to_contain_text("Your last basket: about 120 points.")
    expect(page.locator("main").get_by_role("link", name="Sign in")).to_have_attribute("href", "/account/login")


def test_a_browser_that_refuses_storage_sees_everything_all_the_same(basket: StubShop, page: Page) -> None:
    refused = (
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } });"
    )
    page.add_init_script(CONSENT % "true" + refused)
    for answer, name in ((session(), "Rewards. This basket"), (session(MEMBER), "Rewards, 1,240 points. This basket")):
        basket.answer = answer
        page.goto(f"{basket.url}/cart")
        page.get_by_role("button", name=name).click()
        expect(page.get_by_role("dialog")).to_be_visible()


def test_without_the_platforms_privacy_api_nothing_is_kept(basket: StubShop, page: Page) -> None:
    page.goto(f"{basket.url}/cart")
    page.get_by_role("button", name="Rewards. This basket").wait_for()
    rest(page)
    assert page.evaluate("localStorage.length") == 0
