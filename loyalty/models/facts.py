"""Facts about members that aren't in the mirror: what staff decided, what points were used for, what was announced.

They stay with the customer they were about; a merge folds them into the survivor's statement. Written by the services
that decide them, never changed except where a field says so.
"""

from __future__ import annotations

from django.db import models

from retention_app.tenancy import ShopOwned


class _OfCustomer(ShopOwned):
    customer = models.ForeignKey("retention_app.Customer", on_delete=models.RESTRICT, related_name="+", db_index=False)

    class Meta:
        abstract = True


class Adjustment(_OfCustomer):
    """Points given (or taken, negative) by staff. `counts`: towards tiers that go by points."""

    at = models.DateTimeField()
    points = models.BigIntegerField()
    reason = models.CharField(max_length=32)  # a code the screens know
    note = models.CharField(max_length=500, blank=True)
    counts = models.BooleanField(default=False)
    expires_at = models.DateTimeField(null=True)
    actor = models.CharField(max_length=64)  # the platform's user id
    approved_by = models.CharField(max_length=64, blank=True, default="", db_default="")  # who let it go over a limit
    key = models.CharField(max_length=64)  # names the request that made it: the same one makes no second

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "key"], name="adjustment_once")]
        indexes = [models.Index(fields=["shop", "customer"], name="adjustment_by_customer")]


class Spending(_OfCustomer):
    """Points used. Asked for and refused ones aren't facts. What is granted is held while the outside world decides,
    then redeemed or released; what was redeemed can be undone."""

    class State(models.TextChoices):
        ASKED = "asked"
        REFUSED = "refused"
        HELD = "held"
        REDEEMED = "redeemed"
        RELEASED = "released"
        UNDONE = "undone"

    at = models.DateTimeField()  # when it was granted; until then, asked for
    points = models.PositiveBigIntegerField()
    state = models.CharField(max_length=12, choices=State.choices, default=State.ASKED)
    decided_at = models.DateTimeField(null=True)
    undone_at = models.DateTimeField(null=True)  # when the points went back: released or undone
    purpose = models.JSONField()  # what they were used for, as the service that asked wrote it
    actor = models.CharField(max_length=64, blank=True)  # the platform's user id; empty for the member
    key = models.CharField(max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "key"], name="spending_once")]
        indexes = [
            models.Index(fields=["shop", "customer"], name="spending_by_customer"),
            models.Index(fields=["shop", "at"], name="spending_open", condition=models.Q(state__in=["asked", "held"])),
        ]


class TierMove(_OfCustomer):
    """A tier given by staff until `until`. `level` is a level's key, "" for no tier, None for back to automatic."""

    at = models.DateTimeField()
    level = models.CharField(max_length=32, null=True)  # noqa: DJ001  (None and "" say different things)
    until = models.DateTimeField(null=True)
    note = models.CharField(max_length=500)
    actor = models.CharField(max_length=64)
    key = models.CharField(max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "key"], name="tiermove_once")]
        indexes = [models.Index(fields=["shop", "customer"], name="tiermove_by_customer")]


class Announcement(_OfCustomer):
    """A member was told of what comes. `days`: which notice it was, 30 or 7 days before; each is made once."""

    subject = models.CharField(max_length=160)  # docs/statement.md, section 5
    days = models.PositiveSmallIntegerField()
    at = models.DateTimeField()
    channel = models.CharField(max_length=16)  # panel

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["shop", "customer", "subject", "days"], name="announcement_once")
        ]
