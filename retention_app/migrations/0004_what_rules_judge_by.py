import django.db.models.deletion
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from retention_app import clock
from retention_app.row_security import RowSecurity


def import_once_more(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Orders and products of shops that were imported before lack what this migration keeps of them, and nothing would
    read them again unless they change: every installed shop is imported once more, through the same upsert. What was
    asked of the platform before doesn't bring it: such an import ends."""
    database = schema_editor.connection.alias
    runs = apps.get_model("retention_app", "SyncRun").objects.using(database)
    shops = apps.get_model("retention_app", "Shop").objects.using(database)
    now = clock.now()
    imported = list(shops.filter(state="installed", sync_runs__isnull=False).distinct())
    runs.exclude(phase__in=["done", "failed"]).update(
        phase="failed",
        finished_at=now,
        lease_until=None,
        attempts=models.F("attempts") + 1,
        error="Encore was updated meanwhile; the next import brings everything.",
    )
    runs.bulk_create([runs.model(shop=shop, started_at=now, due_at=now) for shop in imported])


class Migration(migrations.Migration):
    dependencies = [("retention_app", "0003_nothing_lost")]

    operations = [
        migrations.AddField("order", "paid_at", models.DateTimeField(null=True)),
        migrations.AddField("order", "fulfilled_at", models.DateTimeField(null=True)),
        migrations.AddField("product", "labels_from", models.DateTimeField(null=True)),
        migrations.AddField(
            "customer",
            "orders_went_to",
            models.ForeignKey(
                "retention_app.customer",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                db_index=False,
            ),
        ),
        migrations.AddIndex(
            "customer",
            models.Index(
                fields=["shop", "orders_went_to"],
                name="customer_unexplained",
                condition=models.Q(gone_at__isnull=False, merged_into=None, orders_went_to__isnull=False),
            ),
        ),
        migrations.AlterField(
            "syncrun",
            "phase",
            models.CharField(
                choices=[
                    ("requested", "Requested"),
                    ("preparing", "Preparing"),
                    ("customers", "Customers"),
                    ("listing", "Listing"),
                    ("products", "Products"),
                    ("staging", "Staging"),
                    ("orders", "Orders"),
                    ("events", "Events"),
                    ("done", "Done"),
                    ("failed", "Failed"),
                ],
                default="requested",
                max_length=12,
            ),
        ),
        migrations.CreateModel(
            name="OrderDiscountCode",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code", models.CharField(max_length=255)),
                (
                    "order",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="discount_codes",
                        to="retention_app.order",
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
                "constraints": [
                    models.UniqueConstraint(fields=("shop", "order", "code"), name="orderdiscountcode_once")
                ],
                "indexes": [models.Index(fields=["shop", "code"], name="orderdiscountcode_by_code")],
            },
        ),
        migrations.CreateModel(
            name="ProductLabel",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("product_shopify_id", models.BigIntegerField()),
                ("label", models.CharField(max_length=259)),
                ("since", models.DateTimeField(null=True)),
                ("until", models.DateTimeField(null=True)),
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
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("until", None)),
                        fields=("shop", "product_shopify_id", "label"),
                        name="productlabel_one_open",
                    )
                ],
                "indexes": [models.Index(fields=["shop", "product_shopify_id"], name="productlabel_by_product")],
            },
        ),
        RowSecurity("retention_app_orderdiscountcode"),
        RowSecurity("retention_app_productlabel"),
        migrations.RunPython(import_once_more, migrations.RunPython.noop),
    ]
