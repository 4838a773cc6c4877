import django.db.models.deletion
from django.db import migrations, models

from retention_app.row_security import RowSecurity


class Migration(migrations.Migration):
    dependencies = [
        ("loyalty", "0003_statement_complete"),
        ("retention_app", "0004_what_rules_judge_by"),
    ]

    operations = [
        migrations.CreateModel(
            name="MemberSnapshot",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                ("fingerprint", models.CharField(max_length=32)),
                ("data", models.JSONField()),
                (
                    "member",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="snapshots",
                        to="loyalty.member",
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
                    models.UniqueConstraint(fields=("shop", "member"), name="membersnapshot_one_per_member")
                ],
            },
        ),
        RowSecurity("loyalty_membersnapshot"),
    ]
