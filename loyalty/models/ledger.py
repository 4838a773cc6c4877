"""The ledger: the accounting record of members' statements. Written by `loyalty.ledger` only.

Transactions and entries are append-only, on PostgreSQL by trigger: a correction is another entry.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from retention_app.tenancy import ShopOwned


class Member(ShopOwned):
    """A customer seen by the programme.

    `revision` counts how often the member was judged anew: a posting is written only on the revision it was read at.
    `judged` is the fingerprint of the facts and programme behind the latest judgement: equal means nothing to do.
    """

    customer = models.ForeignKey(
        "retention_app.Customer", on_delete=models.RESTRICT, related_name="members", db_index=False
    )
    revision = models.PositiveIntegerField(default=0)
    judged = models.CharField(max_length=32, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "customer"], name="member_one_per_customer")]


class Account(ShopOwned):
    """A member's points, or one of the shop's counter accounts, which keep no balance and are never locked."""

    class Kind(models.TextChoices):
        MEMBER = "member"
        ISSUED = "issued"  # gives what orders earn
        REVERSED = "reversed"  # receives what refunds and cancellations take back

    POINTS = "points"

    member = models.ForeignKey(Member, null=True, on_delete=models.RESTRICT, related_name="accounts", db_index=False)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    asset = models.CharField(max_length=12)  # points
    balance = models.BigIntegerField(null=True)  # the sum of a member's entries

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["shop", "member", "asset"], name="account_one_per_member", condition=Q(member__isnull=False)
            ),
            models.UniqueConstraint(
                fields=["shop", "kind", "asset"], name="account_one_per_kind", condition=Q(member__isnull=True)
            ),
            models.CheckConstraint(
                name="account_member_has_balance",
                condition=Q(kind="member", member__isnull=False, balance__isnull=False)
                | (~Q(kind="member") & Q(member__isnull=True, balance__isnull=True)),
            ),
        ]


class LedgerTransaction(ShopOwned):
    """What one bringing up to date posted for a member; its entries sum to zero."""

    member = models.ForeignKey(Member, on_delete=models.RESTRICT, related_name="transactions", db_index=False)
    revision = models.PositiveIntegerField()  # the member's, after it
    occurred_at = models.DateTimeField()  # of its latest entry
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["shop", "member", "revision"], name="ledgertransaction_once_per_revision")
        ]


class Entry(ShopOwned):
    """A signed amount on an account. `source` is the statement line's; counter accounts' entries explain nothing."""

    transaction = models.ForeignKey(
        LedgerTransaction, on_delete=models.RESTRICT, related_name="entries", db_index=False
    )
    account = models.ForeignKey(Account, on_delete=models.RESTRICT, related_name="entries", db_index=False)
    amount = models.BigIntegerField()
    source = models.CharField(max_length=40)
    order_shopify_id = models.BigIntegerField(null=True)
    version = models.PositiveIntegerField(null=True)  # number of the programme version that judged it
    explanation = models.JSONField(null=True)
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(name="entry_not_zero", condition=~Q(amount=0))]
        indexes = [
            models.Index(fields=["shop", "account", "occurred_at", "id"], name="entry_by_account"),
            models.Index(fields=["shop", "transaction"], name="entry_by_transaction"),
            models.Index(fields=["shop", "order_shopify_id"], name="entry_by_order"),
        ]
