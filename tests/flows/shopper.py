"""What a shopper does in devstore's storefront, and what they see of the programme."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, expect

from tests.screens.test_screenshots import LANGUAGES
from tests.stack import Stack


def register(page: Page, stack: Stack) -> None:
    page.goto(f"{stack.devstore_url}/account/register")
    page.get_by_label("First name").fill("Lia")
    page.get_by_label("Last name").fill("Prado")
    page.get_by_label("E-mail").fill("lia@example.com")
    page.get_by_label("Password").fill("a-long-password")
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("heading", name="Hello, Lia")).to_be_visible()


def buy(page: Page, stack: Stack, quantity: int) -> str:
    """Buy some of the first product; answers the order's name."""
    page.goto(f"{stack.devstore_url}/collections/all")
    page.locator("main").get_by_role("link").first.click()
    page.get_by_label("Quantity").fill(str(quantity))
    page.get_by_role("button", name="Add to cart").click()
    expect(page.get_by_text("Added to your cart.")).to_be_visible()
    page.goto(f"{stack.devstore_url}/checkout")
    page.get_by_label("Address").fill("Rua Augusta 1")
    page.get_by_label("City").fill("São Paulo")
    page.get_by_label("Postcode").fill("01304-000")
    page.get_by_role("button", name="Pay now").click()
    expect(page.get_by_role("heading", name="Thank you, Lia")).to_be_visible()
    name = re.search(r"#\d+", page.locator("main").inner_text())
    assert name
    return name[0]


def wait_for_points(page: Page, points: int, seconds: float) -> None:
    """Until the open panel, which renews itself, says so many points."""
    said = re.compile(rf"(?<![\d,]){points:,}\s+points?")
    expect(page.get_by_role("dialog")).to_contain_text(said, timeout=max(1, seconds * 1000))


def wait_for_pending(page: Page, points: int, seconds: float) -> None:
    """Until the open panel says that so many points can be used later."""
    said = page.get_by_role("dialog").get_by_text(re.compile(rf"^{points:,} more from"))
    expect(said).to_be_visible(timeout=max(1, seconds * 1000))


def look_at_the_panel(context: BrowserContext, stack: Stack, who: str, pictures: Path | None) -> None:
    """The store with the open panel, at two widths in each language: nothing scrolls sideways; stored if asked for."""
    for language in LANGUAGES:
        page = context.new_page()
        page.goto(f"{stack.devstore_url}/?locale={language}")
        page.locator("encore-rewards").get_by_role("button").first.click()
        expect(page.get_by_role("dialog")).to_have_attribute("lang", language)
        page.wait_for_timeout(300)  # it rises
        for width, height in ((1280, 800), (390, 844)):
            page.set_viewport_size({"width": width, "height": height})
            assert page.evaluate("document.scrollingElement.scrollWidth") <= width
            if pictures:
                page.screenshot(path=pictures / f"panel-{who}-{width}-{language}.png")
        page.close()
