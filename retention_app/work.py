"""The tables as queues: claiming due work by lease, finishing it, trying it again (DESIGN 4).

A claim is one conditional UPDATE, so two workers never hold the same row; a worker that dies lets its lease run out.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence

from django.db import connection
from django.db.models import F

from retention_app import clock, setwise
from retention_app.models import EventRun, SyncRun, WebhookDelivery

LEASE_SECONDS = 30
ATTEMPTS_MAX = 8
DELIVERIES_PER_CLAIM = 200
AGE_MAX = dt.timedelta(hours=48)  # how long a delivery waits for a failing platform
_BACKOFF_SECONDS_MAX = 900


def retry_at(attempts: int) -> dt.datetime:
    """When to try again after the nth failed attempt: 2, 4, 8 … seconds, at most 15 minutes, with jitter."""
    return _after(2.0 ** min(attempts, 10))


def _after(seconds: float) -> dt.datetime:
    return clock.now() + dt.timedelta(seconds=min(seconds, _BACKOFF_SECONDS_MAX) * random.uniform(0.75, 1.25))


def _claim(table: str, condition: str, params: Sequence[str | int], limit: int) -> list[int]:
    now = clock.now()
    skip_locked = " FOR UPDATE SKIP LOCKED" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET lease_until = %s, attempts = attempts + 1 WHERE id IN"
            f" (SELECT id FROM {table} WHERE {condition} AND due_at <= %s"
            f" AND (lease_until IS NULL OR lease_until <= %s) ORDER BY id LIMIT %s{skip_locked}) RETURNING id",
            [
                setwise.instant(now + dt.timedelta(seconds=LEASE_SECONDS)),
                *params,
                setwise.instant(now),
                setwise.instant(now),
                limit,
            ],
        )
        return sorted(id_ for (id_,) in cursor.fetchall())


def runs_claim(*, shop_id: int, consumer: str, limit: int) -> list[int]:
    """Lease up to `limit` due runs of a consumer, oldest event first."""
    return _claim(
        "retention_app_eventrun", "state = 'waiting' AND shop_id = %s AND consumer = %s", [shop_id, consumer], limit
    )


def deliveries_claim(*, shop_domain: str, limit: int = DELIVERIES_PER_CLAIM) -> list[int]:
    """Lease up to `limit` due deliveries that name this shop."""
    return _claim("retention_app_webhookdelivery", "state = 'waiting' AND shop_domain = %s", [shop_domain], limit)


def sync_claim(*, run_id: int) -> bool:
    """Lease an import that is due."""
    return bool(_claim("retention_app_syncrun", "phase NOT IN ('done', 'failed') AND id = %s", [run_id], 1))


def sync_lease_renew(run: SyncRun) -> None:
    """Keep an import's lease while it advances."""
    SyncRun.objects.filter(id=run.id).update(lease_until=clock.now() + dt.timedelta(seconds=LEASE_SECONDS))


def runs_done(ids: Sequence[int]) -> None:
    EventRun.objects.filter(id__in=ids).update(
        state=EventRun.State.DONE, done_at=clock.now(), lease_until=None, error=""
    )


def run_failed(run: EventRun, error: str) -> None:
    """Put a run back for later, or aside once it has failed `ATTEMPTS_MAX` times."""
    dead = run.attempts >= ATTEMPTS_MAX
    EventRun.objects.filter(id=run.id).update(
        state=EventRun.State.DEAD if dead else EventRun.State.WAITING,
        due_at=retry_at(run.attempts),
        lease_until=None,
        error=error[:2000],
    )


def deliveries_lease_renew(ids: Sequence[int]) -> None:
    """Keep deliveries' leases while what they hint at is read."""
    until = clock.now() + dt.timedelta(seconds=LEASE_SECONDS)
    WebhookDelivery.objects.filter(id__in=ids).update(lease_until=until)


def deliveries_done(ids: Sequence[int]) -> None:
    WebhookDelivery.objects.filter(id__in=ids).update(
        state=WebhookDelivery.State.DONE, done_at=clock.now(), lease_until=None, error=""
    )


def delivery_failed(delivery: WebhookDelivery, error: str, *, permanent: bool = False) -> None:
    """Put a delivery back for later, or aside when trying again can't help."""
    dead = permanent or delivery.attempts >= ATTEMPTS_MAX
    WebhookDelivery.objects.filter(id=delivery.id).update(
        state=WebhookDelivery.State.DEAD if dead else WebhookDelivery.State.WAITING,
        due_at=retry_at(delivery.attempts),
        lease_until=None,
        error=error[:2000],
    )


def delivery_postponed(delivery: WebhookDelivery, error: str) -> None:
    """Put a delivery back without counting the attempt: the platform failed, not the delivery. It waits as long again
    as it has been waiting, at most 15 minutes, and is put aside once it is older than `AGE_MAX`."""
    age = clock.now() - delivery.received_at
    WebhookDelivery.objects.filter(id=delivery.id).update(
        state=WebhookDelivery.State.DEAD if age > AGE_MAX else WebhookDelivery.State.WAITING,
        due_at=_after(max(age.total_seconds(), 2)),
        lease_until=None,
        attempts=F("attempts") - 1,
        error=error[:2000],
    )


def deliveries_wait(ids: Sequence[int], *, seconds: float) -> None:
    """Put deliveries back without counting the attempt: the platform is slowing us down."""
    WebhookDelivery.objects.filter(id__in=ids).update(
        due_at=clock.now() + dt.timedelta(seconds=seconds), lease_until=None, attempts=F("attempts") - 1
    )
