"""Codes that a shop's customers were given."""

from __future__ import annotations

from django.db import models

from retention_app.tenancy import ShopOwned


class DiscountCode(ShopOwned):
    """A discount code for one customer and one use. `value` is basis points or minor units of `currency`, by kind."""

    class Kind(models.TextChoices):
        PERCENTAGE = "percentage"
        FIXED = "fixed"

    class State(models.TextChoices):
        REQUESTED = "requested"  # the platform hasn't confirmed it yet
        ACTIVE = "active"
        REFUSED = "refused"

    customer = models.ForeignKey(
        "retention_app.Customer", on_delete=models.CASCADE, related_name="discount_codes", db_index=False
    )
    code = models.CharField(max_length=64)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    value = models.PositiveBigIntegerField()
    currency = models.CharField(max_length=3)
    state = models.CharField(max_length=12, choices=State.choices, default=State.REQUESTED)
    shopify_id = models.BigIntegerField(null=True)  # of the platform's DiscountCodeNode
    expires_at = models.DateTimeField()
    given_by = models.CharField(max_length=64)  # the platform's user id
    given_at = models.DateTimeField()
    note = models.CharField(max_length=255, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "code"], name="discountcode_once")]
        indexes = [models.Index(fields=["shop", "customer", "-id"], name="discountcode_by_customer")]
