"""The ledger: the only writer of members, transactions and entries (DESIGN 5).

Bringing a member up to date posts the difference between their statement and what was posted. Nothing is computed
inside a write transaction: read one consistent snapshot, fold it, then write guarded by each member's revision. After
the commit the facts are looked at once more, because the posting may have rested on facts that changed meanwhile (an
order that moved to another customer leaves no trace in the revision); those members, and the losers of the guard, are
read again. Whatever the number of members, a round costs the same statements.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from django.db import connection, transaction

from loyalty import facts, sql
from loyalty.models import Account
from loyalty.rules.earning import Explanation
from loyalty.rules.facts import MemberFacts, OrderFact
from loyalty.rules.programme import Programme
from loyalty.rules.statement import REVISION, StatementLine, statement
from retention_app import clock, setwise
from retention_app.tenancy import current_shop_id

TRIES_MAX = 10  # rounds of reading and writing before a batch is given back


class MembersBusy(RuntimeError):
    """Others kept posting for the same members; nothing is lost, try again later."""


@dataclass(kw_only=True)
class Posted:
    """What a bringing up to date did: members judged anew, entries on their accounts, points they sum up to."""

    members: int = 0
    entries: int = 0
    points: int = 0


class Difference(NamedTuple):
    """What is left to post for one source."""

    source: str
    order_id: int | None
    amount: int
    occurred_at: dt.datetime
    version: int | None
    explanation: Explanation


class _PostedSum(NamedTuple):
    """What was posted for one source so far."""

    amount: int
    order_id: int | None
    occurred_at: dt.datetime


@dataclass(kw_only=True)
class Judgement:
    """A customer's statement against the ledger. `member_id` is None for one the programme sees first."""

    customer_id: int
    member_id: int | None
    account_id: int | None
    revision: int
    fingerprint: str
    differences: list[Difference] = field(default_factory=list)


def members_bring_up_to_date(
    customer_ids: Iterable[int], *, order_ids: Iterable[int] = (), deleted_orders: Iterable[int] = ()
) -> Posted:
    """Post what is missing for these customers, and for members who hold postings of these orders (`order_ids` are the
    mirror's, `deleted_orders` the platform's: the mirror has lost them).

    Safe to repeat: with nothing to post it writes nothing. Without a programme it does nothing. Raises `MembersBusy`
    after `TRIES_MAX` rounds.
    """
    posted = Posted()
    orders = {shopify_id for (shopify_id,) in sql.look_up("t.shopify_id", "retention_app_order", "id", order_ids)}
    waiting = {*customer_ids, *_holders({*orders, *deleted_orders})}
    for _ in range(TRIES_MAX):
        if not waiting:
            return posted
        with sql.read_snapshot():
            programme = facts.programme()
            merges = _merges(waiting)
            judgements = members_judge(waiting | merges.keys(), programme) if programme else []
        if not programme or not judgements:
            return posted
        written = _write(judgements, merges, posted)
        judged = [judgement.customer_id for judgement in judgements]
        current, none = _fingerprints(judged, programme), _fingerprint(programme, ())
        waiting = {
            judgement.customer_id
            for judgement in judgements
            if judgement.customer_id not in written or judgement.fingerprint != current.get(judgement.customer_id, none)
        }
    raise MembersBusy(f"{len(waiting)} members kept changing for {TRIES_MAX} rounds.")


def members_judge(customer_ids: Collection[int], programme: Programme, *, only_changed: bool = True) -> list[Judgement]:
    """Fold the customers' facts and compare with what was posted.

    Leaves out customers who never ordered and, with `only_changed`, those whose facts are the ones judged last.
    """
    fingerprints = _fingerprints(customer_ids, programme)
    judgements = {}
    for customer_id, member_id, revision, judged, account_id in _members(customer_ids):
        fingerprint = fingerprints.pop(customer_id, None) or _fingerprint(programme, ())
        if not only_changed or fingerprint != judged:
            judgements[customer_id] = Judgement(
                customer_id=customer_id,
                member_id=member_id,
                account_id=account_id,
                revision=revision,
                fingerprint=fingerprint,
            )
    for customer_id, fingerprint in fingerprints.items():
        judgements[customer_id] = Judgement(
            customer_id=customer_id, member_id=None, account_id=None, revision=0, fingerprint=fingerprint
        )
    if not judgements:
        return []
    orders = facts.orders_of_customers(judgements)
    posted = _posted_sums(judgement.account_id for judgement in judgements.values() if judgement.account_id)
    as_of = _as_of(order for of_customer in orders.values() for order in of_customer)
    for judgement in judgements.values():
        lines = statement(MemberFacts(orders=tuple(orders.get(judgement.customer_id, ()))), programme, as_of).lines
        judgement.differences = differences(lines, posted.get(judgement.account_id or 0, {}))
    return list(judgements.values())


