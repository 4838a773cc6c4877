"""The merchant's admin: install, the cross-site frame, and what the App Bridge stand-in does in it."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import jwt
import pytest
from playwright.sync_api import Frame, Page, expect

from tests.devstore_web.conftest import SECRET
from tests.devstore_web.dummy_app import DummyApp

XHR = """([url, body]) => new Promise((done) => {
  const states = [];
  const request = new XMLHttpRequest();
  request.open('POST', url);
  request.onreadystatechange = () => states.push(request.status);
  request.onloadend = () => done({status: request.status, text: request.responseText, states});
  request.send(body);
})"""
FETCH = """([url, body]) => fetch(url, {method: 'POST', body}).then(async (answer) => ({
  status: answer.status, text: await answer.text(), states: [],
}))"""


def open_app(page: Page, path: str = "") -> Frame:
    """Open the app in the admin and return its frame once its navigation is drawn."""
    page.goto(f"/admin/apps/encore/{path}")
    expect(page.get_by_role("link", name="Settings")).to_be_visible()
    return app_frame(page)


def app_frame(page: Page) -> Frame:
    return next(frame for frame in page.frames if "//localhost:" in frame.url)


def test_the_merchant_installs_and_uninstalls(page: Page, api: httpx.Client, app: DummyApp) -> None:
    api.post("/devstore/uninstall")
    page.goto("/admin")
    page.get_by_role("link", name="See Encore in the app store").click()
    page.get_by_role("link", name="Install").click()
    expect(page.get_by_text("read_customers")).to_be_visible()
    page.get_by_role("button", name="Install Encore").click()
    expect(page.frame_locator("iframe").get_by_role("heading", name="/app/")).to_be_visible()
    assert api.get("/devstore/state").json()["installed"]

    page.goto("/admin/listing")
    page.get_by_role("button", name="Uninstall Encore").click()
    expect(page.get_by_role("status")).to_contain_text("Encore is uninstalled.")
    assert not api.get("/devstore/state").json()["installed"]
    page.goto("/admin/apps/encore/")
    expect(page.get_by_role("link", name="Install")).to_be_visible()


def test_the_frame_gets_a_token_of_the_chosen_staff_member_and_language(page: Page, installed: DummyApp) -> None:
    page.goto("/admin")
    page.get_by_label("Language").select_option("zh-Hant")
    expect(page.get_by_role("heading", name="首頁")).to_be_visible()
    helper = page.get_by_label("操作身分").locator("option").nth(1).get_attribute("value")
    with page.expect_navigation():
        page.get_by_label("操作身分").select_option(helper)
    frame = open_app(page)
    query = httpx.URL(frame.url).params
    assert query["locale"] == "zh-TW"
    assert query["embedded"] == "1"
    assert query["shop"] == "aurora.myshopify.com"
    claims = jwt.decode(query["id_token"], SECRET, algorithms=["HS256"], audience="client-id")
    assert claims["sub"] == helper
    again = jwt.decode(frame.evaluate("shopify.idToken()"), SECRET, algorithms=["HS256"], audience="client-id")
    assert again["sub"] == helper
    assert again["jti"] != claims["jti"]


@pytest.mark.parametrize("way", [FETCH, XHR], ids=["fetch", "xhr"])
@pytest.mark.parametrize(("refusals", "status", "calls"), [(0, 200, 1), (1, 200, 2), (9, 401, 2)])
def test_requests_carry_a_token_and_are_repeated_once(
    page: Page, installed: DummyApp, way: str, refusals: int, status: int, calls: int
) -> None:
    frame = open_app(page)
    answer: Any = frame.evaluate(way, [f"/api?refuse={refusals}", "a body"])
    assert answer["status"] == status
    assert len(installed.seen) == calls
    assert [call["body"] for call in installed.seen] == ["a body"] * calls
    tokens = [call["headers"]["authorization"].removeprefix("Bearer ") for call in installed.seen]
    for token in tokens:
        assert jwt.decode(token, SECRET, algorithms=["HS256"], audience="client-id")["dest"].endswith(".myshopify.com")
    assert len(set(tokens)) == calls  # the repeat asks for a new one
    if status == 200:
        assert 401 not in answer["states"]  # the page never sees the answer that was repeated


def test_a_request_to_another_site_carries_no_token(page: Page, installed: DummyApp, devstore: str) -> None:
    frame = open_app(page)
    headers = frame.evaluate(
        """async (url) => {
          const request = new Request(url, {mode: 'no-cors'});
          await fetch(request).catch(() => null);
          return [...request.headers.keys()];
        }""",
        f"{devstore}/cart.js",
    )
    assert "authorization" not in headers


def test_the_admin_draws_navigation_and_title_and_follows_the_frame(page: Page, installed: DummyApp) -> None:
    frame = open_app(page)
    assert not frame.locator("s-app-nav").is_visible()
    navigation = page.locator("[data-app-navigation]").get_by_role("link")
    assert navigation.all_inner_texts() == ["Customers", "Settings"]

    navigation.filter(has_text="Customers").click()
    page.wait_for_url("**/admin/apps/encore/customers/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Encore / /app/customers/")
    expect(navigation.filter(has_text="Customers")).to_have_attribute("aria-current", "page")
    navigation.filter(has_text="Settings").click()
    page.wait_for_url("**/admin/apps/encore/settings/")
    page.go_back()
    page.wait_for_url("**/admin/apps/encore/customers/")
    expect(frame.get_by_role("heading", name="/app/customers/")).to_be_visible()
    page.reload()
    expect(page.frame_locator("iframe").get_by_role("heading", name="/app/customers/")).to_be_visible()
    page.get_by_role("button", name="Review").click()
    expect(page.frame_locator("iframe").get_by_role("heading", name="Reviewed")).to_be_visible()


def test_a_deep_link_keeps_its_query(page: Page, installed: DummyApp) -> None:
    frame = open_app(page, "customers/12/?tab=points")
    assert httpx.URL(frame.url).path == "/app/customers/12/"
    assert httpx.URL(frame.url).params["tab"] == "points"
    assert page.url.endswith("/admin/apps/encore/customers/12/?tab=points")


def test_a_plain_link_comes_back_through_the_patch_page(page: Page, installed: DummyApp) -> None:
    frame = open_app(page)
    frame.get_by_role("link", name="A plain link").click()
    page.wait_for_url("**/admin/apps/encore/plain/")
    expect(page.frame_locator("iframe").get_by_role("heading", name="/app/plain/")).to_be_visible()


def test_an_app_page_opened_on_its_own_lands_in_the_admin(page: Page, installed: DummyApp) -> None:
    page.goto(f"{installed.url}/app/plain/?tab=2")
    page.wait_for_url("**/admin/apps/encore/plain/?tab=2")
    expect(page.frame_locator("iframe").get_by_role("heading", name="/app/plain/")).to_be_visible()


def test_app_bridge_is_quiet_outside_the_admin(page: Page, installed: DummyApp) -> None:
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text) if message.type == "error" else None)
    page.goto(f"{installed.url}/app/customers/", wait_until="networkidle")
    answer = page.evaluate(FETCH, ["/api", ""])
    assert answer["status"] == 200
    assert "authorization" not in installed.seen[0]["headers"]
    assert page.evaluate("shopify.environment.embedded") is False
    assert page.evaluate("shopify.idToken().then(() => 'given', () => 'refused')") == "refused"
    assert [message for message in messages if "favicon" not in message and "404" not in message] == []


def test_the_save_bar_saves_discards_and_holds_the_person_back(page: Page, installed: DummyApp) -> None:
    frame = open_app(page)
    points, bar = frame.get_by_label("Points"), page.get_by_role("region", name="Unsaved changes")
    points.fill("5")
    expect(bar).to_be_visible()
    page.get_by_role("link", name="Settings").click()
    assert page.url.endswith("/admin/apps/encore/")
    expect(bar.get_by_role("button", name="Discard")).to_be_focused()
    bar.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Draft saved")).to_be_visible()
    expect(bar).to_be_hidden()

    points.fill("7")
    bar.get_by_role("button", name="Discard").click()
    page.get_by_role("button", name="Stay on this page").click()
    expect(points).to_have_value("7")
    bar.get_by_role("button", name="Discard").click()
    page.get_by_role("dialog").get_by_role("button", name="Leave without saving").click()
    expect(points).to_have_value("1")
    expect(bar).to_be_hidden()


def test_the_merchant_agrees_to_what_an_app_asks_for(page: Page, app: DummyApp) -> None:
    callback = f"{app.url}/auth/callback"
    query = {"client_id": "client-id", "scope": "read_orders", "redirect_uri": callback, "state": "s"}
    page.goto(f"/admin/oauth/authorize?{urlencode(query)}")
    expect(page.get_by_text("read_orders")).to_be_visible()
    expect(page.get_by_text("read_customers")).to_have_count(0)
    page.get_by_role("button", name="Install Encore").click()
    page.wait_for_url(f"{callback}?code=*")
    assert parse_qs(urlsplit(page.url).query)["shop"] == ["aurora.myshopify.com"]


def test_the_second_shop_is_installed_and_framed_on_its_own(page: Page, api: httpx.Client, app: DummyApp) -> None:
    page.goto("/admin")
    page.get_by_role("link", name="Go to Harbor Goods").click()
    page.get_by_role("link", name="See Encore in the app store").click()
    page.get_by_role("link", name="Install").click()
    page.get_by_role("button", name="Install Encore").click()
    expect(page.frame_locator("iframe").get_by_role("heading", name="/app/")).to_be_visible()
    token = app_frame(page).evaluate("shopify.idToken()")
    claims = jwt.decode(token, SECRET, ["HS256"], audience="client-id")
    assert claims["dest"] == "https://harbor.myshopify.com"
    api.post("/devstore/uninstall?shop=harbor")
