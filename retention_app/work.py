"""The tables as queues: claiming due work by lease, finishing it, trying it again (DESIGN 4).

A claim is one conditional UPDATE, so two workers never hold the same row; a worker that dies lets its lease run out.
One that was only slow finishes nothing any more: a row is touched as long as it waits with the claim's `attempts`.
Every failed try leaves a `FailedTry` behind for the operators. Of rows that are claimed many at a time, those whose
leases ran out again and again are claimed alone, until it shows which of them kills its workers.
"""

from __future__ import annotations

import datetime as dt
import random
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from django.db import connection, transaction
from django.db.models import F, Q

from retention_app import clock, setwise
from retention_app.models import (
    EventRun,
    FailedTry,
    Outbound,
    PrivacyRequest,
    Reconciliation,
    Shop,
    SyncRun,
    WebhookDelivery,
)
from retention_app.observability import redacted

LEASE_SECONDS = 30
ATTEMPTS_MAX = 8
DELIVERIES_PER_CLAIM = 200
BYTES_PER_CLAIM = 32 * 2**20  # of deliveries' bodies; a claim takes one row at least
SHARED_LAPSES_MAX = 2  # claims that nobody finished, after which a row is claimed alone
LAPSES_MAX = 5  # claims that nobody finished, the last of them of the row alone: it is put aside
CLOSED_SHOP_SECONDS = 900  # how long work waits for a shop that nobody lets us into, or into part of it
AGE_MAX = dt.timedelta(hours=48)  # how long a row waits for a failing platform
_BACKOFF_SECONDS_MAX = 900
_MESSAGE_MAX = 2_000  # characters
_TRACEBACK_MAX = 10_000  # characters, its end

Keep = Callable[[], None]  # called now and then by long work: its sign of life
Queued = EventRun | WebhookDelivery | Outbound | Reconciliation | PrivacyRequest
_Item = TypeVar("_Item")
_Row = TypeVar("_Row", EventRun, WebhookDelivery, Outbound, Reconciliation, PrivacyRequest)
_Claimed = TypeVar("_Claimed", EventRun, WebhookDelivery, Outbound, Reconciliation, PrivacyRequest, SyncRun)

SHARED = (EventRun, WebhookDelivery)  # claimed many at a time; they count in `lapses` the leases that ran out

QUEUES: dict[type[Queued], FailedTry.Queue] = {
    WebhookDelivery: FailedTry.Queue.DELIVERY,
    EventRun: FailedTry.Queue.RUN,
    Outbound: FailedTry.Queue.OUTBOUND,
    Reconciliation: FailedTry.Queue.RECONCILIATION,
    PrivacyRequest: FailedTry.Queue.PRIVACY,
}


class WorkerDied(Exception):
    """Whoever had the row in hand never told how it ended, time and again."""


def retry_at(attempts: int) -> dt.datetime:
    """When to try again after the nth failed attempt: 2, 4, 8 … seconds, at most 15 minutes, with jitter."""
    return _after(2.0 ** min(attempts, 10))


def retry_since(since: dt.datetime) -> dt.datetime:
    """When to try again while the outside has been failing since then: after as long again, at most 15 minutes."""
    return _after(max((clock.now() - since).total_seconds(), 2))


def _after(seconds: float) -> dt.datetime:
    return clock.now() + dt.timedelta(seconds=min(seconds, _BACKOFF_SECONDS_MAX) * random.uniform(0.75, 1.25))


def lease_end(seconds: float = LEASE_SECONDS) -> dt.datetime:
    """Until when what is claimed or kept now is in its worker's hand. Leases run by the system's time."""
    return clock.system_now() + dt.timedelta(seconds=seconds)


def unleased() -> Q:
    """Rows that nobody has in hand."""
    return Q(lease_until=None) | Q(lease_until__lte=clock.system_now())


