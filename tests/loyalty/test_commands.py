"""The commands scripts rely on."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from loyalty import verification
from loyalty.books import totals_between
from loyalty.models import Account, Entry, LedgerTransaction, Lot, Member, PeriodClose, TierChange
from loyalty.programme import draft_save, programme_publish
from retention_app.models import Shop
from retention_app.tenancy import shop_scope
from tests.loyalty.ground import bring, customers, mirrored, points_of, publish
from tests.orders import at, order_row


@pytest.fixture
def members(shop: Shop) -> Shop:
    """Customers 1 to 3 with 50 points each."""
    publish(shop)
    customers(1, 2, 3)
    mirrored(*(order_row(id_ + 10, customer=id_) for id_ in (1, 2, 3)))
    bring(1, 2, 3)
    return shop


def output(*arguments: str) -> str:
    stdout = StringIO()
    call_command(*arguments, stdout=stdout)
    return stdout.getvalue()


def verified(*arguments: str) -> tuple[int, str, str]:
    """(exit status, standard output, standard error) of ledger_verify."""
    stdout, stderr = StringIO(), StringIO()
    try:
        call_command("ledger_verify", *arguments, stdout=stdout, stderr=stderr)
    except SystemExit as end:
        return int(str(end.code)), stdout.getvalue(), stderr.getvalue()
    return 0, stdout.getvalue(), stderr.getvalue()


@pytest.mark.parametrize("name", ["alpha", "alpha.myshopify.com"])
def test_balances_prints_a_line_a_member(members: Shop, name: str) -> None:
    lines = [json.loads(line) for line in output("balances", "--shop", name, "--json").splitlines()]
    assert [(line["customer"], line["points_available"]) for line in lines] == [(1, 50), (2, 50), (3, 50)]
    assert set(lines[0]) == {
        "customer",
        "points_available",
        "points_pending",
        "points_unclaimed",
        "points_held",
        "debt",
        "tier",
        "wallet",
    }
    assert "50 points" in output("balances", "--shop", name)


def test_an_unknown_shop_is_an_error(members: Shop) -> None:
    for command in ("balances", "ledger_verify"):
        with pytest.raises(CommandError, match="nowhere"):
            output(command, "--shop", "nowhere")


def test_shop_stats_has_the_points(members: Shop) -> None:
    assert json.loads(output("shop_stats", "--shop", "alpha", "--json").splitlines()[-1])["points_issued"] == 150


def test_a_right_ledger_is_ok_with_its_counts(members: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "CUSTOMERS_A_SLICE", 2)
    monkeypatch.setattr(verification, "TRANSACTIONS_A_SLICE", 2)
    assert verified("--shop", "alpha") == (0, "alpha: ledger OK, checked 8 accounts and 6 entries.\n", "")


def test_all_shops_are_checked_by_default(alpha: Shop, beta: Shop) -> None:
    status, told, _ = verified()
    assert (status, told.count("ledger OK, checked 0 accounts and 0 entries")) == (0, 2)


def test_a_wrong_balance_and_a_missing_posting_are_found(members: Shop) -> None:
    Account.objects.filter(member__customer__shopify_id=2).update(balance=51)
    mirrored(order_row(20, customer=3))
    status, told, wrong = verified("--shop", "alpha")
    assert status == 1
    assert "ledger 2 differences" in told
    assert wrong.splitlines() == [
        "alpha: Customer 2: cached balance 51, entries sum to 50.",
        "alpha: Customer 3: +50 left to post for order:20.",
    ]


def test_a_customer_nobody_judged_is_found(members: Shop) -> None:
    customers(4)
    mirrored(order_row(30, customer=4))
    assert verified()[2] == "alpha: Customer 4: +50 left to post for order:30.\n"


def test_who_never_paid_needs_no_member(members: Shop) -> None:
    customers(4)
    mirrored(order_row(30, customer=4, paid=False))
    status, told, wrong = verified("--shop", "alpha")
    assert (status, wrong) == (0, ""), told


def test_who_counts_towards_tiers_without_points_and_was_never_judged_is_found(alpha: Shop) -> None:
    with shop_scope(alpha.id):
        level = {"key": "silver", "name": "Silver", "from": 10, "percent": 100}
        tiers = {"by": "spend", "period": "lifetime", "grace_days": 0, "hold_days": 0, "protect_until": None}
        earn, worth = {"points": 1, "per_minor": 100}, {"points": 100, "minor": 1}
        draft_save(alpha.id, {"earn": earn, "worth": worth, "tiers": {**tiers, "levels": [level]}}, "42")
        programme_publish(alpha.id, "42", "all")
        customers(4)
        mirrored(order_row(30, customer=4, net_minor=50))
    status, told, wrong = verified("--shop", "alpha")
    assert (status, wrong) == (
        1,
        "alpha: Customer 4: isn't judged yet, though something counts towards tiers.\n",
    ), told


def test_a_transaction_that_is_not_balanced_is_found(members: Shop) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO loyalty_entry (shop_id, transaction_id, account_id, amount, source, occurred_at, recorded_at)"
            " SELECT shop_id, transaction_id, account_id, 7, 'order:0', occurred_at, recorded_at"
            " FROM loyalty_entry WHERE amount < 0 ORDER BY id LIMIT 1"
        )
    status, _, wrong = verified()
    assert status == 1
    assert "sums to 7, not to zero" in wrong


def test_a_transaction_without_entries_is_found(members: Shop) -> None:
    last = LedgerTransaction.objects.latest("id")
    LedgerTransaction.objects.create(
        shop=members,
        member_id=last.member_id,
        revision=99,
        occurred_at=last.occurred_at,
        recorded_at=last.recorded_at,
    )
    assert "has no entries" in verified()[2]


def test_only_so_many_findings_are_told(members: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "FINDINGS_MAX", 2)
    mirrored(*(order_row(id_ + 20, customer=id_) for id_ in (1, 2, 3)))
    assert len(verified()[2].splitlines()) == 2


# --- repair -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def broken(members: Shop) -> Shop:
    """A wrong balance, a missing posting, a lot too many, a wrong debt and a tier nobody gave."""
    of = Account.objects.filter
    customers(4, 5)
    mirrored(order_row(14, customer=4), order_row(15, customer=5))
    bring(4, 5)
    of(member__customer__shopify_id=1).update(balance=51)
    mirrored(order_row(20, customer=2))
    Lot.objects.create(shop=members, account=of(member__customer__shopify_id=3).get(), source="order:99", points=9)
    of(member__customer__shopify_id=4).update(debt=7)
    Member.objects.filter(customer__shopify_id=5).update(tier="gold")
    return members


def test_a_repair_is_shown_before_it_is_made(broken: Shop) -> None:
    before = Entry.objects.count()
    status, told, wrong = verified("--shop", "alpha", "--repair", "--dry-run")
    assert (status, len(wrong.splitlines())) == (1, 5)
    assert "+50 left to post for order:20" in wrong
    assert "--repair would bring 5 members up to date" in told
    assert "`ledger_verify --shop alpha --repair`" in verified("--shop", "alpha")[1]
    assert Entry.objects.count() == before


def test_a_repair_posts_what_is_missing_and_takes_the_rest_from_entries_and_facts(
    broken: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "CUSTOMERS_A_SLICE", 2)
    status, told, wrong = verified("--shop", "alpha", "--repair")
    assert (status, wrong) == (0, "")
    assert "repaired 5 members, posted 1 differences of +50 points" in told
    assert points_of(broken) == {1: 50, 2: 100, 3: 50, 4: 50, 5: 50}
    assert verified("--shop", "alpha", "--repair") == verified("--shop", "alpha")


@pytest.mark.parametrize(
    ("table", "fields", "finding"),
    [
        (Lot, {"usable_from": None}, "lots"),
        (Lot, {"due": at(1)}, "lots"),
        (Lot, {"ends": at(1)}, "lots"),
        (Member, {"next_at": at(10**7)}, "next at"),
        (Member, {"tier_since": at(1)}, "tier since"),
        (Member, {"tier_quantity": 7}, "tier quantity"),
        (Member, {"move_down": {"level": "gold"}}, "move down"),
        (TierChange, {"at": at(1)}, "tier changes"),
        (TierChange, {"quantity": 7}, "tier changes"),
    ],
)
def test_all_that_is_read_off_a_statement_is_compared_and_repaired(
    shop: Shop, table: type[Lot | Member | TierChange], fields: dict[str, object], finding: str
) -> None:
    level = {"key": "gold", "name": "Gold", "from": 1000, "percent": 100}
    tiers = {"by": "spend", "period": "lifetime", "grace_days": 0, "hold_days": 0, "protect_until": None}
    earn, worth = {"points": 1, "per_minor": 100}, {"points": 100, "minor": 500}
    document = {"earn": earn, "worth": worth, "tiers": {**tiers, "levels": [level]}}
    draft_save(shop.id, document, "42")
    programme_publish(shop.id, "42", "all")
    customers(1)
    mirrored(order_row(11, customer=1))
    bring(1)
    assert verified() == verified("--repair")
    table.objects.update(**fields)
    status, _, wrong = verified()
    assert (status, len(wrong.splitlines()), finding in wrong) == (1, 1, True)
    assert verified("--repair")[0] == 0
    assert verified()[2] == ""


def test_whom_only_time_changed_is_not_wrong(members: Shop) -> None:
    Member.objects.update(next_at=at(1), tier_since=at(1))
    assert verified()[0] == 0


def test_what_no_statement_decides_is_left_to_people(members: Shop) -> None:
    last = LedgerTransaction.objects.latest("id")
    LedgerTransaction.objects.create(
        shop=members,
        member_id=last.member_id,
        revision=99,
        occurred_at=last.occurred_at,
        recorded_at=last.recorded_at,
    )
    status, told, wrong = verified("--repair")
    assert (status, "repaired" in told) == (1, False)
    assert "has no entries" in wrong


def test_closed_books_that_say_something_else_are_found(members: Shop) -> None:
    totals = {**totals_between(at(0), at(1)), "closing": 7}
    PeriodClose.objects.create(shop=members, until=at(1), closed_at=at(2), actor="42", totals=totals)
    assert verified()[2] == "alpha: Books closed up to 2026-01-01: closing was 7, entries come to 0.\n"


def test_how_far_it_is_goes_up_to_all_of_it(members: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "CUSTOMERS_A_SLICE", 2)
    shares: list[float] = []
    verification.ledger_verify(progress=shares.append)
    assert shares == sorted(shares)
    assert (len(shares), shares[-1]) == (3, 1)
