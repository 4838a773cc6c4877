"""The tables as queues: claiming due work by lease, finishing it, trying it again (DESIGN 4).

A claim is one conditional UPDATE, so two workers never hold the same row; a worker that dies lets its lease run out.
One that was only slow finishes nothing any more: a row is touched as long as it waits with the claim's `attempts`.
"""

from __future__ import annotations

import datetime as dt
import random
from collections import defaultdict
from collections.abc import Sequence
from typing import TypeVar

from django.db import connection
from django.db.models import F, Q

from retention_app import clock, setwise
from retention_app.models import EventRun, SyncRun, WebhookDelivery

LEASE_SECONDS = 30
ATTEMPTS_MAX = 8
DELIVERIES_PER_CLAIM = 200
AGE_MAX = dt.timedelta(hours=48)  # how long a delivery waits for a failing platform
_BACKOFF_SECONDS_MAX = 900

_Row = TypeVar("_Row", EventRun, SyncRun, WebhookDelivery)


def retry_at(attempts: int) -> dt.datetime:
    """When to try again after the nth failed attempt: 2, 4, 8 … seconds, at most 15 minutes, with jitter."""
    return _after(2.0 ** min(attempts, 10))


def _after(seconds: float) -> dt.datetime:
    return clock.now() + dt.timedelta(seconds=min(seconds, _BACKOFF_SECONDS_MAX) * random.uniform(0.75, 1.25))


def _claim(model: type[_Row], condition: str, params: Sequence[str | int], limit: int) -> list[_Row]:
    table, now = model._meta.db_table, clock.now()
    skip_locked = " FOR UPDATE SKIP LOCKED" if connection.vendor == "postgresql" else ""
    rows = model._default_manager.raw(
        f"UPDATE {table} SET lease_until = %s, attempts = attempts + 1 WHERE id IN"
        f" (SELECT id FROM {table} WHERE {condition} AND due_at <= %s"
        f" AND (lease_until IS NULL OR lease_until <= %s) ORDER BY id LIMIT %s{skip_locked}) RETURNING *",
        [
            setwise.instant(now + dt.timedelta(seconds=LEASE_SECONDS)),
            *params,
            setwise.instant(now),
            setwise.instant(now),
            limit,
        ],
    )
    return sorted(rows, key=lambda row: row.pk)


def _held(rows: Sequence[EventRun] | Sequence[WebhookDelivery]) -> Q:
    """These rows, as far as they are still the claim's: the count of attempts is its token."""
    by_attempts: dict[int, list[int]] = defaultdict(list)
    for row in rows:
        by_attempts[row.attempts].append(row.pk)
    held = Q(pk__in=[])
    for attempts, ids in by_attempts.items():
        held |= Q(pk__in=ids, attempts=attempts)
    return held & Q(state="waiting")


def _lease_end() -> dt.datetime:
    return clock.now() + dt.timedelta(seconds=LEASE_SECONDS)


def runs_claim(*, shop_id: int, consumer: str, limit: int) -> list[EventRun]:
    """Lease up to `limit` due runs of a consumer, oldest event first."""
    runs = _claim(EventRun, "state = 'waiting' AND shop_id = %s AND consumer = %s", [shop_id, consumer], limit)
    return sorted(runs, key=lambda run: run.event_id)


def deliveries_claim(*, shop_domain: str, limit: int = DELIVERIES_PER_CLAIM) -> list[WebhookDelivery]:
    """Lease up to `limit` due deliveries that name this shop, oldest first."""
    return _claim(WebhookDelivery, "state = 'waiting' AND shop_domain = %s", [shop_domain], limit)


def sync_claim(*, run_id: int) -> bool:
    """Lease an import that is due."""
    return bool(_claim(SyncRun, "phase NOT IN ('done', 'failed') AND id = %s", [run_id], 1))


def runs_done(runs: Sequence[EventRun]) -> None:
    EventRun.objects.filter(_held(runs)).update(
        state=EventRun.State.DONE, done_at=clock.now(), lease_until=None, error=""
    )


def run_failed(run: EventRun, error: str) -> None:
    """Put a run back for later, or aside once it has failed `ATTEMPTS_MAX` times."""
    dead = run.attempts >= ATTEMPTS_MAX
    EventRun.objects.filter(_held([run])).update(
        state=EventRun.State.DEAD if dead else EventRun.State.WAITING,
        due_at=retry_at(run.attempts),
        lease_until=None,
        error=error[:2000],
    )


def run_advanced(run: EventRun, cursor: int) -> bool:
    """Keep how far a long run has come, and its lease; False when another worker has taken it over.

    Getting on makes up for failures, so the count of attempts starts anew; the former cursor completes the token.
    """
    ours = EventRun.objects.filter(_held([run]), cursor=run.cursor)
    run.cursor, run.attempts = cursor, 1
    return bool(ours.update(cursor=cursor, attempts=1, lease_until=_lease_end()))


def run_handed_over(run: EventRun) -> None:
    """Let go of a long run whose slice of time is over."""
    EventRun.objects.filter(_held([run]), cursor=run.cursor).update(lease_until=None)


def deliveries_lease_renew(deliveries: Sequence[WebhookDelivery]) -> None:
    """Keep the leases of those that are neither finished nor put back, while what they hint at is read."""
    WebhookDelivery.objects.filter(_held(deliveries), lease_until__isnull=False).update(lease_until=_lease_end())


def deliveries_done(deliveries: Sequence[WebhookDelivery]) -> None:
    WebhookDelivery.objects.filter(_held(deliveries)).update(
        state=WebhookDelivery.State.DONE, done_at=clock.now(), lease_until=None, error=""
    )


def delivery_failed(delivery: WebhookDelivery, error: str, *, permanent: bool = False) -> None:
    """Put a delivery back for later, or aside when trying again can't help."""
    dead = permanent or delivery.attempts >= ATTEMPTS_MAX
    WebhookDelivery.objects.filter(_held([delivery])).update(
        state=WebhookDelivery.State.DEAD if dead else WebhookDelivery.State.WAITING,
        due_at=retry_at(delivery.attempts),
        lease_until=None,
        error=error[:2000],
    )


def delivery_postponed(delivery: WebhookDelivery, error: str) -> None:
    """Put a delivery back without counting the attempt: the platform failed, not the delivery. It waits as long again
    as it has been waiting, at most 15 minutes, and is put aside once it is older than `AGE_MAX`."""
    age = clock.now() - delivery.received_at
    WebhookDelivery.objects.filter(_held([delivery])).update(
        state=WebhookDelivery.State.DEAD if age > AGE_MAX else WebhookDelivery.State.WAITING,
        due_at=_after(max(age.total_seconds(), 2)),
        lease_until=None,
        attempts=F("attempts") - 1,
        error=error[:2000],
    )


def deliveries_wait(deliveries: Sequence[WebhookDelivery], *, seconds: float) -> None:
    """Put deliveries back without counting the attempt: the platform is slowing us down."""
    WebhookDelivery.objects.filter(_held(deliveries)).update(
        due_at=clock.now() + dt.timedelta(seconds=seconds), lease_until=None, attempts=F("attempts") - 1
    )
