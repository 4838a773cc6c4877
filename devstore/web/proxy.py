"""The app proxy: `/apps/encore/…` in the store is answered by the app, asked with a signature over who is logged in."""

import hashlib
import hmac
import html
import time
from collections.abc import Iterable
from typing import cast
from urllib.parse import parse_qsl, urlencode

import httpx
from liquid.exceptions import LiquidError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from devstore import liquidity
from devstore.config import AppSettings
from devstore.shops import Shop
from devstore.web import blocks, theme
from devstore.web.visit import Visit

LIQUID = liquidity.environment({}, {}, "")
TIMEOUT = httpx.Timeout(10.0, connect=2.0)
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
# Headers that belong to one connection, or that a visitor's browser and the app must not exchange through the shop.
NOT_SENT = frozenset({"host", "cookie", "content-length", "connection", "transfer-encoding", "accept-encoding"})
NOT_RETURNED = frozenset({"set-cookie", "content-length", "connection", "transfer-encoding", "content-encoding"})


def signature(parameters: Iterable[tuple[str, str]], secret: str) -> str:
    """Shopify's app proxy signature: values of one name joined with `,`, names sorted, `name=value` without a
    separator, HMAC-SHA256 with the app's secret, in hex."""
    joined: dict[str, list[str]] = {}
    for name, value in parameters:
        joined.setdefault(name, []).append(value)
    message = "".join(f"{name}={','.join(values)}" for name, values in sorted(joined.items()))
    return hmac.new(secret.encode(), message.encode(), hashlib.sha256).hexdigest()


def signed_query(query: str, own: dict[str, str], secret: str) -> str:
    """The visitor's query with the shop's own parameters and their signature behind it. A visitor's `signature` is
    dropped; any other parameter they send stays, also one named like the shop's own: the app must refuse the pair."""
    given = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name != "signature"]
    parameters = [*given, *own.items()]
    return urlencode([*parameters, ("signature", signature(parameters, secret))])


def _visit(request: Request) -> Visit:
    return Visit(request, FormData(), b"")


def _nothing_here(request: Request) -> Response:
    return theme.not_found(_visit(request))


def _app_is_down(request: Request) -> Response:
    visit = _visit(request)
    heading = visit.text("The app does not answer")
    return theme.show(visit, "message.html", 502, heading=heading, text=visit.text("Try again in a moment."))


def _in_theme(request: Request, source: str, status: int) -> Response:
    """The app's Liquid, rendered with what the theme's own templates see. What goes wrong in it is said there."""
    visit = _visit(request)
    visit.choose_language()
    objects = blocks.objects_of(visit, "page", theme.customer_of(visit), None)
    try:
        body = LIQUID.from_string(source).render(**objects)
    except LiquidError as error:
        body = f"Liquid error: {html.escape(str(error.message))}"
    response = theme.show(visit, "app_page.html", status, body=body)
    visit.keep_session(response)
    return response


async def forward(request: Request) -> Response:
    """Ask the app and pass its answer on: `application/liquid` inside the theme, anything else as it is."""
    shop = cast(Shop, request.state.shop)
    app: AppSettings = shop.store.app
    prefix = f"/{app.proxy_prefix}/{app.proxy_subpath}"
    path = request.scope["raw_path"].decode("ascii")
    if not shop.installed or not f"{path}/".startswith(f"{prefix}/"):
        return await run_in_threadpool(_nothing_here, request)
    own = {
        "shop": shop.domain,
        "logged_in_customer_id": str(_visit(request).session.get("customer", "")),
        "path_prefix": prefix,
        "timestamp": str(int(time.time())),
    }
    url = f"{app.proxy_url}{path.removeprefix(prefix)}?" + signed_query(
        request.url.query, own, shop.store.config.api_secret
    )
    client = cast(httpx.AsyncClient, request.app.state.client)
    headers = {name: value for name, value in request.headers.items() if name not in NOT_SENT}
    try:
        answer = await client.request(
            request.method, url, headers=headers, content=await request.body(), timeout=TIMEOUT
        )
    except httpx.HTTPError:
        return await run_in_threadpool(_app_is_down, request)
    if answer.headers.get("content-type", "").startswith("application/liquid"):
        return await run_in_threadpool(_in_theme, request, answer.text, answer.status_code)
    kept = {name: value for name, value in answer.headers.items() if name not in NOT_RETURNED}
    return Response(answer.content, answer.status_code, kept)


ROUTES = [
    Route("/apps/{subpath}", forward, methods=METHODS),
    Route("/apps/{subpath}/{rest:path}", forward, methods=METHODS),
]
