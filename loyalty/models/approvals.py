"""What staff asked for above their limit."""

from __future__ import annotations

from django.db import models

from loyalty.models.facts import _OfCustomer


class AdjustmentRequest(_OfCustomer):
    """Points that somebody may not give or take themselves. Decided once: approved, it becomes an adjustment."""

    class State(models.TextChoices):
        WAITING = "waiting"
        APPROVED = "approved"
        REFUSED = "refused"

    at = models.DateTimeField()
    points = models.BigIntegerField()
    reason = models.CharField(max_length=32)
    note = models.CharField(max_length=500, blank=True)
    counts = models.BooleanField(default=False)
    expires_at = models.DateTimeField(null=True)
    actor = models.CharField(max_length=64)  # who asks
    key = models.CharField(max_length=64)  # names the request that made it: the same one makes no second
    state = models.CharField(max_length=12, choices=State.choices, default=State.WAITING)
    decided_at = models.DateTimeField(null=True)
    decided_by = models.CharField(max_length=64, blank=True)
    answer = models.CharField(max_length=255, blank=True)  # what the one who decided has to say

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "key"], name="adjustmentrequest_once")]
        indexes = [
            models.Index(fields=["shop", "at", "id"], name="adjustmentrequest_by_time"),
            models.Index(fields=["shop", "at"], name="adjustmentrequest_waiting", condition=models.Q(state="waiting")),
        ]
