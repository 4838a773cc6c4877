"""Append-only tables as a migration operation: on PostgreSQL a trigger refuses UPDATE and DELETE (DESIGN 5).

SQLite, for demonstration and development, relies on the code, which has no such statement.
"""

from __future__ import annotations

from retention_app.postgresql.operations import TableOperation

_FUNCTION = """
CREATE OR REPLACE FUNCTION loyalty_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP;
END $$
"""


class AppendOnly(TableOperation):
    """Refuse to change or delete rows of a table."""

    purpose = "Append-only"
    forwards = (
        _FUNCTION,
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table}"
        " FOR EACH ROW EXECUTE FUNCTION loyalty_refuse_change()",
    )
    backwards = ("DROP TRIGGER append_only ON {table}",)