def claim(model: type[_Row], *, limit: int, **having: int | str) -> list[_Row]:
    """Lease up to `limit` due rows with these column values, oldest first; of deliveries no more than fit into
    `BYTES_PER_CLAIM`. A row that kills its workers is put aside instead."""
    while rows := _claim(model, {"state": "waiting", **having}, limit):
        deadly = [row for row in rows if _lapses(row) >= LAPSES_MAX]
        if not deadly:
            return rows
        for row in deadly:
            error = WorkerDied(f"{LAPSES_MAX} workers died or hung with it, the last ones with it alone: put aside.")
            failed(row, error, permanent=True)
    return []


def sync_claim(*, run_id: int) -> bool:
    """Lease an import that is due."""
    return bool(_claim(SyncRun, {"id": run_id}, 1, "phase NOT IN ('done', 'failed')"))


def _claim(model: type[_Claimed], having: dict[str, int | str], limit: int, condition: str = "TRUE") -> list[_Claimed]:
    table = model._meta.db_table
    wanted = " AND ".join([condition, *(f"{column} = %s" for column in having)])
    skip_locked = " FOR UPDATE SKIP LOCKED" if connection.vendor == "postgresql" else ""
    weight, count_lapses = "0", ""
    if model in SHARED:
        lapses = "lapses + CASE WHEN lease_until IS NULL THEN 0 ELSE 1 END"
        size = "length(body)" if model is WebhookDelivery else "0"
        weight = f"CASE WHEN {lapses} >= {SHARED_LAPSES_MAX} THEN {BYTES_PER_CLAIM + 1} ELSE {size} END"
        count_lapses = f", lapses = {lapses}"
    # Chosen apart, once: as a mere subquery PostgreSQL may choose anew for each row, and lease more than the limit.
    rows = model._default_manager.raw(
        f"WITH due AS MATERIALIZED (SELECT id, {weight} AS weight FROM {table} WHERE {wanted} AND due_at <= %s"
        f" AND (lease_until IS NULL OR lease_until <= %s) ORDER BY id LIMIT %s{skip_locked}),"
        " summed AS (SELECT id, row_number() OVER so_far AS place, sum(weight) OVER so_far AS total"
        " FROM due WINDOW so_far AS (ORDER BY id))"
        f" UPDATE {table} SET lease_until = %s, attempts = attempts + 1{count_lapses}"
        " WHERE id IN (SELECT id FROM summed WHERE place = 1 OR total <= %s) RETURNING *",
        [
            *having.values(),
            setwise.instant(clock.now()),
            setwise.instant(clock.system_now()),
            limit,
            setwise.instant(lease_end()),
            BYTES_PER_CLAIM,
        ],
    )
    return sorted(rows, key=lambda row: row.pk)


def _lapses(row: Queued) -> int:
    return row.lapses if isinstance(row, SHARED) else 0


def tries(row: Queued) -> int:
    """How often a claimed row has been tried since it came or was put back by people. A worker that died with it, and
    maybe with many others, tried nothing."""
    return row.attempts - _lapses(row)


def _held(rows: Sequence[_Row]) -> Q:
    """These rows, as far as they are still the claim's: the count of attempts is its token."""
    by_attempts: dict[int, list[int]] = defaultdict(list)
    for row in rows:
        by_attempts[row.attempts].append(row.pk)
    held = Q(pk__in=[])
    for attempts, ids in by_attempts.items():
        held |= Q(pk__in=ids, attempts=attempts)
    return held & Q(state="waiting")


def lease_renew(rows: Sequence[_Row]) -> int:
    """Keep the leases of those that are neither finished nor put back, while the work goes on; answers how many."""
    if not rows:
        return 0
    ours = type(rows[0])._default_manager.filter(_held(rows), lease_until__isnull=False)
    return ours.update(lease_until=lease_end())


def in_halves(
    items: Sequence[_Item], handle: Callable[[Sequence[_Item]], object], alone: Callable[[_Item, Exception], object]
) -> Iterator[Sequence[_Item]]:
    """Handle items together; a failing batch is split until the bad one is alone, the rest goes through. Yields what
    went through; `alone` is told of the one and its error."""
    try:
        handle(items)
    except Exception as error:
        if len(items) == 1:
            alone(items[0], error)
            return
        middle = len(items) // 2
        yield from in_halves(items[:middle], handle, alone)
        yield from in_halves(items[middle:], handle, alone)
    else:
        yield items


