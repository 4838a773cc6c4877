import django.db.models.deletion
from django.db import migrations, models

from retention_app.row_security import RowSecurity


class Migration(migrations.Migration):
    dependencies = [
        ("loyalty", "0008_approvals"),
        ("retention_app", "0011_goods_and_margin"),
    ]

    operations = [
        migrations.CreateModel(
            name="Launch",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("starts_at", models.DateTimeField()),
                ("document", models.JSONField()),
                ("count_past", models.CharField(max_length=4)),
                ("note", models.CharField(blank=True, max_length=500)),
                ("decided_by", models.CharField(max_length=64)),
                ("decided_at", models.DateTimeField()),
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
                "constraints": [models.UniqueConstraint(fields=("shop",), name="launch_one_per_shop")],
            },
        ),
        RowSecurity("loyalty_launch"),
    ]
