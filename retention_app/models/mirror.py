"""The mirror: our copy of the shop's customers, orders and products. Written by `retention_app.mirror` only.

Money is integer minor units of the row's currency. `updated_at` is the platform's, `read_at` when the read that
brought the row began: together they keep an upsert from going backwards. Text the platform withholds is empty.
"""

from __future__ import annotations

from django.db import models

from retention_app.folding import WORD_MAX
from retention_app.labels import LENGTH_MAX
from retention_app.tenancy import ShopOwned

_LISTED = (
    "last_order_at",
    "spent_minor",
    "orders_count",
    "points",
    "tier",
    "gone_at",
)  # what the customer list goes by


def _listed_by(*columns: str, name: str) -> models.Index:
    """An index of the customer list: in this order, and all it filters by with it, so that a page and its count are
    read off the index whatever the filters."""
    order = [column.removeprefix("-") for column in columns]
    return models.Index(
        fields=["shop", *columns, "-id"],
        name=name,
        include=[column for column in _LISTED if column not in order],
        condition=models.Q(merged_into=None),
    )


class Customer(ShopOwned):
    """A customer, with the summary of their counted orders (neither cancelled nor test).

    One the platform merged into another keeps its row for its ledger: `merged_into` leads to the survivor, who has its
    orders. `gone_at` says since when the platform knows the customer no more; personal fields are empty then.
    `orders_went_to` is who got the last order of theirs that became somebody else's. `signed_in_at` is since when their
    e-mail is known to have signed in (`retention_app.sign_ins`), for good; `account_state`, the platform's word for a
    classic account, may change. `points` (all they have, usable or not) and `tier` are what an engine said of them last
    (`retention_app.standing`), kept here so that lists can be ordered and filtered by all they show.
    """

    shopify_id = models.BigIntegerField()
    first_name = models.CharField(max_length=255, blank=True)
    last_name = models.CharField(max_length=255, blank=True)
    email = models.CharField(max_length=320, blank=True)
    locale = models.CharField(max_length=16, blank=True)
    account_state = models.CharField(max_length=16, blank=True, db_default="")
    verified_email = models.BooleanField(default=False, db_default=False)
    signed_in_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    read_at = models.DateTimeField()
    merged_into = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="+", db_index=False)
    orders_went_to = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="+", db_index=False)
    gone_at = models.DateTimeField(null=True)
    orders_count = models.PositiveIntegerField(default=0)
    spent_minor = models.BigIntegerField(default=0)  # in the shop's currency, refunds taken off
    first_order_at = models.DateTimeField(null=True)
    last_order_at = models.DateTimeField(null=True)
    points = models.BigIntegerField(default=0, db_default=0)
    tier = models.CharField(max_length=32, blank=True, db_default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "shopify_id"], name="customer_shopify_id")]
        indexes = [
            _listed_by("-last_order_at", name="customer_list_by_last_order"),
            _listed_by("-spent_minor", name="customer_list_by_spent"),
            _listed_by("-orders_count", name="customer_list_by_orders"),
            _listed_by("-points", name="customer_list_by_points"),
            _listed_by("tier", "-last_order_at", name="customer_list_by_tier"),
            models.Index(
                fields=["shop", "-last_order_at", "-id"],
                name="customer_list_of_gone",
                condition=models.Q(merged_into=None, gone_at__isnull=False),
            ),
            models.Index(
                fields=["shop", "merged_into"],
                name="customer_by_survivor",
                condition=models.Q(merged_into__isnull=False),
            ),
            models.Index(
                fields=["shop", "orders_went_to"],
                name="customer_unexplained",
                condition=models.Q(gone_at__isnull=False, merged_into=None, orders_went_to__isnull=False),
            ),
        ]

    @property
    def name(self) -> str:
        """First and last name; empty when the platform withholds them."""
        return f"{self.first_name} {self.last_name}".strip()


