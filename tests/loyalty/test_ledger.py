"""What the ledger writes for changing facts, and that it writes it once."""

from __future__ import annotations

import contextvars
import datetime as dt
import random
import threading
from collections.abc import Callable
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.db import DatabaseError, connection, transaction
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loyalty import facts, ledger, posting
from loyalty.ledger import MembersBusy, Posted, members_bring_up_to_date
from loyalty.models import Account, Entry, LedgerTransaction, Member
from loyalty.programme import draft_save, programme_publish
from loyalty.sql import read_snapshot
from loyalty.verification import ledger_verify
from retention_app import clock
from retention_app.models import Customer, Order, Shop
from retention_app.tenancy import shop_scope
from tests.loyalty import histories
from tests.loyalty.ground import bring, customers, mirrored, points_of, publish
from tests.loyalty.oracle import oracle
from tests.orders import at, line_row, order_row, refund_row

STATEMENTS_MAX = 40

on_postgresql = pytest.mark.skipif(
    "connection.vendor != 'postgresql'", reason="SQLite has one writer and no second connection to its test database"
)


@pytest.fixture
def members(shop: Shop) -> Shop:
    """Our shop with a programme of one point a dollar and customers 1 and 2."""
    publish(shop)
    customers(1, 2)
    return shop


def entries() -> list[tuple[str, str, int]]:
    """(account kind, source, amount) in the order written."""
    return list(Entry.objects.order_by("id").values_list("account__kind", "source", "amount"))


def returned(**fields: Any) -> dict[str, Any]:
    """Order 5 of two mugs at 25.00, one of them returned later."""
    lines = [line_row(50, 5000, quantity=2, title="Mug", current_quantity=1)]
    return order_row(5, lines=lines, refunds=[refund_row(55, 50, [(50, 1, 2500)])], **fields)


# --- what is posted ---------------------------------------------------------------------------------------------------


def test_an_order_is_posted_against_the_issued_account(members: Shop) -> None:
    mirrored(order_row(5, net_minor=5099))
    assert bring(1) == Posted(members=1, entries=1, points=50)
    assert entries() == [("member", "order:5", 50), ("issued", "order:5", -50)]
    entry = Entry.objects.get(account__kind="member")
    assert (entry.order_shopify_id, entry.version, entry.occurred_at) == (5, 1, at(5))
    assert entry.explanation["result"] == 50
    assert points_of(members) == {1: 50}


def test_bringing_up_to_date_again_writes_nothing(members: Shop) -> None:
    mirrored(order_row(5), order_row(6))
    bring(1)
    with CaptureQueriesContext(connection) as captured:
        assert bring(1) == Posted()
    assert not [query for query in captured if not query["sql"].startswith(("SELECT", "BEGIN", "ROLLBACK"))]
    assert Member.objects.get().revision == 1


def test_a_refund_is_posted_against_the_reversed_account(members: Shop) -> None:
    mirrored(order_row(5, lines=[line_row(50, 5000, quantity=2)]))
    bring(1)
    mirrored(returned())
    assert bring(1) == Posted(members=1, entries=1, points=-25)
    assert entries()[2:] == [("member", "refund:55", -25), ("reversed", "refund:55", 25)]
    assert points_of(members) == {1: 25}


def test_a_cancellation_takes_back_what_is_left(members: Shop) -> None:
    mirrored(returned())
    bring(1)
    mirrored(returned(cancelled_at=at(60)))
    bring(1)
    assert entries()[-2:] == [("member", "cancellation:5", -25), ("reversed", "cancellation:5", 25)]
    assert points_of(members) == {1: 0}


def test_a_late_edit_corrects_the_order_and_its_refund_with_their_reasons(members: Shop) -> None:
    mirrored(returned())
    bring(1)
    edited = returned()
    edited["lines"][0]["current_quantity"] = 0  # the mug that was kept is taken off the order
    mirrored(edited)
    assert bring(1) == Posted(members=1, entries=1, points=-25)
    correction = Entry.objects.filter(account__kind="member").latest("id")
    assert (correction.source, correction.amount, correction.occurred_at) == ("order:5", -25, at(5))
    assert correction.explanation["kind"] == "corrected"
    assert (correction.explanation["posted"], correction.explanation["stated"]) == (50, 25)
    assert entries()[-1] == ("issued", "order:5", 25)
    assert points_of(members) == {1: 0}


