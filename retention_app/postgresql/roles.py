"""The two roles of DESIGN 9: `owner` migrates, the serving role of `DATABASE_URL` reads and writes rows."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import connections


def serving_role_grant(using: str, **kwargs: Any) -> None:
    """After migrating as the owner, let the serving role use the tables. Safe to repeat."""
    connection = connections[using]
    if using != "owner" or connection.vendor != "postgresql":
        return
    role = connection.ops.quote_name(settings.DATABASES["default"]["USER"])
    with connection.cursor() as cursor:
        cursor.execute(f"GRANT USAGE ON SCHEMA public TO {role}")
        cursor.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}")
        cursor.execute(f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}")
