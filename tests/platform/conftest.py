"""A tiny platform over real HTTP: it answers what a test tells it to, and keeps what it was asked."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from pytest_django import Settings

from retention_app import clock, intake
from retention_app.models import Shop, WebhookDelivery
from tests.conftest import make_shop
from tests.platform.nodes import customer_node, line_node, order_node, product_node, theme_node


@dataclass
class Call:
    """A request as the platform got it."""

    path: str
    headers: dict[str, str]
    body: Any

    @property
    def operation(self) -> str:
        return str(self.body.get("operationName", self.body.get("grant_type", "")))


@dataclass
class Answer:
    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    def raw(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


Handler = Callable[[Call], Answer]


class Platform:
    """`answer` is called for each request, in the request's own thread."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.answer: Handler = lambda call: Answer({"data": {}})
        platform = self

        class Requests(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                raw = self.rfile.read(length)
                platform.serve(self, json.loads(raw) if raw else None)

            do_GET = do_POST

            def log_message(self, *args: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Requests)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def serve(self, request: BaseHTTPRequestHandler, body: Any) -> None:
        call = Call(request.path, dict(request.headers.items()), body)
        self.calls.append(call)
        answer = self.answer(call)
        raw = answer.raw()
        request.send_response(answer.status)
        for name, value in {"Content-Length": str(len(raw)), **answer.headers}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(raw)
        request.close_connection = "Connection" in answer.headers

    def script(self, *answers: Answer) -> None:
        """Answer in this order, the last one for ever."""
        left = list(answers)
        lock = threading.Lock()

        def next_answer(call: Call) -> Answer:
            with lock:
                return left.pop(0) if len(left) > 1 else left[0]

        self.answer = next_answer

    @property
    def operations(self) -> list[str]:
        return [call.operation for call in self.calls]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def platform(settings: Settings) -> Iterator[Platform]:
    server = Platform()
    settings.SHOPIFY_DEVSTORE_URL = server.url
    cache.clear()
    yield server
    server.close()


@pytest.fixture
def alpha_for_threads(transactional_db: None) -> Shop:
    """Our shop, committed, so that other threads see it."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite's in-memory database locks whole tables between threads")
    return make_shop("alpha")


def cost(requested: float = 10, available: float = 1990, rate: float = 100, maximum: float = 2000) -> dict[str, Any]:
    """The cost block of an answer."""
    status = {"maximumAvailable": maximum, "currentlyAvailable": available, "restoreRate": rate}
    return {"cost": {"requestedQueryCost": requested, "actualQueryCost": requested, "throttleStatus": status}}


def data(**fields: Any) -> Answer:
    return Answer({"data": fields, "extensions": cost()})


def errors(code: str, *, body: Any = None, path: list[Any] | None = None, **extensions: Any) -> Answer:
    error: dict[str, Any] = {"message": code.title(), "extensions": {"code": code}}
    if path is not None:
        error["path"] = path
    return Answer({"errors": [error], "data": body, "extensions": extensions or cost()})


def pair(number: int = 1, **fields: Any) -> Answer:
    """A pair of tokens; None leaves a field out."""
    body = {
        "access_token": f"shpat_{number}",
        "scope": ",".join(settings.SHOPIFY_SCOPES),
        "expires_in": 3600,
        "refresh_token": f"shprt_{number}",
        "refresh_token_expires_in": 7_776_000,
        **fields,
    }
    return Answer({name: value for name, value in body.items() if value is not None})


# --- deliveries and what the platform answers about them --------------------------------------------------------------

_numbers = itertools.count(1)


def delivery(topic: str, body: Any, **fields: Any) -> WebhookDelivery:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    now = clock.now()
    columns = {
        "webhook_id": f"wh-{next(_numbers)}",
        "topic": topic,
        "shop_domain": "alpha.myshopify.com",
        "triggered_at": now.isoformat(),
        "body": raw,
        "received_at": now,
        "due_at": now,
        "attempts": 1,
        **fields,
    }
    return WebhookDelivery.objects.create(**columns)


class Store:
    """What the platform would answer by id, and what it was asked for."""

    def __init__(self, platform: Platform) -> None:
        self.nodes: dict[str, Any] = {}
        self.asked: list[list[str]] = []
        self.theme = theme_node()
        platform.answer = self.answer

    def add(self, *nodes: dict[str, Any]) -> None:
        self.nodes |= {node["id"]: node for node in nodes}

    def answer(self, call: Call) -> Answer:
        if call.operation == "PublishedTheme":
            return data(themes={"nodes": [self.theme]})
        ids = call.body["variables"]["ids"]
        self.asked.append(ids)
        return data(nodes=[self.nodes.get(id_) for id_ in ids])


def states() -> list[str]:
    return list(WebhookDelivery.objects.order_by("id").values_list("state", flat=True))


@pytest.fixture
def store(shop: Shop, platform: Platform) -> Store:
    store = Store(platform)
    store.add(customer_node(8101), product_node(7001), order_node(6001, line_node(1, "40.90")))
    return store


@pytest.fixture
def apply(shop: Shop, store: Store) -> Callable[..., None]:
    return lambda *deliveries: intake.deliveries_apply(shop, list(deliveries))