class CustomerWord(ShopOwned):
    """A word that a customer is found by (`retention_app.folding`); compared by its bytes. `beside` has all of theirs,
    a space before each: who is found by several words is read off the index of one."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="words", db_index=False)
    word = models.CharField(max_length=WORD_MAX)
    beside = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "customer", "word"], name="customerword_once")]
        indexes = [models.Index(fields=["shop", "word", "customer"], name="customerword_by_word", include=["beside"])]


class Product(ShopOwned):
    """A product; its variants' prices aren't mirrored until a rule needs them."""

    shopify_id = models.BigIntegerField()
    title = models.CharField(max_length=512)
    handle = models.CharField(max_length=255, blank=True)
    status = models.CharField(max_length=16)
    product_type = models.CharField(max_length=255, blank=True)
    is_gift_card = models.BooleanField(default=False)
    updated_at = models.DateTimeField()
    read_at = models.DateTimeField()
    labels_from = models.DateTimeField(null=True)  # the `read_at` of the first state whose labels were kept

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "shopify_id"], name="product_shopify_id")]


class ProductLabel(ShopOwned):
    """A product was called `label` (`retention_app.labels`) from `since` until `until`, exclusive.

    Null is for ever: the labels of the first state we knew of a product hold for all time before it, and those it still
    has have no end. A later change of a product so changes no past order. A deleted product keeps its labels.
    """

    product_shopify_id = models.BigIntegerField()
    label = models.CharField(max_length=LENGTH_MAX)
    since = models.DateTimeField(null=True)
    until = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["shop", "product_shopify_id", "label"],
                name="productlabel_one_open",
                condition=models.Q(until=None),
            )
        ]
        indexes = [models.Index(fields=["shop", "product_shopify_id"], name="productlabel_by_product")]


class Order(ShopOwned):
    """An order with its totals. `event_due` marks a written state whose event row is still to be inserted."""

    shopify_id = models.BigIntegerField()
    customer = models.ForeignKey(Customer, null=True, on_delete=models.SET_NULL, related_name="orders", db_index=False)
    name = models.CharField(max_length=64)  # as people say it: #1042
    number = models.CharField(max_length=64, blank=True, db_default="")  # as it is searched; compared by its bytes
    currency = models.CharField(max_length=3)
    processed_at = models.DateTimeField()
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    read_at = models.DateTimeField()
    digest = models.CharField(max_length=32)  # of the mapped state: an equal one writes nothing
    cancelled_at = models.DateTimeField(null=True)
    test = models.BooleanField(default=False)
    financial_status = models.CharField(max_length=24, blank=True)
    paid = models.BooleanField(default=False)  # what came in covers the total, whatever was refunded later
    paid_at = models.DateTimeField(null=True)  # when what came in first covered it; null also for a paid one: unknown
    fulfilled_at = models.DateTimeField(null=True)  # when the last of it was sent; null while anything is left to send
    taxes_included = models.BooleanField(default=False)
    total_minor = models.BigIntegerField()  # as placed and edited, with tax and shipping
    refunded_minor = models.BigIntegerField(default=0)  # beyond what was overpaid
    event_due = models.BooleanField(default=False)
    placed_told = models.BooleanField(default=False)  # its first event row exists

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "shopify_id"], name="order_shopify_id")]
        indexes = [
            models.Index(fields=["shop", "customer", "processed_at"], name="order_by_customer"),
            models.Index(fields=["shop", "-processed_at", "-id"], name="order_by_processed_at"),
            models.Index(fields=["shop", "number", "customer"], name="order_by_number"),
            models.Index(
                fields=["shop", "processed_at", "shopify_id"],
                name="order_event_due",
                condition=models.Q(event_due=True),
            ),
        ]


class OrderLine(ShopOwned):
    """A line of an order. `net_minor` is its price after all discounts, without tax, for `quantity` pieces."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines", db_index=False)
    shopify_id = models.BigIntegerField()
    product_shopify_id = models.BigIntegerField(null=True)
    title = models.CharField(max_length=512)
    sku = models.CharField(max_length=255, blank=True)
    quantity = models.PositiveIntegerField()
    current_quantity = models.PositiveIntegerField()  # less what edits removed and refunds returned
    gift_card = models.BooleanField(default=False)
    net_minor = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "shopify_id"], name="orderline_shopify_id")]
        indexes = [models.Index(fields=["shop", "order"], name="orderline_by_order")]


class Refund(ShopOwned):
    """A refund. `unlined_minor` is what it gave back beyond its lines, their tax and shipping."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="refunds", db_index=False)
    shopify_id = models.BigIntegerField()
    processed_at = models.DateTimeField()
    total_minor = models.BigIntegerField()
    unlined_minor = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "shopify_id"], name="refund_shopify_id")]
        indexes = [models.Index(fields=["shop", "order"], name="refund_by_order")]


class RefundLine(ShopOwned):
    """Pieces of an order line that a refund took back. `net_minor` is their price after discounts, without tax."""

    refund = models.ForeignKey(Refund, on_delete=models.CASCADE, related_name="lines", db_index=False)
    line_shopify_id = models.BigIntegerField()
    quantity = models.PositiveIntegerField()
    net_minor = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["shop", "refund", "line_shopify_id"], name="refundline_once_per_line")
        ]


class OrderDiscountCode(ShopOwned):
    """A discount code that an order was placed with, in capitals: their case doesn't count."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="discount_codes", db_index=False)
    code = models.CharField(max_length=255)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "order", "code"], name="orderdiscountcode_once")]
        indexes = [models.Index(fields=["shop", "code"], name="orderdiscountcode_by_code")]


class OrderTransaction(ShopOwned):
    """A movement of money on an order, as the platform tells it."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="transactions", db_index=False)
    shopify_id = models.BigIntegerField()
    kind = models.CharField(max_length=24)
    status = models.CharField(max_length=24)
    gateway = models.CharField(max_length=64, blank=True)
    amount_minor = models.BigIntegerField()
    processed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "shopify_id"], name="ordertransaction_shopify_id")]
        indexes = [models.Index(fields=["shop", "order"], name="ordertransaction_by_order")]
