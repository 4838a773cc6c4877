"""Writes what the ledger judged: the only writer of members, transactions, entries and lots (DESIGN 5).

One short transaction for a batch: each member's revision is the guard, the loser writes nothing. Entries are appended;
what is read off the statement (balance, debt, lots, tier) follows it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from loyalty import projections, snapshots, sql
from loyalty.models import Member, Spending
from loyalty.rules.difference import Difference, PostedSource
from loyalty.rules.facts import MemberFacts, SpendingFact
from loyalty.rules.statement import Statement
from retention_app import clock, setwise
from retention_app.events import Fact, events_record
from retention_app.models import DomainEvent
from retention_app.standing import customers_lock, standings_statement
from retention_app.tenancy import current_shop_id


class MembersBusy(RuntimeError):
    """Others kept posting for the same members; nothing is lost, try again later."""


@dataclass(kw_only=True)
class Posted:
    """What a bringing up to date did: members judged anew, differences posted, points they sum up to."""

    members: int = 0
    entries: int = 0
    points: int = 0


@dataclass(kw_only=True)
class Recorded:
    """What the ledger has of a member: what was posted for each source, and the rows of its projections."""

    posted: dict[str, PostedSource]
    lots: projections.Stored
    tier_changes: projections.Stored


@dataclass(kw_only=True)
class Judgement:
    """A customer's statement as of an instant against the ledger. `member_id` is None for one the programme sees first;
    `tier` is the one known so far; `facts` (those after the snapshot `held`, if it holds) and `states` (what all are
    recognised by) are what it rests on; `snapshot` is to be kept for the next."""

    customer_id: int
    member_id: int | None
    account_id: int | None
    revision: int
    tier: str
    fingerprint: str
    facts: MemberFacts
    states: Sequence[str]
    held: snapshots.Held | None
    as_of: dt.datetime
    statement: Statement
    recorded: Recorded
    differences: list[Difference]
    snapshot: snapshots.Kept | None = None

    @property
    def points(self) -> int:
        """What the differences change the balance by."""
        return sum(difference.points for difference in self.differences)


# What is read off a statement into its member.
_STANDING: setwise.Columns = {
    "fingerprint": "text",
    "next_at": "timestamptz",
    "tier": "text",
    "tier_since": "timestamptz",
    "tier_quantity": "bigint",
    "move_down": "jsonb",
    "unclaimed": "boolean",
    "claimed": "jsonb",
}
_KNOWN: setwise.Columns = {"member_id": "bigint", "read_revision": "bigint", **_STANDING}
_FRESH: setwise.Columns = {"customer_id": "bigint", **_STANDING}
_ACCOUNT: setwise.Columns = {"member_id": "bigint"}
_TRANSACTION: setwise.Columns = {
    "member_id": "bigint",
    "revision": "bigint",
    "occurred_at": "timestamptz",
    "recorded_at": "timestamptz",
}
_ENTRY: setwise.Columns = {
    "position": "integer",
    "member_id": "bigint",
    "revision": "bigint",
    "account_id": "bigint",
    "kind": "text",
    "amount": "bigint",
    "source": "text",
    "order_shopify_id": "bigint",
    "version": "integer",
    "explanation": "jsonb",
    "occurred_at": "timestamptz",
    "recorded_at": "timestamptz",
    "usable_from": "timestamptz",
    "expires_at": "timestamptz",
    "unclaimed": "boolean",
}
_ENTRY_FINDS = {"position", "member_id", "revision", "account_id", "kind"}  # its place, transaction and account
_BALANCE: setwise.Columns = {"account_id": "bigint", "change": "bigint", "debt": "bigint"}


def post(
    judgements: Sequence[Judgement], kept_by: Mapping[int, int], posted: Posted, *, grant: SpendingFact | None = None
) -> set[int]:
    """Post the differences in one short transaction; answers the customers whose revision was still the one read.

    The accounts of those who were merged (`kept_by`: customer → who keeps their facts) are brought up to date together,
    one never lacks what the other still has. When one of them lost, or the spending to `grant` is decided already,
    nothing is written and all are to be read again.
    """
    with transaction.atomic():
        if len(judgements) > 1:
            customers_lock([judgement.customer_id for judgement in judgements])
        winners = _guard(judgements)
        won = {judgement.customer_id for judgement in winners}
        lost_to = {kept_by[one.customer_id] for one in judgements if one.customer_id not in won}
        if any(kept_by[customer_id] in lost_to for customer_id in won) or (grant and (lost_to or not _grant(grant))):
            transaction.set_rollback(True)
            return set()
        postings = [judgement for judgement in winners if judgement.differences]
        if winners:
            sql.run([*_entries_append(postings), *_projections_write(winners)])
            _tier_changes_tell(winners)
    posted.members += len(winners)
    posted.entries += sum(len(judgement.differences) for judgement in postings)
    posted.points += sum(judgement.points for judgement in postings)
    return {judgement.customer_id for judgement in winners}


def members_forget(customer_ids: Collection[int]) -> None:
    """Take the cached balances of these customers from the entries, and forget what was judged of them."""
    with transaction.atomic():
        member_ids = [id_ for (id_,) in sql.look_up("t.id", "loyalty_member", "customer_id", customer_ids)]
        _lock(member_ids)
        sql.run(snapshots.forget(member_ids))
        wanted: list[str | int] = [current_shop_id(), setwise.ids_json(member_ids)]
        sql.rows(f"UPDATE loyalty_member SET judged = '' WHERE shop_id = %s AND {setwise.ids_in('id')}", *wanted)
        sql.rows(
            "UPDATE loyalty_account SET balance = (SELECT coalesce(sum(e.amount), 0) FROM loyalty_entry e"
            " WHERE e.shop_id = loyalty_account.shop_id AND e.account_id = loyalty_account.id)"
            f" WHERE shop_id = %s AND {setwise.ids_in('member_id')}",
            *wanted,
        )


def members_make_due(member_ids: Collection[int]) -> None:
    """Have members judged anew, whatever was judged last; who is judging them now loses the guard and reads again."""
    with transaction.atomic():
        _lock(member_ids)
        sql.run(snapshots.forget(member_ids))
        sql.rows(
            "UPDATE loyalty_member SET revision = revision + 1, judged = '', next_at = %s"
            f" WHERE shop_id = %s AND {setwise.ids_in('id')}",
            sql.stored(clock.now()),
            current_shop_id(),
            setwise.ids_json(member_ids),
        )


def member_put_off(customer_id: int, until: dt.datetime) -> None:
    """Have a customer judged at an instant, as a member who has nothing yet if the programme sees them first."""
    with transaction.atomic():
        member, is_new = Member.objects.get_or_create(
            shop_id=current_shop_id(), customer_id=customer_id, defaults={"next_at": until}
        )
        if is_new:
            _accounts_open([member.id])
        else:
            Member.objects.filter(id=member.id).update(next_at=until)


def _lock(member_ids: Iterable[int]) -> None:
    """Lock members in one order, so that two batches can't deadlock. SQLite has one writer."""
    if connection.features.has_select_for_update:
        sql.rows(
            f"SELECT id FROM loyalty_member WHERE shop_id = %s AND {setwise.ids_in('id')} ORDER BY id FOR UPDATE",
            current_shop_id(),
            setwise.ids_json(member_ids),
        )


