"""What a shop's staff does about messages from the platform that need attention."""

from __future__ import annotations

from django.db import transaction

from retention_app import clock
from retention_app.models import AuditEntry, Shop, WebhookDelivery
from retention_app.outbound import NotStuck
from retention_app.wake import wake


def delivery_retry(*, shop: Shop, delivery: WebhookDelivery, actor: str) -> None:
    """Take it in once more. Raises `NotStuck`."""
    from retention_app.tasks import deliveries_work

    with transaction.atomic():
        _change(shop, delivery, actor, "delivery.retried", state=WebhookDelivery.State.WAITING, due_at=clock.now())
        wake(deliveries_work, shop_domain=delivery.shop_domain)


def delivery_skip(*, shop: Shop, delivery: WebhookDelivery, reason: str, actor: str) -> None:
    """Put it aside for good. Raises `NotStuck`."""
    dropped = WebhookDelivery.State.DROPPED
    with transaction.atomic():
        _change(shop, delivery, actor, "delivery.skipped", reason=reason, state=dropped, done_at=clock.now())


def _change(
    shop: Shop, delivery: WebhookDelivery, actor: str, code: str, *, reason: str = "", **columns: object
) -> None:
    stuck = WebhookDelivery.objects.filter(id=delivery.id, state=WebhookDelivery.State.DEAD)
    if not stuck.update(lease_until=None, attempts=0, **columns):
        raise NotStuck
    data = {"delivery": delivery.id, "topic": delivery.topic} | ({"reason": reason} if reason else {})
    AuditEntry.objects.create(shop=shop, code=code, actor=actor, at=clock.now(), data=data)