def _as_of(orders: Iterable[OrderFact]) -> dt.datetime:
    """Now, or later where the platform's clock is ahead of ours: what it told us has happened."""
    return max([clock.now(), *(order.newest_instant() for order in orders)])


def _fingerprints(customer_ids: Iterable[int], programme: Programme) -> dict[int, str]:
    """A fingerprint of the facts of each customer who has any; an order's digest stands for its state."""
    orders: dict[int, list[str]] = defaultdict(list)
    for customer_id, shopify_id, digest in sql.look_up(
        "t.customer_id, t.shopify_id, t.digest", "retention_app_order", "customer_id", customer_ids
    ):
        orders[customer_id].append(f"{shopify_id}:{digest}")
    return {customer_id: _fingerprint(programme, sorted(states)) for customer_id, states in orders.items()}


def _fingerprint(programme: Programme, orders: Sequence[str]) -> str:
    rules = f"revision {REVISION}, version {programme.versions[-1].number}, {programme.currency}"
    state = "\n".join([rules, *orders])
    return hashlib.blake2b(state.encode(), digest_size=16).hexdigest()


def _merges(customer_ids: Collection[int]) -> dict[int, int]:
    """Each customer that has to do with a merge of one of these → the survivor, who stands for them all.

    The accounts of those who were merged are brought up to date together: one never lacks what the other still has.
    """
    parties = "t.id, coalesce(t.merged_into_id, t.id)"
    away = sql.look_up(parties, "retention_app_customer", "id", customer_ids, " AND t.merged_into_id IS NOT NULL")
    survivors = {survivor for _, survivor in away} | set(customer_ids)
    merged = sql.look_up(parties, "retention_app_customer", "merged_into_id", survivors)
    return {**dict(merged), **{survivor: survivor for _, survivor in merged}}


def _members(customer_ids: Iterable[int]) -> list[tuple[int, int, int, str, int]]:
    """(customer, member, revision, judged, account) of those who are members, by customer."""
    account = "SELECT a.id FROM loyalty_account a WHERE a.shop_id = t.shop_id AND a.member_id = t.id"
    return sorted(
        sql.look_up(
            f"t.customer_id, t.id, t.revision, t.judged, ({account} AND a.asset = 'points')",
            "loyalty_member",
            "customer_id",
            customer_ids,
        )
    )


def _holders(order_shopify_ids: Iterable[int]) -> set[int]:
    """Customers whose members have entries of these orders, whoever the orders belong to now."""
    accounts = sql.look_up("DISTINCT t.account_id", "loyalty_entry", "order_shopify_id", order_shopify_ids)
    members = sql.look_up("t.member_id", "loyalty_account", "id", (row[0] for row in accounts))
    customers = sql.look_up("t.customer_id", "loyalty_member", "id", (row[0] for row in members if row[0] is not None))
    return {customer_id for (customer_id,) in customers}


def _posted_sums(account_ids: Iterable[int]) -> dict[int, dict[str, _PostedSum]]:
    """What was posted, by account and source."""
    posted: dict[int, dict[str, _PostedSum]] = defaultdict(dict)
    for account_id, source, amount, order_id, occurred_at in sql.look_up(
        "t.account_id, t.source, sum(t.amount), max(t.order_shopify_id), max(t.occurred_at)",
        "loyalty_entry",
        "account_id",
        account_ids,
        " GROUP BY t.account_id, t.source",
    ):
        posted[account_id][source] = _PostedSum(int(amount), order_id, sql.instant(occurred_at))
    return posted


