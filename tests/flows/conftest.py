"""Flows need real servers; what would make every change wait long is left to `make storm`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FrameLocator, Page

from tests.chromium import BROWSER, chromium
from tests.stack import ROOT

needs_services = pytest.mark.skipif(
    "TEST_DATABASE_ADMIN_URL" not in os.environ, reason="needs the servers of tools/services.sh (make test)"
)


BOTH_DATABASES = [
    "postgresql",
    pytest.param("sqlite", marks=pytest.mark.skipif(os.environ.get("STORM") != "full", reason="part of make storm")),
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/flows/" in str(item.path):
            item.add_marker(needs_services)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with chromium() as browser:
        yield browser
        _picture(browser, tmp_path)


@pytest.fixture
def desktop_browser(tmp_path: Path) -> Iterator[Browser]:
    """The browser that people have."""
    with chromium(BROWSER) as browser:
        yield browser
        _picture(browser, tmp_path)


def _picture(browser: Browser, folder: Path) -> None:
    """How each page looked in the end, for whoever reads a failure."""
    for number, page in enumerate(page for context in browser.contexts for page in context.pages):
        page.screenshot(path=folder / f"page-{number}.png")


def pictures_folder(request: pytest.FixtureRequest) -> Path | None:
    """Where pictures are kept, if they are to be."""
    return ROOT / "docs/screenshots" if request.config.getoption("--store-screenshots") else None


def admin_frame(page: Page) -> FrameLocator:
    return page.frame_locator("iframe")
