"""Row-level security as a migration operation: the second wall behind `retention_app.tenancy` (DESIGN 9).

`RowSecurity("loyalty_entry")` makes a PostgreSQL table show and accept only rows whose `shop_id` is the one named by
the transaction's `app.shop_id`; FORCE binds the owner too. On SQLite it does nothing. `SPANNING_TABLES` are the tables
that span shops by design: a test compares both lists with the models.
"""

from __future__ import annotations

from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

SPANNING_TABLES = frozenset(
    {
        "retention_app_shop",  # the tenant itself: found by domain or public id before a scope exists
        "retention_app_webhookdelivery",  # stored before its shop header is believed
        "retention_app_eventrun",  # queue header: workers look for due work over all shops
        "retention_app_syncrun",  # queue header of imports
    }
)

_SHOP = "nullif(current_setting('app.shop_id', true), '')::bigint"


class RowSecurity(Operation):
    """Enable and force the shop policy on a table that has a `shop_id` column."""

    reversible = True
    reduces_to_sql = True

    def __init__(self, table: str) -> None:
        self.table = table

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return (type(self).__name__, [self.table], {})

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """The policy is no part of Django's model state."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        if schema_editor.connection.vendor != "postgresql":
            return
        table = schema_editor.quote_name(self.table)
        schema_editor.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        schema_editor.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        schema_editor.execute(
            f"CREATE POLICY shop_only ON {table} USING (shop_id = {_SHOP}) WITH CHECK (shop_id = {_SHOP})"
        )

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        if schema_editor.connection.vendor != "postgresql":
            return
        table = schema_editor.quote_name(self.table)
        schema_editor.execute(f"DROP POLICY shop_only ON {table}")
        schema_editor.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        schema_editor.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")

    def describe(self) -> str:
        return f"Shop policy on {self.table}"