def differences(lines: Iterable[StatementLine], posted: dict[str, _PostedSum]) -> list[Difference]:
    """What brings the posted sums to the statement: changed lines first, then what the statement no longer has."""
    found = []
    stated = set()
    for line in lines:
        stated.add(line.source)
        before = posted[line.source].amount if line.source in posted else None
        if line.amount != (before or 0):
            explanation = line.explanation
            if before is not None:
                explanation = {"kind": "corrected", "posted": before, "stated": line.amount, "now": line.explanation}
            found.append(
                Difference(
                    line.source,
                    line.order_id,
                    line.amount - (before or 0),
                    line.occurred_at,
                    line.version,
                    explanation,
                )
            )
    for source, before_sum in sorted(posted.items()):
        if source not in stated and before_sum.amount:
            explanation = {"kind": "withdrawn", "posted": before_sum.amount}
            found.append(
                Difference(source, before_sum.order_id, -before_sum.amount, before_sum.occurred_at, None, explanation)
            )
    return found


# --- writing ----------------------------------------------------------------------------------------------------------

_GUARD: setwise.Columns = {"member_id": "bigint", "read_revision": "bigint", "fingerprint": "text"}
_MEMBER: setwise.Columns = {"customer_id": "bigint", "fingerprint": "text"}
_ACCOUNT: setwise.Columns = {"member_id": "bigint"}
_TRANSACTION: setwise.Columns = {
    "member_id": "bigint",
    "revision": "bigint",
    "occurred_at": "timestamptz",
    "recorded_at": "timestamptz",
}
_ENTRY: setwise.Columns = {
    "position": "integer",
    "transaction_id": "bigint",
    "account_id": "bigint",
    "counter": "text",
    "amount": "bigint",
    "source": "text",
    "order_shopify_id": "bigint",
    "version": "integer",
    "explanation": "jsonb",
    "occurred_at": "timestamptz",
    "recorded_at": "timestamptz",
}
_BALANCE: setwise.Columns = {"account_id": "bigint", "change": "bigint"}


def _write(judgements: Sequence[Judgement], merges: Mapping[int, int], posted: Posted) -> set[int]:
    """Post the differences in one short transaction; answers the customers whose revision was still the one read.

    When one of the customers that were merged lost, nothing is written and all are to be read again.
    """
    with transaction.atomic():
        winners = _guard(judgements)
        won = {judgement.customer_id for judgement in winners}
        lost_to = {
            merges[judgement.customer_id] for judgement in judgements if judgement.customer_id in merges.keys() - won
        }
        if any(merges.get(customer_id) in lost_to for customer_id in won):
            transaction.set_rollback(True)
            return set()
        postings = [judgement for judgement in winners if judgement.differences]
        if postings:
            _post(postings)
    posted.members += len(winners)
    posted.entries += sum(len(judgement.differences) for judgement in postings)
    posted.points += sum(difference.amount for judgement in postings for difference in judgement.differences)
    return {judgement.customer_id for judgement in winners}


def _guard(judgements: Sequence[Judgement]) -> list[Judgement]:
    """Take the next revision of each member, where nobody else did; a new member is guarded by being inserted."""
    known = {judgement.member_id: judgement for judgement in judgements if judgement.member_id is not None}
    fresh = {judgement.customer_id: judgement for judgement in judgements if judgement.member_id is None}
    winners = []
    if known:
        if connection.features.has_select_for_update:  # lock in one order, so that two batches can't deadlock
            sql.rows(
                f"SELECT id FROM loyalty_member WHERE shop_id = %s AND {setwise.ids_in('id')} ORDER BY id FOR UPDATE",
                current_shop_id(),
                setwise.ids_json(id_ for id_ in known if id_ is not None),
            )
        rows = [
            {"member_id": id_, "read_revision": judgement.revision, "fingerprint": judgement.fingerprint}
            for id_, judgement in known.items()
        ]
        won = sql.rows(
            "UPDATE loyalty_member SET revision = loyalty_member.revision + 1, judged = r.fingerprint"
            f" FROM {setwise.rows_from(_GUARD)}"
            " WHERE loyalty_member.id = r.member_id AND loyalty_member.revision = r.read_revision"
            " AND loyalty_member.shop_id = %s RETURNING id",
            setwise.rows_json(rows, _GUARD),
            current_shop_id(),
        )
        winners += [known[id_] for (id_,) in won]
    if fresh:
        rows = [{"customer_id": id_, "fingerprint": judgement.fingerprint} for id_, judgement in fresh.items()]
        inserted = sql.rows(
            "INSERT INTO loyalty_member (shop_id, customer_id, revision, judged)"
            f" SELECT %s, r.customer_id, 1, r.fingerprint FROM {setwise.rows_from(_MEMBER)}"
            " WHERE true ORDER BY r.customer_id"
            " ON CONFLICT (shop_id, customer_id) DO NOTHING RETURNING id, customer_id",
            current_shop_id(),
            setwise.rows_json(rows, _MEMBER),
        )
        members = {member_id: fresh[customer_id] for member_id, customer_id in inserted}
        for account_id, member_id in _accounts_open(members):
            members[member_id].member_id, members[member_id].account_id = member_id, account_id
        winners += members.values()
    return winners


