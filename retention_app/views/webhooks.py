"""Webhook intake, first form (DESIGN 4): verify the raw bytes, store one row, answer. Everything else happens later."""

from __future__ import annotations

import re

import structlog
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from retention_app import clock
from retention_app.models import WebhookDelivery
from retention_app.observability import DELIVERIES
from retention_app.shopify.auth import is_shop_domain
from retention_app.shopify.signature import webhook_is_genuine
from retention_app.shopify.topics import TOPIC_HANDLERS
from retention_app.tasks import deliveries_work
from retention_app.wake import wake

log = structlog.get_logger(__name__)

BODY_BYTES_MAX = 20 * 1024 * 1024

# Header → the column it goes into and the most characters it takes there.
_HEADERS = {
    "X-Shopify-Webhook-Id": ("webhook_id", 128),
    "X-Shopify-Topic": ("topic", 64),
    "X-Shopify-Shop-Domain": ("shop_domain", 255),
    "X-Shopify-Event-Id": ("event_id", 128),
    "X-Shopify-API-Version": ("api_version", 16),
    "X-Shopify-Triggered-At": ("triggered_at", 64),
}
_REQUIRED = frozenset({"webhook_id", "topic", "shop_domain"})
_PRINTABLE = re.compile(r"[\x21-\x7e]*")


@csrf_exempt
@require_POST
def shopify(request: HttpRequest) -> HttpResponse:
    """200 once the delivery is stored, also when it was stored before; 401 without a genuine signature, 405 for another
    method, 413 for a body over 20 MiB, 400 for headers that can't be stored."""
    body = _body(request)
    if body is None:
        return _answer(request, 413)
    if not webhook_is_genuine(body, request.headers.get("X-Shopify-Hmac-Sha256", "")):
        return _answer(request, 401)
    columns = _columns(request)
    if columns is None:
        return _answer(request, 400)
    now = clock.now()
    with transaction.atomic():
        WebhookDelivery.objects.bulk_create(
            [WebhookDelivery(**columns, body=body, received_at=now, due_at=now)], ignore_conflicts=True
        )
        wake(deliveries_work, shop_domain=columns["shop_domain"])
    return _answer(request, 200)


def _body(request: HttpRequest) -> bytes | None:
    """The raw body; None when it is larger than we take."""
    length = request.headers.get("Content-Length", "")
    if length.isascii() and length.isdecimal() and int(length) > BODY_BYTES_MAX:
        return None
    body = request.read(BODY_BYTES_MAX + 1)
    return body if len(body) <= BODY_BYTES_MAX else None


def _columns(request: HttpRequest) -> dict[str, str] | None:
    """The headers as columns; None when a required one is missing or one can't be what it says."""
    columns = {}
    for header, (column, limit) in _HEADERS.items():
        value = request.headers.get(header, "")
        if len(value) > limit or not _PRINTABLE.fullmatch(value) or (column in _REQUIRED and not value):
            return None
        columns[column] = value
    return columns if is_shop_domain(columns["shop_domain"]) else None


def _answer(request: HttpRequest, status: int) -> HttpResponse:
    topic = request.headers.get("X-Shopify-Topic", "")
    DELIVERIES.labels(topic if topic in TOPIC_HANDLERS else "other", status).inc()
    if status != 200:
        log.warning("webhook_refused", status=status)
    return HttpResponse(status=status)
