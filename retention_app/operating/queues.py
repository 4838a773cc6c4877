"""The queues as operators read them: what is stuck over all shops, since when and why.

Only spanning tables are read here (`retention_app.row_security.SPANNING_TABLES`), so no shop's scope is needed, and
never a delivery's body.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.db.models import Count, F, Min, Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from retention_app import clock
from retention_app.models import (
    EventRun,
    FailedTry,
    Outbound,
    PrivacyRequest,
    Reconciliation,
    Shop,
    WebhookDelivery,
)
from retention_app.work import Queued

PAGE_SIZE = 50
GROUPS_MAX = 50
LATE_MINUTES = 15  # a row that waits longer is stuck


@dataclass(frozen=True)
class Queue:
    """A queue model and the names of the columns that say a row's kind, when it came and whose it is."""

    key: FailedTry.Queue
    name: str | Promise
    one: str | Promise
    model: type[Queued]
    kind: str
    since: str
    shop: str
    given_up: str  # the state of a row that was dropped; empty where none may be

    @cached_property
    def rows(self) -> QuerySet[Any]:
        return self.model._default_manager.all()


QUEUES: Mapping[str, Queue] = {
    queue.key.value: queue
    for queue in (
        Queue(
            FailedTry.Queue.DELIVERY,
            _("Deliveries"),
            _("Delivery"),
            WebhookDelivery,
            "topic",
            "received_at",
            "shop_domain",
            WebhookDelivery.State.DROPPED,
        ),
        Queue(
            FailedTry.Queue.RUN,
            _("Event runs"),
            _("Event run"),
            EventRun,
            "consumer",
            "created_at",
            "shop_id",
            EventRun.State.DROPPED,
        ),
        Queue(
            FailedTry.Queue.OUTBOUND,
            _("Outbound calls"),
            _("Outbound call"),
            Outbound,
            "kind",
            "created_at",
            "shop_id",
            Outbound.State.SKIPPED,
        ),
        Queue(
            FailedTry.Queue.RECONCILIATION,
            _("Comparisons"),
            _("Comparison"),
            Reconciliation,
            "kind",
            "requested_at",
            "shop_id",
            Reconciliation.State.DROPPED,
        ),
        Queue(
            FailedTry.Queue.PRIVACY,
            _("Privacy requests"),
            _("Privacy request"),
            PrivacyRequest,
            "kind",
            "received_at",
            "shop_id",
            given_up="",
        ),
    )
}


@dataclass(frozen=True)
class Wanted:
    """Which rows of a queue: `state` is empty for everything stuck, or one of `STATES`."""

    state: str = ""
    kind: str = ""
    error_class: str = ""
    shop: str = ""  # a domain, or its first part
    minutes: int = LATE_MINUTES


@dataclass(frozen=True)
class Row:
    """A row of any queue, as lists and pages show it. `tries` counts the failed ones."""

    id: int
    kind: str
    shop: str
    state: str
    error_class: str
    error: str
    tries: int
    since: dt.datetime
    due_at: dt.datetime
    lease_until: dt.datetime | None

    @property
    def in_hand(self) -> bool:
        """Whether a worker has it right now."""
        return self.state == "waiting" and self.lease_until is not None and self.lease_until > clock.system_now()


@dataclass(frozen=True)
class Group:
    """Rows of one kind that failed, or wait, for the same reason."""

    kind: str
    error_class: str
    state: str
    count: int
    oldest: dt.datetime


@dataclass(frozen=True)
class Age:
    """How a queue does: rows waiting, rows put aside, since when the oldest waits."""

    queue: Queue
    waiting: int
    dead: int
    oldest: dt.datetime | None

    @property
    def seconds(self) -> float:
        return max((clock.now() - self.oldest).total_seconds(), 0) if self.oldest else 0.0

    @property
    def late(self) -> bool:
        return self.seconds > LATE_MINUTES * 60


def _dead() -> Q:
    return Q(state="dead")


def _failing() -> Q:
    return Q(state="waiting") & ~Q(error_class="")


def _late(queue: Queue, minutes: int) -> Q:
    return Q(state="waiting", **{f"{queue.since}__lt": clock.now() - dt.timedelta(minutes=minutes)})