@pytest.mark.parametrize("change", [{"test": True}, {"paid": False}, {"currency": "EUR"}])
def test_an_order_that_no_longer_earns_is_taken_back_whole(members: Shop, change: dict[str, Any]) -> None:
    mirrored(returned())
    bring(1)
    mirrored(returned(**change))
    bring(1)
    assert points_of(members) == {1: 0}
    by_source = Entry.objects.filter(account__kind="member").order_by("source").values_list("source")
    assert list(by_source.annotate(Sum("amount"))) == [("order:5", 0), ("refund:55", 0)]
    assert not ledger_verify().findings


def test_a_new_member_with_nothing_to_post_has_no_transaction(members: Shop) -> None:
    mirrored(order_row(5, test=True))
    assert bring(1) == Posted(members=1)
    assert points_of(members) == {1: 0}
    assert not LedgerTransaction.objects.exists()


def test_a_customer_who_never_ordered_is_no_member(members: Shop) -> None:
    assert bring(1, 2) == Posted()
    assert not Member.objects.exists()


def test_without_a_programme_nothing_is_posted(shop: Shop) -> None:
    customers(1)
    mirrored(order_row(5))
    assert bring(1) == Posted()
    assert not Member.objects.exists()


def test_a_fact_ahead_of_our_clock_has_happened(members: Shop) -> None:
    later = clock.now() + dt.timedelta(minutes=3)
    mirrored(order_row(5, processed_at=later, cancelled_at=later + dt.timedelta(minutes=1)), order_row(6))
    bring(1)
    assert points_of(members) == {1: 50}
    assert Entry.objects.filter(source="cancellation:5").exists()


def test_other_shops_customers_are_out_of_reach(members: Shop, beta: Shop) -> None:
    mirrored(order_row(5))
    customer_id, order_id = Customer.objects.get(shopify_id=1).id, Order.objects.get(shopify_id=5).id
    outcome: list[Posted] = []

    def as_beta() -> None:
        publish(beta)
        outcome.append(members_bring_up_to_date([customer_id], order_ids=[order_id]))

    in_scope(beta, as_beta)
    assert outcome == [Posted()]
    assert not Member.objects.exists()


def in_scope(shop: Shop, act: Callable[[], object]) -> None:
    """Run in another shop's scope although one is open."""

    def run() -> None:
        with shop_scope(shop.id):
            act()

    contextvars.Context().run(run)


# --- orders that move -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("customer", "balances"), [(2, {1: 0, 2: 50}), (None, {1: 0})])
def test_an_order_that_moves_to_another_customer_takes_its_points_along(
    members: Shop, work_off: Callable[[], None], customer: int | None, balances: dict[int, int]
) -> None:
    mirrored(order_row(5, customer=1))
    work_off()
    mirrored(order_row(5, customer=customer))
    work_off()
    assert points_of(members) == balances
    withdrawn = Entry.objects.get(account__kind="member", amount=-50)
    assert withdrawn.explanation == {"kind": "withdrawn", "posted": 50}
    assert (withdrawn.source, withdrawn.order_shopify_id, withdrawn.occurred_at) == ("order:5", 5, at(5))


@pytest.mark.parametrize("customer", [2, None])
def test_an_order_that_earned_nothing_takes_its_tier_along(
    shop: Shop, work_off: Callable[[], None], customer: int | None
) -> None:
    levels = [{"key": "silver", "name": "Silver", "from": 4_000, "percent": 100}]
    lifetime = {"by": "spend", "period": "lifetime", "grace_days": 0, "hold_days": 0, "protect_until": None}
    rules = {"earn": {"points": 1, "per_minor": 10_000}, "worth": {"points": 100, "minor": 500}}
    draft_save(shop.id, {**rules, "tiers": {**lifetime, "levels": levels}}, "42")
    programme_publish(shop.id, "42", "all")
    customers(1, 2)
    mirrored(order_row(5, customer=1))
    work_off()
    assert Member.objects.get(customer__shopify_id=1).tier == "silver"
    mirrored(order_row(5, customer=customer))
    work_off()
    assert not Entry.objects.exists()
    assert Member.objects.get(customer__shopify_id=1).tier == ""
    assert ledger_verify().findings == []


