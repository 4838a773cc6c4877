"""A stub shop and a browser for the storefront's tests. The browser lives for one module: Playwright's event loop, left
running, would make Django refuse the database to the tests after it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page

from tests.chromium import chromium
from tests.storefront.resting import watch
from tests.storefront.stub_shop import StubShop, serve

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "static/storefront"

# Paints colours on a canvas and reads the pixels back: sRGB parts from 0 to 1.
PAINTED = """(element, names) => names.map((name) => {
  const context = new OffscreenCanvas(1, 1).getContext("2d");
  context.fillStyle = getComputedStyle(element)[name];
  context.fillRect(0, 0, 1, 1);
  return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3).map((part) => part / 255);
})"""


@pytest.fixture(scope="session")
def built() -> Path:
    """The folder of the built files, built anew when a source is younger."""
    dist = SOURCES / "dist"
    sources = [SOURCES / "build.mjs", *SOURCES.glob("src/*"), *SOURCES.glob("messages/*")]
    outputs = [dist / "loader.js", dist / "earn.js", dist / "panel.es.js"]
    youngest = max(path.stat().st_mtime for path in sources)
    if not all(path.exists() and path.stat().st_mtime >= youngest for path in outputs):
        subprocess.run(["node", "static/storefront/build.mjs"], cwd=ROOT, check=False, timeout=60)
    return dist


@pytest.fixture
def stub(built: Path) -> Iterator[StubShop]:
    """A stub shop serving the built loader and panel, with answers the test sets."""
    with serve() as stub:
        yield stub


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def new_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens pages; at the end none of them may have raised an error or broken its content security policy.

    The network's own messages about failed requests are the browser's and are left out.
    """
    contexts, faults = [], []

    def make(width: int = 1280, height: int = 800, **options: Any) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(8000)
        watch(page)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on(
            "console", lambda message: faults.append(message.text) if message.type in ("error", "warning") else None
        )
        return page

    yield make
    for context in contexts:
        context.close()
    assert [fault for fault in faults if not fault.startswith("Failed to load resource")] == []


@pytest.fixture
def page(new_page: Callable[..., Page]) -> Page:
    return new_page()


@pytest.fixture
def contrast() -> Callable[[Locator, str, str], float]:
    """WCAG contrast between two computed colours of an element, whatever notation they are in."""

    def luminance(rgb: list[float]) -> float:
        parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in rgb]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    def measure(element: Locator, one: str, other: str) -> float:
        pair = element.evaluate(PAINTED, [one, other])
        light, dark = sorted((luminance(rgb) for rgb in pair), reverse=True)
        return (light + 0.05) / (dark + 0.05)

    return measure
