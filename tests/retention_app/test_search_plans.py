"""What PostgreSQL does for the customer list under row-level security: it reads indexes, whatever is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction

from bench import crowd
from bench.people import LISTS
from retention_app.customer_list import customer_page
from retention_app.models import Shop

CUSTOMERS = 20_000
ORDERS = 60_000


@pytest.fixture
def crowded(shop: Shop) -> Shop:
    with connection.cursor() as cursor:
        crowd.fill(cursor.execute, shop.id, CUSTOMERS, ORDERS)
    return shop


def plans_of(query: dict[str, str]) -> Iterator[tuple[str, Any]]:
    """Each statement of a page with its plan."""
    asked: list[tuple[str, Any]] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        asked.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        customer_page(query, sort=query.get("sort", "last"))
    with connection.cursor() as cursor:
        for sql, params in asked:
            cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", params)
            plan = cursor.fetchone()[0]
            yield sql, (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]


def nodes(plan: Any) -> Iterator[Any]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from nodes(each)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no row-level security")
def test_every_list_is_read_off_indexes(crowded: Shop) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
        assert cursor.fetchone() == (False,)
        for analysed in (False, True):
            if analysed:
                cursor.execute(f"ANALYZE {', '.join(crowd.TABLES)}")
            for name, query in LISTS.items():
                for sql, plan in plans_of(query):
                    scans = [node for node in nodes(plan) if node["Node Type"] == "Seq Scan"]
                    assert not scans, (analysed, name, sql, scans)
    transaction.set_rollback(True)  # checking all these rows' references would take a minute
