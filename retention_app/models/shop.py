"""The tenant and its access to the platform."""

from __future__ import annotations

import secrets

from django.db import models

from retention_app.fields import EncryptedTextField
from retention_app.models.staff import Role
from retention_app.tenancy import ShopOwned


def new_public_id() -> str:
    """The name a storefront knows the shop by: 16 characters, says nothing about it."""
    return secrets.token_hex(8)


class Shop(models.Model):
    """One installed store. Spans the scope: it is found by domain or public id before a scope exists."""

    class State(models.TextChoices):
        INSTALLED = "installed"
        UNINSTALLED = "uninstalled"
        REDACTED = "redacted"  # the platform asked to erase it: aggregates are all that is left

    class Trouble(models.TextChoices):
        """What keeps us from working for an installed shop; each has a banner and a way back."""

        REAUTHORIZE = "reauthorize"  # no token opens it: its staff must open the app
        SCOPES = "scopes"  # it granted less than we need
        FROZEN = "frozen"  # the platform answers for nobody there: frozen, locked or gone

    class StorefrontDriver(models.TextChoices):
        SCRIPT_TAG = "script_tag"
        APP_EMBED = "app_embed"

    class CustomerAccounts(models.TextChoices):
        """As the platform calls them. With new ones everybody can sign in by e-mail, and nobody registers."""

        CLASSIC = "CLASSIC"
        NEW = "NEW_CUSTOMER_ACCOUNTS"

    class Goods(models.TextChoices):
        """How soon people buy what it sells again."""

        USED_UP = "used_up"
        AGAIN = "again"
        RARELY = "rarely"

    domain = models.CharField(max_length=255, unique=True)  # <name>.myshopify.com
    public_id = models.CharField(max_length=32, unique=True, default=new_public_id)
    shopify_id = models.BigIntegerField(null=True)
    name = models.CharField(max_length=255, blank=True)
    currency = models.CharField(max_length=3, default="USD")
    timezone = models.CharField(max_length=64, default="UTC")  # IANA
    customer_accounts = models.CharField(  # empty: not read yet
        max_length=24, choices=CustomerAccounts.choices, blank=True, default="", db_default=""
    )
    state = models.CharField(max_length=16, choices=State.choices, default=State.INSTALLED)
    installed_at = models.DateTimeField()
    uninstalled_at = models.DateTimeField(null=True)
    redacted_at = models.DateTimeField(null=True)
    aggregates = models.JSONField(default=dict)  # what outlives its erasure: counts and sums, nobody's
    trouble = models.CharField(max_length=16, choices=Trouble.choices, blank=True)
    trouble_since = models.DateTimeField(null=True)
    trouble_met_at = models.DateTimeField(null=True)  # when a call last ran into it
    missing_scopes = models.TextField(blank=True)  # comma separated, of those we ask for
    calls_paused_until = models.DateTimeField(null=True)  # no outbound call before
    reconciled_to = models.DateTimeField(null=True)  # what changed before was compared with the platform
    script_tag_id = models.BigIntegerField(null=True)  # the platform's id of the loader's script tag
    storefront_driver = models.CharField(
        max_length=16,
        choices=StorefrontDriver.choices,
        default=StorefrontDriver.SCRIPT_TAG,
        db_default=StorefrontDriver.SCRIPT_TAG,
    )
    storefront_theme = models.JSONField(
        default=dict, db_default={}
    )  # the published one: id, name, embed, accounts, read_at
    storefront_off_at = models.DateTimeField(null=True)  # since when staff let it show nothing
    storefront_seen = models.JSONField(default=dict, db_default={})  # kind of page -> when a visitor's script ran there
    storefront_problem = models.CharField(max_length=255, blank=True)  # why the loader couldn't be placed
    role_new = models.CharField(  # of people who open the app after the first
        max_length=16, choices=Role.choices, default=Role.SUPPORT, db_default=Role.SUPPORT
    )
    points_limits = models.JSONField(default=dict, db_default={})  # role -> points at once, where staff chose them
    code_limits = models.JSONField(default=dict, db_default={})  # role -> percent off by a code, where staff chose them
    goods = models.CharField(max_length=8, choices=Goods.choices, blank=True, default="", db_default="")  # "": unsaid
    margin_percent = models.PositiveSmallIntegerField(null=True)  # of revenue, before rewards; None: unsaid

    def __str__(self) -> str:
        return self.domain

    @property
    def handle(self) -> str:
        """`bean-shop` of `bean-shop.myshopify.com`."""
        return self.domain.removesuffix(".myshopify.com")


class ShopToken(ShopOwned):
    """The shop's offline access token and its refresh token, rotated together.

    `lease_until` makes refreshing single-flight: who holds the lease talks to the platform, with no lock held.
    """

    access_token = EncryptedTextField()
    expires_at = models.DateTimeField()
    refresh_token = EncryptedTextField(blank=True)
    refresh_expires_at = models.DateTimeField(null=True)
    scope = models.TextField(blank=True)  # comma separated, as granted
    version = models.PositiveIntegerField(default=1)  # counts pairs: a refresh writes WHERE version = the one it read
    lease_until = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop"], name="shoptoken_one_per_shop")]
