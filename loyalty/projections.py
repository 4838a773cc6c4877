"""What is read off a statement into rows of its own, lots and tier changes, so that lists and sums needn't fold again.

A member's rows are compared by their content with what the statement has, and only what differs is written: a new order
of a member with thousands of lots adds one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from loyalty import sql
from loyalty.rules.statement import Statement
from retention_app import setwise
from retention_app.tenancy import current_shop_id

Row = tuple[Any, ...]  # a row's content, in the order of its projection's columns
Stored = Mapping[Row, list[int]]  # content → the ids of the rows that have it


@dataclass(frozen=True)
class Projection:
    """A table whose rows follow their owners' statements."""

    table: str
    owner: str
    columns: setwise.Columns


LOTS = Projection(
    "loyalty_lot",
    "account_id",
    {
        "source": "text",
        "points": "bigint",
        "usable_from": "timestamptz",
        "due": "timestamptz",
        "ends": "timestamptz",
    },
)
TIER_CHANGES = Projection(
    "loyalty_tierchange",
    "member_id",
    {
        "at": "timestamptz",
        "before": "text",
        "after": "text",
        "reason": "text",
        "version": "integer",
        "quantity": "bigint",
    },
)


def lots_of(statement: Statement) -> list[Row]:
    return [(lot.source, lot.points, lot.usable_from, lot.due, lot.ends) for lot in statement.lots]


def tier_changes_of(statement: Statement) -> list[Row]:
    return [
        (change.at, change.before or "", change.after or "", change.reason, change.version, change.quantity)
        for change in statement.tier_history
    ]


def stored(projection: Projection, owner_ids: Iterable[int]) -> dict[int, Stored]:
    """The owners' rows. One query."""
    instants = [kind == "timestamptz" for kind in projection.columns.values()]
    names = ", ".join(f"t.{name}" for name in projection.columns)
    found: dict[int, dict[Row, list[int]]] = defaultdict(dict)
    for owner_id, id_, *values in sql.look_up(
        f"t.{projection.owner}, t.id, {names}", projection.table, projection.owner, owner_ids
    ):
        pairs = zip(values, instants, strict=True)
        row = tuple(sql.instant_if_any(value) if of_time else value for value, of_time in pairs)
        found[owner_id].setdefault(row, []).append(id_)
    return dict(found)


def write(projection: Projection, owners: Iterable[tuple[int | None, Stored, Iterable[Row]]]) -> list[sql.Statement]:
    """Make each owner's rows what they are to be: (owner, as stored, as wanted)."""
    shop_id, gone, fresh = current_shop_id(), [], []
    for owner_id, present, wanted in owners:
        left = {row: list(ids) for row, ids in present.items()}
        for row in wanted:
            if left.get(row):
                left[row].pop()
            else:
                fresh.append({projection.owner: owner_id} | dict(zip(projection.columns, row, strict=True)))
        gone += [id_ for ids in left.values() for id_ in ids]
    statements: list[sql.Statement] = []
    if gone:
        delete = f"DELETE FROM {projection.table} WHERE shop_id = %s AND {setwise.ids_in('id')}"
        statements.append((delete, [shop_id, setwise.ids_json(gone)]))
    if fresh:
        columns: setwise.Columns = {projection.owner: "bigint", **projection.columns}
        names, rows = ", ".join(columns), setwise.rows_from(columns)
        insert = f"INSERT INTO {projection.table} (shop_id, {names}) SELECT %s, {names} FROM {rows} WHERE true"
        statements.append((insert, [shop_id, setwise.rows_json(fresh, columns)]))
    return statements
