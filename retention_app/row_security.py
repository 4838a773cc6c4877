"""Row-level security as a migration operation: the second wall behind `retention_app.tenancy` (DESIGN 9).

`RowSecurity("loyalty_entry")` makes a PostgreSQL table show and accept only rows whose `shop_id` is the one named by
the transaction's `app.shop_id`; FORCE binds the owner too. On SQLite it does nothing. `SPANNING_TABLES` are the tables
that span shops by design: a test compares both lists with the models.
"""

from __future__ import annotations

from retention_app.postgresql.operations import TableOperation

SPANNING_TABLES = frozenset(
    {
        "retention_app_shop",  # the tenant itself: found by domain or public id before a scope exists
        "retention_app_webhookdelivery",  # stored before its shop header is believed
        "retention_app_eventrun",  # queue header: workers look for due work over all shops
        "retention_app_syncrun",  # queue header of imports
        "retention_app_outbound",  # queue header of calls to the outside
        "retention_app_reconciliation",  # queue header of comparisons
        "retention_app_privacyrequest",  # queue header whose deadlines operators watch over all shops
        "retention_app_failedtry",  # what operators read of any queue
        "retention_app_operatoraction",  # what operators did
    }
)

_SHOP = "nullif(current_setting('app.shop_id', true), '')::bigint"


class RowSecurity(TableOperation):
    """Enable and force the shop policy on a table that has a `shop_id` column."""

    purpose = "Shop policy on"
    forwards = (
        "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY shop_only ON {{table}} USING (shop_id = {_SHOP}) WITH CHECK (shop_id = {_SHOP})",
    )
    backwards = (
        "DROP POLICY shop_only ON {table}",
        "ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
    )
