"""A shop's loyalty rules: what is live, what was, and what is being written. Written by `loyalty.programme` only."""

from __future__ import annotations

from django.db import models

from retention_app.tenancy import ShopOwned


class Programme(ShopOwned):
    """The shop's programme; exists from version 1 on. Orders before `earn_from` earn nothing."""

    earn_from = models.DateTimeField()

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


class ProgrammeDraft(ShopOwned):
    """The rules being written. `revision` counts saves and publications: who publishes names the one they read."""

    document = models.JSONField()  # loyalty.rules.programme.Document
    edited_by = models.CharField(max_length=64)
    edited_at = models.DateTimeField()
    revision = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop"], name="programmedraft_one_per_shop")]
