"""What people may ask of their data, and what is left of those who were erased."""

from __future__ import annotations

from django.db import models

from retention_app.fields import EncryptedTextField
from retention_app.tenancy import ShopOwned


class PrivacyRequest(models.Model):
    """A request of the platform's compliance topics. Spans shops: operators watch every deadline.

    `customer_shopify_id` is emptied when the request is done; `proof` says what was done in numbers, naming nobody.
    """

    class Kind(models.TextChoices):
        DATA_REQUEST = "data_request"
        CUSTOMER_REDACT = "customer_redact"
        SHOP_REDACT = "shop_redact"

    class State(models.TextChoices):
        WAITING = "waiting"
        DONE = "done"
        DEAD = "dead"

    shop = models.ForeignKey("retention_app.Shop", on_delete=models.CASCADE, related_name="privacy_requests")
    kind = models.CharField(max_length=16, choices=Kind.choices)
    key = models.CharField(max_length=128, unique=True)  # the delivery's webhook id: told twice, asked once
    customer_shopify_id = models.BigIntegerField(null=True)
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    received_at = models.DateTimeField()
    deadline_at = models.DateTimeField()  # 30 days after
    due_at = models.DateTimeField()
    attempts = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)
    proof = models.JSONField(default=dict)
    error_class = models.CharField(max_length=64, blank=True)
    error = models.TextField(blank=True)


class PrivacyExport(ShopOwned):
    """The file that answers a data request, for the merchant to hand on. `content` is JSON."""

    request = models.ForeignKey(PrivacyRequest, on_delete=models.CASCADE, related_name="exports")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    downloaded_at = models.DateTimeField(null=True)
    content = EncryptedTextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "request"], name="privacyexport_once")]


class Tombstone(ShopOwned):
    """An erased customer: `digest` is the peppered hash of the platform's id, `customer` the row under a random id that
    keeps their orders and points, None when there never was one. A later sync finds the digest, and nobody comes back.
    """

    digest = models.CharField(max_length=64)
    customer = models.ForeignKey(
        "retention_app.Customer", null=True, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "digest"], name="tombstone_once")]
