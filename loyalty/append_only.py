"""Append-only tables as migration operations: on PostgreSQL a trigger refuses UPDATE and DELETE (DESIGN 5).

Erasing a shop is the one exception: a transaction that names the shop in `app.redacting_shop` may delete that shop's
rows (`retention_app.privacy.shop_erasure`). SQLite, for demonstration and development, relies on the code, which has no
other such statement.
"""

from __future__ import annotations

from retention_app.postgresql.operations import TableOperation

_FUNCTION = """
CREATE OR REPLACE FUNCTION loyalty_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP;
END $$
"""
_TRIGGER = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table}
  FOR EACH ROW EXECUTE FUNCTION loyalty_refuse_change()
"""
_REDACTED = "OLD.shop_id = nullif(current_setting('app.redacting_shop', true), '')::bigint"


class AppendOnly(TableOperation):
    """Refuse to change or delete rows of a table."""

    purpose = "Append-only"
    forwards = (_FUNCTION, _TRIGGER)
    backwards = ("DROP TRIGGER append_only ON {table}",)


class EraseWithShop(TableOperation):
    """Let an append-only table lose the rows of a shop that is being erased."""

    purpose = "Erased with the shop:"
    forwards = (
        "DROP TRIGGER append_only ON {table}",
        "CREATE TRIGGER append_only BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION loyalty_refuse_change()",
        "CREATE TRIGGER erased_with_shop BEFORE DELETE ON {table}"
        f" FOR EACH ROW WHEN (({_REDACTED}) IS NOT TRUE) EXECUTE FUNCTION loyalty_refuse_change()",
    )
    backwards = ("DROP TRIGGER erased_with_shop ON {table}", "DROP TRIGGER append_only ON {table}", _TRIGGER)


class ClosedBooks(TableOperation):
    """Refuse to record anything before the end of a closed period."""

    purpose = "Closed periods:"
    forwards = (
        """
        CREATE OR REPLACE FUNCTION loyalty_refuse_closed() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF EXISTS (SELECT FROM loyalty_periodclose c WHERE c.shop_id = NEW.shop_id AND c.until > NEW.recorded_at) THEN
            RAISE EXCEPTION 'The books are closed for %', NEW.recorded_at;
          END IF;
          RETURN NEW;
        END $$
        """,
        "CREATE TRIGGER closed_books BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION loyalty_refuse_closed()",
    )
    backwards = ("DROP TRIGGER closed_books ON {table}",)
