"""What an open panel must be, whatever it looks like."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.storefront.conftest import ROOT

AXE = (ROOT / "node_modules/axe-core/axe.min.js").read_text()
VIOLATIONS = """axe.run({ include: [["encore-rewards"]] }, { resultTypes: ["violations"] })
  .then(({ violations }) => violations)"""


def offences(page: Page) -> list[Any]:
    """What axe finds in what is ours: rule and elements."""
    page.evaluate(AXE)
    return [(it["id"], [node["html"] for node in it["nodes"]]) for it in page.evaluate(VIOLATIONS)]


def is_uncut(dialog: Locator, width: int, height: int) -> None:
    """It lies inside the window, its close button in sight however far it is scrolled, and nothing in it is cut."""
    box = dialog.bounding_box()
    assert box is not None
    assert min(box["x"], box["y"]) >= 0
    assert box["x"] + box["width"] <= width
    assert box["y"] + box["height"] <= height
    for _ in range(2):
        expect(dialog.locator(".close")).to_be_in_viewport()
        dialog.evaluate("(it) => it.scrollTo(0, it.scrollHeight)")
    cut = dialog.evaluate(
        "(it) => [it, ...it.querySelectorAll('*')].filter((e) => e.className != 'unseen')"
        ".filter((e) => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display != 'inline')"
        ".map((e) => e.outerHTML)"
    )
    assert cut == []
