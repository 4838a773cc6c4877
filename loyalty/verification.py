"""Rebuilds every statement of the shop in scope and compares it with the ledger. Reads only, slice by slice."""

from __future__ import annotations

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
    """Check each member's cached balance and statement, and that each transaction sums to zero."""
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
            judgements = members_judge(names, programme, only_changed=False) if programme else []
            account_ids = [judgement.account_id for judgement in judgements if judgement.account_id is not None]
            balances = dict(sql.look_up("t.id, t.balance", "loyalty_account", "id", account_ids))
            sums = _entry_sums(account_ids)
        if not names:
            return
        for judgement in judgements:
            name = names[judgement.customer_id]
            balance, entered = balances.get(judgement.account_id, 0), sums.get(judgement.account_id, 0)
            if balance != entered:
                result.found(f"Customer {name}: cached balance {balance}, entries sum to {entered}.")
            for difference in judgement.differences:
                result.found(f"Customer {name}: {difference.amount:+d} left to post for {difference.source}.")
        result.accounts += len(account_ids)
        last = max(names)


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
