from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("retention_app", "0011_goods_and_margin"),
    ]

    operations = [
        migrations.AddField(
            model_name="shop",
            name="code_limits",
            field=models.JSONField(db_default={}, default=dict),
        ),
    ]
