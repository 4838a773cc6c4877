"""The theme editor and the consent banner, where a browser is the point."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.devstore_web.dummy_app import DummyApp

LINK = "/admin/themes/current/editor?context=apps&template=index&activateAppId=client-id/embed"
SHOWN_MS = 20_000  # the frame loads once for each change before the last one's page is there
PRIVACY = "Shopify.customerPrivacy"
LOADED = """new Promise((resolve) => Shopify.loadFeatures(
  [{ name: 'consent-tracking-api', version: '0.1' }], (error) => resolve(error ? error.message : 'loaded')))"""


@pytest.fixture
def asking(api: httpx.Client) -> Iterator[None]:
    """The shop's visitors must be asked."""
    api.post("/devstore/shop", json={"consent_banner": True})
    yield
    api.post("/devstore/shop", json={"consent_banner": False})


def test_deep_link_switch_and_save_with_the_keyboard(page: Page, api: httpx.Client, installed: DummyApp) -> None:
    page.goto(LINK)
    frame = page.frame_locator("[data-preview]")
    switch = page.get_by_role("switch", name="Dummy embed")
    expect(switch).to_be_focused()
    expect(page.get_by_role("status").filter(has_text="Unsaved changes")).to_be_visible()
    expect(frame.locator("#dummy")).to_have_attribute("data-design", "true")
    page.keyboard.press("Space")
    expect(frame.locator("#dummy")).to_have_count(0, timeout=SHOWN_MS)
    page.keyboard.press("Space")
    colour = page.get_by_label("Colour")
    colour.fill("#112233")
    colour.press("Tab")
    expect(frame.locator("#dummy")).to_have_attribute("data-colour", "#112233", timeout=SHOWN_MS)
    assert "dummy" not in api.get("/").text
    frame.get_by_role("link", name="Cart").click()
    expect(frame.locator("#dummy")).to_have_attribute("data-page", "index")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").filter(has_text="Daybreak is saved.")).to_be_visible()
    page.goto("/")
    expect(page.locator("#dummy")).to_have_attribute("data-colour", "#112233")
    assert page.evaluate("window.dummyLoaded") == 1
    api.post("/devstore/themes/blocks", json={"block": "embed", "on": False})


def test_blocks_are_added_and_removed_by_button(page: Page, api: httpx.Client, installed: DummyApp) -> None:
    page.goto("/admin/themes/current/editor")
    page.get_by_role("button", name="Product", exact=True).click()
    page.get_by_role("button", name="Add block Earn line").click()
    expect(page.frame_locator("[data-preview]").locator(".earn-line")).to_have_text("Earns 1 point")
    page.get_by_role("button", name="Remove block Earn line").click()
    expect(page.frame_locator("[data-preview]").locator(".earn-line")).to_have_count(0)
    expect(page.get_by_role("button", name="Add block Earn line")).to_be_visible()


def test_nobody_is_counted_before_they_agreed(page: Page, asking: None) -> None:
    page.goto("/")
    assert page.evaluate(LOADED) == "loaded"
    assert page.evaluate(f"[{PRIVACY}.analyticsProcessingAllowed(), {PRIVACY}.marketingAllowed()]") == [False, False]
    assert page.evaluate(f"{PRIVACY}.shouldShowBanner()") is True
    page.evaluate(
        "document.addEventListener('visitorConsentCollected', (event) => { window.collected = event.detail; })"
    )
    page.get_by_role("button", name="Yes, you may").click()
    expect(page.get_by_role("region", name="Your privacy")).to_have_count(0)
    assert page.evaluate("window.collected.analyticsAllowed && window.collected.marketingAllowed") is True
    page.goto("/collections/all")
    expect(page.get_by_role("region", name="Your privacy")).to_have_count(0)
    page.evaluate(LOADED)
    assert page.evaluate(f"{PRIVACY}.analyticsProcessingAllowed()") is True
    page.evaluate(f"{PRIVACY}.setTrackingConsent({{ analytics: false }})")
    assert page.evaluate(f"{PRIVACY}.currentVisitorConsent()") == {
        "analytics": "no",
        "marketing": "yes",
        "preferences": "yes",
        "sale_of_data": "yes",
    }


def test_where_nobody_must_ask_visitors_are_counted_until_they_object(page: Page) -> None:
    page.goto("/")
    expect(page.get_by_role("region", name="Your privacy")).to_have_count(0)
    assert page.evaluate(PRIVACY) is None
    page.evaluate(LOADED)
    assert page.evaluate(f"{PRIVACY}.analyticsProcessingAllowed()") is True
    page.evaluate(f"{PRIVACY}.setTrackingConsent({{ analytics: false }})")
    assert page.evaluate(f"{PRIVACY}.analyticsProcessingAllowed()") is False
    unknown = page.evaluate(LOADED.replace("consent-tracking-api", "no-such-api"))
    assert unknown == "There is no feature no-such-api"
