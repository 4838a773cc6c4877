"""Snapshots: where members with many orders stood at a closed instant, so that a new fact costs as much as their latest
orders and not as all of them.

A snapshot holds for as long as the facts it covers and the programme are the same, and the ledger has what those came
to: a refund of an old order, say, has all of them gone through again and another snapshot taken. `ledger_verify` rests
on none.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from loyalty import facts, sql
from loyalty.rules.programme import Programme
from loyalty.rules.statement import Snapshot, snapshot
from retention_app import setwise
from retention_app.tenancy import current_shop_id

if TYPE_CHECKING:
    from loyalty.posting import Judgement

ORDERS_AFTER = 500  # at least, after a snapshot: the latest orders are those that still change
ORDERS_AGAIN = 2 * ORDERS_AFTER  # gone through before another is taken

_COLUMNS: setwise.Columns = {"member_id": "bigint", "at": "timestamptz", "fingerprint": "text", "data": "jsonb"}
Kept = tuple[Snapshot, str]  # with the fingerprint of what it covers


@dataclass(frozen=True)
class Held:
    """A member's snapshot, as long as it holds, and what came after it."""

    snapshot: Snapshot | None
    late: facts.Late


def held(
    members: Mapping[int, int],
    kept_by: Mapping[int, int],
    states: Mapping[int, Sequence[str]],
    programme: Programme,
) -> dict[int, Held]:
    """The snapshots of customers (with their members' ids) who have one. A query, and one for each."""
    customer_of = {member_id: customer_id for customer_id, member_id in members.items()}
    found = {}
    for member_id, kept, data in sql.look_up(
        "t.member_id, t.fingerprint, t.data", "loyalty_membersnapshot", "member_id", customer_of
    ):
        customer_id = customer_of[member_id]
        saved = orjson.loads(data)
        late = facts.states_after(dt.datetime.fromisoformat(saved["at"]), _parties(customer_id, kept_by))
        holds = kept == _fingerprint(programme, states.get(customer_id, ()), late)
        found[customer_id] = Held(Snapshot.read(saved) if holds else None, late)  # another's may be of another shape
    return found


def take(judgement: Judgement, kept_by: Mapping[int, int], programme: Programme) -> Kept | None:
    """A snapshot to take up from next time, where a judgement went through many orders.

    Each source has to be posted wholly before it or wholly after: what was posted before it won't be looked at again.
    What is dated ahead of the clock isn't posted yet, so no snapshot covers it.
    """
    orders = judgement.facts.orders
    if len(orders) <= ORDERS_AGAIN:
        return None
    latest = sorted(order.processed_at for order in orders)[-ORDERS_AFTER]
    closed = judgement.facts.closed_instants()
    at = max((instant for instant in closed if instant < latest and instant <= judgement.as_of), default=None)
    if at is None or _is_posted_across(at, judgement):
        return None
    since = judgement.held.snapshot if judgement.held else None
    taken = snapshot(judgement.facts, programme, at, since)
    if taken is None:
        return None
    late = facts.states_after(at, _parties(judgement.customer_id, kept_by))
    return taken, _fingerprint(programme, judgement.states, late)


def _is_posted_across(at: dt.datetime, judgement: Judgement) -> bool:
    """Whether a source was posted, or is going to be, both before and after an instant."""
    posted = judgement.recorded.posted
    stated = [line for line in judgement.statement.lines if line.source in posted]
    if any((line.occurred_at <= at) != (posted[line.source].occurred_at <= at) for line in stated):
        return True
    across = (
        "SELECT source FROM loyalty_entry WHERE shop_id = %s AND account_id = %s"
        " GROUP BY source HAVING min(occurred_at) <= %s AND max(occurred_at) > %s LIMIT 1"
    )
    account_id, instant = judgement.account_id, sql.stored(at)
    return account_id is not None and bool(sql.rows(across, current_shop_id(), account_id, instant, instant))


def keep(taken: Mapping[int, Kept]) -> list[sql.Statement]:
    """Have members' snapshots be these."""
    if not taken:
        return []
    rows = [
        {"member_id": member_id, "at": found.at, "fingerprint": of, "data": found}
        for member_id, (found, of) in taken.items()
    ]
    columns = ", ".join(_COLUMNS)
    return [
        (
            f"INSERT INTO loyalty_membersnapshot (shop_id, {columns}) SELECT %s, {columns}"
            f" FROM {setwise.rows_from(_COLUMNS)} WHERE true ON CONFLICT (shop_id, member_id) DO UPDATE"
            " SET at = excluded.at, fingerprint = excluded.fingerprint, data = excluded.data",
            [current_shop_id(), setwise.rows_json(rows, _COLUMNS)],
        )
    ]


def forget(member_ids: Collection[int]) -> list[sql.Statement]:
    """Have these members judged whole the next time."""
    if not member_ids:
        return []
    delete = f"DELETE FROM loyalty_membersnapshot WHERE shop_id = %s AND {setwise.ids_in('member_id')}"
    return [(delete, [current_shop_id(), setwise.ids_json(member_ids)])]


def _fingerprint(programme: Programme, states: Iterable[str], late: facts.Late) -> str:
    """Of what a snapshot covers: all but what came after it."""
    return facts.fingerprint(programme, (state for state in states if state not in late.states))


def _parties(customer_id: int, kept_by: Mapping[int, int]) -> list[int]:
    """Whose facts a customer keeps."""
    return [party for party, keeper in kept_by.items() if keeper == customer_id]
