"""A customer with particulars like nobody else's, told of through real deliveries, with orders, points and traces."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from retention_app import clock
from retention_app.models import Customer, PrivacyExport, PrivacyRequest, Shop, WebhookDelivery
from retention_app.tenancy import shop_scope
from tests.loyalty.ground import publish
from tests.platform.conftest import Answer, Call, Platform, data, platform
from tests.platform.nodes import bag, customer_node, line_node, order_node, refund_line, refund_node

__all__ = ["platform"]  # the fixture

CUSTOMER = 8101000000001
OTHER = 8101000000002
EMAIL = "zebulonia.quaxby@mail.example"
PHONE = "+4930555017788"
PARTICULARS = {
    "e-mail": "zebulonia.quaxby@mail.example",
    "e-mail, first part": "zebulonia.quaxby",
    "first name": "Zebulonia",
    "last name": "Quaxby",
    "address": "Wunderlichgasse 77b",
    "phone": "4930555017788",
    "phone, as written": "30 5550 17788",
    "customer id": str(CUSTOMER),
}

_numbers = itertools.count(1)


def person(**fields: Any) -> dict[str, Any]:
    """The customer as webhooks tell of them, with more than we keep."""
    return {
        "id": CUSTOMER,
        "admin_graphql_api_id": f"gid://shopify/Customer/{CUSTOMER}",
        "email": EMAIL,
        "phone": PHONE,
        "first_name": "Zebulonia",
        "last_name": "Quaxby",
        "addresses": [{"address1": "Wunderlichgasse 77b", "phone": "+49 30 5550 17788"}],
        **fields,
    }


def deliver(topic: str, body: Any, shop_domain: str = "alpha.myshopify.com", **fields: Any) -> WebhookDelivery:
    """A delivery as the intake stores it."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    now = clock.now()
    columns = {
        "webhook_id": f"privacy-{next(_numbers)}",
        "topic": topic,
        "shop_domain": shop_domain,
        "triggered_at": now.isoformat(),
        "body": raw,
        "received_at": now,
        "due_at": now,
        **fields,
    }
    return WebhookDelivery.objects.create(**columns)


def asks(topic: str, shop: Shop, **fields: Any) -> dict[str, Any]:
    """A compliance body of this shop."""
    body: dict[str, Any] = {"shop_id": shop.shopify_id, "shop_domain": shop.domain}
    if topic != "shop/redact":
        body["customer"] = {"id": CUSTOMER, "email": EMAIL, "phone": PHONE}
    if topic == "customers/data_request":
        body |= {"orders_requested": [6001], "data_request": {"id": 9999}}
    return {**body, **fields}


class Store:
    """The platform as far as these tests need it: it answers nodes by id."""

    def __init__(self, platform: Platform) -> None:
        self.nodes: dict[str, Any] = {}
        platform.answer = self.answer

    def add(self, *nodes: dict[str, Any]) -> None:
        self.nodes |= {node["id"]: node for node in nodes}

    def answer(self, call: Call) -> Answer:
        return data(nodes=[self.nodes.get(id_) for id_ in call.body["variables"]["ids"]])


def the_customer(number: int = CUSTOMER) -> dict[str, Any]:
    return customer_node(
        number,
        firstName="Zebulonia",
        lastName="Quaxby",
        defaultEmailAddress={"emailAddress": EMAIL},
    )


def an_order(number: int, customer: int = CUSTOMER, **fields: Any) -> dict[str, Any]:
    line = line_node(number * 10, "50.00")
    whose = {"id": f"gid://shopify/Customer/{customer}"}
    return order_node(number, line, total="50.00", customer=whose, currencyCode="USD", **fields)


@pytest.fixture
def store(alpha: Shop, platform: Platform) -> Store:
    store = Store(platform)
    refunded = {
        "totalRefundedSet": bag("50.00"),
        "refunds": [refund_node(9001, "50.00", refund_line(60020, "50.00"))],
    }
    store.add(the_customer(), an_order(6001), an_order(6002, **refunded))
    store.add(customer_node(OTHER, firstName="Otto", lastName="Other"), an_order(6003, OTHER))
    return store


@pytest.fixture
def told(alpha: Shop, store: Store, work_off: Callable[[], None]) -> Shop:
    """Our shop with a programme, the customer and somebody else, as live deliveries brought them."""
    with shop_scope(alpha.id):
        publish(alpha)
    deliver("customers/create", person())
    for number in (6001, 6002):
        deliver("orders/paid", {"id": number, "email": EMAIL, "customer": person(), "note": "Wunderlichgasse 77b"})
    deliver("orders/paid", {"id": 6003, "customer": {"id": OTHER}})
    work_off()
    return alpha


@pytest.fixture
def ask(work_off: Callable[[], None]) -> Callable[..., PrivacyRequest]:
    """`ask(topic, shop)`: deliver a compliance topic and let the worker do it."""

    def asked(topic: str, shop: Shop, **fields: Any) -> PrivacyRequest:
        delivery = deliver(topic, asks(topic, shop, **fields), shop.domain)
        work_off()
        return PrivacyRequest.objects.get(key=delivery.webhook_id)

    return asked


def dump() -> str:
    """Every value of every row of every table as text, encrypted ones as they are read."""
    texts: list[str] = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            for shop_id in Shop.objects.values_list("id", flat=True):  # row-level security shows one shop's rows
                with shop_scope(shop_id):
                    cursor.execute(f'SELECT * FROM "{table}"')
                    texts += [_text(value) for row in cursor.fetchall() for value in row]
    for shop_id in Shop.objects.values_list("id", flat=True):
        with shop_scope(shop_id):
            texts += PrivacyExport.objects.values_list("content", flat=True)
    return "\n".join(texts)


def _text(value: Any) -> str:
    return bytes(value).decode(errors="replace") if isinstance(value, bytes | memoryview) else str(value)


def found() -> set[str]:
    """The customer's particulars that some table still has."""
    everything = dump()
    return {name for name, text in PARTICULARS.items() if text.lower() in everything.lower()}


def the_row() -> Customer:
    """The one customer who isn't OTHER."""
    return Customer.objects.exclude(shopify_id=OTHER).get()
