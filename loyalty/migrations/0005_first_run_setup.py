import django.db.models.deletion
from django.db import migrations, models

from retention_app.row_security import RowSecurity


class Migration(migrations.Migration):
    dependencies = [
        ("loyalty", "0004_member_snapshots"),
        ("retention_app", "0005_storefront_driver"),
    ]

    operations = [
        migrations.CreateModel(
            name="Setup",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("step", models.PositiveSmallIntegerField(default=1)),
                ("opened_at", models.DateTimeField()),
                ("dismissed_at", models.DateTimeField(null=True)),
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
                "constraints": [models.UniqueConstraint(fields=("shop",), name="setup_one_per_shop")],
            },
        ),
        RowSecurity("loyalty_setup"),
    ]
