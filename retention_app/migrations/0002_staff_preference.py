import django.db.models.deletion
from django.db import migrations, models

from retention_app.row_security import RowSecurity


class Migration(migrations.Migration):
    dependencies = [("retention_app", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="StaffPreference",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("actor", models.CharField(max_length=64)),
                ("language", models.CharField(blank=True, max_length=16)),
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
                    models.UniqueConstraint(fields=("shop", "actor"), name="staffpreference_one_per_person")
                ],
            },
        ),
        RowSecurity("retention_app_staffpreference"),
    ]