def keeping(rows: Sequence[_Row], *, overtaken: type[Exception] | None = None) -> Keep:
    """Renews the leases of a claim when called, at most every few seconds. `overtaken` is raised when none of the rows
    is the claim's any more."""
    renewed_at = time.monotonic()

    def keep() -> None:
        nonlocal renewed_at
        if time.monotonic() - renewed_at > LEASE_SECONDS / 3:
            renewed_at = time.monotonic()
            if not lease_renew(rows) and overtaken:
                raise overtaken

    return keep


def done(rows: Sequence[_Row]) -> int:
    """Finish these; answers how many were still the claim's."""
    if not rows:
        return 0
    return (
        type(rows[0])
        ._default_manager.filter(_held(rows))
        .update(state="done", done_at=clock.now(), lease_until=None, error_class="", error="")
    )


def failed(row: _Row, error: Exception, *, permanent: bool = False) -> None:
    """Put a row back for later, or aside (dead) when trying again can't help or it has failed `ATTEMPTS_MAX` times."""
    dead = permanent or tries(row) >= ATTEMPTS_MAX
    _put_back(row, error, dead=dead, due_at=retry_at(tries(row)), attempts=row.attempts)


def postponed(row: _Row, error: Exception, *, since: dt.datetime) -> None:
    """Put a row back without counting the attempt: the outside failed, not the row. It waits as long again as it has
    been waiting since it came, at most 15 minutes, and is put aside once it is older than `AGE_MAX`."""
    _put_back(row, error, dead=clock.now() - since > AGE_MAX, due_at=retry_since(since), attempts=row.attempts - 1)


def wait(rows: Sequence[_Row], *, seconds: float) -> None:
    """Put rows back without counting the attempt: the outside is slowing us down."""
    if rows:
        type(rows[0])._default_manager.filter(_held(rows)).update(
            due_at=clock.now() + dt.timedelta(seconds=seconds), lease_until=None, attempts=F("attempts") - 1
        )


def due_now(shop: Shop) -> None:
    """Let what waits to talk to this shop's platform wait no longer. Failures keep their count."""
    now = clock.now()
    for model in (Outbound, Reconciliation):
        model._default_manager.filter(shop=shop, state="waiting", due_at__gt=now).update(due_at=now)
    WebhookDelivery.objects.filter(shop_domain=shop.domain, state="waiting", due_at__gt=now).update(due_at=now)
    SyncRun.objects.filter(shop=shop, due_at__gt=now).exclude(
        phase__in=[SyncRun.Phase.DONE, SyncRun.Phase.FAILED]
    ).update(due_at=now)


def _put_back(row: _Row, error: Exception, *, dead: bool, due_at: dt.datetime, attempts: int) -> None:
    model, error_class, message = type(row), type(error).__name__[:64], redacted(str(error))[:_MESSAGE_MAX]
    with transaction.atomic():
        touched = model._default_manager.filter(_held([row])).update(
            state="dead" if dead else "waiting",
            due_at=due_at,
            lease_until=None,
            attempts=attempts,
            error_class=error_class,
            error=message,
            **({"lapses": 0} if dead and model in SHARED else {}),
        )
        if touched:
            FailedTry.objects.create(
                queue=QUEUES[model],
                row_id=row.pk,
                at=clock.now(),
                error_class=error_class,
                error=message,
                traceback=redacted("".join(traceback.format_tb(error.__traceback__)))[-_TRACEBACK_MAX:],
            )


def run_advanced(run: EventRun, cursor: int) -> bool:
    """Keep how far a long run has come, and its lease; False when another worker has taken it over.

    Getting on makes up for failures, so the count of attempts starts anew; the former cursor completes the token.
    """
    ours = EventRun.objects.filter(_held([run]), cursor=run.cursor)
    run.cursor, run.attempts, run.lapses = cursor, 1, 0
    return bool(ours.update(cursor=cursor, attempts=1, lapses=0, lease_until=lease_end()))


def run_handed_over(run: EventRun) -> None:
    """Let go of a long run whose slice of time is over."""
    EventRun.objects.filter(_held([run]), cursor=run.cursor).update(lease_until=None)
