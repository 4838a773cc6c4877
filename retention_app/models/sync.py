"""An import of a shop's history: its progress, and the lines staged on the way."""

from __future__ import annotations

from django.db import models

from retention_app.tenancy import ShopOwned


class SyncRun(models.Model):
    """One import. Spans shops: it is a queue header. Resumes at the last committed batch from the counts kept here."""

    class Phase(models.TextChoices):
        REQUESTED = "requested"  # nothing asked of the platform yet
        PREPARING = "preparing"  # the platform writes the files
        CUSTOMERS = "customers"
        LISTING = "listing"  # products and their collections are read into SyncItem
        PRODUCTS = "products"  # whole products go into the mirror
        STAGING = "staging"  # order lines are read into SyncItem
        ORDERS = "orders"  # whole aggregates go into the mirror
        EVENTS = "events"  # facts are told, in chronological order
        DONE = "done"
        FAILED = "failed"

    shop = models.ForeignKey("retention_app.Shop", on_delete=models.CASCADE, related_name="sync_runs")
    phase = models.CharField(max_length=12, choices=Phase.choices, default=Phase.REQUESTED)
    operations = models.JSONField(default=dict)  # {"customers": {"id", "url", "count"}, …} as the platform answered
    read_at = models.DateTimeField(null=True)  # when the reads began
    lines_read = models.BigIntegerField(default=0)  # of the current file, committed
    customers_done = models.BigIntegerField(default=0)
    products_done = models.BigIntegerField(default=0)
    orders_done = models.BigIntegerField(default=0)
    orders_total = models.BigIntegerField(null=True)
    unreadable = models.BigIntegerField(default=0)  # lines and orders left out: they made no sense
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField()
    attempts = models.PositiveIntegerField(default=0)  # claims: who writes must hold the newest
    failures = models.PositiveIntegerField(default=0)  # since the last committed batch, but for the platform's outages
    failing_since = models.DateTimeField(null=True)  # since when the platform fails
    lease_until = models.DateTimeField(null=True)
    error = models.TextField(blank=True)

    @property
    def running(self) -> bool:
        return self.phase not in (self.Phase.DONE, self.Phase.FAILED)


class SyncItem(ShopOwned):
    """A staged line of the products' or the orders' file: a resource (`root_id` its own) or a child of one."""

    run = models.ForeignKey(SyncRun, on_delete=models.CASCADE, related_name="items", db_index=False)
    number = models.BigIntegerField()  # the line's number in the file
    root_id = models.BigIntegerField()  # the resource's Shopify id
    is_root = models.BooleanField()
    data = models.TextField()  # the JSON line as read

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "run", "number"], name="syncitem_line")]
        indexes = [models.Index(fields=["shop", "run", "root_id"], name="syncitem_by_root")]
