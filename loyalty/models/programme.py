"""A shop's loyalty rules: what is live, what was, and what is being written. Written by `loyalty.programme` only."""

from __future__ import annotations

from django.db import models

from retention_app import clock
from retention_app.tenancy import ShopOwned


class Programme(ShopOwned):
    """The shop's programme; exists from version 1 on. Orders before `earn_from` earn nothing.

    `lease_until`: a worker is bringing those up to date whose statement time alone changed.
    """

    earn_from = models.DateTimeField()
    lease_until = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop"], name="programme_one_per_shop")]


class ProgrammeVersion(ShopOwned):
    """Published rules, never changed afterwards, in force from `effective_from` until the next version's."""

    number = models.PositiveIntegerField()
    effective_from = models.DateTimeField()
    document = models.JSONField()  # loyalty.rules.programme.Document
    note = models.CharField(max_length=500, blank=True)
    published_by = models.CharField(max_length=64)  # the platform's user id (the ID token's `sub`)
    published_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "number"], name="programmeversion_number")]


class ProgrammeWithdrawal(ShopOwned):
    """A version that was taken back before it started: it is never in force."""

    version = models.OneToOneField(ProgrammeVersion, on_delete=models.CASCADE, related_name="withdrawal")
    at = models.DateTimeField()
    actor = models.CharField(max_length=64)


class Backfill(ShopOwned):
    """The decision that orders from `starts` up to `earn_from` count after all, judged by a version."""

    starts = models.DateTimeField()
    version = models.PositiveIntegerField()  # its number
    decided_at = models.DateTimeField()
    actor = models.CharField(max_length=64)


class Setup(ShopOwned):
    """How far the shop's staff came in the first-run assistant: `step` is the one to go on with."""

    step = models.PositiveSmallIntegerField(default=1)
    opened_at = models.DateTimeField()
    dismissed_at = models.DateTimeField(null=True)  # Home doesn't offer it any more

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop"], name="setup_one_per_shop")]


class ProgrammeDraft(ShopOwned):
    """The rules being written. `revision` counts saves and publications: who publishes names the one they read."""

    document = models.JSONField()  # loyalty.rules.programme.Document
    edited_by = models.CharField(max_length=64)
    edited_at = models.DateTimeField()
    revision = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop"], name="programmedraft_one_per_shop")]


class Launch(ShopOwned):
    """Version 1 as somebody decided it, waiting for its start; gone once it is published or cancelled."""

    starts_at = models.DateTimeField()
    document = models.JSONField()  # loyalty.rules.programme.Document
    count_past = models.CharField(max_length=4)  # loyalty.programme.CountPast
    note = models.CharField(max_length=500, blank=True)
    decided_by = models.CharField(max_length=64)
    decided_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop"], name="launch_one_per_shop")]

    number = 1  # of the version it becomes

    @property
    def is_due(self) -> bool:
        return self.starts_at <= clock.now()


class Simulation(ShopOwned):
    """What a document would change: all members through the live programme and through it, slice by slice.

    `key` names what was compared (document, versions in force, back-fills): the same question is asked once.
    """

    key = models.CharField(max_length=32)
    document = models.JSONField()  # loyalty.rules.programme.Document
    asked_at = models.DateTimeField()  # both sides are reckoned at this instant
    cursor = models.BigIntegerField(default=0, db_default=0)  # the last customer's id that was counted
    orders = models.BigIntegerField(default=0, db_default=0)  # counted so far
    orders_total = models.BigIntegerField(default=0, db_default=0)
    totals = models.JSONField(default=dict)  # loyalty.simulation.Totals
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "key"], name="simulation_once")]


class SimulatedMove(ShopOwned):
    """A member whose tier a simulation's document would change. Keys of levels; "" is none."""

    simulation = models.ForeignKey(Simulation, on_delete=models.CASCADE, related_name="moves", db_index=False)
    customer = models.ForeignKey("retention_app.Customer", on_delete=models.CASCADE, related_name="+", db_index=False)
    before = models.CharField(max_length=32, blank=True)
    after = models.CharField(max_length=32, blank=True)
    up = models.BooleanField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "simulation", "customer"], name="simulatedmove_once")]
        indexes = [models.Index(fields=["shop", "simulation", "up"], name="simulatedmove_by_way")]
