"""Pages that make life hard for the script: it works or isn't there, and the page never notices.

Every case is a page of its own: what ran before our script, its markup, its policy, what its network lets through. Each
must end without an uncaught error, a word in the console, a broken policy or a moved layout, with the page's own button
working, and as the case says: "works" (the launcher opens its panel) or "absent".
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, FrameLocator, Page, Route, expect
from playwright.sync_api import Error as PlaywrightError

from tests.storefront.stub_shop import DIST, ENTRIES, MEMBER, SETTINGS, StubShop, serve, session

LAUNCHER = re.compile("^Rewards")
ASKED_SECONDS_MAX = 0.5  # until the script has asked, if it asks at all
DRAWN_MS = 150
TRUSTED_TYPES = "; require-trusted-types-for 'script'; trusted-types 'none'"
OF_THE_NETWORK = ("Failed to load resource", "Failed to load module script")  # the browser's words on failed requests

SCRIPT_TAG = '<script async src="/storefront/abc.js"></script>'
EMBEDDED = " ".join(f'data-{name}="{value}"' for name, value in SETTINGS.items())
APP_EMBED = f'<div id="encore-rewards" hidden {EMBEDDED}></div><script defer src="/hostile/loader.js"></script>'
OWN_BUTTON = "document.addEventListener('click', (e) => { if (e.target.id == 'own') e.target.textContent = 'Added' });"
# Notes layout shifts out of reach of what pages do to prototypes.
SHIFTS = """(() => {
  const set = Element.prototype.setAttribute, call = Reflect.apply;
  let moved = "";
  new PerformanceObserver((list) => {
    const entries = list.getEntries();
    for (let i = 0; i < entries.length; i++) {
      moved += `${entries[i].value}`;
      const from = entries[i].sources;
      for (let j = 0; j < from.length; j++) moved += ` ${from[j].node && from[j].node.nodeName}`;
      moved += "; ";
    }
    call(set, document.documentElement, ["data-moved", moved]);
  }).observe({ type: "layout-shift", buffered: true });
})()"""

REPLACES_BODY = """new MutationObserver((_, me) => {
  if (!document.querySelector("encore-rewards")) return;
  me.disconnect();
  document.body = document.body.cloneNode(true);
}).observe(document, { childList: true, subtree: true });"""  # as Turbolinks does with what it kept


@dataclass(frozen=True)
class Case:
    """A page, and how it is to end."""

    ends: str
    script: str = ""  # runs before ours
    css: str = "body { font-family: sans-serif }"
    policy: str = ""  # more of its Content-Security-Policy
    start: str = '<!doctype html><html lang="en">'
    ours: str = SCRIPT_TAG
    body: str = ""
    blocked: str = ""  # a part of the addresses that no request reaches
    answer: str = json.dumps(session(MEMBER))
    framed: str = ""  # the frame's attributes, when the page is in one

    def html(self) -> str:
        return (
            f'{self.start}<head><meta charset="utf-8"><title>Aurora</title><link rel="icon" href="/icon.svg">'
            '<link rel="stylesheet" href="/hostile/page.css"><script src="/hostile/page.js"></script>'
            f"{self.ours}</head>"
            f'<body><h1>Aurora</h1><button type="button" id="own">Add to cart</button>{self.body}</body></html>'
        )


def throws(what: str) -> str:
    """A script that puts something that throws in the place of `what`."""
    return f"{what} = function () {{ throw new Error('{what} is ours') }};"


PROTOTYPES = {
    "members in Object.prototype": Case(
        "works", "for (const name of ['each', 'extend', 'id', 'key', 'enumerable']) Object.prototype[name] = () => {};"
    ),
    "options in Object.prototype": Case("absent", "Object.prototype.body = 'all'; Object.prototype.cache = 'no';"),
    "then in Object.prototype": Case("absent", "Object.prototype.then = function () {};"),
    "members in Array.prototype": Case(
        "works", "for (const name of ['last', 'each', 'toJSON']) Array.prototype[name] = () => '[]';"
    ),
    "an old library's arrays": Case(
        "works",
        "Array.prototype.reduce = Array.prototype.flat = Array.prototype.includes = () => [];"
        "Array.from = (it) => [it]; Function.prototype.bind = function () { return this };"
        "Element.prototype.update = Element.prototype.hide = function () { return this };",
    ),
    "other iterators": Case("absent", throws("Array.prototype[Symbol.iterator]")),
    "frozen prototypes": Case(
        "works",
        "for (const it of [Object, Array, Function, String, Promise, Element, Node]) Object.freeze(it.prototype)",
    ),
    "its own JSON": Case("works", "window.JSON = { parse() { throw 1 }, stringify() { return '' } };"),
    "a JSON that throws": Case("absent", throws("JSON.stringify") + throws("Response.prototype.json")),
    "its own Promise": Case("works", "window.Promise = class { constructor(run) { run(() => {}) } then() {} };"),
    "a Promise that throws": Case("works", throws("window.Promise")),
    "custom elements that throw": Case("works", throws("customElements.define") + throws("customElements.get")),
    "no shadow roots": Case("absent", "Element.prototype.attachShadow = undefined;"),
    "shadow roots that throw": Case("absent", throws("Element.prototype.attachShadow")),
    "no observers": Case("works", "delete window.MutationObserver; delete window.PerformanceObserver;"),
    "observers that throw": Case("works", throws("window.MutationObserver") + throws("window.IntersectionObserver")),
    "no constructed style sheets": Case("absent", "delete window.CSSStyleSheet;"),
    "sheets that aren't shared": Case(
        "absent", "Object.defineProperty(Document.prototype, 'adoptedStyleSheets', { get() { throw 1 }, set() {} });"
    ),
    "elements that throw": Case("absent", throws("document.createElement")),
    "appending that throws": Case("absent", throws("Element.prototype.append")),
    "idle callbacks that throw": Case("works", throws("window.requestIdleCallback")),
    "listening that throws": Case("absent", throws("window.addEventListener")),
    "symbols that throw": Case("absent", throws("Symbol.for")),
    "no AbortSignal.timeout": Case("absent", "delete AbortSignal.timeout;"),
    "styles that can't be read": Case("absent", throws("window.getComputedStyle")),
}

FETCHES = {
    "that throws": Case("absent", throws("window.fetch")),
    "that rejects": Case("absent", "window.fetch = () => Promise.reject(1);"),
    "that never answers": Case("absent", "window.fetch = () => new Promise(() => {});"),
    "that answers nothing": Case("absent", "window.fetch = async () => {};"),
    "that is no function": Case("absent", "window.fetch = 1;"),
    "that somebody wraps": Case("works", "const real = fetch; window.fetch = (...all) => real(...all);"),
}

SHOPIFYS = {
    "null": Case("works", "window.Shopify = null;"),
    "a text": Case("works", "window.Shopify = 'yes';"),
    "a number": Case("works", "window.Shopify = 0;"),
    "without routes": Case("works", "window.Shopify = { shop: 'aurora', routes: null, locale: null };"),
    "of other kinds": Case("works", "window.Shopify = { routes: { root: null }, locale: 7, theme: [] };"),
    "that throws": Case("absent", "Object.defineProperty(window, 'Shopify', { get() { throw new Error('no') } });"),
    "with parts that throw": Case("absent", "window.Shopify = { get routes() { throw new Error('no') } };"),
    "with a cart of old": Case("works", "window.Shopify = { onItemAdded() {}, api: {}, money_format: '${{amount}}' };"),
}

POLICIES = {
    "strict": Case("works"),
    "trusted types": Case("works", policy=TRUSTED_TYPES),
    "no storage and no cookies": Case(
        "works",
        "for (const name of ['localStorage', 'sessionStorage', 'indexedDB', 'caches'])"
        "  Object.defineProperty(window, name, { get() { throw new DOMException(name, 'SecurityError') } });"
        "Object.defineProperty(Document.prototype, 'cookie', { get() { throw 1 }, set() { throw 1 } });",
    ),
    "storage that is full": Case("works", throws("Storage.prototype.setItem") + throws("Storage.prototype.removeItem")),
}

NETWORKS = {
    "no loader": Case("absent", blocked="/storefront/"),
    "no proxy": Case("absent", blocked="/apps/"),
    "no panel": Case("absent", blocked="panel"),
    "nothing of ours": Case("absent", blocked="encore"),
    "loaded twice": Case("works", ours=SCRIPT_TAG * 2),
    "both drivers": Case("works", ours=SCRIPT_TAG, body=APP_EMBED),
    "an embed without settings": Case("absent", ours="", body='<script defer src="/hostile/loader.js"></script>'),
    "an HTML page": Case("absent", answer="<!doctype html><title>Enter store using password</title>"),
    "half an answer": Case("absent", answer=json.dumps(session(MEMBER))[:-9]),
    "a deep answer": Case("absent", answer="[" * 50_000),
    "a huge answer": Case(
        "works",
        answer=json.dumps(session({**MEMBER, "entries": [{**each, "why": ["long" * 500]} for each in ENTRIES * 100]})),
    ),
    "members of odd kinds": Case(
        "absent", answer=json.dumps(session(MEMBER) | {"programme": {"name": 1, "earn": 2, "worth": 3}, "member": 4})
    ),
}

MARKUPS = {
    "no styles": Case("works", css=""),
    "everything unset": Case("works", css="* { all: unset !important }"),
    "everything unset and gone": Case("absent", css="* { all: unset !important; display: none !important }"),
    "everything gone but the page": Case(
        "works",
        css="* { display: none !important; opacity: 0 !important; transform: scale(9) !important }"
        " html, body { display: block !important; opacity: 1 !important; transform: none !important }",
    ),
    "animated and filtered": Case("works", css="* { transition: all 9s !important; float: left !important }"),
    "quirks": Case("works", start="<html>"),
    "quirks, right to left": Case("works", start='<html dir="rtl" lang="">'),
    "a frame": Case("works", framed='src="/hostile/page"'),
    "a small frame": Case("works", framed='src="/hostile/page" width="300" height="200"'),
    "another body once it is drawn": Case("absent", REPLACES_BODY),
    "names that hide the document's": Case(
        "absent", body='<form name="body"></form><img name="createElement" alt=""><a id="ENCORE"></a>'
    ),
}

GROUPS = {
    "prototypes": PROTOTYPES,
    "fetch": FETCHES,
    "Shopify": SHOPIFYS,
    "policy": POLICIES,
    "network": NETWORKS,
    "markup": MARKUPS,
}


class Hostile:
    """A browser page that visits cases, and what it said meanwhile."""

    def __init__(self, browser: Browser, stub: StubShop) -> None:
        self.stub, self.case, self.said = stub, Case(""), list[str]()
        self.page = browser.new_page(viewport={"width": 1280, "height": 800})
        self.page.set_default_timeout(4000)
        self.page.add_init_script(SHIFTS)
        self.page.on("pageerror", lambda error: self.said.append(f"uncaught: {error}"))
        self.page.on("console", self._hear)
        self.page.route("**/hostile/*", self._answer)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(OF_THE_NETWORK):
            self.said.append(f"console: {message.text}")

    def _answer(self, route: Route) -> None:
        case, path = self.case, route.request.url.removeprefix(self.stub.url)
        if path == "/hostile/page":
            policy = {"Content-Security-Policy": f"default-src 'self'{case.policy}"}
            route.fulfill(content_type="text/html", headers=policy, body=case.html())
        elif path == "/hostile/around":
            route.fulfill(
                content_type="text/html", body=f"<!doctype html><title>A</title><iframe {case.framed}></iframe>"
            )
        elif path == "/hostile/page.css":
            route.fulfill(content_type="text/css", body=case.css)
        elif path == "/hostile/page.js":
            route.fulfill(content_type="text/javascript", body=OWN_BUTTON + case.script)
        elif path == "/hostile/loader.js":
            route.fulfill(content_type="text/javascript", path=DIST / "loader.js")

    def visit(self, case: Case) -> str:
        """How it ended: "works", "absent", or what went wrong."""
        self.case, self.stub.answer = case, case.answer.encode()
        self.said.clear()
        self.stub.asked.clear()
        blocked = f"{self.stub.url}/**{case.blocked}**" if case.blocked else "**/nothing"
        self.page.route(blocked, lambda route: route.abort("blockedbyclient"))
        self.page.goto(f"{self.stub.url}/hostile/{'around' if case.framed else 'page'}")
        place = self.page.frame_locator("iframe") if case.framed else self.page
        try:
            ended = self._use(place) if case.ends == "works" else self._miss(place)
            if moved := place.locator("html").get_attribute("data-moved"):
                self.said.append(f"moved: {moved}")
            self._own_button_works(place)
        except (PlaywrightError, AssertionError) as error:
            ended = str(error).splitlines()[0]
        self.page.unroute(blocked)
        return "; ".join([ended, *self.said])

    def _own_button_works(self, place: Page | FrameLocator) -> None:
        own = place.locator("#own")
        own.click() if own.is_visible() else own.dispatch_event("click")
        expect(own).to_have_text("Added")

    def _use(self, place: Page | FrameLocator) -> str:
        place.get_by_role("button", name=LAUNCHER).click()
        expect(place.get_by_role("dialog")).to_contain_text("Ana")
        self.page.keyboard.press("Escape")
        expect(place.get_by_role("dialog")).to_be_hidden()
        expect(place.get_by_role("button", name=LAUNCHER)).to_have_count(1)
        return "works"

    def _miss(self, place: Page | FrameLocator) -> str:
        deadline = time.monotonic() + ASKED_SECONDS_MAX
        while not self.stub.asked and time.monotonic() < deadline:
            self.page.wait_for_timeout(20)
        self.page.wait_for_timeout(DRAWN_MS)
        launcher = place.get_by_role("button", name=LAUNCHER)
        if launcher.count():  # it may be there until it turns out to be of no use
            launcher.click()
            expect(launcher).to_have_count(0)
        return "absent"


@pytest.fixture(scope="module")
def hostile(browser: Browser, built: Path) -> Iterator[Hostile]:
    with serve() as stub:
        yield Hostile(browser, stub)


@pytest.mark.parametrize("cases", GROUPS.values(), ids=GROUPS.keys())
def test_script_works_or_is_absent(hostile: Hostile, cases: dict[str, Case]) -> None:
    ended = {name: hostile.visit(case) for name, case in cases.items()}
    assert ended == {name: case.ends for name, case in cases.items()}
