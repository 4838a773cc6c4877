import base64
import hashlib
import hmac
import re
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from devstore import calllog, commerce, webhooks
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


# --- retries, replays and what is forgotten ---------------------------------------------------------------------------


def waiting(devstore: Devstore) -> int:
    return int(devstore.get("state")["counts"]["webhooks_waiting"])


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def test_a_flush_waits_for_what_is_being_taken_at_that_moment(
    devstore: Devstore, monkeypatch: pytest.MonkeyPatch
) -> None:
    courier, taken = devstore.http.app.state.courier, threading.Event()  # type: ignore[attr-defined]
    claim = courier._claim

    def slowly(*args: Any) -> Any:
        claimed = claim(*args)
        if claimed:
            taken.set()
            time.sleep(0.3)
        return claimed

    monkeypatch.setattr(courier, "_claim", slowly)
    devstore.post("customers", email="new@example.com", password="secret")
    assert taken.wait(5)
    devstore.flush()
    assert devstore.app.webhooks("customers/create")


def test_retries_become_due_as_the_clock_turns_and_end_after_eight(devstore: Devstore) -> None:
    devstore.app.status = 500
    devstore.post("customers", email="new@example.com", password="secret")
    began = devstore.get("clock")["seconds"]
    for attempt in range(1, 8):
        until(lambda attempt=attempt: len(devstore.app.webhooks("customers/create")) == attempt)  # type: ignore[misc]
        until(lambda: waiting(devstore) == 1)
        devstore.post("clock", advance=webhooks.RETRY_SECONDS[attempt - 1])
    until(lambda: waiting(devstore) == 0)
    assert len({request.headers["x-shopify-webhook-id"] for request, _ in devstore.app.webhooks()}) == 1
    assert len(devstore.app.webhooks()) == 8
    assert 3 * 3600 < devstore.get("clock")["seconds"] - began < 4 * 3600
    devstore.app.status = 200
    assert devstore.flush() == {"delivered": 0, "failed": 0, "dropped": 0}


def test_first_retry_comes_by_itself(devstore: Devstore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "RETRY_SECONDS", (0.1, *webhooks.RETRY_SECONDS[1:]))
    devstore.app.status = 500
    devstore.post("customers", email="new@example.com", password="secret")
    until(lambda: len(devstore.app.webhooks()) >= 1)
    devstore.app.status = 200
    until(lambda: waiting(devstore) == 0)
    assert [each["status"] for each in devstore.log("webhook")] == [500, 200]


def test_clock_turned_back_leaves_the_waits_as_they_were(devstore: Devstore) -> None:
    devstore.post("clock", advance=86400)
    devstore.post("knobs", delay_ms=60_000)
    devstore.post("customers", email="new@example.com", password="secret")
    devstore.post("clock", offset=0)
    assert devstore.app.webhooks() == []
    devstore.post("clock", advance=61)
    until(lambda: len(devstore.app.webhooks("customers/create")) == 1)


def test_app_that_takes_too_long_has_not_answered(devstore: Devstore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "ANSWER_SECONDS", 0.05)
    devstore.app.pause = 0.5
    devstore.post("customers", email="new@example.com", password="secret")
    until(lambda: bool(devstore.log("webhook")))
    entry = devstore.log("webhook")[0]
    assert (entry["status"], entry["ms"] < 500) == (None, True)
    devstore.app.pause = 0
    assert devstore.flush()["delivered"] == 1


def ids(devstore: Devstore) -> list[tuple[str, str, int]]:
    return [
        (request.headers["x-shopify-webhook-id"], request.headers["x-shopify-event-id"], body["id"])
        for request, body in devstore.app.webhooks("customers/create")
    ]


def test_last_deliveries_of_a_topic_are_sent_again(devstore: Devstore) -> None:
    for number in range(3):
        devstore.post("customers", email=f"{number}@example.com", password="secret")
        devstore.flush()
    sent = ids(devstore)
    devstore.app.requests.clear()
    assert devstore.post("webhooks/replay", topic="customers/create", limit=2) == {"queued": 2}
    devstore.flush()
    assert sorted(ids(devstore)) == sorted(sent[1:])
    assert devstore.post("webhooks/replay", topic="customers/create") == {"queued": 3}
    devstore.flush()
    devstore.app.requests.clear()
    assert devstore.post("webhooks/replay", topic="customers/create", limit=1, new_ids=True) == {"queued": 1}
    devstore.flush()
    ((webhook_id, event_id, customer),) = ids(devstore)
    assert customer == sent[2][2]
    assert {webhook_id, event_id}.isdisjoint(each for row in sent for each in row[:2])


@pytest.mark.parametrize("body", [{}, {"topic": "themes/update"}, {"topic": "customers/create", "limit": 0}])
def test_senseless_replay_is_refused(devstore: Devstore, body: dict[str, object]) -> None:
    assert devstore.http.post("/devstore/webhooks/replay", json=body).status_code == 422


def test_old_deliveries_and_log_entries_are_forgotten_but_none_that_waits(
    devstore: Devstore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "KEPT", 2)
    monkeypatch.setattr(calllog, "KEPT", 2)
    devstore.post("knobs", delay_ms=60_000)
    devstore.post("customers", email="waits@example.com", password="secret")
    devstore.post("knobs", delay_ms=0)
    for number in range(5):
        devstore.post("customers", email=f"{number}@example.com", password="secret")
    until(lambda: len(devstore.log("webhook")) == 5)
    webhooks.prune(devstore.shop.database)
    calllog.prune(devstore.shop.database)
    monkeypatch.undo()
    assert len(devstore.get("log")["entries"]) == 2
    assert devstore.post("webhooks/replay", topic="customers/create") == {"queued": 2}
    assert devstore.flush()["delivered"] >= 1
    assert "waits@example.com" in [body["email"] for _, body in devstore.app.webhooks("customers/create")]