def between(monkeypatch: pytest.MonkeyPatch, *acts: Callable[[], object]) -> None:
    """Let something happen between reading and writing, each act in one of the first rounds."""
    write, left = ledger.post, iter(acts)

    def delayed(*args: Any) -> Any:
        act = next(left, None)
        if act:
            act()
        return write(*args)

    monkeypatch.setattr(ledger, "post", delayed)


def test_a_posting_that_rests_on_facts_that_changed_is_corrected_at_once(
    members: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirrored(order_row(5, customer=1))
    between(monkeypatch, lambda: mirrored(order_row(5, customer=2)))
    assert bring(1) == Posted(members=2, entries=2, points=0)
    assert points_of(members) == {1: 0}


# --- races ------------------------------------------------------------------------------------------------------------


def test_who_loses_a_new_member_reads_again(members: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    mirrored(order_row(5), order_row(6, customer=2))
    between(monkeypatch, lambda: bring(1))
    assert bring(1, 2) == Posted(members=1, entries=1, points=50)
    assert points_of(members) == {1: 50, 2: 50}
    assert Entry.objects.count() == 4


def test_who_loses_the_revision_reads_again(members: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    mirrored(order_row(5))
    bring(1)
    mirrored(order_row(6))

    def more_happens() -> None:
        mirrored(order_row(7))
        bring(1)

    between(monkeypatch, more_happens)
    bring(1)
    assert points_of(members) == {1: 150}
    assert sorted(source for kind, source, _ in entries() if kind == "member") == ["order:5", "order:6", "order:7"]
    assert Member.objects.get().revision == 2  # the winner's posting left nothing to post


def test_a_member_who_keeps_changing_is_given_back(members: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    mirrored(order_row(5))
    monkeypatch.setattr(posting, "_guard", lambda judgements: [])
    with pytest.raises(MembersBusy, match="1 members"):
        bring(1)
    assert not Entry.objects.exists()


def test_programmes_begun_before_there_were_holds_get_the_accounts_they_lack(members: Shop) -> None:
    Account.objects.filter(kind__in=["held", "redeemed", "expired"]).delete()
    migration = import_module("loyalty.migrations.0003_statement_complete")
    migration.counters_open(apps, SimpleNamespace(connection=connection))
    kinds = Account.objects.filter(member=None).values_list("kind", flat=True)
    assert set(kinds) == {"issued", "reversed", "held", "redeemed", "expired"}


def test_a_new_revision_of_the_rules_judges_everybody_anew(members: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    mirrored(order_row(5))
    bring(1)
    monkeypatch.setattr(facts, "REVISION", facts.REVISION + 1)
    assert bring(1) == Posted(members=1)
    assert bring(1) == Posted()


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_many_workers_post_each_order_once(alpha: Shop) -> None:
    with shop_scope(alpha.id):
        publish(alpha)
        people = customers(*range(1, 21))
        mirrored(*(order_row(id_, customer=id_ % 20 + 1) for id_ in range(100, 200)))
    failures: list[BaseException] = []
    barrier = threading.Barrier(8)

    def work(seed: int) -> None:
        mine = random.Random(seed).sample(people, len(people))
        try:
            with shop_scope(alpha.id):
                barrier.wait(timeout=30)
                for start in range(0, len(mine), 5):
                    members_bring_up_to_date(mine[start : start + 5])
                    members_bring_up_to_date(mine)
        except BaseException as failure:
            failures.append(failure)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    with shop_scope(alpha.id):
        assert points_of(alpha) == dict.fromkeys(range(1, 21), 250)
        assert Entry.objects.count() == 200
        assert not ledger_verify().findings


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_a_snapshot_sees_one_state(alpha: Shop) -> None:
    with shop_scope(alpha.id):
        customers(1)

    def elsewhere() -> None:
        with shop_scope(alpha.id):
            mirrored(order_row(5))
        connection.close()

    with shop_scope(alpha.id), read_snapshot():
        assert not Order.objects.exists()
        writer = threading.Thread(target=elsewhere)
        writer.start()
        writer.join()
        assert not Order.objects.exists()
    with shop_scope(alpha.id):
        assert Order.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_outside_a_transaction_a_snapshot_leaves_none_open(alpha: Shop) -> None:
    with shop_scope(alpha.id):
        publish(alpha)
        customers(1)
        mirrored(order_row(5))
        assert bring(1).points == 50
        with pytest.raises(Shop.DoesNotExist), read_snapshot():
            Shop.objects.get(id=0)
        mirrored(order_row(6))
        assert bring(1).points == 50
        assert points_of(alpha) == {1: 100}


# --- guarantees -------------------------------------------------------------------------------------------------------


def statements_for(shop: Shop, number: int) -> int:
    """Statements it takes to bring so many orders with returns, of as many customers, up to date."""
    first = 400 * number
    people = customers(*range(first, first + number))
    rows = []
    for id_ in range(first, first + number):
        lines = [line_row(id_ * 10, 5000, quantity=2, current_quantity=1)]
        refunds = [refund_row(id_ * 10 + 5, id_ + 1, [(id_ * 10, 1, 2500)])]
        rows.append(order_row(id_, customer=id_, lines=lines, refunds=refunds))
    mirrored(*rows)
    order_ids = list(Order.objects.filter(shopify_id__gte=first).values_list("id", flat=True))
    with CaptureQueriesContext(connection) as captured:
        assert members_bring_up_to_date(people, order_ids=order_ids).members == number
    mirrored(*({**row, "cancelled_at": at(400_000)} for row in rows))
    with CaptureQueriesContext(connection) as recaptured:
        assert members_bring_up_to_date(people, order_ids=order_ids).entries == number
    assert max(len(captured), len(recaptured)) <= STATEMENTS_MAX
    return len(captured) + len(recaptured)


def test_a_batch_costs_the_same_statements_whatever_its_size(members: Shop) -> None:
    one, many, most = (statements_for(members, number) for number in (1, 100, 500))
    assert one <= many == most  # one member needs no order in which they are locked


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(histories.histories(), min_size=1, max_size=3), st.randoms(use_true_random=False))
def test_whatever_was_posted_on_the_way_the_last_facts_decide(
    members: Shop, versions_of_history: list[list[dict[str, Any]]], rng: random.Random
) -> None:
    """Each list is a state of the same orders; after the last one the ledger says what the oracle does."""
    with transaction.atomic():
        last: dict[int, dict[str, Any]] = {}
        for state in versions_of_history:
            last |= {order["id"]: order for order in state}
            rows = [histories.order_row(order, customer=1, updated_at=at(0)) for order in state]
            mirrored(*rows)
            if rng.random() < 0.7:
                bring(1)
        bring(1)
        history = histories.member(list(last.values()))
        expected = oracle(history, histories.rated(), histories.NEVER)["lines"]
        posted = dict(
            Entry.objects.filter(account__kind="member").order_by().values_list("source").annotate(Sum("amount"))
        )
        assert {source: amount for source, amount in posted.items() if amount} == expected
        assert points_of(members) == {1: sum(expected.values())}
        for total in Entry.objects.order_by().values("transaction").annotate(sum=Sum("amount")):
            assert total["sum"] == 0
        cached = Account.objects.get(kind="member")
        assert cached.balance == Entry.objects.filter(account=cached).aggregate(sum=Sum("amount", default=0))["sum"]
        assert not ledger_verify().findings
        transaction.set_rollback(True)


@on_postgresql
@pytest.mark.parametrize("table", ["loyalty_entry", "loyalty_ledgertransaction", "loyalty_programmeversion"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET recorded_at = now()", "DELETE FROM {}"])
def test_what_was_posted_can_not_be_changed(members: Shop, table: str, statement: str) -> None:
    mirrored(order_row(5))
    bring(1)
    text = statement.format(table).replace("recorded_at", "published_at" if "version" in table else "recorded_at")
    with pytest.raises(DatabaseError, match="append-only"), connection.cursor() as cursor:
        cursor.execute(text)
