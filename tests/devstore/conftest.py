"""A devstore in this process, with a fake app on the other side of its HTTP calls."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient

from devstore.app import build
from devstore.config import Config
from devstore.shops import Shop

ROOT = Path(__file__).parents[2]
EXTENSION = Path(__file__).parent / "extension"
API_KEY, API_SECRET = "key-of-the-app", "secret-of-the-app-long-enough-for-hs256"
APP_URL = "http://localhost:8000"
TOML = """
name = "Encore"
handle = "encore"
application_url = "https://encore.example/app/"

[access_scopes]
scopes = "read_customers,read_orders,read_all_orders,read_products,write_script_tags,write_discounts,read_themes"

[auth]
redirect_urls = ["https://encore.example/auth/callback"]

[webhooks]
api_version = "2026-10"

  [[webhooks.subscriptions]]
  compliance_topics = ["customers/data_request", "customers/redact", "shop/redact"]
  uri = "/webhooks/shopify"

  [[webhooks.subscriptions]]
  topics = ["themes/publish", "customer_account_settings/update"]
  uri = "/webhooks/shopify"

  [[webhooks.subscriptions]]
  topics = ["app/scopes_update", "shop/update", "customers/merge", "customers/delete", "orders/delete"]
  uri = "/webhooks/shopify"

  [[webhooks.subscriptions]]
  topics = ["orders/create", "orders/updated", "orders/paid", "orders/edited", "orders/cancelled", "refunds/create"]
  uri = "/webhooks/shopify"

  [[webhooks.subscriptions]]
  topics = ["customers/create", "customers/update", "bulk_operations/finish", "app/uninstalled"]
  uri = "https://encore.example/webhooks/shopify"

  [[webhooks.subscriptions]]
  topics = ["orders/fulfilled", "fulfillments/create", "collections/create", "collections/update"]
  uri = "/webhooks/shopify"

  [[webhooks.subscriptions]]
  topics = ["products/update"]
  uri = "/webhooks/shopify"
  include_fields = ["id", "admin_graphql_api_id", "updated_at"]

[app_proxy]
url = "https://encore.example/proxy"
prefix = "apps"
subpath = "encore"
"""
ORDERS = """customer,order,processed_at,sku,title,quantity,amount,currency
1,A-1,2026-01-05T10:00:00Z,BEANS,Beans,2,40.00,EUR
2,A-2,2026-01-06,MUG,Mug,1,12.50,EUR
1,A-3,2026-02-01,BEANS,Beans,3,10.00,EUR
1,A-1,2026-01-05T10:00:00Z,MUG,Mug,1,12.50,EUR
,A-4,2026-03-01,MUG,Mug,1,12.50,EUR
"""


@dataclass
class FakeApp:
    """Answers 200 to everything and remembers it; `status` and `pause` change what the next requests get and when."""

    status: int = 200
    pause: float = 0
    requests: list[tuple[Request, bytes]] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        self.requests.append((request, await request.body()))
        await asyncio.sleep(self.pause)
        await Response(status_code=self.status)(scope, receive, send)

    def webhooks(self, topic: str | None = None) -> list[tuple[Request, Any]]:
        """Deliveries with their parsed bodies, in the order they came."""
        return [
            (request, orjson.loads(body))
            for request, body in self.requests
            if request.url.path == "/webhooks/shopify" and topic in (None, request.headers["x-shopify-topic"])
        ]


@dataclass
class Devstore:
    """Devstore under test: its HTTP surface (`http`), its shop, and the app it talks to."""

    http: TestClient
    shop: Shop
    app: FakeApp

    def post(self, path: str, **body: Any) -> Any:
        answer = self.http.post(f"/devstore/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def place(self, *lines: dict[str, Any], **more: Any) -> Any:
        return self.post("orders", lines=list(lines) or [{"title": "Beans", "price": "20.00", "quantity": 1}], **more)

    def refused(self, path: str, **body: Any) -> str:
        """The reason for which devstore does not do it."""
        answer = self.http.post(f"/devstore/{path}", json=body)
        assert answer.status_code == 422, answer.text
        return str(answer.json()["error"])

    def get(self, path: str, **query: Any) -> Any:
        answer = self.http.get(f"/devstore/{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def log(self, kind: str) -> list[Any]:
        return list(self.get("log", kind=kind)["entries"])

    def flush(self) -> Any:
        return self.post("webhooks/flush")

    def exchange(self, **changes: Any) -> httpx.Response:
        form = {
            "client_id": API_KEY,
            "client_secret": API_SECRET,
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": self.http.get("/devstore/id-token").json()["id_token"],
            "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
            "requested_token_type": "urn:shopify:params:oauth:token-type:offline-access-token",
            "expiring": "1",
        }
        return self.http.post("/admin/oauth/access_token", json=form | changes)

    def refresh(self, refresh_token: str) -> httpx.Response:
        form = {"client_id": API_KEY, "client_secret": API_SECRET, "grant_type": "refresh_token"}
        return self.http.post("/admin/oauth/access_token", data=form | {"refresh_token": refresh_token})

    def call(
        self, query: str, variables: Any = None, *, token: str, version: str = "2026-10", **headers: str
    ) -> httpx.Response:
        return self.http.post(
            f"/admin/api/{version}/graphql.json",
            json={"query": query, "variables": variables or {}},
            headers={"X-Shopify-Access-Token": token, **headers},
        )

    def token(self) -> str:
        return str(self.exchange().json()["access_token"])

    def query(self, query: str, variables: Any = None) -> Any:
        """The `data` of a query that works."""
        body = self.call(query, variables, token=self.token()).json()
        assert "errors" not in body, body["errors"]
        return body["data"]


Start = Callable[..., Devstore]


@pytest.fixture(scope="session")
def schema_file() -> Path:
    return ROOT / "var/schema/admin_2026-10.json.gz"


@pytest.fixture
def start(tmp_path: Path, schema_file: Path) -> Iterator[Start]:
    """Start a devstore: `start(scenario="csv", orders=<text of the file>, install=True)`."""
    clients: list[TestClient] = []

    def starter(
        scenario: str = "csv",
        orders: str = ORDERS,
        *,
        install: bool = True,
        state: str = "state",
        extension: Path | None = EXTENSION,
    ) -> Devstore:
        (tmp_path / "app.toml").write_text(TOML)
        (tmp_path / "orders.csv").write_text(orders)
        config = Config(
            state_dir=tmp_path / state,
            scenario=scenario,
            public_url="http://127.0.0.1:8700",
            app_url=APP_URL,
            app_toml=tmp_path / "app.toml",
            schema=schema_file,
            api_key=API_KEY,
            api_secret=API_SECRET,
            data_dir=ROOT / "var/data",
            scenario_file=tmp_path / "orders.csv",
            extension=extension,
        )
        fake = FakeApp()
        application = build(config, httpx.ASGITransport(app=fake))
        shop = application.state.store.default_shop
        client = TestClient(application, base_url=f"https://{shop.domain}")
        client.__enter__()
        clients.append(client)
        devstore = Devstore(client, shop, fake)
        if install:
            devstore.post("install")
            fake.requests.clear()
        return devstore

    yield starter
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture
def devstore(start: Start) -> Devstore:
    return start()