def _grant(spending: SpendingFact) -> bool:
    """Hold the points of a spending that was asked for; answers whether it still was."""
    asked = Spending.objects.filter(id=spending.id, state=Spending.State.ASKED)
    return bool(asked.update(state=Spending.State.HELD, at=spending.at))


def _guard(judgements: Sequence[Judgement]) -> list[Judgement]:
    """Take the next revision of each member, where nobody else did; a new member is guarded by being inserted."""
    known = {judgement.member_id: judgement for judgement in judgements if judgement.member_id is not None}
    fresh = {judgement.customer_id: judgement for judgement in judgements if judgement.member_id is None}
    winners = []
    if known:
        if len(known) > 1:
            _lock(id_ for id_ in known if id_ is not None)
        rows = [
            {"member_id": id_, "read_revision": judgement.revision, **standing(judgement)}
            for id_, judgement in known.items()
        ]
        won = sql.rows(
            "UPDATE loyalty_member SET revision = loyalty_member.revision + 1, judged = r.fingerprint,"
            " next_at = r.next_at, tier = r.tier, tier_since = r.tier_since, tier_quantity = r.tier_quantity,"
            " move_down = r.move_down, unclaimed = r.unclaimed, claimed = r.claimed"
            f" FROM {setwise.rows_from(_KNOWN)}"
            " WHERE loyalty_member.id = r.member_id AND loyalty_member.revision = r.read_revision"
            f" AND loyalty_member.shop_id = %s AND {setwise.ids_in('loyalty_member.id')} RETURNING id",
            setwise.rows_json(rows, _KNOWN),
            current_shop_id(),
            setwise.ids_json(id_ for id_ in known if id_ is not None),
        )
        winners += [known[id_] for (id_,) in won]
    if fresh:
        rows = [{"customer_id": id_, **standing(judgement)} for id_, judgement in fresh.items()]
        inserted = sql.rows(
            "INSERT INTO loyalty_member"
            " (shop_id, customer_id, revision, judged, next_at, tier, tier_since, tier_quantity, move_down, unclaimed,"
            " claimed) SELECT %s, r.customer_id, 1, r.fingerprint, r.next_at, r.tier, r.tier_since, r.tier_quantity,"
            " r.move_down, r.unclaimed, r.claimed"
            f" FROM {setwise.rows_from(_FRESH)} WHERE true ORDER BY r.customer_id"
            " ON CONFLICT (shop_id, customer_id) DO NOTHING RETURNING id, customer_id",
            current_shop_id(),
            setwise.rows_json(rows, _FRESH),
        )
        members = {member_id: fresh[customer_id] for member_id, customer_id in inserted}
        for account_id, member_id in _accounts_open(members):
            members[member_id].member_id, members[member_id].account_id = member_id, account_id
        winners += members.values()
    return winners


