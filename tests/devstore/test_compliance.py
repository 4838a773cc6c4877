"""The compliance webhooks, asked for by hand, and the one that comes by itself after a shop has left."""

from typing import Any

import pytest

from tests.devstore.conftest import Devstore

DAY = 86400


def buyer(devstore: Devstore) -> dict[str, Any]:
    listed = devstore.get("customers")["customers"]
    return next(each for each in listed if each["email"] == "customer-1@csv.example")


def orders_of(devstore: Devstore, customer: dict[str, Any]) -> list[int]:
    return sorted(each["id"] for each in devstore.get("orders")["orders"] if each["customer_id"] == customer["id"])


def redactions(devstore: Devstore) -> list[Any]:
    devstore.flush()
    return [body for _, body in devstore.app.webhooks("shop/redact")]


def test_data_request_names_the_customer_and_all_their_orders(devstore: Devstore) -> None:
    customer = buyer(devstore)
    sent = devstore.post("compliance", topic="customers/data_request", customer_id=customer["id"])
    devstore.flush()
    ((request, body),) = devstore.app.webhooks("customers/data_request")
    assert body == sent == {
        "shop_id": devstore.shop.id,
        "shop_domain": "csv.myshopify.com",
        "orders_requested": orders_of(devstore, customer),
        "customer": {"id": customer["id"], "email": "customer-1@csv.example", "phone": None},
        "data_request": {"id": sent["data_request"]["id"]},
    }  # fmt: skip
    assert request.headers["x-shopify-shop-domain"] == "csv.myshopify.com"


def test_redaction_of_a_customer_may_name_some_orders(devstore: Devstore) -> None:
    customer = buyer(devstore)
    first, *_ = orders_of(devstore, customer)
    sent = devstore.post("compliance", topic="customers/redact", customer_id=customer["id"], orders=[first])
    assert sent.keys() == {"shop_id", "shop_domain", "customer", "orders_to_redact"}
    assert sent["orders_to_redact"] == [first]


def test_redaction_comes_for_a_customer_who_is_gone(devstore: Devstore) -> None:
    new = devstore.post("customers", email="new@example.com", password="secret")
    devstore.post(f"customers/{new['id']}/delete")
    sent = devstore.post("compliance", topic="customers/redact", customer_id=new["id"])
    assert (sent["customer"], sent["orders_to_redact"]) == ({"id": new["id"], "email": None, "phone": None}, [])


def test_compliance_reaches_an_app_that_is_uninstalled(devstore: Devstore) -> None:
    devstore.post("uninstall")
    devstore.post("compliance", topic="shop/redact")
    assert redactions(devstore) == [{"shop_id": devstore.shop.id, "shop_domain": "csv.myshopify.com"}]


def test_shop_that_left_is_redacted_after_48_hours_and_once(devstore: Devstore) -> None:
    devstore.post("uninstall")
    devstore.post("clock", advance=2 * DAY - 5)
    assert redactions(devstore) == []
    devstore.post("clock", advance=10)
    assert len(redactions(devstore)) == 1
    devstore.post("clock", advance=2 * DAY)
    assert len(redactions(devstore)) == 1


def test_shop_that_came_back_is_not_redacted(devstore: Devstore) -> None:
    devstore.post("uninstall")
    devstore.post("clock", advance=DAY)
    devstore.post("install")
    devstore.post("clock", advance=2 * DAY)
    assert redactions(devstore) == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"topic": "orders/create"},
        {"topic": "customers/redact"},
        {"topic": "customers/redact", "customer_id": "7"},
        {"topic": "customers/redact", "customer_id": 7, "orders": "all"},
    ],
)
def test_senseless_requests_are_refused(devstore: Devstore, body: dict[str, Any]) -> None:
    devstore.refused("compliance", **body)
    devstore.flush()
    assert devstore.app.webhooks() == []
