"""The platform's compliance topics, from the delivery to the proof."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from django.db import transaction

from retention_app import clock, work
from retention_app.models import PrivacyRequest, Shop, WebhookDelivery
from retention_app.privacy import erasure, export, shop_erasure
from retention_app.wake import wake

log = structlog.get_logger(__name__)

DEADLINE = dt.timedelta(days=30)  # the platform's

Kind = PrivacyRequest.Kind
Keep = Callable[[], None]
Proof = Mapping[str, Any]


def request_record(shop: Shop, delivery: WebhookDelivery, *, kind: Kind, customer_shopify_id: int | None) -> None:
    """Write down what a delivery asks for, once, whether the shop is installed or not; wakes a worker on commit."""
    from retention_app.tasks import privacy_work

    with transaction.atomic():
        PrivacyRequest.objects.get_or_create(
            key=delivery.webhook_id,
            defaults={
                "shop": shop,
                "kind": kind,
                "customer_shopify_id": customer_shopify_id,
                "received_at": delivery.received_at,
                "deadline_at": delivery.received_at + DEADLINE,
                "due_at": clock.now(),
            },
        )
        wake(privacy_work, shop_id=shop.id)


def request_work(request: PrivacyRequest) -> None:
    """Do what a claimed request asks for and finish it with its proof, or put it back. Runs in the shop's scope."""
    renewed_at = time.monotonic()

    def keep() -> None:
        nonlocal renewed_at
        if time.monotonic() - renewed_at > work.LEASE_SECONDS / 3:
            renewed_at = time.monotonic()
            work.lease_renew([request])

    try:
        _DO[Kind(request.kind)](request, keep)
    except Exception as error:
        log.exception("privacy_request_failed", request_id=request.id, kind=request.kind)
        work.failed(request, error)
    else:
        log.info("privacy_request_done", request_id=request.id, kind=request.kind)


def _finish(request: PrivacyRequest, proof: Proof) -> None:
    """Done: the proof stays, whom it was about goes. In the transaction that made the proof true."""
    PrivacyRequest.objects.filter(id=request.id).update(proof=dict(proof), customer_shopify_id=None)
    work.done([request])


def _body(request: PrivacyRequest) -> bytes | None:
    """The request as it came: it alone knows phone numbers. None once it is too old, or was forgotten already."""
    body = WebhookDelivery.objects.filter(webhook_id=request.key).values_list("body", flat=True).first()
    return None if body is None else bytes(body)


def _data_request(request: PrivacyRequest, keep: Keep) -> None:
    with transaction.atomic():
        _finish(request, export.export_write(request, _body(request)))


def _customer_redact(request: PrivacyRequest, keep: Keep) -> None:
    shopify_id = request.customer_shopify_id
    assert shopify_id is not None  # emptied only when done
    erasure.customer_erase(shopify_id, body=_body(request), keep=keep, finish=lambda proof: _finish(request, proof))


def _shop_redact(request: PrivacyRequest, keep: Keep) -> None:
    proof = shop_erasure.shop_erase(Shop.objects.get(id=request.shop_id), keep=keep)
    with transaction.atomic():
        _finish(request, proof)


_DO: Mapping[Kind, Callable[[PrivacyRequest, Keep], None]] = {
    Kind.DATA_REQUEST: _data_request,
    Kind.CUSTOMER_REDACT: _customer_redact,
    Kind.SHOP_REDACT: _shop_redact,
}