def _accounts_open(member_ids: Iterable[int]) -> list[tuple[int, int]]:
    """Open the points accounts of new members; answers (account, member)."""
    return sql.rows(
        "INSERT INTO loyalty_account (shop_id, member_id, kind, asset, balance)"
        f" SELECT %s, r.member_id, 'member', 'points', 0 FROM {setwise.rows_from(_ACCOUNT)} WHERE true"
        " RETURNING id, member_id",
        current_shop_id(),
        setwise.rows_json([{"member_id": member_id} for member_id in member_ids], _ACCOUNT),
    )


def _counter(source: str) -> Account.Kind:
    """The account that gives or takes the other side of a source's points."""
    return Account.Kind.ISSUED if source.startswith("order:") else Account.Kind.REVERSED


def _post(judgements: Sequence[Judgement]) -> None:
    """Insert a transaction for each judgement, a pair of entries for each of its differences, and move the balances."""
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
    transaction_ids = {
        member_id: transaction_id
        for transaction_id, member_id in sql.rows(
            "INSERT INTO loyalty_ledgertransaction (shop_id, member_id, revision, occurred_at, recorded_at)"
            f" SELECT %s, r.member_id, r.revision, r.occurred_at, r.recorded_at FROM {setwise.rows_from(_TRANSACTION)}"
            " WHERE true ORDER BY r.member_id RETURNING id, member_id",
            shop_id,
            setwise.rows_json(transactions, _TRANSACTION),
        )
    }
    entries = [
        {
            "transaction_id": transaction_ids[judgement.member_id],
            "account_id": judgement.account_id,
            "counter": _counter(difference.source).value,
            "amount": difference.amount,
            "source": difference.source,
            "order_shopify_id": difference.order_id,
            "version": difference.version,
            "explanation": difference.explanation,
            "occurred_at": difference.occurred_at,
            "recorded_at": now,
        }
        for judgement in judgements
        for difference in judgement.differences
    ]
    inserted = sql.rows(
        "INSERT INTO loyalty_entry (shop_id, transaction_id, account_id, amount, source, order_shopify_id, version,"
        " explanation, occurred_at, recorded_at)"
        " SELECT c.shop_id, r.transaction_id, CASE side.sign WHEN 1 THEN r.account_id ELSE c.id END,"
        " side.sign * r.amount, r.source, r.order_shopify_id, r.version,"
        " CASE side.sign WHEN 1 THEN r.explanation END, r.occurred_at, r.recorded_at"
        f" FROM {setwise.rows_from(_ENTRY)} CROSS JOIN (SELECT 1 AS sign UNION ALL SELECT -1) AS side"
        " CROSS JOIN loyalty_account c"
        " WHERE c.shop_id = %s AND c.member_id IS NULL AND c.asset = 'points' AND c.kind = r.counter"
        " ORDER BY r.position, side.sign DESC RETURNING id",
        setwise.rows_json(({"position": position, **entry} for position, entry in enumerate(entries)), _ENTRY),
        shop_id,
    )
    if len(inserted) != 2 * len(entries):
        raise RuntimeError(f"{len(inserted)} of {2 * len(entries)} entries found their account; nothing is posted.")
    changes = [
        {"account_id": judgement.account_id, "change": sum(d.amount for d in judgement.differences)}
        for judgement in judgements
    ]
    sql.rows(
        "UPDATE loyalty_account SET balance = loyalty_account.balance + r.change"
        f" FROM {setwise.rows_from(_BALANCE)} WHERE loyalty_account.id = r.account_id AND loyalty_account.shop_id = %s",
        setwise.rows_json(changes, _BALANCE),
        shop_id,
    )
