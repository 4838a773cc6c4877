"""What the platform told us, stored once before anything else happens (DESIGN 4)."""

from __future__ import annotations

from django.db import models


class WebhookDelivery(models.Model):
    """One delivery, raw. Spans shops: the shop header isn't covered by the signature, so it is only a hint."""

    class State(models.TextChoices):
        WAITING = "waiting"
        DONE = "done"
        DEAD = "dead"
        DROPPED = "dropped"  # given up by an operator, with a reason

    webhook_id = models.CharField(max_length=128, unique=True)
    event_id = models.CharField(max_length=128, blank=True)  # stored, never a reason to drop
    shop_domain = models.CharField(max_length=255)
    topic = models.CharField(max_length=64)
    api_version = models.CharField(max_length=16, blank=True)
    triggered_at = models.CharField(max_length=64, blank=True)  # as sent: RFC 3339 with nanoseconds
    body = models.BinaryField()
    received_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    due_at = models.DateTimeField()
    attempts = models.PositiveIntegerField(default=0)  # claims: who writes must hold the newest
    lapses = models.PositiveIntegerField(default=0, db_default=0)  # of these, claims whose lease ran out
    lease_until = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)
    error_class = models.CharField(max_length=64, blank=True, db_default="")
    error = models.TextField(blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["shop_domain", "due_at"], name="webhookdelivery_due", condition=models.Q(state="waiting")
            ),
            models.Index(fields=["shop_domain", "-received_at"], name="webhookdelivery_latest"),
            models.Index(fields=["id"], name="webhookdelivery_dead", condition=models.Q(state="dead")),
        ]
