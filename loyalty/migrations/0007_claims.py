from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("loyalty", "0006_standings"),
        ("retention_app", "0008_sign_ins"),
    ]

    operations = [
        migrations.AddField("entry", "unclaimed", models.BooleanField(db_default=False, default=False)),
        migrations.AddField("member", "unclaimed", models.BooleanField(db_default=False, default=False)),
        migrations.AddField("member", "claimed", models.JSONField(null=True)),
    ]
