"""The people of a shop who use the admin."""

from __future__ import annotations

from django.db import models

from retention_app.tenancy import ShopOwned


class Role(models.TextChoices):
    """What a person may do: the table is `retention_app.rights`."""

    OWNER = "owner"
    MANAGER = "manager"
    SUPPORT = "support"
    VIEWER = "viewer"


class StaffMember(ShopOwned):
    """A person who opened the admin, as far as the platform said who they are, and what they may do and chose.

    They stay when they leave the shop, so that what they did keeps its name. `lease_until` makes asking the platform
    single-flight, and puts off asking again after a failure.
    """

    actor = models.CharField(max_length=64)  # the platform's user id (the ID token's `sub`)
    name = models.CharField(max_length=255, blank=True)  # empty: not shared yet
    email = models.CharField(max_length=255, blank=True)
    owns_account = models.BooleanField(default=False, db_default=False)  # the platform's account owner
    role = models.CharField(max_length=16, choices=Role.choices, blank=True)  # empty until their first visit is over
    points_limit = models.PositiveIntegerField(null=True)  # at once, in place of their role's
    language = models.CharField(max_length=16, blank=True)  # one of settings.LANGUAGES; empty follows the platform
    told_at = models.DateTimeField(null=True)  # when the platform said who they are
    last_seen_at = models.DateTimeField(null=True)  # to the ten minutes
    lease_until = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "actor"], name="staffmember_one_per_person")]

    def __str__(self) -> str:
        return self.actor
