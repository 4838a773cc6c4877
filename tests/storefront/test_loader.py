from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.storefront.resting import rest
from tests.storefront.stub_shop import MEMBER, StubShop, session

PANEL = "/storefront/panel.en/test.js"

HOST = "encore-rewards"

LOADED = "performance.getEntriesByType('navigation')[0].loadEventEnd"
ANSWERED = "performance.getEntriesByType('resource').find((it) => it.name.includes('/v1/session')).responseEnd"
WATCH_SHIFTS = """
  window.shifts = [];
  new PerformanceObserver((list) => shifts.push(...list.getEntries().map((entry) => entry.value)))
    .observe({ type: "layout-shift", buffered: true });
"""


def test_anonymous_visitor_sees_the_launcher_by_name(stub: StubShop, page: Page) -> None:
    page.goto(stub.url)
    launcher = page.get_by_role("button", name="Rewards", exact=True)
    expect(launcher).to_have_text("Rewards")
    box = launcher.bounding_box()
    assert box is not None
    assert box["height"] >= 44
    assert (box["x"] + box["width"], box["y"] + box["height"]) == (1280 - 16, 800 - 16)


def test_member_sees_the_balance_on_the_launcher(stub: StubShop, page: Page) -> None:
    stub.answer = session(MEMBER)
    page.goto(stub.url)
    expect(page.get_by_role("button", name="Rewards, 1,240 points")).to_have_text("1,240")


@pytest.mark.parametrize(
    ("html", "shopify", "locale"),
    [
        ('<html lang="pt-BR">', None, ["pt-BR"]),
        ('<html lang="en">', {"locale": "zh-HK"}, ["zh-HK"]),
        ("<html>", None, None),
    ],
)
def test_asks_once_in_the_pages_language(
    stub: StubShop, page: Page, html: str, shopify: dict[str, Any] | None, locale: list[str] | None
) -> None:
    stub.html, stub.shopify = html, shopify
    page.goto(stub.url)
    page.locator(HOST).get_by_role("button").wait_for()
    rest(page)
    assert [query.get("locale") for query in stub.asked] == [locale]


def test_asks_below_the_shops_root(stub: StubShop, page: Page) -> None:
    stub.shopify = {"routes": {"root": "/pt-br/"}}
    page.goto(f"{stub.url}/pt-br/")
    page.get_by_role("button", name="Rewards").click()
    assert "/pt-br/apps/encore/v1/session" in stub.paths
    expect(page.get_by_role("link", name="Sign in")).to_have_attribute("href", "/pt-br/account/login")


def test_loaded_twice_runs_once(stub: StubShop, page: Page) -> None:
    stub.loaders = 2
    page.goto(stub.url)
    page.get_by_role("button", name="Rewards").wait_for()
    rest(page)
    assert page.locator(HOST).count() == 1
    assert len(stub.asked) == 1


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (500, session()),
        (404, session()),
        (429, session()),
        (200, b"<html>password page</html>"),
        (200, b""),
        (200, b"null"),
        (200, b"[]"),
        (200, b'{"programme": {"name": "Half"}, "member": null}'),
        (200, session({"first_name": "Ana", "points": "1,240"})),
        (200, session(programme=None)),
    ],
    ids=["500", "404", "429", "html", "empty", "null", "list", "half a programme", "odd member", "no programme"],
)
def test_unusable_answer_draws_nothing(stub: StubShop, page: Page, status: int, answer: Any) -> None:
    stub.status, stub.answer = status, answer
    page.goto(stub.url)
    rest(page)
    assert len(stub.asked) == 1
    assert page.locator(HOST).count() == 0


def test_dead_backend_draws_nothing(stub: StubShop, page: Page) -> None:
    page.route("**/v1/session*", lambda route: route.abort("connectionrefused"))
    page.goto(stub.url)
    rest(page)
    assert page.locator(HOST).count() == 0


def test_slow_backend_never_holds_the_page(stub: StubShop, page: Page) -> None:
    stub.delay = 2
    page.goto(stub.url)
    assert page.locator(HOST).count() == 0
    expect(page.get_by_role("button", name="Rewards")).to_be_visible()
    assert page.evaluate(LOADED) < page.evaluate(ANSWERED)


def test_answer_after_eight_seconds_comes_too_late(stub: StubShop, page: Page) -> None:
    stub.delay = 9
    page.goto(stub.url)
    page.wait_for_timeout(9500)
    assert len(stub.asked) == 1
    assert page.locator(HOST).count() == 0


@pytest.mark.parametrize(
    ("path", "shopify"),
    [
        ("/checkout", None),
        ("/checkouts/cn/abc/information", None),
        ("/59021234/checkouts/abc", None),
        ("/pt-br/checkouts/cn/abc", {"routes": {"root": "/pt-br/"}}),
        ("/", {"designMode": True}),
        ("/", {"Checkout": {"step": "contact_information"}}),
    ],
)
def test_not_even_asked_in_checkout_and_theme_editor(
    stub: StubShop, page: Page, path: str, shopify: dict[str, Any] | None
) -> None:
    stub.shopify = shopify
    page.goto(stub.url + path)
    rest(page)
    assert stub.asked == []
    assert page.locator(HOST).count() == 0


