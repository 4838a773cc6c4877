"""The browsers of the tests, both Debian's Chromium. Pages are judged in its headless shell: the same engine without
the desktop's parts around it, a third of the work (decision 25). The main story uses the browser that people have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

BROWSER = "/usr/bin/chromium"
SHELL = "/usr/bin/chromium-headless-shell"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


@contextmanager
def chromium(executable: str = SHELL) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()
