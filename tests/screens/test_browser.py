"""What only a browser shows: pages change without reloading, Back works, parts renew themselves, faults are said."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, Request, expect

from loyalty.programme import draft_save, programme_publish
from retention_app.models import Shop, SyncRun
from retention_app.tenancy import shop_scope
from tests.conftest import make_shop
from tests.screens import story
from tests.screens.browser import browser_page, complaints_at_both_widths
from tests.screens.conftest import RULES
from tests.screens.test_screenshots import shops

__all__ = ["shops"]  # the fixture


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.id || document.activeElement.tagName"))


def documents(page: Page) -> list[str]:
    """Pages that are loaded as documents from now on."""
    loaded: list[str] = []

    def note(request: Request) -> None:
        if request.resource_type == "document" and request.frame == page.main_frame:
            loaded.append(request.url)

    page.on("request", note)
    return loaded


def test_a_merchants_morning(shops: dict[str, Shop], live_server: Any) -> None:
    base = live_server.url
    with browser_page(base, shops["aurora"], framed=True) as (page, faults):
        page.goto(f"{base}/app/?embedded=1&locale=en")
        loaded = documents(page)

        # Inside the Shopify admin the title and the navigation are drawn there.
        expect(page.get_by_role("heading", level=1)).to_have_text("Home")
        assert page.locator("h1").bounding_box()["width"] <= 1  # type: ignore[index]
        expect(page.locator(".rail")).to_be_hidden()

        # A page change is a fetch: no document, the title follows, focus goes to the heading.
        page.evaluate("document.querySelector('s-app-nav a[href*=customers]').click()")
        expect(page).to_have_title("Customers · Encore")
        expect(page.locator("h1")).to_be_focused()

        # Search answers while typing, says how many, and keeps the focus; Back and the address keep up.
        page.get_by_role("searchbox").press_sequentially("ana s", delay=30)
        expect(page).to_have_url(re.compile("q=ana"))
        expect(page.locator("#live")).to_have_text(re.compile(r"^\d+ customers found$"))
        assert focused(page) == "q"
        page.get_by_role("link", name="Ana Souza", exact=True).click()
        expect(page).to_have_title("Ana Souza · Encore")

        # Why?
        why = page.get_by_role("button", name=re.compile(r"^Why 132 points for order #\d+\?$"))
        expect(why).to_have_attribute("aria-expanded", "false")
        total = page.get_by_text("132.00 × 1 point per R$1.00 = 132", exact=True)
        expect(total).to_be_hidden()
        why.click()
        expect(total).to_be_visible()
        page.go_back()
        expect(page.get_by_role("searchbox")).to_have_value("ana s")

        # A definition opens, closes with Esc and gives the focus back.
        page.goto(f"{base}/app/?period=all")
        opener = page.locator("#stat-rcr summary")
        opener.click()
        expect(page.get_by_text(re.compile(r"\d+ of \d+ customers ordered twice or more"))).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator("#stat-rcr .definition-box")).to_be_hidden()
        expect(opener).to_be_focused()

        # The chart's other window comes without the page; arrow keys read its points.
        page.locator("#rate-rolling").click()
        expect(page).to_have_url(re.compile("rate=rolling"))
        expect(page.locator("#rate-rolling")).to_be_focused()
        page.locator("[data-walk]").first.focus()
        page.keyboard.press("End")
        expect(page.locator("#live")).to_have_text(re.compile(r"^\w+ \d{4}: [\d.]+%$"))
        assert len(loaded) == 1  # the goto above
        assert not faults


def test_writing_and_publishing(shops: dict[str, Shop], live_server: Any, work_off: Callable[[], None]) -> None:
    base = live_server.url
    with browser_page(base, shops["aurora"], framed=True) as (page, faults):
        page.goto(f"{base}/app/loyalty/draft/")
        loaded = documents(page)
        total = page.locator("#preview tfoot td").nth(3)
        before = total.inner_text()
        page.get_by_label("Points earned").fill("3")
        expect(total).not_to_have_text(before)
        page.get_by_label("Points earned").fill("x")
        expect(page.locator("#preview")).to_contain_text("The preview comes back")

        page.get_by_role("button", name="Save draft").click()
        expect(page.locator("#problem")).to_be_focused()
        page.locator("#problem").get_by_role("link").click()
        assert focused(page) == "id_earn_points"
        page.get_by_label("Points earned").fill("3")
        page.get_by_role("button", name="Save draft").click()
        expect(page.locator("html")).to_have_attribute("data-toasted", "Draft saved")

        # Discarding asks first, and begins with the harmless answer.
        page.get_by_role("button", name="Discard draft").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        expect(page.get_by_role("button", name="Cancel")).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name="Discard draft")).to_be_focused()

        page.get_by_role("link", name="Review and publish").first.click()
        publish = page.get_by_role("button", name="Publish version 2")
        expect(publish).to_be_disabled()
        button = publish.element_handle()
        _elsewhere(work_off)
        button.wait_for_element_state("enabled")  # the same one, so that a press isn't lost when the answer comes
        publish.click()  # once it is counted who moves
        expect(page.locator("html")).to_have_attribute("data-toasted", "Version 2 is live")
        expect(page).to_have_url(f"{base}/app/loyalty/programme/")
        expect(page.get_by_text("Every R$1.00 spent earns 3 points.")).to_be_visible()

        # The language changes in place, navigation included, and stays.
        page.get_by_role("button", name="繁體中文").click()
        expect(page.locator("html")).to_have_attribute("lang", "zh-Hant")
        expect(page.locator("h1")).to_have_text("會員計畫")
        assert "顧客" in str(page.locator("s-app-nav").text_content())
        assert not loaded
        page.reload()
        expect(page.locator("h1")).to_have_text("會員計畫")
        assert not faults


def test_home_renews_itself_while_an_import_runs(shops: dict[str, Shop], live_server: Any) -> None:
    base = live_server.url
    with browser_page(base, shops["importing"]) as (page, faults):
        page.goto(f"{base}/app/")
        page.wait_for_selector("#charts figure >> nth=1")
        page.locator("#stat-rcr summary").click()
        place = page.locator("#charts").bounding_box()
        _sync(orders_done=46220)
        expect(page.get_by_text("46,220 of 69,659 orders")).to_be_visible(timeout=9000)
        assert page.locator("#charts").bounding_box() == place  # nothing moved
        expect(page.locator("#stat-rcr .definition-box")).to_be_visible()  # and nothing closed
        _sync(phase="done")
        expect(page.locator("progress")).to_have_count(0, timeout=9000)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url) if "seen=" in request.url else None)
        page.wait_for_timeout(5500)
        assert not asked
        assert not faults


def _sync(**fields: Any) -> None:
    """Another process moves the import on."""
    _elsewhere(lambda: SyncRun.objects.update(**fields))


def _elsewhere(work: Callable[[], Any]) -> None:
    """Work in another thread (Django refuses queries beside the browser's event loop)."""
    from concurrent.futures import ThreadPoolExecutor

    from django.db import connection

    def do() -> None:
        work()
        connection.close()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(do).result()


def test_a_server_out_of_reach_and_a_refused_token_are_said(shops: dict[str, Shop], live_server: Any) -> None:
    base = live_server.url
    with browser_page(base, shops["aurora"]) as (page, _faults):
        page.goto(f"{base}/app/loyalty/programme/")
        page.route("**/app/customers/", lambda route: route.abort())
        page.locator(".rail").get_by_role("link", name="Customers").click()
        expect(page.get_by_text("Encore couldn't be reached.")).to_be_visible()
        expect(page.locator("h1")).to_have_text("Programme")

        page.unroute("**/app/customers/")
        page.route("**/app/customers/", lambda route: route.fulfill(status=401))
        page.locator(".rail").get_by_role("link", name="Customers").click()
        expect(page.get_by_role("link", name="Reload Encore")).to_be_visible()
        expect(page.get_by_text("Encore couldn't be reached.")).to_be_hidden()

        page.unroute("**/app/customers/")
        page.route("**/app/customers/", lambda route: route.fulfill(status=502, body="<h1>Bad gateway</h1>"))
        page.locator(".rail").get_by_role("link", name="Customers").click()
        expect(page.get_by_text("Encore couldn't be reached.")).to_be_visible()


def test_everything_can_be_reached_by_keyboard(shops: dict[str, Shop], live_server: Any) -> None:
    base = live_server.url
    with browser_page(base, shops["aurora"]) as (page, _faults):
        page.goto(f"{base}/app/customers/")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
        expect(page.get_by_role("link", name="Skip to content")).to_be_in_viewport()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        expect(page.get_by_role("searchbox")).to_be_focused()
        ring = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
        assert ring == "2px"


def test_earlier_orders_are_weighed_before_they_count(
    transactional_db: None, work_off: Callable[[], None], live_server: Any
) -> None:
    shop = make_shop("aurora", currency="BRL")
    with shop_scope(shop.id):
        story.tell(shop)
        draft_save(shop.id, RULES, "42")
        programme_publish(shop.id, "42", "none")
    work_off()
    with browser_page(live_server.url, shop) as (page, faults):
        page.goto(f"{live_server.url}/app/loyalty/backfill/")
        page.locator("#id_day").fill("2020-01-01")
        page.get_by_role("button", name="See what that brings").click()
        expect(page.get_by_role("heading", name="What that brings")).to_be_visible()
        expect(page.get_by_role("button", name="Count these orders")).to_be_enabled()
        assert complaints_at_both_widths(page) == []
    assert not faults


def test_the_shoppers_panel_takes_no_keys_away(shops: dict[str, Shop], live_server: Any) -> None:
    with browser_page(live_server.url, shops["aurora"]) as (page, faults):
        page.add_init_script("addEventListener('blur', ({ target }) => { if (target === window) window.left = true; })")
        page.goto(f"{live_server.url}/app/loyalty/draft/", wait_until="commit")
        page.locator("#id_earn_points").focus()
        panel = page.frame_locator("#panel-frame").get_by_role("dialog")
        expect(panel).to_contain_text("Hello Maria")
        assert not page.evaluate("window.left")
        page.keyboard.type("7")
        expect(page.locator("#id_earn_points")).to_have_value(re.compile("7"))
        page.locator("#panel-frame").scroll_into_view_if_needed()
        panel.get_by_role("button", name=re.compile("^Why")).first.click()
        page.locator("#id_earn_points").fill("3")
        expect(panel).to_contain_text("× 3 points per")
        page.keyboard.type("5")
        expect(page.locator("#id_earn_points")).to_have_value("35")
    assert not faults


def test_the_shoppers_panel_follows_what_is_typed(shops: dict[str, Shop], live_server: Any) -> None:
    with browser_page(live_server.url, shops["empty"]) as (page, faults):
        page.goto(f"{live_server.url}/app/start/")
        page.get_by_role("button", name="Continue").click()
        points = page.locator("#id_earn_points")
        panel = page.frame_locator("#panel-frame").get_by_role("dialog")
        expect(panel).to_contain_text("Hello Maria")
        points.focus()
        before = panel.inner_text()
        points.fill("7")
        expect(panel).to_contain_text("× 7 points per")
        assert panel.inner_text() != before
        expect(points).to_be_focused()
        page.get_by_role("button", name="Visitor").click()
        expect(panel).to_contain_text("Points on every order")
        expect(panel).not_to_contain_text("Maria")
        page.goto(f"{live_server.url}/app/loyalty/draft/")
        expect(panel).to_contain_text("Hello Maria")
    assert not faults