def test_leaves_no_global_and_stores_nothing(stub: StubShop, page: Page) -> None:
    names = "Object.getOwnPropertyNames(window).filter((name) => !/^\\d+$/.test(name)).sort()"
    stub.loaders = 0
    page.goto(stub.url)
    before = page.evaluate(names)
    stub.loaders = 1
    page.goto(stub.url)
    page.get_by_role("button", name="Rewards").click()
    page.get_by_role("dialog").wait_for()
    assert page.evaluate(names) == before
    assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
    assert page.evaluate("indexedDB.databases().then((found) => found.length)") == 0


def test_moves_nothing_on_the_page(stub: StubShop, page: Page) -> None:
    page.add_init_script(WATCH_SHIFTS)
    stub.css = "* { display: block; position: static; margin: 9px; float: left; transform: none; all: revert }"
    page.goto(stub.url)
    page.get_by_role("button", name="Rewards").click()
    page.get_by_role("dialog").wait_for()
    rest(page)
    assert page.evaluate("shifts") == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_panel_is_fetched_only_when_opened(stub: StubShop, page: Page) -> None:
    page.goto(stub.url)
    launcher = page.get_by_role("button", name="Rewards")
    launcher.hover()
    rest(page)
    assert PANEL not in stub.paths
    launcher.click()
    page.get_by_role("dialog").wait_for()
    assert stub.paths.count(PANEL) == 1


def test_panel_that_cannot_be_fetched_leaves_the_page_alone(stub: StubShop, page: Page) -> None:
    stub.panel = False
    page.goto(stub.url)
    page.get_by_role("button", name="Rewards").click()
    rest(page)
    assert page.get_by_role("dialog").count() == 0
    expect(page.get_by_role("link", name="Coffee")).to_be_visible()


@pytest.mark.parametrize(
    "opened",
    [
        "document.body.classList.add('overflow-hidden')",
        "document.documentElement.classList.add('no-scroll')",
        "(() => { const d = document.createElement('dialog'); document.body.append(d); d.showModal(); })()",
    ],
    ids=["drawer locks the body", "drawer locks the root", "modal dialog"],
)
def test_launcher_steps_aside_for_the_themes_drawer_or_dialog(stub: StubShop, page: Page, opened: str) -> None:
    page.goto(stub.url)
    launcher = page.locator(HOST).locator("button")
    expect(launcher).to_be_visible()
    page.evaluate(opened)
    expect(launcher).to_be_hidden()


def test_hostile_styles_do_not_reach_the_launcher(stub: StubShop, page: Page) -> None:
    stub.css = (
        "* { display: none !important; font-size: 90px !important; opacity: 0 !important }"
        "html, body { display: block !important }"
    )
    page.goto(stub.url)
    launcher = page.get_by_role("button", name="Rewards")
    expect(launcher).to_be_visible()
    assert launcher.evaluate("(it) => getComputedStyle(it).fontSize") == "16px"


@pytest.mark.parametrize(
    "colour", ["#ffd400", "#0b6e4f", "#e11d48", "#767676", "#777", "#00f", "oklch(0.6 0.2 250)", "black"]
)
def test_text_on_any_accent_is_readable(
    stub: StubShop, page: Page, colour: str, contrast: Callable[..., float]
) -> None:
    stub.css = f":root {{ --encore-accent: {colour} }}"
    page.goto(stub.url)
    launcher = page.get_by_role("button", name="Rewards")
    assert contrast(launcher, "backgroundColor", "color") >= 4.5


def test_page_brought_back_by_back_asks_again(stub: StubShop, page: Page) -> None:
    stub.answer = session(MEMBER)
    page.goto(stub.url)
    page.get_by_role("button", name="Rewards, 1,240 points").wait_for()
    stub.answer = session()
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    expect(page.get_by_role("button", name="Rewards", exact=True)).to_be_visible()


def test_an_answer_it_has_is_not_sent_again(stub: StubShop, page: Page) -> None:
    stub.answer = session(MEMBER)
    page.goto(stub.url)
    page.get_by_role("button", name="Rewards, 1,240 points").wait_for()
    for asked in (2, 3):
        page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
        while len(stub.asked) < asked:
            page.wait_for_timeout(20)
    expect(page.get_by_role("button", name="Rewards, 1,240 points")).to_be_visible()
    assert stub.unchanged == 2
    stub.answer = session({**MEMBER, "points": 7})
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    expect(page.get_by_role("button", name="Rewards, 7 points")).to_be_visible()


def test_phone_launcher_is_round_and_48_px(stub: StubShop, new_page: Callable[..., Page]) -> None:
    page = new_page(390, 844)
    stub.answer = session(MEMBER)
    page.goto(stub.url)
    box = page.get_by_role("button", name="Rewards, 1,240 points").bounding_box()
    assert box == {"x": 390 - 16 - 48, "y": 844 - 16 - 48, "width": 48, "height": 48}
