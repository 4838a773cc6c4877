"""Every webhook topic: twice, in any order, broken, and from shops that are others', gone or never were here."""

from __future__ import annotations

import contextvars
import json
import random
from typing import Any

import pytest

from retention_app import intake
from retention_app.models import Customer, Order, PrivacyRequest, Product, Shop, ShopToken, WebhookDelivery
from retention_app.shopify.topics import TOPIC_HANDLERS
from retention_app.tenancy import shop_scope
from tests.platform.conftest import Answer, Call, Platform, Store, data, delivery
from tests.platform.nodes import CLASSIC_ACCOUNTS, customer_node, line_node, order_node, product_node
from tests.workers import work_off

LAST = intake.READS_OF_MISSING
ALPHA_ID = 548380009 + len("alpha")

BODIES: dict[str, Any] = {
    "orders/create": {"id": 6001},
    "orders/updated": {"id": 6001, "updated_at": "2026-11-21T10:00:00Z"},
    "orders/paid": {"id": 6001},
    "orders/edited": {"order_edit": {"id": 5, "order_id": 6001}},
    "orders/cancelled": {"id": 6001},
    "orders/delete": {"id": 6009},
    "refunds/create": {"id": 9301, "order_id": 6001},
    "customers/create": {"id": 8101},
    "customers/update": {"id": 8101},
    "customers/delete": {"id": 8109},
    "customers/merge": {
        "admin_graphql_api_customer_kept_id": "gid://shopify/Customer/8101",
        "admin_graphql_api_customer_deleted_id": "gid://shopify/Customer/8102",
        "status": "completed",
    },
    "customers_email_marketing_consent/update": {"customer_id": 8101},
    "products/create": {"id": 7001},
    "products/update": {"id": 7001},
    "products/delete": {"id": 7009},
    "themes/publish": {"id": 828155753, "name": "Comfort", "role": "main"},
    "bulk_operations/finish": {"admin_graphql_api_id": "gid://shopify/BulkOperation/1"},
    "app/uninstalled": {"id": ALPHA_ID, "myshopify_domain": "alpha.myshopify.com"},
    "app/scopes_update": {"shop_id": f"gid://shopify/Shop/{ALPHA_ID}", "current": []},
    "shop/update": {"id": ALPHA_ID, "myshopify_domain": "alpha.myshopify.com"},
    "customer_account_settings/update": {"customer_accounts_version": "classic"},
    "customers/data_request": {
        "shop_id": ALPHA_ID,
        "shop_domain": "alpha.myshopify.com",
        "customer": {"id": 8101},
        "data_request": {"id": 1},
    },
    "customers/redact": {
        "shop_id": ALPHA_ID,
        "shop_domain": "alpha.myshopify.com",
        "customer": {"id": 8109},
        "orders_to_redact": [],
    },
    "shop/redact": {"shop_id": ALPHA_ID, "shop_domain": "alpha.myshopify.com"},
}
COMPLIANCE = {"customers/data_request", "customers/redact", "shop/redact"}
RESOURCES = sorted(set(TOPIC_HANDLERS) - COMPLIANCE - {"app/uninstalled", "bulk_operations/finish"})


@pytest.fixture
def world(alpha: Shop, platform: Platform) -> Platform:
    """A platform that has a customer, an order, a product and a shop, and nobody who was merged away."""
    store = Store(platform)
    store.add(customer_node(8101), product_node(7001), order_node(6001, line_node(1, "40.90")))

    with shop_scope(alpha.id):
        granted = ShopToken.objects.get().scope.split(",")

    def answer(call: Call) -> Answer:
        if call.operation == "ShopInfo":
            shop = {"id": f"gid://shopify/Shop/{ALPHA_ID}", "name": "Alpha", "myshopifyDomain": "alpha.myshopify.com"}
            return data(shop={**shop, "currencyCode": "USD", "ianaTimezone": "UTC", **CLASSIC_ACCOUNTS})
        if call.operation == "GrantedScopes":
            return data(currentAppInstallation={"accessScopes": [{"handle": scope} for scope in granted]})
        return store.answer(call)

    platform.answer = answer
    return platform


def tell(topic: str, body: Any, *, shop: str = "alpha", **fields: Any) -> WebhookDelivery:
    return delivery(topic, body, shop_domain=f"{shop}.myshopify.com", **{"attempts": LAST, **fields})


def of(name: str, shopify_id: int, topic: str) -> bytes:
    """The topic's body as another shop's."""
    text = json.dumps(BODIES[topic])
    return text.replace("alpha.", f"{name}.").replace(str(ALPHA_ID), str(shopify_id)).encode()


def run() -> None:
    """The workers, whatever scope the test is in."""
    contextvars.Context().run(work_off)


