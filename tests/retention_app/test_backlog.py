"""What isn't done yet, counted from partial indexes: the tables keep what is done for days."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from retention_app.models import Shop
from retention_app.selectors import backlog
from tests.console.conftest import QUEUES, make_row

TABLES = ("webhookdelivery", "eventrun", "outbound", "privacyrequest")


@pytest.fixture
def _rows(alpha: Shop) -> None:
    for queue in QUEUES:
        for state, number in (("waiting", 2), ("dead", 1), ("done", 3)):
            for _ in range(number):
                make_row(queue, alpha, state=state)


@pytest.mark.usefixtures("_rows")
def test_what_waits_and_what_is_dead_is_counted() -> None:
    assert backlog() == {"deliveries": 2, "event_runs": 4, "outbound": 2, "dead": 4}


@pytest.mark.usefixtures("_rows")
def test_what_is_done_is_never_counted_through() -> None:
    with CaptureQueriesContext(
        connection,
    ) as asked:
        backlog()
    for table in TABLES:
        statements = [query["sql"] for query in asked if f"retention_app_{table}" in query["sql"]]
        assert len(statements) == 2
        assert all('"state" = \'' in statement for statement in statements)
