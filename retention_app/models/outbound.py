"""What we want of the outside world, written down before it is asked for."""

from __future__ import annotations

from django.db import models


class Outbound(models.Model):
    """One effect wanted outside, in a shop: a queue header. Spans shops: workers look for due calls over all of them.

    `key` makes it one of its kind; what exactly is wanted stands in the shop's own row `subject_id`. `called_at` is set
    before the first call leaves: from then on the outside is read before it is asked again.
    """

    class State(models.TextChoices):
        WAITING = "waiting"
        DONE = "done"
        DEAD = "dead"  # needs attention
        SKIPPED = "skipped"  # given up by a person, with a reason

    shop = models.ForeignKey("retention_app.Shop", on_delete=models.CASCADE, related_name="outbound", db_index=False)
    kind = models.CharField(max_length=32)
    key = models.CharField(max_length=160)
    subject_id = models.BigIntegerField(null=True)
    customer_id = models.BigIntegerField(null=True)
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    due_at = models.DateTimeField()
    attempts = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    called_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    retried_at = models.DateTimeField(null=True)  # when a person last asked to try it again
    done_at = models.DateTimeField(null=True)
    actor = models.CharField(max_length=64, blank=True)  # who wanted it, where a person did
    error_class = models.CharField(max_length=64, blank=True)
    error = models.TextField(blank=True)
    reason = models.CharField(max_length=255, blank=True)  # why a person gave it up

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "kind", "key"], name="outbound_once")]
        indexes = [
            models.Index(fields=["shop", "due_at"], name="outbound_due", condition=models.Q(state="waiting")),
            models.Index(fields=["shop", "-id"], name="outbound_latest"),
            models.Index(fields=["shop", "kind", "subject_id"], name="outbound_by_subject"),
            models.Index(fields=["id"], name="outbound_dead", condition=models.Q(state="dead")),
        ]
