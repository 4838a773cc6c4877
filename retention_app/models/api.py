"""Who may call the merchant REST API, and what they asked it to write."""

from __future__ import annotations

from django.db import models

from retention_app.tenancy import ShopOwned


class ApiKey(ShopOwned):
    """A key that opens the shop to a program. `prefix` is its public part; of its secret only `digest` is kept.

    A revoked key stays, so that what it did keeps its name.
    """

    name = models.CharField(max_length=60)  # as the shop's staff call it
    prefix = models.CharField(max_length=8)
    digest = models.CharField(max_length=64)
    scopes = models.JSONField()  # codes of `retention_app.api.scopes`
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=64)  # the platform's user id
    last_used_at = models.DateTimeField(null=True)  # to the minute
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "prefix"], name="apikey_once")]

    @property
    def actor(self) -> str:
        """What stands for the key where facts and audit name who decided."""
        return f"api:{self.pk}"


class ApiWrite(ShopOwned):
    """A write that a program asked for under an `Idempotency-Key`, and what it was answered; None until it is done.

    It goes with the customer it is about, and after some weeks.
    """

    api_key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="+", db_index=False)
    key = models.CharField(max_length=255)  # as sent
    input_hash = models.CharField(max_length=64)
    customer = models.ForeignKey("retention_app.Customer", on_delete=models.CASCADE, related_name="+", db_index=False)
    begun_at = models.DateTimeField()
    answer = models.JSONField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "api_key", "key"], name="apiwrite_once")]
        indexes = [
            models.Index(fields=["shop", "begun_at"], name="apiwrite_by_age"),
            models.Index(fields=["shop", "customer"], name="apiwrite_by_customer"),
        ]
