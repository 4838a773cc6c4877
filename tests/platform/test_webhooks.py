"""Intake: what is let in, what is stored, what is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from config.asgi import RECEIVERS
from retention_app.models import WebhookDelivery
from retention_app.observability import DELIVERIES
from retention_app.receiving import application as module
from retention_app.receiving.application import WebhookReceiver, in_front_of
from retention_app.receiving.delivery_table import Outcome
from retention_app.receiving.headers import Delivery
from retention_app.receiving.wake_ups import WakeUps
from tests.deliveries import BODY, PATH, Answer, ask, headers_of, signature

on_the_database = pytest.mark.django_db(transaction=True)


class MemoryTable:
    """Takes every delivery."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []

    def store(self, group: Sequence[Delivery]) -> list[Outcome]:
        self.deliveries += group
        return [Outcome.STORED] * len(group)

    def close(self) -> None:
        pass


def deliver_all(*requests: dict[str, Any], table: Any = None, wake_ups: WakeUps | None = None) -> list[Answer]:
    """Send requests at the same time to a receiver of their own, and stop it."""

    async def all_at_once() -> list[Answer]:
        receiver = WebhookReceiver(table, wake_ups or WakeUps(lambda shop_domain: None))
        try:
            answers = await asyncio.gather(
                *(
                    ask(receiver, *(request.get("pieces") or [request.get("body", BODY)]), headers=request["headers"])
                    for request in requests
                )
            )
        finally:
            await receiver.stop()
        assert receiver._held_bytes == 0
        return [answer for answer in answers if answer is not None]

    return asyncio.run(all_at_once())


def deliver(body: bytes = BODY, table: Any = None, **headers: Any) -> Answer:
    return deliver_all({"body": body, "headers": headers_of(body, **headers)}, table=table)[0]


# --- stored -----------------------------------------------------------------------------------------------------------


@on_the_database
def test_delivery_is_stored_as_it_came() -> None:
    answer = deliver()
    assert (answer.status, answer.body, answer.headers) == (200, b"", {b"content-length": b"0"})
    row = WebhookDelivery.objects.get()
    assert bytes(row.body) == BODY
    assert (row.webhook_id, row.event_id, row.topic, row.shop_domain) == (
        "wh-1",
        "ev-1",
        "orders/updated",
        "alpha.myshopify.com",
    )
    assert (row.api_version, row.triggered_at, row.state) == ("2026-10", "2026-11-21T10:02:09.123456789Z", "waiting")
    assert (row.attempts, row.error, row.lease_until, row.done_at) == (0, "", None, None)
    assert row.due_at == row.received_at


@on_the_database
def test_same_webhook_id_is_stored_once_and_answered_alike() -> None:
    assert [deliver().status, deliver().status] == [200, 200]
    assert WebhookDelivery.objects.count() == 1


@on_the_database
def test_same_webhook_id_in_one_group_is_stored_once_and_answered_alike() -> None:
    answers = deliver_all(*[{"headers": headers_of()}] * 5)
    assert [answer.status for answer in answers] == [200] * 5
    assert WebhookDelivery.objects.count() == 1


@on_the_database
def test_same_event_id_drops_nothing() -> None:
    deliver_all({"headers": headers_of()}, {"headers": headers_of(**{"X-Shopify-Webhook-Id": "wh-2"})})
    assert WebhookDelivery.objects.count() == 2


@on_the_database
@pytest.mark.parametrize("body", [b"\xff\x00\xfe", b'{"id": 1', b"", b"\xef\xbb\xbf{}"])
def test_body_that_is_no_json_is_stored_too(body: bytes) -> None:
    assert deliver(body).status == 200
    assert bytes(WebhookDelivery.objects.get().body) == body


@on_the_database
def test_one_hostile_header_fails_none_of_its_neighbours() -> None:
    requests = [{"headers": headers_of(**{"X-Shopify-Webhook-Id": f"wh-{number}"})} for number in range(100)]
    requests[37]["headers"]["X-Shopify-Topic"] = b"orders/\x00\xff'; DROP TABLE"
    answers = deliver_all(*requests)
    assert [answer.status for answer in answers] == [400 if number == 37 else 200 for number in range(100)]
    assert WebhookDelivery.objects.count() == 99


