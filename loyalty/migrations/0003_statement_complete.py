import datetime as dt

import django.db.models.deletion
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from loyalty.append_only import AppendOnly, ClosedBooks, EraseWithShop
from retention_app.row_security import RowSecurity
from retention_app.tenancy import shop_scope


def counters_open(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Open the counter accounts that programmes begun before this migration lack."""
    database = schema_editor.connection.alias
    accounts = apps.get_model("loyalty", "Account").objects.using(database)
    programmes = apps.get_model("loyalty", "Programme").objects.using(database)
    for shop_id in apps.get_model("retention_app", "Shop").objects.using(database).values_list("id", flat=True):
        with shop_scope(shop_id):
            if programmes.filter(shop_id=shop_id).exists():
                kinds = ("held", "redeemed", "expired")
                lacking = [accounts.model(shop_id=shop_id, kind=kind, asset="points") for kind in kinds]
                accounts.bulk_create(lacking, ignore_conflicts=True)


class Migration(migrations.Migration):
    dependencies = [
        ("loyalty", "0002_erase_with_shop"),
        ("retention_app", "0003_nothing_lost"),
    ]

    operations = [
        migrations.CreateModel(
            name="Adjustment",
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
            ],
        ),
        migrations.CreateModel(
            name="Announcement",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("subject", models.CharField(max_length=160)),
                ("days", models.PositiveSmallIntegerField()),
                ("at", models.DateTimeField()),
                ("channel", models.CharField(max_length=16)),
            ],
        ),
        migrations.CreateModel(
            name="Backfill",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("starts", models.DateTimeField()),
                ("version", models.PositiveIntegerField()),
                ("decided_at", models.DateTimeField()),
                ("actor", models.CharField(max_length=64)),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Lot",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("source", models.CharField(max_length=96)),
                ("points", models.BigIntegerField()),
                ("usable_from", models.DateTimeField(null=True)),
                ("due", models.DateTimeField(null=True)),
                ("ends", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="PeriodClose",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("until", models.DateTimeField()),
                ("closed_at", models.DateTimeField()),
                ("actor", models.CharField(max_length=64)),
                ("totals", models.JSONField()),
            ],
        ),
        migrations.CreateModel(
            name="ProgrammeWithdrawal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                ("actor", models.CharField(max_length=64)),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="SimulatedMove",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("before", models.CharField(blank=True, max_length=32)),
                ("after", models.CharField(blank=True, max_length=32)),
                ("up", models.BooleanField()),
            ],
        ),
        migrations.CreateModel(
            name="Simulation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=32)),
                ("document", models.JSONField()),
                ("asked_at", models.DateTimeField()),
                ("cursor", models.BigIntegerField(db_default=0, default=0)),
                ("orders", models.BigIntegerField(db_default=0, default=0)),
                ("orders_total", models.BigIntegerField(db_default=0, default=0)),
                ("totals", models.JSONField(default=dict)),
                ("finished_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Spending",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                ("points", models.PositiveBigIntegerField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("asked", "Asked"),
                            ("refused", "Refused"),
                            ("held", "Held"),
                            ("redeemed", "Redeemed"),
                            ("released", "Released"),
                            ("undone", "Undone"),
                        ],
                        default="asked",
                        max_length=12,
                    ),
                ),
                ("decided_at", models.DateTimeField(null=True)),
                ("undone_at", models.DateTimeField(null=True)),
                ("purpose", models.JSONField()),
                ("actor", models.CharField(blank=True, max_length=64)),
                ("key", models.CharField(max_length=64)),
            ],
        ),
        migrations.CreateModel(
            name="TierChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                ("before", models.CharField(blank=True, max_length=32)),
                ("after", models.CharField(blank=True, max_length=32)),
                ("reason", models.CharField(max_length=16)),
                ("version", models.PositiveIntegerField()),
                ("quantity", models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="TierMove",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                ("level", models.CharField(max_length=32, null=True)),
                ("until", models.DateTimeField(null=True)),
                ("note", models.CharField(max_length=500)),
                ("actor", models.CharField(max_length=64)),
                ("key", models.CharField(max_length=64)),
            ],
        ),
        migrations.AddField(
            model_name="account",
            name="debt",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="entry",
            name="expires_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="entry",
            name="usable_from",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="member",
            name="move_down",
            field=models.JSONField(null=True),
        ),
        migrations.AddField(
            model_name="programme",
            name="lease_until",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(  # those there are due at once: their points get the lives that rules now give them
            model_name="member",
            name="next_at",
            field=models.DateTimeField(null=True, default=dt.datetime(2026, 11, 22, tzinfo=dt.UTC)),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="member",
            name="tier",
            field=models.CharField(blank=True, db_default="", max_length=32),
        ),
        migrations.AddField(
            model_name="member",
            name="tier_quantity",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="member",
            name="tier_since",
            field=models.DateTimeField(null=True),
        ),
        migrations.AlterField(
            model_name="account",
            name="kind",
            field=models.CharField(
                choices=[
                    ("member", "Member"),
                    ("issued", "Issued"),
                    ("reversed", "Reversed"),
                    ("held", "Held"),
                    ("redeemed", "Redeemed"),
                    ("expired", "Expired"),
                ],
                max_length=12,
            ),
        ),
        migrations.AlterField(
            model_name="entry",
            name="source",
            field=models.CharField(max_length=96),
        ),
        migrations.AddIndex(
            model_name="member",
            index=models.Index(
                condition=models.Q(("next_at__isnull", False)), fields=["shop", "next_at"], name="member_next_at"
            ),
        ),
        migrations.AddIndex(
            model_name="member",
            index=models.Index(fields=["shop", "tier"], name="member_by_tier"),
        ),
        migrations.AddField(
            model_name="adjustment",
            name="customer",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.RESTRICT,
                related_name="+",
                to="retention_app.customer",
            ),
        ),
        migrations.AddField(
            model_name="adjustment",
            name="shop",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="retention_app.shop"
            ),
        ),
        migrations.AddField(
            model_name="announcement",
            name="customer",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.RESTRICT,
                related_name="+",
                to="retention_app.customer",
            ),
        ),
        migrations.AddField(
            model_name="announcement",
            name="shop",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="retention_app.shop"
            ),
        ),
        migrations.AddField(
            model_name="backfill",
            name="shop",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="retention_app.shop"
            ),
        ),
        migrations.AddField(
            model_name="lot",
            name="account",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="lots", to="loyalty.account"
            ),
        ),
        migrations.AddField(
            model_name="lot",
            name="shop",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="retention_app.shop"
            ),
        ),
        migrations.AddField(
            model_name="periodclose",
            name="shop",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="retention_app.shop"
            ),
        ),
        migrations.AddField(
            model_name="programmewithdrawal",
            name="shop",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="retention_app.shop"
            ),
        ),
        migrations.AddField(
            model_name="programmewithdrawal",
            name="version",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.CASCADE, related_name="withdrawal", to="loyalty.programmeversion"
            ),
        ),
        migrations.AddField(
            model_name="simulatedmove",
            name="customer",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="retention_app.customer",
            ),
        ),
        migrations.AddField(
            model_name="simulatedmove",
            name="shop",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="retention_app.shop"
            ),
        ),
        migrations.AddField(
            model_name="simulation",
            name="shop",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="retention_app.shop"
            ),
        ),
        migrations.AddField(
            model_name="simulatedmove",
            name="simulation",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="moves",
                to="loyalty.simulation",
            ),
        ),
        migrations.AddField(
            model_name="spending",
            name="customer",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.RESTRICT,
                related_name="+",
                to="retention_app.customer",
            ),
        ),
        migrations.AddField(
            model_name="spending",
            name="shop",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="retention_app.shop"
            ),
        ),
        migrations.AddField(
            model_name="tierchange",
            name="member",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="tier_changes",
                to="loyalty.member",
            ),
        ),
        migrations.AddField(
            model_name="tierchange",
            name="shop",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="retention_app.shop"
            ),
        ),
        migrations.AddField(
            model_name="tiermove",
            name="customer",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.RESTRICT,
                related_name="+",
                to="retention_app.customer",
            ),
        ),
        migrations.AddField(
            model_name="tiermove",
            name="shop",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="retention_app.shop"
            ),
        ),
        migrations.AddIndex(
            model_name="adjustment",
            index=models.Index(fields=["shop", "customer"], name="adjustment_by_customer"),
        ),
        migrations.AddConstraint(
            model_name="adjustment",
            constraint=models.UniqueConstraint(fields=("shop", "key"), name="adjustment_once"),
        ),
        migrations.AddConstraint(
            model_name="announcement",
            constraint=models.UniqueConstraint(
                fields=("shop", "customer", "subject", "days"), name="announcement_once"
            ),
        ),
        migrations.AddIndex(
            model_name="lot",
            index=models.Index(fields=["shop", "account"], name="lot_by_account"),
        ),
        migrations.AddConstraint(
            model_name="lot",
            constraint=models.CheckConstraint(condition=models.Q(("points__gt", 0)), name="lot_not_empty"),
        ),
        migrations.AddConstraint(
            model_name="periodclose",
            constraint=models.UniqueConstraint(fields=("shop", "until"), name="periodclose_once"),
        ),
        migrations.AddConstraint(
            model_name="simulation",
            constraint=models.UniqueConstraint(fields=("shop", "key"), name="simulation_once"),
        ),
        migrations.AddIndex(
            model_name="simulatedmove",
            index=models.Index(fields=["shop", "simulation", "up"], name="simulatedmove_by_way"),
        ),
        migrations.AddConstraint(
            model_name="simulatedmove",
            constraint=models.UniqueConstraint(fields=("shop", "simulation", "customer"), name="simulatedmove_once"),
        ),
        migrations.AddIndex(
            model_name="spending",
            index=models.Index(fields=["shop", "customer"], name="spending_by_customer"),
        ),
        migrations.AddIndex(
            model_name="spending",
            index=models.Index(
                condition=models.Q(("state__in", ["asked", "held"])), fields=["shop", "at"], name="spending_open"
            ),
        ),
        migrations.AddConstraint(
            model_name="spending",
            constraint=models.UniqueConstraint(fields=("shop", "key"), name="spending_once"),
        ),
        migrations.AddIndex(
            model_name="tierchange",
            index=models.Index(fields=["shop", "member", "at"], name="tierchange_by_member"),
        ),
        migrations.AddIndex(
            model_name="tierchange",
            index=models.Index(fields=["shop", "at"], name="tierchange_by_instant"),
        ),
        migrations.AddIndex(
            model_name="tiermove",
            index=models.Index(fields=["shop", "customer"], name="tiermove_by_customer"),
        ),
        migrations.AddConstraint(
            model_name="tiermove",
            constraint=models.UniqueConstraint(fields=("shop", "key"), name="tiermove_once"),
        ),
        RowSecurity("loyalty_lot"),
        RowSecurity("loyalty_tierchange"),
        RowSecurity("loyalty_adjustment"),
        RowSecurity("loyalty_spending"),
        RowSecurity("loyalty_tiermove"),
        RowSecurity("loyalty_announcement"),
        RowSecurity("loyalty_backfill"),
        RowSecurity("loyalty_programmewithdrawal"),
        RowSecurity("loyalty_periodclose"),
        RowSecurity("loyalty_simulation"),
        RowSecurity("loyalty_simulatedmove"),
        AppendOnly("loyalty_periodclose"),
        EraseWithShop("loyalty_periodclose"),
        ClosedBooks("loyalty_ledgertransaction"),
        migrations.RunPython(counters_open, migrations.RunPython.noop),
    ]
