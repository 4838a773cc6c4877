from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models.functions import Coalesce, Least

from retention_app.tenancy import shop_scope

BATCH = 5_000


def everybody_signed_in(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Whoever is there keeps what they have, since before their first order: until now nobody had to sign in to use
    points. A batch a transaction; stopped anywhere, doing it again goes on."""
    since = Least("created_at", Coalesce("first_order_at", "created_at"))
    database = schema_editor.connection.alias
    customers = apps.get_model("retention_app", "Customer").objects.using(database)
    for shop_id in apps.get_model("retention_app", "Shop").objects.using(database).values_list("id", flat=True):
        with shop_scope(shop_id):
            unknown = customers.filter(shop_id=shop_id, signed_in_at=None).order_by("id")
            while batch := list(unknown.values_list("id", flat=True)[:BATCH]):
                customers.filter(shop_id=shop_id, id__in=batch).update(signed_in_at=since)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("retention_app", "0009_staff")]

    operations = [migrations.RunPython(everybody_signed_in, migrations.RunPython.noop)]
