"""Numbers that take long to count."""

from __future__ import annotations

from django.db import models

from retention_app.tenancy import ShopOwned


class ShopCount(ShopOwned):
    """What Home shows of a big shop (`retention_app.counts`), and when it was counted; null: not yet."""

    counts = models.JSONField(default=dict)
    counted_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)  # a worker is counting

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop"], name="shopcount_one_per_shop")]
