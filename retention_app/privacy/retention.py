"""Deleting what nobody needs any more, in batches of a transaction each: stopped anywhere, the next run goes on."""

from __future__ import annotations

import datetime as dt

import structlog
from django.conf import settings
from django.db import models
from django.db.models import QuerySet

from retention_app import clock
from retention_app.models import (
    ApiWrite,
    FailedTry,
    PrivacyExport,
    PrivacyRequest,
    Shop,
    SyncItem,
    SyncRun,
    WebhookDelivery,
)
from retention_app.privacy.export import KEPT
from retention_app.tenancy import shop_scope

log = structlog.get_logger(__name__)

ROWS_PER_BATCH = 1_000
API_WRITES_KEPT = dt.timedelta(days=30)  # what programs were answered

_FINISHED = (WebhookDelivery.State.DONE, WebhookDelivery.State.DROPPED)
TOO_OLD = "Nobody could act on it in time, so its body was deleted. What Shopify has since is compared every night."


def retention_enforce() -> dict[str, int]:
    """Delete, over all shops, raw deliveries, failed tries and staged lines after `RETENTION_DAYS`, files with a
    customer's data when they expire, and answers to programs after a month; answers how many."""
    since = clock.now() - dt.timedelta(days=settings.RETENTION_DAYS)
    old = WebhookDelivery.objects.filter(received_at__lt=since)
    counts = {
        "deliveries": _delete(old.filter(state__in=_FINISHED)),
        "bodies": _bodies_delete(old.exclude(state__in=_FINISHED).exclude(body=b"")),
        "tries": _delete(FailedTry.objects.filter(at__lt=since)),
        "staged": _staged_delete(),
        "exports": _exports_delete(),
        "api_writes": _api_writes_delete(),
    }
    log.info("retention_enforced", **counts)
    return counts


def _delete(rows: QuerySet[models.Model]) -> int:
    deleted = 0
    while ids := list(rows.order_by("pk").values_list("pk", flat=True)[:ROWS_PER_BATCH]):
        rows.model._default_manager.filter(pk__in=ids).delete()
        deleted += len(ids)
    return deleted


def _bodies_delete(too_old: QuerySet[WebhookDelivery]) -> int:
    """What was never done keeps its header for the operators; what it said is gone, so nobody can do it any more."""
    emptied = 0
    while ids := list(too_old.order_by("id").values_list("id", flat=True)[:ROWS_PER_BATCH]):
        old = WebhookDelivery.objects.filter(id__in=ids)
        old.filter(state=WebhookDelivery.State.WAITING).update(
            state=WebhookDelivery.State.DEAD, lease_until=None, error_class="TooOld", error=TOO_OLD
        )
        emptied += old.update(body=b"")
    return emptied


def _staged_delete() -> int:
    """Staged lines of imports that were given up: a new import stages its own."""
    deleted = 0
    given_up = SyncRun.objects.filter(phase=SyncRun.Phase.FAILED)
    for shop_id in given_up.values_list("shop_id", flat=True).distinct():
        with shop_scope(shop_id):
            deleted += _delete(SyncItem.objects.filter(run__phase=SyncRun.Phase.FAILED))
    return deleted


def _api_writes_delete() -> int:
    """Answers to programs' writes, which nobody sends again any more."""
    deleted, since = 0, clock.now() - API_WRITES_KEPT
    for shop_id in Shop.objects.values_list("id", flat=True):
        with shop_scope(shop_id):
            deleted += _delete(ApiWrite.objects.filter(begun_at__lt=since))
    return deleted


def _exports_delete() -> int:
    deleted = 0
    now = clock.now()
    answered = PrivacyRequest.objects.filter(kind=PrivacyRequest.Kind.DATA_REQUEST, done_at__lte=now - KEPT)
    for shop_id in answered.values_list("shop_id", flat=True).distinct():
        with shop_scope(shop_id):
            deleted += _delete(PrivacyExport.objects.filter(expires_at__lte=now))
    return deleted
