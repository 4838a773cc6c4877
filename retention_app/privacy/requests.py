"""The platform's compliance topics, from the delivery to the proof."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from django.db import transaction

from retention_app import clock, trouble, work
from retention_app.models import PrivacyRequest, Shop, WebhookDelivery
from retention_app.privacy import erasure, export, shop_erasure
from retention_app.services.install import shop_uninstalled
from retention_app.shopify.client import Session
from retention_app.shopify.errors import AppRefused, ScopesMissing, ShopClosed, TransientError
from retention_app.wake import wake
from retention_app.work import Keep

log = structlog.get_logger(__name__)

DEADLINE = dt.timedelta(days=30)  # the platform's
SHOP_REDACT_AFTER = dt.timedelta(hours=48)  # so long after it took the app off, the platform asks to erase a shop

Kind = PrivacyRequest.Kind
Proof = Mapping[str, Any]


class Overtaken(Exception):
    """The claim ran out and another worker has the request: everything is left to it."""


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
    try:
        _DO[Kind(request.kind)](request, work.keeping([request], overtaken=Overtaken))
    except Overtaken:
        log.warning("privacy_request_overtaken", privacy_request_id=request.id, kind=request.kind)
    except TransientError as error:
        work.postponed(request, error, since=request.received_at)
    except Exception as error:
        log.exception("privacy_request_failed", privacy_request_id=request.id, kind=request.kind)
        work.failed(request, error)
    else:
        log.info("privacy_request_done", privacy_request_id=request.id, kind=request.kind)


def _finish(request: PrivacyRequest, proof: Proof) -> None:
    """Done: the proof stays, whom it was about goes, the delivery too. In the transaction that made the proof true.

    Raises `Overtaken`."""
    if not work.done([request]):
        raise Overtaken
    PrivacyRequest.objects.filter(id=request.id).update(proof=dict(proof), customer_shopify_id=None)
    WebhookDelivery.objects.filter(webhook_id=request.key).delete()


def _body(request: PrivacyRequest) -> bytes | None:
    """The request as it came: it alone knows phone numbers. None once it is too old."""
    body = WebhookDelivery.objects.filter(webhook_id=request.key).values_list("body", flat=True).first()
    return None if body is None else bytes(body)


def _data_request(request: PrivacyRequest, keep: Keep) -> None:
    with transaction.atomic():
        _finish(request, export.export_write(request, _body(request), keep=keep))


def _customer_redact(request: PrivacyRequest, keep: Keep) -> None:
    shopify_id = request.customer_shopify_id
    assert shopify_id is not None  # emptied only when done
    erasure.customer_erase(shopify_id, body=_body(request), keep=keep, finish=lambda proof: _finish(request, proof))


def _shop_redact(request: PrivacyRequest, keep: Keep) -> None:
    shop = Shop.objects.get(id=request.shop_id)
    if shop.state == Shop.State.INSTALLED and not _is_installed_again(shop, request):
        shop_uninstalled(shop, at=request.received_at)  # its own notice never came
    proof = shop_erasure.shop_erase(shop, keep=keep)
    with transaction.atomic():
        _finish(request, proof)


def _is_installed_again(shop: Shop, request: PrivacyRequest) -> bool:
    """Whether the shop came back after what led to the request; where the dates don't tell, its token does. Raises what
    leaves it open: `TransientError`, or a mistake of ours."""
    if shop.installed_at > request.received_at - SHOP_REDACT_AFTER:
        return True
    trouble.look_again(shop.id)
    try:
        Session(shop.id).graphql("ShopInfo")
    except (AppRefused, ScopesMissing):
        raise
    except ShopClosed:
        return False
    return True


_DO: Mapping[Kind, Callable[[PrivacyRequest, Keep], None]] = {
    Kind.DATA_REQUEST: _data_request,
    Kind.CUSTOMER_REDACT: _customer_redact,
    Kind.SHOP_REDACT: _shop_redact,
}
