"""Visits of the storefront as the app proxy signs them, and the session asked for in this process."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from typing import Any

import orjson
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.utils.http import urlencode

from loyalty.session.application import SessionReceiver
from loyalty.session.statement import statement
from retention_app import clock
from retention_app.models import Shop
from retention_app.receiving.shop_reader import ShopReader
from tests.deliveries import Answer, ask

SESSION = "/proxy/v1/session"


def signed(shop: Shop, logged_in: int | None = None, /, secret: str | None = None, **browser: Any) -> dict[str, str]:
    """The parameters: the platform signs shop and customer, the browser adds what it likes."""
    given = {
        **browser,
        "shop": shop.domain,
        "logged_in_customer_id": str(logged_in or ""),
        "path_prefix": "/apps/encore",
        "timestamp": str(int(clock.system_now().timestamp())),
    }
    message = "".join(f"{name}={given[name]}" for name in sorted(given))
    key = (secret or settings.SHOPIFY_API_SECRET).encode()
    return {**given, "signature": hmac.new(key, message.encode(), "sha256").hexdigest()}


def receiver() -> SessionReceiver:
    """One that reads on the test's own connection, and so sees what the test hasn't committed."""
    here = connections[DEFAULT_DB_ALIAS]
    return SessionReceiver(ShopReader(statement, connect=lambda: here))


def ask_session(
    query: Mapping[str, str] | str,
    application: Any = None,
    headers: Mapping[str, str] | list[tuple[bytes, bytes]] = (),  # type: ignore[assignment]
    method: str = "GET",
) -> Answer:
    """What a receiver, a new one if none is given, answers to this query."""
    text = query if isinstance(query, str) else urlencode(query)
    answer = asyncio.run(ask(application or receiver(), method=method, path=SESSION, query=text, headers=headers))
    assert answer is not None
    if connection.vendor == "postgresql":
        connection._announced = -1  # the read told the transaction another scope
    return answer


def session_of(shop: Shop, logged_in: int | None = None, **browser: Any) -> Any:
    """What the panel reads, decoded."""
    return orjson.loads(ask_session(signed(shop, logged_in, **browser)).body)
