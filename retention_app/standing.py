"""Where an engine's programme has customers: points and tier on their rows, for lists that are ordered by them."""

from __future__ import annotations

from collections.abc import Collection

from django.db import connection

from retention_app import setwise
from retention_app.tenancy import current_shop_id

_STANDING: setwise.Columns = {"customer_id": "bigint", "points": "bigint", "tier": "text"}


def customers_lock(customer_ids: Collection[int]) -> None:
    """Lock customers in one order, before an engine locks anything of its own, so that its batches and the mirror's
    can't deadlock. SQLite has one writer."""
    if connection.features.has_select_for_update:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT 1 FROM retention_app_customer WHERE shop_id = %s AND {setwise.ids_in('id')}"
                " ORDER BY id FOR NO KEY UPDATE",
                [current_shop_id(), setwise.ids_json(customer_ids)],
            )


def standings_statement(rows: Collection[setwise.Row]) -> tuple[str, list[str | int]]:
    """The statement, with its parameters, that gives customers (`customer_id`) these `points` and `tier`. Whom it
    would not change it leaves alone."""
    return (
        f"UPDATE retention_app_customer SET points = r.points, tier = r.tier FROM {setwise.rows_from(_STANDING)}"
        " WHERE retention_app_customer.id = r.customer_id AND retention_app_customer.shop_id = %s"
        f" AND {setwise.ids_in('retention_app_customer.id')}"
        " AND (retention_app_customer.points <> r.points OR retention_app_customer.tier <> r.tier)",
        [
            setwise.rows_json(rows, _STANDING),
            current_shop_id(),
            setwise.ids_json(row["customer_id"] for row in rows),
        ],
    )