def test_old_secret_is_taken_while_it_is_replaced(settings: Settings) -> None:
    headers = headers_of()
    settings.SHOPIFY_API_SECRET, settings.SHOPIFY_API_SECRET_OLD = "new", "hush"
    assert deliver_all({"headers": headers}, table=MemoryTable())[0].status == 200


def test_body_in_pieces_is_put_together() -> None:
    table = MemoryTable()
    deliver_all({"pieces": [BODY[:7], b"", BODY[7:]], "headers": headers_of()}, table=table)
    assert [delivery.body for delivery in table.deliveries] == [BODY]


def test_optional_headers_may_be_missing() -> None:
    table = MemoryTable()
    optional = ("X-Shopify-Event-Id", "X-Shopify-API-Version", "X-Shopify-Triggered-At", "Content-Length")
    assert deliver(table=table, **dict.fromkeys(optional)).status == 200
    assert table.deliveries[0].event_id == ""


# --- refused ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [None, "", "AAAA", "\u00e9", signature(BODY, "guess"), signature(BODY + b" ")])
def test_delivery_without_a_genuine_signature_is_401(given: str | None) -> None:
    table = MemoryTable()
    assert deliver(table=table, **{"X-Shopify-Hmac-Sha256": given}).status == 401
    assert not table.deliveries


def test_stranger_learns_nothing_about_headers() -> None:
    assert deliver(table=MemoryTable(), **{"X-Shopify-Hmac-Sha256": None, "X-Shopify-Webhook-Id": None}).status == 401


@pytest.mark.parametrize(
    "name", ["X-Shopify-Hmac-Sha256", "X-Shopify-Shop-Domain"]
)  # which of two would be believed is nobody's choice
def test_header_that_appears_twice_is_not_believed(name: str) -> None:
    headers = [*headers_of().items(), (name, headers_of()[name])]
    answer = asyncio.run(ask(WebhookReceiver(MemoryTable()), BODY, headers=headers))
    assert answer is not None
    assert answer.status in (400, 401)


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "BREW"])
def test_other_methods_are_405(method: str) -> None:
    answer = asyncio.run(ask(WebhookReceiver(MemoryTable()), BODY, method=method, headers=headers_of()))
    assert answer is not None
    assert (answer.status, answer.headers[b"allow"], answer.pieces_left) == (405, b"POST", 1)


def test_body_of_the_largest_size_is_taken_and_one_byte_more_is_not() -> None:
    table = MemoryTable()
    largest = bytes(module.BODY_BYTES_MAX)
    assert deliver(largest, table).status == 200
    assert len(table.deliveries[0].body) == 20 * 1024 * 1024
    unsaid = headers_of(largest + b"x", **{"Content-Length": None})
    answer = deliver_all({"pieces": [largest, b"x", b"never read"], "headers": unsaid}, table=table)[0]
    assert (answer.status, answer.headers[b"connection"], answer.pieces_left) == (413, b"close", 1)
    assert len(table.deliveries) == 1


@pytest.mark.parametrize("declared", [module.BODY_BYTES_MAX + 1, 10**30, "9" * 5000])
def test_body_said_to_be_too_large_is_413_unread(declared: int | str) -> None:
    headers = headers_of(**{"Content-Length": str(declared)})
    answer = deliver_all({"headers": headers}, table=MemoryTable())[0]
    assert (answer.status, answer.headers[b"connection"], answer.pieces_left) == (413, b"close", 1)


def test_body_that_takes_too_long_is_408(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BODY_SECONDS_MAX", 0.01)
    receiver = WebhookReceiver(MemoryTable())

    async def never_ends() -> dict[str, Any]:
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b"x", "more_body": True}

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(receiver({"method": "POST", "headers": []}, never_ends, send))
    assert (sent[0]["status"], receiver._held_bytes) == (408, 0)


def test_client_that_hangs_up_gets_no_answer() -> None:
    receiver = WebhookReceiver(MemoryTable())
    assert asyncio.run(ask(receiver, b"half", headers=headers_of(), disconnect=True)) is None
    assert receiver._held_bytes == 0


