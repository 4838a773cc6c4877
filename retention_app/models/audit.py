"""What people changed."""

from __future__ import annotations

from django.db import models

from retention_app.tenancy import ShopOwned


class AuditEntry(ShopOwned):
    """A change a merchant's staff made, with a permanent dotted code, written in the change's transaction."""

    code = models.CharField(max_length=64)  # e.g. loyalty.programme.published
    actor = models.CharField(max_length=64)  # the platform's user id (the ID token's `sub`)
    at = models.DateTimeField()
    data = models.JSONField(default=dict)
