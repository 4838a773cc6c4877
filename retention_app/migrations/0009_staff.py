from django.db import migrations, models

ROLES = [("owner", "Owner"), ("manager", "Manager"), ("support", "Support"), ("viewer", "Viewer")]


class Migration(migrations.Migration):
    dependencies = [("retention_app", "0008_sign_ins")]

    operations = [
        migrations.RemoveConstraint("staffpreference", "staffpreference_one_per_person"),
        migrations.RenameModel("StaffPreference", "StaffMember"),  # its row-level policy goes with the table
        migrations.AddConstraint(
            "staffmember",
            models.UniqueConstraint(fields=["shop", "actor"], name="staffmember_one_per_person"),
        ),
        migrations.AddField("staffmember", "name", models.CharField(blank=True, default="", max_length=255), False),
        migrations.AddField("staffmember", "email", models.CharField(blank=True, default="", max_length=255), False),
        migrations.AddField("staffmember", "owns_account", models.BooleanField(db_default=False, default=False)),
        migrations.AddField(
            "staffmember", "role", models.CharField(blank=True, choices=ROLES, default="", max_length=16), False
        ),
        migrations.AddField("staffmember", "points_limit", models.PositiveIntegerField(null=True)),
        migrations.AddField("staffmember", "told_at", models.DateTimeField(null=True)),
        migrations.AddField("staffmember", "last_seen_at", models.DateTimeField(null=True)),
        migrations.AddField("staffmember", "lease_until", models.DateTimeField(null=True)),
        migrations.AddField(
            "shop",
            "role_new",
            models.CharField(choices=ROLES, db_default="support", default="support", max_length=16),
        ),
        migrations.AddField("shop", "points_limits", models.JSONField(db_default={}, default=dict)),
        migrations.AddIndex("auditentry", models.Index(fields=["shop", "at", "id"], name="auditentry_by_time")),
    ]