def standing(judgement: Judgement) -> dict[str, Any]:
    """What a member's row is to say, and the fingerprint of what it was read off."""
    stated = judgement.statement
    coming, claimed = stated.move_down, stated.claimed
    return {
        "fingerprint": judgement.fingerprint,
        "next_at": stated.next_at,
        "tier": stated.tier or "",
        "tier_since": stated.tier_since,
        "tier_quantity": stated.tier_quantity.numerator // stated.tier_quantity.denominator,
        "move_down": coming
        and {
            "subject": coming.subject,
            "level": coming.level,
            "to": coming.to,
            "due": coming.due.isoformat(),
            "at": coming.at and coming.at.isoformat(),
        },
        "unclaimed": not stated.is_claimed,
        "claimed": claimed and {"at": claimed.at.isoformat(), "points": claimed.points, "orders": claimed.orders},
    }


def _accounts_open(member_ids: Iterable[int]) -> list[tuple[int, int]]:
    """Open the points accounts of new members; answers (account, member)."""
    return sql.rows(
        "INSERT INTO loyalty_account (shop_id, member_id, kind, asset, balance)"
        f" SELECT %s, r.member_id, 'member', 'points', 0 FROM {setwise.rows_from(_ACCOUNT)} WHERE true"
        " RETURNING id, member_id",
        current_shop_id(),
        setwise.rows_json([{"member_id": member_id} for member_id in member_ids], _ACCOUNT),
    )


