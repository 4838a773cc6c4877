"""Migration operations on one table that PostgreSQL carries out and SQLite, for demonstration, leaves alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations import AddIndex
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState


class TableOperation(Operation):
    """SQL statements with `{table}` for the table's quoted name; no part of Django's model state."""

    reversible = True
    reduces_to_sql = True

    forwards: ClassVar[Sequence[str]]
    backwards: ClassVar[Sequence[str]]
    purpose: ClassVar[str]

    def __init__(self, table: str) -> None:
        self.table = table

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return (type(self).__name__, [self.table], {})

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Nothing changes there."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        self._execute(schema_editor, self.forwards)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        self._execute(schema_editor, self.backwards)

    def describe(self) -> str:
        return f"{self.purpose} {self.table}"

    def _execute(self, schema_editor: BaseDatabaseSchemaEditor, statements: Sequence[str]) -> None:
        if schema_editor.connection.vendor == "postgresql":
            for statement in statements:
                schema_editor.execute(statement.replace("{table}", schema_editor.quote_name(self.table)), params=None)


class ByteOrder(TableOperation):
    """Compare a text column by its bytes, as SQLite does: what begins with a prefix is then a range of an index. How
    many rows that is the planner can only tell from finer statistics than usual."""

    purpose = "Order by bytes in"

    def __init__(self, table: str, column: str, length: int) -> None:
        super().__init__(table)
        self.column, self.length = column, length

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return (type(self).__name__, [self.table, self.column, self.length], {})

    @property
    def forwards(self) -> Sequence[str]:  # type: ignore[override]
        return [
            f'ALTER TABLE {{table}} ALTER COLUMN {self.column} TYPE varchar({self.length}) COLLATE "C"',
            f"ALTER TABLE {{table}} ALTER COLUMN {self.column} SET STATISTICS 1000",
        ]

    @property
    def backwards(self) -> Sequence[str]:  # type: ignore[override]
        return [f'ALTER TABLE {{table}} ALTER COLUMN {self.column} TYPE varchar({self.length}) COLLATE "default"']


class AddIndexOnline(AddIndex):
    """Make an index while others go on writing. For migrations that are no transaction.

    What an attempt that was stopped left of it is made anew.
    """

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        schema_editor.execute(f"DROP INDEX IF EXISTS {schema_editor.quote_name(self.index.name)}")
        model = to_state.apps.get_model(app_label, self.model_name)
        schema_editor.add_index(model, self.index, concurrently=True)  # type: ignore[call-arg]  # PostgreSQL's own
