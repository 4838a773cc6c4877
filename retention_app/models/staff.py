"""What the shop's staff chose for themselves."""

from __future__ import annotations

from django.db import models

from retention_app.tenancy import ShopOwned


class StaffPreference(ShopOwned):
    """A person's choices for the admin. Kept here because a framed page can't rely on cookies."""

    actor = models.CharField(max_length=64)  # the platform's user id (the ID token's `sub`)
    language = models.CharField(max_length=16, blank=True)  # one of settings.LANGUAGES; empty follows the platform

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "actor"], name="staffpreference_one_per_person")]
