from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from retention_app.tenancy import shop_scope

BATCH = 5_000


def standings_fill(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Tell the customers' rows their points and tiers, a batch a transaction."""
    database = schema_editor.connection.alias
    accounts = apps.get_model("loyalty", "Account").objects.using(database)
    customers = apps.get_model("retention_app", "Customer").objects.using(database)
    for shop_id in apps.get_model("retention_app", "Shop").objects.using(database).values_list("id", flat=True):
        with shop_scope(shop_id):
            of_members = accounts.filter(shop_id=shop_id, kind="member", asset="points").order_by("id")
            rows = of_members.values_list("id", "member__customer_id", "balance", "member__tier")
            after = 0
            while batch := list(rows.filter(id__gt=after)[:BATCH]):
                after = batch[-1][0]
                customers.filter(shop_id=shop_id).bulk_update(
                    [customers.model(id=id_, points=points or 0, tier=tier) for _, id_, points, tier in batch],
                    ["points", "tier"],
                    batch_size=1_000,
                )


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("loyalty", "0005_first_run_setup"),
        ("retention_app", "0006_customer_search"),
    ]

    operations = [migrations.RunPython(standings_fill, migrations.RunPython.noop)]