def _entries_append(judgements: Sequence[Judgement]) -> list[sql.Statement]:
    """Append a transaction for each judgement and an entry for each leg of its differences."""
    now, shop_id = clock.now(), current_shop_id()
    transactions = [
        {
            "member_id": judgement.member_id,
            "revision": judgement.revision + 1,
            "occurred_at": max(difference.occurred_at for difference in judgement.differences),
            "recorded_at": now,
        }
        for judgement in judgements
    ]
    entries = [
        {
            "position": position,
            "member_id": judgement.member_id,
            "revision": judgement.revision + 1,
            "account_id": judgement.account_id if leg.account == "member" else None,
            "kind": leg.account,
            "amount": leg.points,
            "source": difference.source,
            "order_shopify_id": difference.order_id,
            "version": difference.version,
            "explanation": difference.explanation if leg.account == "member" else None,
            "occurred_at": difference.occurred_at,
            "recorded_at": now,
            "usable_from": leg.life.usable_from,
            "expires_at": leg.life.expires_at,
            "unclaimed": leg.life.unclaimed,
        }
        for position, (judgement, difference, leg) in enumerate(
            (judgement, difference, leg)
            for judgement in judgements
            for difference in judgement.differences
            for leg in difference.legs
        )
    ]
    if not entries:
        return []
    columns = ", ".join(name for name in _ENTRY if name not in _ENTRY_FINDS)
    return [
        (
            "INSERT INTO loyalty_ledgertransaction (shop_id, member_id, revision, occurred_at, recorded_at)"
            f" SELECT %s, r.member_id, r.revision, r.occurred_at, r.recorded_at FROM {setwise.rows_from(_TRANSACTION)}"
            " WHERE true ORDER BY r.member_id",
            [shop_id, setwise.rows_json(transactions, _TRANSACTION)],
        ),
        (
            f"INSERT INTO loyalty_entry (shop_id, transaction_id, account_id, {columns})"
            " SELECT %s, (SELECT t.id FROM loyalty_ledgertransaction t"
            " WHERE t.shop_id = %s AND t.member_id = r.member_id AND t.revision = r.revision),"
            " coalesce(r.account_id, (SELECT a.id FROM loyalty_account a WHERE a.shop_id = %s AND a.member_id IS NULL"
            f" AND a.kind = r.kind AND a.asset = 'points')), {columns} FROM {setwise.rows_from(_ENTRY)}"
            " WHERE true ORDER BY r.position",
            [shop_id, shop_id, shop_id, setwise.rows_json(entries, _ENTRY)],
        ),
    ]


def _projections_write(judgements: Sequence[Judgement]) -> list[sql.Statement]:
    """Move the balances; write debts, lots, tier histories and what lists show as the statements have them."""
    balances = [
        {"account_id": judgement.account_id, "change": judgement.points, "debt": judgement.statement.debt}
        for judgement in judgements
    ]
    standings = [
        {"customer_id": one.customer_id, "points": one.statement.balance, "tier": one.statement.tier or ""}
        for one in judgements
    ]
    return [
        standings_statement(standings),
        (
            "UPDATE loyalty_account SET balance = loyalty_account.balance + r.change, debt = r.debt"
            f" FROM {setwise.rows_from(_BALANCE)}"
            " WHERE loyalty_account.id = r.account_id AND loyalty_account.shop_id = %s"
            f" AND {setwise.ids_in('loyalty_account.id')}",
            [
                setwise.rows_json(balances, _BALANCE),
                current_shop_id(),
                setwise.ids_json(one.account_id for one in judgements if one.account_id is not None),
            ],
        ),
        *projections.write(
            projections.LOTS,
            ((one.account_id, one.recorded.lots, projections.lots_of(one.statement)) for one in judgements),
        ),
        *projections.write(
            projections.TIER_CHANGES,
            (
                (one.member_id, one.recorded.tier_changes, projections.tier_changes_of(one.statement))
                for one in judgements
            ),
        ),
        *snapshots.forget(
            [one.member_id for one in judgements if one.member_id and one.held and not one.held.snapshot]
        ),
        *snapshots.keep({one.member_id: one.snapshot for one in judgements if one.member_id and one.snapshot}),
    ]


def _tier_changes_tell(judgements: Sequence[Judgement]) -> None:
    """Tell as an event who holds another tier than before."""
    told = [
        Fact(
            type="tier.changed",
            key=f"tier.changed:{judgement.member_id}:{judgement.revision + 1}",
            subject_id=judgement.member_id,
            customer_id=judgement.customer_id,
            occurred_at=judgement.statement.tier_since or judgement.as_of,
        )
        for judgement in judgements
        if (judgement.statement.tier or "") != judgement.tier
    ]
    events_record(told, origin=DomainEvent.Origin.LIVE)
