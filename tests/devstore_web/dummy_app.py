"""A tiny embedded app: enough pages to see what devstore's admin, App Bridge stand-in and app proxy do with one."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{path} page</title>
<meta name="shopify-api-key" content="client-id"><script src="{devstore}/devstore/app-bridge.js"></script>
<script src="/page.js" defer></script></head>
<body>
<s-app-nav>
<a href="/app/" rel="home">Home</a><a href="/app/customers/">Customers</a><a href="/app/settings/">Settings</a>
</s-app-nav>
<ui-title-bar title="{path}"><button variant="primary" id="primary">Review</button></ui-title-bar>
<main><h1>{path}</h1>
<form data-save-bar data-discard-confirmation><label>Points <input name="points" value="1"></label></form>
<a href="/app/plain/">A plain link</a></main>
</body></html>"""

SCRIPT = """
const heading = document.querySelector('h1');
const bar = document.querySelector('ui-title-bar');
const show = () => { heading.textContent = location.pathname; bar.setAttribute('title', location.pathname); };
document.addEventListener('click', (event) => {
  const link = event.target.closest('s-app-nav a');
  if (!link) return;
  event.preventDefault();
  history.pushState(null, '', link.href);
  show();
});
window.addEventListener('popstate', show);
document.querySelector('#primary').addEventListener('click', () => { heading.textContent = 'Reviewed'; });
document.querySelector('form').addEventListener('submit', (event) => {
  event.preventDefault();
  shopify.toast.show('Draft saved');
});
"""


class DummyApp:
    """Runs on `localhost`; `seen` holds what `/api` and `/proxy/…` were asked."""

    def __init__(self, port: int, devstore: str) -> None:
        self.port, self.devstore = port, devstore
        self.url = f"http://localhost:{port}"
        self.seen: list[dict[str, Any]] = []
        self.proxy_type = "application/json"
        self.proxy_body = '{"hello": "there"}'
        self.routes = [
            Route("/page.js", lambda request: Response(SCRIPT, media_type="text/javascript")),
            Route("/script.js", lambda request: Response("window.encoreLoaded = true;", media_type="text/javascript")),
            Route("/auth/patch-id-token", self.patch_page),
            Route("/app", self.page),
            Route("/app/{path:path}", self.page),
            Route("/api", self.api, methods=["GET", "POST"]),
            Route("/proxy/{path:path}", self.proxy, methods=["GET", "POST"]),
            Route("/webhooks/shopify", lambda request: Response(), methods=["POST"]),
        ]

    @contextlib.contextmanager
    def running(self) -> Iterator[DummyApp]:
        config = uvicorn.Config(Starlette(routes=self.routes), host="localhost", port=self.port, log_level="warning")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.02)
        yield self
        server.should_exit = True
        thread.join(5)

    def _html(self, text: str) -> Response:
        policy = (
            f"default-src 'self'; script-src 'self' {self.devstore}; style-src 'self'; frame-ancestors {self.devstore}"
        )
        return HTMLResponse(text, headers={"Content-Security-Policy": policy})

    def page(self, request: Request) -> Response:
        path = request.url.path
        if "plain" in path and "id_token" not in request.query_params:
            return RedirectResponse(f"/auth/patch-id-token?shopify-reload={quote(str(request.url), safe='')}")
        return self._html(PAGE.format(path=path, devstore=self.devstore))

    def patch_page(self, request: Request) -> Response:
        return self._html(f'<script data-api-key="client-id" src="{self.devstore}/devstore/app-bridge.js"></script>')

    async def _note(self, request: Request) -> dict[str, Any]:
        body = (await request.body()).decode()
        call = {
            "method": request.method,
            "path": request.url.path,
            "query": request.url.query,
            "headers": dict(request.headers),
            "body": body,
        }
        self.seen.append(call)
        return call

    async def api(self, request: Request) -> Response:
        """401 with the retry header for the first `refuse` calls of a test, then what arrived."""
        call = await self._note(request)
        if len(self.seen) <= int(request.query_params.get("refuse", 0)):
            return JSONResponse({}, 401, {"X-Shopify-Retry-Invalid-Session-Request": "1"})
        return JSONResponse({"authorization": call["headers"].get("authorization", ""), "body": call["body"]})

    async def proxy(self, request: Request) -> Response:
        await self._note(request)
        headers = {"Set-Cookie": "tracking=1", "Cache-Control": "private, no-store"}
        return Response(self.proxy_body, headers=headers, media_type=self.proxy_type)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
