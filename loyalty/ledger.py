"""The ledger: the accounting record of members' statements (DESIGN 5).

Bringing a member up to date posts the difference between their statement and what was posted, and rewrites what is
read off the statement: lots, tier, and when time alone may change it. Nothing is computed inside a write transaction:
read one consistent snapshot, fold it, then write guarded by each member's revision (`loyalty.posting`). After the
commit the facts are looked at once more, because the posting may have rested on facts that changed meanwhile (an order
that moved to another customer leaves no trace in the revision); those members, and the losers of the guard, are read
again. Whatever the number of members, a round costs the same statements.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from loyalty import facts, projections, snapshots, sql
from loyalty.models import Account, Spending
from loyalty.posting import (
    Judgement,
    MembersBusy,
    Posted,
    Recorded,
    member_put_off,
    members_forget,
    members_make_due,
    post,
)
from loyalty.rules.difference import Life, PostedSource, differences
from loyalty.rules.facts import MemberFacts, SpendingFact
from loyalty.rules.programme import Programme
from loyalty.rules.statement import Statement, statement
from retention_app import clock, setwise, work
from retention_app.tenancy import current_shop_id

__all__ = [
    "MembersBusy",
    "Posted",
    "Statement",
    "members_bring_along",
    "members_bring_up_to_date",
    "members_due",
    "members_judge",
    "members_judge_soon",
    "members_repair",
    "spending_grant",
]

log = structlog.get_logger(__name__)

AGAIN_AFTER = dt.timedelta(hours=1)
MEMBERS_A_WRITE = 1_000
TRIES_MAX = 10  # rounds of reading and writing before a batch is given back
_OF_SPENDINGS = ("spending:", "undo:")  # sources whose other side may be the held account


@dataclass(frozen=True, slots=True)
class _Known:
    """A member as read: `judged` and `next_at` say when they have to be judged anew."""

    customer_id: int
    member_id: int | None = None
    revision: int = 0
    judged: str = ""
    next_at: dt.datetime | None = None
    tier: str = ""
    account_id: int | None = None
    has_snapshot: bool = False


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
            kept_by = facts.keepers(waiting)
            judgements = members_judge(kept_by, programme) if programme else []
            if not programme or not judgements:
                return posted
            for judgement in judgements:
                judgement.snapshot = snapshots.take(judgement, kept_by, programme)
        written = post(judgements, kept_by, posted)
        states = facts.members_states(kept_by)
        current = {id_: facts.fingerprint(programme, states.get(id_, ())) for id_ in kept_by}
        waiting = {
            judgement.customer_id
            for judgement in judgements
            if judgement.customer_id not in written or judgement.fingerprint != current[judgement.customer_id]
        }
    raise MembersBusy(f"{len(waiting)} members kept changing for {TRIES_MAX} rounds.")


def members_repair(customer_ids: Collection[int]) -> Posted:
    """Take these customers' cached balances from the entries, post what is missing and rewrite what is read off their
    statements, whatever was judged last. Raises `MembersBusy`."""
    kept_by = facts.keepers(customer_ids)
    members_forget(kept_by)
    return members_bring_up_to_date(customer_ids)


def members_bring_along(customer_ids: Sequence[int]) -> int:
    """Bring many members up to date of whom one may fail: the rest goes through, and the one is due again after
    `AGAIN_AFTER`. Answers how many went through."""
    return sum(map(len, work.in_halves(customer_ids, members_bring_up_to_date, _leave_behind)))


def _leave_behind(customer_id: int, error: Exception) -> None:
    log.error("member_left_behind", customer_id=customer_id, exc_info=error)
    member_put_off(customer_id, clock.now() + AGAIN_AFTER)


def members_due(limit: int) -> list[int]:
    """Customers whose statement time alone may have changed, those that wait longest first."""
    found = sql.rows(
        "SELECT customer_id FROM loyalty_member WHERE shop_id = %s AND next_at <= %s ORDER BY next_at LIMIT %s",
        current_shop_id(),
        sql.stored(clock.now()),
        limit,
    )
    return [customer_id for (customer_id,) in found]


def members_judge_soon(product_ids: Iterable[int]) -> None:
    """Have the members judged anew who ordered one of these products (the mirror's ids): they are due now, and what is
    being judged at this moment is read again."""
    found = sql.rows(
        "SELECT m.id FROM loyalty_member m WHERE m.shop_id = %s AND m.customer_id IN"
        " (SELECT o.customer_id FROM retention_app_product p"
        " JOIN retention_app_orderline l ON l.shop_id = p.shop_id AND l.product_shopify_id = p.shopify_id"
        f" JOIN retention_app_order o ON o.id = l.order_id WHERE p.shop_id = %s AND {setwise.ids_in('p.id')})"
        " ORDER BY m.id",
        current_shop_id(),
        current_shop_id(),
        setwise.ids_json(product_ids),
    )
    for start in range(0, len(found), MEMBERS_A_WRITE):
        members_make_due([member_id for (member_id,) in found[start : start + MEMBERS_A_WRITE]])


def spending_grant(spending_id: int) -> bool:
    """Decide a spending that was asked for: with enough usable points it is granted and held, else refused. Answers
    whether it was granted, the same however often it is asked. Raises `MembersBusy`."""
    for _ in range(TRIES_MAX):
        spending = Spending.objects.select_related("customer").get(id=spending_id)
        if spending.state != Spending.State.ASKED:
            return spending.state != Spending.State.REFUSED
        customer_id = spending.customer.merged_into_id or spending.customer_id
        members_bring_up_to_date([customer_id])
        with sql.read_snapshot():
            programme, kept_by = facts.programme(), facts.keepers([customer_id])
            judgements = members_judge(kept_by, programme, only_changed=False) if programme else []
        judgement = next((one for one in judgements if one.customer_id == customer_id), None)
        if programme is None or judgement is None or judgement.statement.usable < spending.points:
            asked = Spending.objects.filter(id=spending_id, state=Spending.State.ASKED)
            asked.update(state=Spending.State.REFUSED)
            continue
        granted = SpendingFact(id=spending.id, at=judgement.as_of, points=spending.points, held=True)
        after = dataclasses.replace(judgement.facts, spendings=(*judgement.facts.spendings, granted))
        states = sorted([*judgement.states, f"spending:{spending.id}:{Spending.State.HELD}"])
        judged = _judge(judgement, after, states, programme, judgement.recorded, judgement.held)
        if post([judged], kept_by, Posted(), grant=granted):
            return True
    raise MembersBusy(f"The member of spending {spending_id} kept changing for {TRIES_MAX} rounds.")


def members_judge(
    kept_by: Mapping[int, int], programme: Programme, *, only_changed: bool = True, whole: bool = False
) -> list[Judgement]:
    """Fold the facts of customers, as `facts.keepers` answers them, and compare with what was posted.

    Leaves out customers of whom nothing is known beside a claim and, with `only_changed`, those whose facts are those
    judged last and whom time hasn't changed since. `whole`: from the first fact on, whatever snapshots there are.
    """
    states = facts.members_states(kept_by)
    fingerprints = {id_: facts.fingerprint(programme, states.get(id_, ())) for id_ in kept_by}
    now = clock.now()
    members = {member.customer_id: member for member in _members(kept_by)}
    to_judge = []
    for customer_id, fingerprint in sorted(fingerprints.items()):
        if customer_id in members or facts.tell_more_than_a_claim(states.get(customer_id, ())):
            member = members.get(customer_id) or _Known(customer_id)
            late = member.next_at is not None and member.next_at <= now
            if not only_changed or late or member.judged != fingerprint:
                to_judge.append(member)
    if not to_judge:
        return []
    customer_ids = [member.customer_id for member in to_judge]
    large = {one.customer_id: one.member_id for one in to_judge if one.member_id is not None and one.has_snapshot}
    held = {} if whole else snapshots.held(large, kept_by, states, programme)
    later = {customer_id: found.late for customer_id, found in held.items() if found.snapshot}
    known = facts.members_facts(customer_ids, kept_by, states.values(), later)
    recorded = _recorded([member for member in to_judge if member.account_id is not None], later)
    return [
        _judge(
            member,
            known[member.customer_id],
            states.get(member.customer_id, ()),
            programme,
            recorded.get(member.account_id or 0) or Recorded(posted={}, lots={}, tier_changes={}),
            held.get(member.customer_id),
        )
        for member in to_judge
    ]


def _judge(
    member: _Known | Judgement,
    known: MemberFacts,
    states: Sequence[str],
    programme: Programme,
    recorded: Recorded,
    held: snapshots.Held | None,
) -> Judgement:
    since = held.snapshot if held else None
    as_of = known.as_of(clock.now())
    stated = statement(known, programme, as_of, since)
    later = min((instant for instant in known.instants() if instant > as_of), default=None)
    if later is not None and (stated.next_at is None or later < stated.next_at):
        stated = dataclasses.replace(stated, next_at=later)
    undecided = {spending.id for spending in known.spendings if spending.held}
    return Judgement(
        customer_id=member.customer_id,
        member_id=member.member_id,
        account_id=member.account_id,
        revision=member.revision,
        tier=member.tier,
        fingerprint=facts.fingerprint(programme, states),
        facts=known,
        states=states,
        held=held,
        as_of=as_of,
        statement=stated,
        recorded=recorded,
        differences=differences(stated.lines, recorded.posted, undecided, since.at if since else None),
    )


def _members(customer_ids: Iterable[int]) -> list[_Known]:
    """Those of the customers who are members."""
    account = "SELECT a.id FROM loyalty_account a WHERE a.shop_id = t.shop_id AND a.member_id = t.id"
    snapshot = "SELECT 1 FROM loyalty_membersnapshot s WHERE s.shop_id = t.shop_id AND s.member_id = t.id"
    return [
        _Known(customer_id, member_id, revision, judged, sql.instant_if_any(next_at), tier, account_id, bool(snapped))
        for customer_id, member_id, revision, judged, next_at, tier, account_id, snapped in sql.look_up(
            "t.customer_id, t.id, t.revision, t.judged, t.next_at, t.tier,"
            f" ({account} AND a.asset = 'points'), EXISTS ({snapshot})",
            "loyalty_member",
            "customer_id",
            customer_ids,
        )
    ]


def _holders(order_shopify_ids: Iterable[int]) -> set[int]:
    """Customers whose members have entries of these orders, whoever the orders belong to now."""
    accounts = sql.look_up("DISTINCT t.account_id", "loyalty_entry", "order_shopify_id", order_shopify_ids)
    members = sql.look_up("t.member_id", "loyalty_account", "id", (row[0] for row in accounts))
    customers = sql.look_up("t.customer_id", "loyalty_member", "id", (row[0] for row in members if row[0] is not None))
    return {customer_id for (customer_id,) in customers}


def _recorded(members: Sequence[_Known], late: Mapping[int, facts.Late]) -> dict[int, Recorded]:
    """What the ledger has of these members, by account; of those in `late` (by customer) the postings of what began
    after that instant."""
    account_of = {member.member_id: member.account_id for member in members if member.member_id and member.account_id}
    since = {member.account_id: late[member.customer_id].since for member in members if member.customer_id in late}
    posted = _posted(members, {account_id: instant for account_id, instant in since.items() if account_id is not None})
    lots = projections.stored(projections.LOTS, account_of.values())
    changes = projections.stored(projections.TIER_CHANGES, account_of)
    return {
        account_id: Recorded(
            posted=posted.get(account_id, {}), lots=lots.get(account_id, {}), tier_changes=changes.get(member_id, {})
        )
        for member_id, account_id in account_of.items()
    }


def _posted(members: Sequence[_Known], since: Mapping[int, dt.datetime]) -> dict[int, dict[str, PostedSource]]:
    """What was posted, by account and source; of accounts in `since` what is dated after that instant."""
    posted: dict[int, dict[str, PostedSource]] = defaultdict(dict)
    account_ids = {member.account_id for member in members if member.account_id is not None}

    def look_up(ids: Iterable[int], when: str = "") -> list[Any]:
        return sql.look_up(
            "t.account_id, t.source, t.usable_from, t.expires_at,"
            " t.unclaimed, sum(t.amount), max(t.order_shopify_id), max(t.occurred_at)",
            "loyalty_entry",
            "account_id",
            ids,
            f"{when} GROUP BY t.account_id, t.source, t.usable_from, t.expires_at, t.unclaimed",
        )

    found = look_up(account_ids - set(since))
    for account_id, instant in since.items():
        found += look_up([account_id], f" AND t.occurred_at > '{sql.stored(instant)}'")
    for account_id, source, usable_from, expires_at, unclaimed, points, order_id, occurred_at in found:
        of_source = posted[account_id].setdefault(source, PostedSource(order_id, sql.instant(occurred_at)))
        of_source.occurred_at = max(of_source.occurred_at, sql.instant(occurred_at))
        life = Life(sql.instant_if_any(usable_from), sql.instant_if_any(expires_at), bool(unclaimed))
        of_source.points[life] = int(points)
    spenders = {
        member.member_id: member.account_id
        for member in members
        if any(source.startswith(_OF_SPENDINGS) for source in posted[member.account_id or 0])
    }
    for account_id, source, points in _posted_held(spenders):
        if source in posted[account_id]:
            posted[account_id][source].held = points
    return posted


def _posted_held(spenders: dict[int | None, int | None]) -> list[tuple[int, str, int]]:
    """What the shop's held account has of these members' spendings: (member's account, source, points)."""
    if not spenders:
        return []
    held = Account.objects.values_list("id", flat=True).get(member=None, kind=Account.Kind.HELD)
    transactions = dict(
        sql.look_up(
            "t.id, t.member_id",
            "loyalty_ledgertransaction",
            "member_id",
            (member_id for member_id in spenders if member_id is not None),
        )
    )
    sums: dict[tuple[int, str], int] = defaultdict(int)
    for transaction_id, source, points in sql.look_up(
        "t.transaction_id, t.source, t.amount",
        "loyalty_entry",
        "transaction_id",
        transactions,
        f" AND t.account_id = {held:d}",
    ):
        account_id = spenders[transactions[transaction_id]]
        assert account_id is not None
        sums[(account_id, source)] += points
    return [(account_id, source, points) for (account_id, source), points in sums.items()]
