"""Rebuilds every statement of the shop in scope and compares it with the ledger. Reads only, slice by slice."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.db.models import Max, Sum

from loyalty import facts
from loyalty.ledger import members_judge, read_snapshot
from loyalty.models import Account, Entry, LedgerTransaction
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
        with read_snapshot():
            names = dict(customers[:CUSTOMERS_A_SLICE])
            if not names:
                return
            programme = facts.programme()
            sums = dict(
                Entry.objects.filter(account__member__customer_id__in=facts.among(names))
                .order_by()
                .values_list("account__member__customer_id")
                .annotate(Sum("amount"))
            )
            judgements = members_judge(names, programme, only_changed=False) if programme else []
            for judgement in judgements:
                name, entered = names[judgement.customer_id], sums.get(judgement.customer_id, 0)
                if judgement.account_id is not None:
                    result.accounts += 1
                if judgement.balance != entered:
                    result.found(f"Customer {name}: cached balance {judgement.balance}, entries sum to {entered}.")
                for difference in judgement.differences:
                    result.found(f"Customer {name}: {difference.amount:+d} left to post for {difference.source}.")
        last = max(names)


def _transactions_check(result: Verification) -> None:
    """Each transaction has entries and they sum to zero."""
    newest = LedgerTransaction.objects.aggregate(newest=Max("id"))["newest"] or 0
    for start in range(0, newest, TRANSACTIONS_A_SLICE):
        transactions = LedgerTransaction.objects.filter(id__gt=start, id__lte=start + TRANSACTIONS_A_SLICE)
        entries = Entry.objects.filter(transaction__in=transactions)
        result.entries += entries.count()
        for transaction_id, amount in transactions.annotate(amount=Sum("entries__amount")).values_list("id", "amount"):
            if amount != 0:
                result.found(f"Transaction {transaction_id} sums to {amount}, not to zero.")
    result.accounts += Account.objects.filter(member=None).count()
