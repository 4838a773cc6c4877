"""A tiered shop with customers 1 and 2, orders that earned, and programs that hold keys to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from retention_app.api.keys import api_key_create
from retention_app.api.scopes import scopes
from retention_app.models import ApiKey, Shop
from retention_app.tenancy import shop_scope
from tests.loyalty.conftest import Tiered, tiered
from tests.loyalty.ground import bring, mirrored
from tests.orders import order_row

__all__ = ["tiered"]  # the fixture

V1 = "/api/v1"


class Program:
    """A merchant's program with a key. Answers must be JSON; what they say is `said`."""

    def __init__(self, shop: Shop, *scopes: str) -> None:
        with shop_scope(shop.id):
            self.key, self.token = api_key_create(shop=shop, name="ERP", scopes=scopes, actor="42")
        self.headers = {"Authorization": f"Bearer {self.token}"}

    def get(self, path: str, query: dict[str, Any] | None = None, **headers: str) -> Any:
        return Client(headers=self.headers | headers).get(V1 + path, query or {})

    def post(self, path: str, body: Any, idempotency_key: str = "one", **headers: str) -> Any:
        sent = body if isinstance(body, (bytes, str)) else json.dumps(body)
        more = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return Client(headers=self.headers | more | headers).post(V1 + path, sent, content_type="application/json")

    def all(self, path: str, **query: Any) -> list[Any]:
        """Every item of a list, page by page."""
        items, cursor = [], {}
        while True:
            said = self.get(path, {**query, **cursor}).json()
            items += said["items"]
            if said["next_cursor"] is None:
                return items
            cursor = {"cursor": said["next_cursor"]}


@pytest.fixture(autouse=True)
def nobody_asked_yet() -> None:
    cache.clear()


@pytest.fixture
def key_to() -> Callable[..., Program]:
    """`key_to(shop, *scopes)`: a program with a new key; with every scope when none is named."""

    def made(shop: Shop, *codes: str) -> Program:
        return Program(shop, *(codes or [scope.code for scope in scopes()]))

    return made


@pytest.fixture
def program(tiered: Tiered, key_to: Callable[..., Program]) -> Program:
    """May do everything in our shop, where customer 1 has two orders and customer 2 none."""
    mirrored(order_row(5, net_minor=5000), order_row(6, net_minor=3000))
    bring(1, 2)
    return key_to(tiered.shop)


def key_of(program: Program) -> ApiKey:
    """The key as it is now."""
    with shop_scope(program.key.shop_id):
        return ApiKey.objects.get(id=program.key.id)