STATES = ("dead", "failing", "late", "dropped")


def stuck(queue: Queue, wanted: Wanted) -> QuerySet[Any]:
    """The queue's rows that are put aside, have failed or wait for more than `wanted.minutes`, filtered."""
    by_state = {
        "": _dead() | _failing() | _late(queue, wanted.minutes),
        "dead": _dead(),
        "failing": _failing(),
        "late": _late(queue, wanted.minutes),
        "dropped": Q(state=queue.given_up),
    }
    rows = queue.rows.filter(by_state[wanted.state])
    if wanted.kind:
        rows = rows.filter(**{queue.kind: wanted.kind})
    if wanted.error_class:
        rows = rows.filter(error_class=wanted.error_class)
    if wanted.shop:
        domain = wanted.shop if "." in wanted.shop else f"{wanted.shop}.myshopify.com"
        if queue.shop == "shop_domain":
            rows = rows.filter(shop_domain=domain)
        else:
            rows = rows.filter(shop_id__in=Shop.objects.filter(domain=domain).values("id"))
    return rows


def stuck_page(queue: Queue, wanted: Wanted, *, after: int = 0) -> tuple[list[Row], int]:
    """A page of stuck rows, oldest first, behind the row `after`; and what to continue after, 0 at the end."""
    found = _rows(queue, stuck(queue, wanted).filter(id__gt=after).order_by("id")[: PAGE_SIZE + 1])
    page = found[:PAGE_SIZE]
    return page, page[-1].id if len(found) > PAGE_SIZE else 0


def stuck_groups(queue: Queue, wanted: Wanted) -> list[Group]:
    """The same rows counted by kind, reason and state, the largest groups first."""
    counted = (
        stuck(queue, wanted)
        .values("error_class", "state", of_kind=F(queue.kind))
        .annotate(count=Count("id"), oldest=Min(queue.since))
        .order_by("-count", "of_kind", "error_class")
    )
    return [
        Group(each["of_kind"], each["error_class"], each["state"], each["count"], each["oldest"])
        for each in counted[:GROUPS_MAX]
    ]


def row_of(queue: Queue, row_id: int) -> Row | None:
    """One row of a queue, in any state."""
    return next(iter(_rows(queue, queue.rows.filter(id=row_id))), None)


def _rows(queue: Queue, rows: QuerySet[Any]) -> list[Row]:
    picked = list(
        rows.values("id", "state", "error_class", "error", "due_at", "lease_until", queue.kind, queue.since, queue.shop)
    )
    tries = dict(
        FailedTry.objects.filter(queue=queue.key, row_id__in=[row["id"] for row in picked])
        .values_list("row_id")
        .annotate(Count("id"))
    )
    domains = shop_domains([row["shop_id"] for row in picked]) if queue.shop == "shop_id" else {}
    return [
        Row(
            id=row["id"],
            kind=row[queue.kind],
            shop=row["shop_domain"] if queue.shop == "shop_domain" else domains.get(row["shop_id"], ""),
            state=row["state"],
            error_class=row["error_class"],
            error=row["error"],
            tries=tries.get(row["id"], 0),
            since=row[queue.since],
            due_at=row["due_at"],
            lease_until=row["lease_until"],
        )
        for row in picked
    ]


def shop_domains(shop_ids: Sequence[int]) -> dict[int, str]:
    return dict(Shop.objects.filter(id__in=set(shop_ids)).values_list("id", "domain"))


def ages() -> list[Age]:
    """How every queue does, one query each."""
    return [_age(queue) for queue in QUEUES.values()]


def _age(queue: Queue) -> Age:
    waiting = Q(state="waiting")
    counted = queue.rows.filter(waiting | _dead()).aggregate(
        waiting=Count("id", filter=waiting), dead=Count("id", filter=_dead()), oldest=Min(queue.since, filter=waiting)
    )
    return Age(queue, counted["waiting"], counted["dead"], counted["oldest"])


def failed_tries(queue: Queue, row_id: int) -> QuerySet[FailedTry]:
    """Every failed try of a row, newest first."""
    return FailedTry.objects.filter(queue=queue.key, row_id=row_id).order_by("-id")
