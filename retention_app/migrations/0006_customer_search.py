import django.db.models.deletion
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from retention_app.folding import number_of, word_rows
from retention_app.postgresql.operations import AddIndexOnline, ByteOrder
from retention_app.row_security import RowSecurity
from retention_app.tenancy import shop_scope

BATCH = 2_000
LISTED = ("last_order_at", "spent_minor", "orders_count", "points", "tier", "gone_at")


def words_fill(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Give the customers and orders that are there what they are found by, a batch a transaction. Stopped anywhere,
    doing it again goes on."""
    database = schema_editor.connection.alias
    customers = apps.get_model("retention_app", "Customer").objects.using(database)
    orders = apps.get_model("retention_app", "Order").objects.using(database)
    words = apps.get_model("retention_app", "CustomerWord").objects.using(database)
    for shop_id in apps.get_model("retention_app", "Shop").objects.using(database).values_list("id", flat=True):
        with shop_scope(shop_id):
            after = 0
            named = customers.filter(shop_id=shop_id).order_by("id")
            while batch := list(named.filter(id__gt=after)[:BATCH]):
                after = batch[-1].id
                words.bulk_create(
                    [
                        words.model(shop_id=shop_id, customer_id=one.id, word=word, beside=beside)
                        for one in batch
                        for word, beside in word_rows(one.first_name, one.last_name, one.email)
                    ],
                    ignore_conflicts=True,
                )
            after = 0
            numbered = orders.filter(shop_id=shop_id).order_by("id").only("id", "name")
            while some := list(numbered.filter(id__gt=after)[:BATCH]):
                after = some[-1].id
                for order in some:
                    order.number = number_of(order.name)
                orders.bulk_update(some, ["number"])


def listed_by(*columns: str, name: str) -> models.Index:
    return models.Index(
        fields=["shop", *columns, "-id"],
        name=name,
        include=[each for each in LISTED if each not in columns and f"-{each}" not in columns],
        condition=models.Q(merged_into=None),
    )


class Migration(migrations.Migration):
    # Not one transaction: rows are filled in batches, indexes made while others write.
    atomic = False

    dependencies = [("retention_app", "0005_storefront_driver")]

    operations = [
        migrations.AddField("customer", "points", models.BigIntegerField(default=0, db_default=0)),
        migrations.AddField("customer", "tier", models.CharField(blank=True, db_default="", max_length=32)),
        migrations.AddField("order", "number", models.CharField(blank=True, db_default="", max_length=64)),
        ByteOrder("retention_app_order", "number", 64),
        migrations.CreateModel(
            name="CustomerWord",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("word", models.CharField(max_length=64)),
                ("beside", models.TextField()),
                (
                    "customer",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="words",
                        to="retention_app.customer",
                    ),
                ),
                (
                    "shop",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="retention_app.shop",
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("shop", "customer", "word"), name="customerword_once")],
                "indexes": [
                    models.Index(fields=["shop", "word", "customer"], name="customerword_by_word", include=["beside"])
                ],
            },
        ),
        migrations.CreateModel(
            name="ShopCount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("counts", models.JSONField(default=dict)),
                ("counted_at", models.DateTimeField(null=True)),
                ("lease_until", models.DateTimeField(null=True)),
                (
                    "shop",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="retention_app.shop",
                    ),
                ),
            ],
            options={"constraints": [models.UniqueConstraint(fields=("shop",), name="shopcount_one_per_shop")]},
        ),
        RowSecurity("retention_app_shopcount"),
        ByteOrder("retention_app_customerword", "word", 64),
        RowSecurity("retention_app_customerword"),
        migrations.RunPython(words_fill, migrations.RunPython.noop),
        AddIndexOnline("customer", listed_by("-last_order_at", name="customer_list_by_last_order")),
        AddIndexOnline("customer", listed_by("-spent_minor", name="customer_list_by_spent")),
        AddIndexOnline("customer", listed_by("-orders_count", name="customer_list_by_orders")),
        AddIndexOnline("customer", listed_by("-points", name="customer_list_by_points")),
        AddIndexOnline("customer", listed_by("tier", "-last_order_at", name="customer_list_by_tier")),
        AddIndexOnline(
            "customer",
            models.Index(
                fields=["shop", "-last_order_at", "-id"],
                name="customer_list_of_gone",
                condition=models.Q(merged_into=None, gone_at__isnull=False),
            ),
        ),
        AddIndexOnline("order", models.Index(fields=["shop", "number", "customer"], name="order_by_number")),
        migrations.RemoveIndex("customer", "customer_by_last_order"),
        migrations.RemoveIndex("customer", "customer_by_name"),
        migrations.RemoveIndex("customer", "customer_by_email"),
        migrations.RemoveIndex("order", "order_by_name"),
        migrations.RemoveField("customer", "search_name"),
        migrations.RemoveField("customer", "search_email"),
    ]
