import django.db.models.deletion
from django.db import migrations, models

from retention_app.row_security import RowSecurity


class Migration(migrations.Migration):
    dependencies = [
        ("retention_app", "0006_customer_search"),
    ]

    operations = [
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=60)),
                ("prefix", models.CharField(max_length=8)),
                ("digest", models.CharField(max_length=64)),
                ("scopes", models.JSONField()),
                ("created_at", models.DateTimeField()),
                ("created_by", models.CharField(max_length=64)),
                ("last_used_at", models.DateTimeField(null=True)),
                ("revoked_at", models.DateTimeField(null=True)),
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
        ),
        migrations.CreateModel(
            name="ApiWrite",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=255)),
                ("input_hash", models.CharField(max_length=64)),
                ("begun_at", models.DateTimeField()),
                ("answer", models.JSONField(null=True)),
                (
                    "api_key",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="retention_app.apikey",
                    ),
                ),
                (
                    "customer",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
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
        ),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.UniqueConstraint(fields=("shop", "prefix"), name="apikey_once"),
        ),
        migrations.AddIndex(
            model_name="apiwrite",
            index=models.Index(fields=["shop", "begun_at"], name="apiwrite_by_age"),
        ),
        migrations.AddIndex(
            model_name="apiwrite",
            index=models.Index(fields=["shop", "customer"], name="apiwrite_by_customer"),
        ),
        migrations.AddConstraint(
            model_name="apiwrite",
            constraint=models.UniqueConstraint(fields=("shop", "api_key", "key"), name="apiwrite_once"),
        ),
        RowSecurity("retention_app_apikey"),
        RowSecurity("retention_app_apiwrite"),
    ]
