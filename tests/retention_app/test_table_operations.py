"""Operations of migrations on PostgreSQL: tests use copies of a migrated database, so nothing else runs them."""

from __future__ import annotations

import pytest
from django.db import connection, connections, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState
from django.db.utils import ConnectionHandler

from retention_app.postgresql.operations import AddIndexOnline, ByteOrder

APP = "retention_app"
postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite leaves it alone")


def asked(statement: str) -> list[tuple[object, ...]]:
    with connections["owner"].cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


@postgresql
@pytest.mark.django_db(databases=["default", "owner"])
def test_a_column_is_compared_by_bytes_and_back() -> None:
    operation = ByteOrder("retention_app_order", "number", 64)
    state = ProjectState()
    collation = (
        "SELECT collation_name FROM information_schema.columns"
        " WHERE table_name = 'retention_app_order' AND column_name = 'number'"
    )
    with connections["owner"].schema_editor() as editor:
        operation.database_backwards(APP, editor, state, state)
    assert asked(collation) == [(None,)]
    with connections["owner"].schema_editor() as editor:
        operation.database_forwards(APP, editor, state, state)
    assert asked(collation) == [("C",)]
    assert operation.deconstruct() == ("ByteOrder", ["retention_app_order", "number", 64], {})


@postgresql
@pytest.mark.django_db(transaction=True, databases=["default", "owner"])
def test_an_index_is_made_beside_writers_also_where_an_attempt_was_stopped() -> None:
    operation = AddIndexOnline("customer", models.Index(fields=["shop", "gone_at"], name="made_online"))
    before = MigrationLoader(connections["owner"]).project_state()
    after = before.clone()
    operation.state_forwards(APP, after)
    try:
        for _ in range(2):
            with connections["owner"].schema_editor(atomic=False) as editor:
                operation.database_forwards(APP, editor, before, after)
        valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'made_online'::regclass"
        assert asked(valid) == [(True,)]
    finally:
        with connections["owner"].schema_editor(atomic=False) as editor:
            editor.execute("DROP INDEX IF EXISTS made_online")


@pytest.mark.django_db
def test_without_other_writers_an_index_is_made_as_usual() -> None:
    operation = AddIndexOnline("customer", models.Index(fields=["shop", "gone_at"], name="made_online"))
    before = MigrationLoader(None).project_state()
    after = before.clone()
    operation.state_forwards(APP, after)
    databases = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
    sqlite = ConnectionHandler(databases)["default"]
    with sqlite.schema_editor(collect_sql=True) as editor:
        operation.database_forwards(APP, editor, before, after)
    assert "made_online" in "".join(editor.collected_sql)
