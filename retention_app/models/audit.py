"""What people changed."""

from __future__ import annotations

from django.db import models

from retention_app.tenancy import ShopOwned


class AuditEntry(ShopOwned):
    """What a merchant's staff or program did, with a permanent dotted code, written in the same transaction."""

    code = models.CharField(max_length=64)  # e.g. loyalty.programme.published
    actor = models.CharField(max_length=64)  # the platform's user id (the ID token's `sub`)
    at = models.DateTimeField()
    data = models.JSONField(default=dict)  # `before` and `after` where something got another value

    class Meta:
        indexes = [models.Index(fields=["shop", "at", "id"], name="auditentry_by_time")]
