"""When a page has come to rest: nothing it asked for is still on its way, nothing it put off is left to run, nothing
moves. Waiting for that, and not for some milliseconds, means the same on a machine that is busy."""

from __future__ import annotations

import time
from weakref import WeakKeyDictionary

from playwright.sync_api import Page, Request

POLL_MS = 20
REST_SECONDS_MAX = 20

# What was put off until the page is idle runs in the order it was put off: ours last. Then what it drew is painted.
IDLE = """async () => {
  await new Promise((done) => requestIdleCallback(done));
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
}"""
STILL = """async () => {
  const shadows = [...document.querySelectorAll("*")].map((it) => it.shadowRoot).filter(Boolean);
  const moving = [document, ...shadows].flatMap((root) => root.getAnimations())
    .filter((it) => it.effect.getComputedTiming().endTime < Infinity);
  await Promise.allSettled(moving.map((it) => it.finished));
}"""

_under_way: WeakKeyDictionary[Page, set[Request]] = WeakKeyDictionary()


def watch(page: Page) -> None:
    """Notes from now on what the page asks for, until it is answered or has failed."""
    under_way = _under_way.setdefault(page, set())
    page.on("request", lambda request: under_way.add(request))
    page.on("requestfinished", lambda request: under_way.discard(request))
    page.on("requestfailed", lambda request: under_way.discard(request))


def rest(page: Page) -> None:
    """Waits until a watched page has come to rest: twice in a row nothing is under way once it is idle."""
    deadline, quiet = time.monotonic() + REST_SECONDS_MAX, 0
    while quiet < 2:
        page.evaluate(IDLE)
        quiet = 0 if _under_way[page] else quiet + 1
        assert time.monotonic() < deadline, [request.url for request in _under_way[page]]
        page.wait_for_timeout(POLL_MS)
    page.evaluate(STILL)
