"""The ASGI application: which shop a request is for, and the routes of platform, control and people's pages."""

import asyncio
import contextlib
import importlib.util
from collections.abc import AsyncIterator

import httpx
import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from devstore import bulk, compliance, control, knobs, platform, scenarios, themes
from devstore.config import Config
from devstore.graphql import schema
from devstore.graphql.api import AdminApi
from devstore.shops import DOMAIN, SHOP_COOKIE, Shop, Store
from devstore.webhooks import Courier


class ShopOfRequest:
    """Puts the shop that a request is for into `request.state.shop` and applies the knobs that the request brings in
    `X-Devstore-Knobs`."""

    def __init__(self, app: ASGIApp, store: Store) -> None:
        self.app = app
        self.store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        shop = self.shop_of(request)
        if shop is None:
            await PlainTextResponse("There is no such shop.", 404)(scope, receive, send)
            return
        scope.setdefault("state", {})["shop"] = shop
        try:
            changes = orjson.loads(request.headers.get("x-devstore-knobs", "{}"))
            shop.knobs.turned(changes)
        except (ValueError, TypeError) as error:
            await JSONResponse({"error": f"X-Devstore-Knobs: {error}"}, 400)(scope, receive, send)
            return
        token = knobs.for_this_request.set(changes or None)
        try:
            await self.app(scope, receive, send)
        finally:
            knobs.for_this_request.reset(token)

    def shop_of(self, request: Request) -> Shop | None:
        """The one whose domain is the Host. Under another host name: the one named by `?shop=`, else the one the
        person looked at last, else the scenario's. None when there is no shop of that domain or name."""
        host = request.headers.get("host", "").partition(":")[0].lower()
        if host.endswith(DOMAIN):
            return self.store.shops.get(host)
        # What visitors send to the app proxy is the app's to read.
        if "shop" in request.query_params and not request.url.path.startswith("/apps/"):
            return self.store.shop_named(request.query_params["shop"])
        return self.store.shop_named(request.cookies.get(SHOP_COOKIE, "")) or self.store.default_shop


def build(config: Config, courier_transport: httpx.AsyncBaseTransport | None = None) -> Starlette:
    """The application, its scenario loaded. `courier_transport` replaces the network on the way to the app. Raises
    ExtensionError or ScenarioError."""
    store = Store(config)
    store.extension  # noqa: B018 - read now, so that a faulty one is refused at the start
    scenarios.load(store)
    for shop in store.shops.values():
        themes.prepare(shop)
    admin_schema = schema.build(config.schema)
    store.bulk = bulk.BulkRunner(store, admin_schema)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        courier = app.state.courier = Courier(store, courier_transport, [compliance.redact_shops_that_left])
        async with httpx.AsyncClient(transport=courier_transport, trust_env=False) as app.state.client:
            delivering = asyncio.create_task(courier.run())
            yield
            delivering.cancel()
            await asyncio.gather(delivering, return_exceptions=True)
        await asyncio.to_thread(store.bulk.close)

    app = Starlette(routes=[*platform.routes, *control.routes, *web_routes()], lifespan=lifespan)
    app.add_middleware(ShopOfRequest, store=store)
    app.state.store = store
    app.state.connections = ()  # those of the server, which it puts in: `platform.NoAnswer` drops one
    app.state.admin_api = AdminApi(admin_schema)
    return app


def web_routes() -> list[BaseRoute]:
    """The pages for people, where they are installed."""
    if importlib.util.find_spec("devstore.web.routes") is None:
        return []
    from devstore.web.routes import routes

    return list(routes)
