"""What PostgreSQL does under row-level security for the customer list and for what comes in: it reads indexes."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction

from bench import crowd
from bench.people import LISTS
from loyalty.ledger import members_bring_up_to_date
from loyalty.sql import Statement
from retention_app import clock, mirror
from retention_app.customer_list import customer_page
from retention_app.models import Customer, DomainEvent, Shop
from tests.loyalty.histories import rated
from tests.loyalty.test_arrival import programme_write
from tests.orders import customer_row, order_row

CUSTOMERS = 20_000
ORDERS = 60_000


@pytest.fixture
def crowded(transactional_db: None, shop: Shop) -> Iterator[Shop]:
    """Its rows are never committed: checking all their references would take a minute. What was noted of its tables by
    analysing them would make later plans for empty ones read full ones; it goes when a transactional test truncates."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            crowd.fill(cursor.execute, shop.id, CUSTOMERS, ORDERS)
        yield shop
        transaction.set_rollback(True)


def plans_of(work: Callable[[], object], *, run: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Each statement of a piece of work with its plan; of the kinds named in `run`, with what came of it."""
    asked: list[tuple[str, Any]] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        asked.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        work()
    with connection.cursor() as cursor:
        for sql, params in asked:
            if not sql.startswith(("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")):
                continue
            cursor.execute(f"EXPLAIN (ANALYZE {sql.startswith(run)}, FORMAT JSON) {sql}", params)
            plan = cursor.fetchone()[0]
            yield sql, (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]


def analyse() -> None:
    """What autovacuum does minutes after many rows came: it takes a table's owner."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT analyse_as_owner(%s)", [", ".join(crowd.TABLES)])


def one_by_one(statements: Sequence[Statement]) -> list[int]:
    """What `loyalty.sql.run` does in one message, whose first statement alone would be explained."""
    with connection.cursor() as cursor:
        return [cursor.execute(sql, params).rowcount for sql, params in statements]


def nodes(plan: Any) -> Iterator[Any]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from nodes(each)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no row-level security")
def test_every_list_is_read_off_indexes(crowded: Shop) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
        assert cursor.fetchone() == (False,)
    for name, query in LISTS.items():
        for sql, plan in plans_of(partial(customer_page, query, sort=query.get("sort", "last"))):
            scans = [node for node in nodes(plan) if node["Node Type"] == "Seq Scan"]
            assert not scans, (name, sql, scans)


def customers_come_in(at: dt.datetime) -> None:
    people = [customer_row(number, created_at=at, updated_at=at) for number in (1, 999_999)]
    mirror.customers_upsert(people, read_at=at, origin=DomainEvent.Origin.LIVE)


def orders_come_in(at: dt.datetime) -> None:
    orders = [order_row(number, 1, processed_at=at, created_at=at, updated_at=at) for number in (1, 999_999)]
    mirror.orders_upsert(orders, read_at=at, origin=DomainEvent.Origin.LIVE)


def points_are_posted(_: dt.datetime) -> None:
    members_bring_up_to_date(list(Customer.objects.order_by("id").values_list("id", flat=True)[:2]))


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no row-level security")
@pytest.mark.parametrize("work", [customers_come_in, orders_come_in, points_are_posted])
def test_what_comes_in_costs_what_it_is_and_not_what_the_shop_has(
    crowded: Shop, work: Callable[[dt.datetime], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loyalty.sql.run", one_by_one)
    now = clock.now()
    begin = now - dt.timedelta(days=900)
    programme_write(crowded, rated([(begin, 1, 100)], begin))
    analyse()
    plans = list(plans_of(partial(work, now), run=("SELECT", "UPDATE", "DELETE")))
    assert plans
    for sql, plan in plans:
        passed_over = sum(node.get("Rows Removed by Filter", 0) for node in nodes(plan))
        assert passed_over < 100, (sql, json.dumps(plan, indent=1))