def test_bodies_beyond_what_may_be_held_are_503(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELD_BYTES_MAX", 2 * len(BODY))
    requests = [{"headers": headers_of(**{"X-Shopify-Webhook-Id": f"wh-{number}"})} for number in range(3)]
    answers = deliver_all(*requests, table=MemoryTable())
    assert [answer.status for answer in answers] == [200, 200, 503]


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Shopify-Webhook-Id": None},
        {"X-Shopify-Webhook-Id": ""},
        {"X-Shopify-Webhook-Id": "x" * 129},
        {"X-Shopify-Webhook-Id": "a b"},
        {"X-Shopify-Webhook-Id": "a\n"},
        {"X-Shopify-Topic": None},
        {"X-Shopify-Topic": "t" * 65},
        {"X-Shopify-Shop-Domain": None},
        {"X-Shopify-Shop-Domain": "alpha.example.com"},
        {"X-Shopify-Shop-Domain": "a" * 255 + ".myshopify.com"},
        {"X-Shopify-Event-Id": "x" * 129},
        {"X-Shopify-API-Version": "x" * 17},
        {"X-Shopify-Triggered-At": "x" * 65},
        {"X-Shopify-Event-Id": "\u00e9"},
    ],
)
def test_headers_that_cannot_be_stored_are_400(headers: dict[str, str | None]) -> None:
    table = MemoryTable()
    assert deliver(table=table, **headers).status == 400
    assert not table.deliveries


@on_the_database
def test_headers_of_the_largest_size_are_stored() -> None:
    largest = {
        "X-Shopify-Webhook-Id": "~" * 128,
        "X-Shopify-Event-Id": "'" * 128,
        "X-Shopify-Topic": "%" * 64,
        "X-Shopify-Shop-Domain": "a" * 241 + ".myshopify.com",
        "X-Shopify-API-Version": "\\" * 16,
        "X-Shopify-Triggered-At": '"' * 64,
    }
    assert deliver(**largest).status == 200
    assert WebhookDelivery.objects.get().topic == "%" * 64


_NAMES = [name.encode() for name in headers_of()]
_VALUES = st.binary(max_size=300) | st.text(st.characters(max_codepoint=127), max_size=140).map(str.encode)


@on_the_database
@hypothesis_settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(replaced=st.dictionaries(st.sampled_from(_NAMES), _VALUES), added=st.lists(st.tuples(st.binary(), _VALUES)))
def test_no_header_makes_the_intake_fail(replaced: dict[bytes, bytes], added: list[tuple[bytes, bytes]]) -> None:
    headers = {name.encode(): value.encode() for name, value in headers_of().items()} | replaced
    answer = deliver_all({"headers": [*headers.items(), *added]})[0]
    assert answer.status in {200, 400, 401, 413}
    assert (answer.status == 200) == WebhookDelivery.objects.exists()
    WebhookDelivery.objects.all().delete()


# --- counted, routed --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("topic", "label"), [("orders/updated", "orders/updated"), ("made/up", "other")])
def test_answers_are_counted_by_topics_we_know(topic: str, label: str) -> None:
    counter = DELIVERIES.labels(label, 200)
    before = counter._value.get()
    deliver(table=MemoryTable(), **{"X-Shopify-Topic": topic})
    assert counter._value.get() == before + 1


def test_only_its_own_path_is_received() -> None:
    asked: list[str] = []

    async def django(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope.get("path", scope["type"]))

    async def both() -> Answer | None:
        front = in_front_of(django, {PATH: WebhookReceiver(MemoryTable())})
        for path in ("/", PATH + "/", "/webhooks"):
            await ask(front, path=path)
        await front({"type": "websocket"}, None, None)  # type: ignore[arg-type]
        return await ask(front, BODY)

    answer = asyncio.run(both())
    assert answer is not None
    assert (asked, answer.status) == (["/", PATH + "/", "/webhooks", "websocket"], 401)


def test_the_application_receives_webhooks() -> None:
    assert isinstance(RECEIVERS[PATH], WebhookReceiver)
