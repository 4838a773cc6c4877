"""System checks across settings and databases."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import connection


@register(Tags.database)
def serving_role_is_bound(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Row-level security doesn't bind superusers: warn when the serving role is one."""
    if connection.vendor != "postgresql" or not kwargs.get("databases"):
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
        unbound = cursor.fetchone()[0]
    if not unbound:
        return []
    return [
        Warning(
            "DATABASE_URL connects as a superuser, so row-level security doesn't hold shops apart.",
            hint="Serve as a plain role (encore_app) and migrate with DATABASE_OWNER_URL.",
            id="encore.W001",
        )
    ]
