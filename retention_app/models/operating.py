"""What operators see and do: every failed try, every act of theirs."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class FailedTry(models.Model):
    """One failed try of a queued row. Spans shops. Messages and tracebacks carry no personal data."""

    class Queue(models.TextChoices):
        DELIVERY = "delivery"
        RUN = "run"
        OUTBOUND = "outbound"
        RECONCILIATION = "reconciliation"
        PRIVACY = "privacy"

    queue = models.CharField(max_length=16, choices=Queue.choices)
    row_id = models.BigIntegerField()
    at = models.DateTimeField()
    error_class = models.CharField(max_length=64)
    error = models.TextField()
    traceback = models.TextField(blank=True)

    class Meta:
        indexes = [models.Index(fields=["queue", "row_id"], name="failedtry_of_row")]


class OperatorAction(models.Model):
    """What an operator did in the console, with a permanent dotted code. Spans shops."""

    operator = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    code = models.CharField(max_length=64)  # e.g. console.delivery.revealed
    target = models.CharField(max_length=64, blank=True)  # e.g. delivery:42
    reason = models.CharField(max_length=255, blank=True)
    data = models.JSONField(default=dict)
    at = models.DateTimeField()
