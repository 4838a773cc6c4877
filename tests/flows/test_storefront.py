"""A store that takes no script tags, over real HTTP: the merchant switches the rewards button on in the theme, sees
that it is there, publishes another theme, and takes everything away with one switch."""

from __future__ import annotations

import re
import time
from pathlib import Path

from playwright.sync_api import Browser, FrameLocator, Page, expect

from tests.flows.conftest import admin_frame
from tests.screens.browser import complaints_at_both_widths
from tests.stack import Stack

HARBOR = {"shop": "harbor"}
OFF_SECONDS_MAX = 60


def test_the_button_comes_by_the_theme_and_goes_by_one_switch(tmp_path: Path, browser: Browser) -> None:
    with Stack(tmp_path, scenario="aurora", database="sqlite") as stack:
        assert stack.devstore("POST", "/devstore/install", **HARBOR)["ok"]
        stack.wait_done(60)
        stack.devstore("POST", "/devstore/programme", **HARBOR)
        stack.wait_done(60)
        merchant, shopper = browser.new_context().new_page(), browser.new_context().new_page()
        problems: list[str] = []
        for page in (merchant, shopper):
            page.on("pageerror", lambda error: problems.append(str(error)))

        expect_button(shopper, stack, shown=False)
        screen = settings_of(merchant, stack)
        expect(screen.get_by_role("heading", name="Your published theme: Daybreak switched off")).to_be_visible()
        with merchant.expect_popup() as opened:
            screen.get_by_role("link", name="Open theme editor").click()
        editor = opened.value
        expect(editor.get_by_role("switch", name=re.compile("Rewards button"))).to_be_checked()
        editor.get_by_role("button", name="Save").click()
        expect(editor.get_by_role("status").first).not_to_contain_text("Unsaved")
        screen.get_by_role("button", name="Check again").click()
        expect(screen.get_by_role("heading", name="Your published theme: Daybreak switched on")).to_be_visible()

        expect_button(shopper, stack, shown=True)
        shopper.get_by_role("button", name=re.compile("^Rewards")).click()
        panel = shopper.get_by_role("dialog")
        expect(panel).to_contain_text("Harbor")
        expect(panel.get_by_role("link")).to_have_text(["Sign in or join"])  # new customer accounts
        merchant.reload()
        expect(admin_frame(merchant).get_by_text(re.compile("Last loaded .* on 1 kind of page"))).to_be_visible()

        screen.get_by_role("button", name="Switch everything off").click()
        screen.get_by_role("dialog").get_by_role("button", name="Switch everything off").click()
        expect(screen.get_by_role("button", name="Switch everything on")).to_be_visible()
        expect_button(shopper, stack, shown=False)
        screen.get_by_role("button", name="Switch everything on").click()
        expect(screen.get_by_role("button", name="Switch everything off")).to_be_visible()
        expect_button(shopper, stack, shown=True)
        expect_line_and_page(shopper, stack)

        other = next(
            one for one in stack.devstore("GET", "/devstore/themes", **HARBOR)["themes"] if one["role"] != "MAIN"
        )
        stack.devstore("POST", "/devstore/themes/publish", {"theme": other["id"]}, **HARBOR)
        stack.wait_done(30)
        merchant.reload()
        theme = admin_frame(merchant).get_by_role("heading", name=f"Your published theme: {other['name']} switched off")
        expect(theme).to_be_visible()
        expect_button(shopper, stack, shown=False)
        assert not problems
        assert stack.dead() == []


def expect_line_and_page(shopper: Page, stack: Stack) -> None:
    """The theme's block says what a product earns, and the store has a page of the programme."""
    stack.devstore(
        "POST", "/devstore/themes/blocks", {"block": "earn-line", "on": True, "template": "product"}, **HARBOR
    )
    product = stack.devstore("GET", "/devstore/products", **HARBOR)["products"][0]
    shopper.goto(f"{stack.devstore_url}/products/{product['handle']}?shop=harbor")
    expect(shopper.locator("[data-encore-earn]")).to_have_text(re.compile(r"^Members earn at least [\d,]+ points$"))
    shopper.goto(f"{stack.devstore_url}/apps/encore")
    shopper.wait_for_url("**/apps/encore?locale=en")
    expect(shopper.get_by_role("heading", name=re.compile("Harbor.* Rewards"))).to_be_visible()
    expect(shopper.get_by_role("link", name="Sign in or join")).to_have_attribute(
        "href", re.compile("/customer_authentication/login")
    )
    assert complaints_at_both_widths(shopper) == []


def settings_of(merchant: Page, stack: Stack) -> FrameLocator:
    merchant.goto(f"{stack.devstore_url}/admin/apps/encore?shop=harbor")
    app = admin_frame(merchant)
    merchant.get_by_role("link", name="Settings").click()
    app.get_by_role("link", name="Storefront").click()
    expect(app.get_by_role("heading", name="How it gets there")).to_be_visible()
    return app


def expect_button(shopper: Page, stack: Stack, *, shown: bool) -> None:
    """Pages that are opened come to have the rewards button, or not, in the time that switching it off may take."""
    deadline = time.monotonic() + OFF_SECONDS_MAX
    while True:
        shopper.goto(f"{stack.devstore_url}/?shop=harbor", wait_until="networkidle")
        if shopper.get_by_role("button", name=re.compile("^Rewards")).count() == shown:
            return
        assert time.monotonic() < deadline
