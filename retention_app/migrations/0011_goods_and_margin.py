from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("retention_app", "0010_everybody_signed_in"),
    ]

    operations = [
        migrations.AddField(
            model_name="shop",
            name="goods",
            field=models.CharField(
                blank=True,
                choices=[("used_up", "Used Up"), ("again", "Again"), ("rarely", "Rarely")],
                db_default="",
                default="",
                max_length=8,
            ),
        ),
        migrations.AddField(
            model_name="shop",
            name="margin_percent",
            field=models.PositiveSmallIntegerField(null=True),
        ),
    ]
