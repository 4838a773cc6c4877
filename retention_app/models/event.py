"""Events and their runs: the tables are the queue, Celery only wakes it."""

from __future__ import annotations

from django.db import models

from retention_app import clock
from retention_app.tenancy import ShopOwned


class DomainEvent(ShopOwned):
    """A past-tense fact, written in the transaction that made it true (or, for an import, from its due mark).

    `key` names the fact: the same fact told twice is one row. `subject_id` is the mirror row it is about,
    `customer_id` the customer concerned, where there is one.
    """

    class Origin(models.TextChoices):
        LIVE = "live"
        BACKFILL = "backfill"
        RECONCILE = "reconcile"

    type = models.CharField(max_length=64)
    version = models.PositiveSmallIntegerField(default=1)
    key = models.CharField(max_length=160)
    subject_id = models.BigIntegerField(null=True)
    customer_id = models.BigIntegerField(null=True)
    origin = models.CharField(max_length=12, choices=Origin.choices)
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "key"], name="domainevent_once")]


class EventRun(models.Model):
    """One consumer's work on one event. Spans shops: workers look for due runs over all of them."""

    class State(models.TextChoices):
        WAITING = "waiting"
        DONE = "done"
        DEAD = "dead"
        DROPPED = "dropped"  # given up by an operator, with a reason

    shop_id = models.BigIntegerField()
    event = models.ForeignKey(DomainEvent, on_delete=models.CASCADE, related_name="runs", db_index=False)
    consumer = models.CharField(max_length=64)
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    cursor = models.BigIntegerField(default=0)  # how far a consumer that works in steps has come
    created_at = models.DateTimeField(default=clock.now)
    due_at = models.DateTimeField()
    attempts = models.PositiveIntegerField(default=0)  # claims: who writes must hold the newest
    lapses = models.PositiveIntegerField(default=0, db_default=0)  # of these, claims whose lease ran out
    lease_until = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)
    error_class = models.CharField(max_length=64, blank=True, db_default="")
    error = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["event", "consumer"], name="eventrun_once")]
        indexes = [
            models.Index(
                fields=["shop_id", "consumer", "id"], name="eventrun_waiting", condition=models.Q(state="waiting")
            ),
            models.Index(fields=["id"], name="eventrun_dead", condition=models.Q(state="dead")),
        ]
