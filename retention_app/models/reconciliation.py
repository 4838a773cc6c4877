"""Comparing the mirror with the platform."""

from __future__ import annotations

from django.db import models


class Reconciliation(models.Model):
    """One comparison of a shop's mirror with the platform. Spans shops: it is a queue header.

    `checked` and `repaired` count by resource: `{"customers": 0, "orders": 0, "products": 0}`.
    """

    class Kind(models.TextChoices):
        CHANGES = "changes"  # what changed since the last one, hourly
        WHOLE = "whole"  # counts too, and where they differ every id, nightly
        ASKED = "asked"  # as WHOLE, because staff pressed the button

    class State(models.TextChoices):
        WAITING = "waiting"
        DONE = "done"
        DEAD = "dead"
        DROPPED = "dropped"  # given up by an operator, with a reason

    shop = models.ForeignKey("retention_app.Shop", on_delete=models.CASCADE, related_name="reconciliations")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    due_at = models.DateTimeField()
    attempts = models.PositiveIntegerField(default=0)  # claims: who writes must hold the newest
    lease_until = models.DateTimeField(null=True)
    requested_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True)  # when its reads began
    done_at = models.DateTimeField(null=True)
    actor = models.CharField(max_length=64, blank=True)
    progress = models.JSONField(default=dict)  # what is left of it, as `retention_app.reconcile` keeps it
    checked = models.JSONField(default=dict)
    repaired = models.JSONField(default=dict)
    error_class = models.CharField(max_length=64, blank=True)
    error = models.TextField(blank=True)
