"""Dark themes, right-to-left pages, 200 % zoom and phones: the panel with all it can say, in the longest language."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.flows.conftest import pictures_folder
from tests.storefront.looks import is_uncut, offences
from tests.storefront.resting import rest
from tests.storefront.stub_shop import StubShop, session
from tests.storefront.test_panel import COMING, opened

DARK = "body { background: #111; color: #eee }"
LOOKS = {
    "dark": ("", DARK, (1280, 800)),
    "zoomed": ("", "", (640, 400)),
    "phone-dark-right-to-left": ('dir="rtl"', DARK, (390, 844)),
}


@pytest.mark.parametrize("look", LOOKS)
def test_everything_is_readable_and_uncut(
    stub: StubShop, new_page: Callable[..., Page], request: pytest.FixtureRequest, look: str
) -> None:
    direction, stub.css, (width, height) = LOOKS[look]
    stub.html = f'<html lang="pt-BR" {direction}>'
    everything = {**COMING, "claimed": {"points": 240, "orders": 2}, "older": 7}
    stub.answer = session(everything, locale="pt-BR")
    page = new_page(width, height)
    dialog = opened(stub, page)
    pictures = pictures_folder(request)
    for place, button in (("member", None), ("tiers", "Níveis")):
        if button:
            dialog.get_by_role("button", name=button).click()
            dialog.get_by_text("Silver").wait_for()
        rest(page)
        if pictures:
            page.screenshot(path=pictures / f"panel-{place}-{look}.png")
        is_uncut(dialog, width, height)
        assert offences(page) == []


def test_colours_and_corners_are_the_themes_to_set(stub: StubShop, new_page: Callable[..., Page]) -> None:
    stub.css = """encore-rewards {
      --encore-accent: #0b6e4f; --encore-surface: #fffbe6; --encore-text: #222; --encore-radius: 2px;
      --encore-size: 18px; --encore-gap-inline: 40px; --encore-gap-block: 30px; --encore-z: 7; --encore-font: serif }"""
    page = new_page()
    dialog = opened(stub, page)
    rest(page)
    looks = dialog.evaluate(
        "(it) => (({ backgroundColor, color, fontSize, fontFamily, borderRadius, zIndex, right, bottom }) =>"
        " [backgroundColor, color, fontSize, fontFamily, borderRadius, zIndex, right, bottom])(getComputedStyle(it))"
    )
    assert looks == ["rgb(255, 251, 230)", "rgb(34, 34, 34)", "18px", "serif", "4px", "7", "40px", "30px"]
    assert dialog.locator("header").evaluate("(it) => getComputedStyle(it).backgroundColor") == "rgb(11, 110, 79)"
