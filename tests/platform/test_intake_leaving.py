"""Deliveries that say something is gone or was merged: acted on once the platform says so too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from retention_app import intake
from retention_app.models import Customer, Order, Product, Shop, WebhookDelivery
from tests.platform.conftest import Platform, Store, delivery, errors, states
from tests.platform.nodes import customer_node, line_node, order_node

Apply = Callable[..., None]
LAST = intake.READS_OF_MISSING


@pytest.fixture
def filled(store: Store, apply: Apply) -> Store:
    """The mirror knows customers 8101 (with order 6001) and 8102, and a product."""
    store.add(customer_node(8102))
    apply(
        delivery("orders/create", {"id": 6001}),
        delivery("customers/create", {"id": 8102}),
        delivery("products/create", {"id": 7001}),
    )
    WebhookDelivery.objects.all().delete()
    return store


def merge_body(kept: int = 8102, deleted: int = 8101, status: str = "completed") -> dict[str, Any]:
    return {
        "admin_graphql_api_customer_kept_id": f"gid://shopify/Customer/{kept}",
        "admin_graphql_api_customer_deleted_id": f"gid://shopify/Customer/{deleted}",
        "admin_graphql_api_job_id": None,
        "status": status,
        "errors": [],
    }


def drop(store: Store, *ids: str) -> None:
    for id_ in ids:
        del store.nodes[f"gid://shopify/{id_}"]


@pytest.mark.parametrize(
    ("topic", "id_", "node"),
    [
        ("orders/delete", 6001, "Order/6001"),
        ("customers/delete", 8102, "Customer/8102"),
        ("products/delete", 7001, "Product/7001"),
    ],
)
def test_what_the_platform_has_no_more_leaves_the_mirror(
    filled: Store,
    apply: Apply,
    topic: str,
    id_: int,
    node: str,
) -> None:
    drop(filled, node)
    apply(delivery(topic, {"id": id_}), delivery(topic, {"id": id_}))
    left = {
        "orders/delete": Order.objects.count(),
        "customers/delete": Customer.objects.filter(gone_at=None, shopify_id=8102).count(),
        "products/delete": Product.objects.count(),
    }
    assert left[topic] == 0
    assert states() == ["done", "done"]


@pytest.mark.parametrize(
    ("topic", "id_"), [("orders/delete", 6001), ("customers/delete", 8101), ("products/delete", 7001)]
)
def test_what_the_platform_still_has_stays(filled: Store, apply: Apply, topic: str, id_: int) -> None:
    apply(delivery(topic, {"id": id_}))
    assert states() == ["waiting"]  # a slow copy may have answered
    apply(delivery(topic, {"id": id_}, attempts=LAST))
    assert states() == ["waiting", "done"]
    assert Order.objects.count() == Product.objects.count() == 1
    assert Customer.objects.filter(gone_at=None).count() == 2


def test_what_may_not_be_seen_is_not_gone(filled: Store, apply: Apply, platform: Platform) -> None:
    answer = errors("ACCESS_DENIED", body={"nodes": [None]}, path=["nodes", 0])
    platform.script(answer)
    apply(delivery("orders/delete", {"id": 6001}))
    assert Order.objects.count() == 1
    assert WebhookDelivery.objects.get().error_class == "AccessDenied"


def test_an_update_that_comes_after_the_deletion_brings_nothing_back(filled: Store, apply: Apply) -> None:
    drop(filled, "Order/6001")
    apply(delivery("orders/delete", {"id": 6001}))
    apply(delivery("orders/updated", {"id": 6001}, attempts=LAST))
    assert not Order.objects.exists()
    assert states() == ["done", "done"]


def test_a_merge_moves_the_orders_to_the_survivor(filled: Store, apply: Apply) -> None:
    drop(filled, "Customer/8101")
    filled.add(order_node(6001, line_node(1, "40.90"), customer={"id": "gid://shopify/Customer/8102"}))
    apply(delivery("customers/merge", merge_body()), delivery("customers/merge", merge_body()))
    assert states() == ["done", "done"]
    order = Order.objects.select_related("customer").get()
    assert order.customer is not None
    assert order.customer.shopify_id == 8102
    assert Customer.objects.get(shopify_id=8101).merged_into_id == order.customer_id


def test_a_merge_the_platform_does_not_show_yet_waits(filled: Store, apply: Apply) -> None:
    early = delivery("customers/merge", merge_body())
    apply(early)
    assert states() == ["waiting"]
    assert not Customer.objects.exclude(merged_into=None).exists()
    drop(filled, "Customer/8101")
    apply(early)
    assert states() == ["done"]
    assert Customer.objects.get(shopify_id=8101).merged_into_id is not None


def test_a_merge_into_somebody_new_brings_them_first(filled: Store, apply: Apply) -> None:
    filled.add(customer_node(8103))
    drop(filled, "Customer/8101")
    apply(delivery("customers/merge", merge_body(kept=8103)))
    assert Order.objects.get().customer == Customer.objects.get(shopify_id=8103)


def test_a_merge_into_somebody_merged_away_since_ends_at_the_survivor(filled: Store, apply: Apply) -> None:
    filled.add(customer_node(8103))
    apply(delivery("customers/create", {"id": 8103}))
    drop(filled, "Customer/8101", "Customer/8102")
    apply(delivery("customers/merge", merge_body(kept=8103, deleted=8102)))
    apply(delivery("customers/merge", merge_body(kept=8102, deleted=8101), attempts=LAST))
    assert Order.objects.get().customer == Customer.objects.get(shopify_id=8103)


@pytest.mark.parametrize(
    "body",
    [
        {**merge_body(), "admin_graphql_api_customer_kept_id": None},
        {**merge_body(), "admin_graphql_api_customer_deleted_id": "gid://shopify/Customer/x"},
        {**merge_body(), "status": None},
        {},
    ],
)
def test_a_merge_that_says_nothing_is_put_aside(filled: Store, apply: Apply, body: dict[str, Any]) -> None:
    apply(delivery("customers/merge", body))
    assert states() == ["dead"]
    assert not Customer.objects.exclude(merged_into=None).exists()


@pytest.mark.parametrize("status", ["in_progress", "failed", "requested"])
def test_a_merge_that_did_not_happen_is_no_news(filled: Store, apply: Apply, status: str) -> None:
    apply(delivery("customers/merge", merge_body(status=status)))
    assert states() == ["done"]
    assert not Customer.objects.exclude(merged_into=None).exists()


def test_consent_reads_the_customer_again(shop: Shop, store: Store, apply: Apply) -> None:
    body = {"customer_id": 8101, "email_address": "ana@example.com", "email_marketing_consent": {"state": "subscribed"}}
    apply(delivery("customers_email_marketing_consent/update", body))
    assert Customer.objects.get().shopify_id == 8101


def test_a_withheld_customer_is_not_nobody(filled: Store, apply: Apply, platform: Platform) -> None:
    """Without permission to read customers an order's customer is null, with an error that says why."""
    node = order_node(6001, line_node(1, "30.00"), customer=None, updatedAt="2026-11-21T12:00:00Z")
    platform.script(errors("ACCESS_DENIED", body={"nodes": [node]}, path=["nodes", 0, "customer"]))
    apply(delivery("orders/updated", {"id": 6001}))
    order = Order.objects.select_related("customer").get()
    assert order.customer is not None
    assert (order.customer.shopify_id, order.updated_at.hour) == (8101, 12)  # written, and still theirs


def test_a_customer_taken_off_an_order_leaves_it(filled: Store, apply: Apply) -> None:
    filled.add(order_node(6001, line_node(1, "40.90"), customer=None, updatedAt="2026-11-21T12:00:00Z"))
    apply(delivery("orders/updated", {"id": 6001}))
    assert Order.objects.get().customer is None
