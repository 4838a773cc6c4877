import base64
import hashlib
import hmac
import re

import pytest

from devstore import commerce, webhooks
from tests.devstore.conftest import API_SECRET, Devstore


def test_signature_matches_shopifys_vector() -> None:
    body = b'{"id":1,"email":"ana@example.com"}'
    assert webhooks.signature("hush", body) == "L6C4uJ4is9AuK/xANR9x+IeGCY0EDdwaiSq5AODS0Zg="


def test_delivery_carries_every_header(devstore: Devstore) -> None:
    devstore.place()
    devstore.flush()
    request, _ = devstore.app.webhooks("orders/create")[0]
    headers, body = request.headers, next(raw for each, raw in devstore.app.requests if each is request)
    expected = base64.b64encode(hmac.digest(API_SECRET.encode(), body, hashlib.sha256)).decode()
    assert headers["x-shopify-hmac-sha256"] == expected
    assert headers["x-shopify-shop-domain"] == "csv.myshopify.com"
    assert headers["x-shopify-api-version"] == "2026-10"
    assert re.fullmatch(r"[0-9a-f-]{36}", headers["x-shopify-webhook-id"])
    assert re.fullmatch(r"[0-9a-f-]{36}", headers["x-shopify-event-id"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", headers["x-shopify-triggered-at"])
    assert headers["content-type"] == "application/json"


def test_paid_order_is_told_three_times_over(devstore: Devstore) -> None:
    order = devstore.place(email="new@example.com")
    devstore.flush()
    topics = sorted(request.headers["x-shopify-topic"] for request, _ in devstore.app.webhooks())
    assert topics == ["customers/create", "orders/create", "orders/paid", "orders/updated"]
    (_, body), *_ = devstore.app.webhooks("orders/create")
    assert body["admin_graphql_api_id"] == f"gid://shopify/Order/{order['id']}"
    assert body["financial_status"] == "paid"
    assert body["total_price_set"]["shop_money"] == {"amount": "20.00", "currency_code": "EUR"}
    assert body["line_items"][0]["current_quantity"] == 1


def test_refund_body_has_numbers_and_sets(devstore: Devstore) -> None:
    order = devstore.place({"title": "Beans", "price": "20.00", "quantity": 2})
    line = order["lines"][0]["id"]
    devstore.post(f"orders/{order['id']}/refund", lines={line: 1}, note="Damaged")
    devstore.flush()
    ((_, body),) = devstore.app.webhooks("refunds/create")
    (refunded,) = body["refund_line_items"]
    assert (refunded["line_item_id"], refunded["quantity"], refunded["subtotal"]) == (line, 1, 20.0)
    assert refunded["subtotal_set"]["shop_money"]["amount"] == "20.00"
    assert body["transactions"][0]["kind"] == "refund"
    assert body["transactions"][0]["parent_id"] == order["transactions"][0]["id"]


def test_edit_and_cancellation_have_their_topics(devstore: Devstore) -> None:
    order = devstore.place({"title": "Beans", "price": "20.00", "quantity": 2})
    line = order["lines"][0]["id"]
    more = [{"title": "Mug", "price": "5.00"}]
    edited = devstore.post(f"orders/{order['id']}/edit", set_quantities={line: 1}, add_lines=more)
    devstore.post(f"orders/{order['id']}/cancel", reason="INVENTORY")
    devstore.flush()
    ((_, body),) = devstore.app.webhooks("orders/edited")
    assert body["order_edit"]["line_items"] == {
        "additions": [{"id": edited["lines"][1]["id"], "delta": 1}],
        "removals": [{"id": line, "delta": 1}],
    }
    ((_, cancelled),) = devstore.app.webhooks("orders/cancelled")
    assert (cancelled["cancel_reason"], cancelled["financial_status"]) == ("inventory", "refunded")


def test_include_fields_shrink_a_payload(devstore: Devstore) -> None:
    devstore.post(f"products/{commerce.products(devstore.shop)[0]['id']}", title="Finest beans")
    devstore.flush()
    ((_, body),) = devstore.app.webhooks("products/update")
    assert body.keys() == {"id", "admin_graphql_api_id", "updated_at"}


def test_shop_without_the_app_sends_nothing(start) -> None:  # type: ignore[no-untyped-def]
    devstore = start(install=False)
    devstore.place()
    devstore.flush()
    assert devstore.app.webhooks() == []


def test_failed_delivery_is_tried_again_with_the_same_body(devstore: Devstore) -> None:
    devstore.app.status = 500
    devstore.place(test=True)
    assert devstore.flush()["delivered"] == 0
    devstore.app.status = 200
    assert devstore.flush()["delivered"] > 0
    same = [body for _, body in devstore.app.webhooks("orders/create")]
    assert len(same) >= 2
    assert same[0] == same[1]


def test_duplicate_knob_repeats_deliveries(devstore: Devstore) -> None:
    devstore.post("knobs", duplicate=1)
    devstore.place()
    devstore.flush()
    twice = [request.headers["x-shopify-webhook-id"] for request, _ in devstore.app.webhooks("orders/create")]
    assert len(twice) == 2
    assert len(set(twice)) == 1


def test_drop_knob_loses_them(devstore: Devstore) -> None:
    devstore.post("knobs", drop=1)
    devstore.place()
    assert devstore.flush() == {"delivered": 0, "failed": 0, "dropped": 3}
    assert devstore.app.webhooks() == []
    assert devstore.flush()["dropped"] == 0


def test_delayed_webhooks_wait_for_a_flush(devstore: Devstore) -> None:
    devstore.post("knobs", delay_ms=60_000)
    devstore.place()
    assert devstore.app.webhooks() == []
    assert devstore.flush()["delivered"] == 3


def test_reorder_knob_changes_the_order(devstore: Devstore) -> None:
    devstore.post("knobs", delay_ms=60_000, reorder=1)
    placed = [devstore.place()["id"] for _ in range(12)]
    devstore.flush()
    arrived = [body["id"] for _, body in devstore.app.webhooks("orders/create")]
    assert sorted(arrived) == placed
    assert arrived != placed


def test_fail_knob_loses_an_attempt_but_not_the_webhook(devstore: Devstore) -> None:
    devstore.post("knobs", fail=1)
    devstore.place()
    assert devstore.flush()["delivered"] == 0
    devstore.post("knobs", fail=0)
    assert devstore.flush()["delivered"] == 3


def test_knobs_of_one_request_apply_to_it_alone(devstore: Devstore) -> None:
    body = {"lines": [{"title": "Beans", "price": "20.00"}]}
    devstore.http.post("/devstore/orders", json=body, headers={"X-Devstore-Knobs": '{"drop": 1}'})
    devstore.place()
    assert devstore.flush()["dropped"] == 3
    assert len(devstore.app.webhooks("orders/create")) == 1


@pytest.mark.parametrize("knobs", [{"drop": 2}, {"unknown": 1}, {"delay_ms": -1}, {"stale": "often"}])
def test_senseless_knobs_are_refused(devstore: Devstore, knobs: dict[str, object]) -> None:
    assert devstore.http.post("/devstore/knobs", json=knobs).status_code == 422


def test_log_shows_each_attempt(devstore: Devstore) -> None:
    devstore.place()
    devstore.flush()
    entries = devstore.http.get("/devstore/log", params={"kind": "webhook"}).json()["entries"]
    created = [each for each in entries if each["topic"] == "orders/create"]
    assert [(each["attempt"], each["status"]) for each in created] == [(1, 200)]
