"""Intake: what is let in, what is stored, what is answered."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from retention_app.models import WebhookDelivery
from retention_app.views import webhooks

BODY = b'{"id":6001000000001,"updated_at":"2026-11-21T11:02:09+01:00"}'

pytestmark = pytest.mark.django_db


def signature(body: bytes, secret: str = "hush") -> str:
    return base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()


def deliver(body: bytes = BODY, **headers: str | None) -> HttpResponse:
    """Post a delivery; a header set to None is left out."""
    sent: dict[str, str | None] = {
        "X-Shopify-Hmac-Sha256": signature(body),
        "X-Shopify-Webhook-Id": "wh-1",
        "X-Shopify-Event-Id": "ev-1",
        "X-Shopify-Topic": "orders/updated",
        "X-Shopify-Shop-Domain": "alpha.myshopify.com",
        "X-Shopify-API-Version": "2026-10",
        "X-Shopify-Triggered-At": "2026-11-21T10:02:09.123456789Z",
        **headers,
    }
    return Client().post(
        "/webhooks/shopify",
        body,
        content_type="application/json",
        headers={name: value for name, value in sent.items() if value is not None},
    )


def test_delivery_is_stored_as_it_came() -> None:
    answer = deliver()
    assert (answer.status_code, answer.content) == (200, b"")
    row = WebhookDelivery.objects.get()
    assert bytes(row.body) == BODY
    assert (row.webhook_id, row.event_id, row.topic, row.shop_domain) == (
        "wh-1",
        "ev-1",
        "orders/updated",
        "alpha.myshopify.com",
    )
    assert (row.api_version, row.triggered_at, row.state) == ("2026-10", "2026-11-21T10:02:09.123456789Z", "waiting")


def test_delivery_costs_one_insert(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(3):  # with its savepoint, which is the transaction outside tests
        deliver()


def test_same_webhook_id_is_stored_once_and_answered_alike() -> None:
    assert [deliver().status_code, deliver().status_code] == [200, 200]
    assert WebhookDelivery.objects.count() == 1


def test_same_event_id_drops_nothing() -> None:
    deliver()
    deliver(**{"X-Shopify-Webhook-Id": "wh-2"})
    assert WebhookDelivery.objects.count() == 2


def test_body_that_is_no_text_is_stored_too() -> None:
    body = b"\xff\x00\xfe"
    assert deliver(body).status_code == 200
    assert bytes(WebhookDelivery.objects.get().body) == body


def test_old_secret_is_taken_while_it_is_replaced(settings: Settings) -> None:
    settings.SHOPIFY_API_SECRET, settings.SHOPIFY_API_SECRET_OLD = "new", "hush"
    assert deliver().status_code == 200


@pytest.mark.parametrize("given", [None, "", "AAAA", "\u00e9", signature(BODY, "guess"), signature(BODY + b" ")])
def test_delivery_without_a_genuine_signature_is_401(given: str | None) -> None:
    assert deliver(**{"X-Shopify-Hmac-Sha256": given}).status_code == 401
    assert not WebhookDelivery.objects.exists()


def test_stranger_learns_nothing_about_headers() -> None:
    assert deliver(**{"X-Shopify-Hmac-Sha256": None, "X-Shopify-Webhook-Id": None}).status_code == 401


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "head", "options"])
def test_other_methods_are_405(method: str) -> None:
    assert getattr(Client(), method)("/webhooks/shopify").status_code == 405


def test_body_said_to_be_too_large_is_413_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "BODY_BYTES_MAX", len(BODY) - 1)
    monkeypatch.setattr("django.http.HttpRequest.read", lambda *args: pytest.fail("the body was read"))
    assert deliver().status_code == 413


def test_body_of_the_largest_size_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "BODY_BYTES_MAX", len(BODY))
    assert deliver().status_code == 200


def test_body_that_turns_out_too_large_is_413(monkeypatch: pytest.MonkeyPatch, rf: Any) -> None:
    monkeypatch.setattr(webhooks, "BODY_BYTES_MAX", len(BODY) - 1)
    request = rf.post("/webhooks/shopify", BODY, content_type="application/json")
    del request.META["CONTENT_LENGTH"]
    assert webhooks.shopify(request).status_code == 413


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Shopify-Webhook-Id": None},
        {"X-Shopify-Webhook-Id": ""},
        {"X-Shopify-Webhook-Id": "x" * 129},
        {"X-Shopify-Webhook-Id": "a b"},
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
    assert deliver(**headers).status_code == 400
    assert not WebhookDelivery.objects.exists()


def test_optional_headers_may_be_missing() -> None:
    assert deliver(**{"X-Shopify-Event-Id": None, "X-Shopify-Triggered-At": None}).status_code == 200


def test_worker_is_woken_after_the_commit(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    woken: list[str] = []
    monkeypatch.setattr(webhooks.deliveries_work, "delay", lambda *, shop_domain: woken.append(shop_domain))
    with django_capture_on_commit_callbacks(execute=True):
        deliver()
        assert woken == []
    assert woken == ["alpha.myshopify.com"]


@pytest.mark.django_db(transaction=True)
def test_lost_broker_changes_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(**kwargs: str) -> None:
        raise ConnectionError("no broker")

    monkeypatch.setattr(webhooks.deliveries_work, "delay", unreachable)
    assert deliver().status_code == 200
    assert WebhookDelivery.objects.count() == 1