def rows(shop: Shop) -> Any:
    """What the mirror says, without our own ids and the times we read."""
    with shop_scope(shop.id):
        return (
            sorted(Customer.objects.values_list("shopify_id", "first_name", "email", "orders_count", "merged_into")),
            sorted(Order.objects.values_list("shopify_id", "customer__shopify_id", "total_minor", "cancelled_at")),
            sorted(Product.objects.values_list("shopify_id", "title")),
        )


def test_there_is_a_body_for_every_topic() -> None:
    assert set(BODIES) == set(TOPIC_HANDLERS)


@pytest.mark.parametrize("topic", sorted(TOPIC_HANDLERS))
def test_told_twice_is_told_once(alpha: Shop, world: Platform, topic: str) -> None:
    tell(topic, BODIES[topic])
    run()
    once = (rows(alpha), PrivacyRequest.objects.count(), Shop.objects.get(id=alpha.id).state)
    tell(topic, BODIES[topic])
    run()
    requests = PrivacyRequest.objects.count()  # a new delivery's request is a new one, a repeated delivery's is not
    assert (rows(alpha), min(requests, once[1]), Shop.objects.get(id=alpha.id).state) == once
    assert set(WebhookDelivery.objects.values_list("state", flat=True)) <= {"done"}


@pytest.mark.parametrize("seed", range(5))
def test_in_any_order_the_end_is_the_same(alpha: Shop, world: Platform, seed: int) -> None:
    ends = []
    for number in (seed, seed + 100):
        topics = [*RESOURCES, *RESOURCES]
        random.Random(number).shuffle(topics)
        for topic in topics:
            tell(topic, BODIES[topic])
            if random.Random(f"{number}{topic}").random() < 0.3:
                run()
        run()
        ends.append(rows(alpha))
    assert ends[0] == ends[1]
    assert not WebhookDelivery.objects.exclude(state="done").exists()


BROKEN: dict[str, Any] = {
    "no JSON": b"{",
    "nothing": b"",
    "invalid UTF-8": b'{"id": "\xff\xfe"}',
    "a list": [1],
    "a number": 7,
    "empty": {},
    "an id in words": {"id": "x", "order_id": "x", "customer_id": "x", "shop_id": "x", "customer": "x"},
    "deep": b'{"id":' * 2000 + b"1" + b"}" * 2000,
    "NUL": b'{"id": "\x00"}',
}


@pytest.mark.parametrize("topic", sorted(TOPIC_HANDLERS))
@pytest.mark.parametrize("body", BROKEN)
def test_a_broken_body_is_put_aside_and_changes_nothing(alpha: Shop, world: Platform, topic: str, body: str) -> None:
    before = rows(alpha)
    tell(topic, BROKEN[body])
    run()
    assert WebhookDelivery.objects.get().state == "dead"
    assert WebhookDelivery.objects.get().error_class
    assert rows(alpha) == before
    assert not PrivacyRequest.objects.exists()
    assert Shop.objects.get(id=alpha.id).state == "installed"


@pytest.mark.parametrize("topic", sorted(TOPIC_HANDLERS))
def test_from_a_shop_that_never_was_here_nothing_happens(alpha: Shop, world: Platform, topic: str) -> None:
    tell(topic, of("nobody", 77, topic), shop="nobody")
    run()
    assert WebhookDelivery.objects.get().state == "dead"
    assert world.calls == []
    assert rows(alpha) == ([], [], [])


@pytest.mark.parametrize("topic", sorted(TOPIC_HANDLERS))
def test_from_a_shop_that_uninstalled_only_compliance_is_heard(gone: Shop, world: Platform, topic: str) -> None:
    assert gone.shopify_id is not None
    tell(topic, of("gone", gone.shopify_id, topic), shop="gone")
    run()
    assert WebhookDelivery.objects.filter(state="dead").count() == 0
    assert world.calls == []
    assert PrivacyRequest.objects.count() == (topic in COMPLIANCE)
    assert rows(gone) == ([], [], [])


@pytest.mark.parametrize("topic", sorted(TOPIC_HANDLERS))
def test_a_body_of_one_shop_under_anothers_name_changes_nothing_there(
    alpha: Shop, beta: Shop, world: Platform, topic: str
) -> None:
    """The shop header isn't signed: a captured delivery can be sent again with any. Where the body names its shop it is
    refused; where it doesn't, the other shop's own platform is asked, which knows nothing of it."""
    nothing = Store(world)
    with shop_scope(beta.id):
        ShopToken.objects.update(access_token="shpat_beta")

    def answer(call: Call) -> Answer:
        assert call.headers.get("X-Shopify-Access-Token") == "shpat_beta"
        return nothing.answer(call)

    world.answer = answer
    tell(topic, BODIES[topic], shop="beta")
    run()
    assert rows(beta) == rows(alpha) == ([], [], [])
    assert not PrivacyRequest.objects.exists()
    assert set(Shop.objects.values_list("state", flat=True)) == {"installed"}
