import django.db.models.deletion
from django.db import migrations, models

from retention_app.row_security import RowSecurity


class Migration(migrations.Migration):
    dependencies = [
        ("loyalty", "0007_claims"),
        ("retention_app", "0009_staff"),
    ]

    operations = [
        migrations.AddField(
            model_name="adjustment",
            name="approved_by",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
        migrations.CreateModel(
            name="AdjustmentRequest",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                ("points", models.BigIntegerField()),
                ("reason", models.CharField(max_length=32)),
                ("note", models.CharField(blank=True, max_length=500)),
                ("counts", models.BooleanField(default=False)),
                ("expires_at", models.DateTimeField(null=True)),
                ("actor", models.CharField(max_length=64)),
                ("key", models.CharField(max_length=64)),
                (
                    "state",
                    models.CharField(
                        choices=[("waiting", "Waiting"), ("approved", "Approved"), ("refused", "Refused")],
                        default="waiting",
                        max_length=12,
                    ),
                ),
                ("decided_at", models.DateTimeField(null=True)),
                ("decided_by", models.CharField(blank=True, max_length=64)),
                ("answer", models.CharField(blank=True, max_length=255)),
                (
                    "customer",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="+",
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
                "indexes": [
                    models.Index(fields=["shop", "at", "id"], name="adjustmentrequest_by_time"),
                    models.Index(
                        condition=models.Q(("state", "waiting")),
                        fields=["shop", "at"],
                        name="adjustmentrequest_waiting",
                    ),
                ],
                "constraints": [models.UniqueConstraint(fields=("shop", "key"), name="adjustmentrequest_once")],
            },
        ),
        RowSecurity("loyalty_adjustmentrequest"),
    ]
