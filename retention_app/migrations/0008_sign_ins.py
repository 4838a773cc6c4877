from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("retention_app", "0007_api_keys")]

    operations = [
        migrations.AddField(
            "shop",
            "customer_accounts",
            models.CharField(
                blank=True,
                choices=[("CLASSIC", "Classic"), ("NEW_CUSTOMER_ACCOUNTS", "New")],
                db_default="",
                default="",
                max_length=24,
            ),
        ),
        migrations.AddField("customer", "account_state", models.CharField(blank=True, db_default="", max_length=16)),
        migrations.AddField("customer", "verified_email", models.BooleanField(db_default=False, default=False)),
        migrations.AddField("customer", "signed_in_at", models.DateTimeField(null=True)),
    ]
