"""Rebuilds every statement of the shop in scope and compares it with the ledger and what is read off it.

Reads only, slice by slice: memory doesn't grow with the number of members.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from loyalty import facts, sql
from loyalty.ledger import members_judge
from loyalty.models import Account, LedgerTransaction
from retention_app.models import Customer

CUSTOMERS_A_SLICE = 500
TRANSACTIONS_A_SLICE = 5_000
FINDINGS_MAX = 1_000  # told one by one; a broken ledger needn't fill the screen


@dataclass
class Verification:
    """How much was checked and what is wrong, a sentence each."""

    accounts: int = 0
    entries: int = 0
    findings: list[str] = field(default_factory=list)

    def found(self, sentence: str) -> None:
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(sentence)


def ledger_verify() -> Verification:
    """Check that no difference is left to post, each member's cached balance, debt, lots and tier, and that each
    transaction sums to zero."""
    result = Verification()
    _accounts_check(result)
    _transactions_check(result)
    return result


def _accounts_check(result: Verification) -> None:
    """Each customer's cached balance against their entries, and their statement against what was posted."""
    last = 0
    while True:
        customers = Customer.objects.filter(id__gt=last).order_by("id").values_list("id", "shopify_id")
        with sql.read_snapshot():
            names = dict(customers[:CUSTOMERS_A_SLICE])
            programme = facts.programme()
            judgements = members_judge(facts.keepers(names), programme, only_changed=False) if programme else []
            judgements = [judgement for judgement in judgements if judgement.customer_id in names]
            account_ids = [judgement.account_id for judgement in judgements if judgement.account_id is not None]
            cached = {id_: sums for id_, *sums in sql.look_up(_CACHED, "loyalty_account", "id", account_ids)}
            sums = _entry_sums(account_ids)
            lots = _lots(account_ids)
        if not names:
            return
        for judgement in judgements:
            name, stated, account_id = names[judgement.customer_id], judgement.statement, judgement.account_id
            balance, debt = cached.get(account_id, (0, 0))
            entered = sums.get(account_id, 0)
            if balance != entered:
                result.found(f"Customer {name}: cached balance {balance}, entries sum to {entered}.")
            for difference in judgement.differences:
                result.found(f"Customer {name}: {difference.points:+d} left to post for {difference.source}.")
            if judgement.differences:
                continue  # what is read off the statement follows them
            if debt != stated.debt:
                result.found(f"Customer {name}: cached debt {debt}, the statement has {stated.debt}.")
            if lots.get(account_id, []) != sorted((lot.source, lot.points) for lot in stated.lots):
                result.found(f"Customer {name}: the cached lots aren't the statement's.")
            if judgement.tier != (stated.tier or ""):
                result.found(f"Customer {name}: cached tier {judgement.tier!r}, the statement has {stated.tier!r}.")
        result.accounts += len(account_ids)
        last = max(names)


_CACHED = "t.id, t.balance, t.debt"


def _lots(account_ids: Iterable[int]) -> dict[int | None, list[tuple[str, int]]]:
    """The cached lots of each account: (source, points), sorted."""
    found: dict[int | None, list[tuple[str, int]]] = defaultdict(list)
    for account_id, source, points in sorted(
        sql.look_up("t.account_id, t.source, t.points", "loyalty_lot", "account_id", account_ids)
    ):
        found[account_id].append((source, points))
    return found


def _entry_sums(account_ids: Iterable[int]) -> dict[int | None, int]:
    found = sql.look_up(
        "t.account_id, sum(t.amount)", "loyalty_entry", "account_id", account_ids, " GROUP BY t.account_id"
    )
    return {account_id: int(amount) for account_id, amount in found}


def _transactions_check(result: Verification) -> None:
    """Each transaction has entries and they sum to zero."""
    last = 0
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
        last = transaction_ids[-1]
    result.accounts += Account.objects.filter(member=None).count()
