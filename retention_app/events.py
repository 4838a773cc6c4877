"""Facts and who acts on them.

`events_record` writes facts as `DomainEvent` rows and one `EventRun` per consumer of their type, in the caller's
transaction; on commit it wakes the workers. Engines list their consumers in `<app>/consumers.py` with `register`;
a consumer's name never changes, because a renamed one would run every event again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from retention_app import clock, setwise
from retention_app.models import DomainEvent
from retention_app.tenancy import current_shop_id
from retention_app.wake import wake

EVENT_TYPES = frozenset(
    {
        "customer.deleted",
        "customer.merged",
        "customer.registered",
        "customer.signed_in",
        "order.cancelled",
        "order.deleted",
        "order.moved",
        "order.paid",
        "order.placed",
        "order.refunded",
        "order.updated",
        "points.adjusted",
        "points.returned",
        "points.spent",
        "product.labelled",
        "programme.backfilled",
        "programme.published",
        "programme.simulation_asked",
        "programme.withdrawn",
        "spending.asked",
        "spending.stuck",
        "shop.reckoning_changed",
        "tier.changed",
        "tier.moved",
    }
)


@dataclass(frozen=True, kw_only=True)
class Fact:
    """Something that became true. `key` names it within the shop: told twice, it is recorded once."""

    type: str
    key: str
    occurred_at: dt.datetime
    subject_id: int | None = None
    customer_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class Consumer:
    """A named function that an engine runs once for each event of some types, inside the shop's scope.

    Exactly one of two shapes: `batch` is handed up to `BATCH_MAX` events and must be safe to run again;
    `step` is for long work on one event: called with the event and a cursor (0 first), it answers the next cursor, or
    None when the work is done; each step commits before the next begins.
    """

    name: str
    types: frozenset[str]
    batch: Callable[[Sequence[DomainEvent]], None] | None = None
    step: Callable[[DomainEvent, int], int | None] | None = None


BATCH_MAX = 500

_consumers: dict[str, Consumer] = {}


def register(consumer: Consumer) -> None:
    """Add a consumer. Raises `ImproperlyConfigured` for an unknown type, a name taken, or not exactly one shape."""
    unknown = consumer.types - EVENT_TYPES
    if unknown:
        raise ImproperlyConfigured(f"Consumer {consumer.name} names unknown event types: {sorted(unknown)}.")
    if (consumer.batch is None) == (consumer.step is None):
        raise ImproperlyConfigured(f"Consumer {consumer.name} needs either batch or step.")
    if _consumers.setdefault(consumer.name, consumer) != consumer:
        raise ImproperlyConfigured(f"Two consumers are called {consumer.name}.")


def consumers() -> dict[str, Consumer]:
    """All registered consumers by name."""
    return dict(_consumers)


_EVENT: setwise.Columns = {
    "position": "integer",
    "type": "text",
    "key": "text",
    "subject_id": "bigint",
    "customer_id": "bigint",
    "occurred_at": "timestamptz",
}
_RUN: setwise.Columns = {"event_id": "bigint", "consumer": "text"}


def events_record(facts: Sequence[Fact], *, origin: DomainEvent.Origin) -> int:
    """Write facts not told before and their runs; answers how many were new. Two statements, whatever the number.

    Must run inside the transaction that made the facts true. Event ids follow the order of `facts`.
    """
    if not facts:
        return 0
    shop_id, now = current_shop_id(), setwise.instant(clock.now())
    rows = [{"position": position, **vars(fact)} for position, fact in enumerate(facts)]
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO retention_app_domainevent"
            " (shop_id, type, version, key, subject_id, customer_id, origin, occurred_at, recorded_at)"
            f" SELECT %s, r.type, 1, r.key, r.subject_id, r.customer_id, %s, r.occurred_at, {_at()}"
            f" FROM {setwise.rows_from(_EVENT)} WHERE true ORDER BY r.position"
            " ON CONFLICT (shop_id, key) DO NOTHING RETURNING id, type",
            [shop_id, origin.value, now, setwise.rows_json(rows, _EVENT)],
        )
        recorded = cursor.fetchall()
    runs = [
        {"event_id": event_id, "consumer": consumer.name}
        for event_id, type_ in recorded
        for consumer in _consumers.values()
        if type_ in consumer.types
    ]
    if runs:
        runs_insert(runs, shop_id=shop_id)
    return len(recorded)


def runs_insert(runs: Sequence[setwise.Row], *, shop_id: int) -> int:
    """Queue runs `{"event_id", "consumer"}` that don't exist yet and wake the workers on commit."""
    now = setwise.instant(clock.now())
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO retention_app_eventrun"
            " (shop_id, event_id, consumer, state, cursor, created_at, due_at, attempts, error)"
            f" SELECT %s, r.event_id, r.consumer, 'waiting', 0, {_at()}, {_at()}, 0, ''"
            f" FROM {setwise.rows_from(_RUN)} WHERE true ORDER BY r.event_id"
            " ON CONFLICT (event_id, consumer) DO NOTHING",
            [shop_id, now, now, setwise.rows_json(runs, _RUN)],
        )
        inserted = int(cursor.rowcount)
    from retention_app.tasks import event_runs_work

    for name in {str(run["consumer"]) for run in runs}:
        wake(event_runs_work, shop_id=shop_id, consumer=name)
    return inserted


def _at() -> str:
    return "%s::timestamptz" if connection.vendor == "postgresql" else "%s"
