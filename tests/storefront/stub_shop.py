"""A stub of a shop's pages for the loader's browser tests: one page, the two built files, and an app proxy that
answers whatever the test put there. The full path through devstore and the app is another test's work."""

from __future__ import annotations

import json
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

DIST = Path(__file__).parents[2] / "static/storefront/dist"
STRICT_CSP = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'"
SETTINGS = {
    "proxy": "apps/encore",
    "panels": " ".join(f"/storefront/panel.{tag}/test.js" for tag in ("en", "zh-Hans", "zh-Hant", "pt-BR", "es")),
    "earn": "/storefront/earn/test.js",
    "login": "/account/login",
    "register": "/account/register",
}

PROGRAMME = {
    "version": 1,
    "name": "Aurora Rewards",
    "earn": {"points": 1, "per": "R$1.00"},
    "worth": {"points": 100, "amount": "R$5.00"},
    "tiers": True,
}
RULES = {
    "earn": ["Every R$1.00 spent earns 1 point.", "Points can be used 14 days after payment."],
    "tiers": {
        "text": ["Your tier follows what you spend in 12 months."],
        "levels": [
            {"name": "Silver", "from": "From R$70.00", "gives": "Your orders count 1.25×"},
            {"name": "Gold", "from": "From R$200.00", "gives": "Your orders count 1.5×"},
        ],
    },
}
ENTRIES = [
    {
        "id": 9,
        "at": "2026-11-20T14:02:00Z",
        "when": "20 Nov",
        "what": "Order #1042",
        "points": 108,
        "pending": True,
        "why": ["108.00 × 1 = 108", "Version 1 of the programme, in force when the order was placed."],
    },
    {
        "id": 8,
        "at": "2026-11-18T09:40:00Z",
        "when": "18 Nov",
        "what": "Return from order #1031",
        "points": -35,
        "pending": False,
        "why": ["floor(120.50) − floor(85.00) = 35", "The returned mug had earned 35 under version 1."],
    },
    {
        "id": 7,
        "at": "2026-11-12T18:21:00Z",
        "when": "12 Nov",
        "what": "Order #1031",
        "points": 120,
        "pending": False,
        "why": [],
    },
]
NOTHING_COMES: dict[str, Any] = {"debt": 0, "pending": [], "expiring": [], "tier": None}
MEMBER = {"first_name": "Ana", "points": 1240, "worth": "R$62.00", **NOTHING_COMES, "entries": ENTRIES, "older": None}


def session(
    member: dict[str, Any] | None = None,
    programme: dict[str, Any] | None = PROGRAMME,
    locale: str = "en",
    accounts: str = "classic",
) -> dict[str, Any]:
    """A proxy answer: anonymous by default."""
    text = f"{member['points']:,}" if member and isinstance(member["points"], int) else "Rewards"
    return {
        "locale": locale,
        "shop": {"name": "Aurora", "currency": "BRL"},
        "programme": programme,
        "accounts": accounts,
        "launcher": {"text": text, "name": f"Rewards, {text} points" if member else text},
        "member": member,
    }


@dataclass
class StubShop:
    """What the stub serves, changed by tests while it runs, and what it was asked."""

    answer: dict[str, Any] | bytes = field(default_factory=session)
    status: int = 200
    delay: float = 0.0  # seconds before the proxy answers
    html: str = '<html lang="en">'  # the page's opening tag
    shopify: dict[str, Any] | None = None  # window.Shopify, written by an external script
    css: str = ""
    loaders: int = 1
    panel: bool = True  # False: the panel's address answers 404
    main: str = ""  # more of the page, as HTML
    answers: dict[str, Any] = field(default_factory=lambda: {"programme": RULES})  # below the proxy; missing: 404
    product: dict[str, Any] = field(default_factory=dict)  # /products/<handle>.js
    cart: dict[str, Any] = field(default_factory=dict)  # /cart.js
    questions: list[tuple[str, dict[str, list[str]]]] = field(default_factory=list)  # what else the proxy was asked
    asked: list[dict[str, list[str]]] = field(default_factory=list)  # queries of the session calls
    unchanged: int = 0  # answers that whoever asked had already
    told: list[str] = field(default_factory=list)  # paths of what was posted
    paths: list[str] = field(default_factory=list)
    url: str = ""

    def page(self) -> str:
        scripts = '<script async src="/storefront/abc.js"></script>' * self.loaders
        return (
            f'<!doctype html>{self.html}<head><meta charset="utf-8"><title>Aurora</title>'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            '<link rel="icon" href="/icon.svg"><link rel="stylesheet" href="/theme.css">'
            '<script src="/theme.js"></script>'
            f"{scripts}</head><body><main><h1>Aurora</h1><p>Coffee, tea and the cups they deserve.</p>"
            f'<a href="/products/coffee" id="first">Coffee</a>{self.main}</main></body></html>'
        )

    def body(self, path: str, query: str) -> tuple[int, str, bytes]:
        """Status, content type and bytes for a path."""
        script, style = "text/javascript; charset=utf-8", "text/css; charset=utf-8"
        if path.endswith("apps/encore/v1/session"):
            self.asked.append(parse_qs(query))
            time.sleep(self.delay)
            answer = self.answer if isinstance(self.answer, bytes) else json.dumps(self.answer).encode()
            return self.status, "application/json", answer
        if path == "/storefront/abc.js":
            built = (DIST / "loader.js").read_text()
            return 200, script, f"{{const ENCORE={json.dumps(SETTINGS)};{built}}}".encode()
        if "/apps/encore/v1/" in path:
            what = path.rpartition("/")[2]
            self.questions.append((what, parse_qs(query)))
            return (
                (200 if what in self.answers else 404),
                "application/json",
                json.dumps(self.answers.get(what)).encode(),
            )
        if path.endswith("/test.js"):
            module = path.split("/")[2]
            return (200, script, (DIST / f"{module}.js").read_bytes()) if self.panel else (404, script, b"")
        if path.endswith(".js") and path.startswith(("/products/", "/cart")):
            return 200, "application/json", json.dumps(self.cart if "/cart" in path else self.product).encode()
        if path == "/theme.js":
            assigned = "" if self.shopify is None else f"window.Shopify={json.dumps(self.shopify)}"
            return 200, script, assigned.encode()
        if path == "/theme.css":
            return 200, style, self.css.encode()
        if path == "/icon.svg":
            return 200, "image/svg+xml", b'<svg xmlns="http://www.w3.org/2000/svg"/>'
        return 200, "text/html; charset=utf-8", self.page().encode()


@contextmanager
def serve() -> Iterator[StubShop]:
    """Runs a stub shop on a free port of this machine until the block ends."""
    shop = StubShop()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            shop.paths.append(parts.path)
            status, content_type, body = shop.body(parts.path, parts.query)
            tag = f'"{zlib.crc32(body)}"'
            if self.headers["If-None-Match"] == tag:
                status, body = 304, b""
                shop.unchanged += 1
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Security-Policy", STRICT_CSP)
            self.send_header("Cache-Control", "no-store")
            self.send_header("ETag", tag)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(BrokenPipeError):  # a browser that gave up waiting, as the slow-answer tests want
                self.wfile.write(body)

        def do_POST(self) -> None:
            shop.told.append(urlsplit(self.path).path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    shop.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield shop
    finally:
        server.shutdown()
        server.server_close()
