"""A real browser in front of the admin, with the ID token on each request as App Bridge puts it there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from playwright.sync_api import Page, Route

from config.env import ROOT
from retention_app.models import Shop
from tests.chromium import chromium
from tests.conftest import id_token, make_staff

AXE = ROOT / "node_modules/axe-core/axe.min.js"
VIOLATIONS = "axe.run(document, {resultTypes: ['violations']}).then(({violations}) => violations)"
CHECKS = (ROOT / "tests/screens/checks.js").read_text()
FRAMED = """window.shopify = {
  environment: {embedded: true},
  toast: {show(text) { document.documentElement.dataset.toasted = text; }},
};"""


class Faults(list[str]):
    """What went wrong in the page: script errors and broken policy. An answer of 4xx is no fault here."""

    def watch(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.append(f"{page.url}: {error}"))
        page.on("console", self._heard)

    def _heard(self, message: Any) -> None:
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.append(message.text)


@contextmanager
def browser_page(
    base: str, shop: Shop, *, width: int = 1280, language: str = "en", framed: bool = False, actor: str = ""
) -> Iterator[tuple[Page, Faults]]:
    """A page whose requests to `/app/` carry staff's token, an owner's unless `actor` says whose; `framed` plays App
    Bridge inside the Shopify admin."""
    faults = Faults()
    if not actor:
        actor = make_staff(shop, f"browser-{language}", "owner", "Bea Browser").actor

    def authorised(route: Route) -> None:
        token = id_token(shop, sub=actor)
        route.continue_(headers={**route.request.headers, "authorization": f"Bearer {token}"})

    with chromium() as browser:
        context = browser.new_context(viewport={"width": width, "height": 900}, locale=language)
        context.route(f"{base}/app/**", authorised)
        context.route(
            settings.APP_BRIDGE_URL,
            lambda route: route.fulfill(content_type="text/javascript", body=FRAMED if framed else ""),
        )
        page = context.new_page()
        page.set_default_timeout(10_000)
        faults.watch(page)
        yield page, faults


def complaints(page: Page, *, axe: bool = True) -> list[str]:
    """What looks wrong: sideways scrolling, cut, overlapping or tiny text, serious findings of axe."""
    found: list[str] = page.evaluate(CHECKS)
    if not axe:
        return found
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())
    for violation in page.evaluate(VIOLATIONS):
        if violation["impact"] in ("serious", "critical"):
            places = ", ".join(node["html"][:120] for node in violation["nodes"][:3])
            found.append(f"axe {violation['id']}: {places}")
    return found


def complaints_at_both_widths(page: Page) -> list[str]:
    """The same on a phone and on a wide screen; the page is left on the wide one."""
    found = []
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        found += [f"{width}: {complaint}" for complaint in complaints(page)]
    return found
