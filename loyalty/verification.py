"""Rebuilds every statement of the shop in scope and compares it with the ledger and what is read off it.

Slice by slice: memory doesn't grow with the number of members. Reads only, unless asked to repair.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from loyalty import facts, sql
from loyalty.books import close_differences
from loyalty.ledger import members_judge, members_repair
from loyalty.models import Account, LedgerTransaction, Member, PeriodClose
from loyalty.posting import Judgement, Posted, standing
from loyalty.projections import Row, Stored, lots_of, tier_changes_of
from loyalty.rules.statement import OUTLOOK_DAYS
from retention_app.models import Customer

CUSTOMERS_A_SLICE = 500
TRANSACTIONS_A_SLICE = 5_000
FINDINGS_MAX = 1_000  # told one by one; a broken ledger needn't fill the screen


@dataclass
class Verification:
    """How much was checked and what is wrong, a sentence each. `wrong` members can be repaired by bringing them up to
    date; `repaired` ones were, which posted `posted`."""

    accounts: int = 0
    entries: int = 0
    wrong: int = 0
    repaired: int = 0
    posted: Posted = field(default_factory=Posted)
    findings: list[str] = field(default_factory=list)

    def found(self, sentence: str) -> None:
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(sentence)


def ledger_verify(*, repair: bool = False, progress: Callable[[float], None] = lambda share: None) -> Verification:
    """Check that no difference is left to post, each member's cached balance, debt, lots, tier and tier changes,
    that each transaction sums to zero, and that closed books say what their entries come to.

    `repair` brings the members that are wrong up to date and takes their balances from the entries; `findings` is then
    what is left. `progress` is called with the share that is done, 0 to 1.
    """
    result = Verification()
    _accounts_check(result, repair, progress)
    _transactions_check(result, progress)
    _closes_check(result)
    return result


def _accounts_check(result: Verification, repair: bool, progress: Callable[[float], None]) -> None:
    last, done, number = 0, 0, Customer.objects.count()
    while True:
        customers = Customer.objects.filter(id__gt=last).order_by("id").values_list("id", "shopify_id")
        names = dict(customers[:CUSTOMERS_A_SLICE])
        if not names:
            return
        wrong = _members_check(names, result)
        if repair and wrong:
            result.posted = _sum(result.posted, members_repair(wrong))
            left = _members_check({customer_id: names[customer_id] for customer_id in wrong}, Verification())
            result.repaired += len(wrong) - len(left)
            wrong = left
        result.wrong += len(wrong)
        for sentences in wrong.values():
            for sentence in sentences:
                result.found(sentence)
        last, done = max(names), done + len(names)
        progress(done / max(done, number) * _MEMBERS_SHARE)


_MEMBERS_SHARE = 0.9  # of the time


def _sum(one: Posted, other: Posted) -> Posted:
    return Posted(
        members=one.members + other.members, entries=one.entries + other.entries, points=one.points + other.points
    )


def _members_check(names: Mapping[int, int], result: Verification) -> dict[int, list[str]]:
    """What is wrong with each of these customers (mirror's id → the platform's), those with nothing left out."""
    with sql.read_snapshot():
        programme = facts.programme()
        judgements = members_judge(facts.keepers(names), programme, only_changed=False, whole=True) if programme else []
        judgements = [judgement for judgement in judgements if judgement.customer_id in names]
        account_ids = [judgement.account_id for judgement in judgements if judgement.account_id is not None]
        cached = {id_: sums for id_, *sums in sql.look_up(_CACHED, "loyalty_account", "id", account_ids)}
        sums = _entry_sums(account_ids)
        members = Member.objects.in_bulk([one.member_id for one in judgements if one.member_id is not None])
    wrong: dict[int, list[str]] = defaultdict(list)
    for judgement in judgements:
        name, stated, account_id = names[judgement.customer_id], judgement.statement, judgement.account_id
        found = wrong[judgement.customer_id]
        balance, debt = cached.get(account_id, (0, 0))
        entered = sums.get(account_id, 0)
        if balance != entered:
            found.append(f"Customer {name}: cached balance {balance}, entries sum to {entered}.")
        for difference in judgement.differences:
            found.append(f"Customer {name}: {difference.points:+d} left to post for {difference.source}.")
        if judgement.differences:
            continue  # what is read off the statement follows them
        if judgement.member_id is None:
            if stated.tier_quantity or stated.tier_history:
                found.append(f"Customer {name}: isn't judged yet, though something counts towards tiers.")
            continue
        member = members[judgement.member_id]
        if member.next_at is not None and member.next_at <= judgement.as_of:
            continue  # time brings it
        if debt != stated.debt:
            found.append(f"Customer {name}: cached debt {debt}, the statement has {stated.debt}.")
        if _content(judgement.recorded.lots) != Counter(lots_of(stated)):
            found.append(f"Customer {name}: the cached lots aren't the statement's.")
        for what, cached_value, value in _standing_differences(member, judgement):
            found.append(f"Customer {name}: cached {what} {cached_value!r}, the statement has {value!r}.")
        if _content(judgement.recorded.tier_changes) != Counter(tier_changes_of(stated)):
            found.append(f"Customer {name}: the cached tier changes aren't the statement's.")
    result.accounts += len(account_ids)
    return {customer_id: sentences for customer_id, sentences in wrong.items() if sentences}


_CACHED = "t.id, t.balance, t.debt"


def _content(rows: Stored) -> Counter[Row]:
    """How often each row is there."""
    return Counter({row: len(ids) for row, ids in rows.items()})


def _standing_differences(member: Member, judgement: Judgement) -> Iterator[tuple[str, object, object]]:
    """What a member's row says that the statement doesn't, but for what time alone changes while nobody is due:
    (what, cached, stated)."""
    stated = judgement.statement
    soon = judgement.as_of + dt.timedelta(days=OUTLOOK_DAYS)
    for what, value in standing(judgement).items():
        cached = getattr(member, what, value)  # the fingerprint is of facts, not of the statement
        if what == "tier_quantity" and stated.tier is None:
            continue  # falls with the rolling year, which takes no tier
        if what == "move_down" and cached is None and stated.next_at is not None and stated.next_at <= soon:
            continue  # one that follows another change came into sight
        if cached != value:
            yield what.replace("_", " "), cached, value


def _entry_sums(account_ids: Iterable[int]) -> dict[int | None, int]:
    found = sql.look_up(
        "t.account_id, sum(t.amount)", "loyalty_entry", "account_id", account_ids, " GROUP BY t.account_id"
    )
    return {account_id: int(amount) for account_id, amount in found}


def _transactions_check(result: Verification, progress: Callable[[float], None]) -> None:
    """Each transaction has entries and they sum to zero."""
    last, done, number = 0, 0, LedgerTransaction.objects.count()
    while True:
        transactions = LedgerTransaction.objects.filter(id__gt=last).order_by("id").values_list("id", flat=True)
        transaction_ids = list(transactions[:TRANSACTIONS_A_SLICE])
        if not transaction_ids:
            break
        found = sql.look_up(
            "t.transaction_id, count(*), sum(t.amount)",
            "loyalty_entry",
            "transaction_id",
            transaction_ids,
            " GROUP BY t.transaction_id",
        )
        for transaction_id, entries, amount in found:
            result.entries += entries
            if amount != 0:
                result.found(f"Transaction {transaction_id} sums to {amount}, not to zero.")
        for transaction_id in sorted(set(transaction_ids) - {row[0] for row in found}):
            result.found(f"Transaction {transaction_id} has no entries.")
        last, done = transaction_ids[-1], done + len(transaction_ids)
        progress(_MEMBERS_SHARE + done / max(done, number) * (1 - _MEMBERS_SHARE))
    result.accounts += Account.objects.filter(member=None).count()


def _closes_check(result: Verification) -> None:
    """Closed books say what their entries come to."""
    for close in PeriodClose.objects.order_by("until"):
        for name, (then, now) in close_differences(close).items():
            result.found(f"Books closed up to {close.until:%Y-%m-%d}: {name} was {then}, entries come to {now}.")
