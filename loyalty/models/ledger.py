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
    `judged` is the fingerprint of the facts and programme behind the latest judgement: equal means nothing to do until
    `next_at`, when time alone may change it. The tier is the statement's, for reading: "" is none, `tier_quantity` what
    counts towards tiers, `move_down` the one that comes unless more counts (`loyalty.selectors` knows its keys).
    `unclaimed`: their e-mail hasn't signed in yet; `claimed` is what was there when it did, if anything, with keys as
    `loyalty.rules.statement.Claimed`.
    """

    customer = models.ForeignKey(
        "retention_app.Customer", on_delete=models.RESTRICT, related_name="members", db_index=False
    )
    revision = models.PositiveIntegerField(default=0)
    judged = models.CharField(max_length=32, blank=True)
    next_at = models.DateTimeField(null=True)
    tier = models.CharField(max_length=32, blank=True, db_default="")  # a level's key
    tier_since = models.DateTimeField(null=True)
    tier_quantity = models.BigIntegerField(default=0, db_default=0)
    move_down = models.JSONField(null=True)
    unclaimed = models.BooleanField(default=False, db_default=False)
    claimed = models.JSONField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "customer"], name="member_one_per_customer")]
        indexes = [
            models.Index(fields=["shop", "next_at"], name="member_next_at", condition=Q(next_at__isnull=False)),
            models.Index(fields=["shop", "tier"], name="member_by_tier"),
        ]


class Account(ShopOwned):
    """A member's points, or one of the shop's counter accounts, which keep no balance and are never locked."""

    class Kind(models.TextChoices):
        MEMBER = "member"
        ISSUED = "issued"  # gives what orders earn and staff give
        REVERSED = "reversed"  # receives what refunds, cancellations and staff take back
        HELD = "held"  # receives points set aside while the outside world decides
        REDEEMED = "redeemed"  # receives points that bought something
        EXPIRED = "expired"  # receives what expired

    POINTS = "points"

    member = models.ForeignKey(Member, null=True, on_delete=models.RESTRICT, related_name="accounts", db_index=False)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    asset = models.CharField(max_length=12)  # points
    balance = models.BigIntegerField(null=True)  # the sum of a member's entries
    debt = models.BigIntegerField(default=0, db_default=0)  # of a member: what `balance` owes; a projection like lots

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
    """A signed amount on an account. `source` is the statement line's; counter accounts' entries explain nothing.

    A credit can be used from `usable_from` (None: not known yet) and is to expire at `expires_at` (None: never); both
    are unknown while it is `unclaimed`.
    """

    transaction = models.ForeignKey(
        LedgerTransaction, on_delete=models.RESTRICT, related_name="entries", db_index=False
    )
    account = models.ForeignKey(Account, on_delete=models.RESTRICT, related_name="entries", db_index=False)
    amount = models.BigIntegerField()
    source = models.CharField(max_length=96)
    order_shopify_id = models.BigIntegerField(null=True)
    version = models.PositiveIntegerField(null=True)  # number of the programme version that judged it
    explanation = models.JSONField(null=True)
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    usable_from = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    unclaimed = models.BooleanField(default=False, db_default=False)

    class Meta:
        constraints = [models.CheckConstraint(name="entry_not_zero", condition=~Q(amount=0))]
        indexes = [
            models.Index(fields=["shop", "account", "occurred_at", "id"], name="entry_by_account"),
            models.Index(fields=["shop", "transaction"], name="entry_by_transaction"),
            models.Index(fields=["shop", "order_shopify_id"], name="entry_by_order"),
        ]


class Lot(ShopOwned):
    """What is left of a credit: a projection of a member's statement, rewritten with it.

    `due`: when it is to expire; `ends`: when it does, as far as that was announced.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="lots", db_index=False)
    source = models.CharField(max_length=96)
    points = models.BigIntegerField()
    usable_from = models.DateTimeField(null=True)
    due = models.DateTimeField(null=True)
    ends = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(name="lot_not_empty", condition=Q(points__gt=0))]
        indexes = [models.Index(fields=["shop", "account"], name="lot_by_account")]


class TierChange(ShopOwned):
    """A member's tier became another one: a projection of the statement. "" is no tier; `quantity` is what counted."""

    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="tier_changes", db_index=False)
    at = models.DateTimeField()
    before = models.CharField(max_length=32, blank=True)
    after = models.CharField(max_length=32, blank=True)
    reason = models.CharField(max_length=16)  # loyalty.rules.tiers.Reason
    version = models.PositiveIntegerField()
    quantity = models.BigIntegerField()

    class Meta:
        indexes = [
            models.Index(fields=["shop", "member", "at"], name="tierchange_by_member"),
            models.Index(fields=["shop", "at"], name="tierchange_by_instant"),
        ]


class MemberSnapshot(ShopOwned):
    """Where a member with many orders stood at a closed instant, so that not all of them are gone through again
    (`loyalty.snapshots`). `fingerprint` is of the facts up to `at` and the programme: another one, and it's of no use.
    """

    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="snapshots", db_index=False)
    at = models.DateTimeField()
    fingerprint = models.CharField(max_length=32)
    data = models.JSONField()  # loyalty.rules.statement.Snapshot

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "member"], name="membersnapshot_one_per_member")]


class PeriodClose(ShopOwned):
    """The books up to `until` are closed: nothing is recorded before it any more. `totals` are the figures then."""

    until = models.DateTimeField()
    closed_at = models.DateTimeField()
    actor = models.CharField(max_length=64)
    totals = models.JSONField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "until"], name="periodclose_once")]
