"""Any order, number, batching and timing of notifications comes to the same: statement, difference and ledger.

What is told piece by piece is posted piece by piece into a ledger of the test's own (the pure functions) or into the
database; in the end it has to be what the oracle says of the whole.
"""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import time_machine
from django.db import connection, transaction
from django.db.models import Sum
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from loyalty import snapshots
from loyalty.ledger import members_bring_up_to_date
from loyalty.models import (
    Account,
    Adjustment,
    Announcement,
    Backfill,
    Entry,
    Lot,
    Member,
    Programme,
    ProgrammeVersion,
    Spending,
    TierChange,
    TierMove,
)
from loyalty.programme import counters_open
from loyalty.rules.difference import PostedSource, differences
from loyalty.rules.facts import LineFact, MemberFacts, OrderFact, RefundFact, SpendingFact
from loyalty.rules.programme import Programme as Rules
from loyalty.rules.programme import Version, completed
from loyalty.rules.reckoning import subject
from loyalty.rules.statement import Statement, statement
from loyalty.verification import ledger_verify
from retention_app.models import Customer, Shop
from retention_app.tenancy import shop_scope
from tests.loyalty import histories
from tests.loyalty.ground import customers, mirrored
from tests.loyalty.oracle import oracle
from tests.loyalty.test_statement import as_told

Case = tuple[dict[str, Any], dict[str, Any], dt.datetime]
SLICES = 4  # the 5,000 histories run in as many tests, for the cores
EXAMPLES = 5_000 // SLICES
QUICK = {"deadline": None, "phases": [Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink]}


class Books:
    """A ledger in memory: what differences book."""

    def __init__(self) -> None:
        self.posted: dict[str, PostedSource] = {}
        self.accounts: Counter[str] = Counter()

    def bring_up_to_date(self, facts: MemberFacts, programme: Rules, as_of: dt.datetime) -> Statement:
        stated = statement(facts, programme, as_of)
        undecided = {spending.id for spending in facts.spendings if spending.held}
        for difference in differences(stated.lines, self.posted, undecided):
            assert sum(leg.points for leg in difference.legs) == 0
            assert all(leg.points for leg in difference.legs)
            source = self.posted.setdefault(
                difference.source, PostedSource(difference.order_id, difference.occurred_at)
            )
            for leg in difference.legs:
                self.accounts[leg.account] += leg.points
                if leg.account == "member":
                    source.points[leg.life] = source.points.get(leg.life, 0) + leg.points
                elif leg.account == "held":
                    source.held += leg.points
        assert not differences(stated.lines, self.posted, undecided)
        assert self.accounts["member"] == stated.balance
        return stated


def partly_known(history: dict[str, Any], rng: random.Random) -> list[dict[str, Any]]:
    """States of the history, one after the other, in which some of it isn't known yet.

    What the platform tells may go back and forth (an older read, an order that was dropped and found again); what we
    decided ourselves only ever becomes more.
    """
    rounds = rng.randint(0, 2)
    known_from = {
        (kind, one["id"]): sorted(rng.random() * 1.2 for _ in range(3))
        for kind in ("adjustments", "spendings", "tier_moves")
        for one in history[kind]
    }
    told_from, claimed_from = [rng.random() * 1.2 for _ in history["announcements"]], rng.random() * 1.2
    states = []
    for number in range(1, rounds + 1):
        level, part = number / (rounds + 1), copy.deepcopy(history)
        part["orders"] = [order for order in part["orders"] if rng.random() < 0.7]
        for order in part["orders"]:
            order["paid"] = order["paid"] and rng.random() < 0.8
            order["fulfilled_at"] = order["fulfilled_at"] if rng.random() < 0.5 else None
            order["cancelled_at"] = order["cancelled_at"] if rng.random() < 0.5 else None
            order["refunds"] = [refund for refund in order["refunds"] if rng.random() < 0.5]
        rng.shuffle(part["orders"])
        for kind in ("adjustments", "spendings", "tier_moves"):
            part[kind] = [one for one in part[kind] if known_from[kind, one["id"]][0] <= level]
        for spending in part["spendings"]:
            _, decided, undone = known_from["spendings", spending["id"]]
            spending["undone_at"] = spending["undone_at"] if undone <= level else None
            spending["held"] = spending["held"] or (decided > level and spending["undone_at"] is None)
        part["announcements"] = [
            one for one, from_ in zip(part["announcements"], told_from, strict=True) if from_ <= level
        ]
        part["claimed_at"] = part["claimed_at"] if claimed_from <= level else None
        states.append(part)
    return states


@pytest.mark.parametrize("part", range(SLICES))
def test_however_facts_arrive_the_books_come_to_the_same(part: int) -> None:
    @settings(max_examples=EXAMPLES, **QUICK)
    @given(histories.cases(), st.randoms(use_true_random=True))
    def holds(case: Case, rng: random.Random) -> None:
        history, plain, as_of = case
        programme, books = histories.programme_of(plain), Books()
        ago = sorted((rng.choice([0, 0, 30, 400, 1500]) for _ in range(2)), reverse=True)
        for state, days in zip(partly_known(history, rng), ago, strict=False):
            books.bring_up_to_date(histories.member_facts(state), programme, as_of - dt.timedelta(days=days))
        facts = histories.member_facts(history)
        last = books.bring_up_to_date(facts, programme, as_of)
        expected = oracle(history, plain, as_of)
        del expected["announceable"]
        assert as_told(last) == expected
        posted = {source: of_source.total for source, of_source in books.posted.items() if of_source.total}
        assert posted == expected["lines"]
        shuffled = dataclasses.replace(
            facts,
            orders=tuple(rng.sample(facts.orders, len(facts.orders))),
            adjustments=facts.adjustments[::-1],
            spendings=facts.spendings[::-1],
            tier_moves=facts.tier_moves[::-1],
            announcements=dict(reversed(list(facts.announcements.items()))),
        )
        assert statement(shuffled, programme, as_of) == last  # explanations included
        assert books.accounts["held"] == last.held
        assert sum(books.accounts.values()) == 0

    holds()


# --- the four cases that break naive designs --------------------------------------------------------------------------

ZONE_NOON = dt.datetime(2026, 3, 2, 15, tzinfo=dt.UTC)


def at(day: float) -> dt.datetime:
    return ZONE_NOON + dt.timedelta(days=day)


def rules(**changes: Any) -> Rules:
    document = completed({"earn": {"points": 1, "per_minor": 100}, "worth": {"points": 100, "minor": 500}, **changes})
    version = Version(number=1, effective_from=at(-100), document=document)
    return Rules(versions=(version,), earn_from=at(-100), currency="USD", timezone="America/Sao_Paulo")


def order(id_: int, day: float, points: int, **fields: Any) -> OrderFact:
    line = LineFact(id=id_ * 10, title="Thing", quantity=1, current_quantity=1, net_minor=points * 100)
    return OrderFact(id=id_, name=f"#{id_}", processed_at=at(day), currency="USD", lines=(line,), **fields)


def refunded(given: OrderFact, day: float) -> OrderFact:
    refund = RefundFact(id=given.id * 100, processed_at=at(day), lines=((given.id * 10, 1),))
    lines = (dataclasses.replace(given.lines[0], current_quantity=0),)
    return dataclasses.replace(given, lines=lines, refunds=(refund,))


def left(stated: Statement) -> tuple[int, int, int, list[tuple[str, int]]]:
    return stated.usable, stated.pending, stated.debt, [(lot.source, lot.points) for lot in stated.lots]


@pytest.mark.parametrize("short", ["owed", "floored"])
@pytest.mark.parametrize("others", [(), (order(2, 1, 50),)])
def test_undo_then_refund_is_refund_then_undo(short: str, others: tuple[OrderFact, ...]) -> None:
    programme, first = rules(short=short), order(1, 0, 100)

    def comes_to(undone: float, refund: float) -> Any:
        spending = SpendingFact(id=1, at=at(5), points=100, undone_at=at(undone))
        facts = MemberFacts(orders=(refunded(first, refund), *others), spendings=(spending,))
        return left(statement(facts, programme, at(60)))

    assert comes_to(undone=10, refund=20) == comes_to(undone=20, refund=10)
    assert comes_to(undone=10, refund=20)[3] == [("order:2", 50) for _ in others]


@pytest.mark.parametrize(("refund", "taken"), [(20, -60), (80, 0)])
def test_a_refund_told_before_or_after_the_expiry_is_judged_by_its_own_instant(refund: float, taken: int) -> None:
    """60 of 100 points expire on day 30; a refund of everything before it takes them, one after it doesn't, whenever
    either of them is told."""
    programme, plain = rules(expiry_months=1), order(1, 0, 100)
    spending = SpendingFact(id=1, at=at(1), points=40)
    due = dt.datetime(2026, 4, 2, 3, tzinfo=dt.UTC)  # midnight in São Paulo
    announced = {subject("expiry:order:1", due): (at(1),)}
    before = MemberFacts(orders=(plain,), spendings=(spending,), announcements=announced)
    after = dataclasses.replace(before, orders=(refunded(plain, refund),))
    told_early, told_late = Books(), Books()
    told_early.bring_up_to_date(after, programme, at(25))
    told_late.bring_up_to_date(before, programme, at(90))
    ends = [books.bring_up_to_date(after, programme, at(90)) for books in (told_early, told_late)]
    assert ends[0] == ends[1]
    assert told_early.accounts == told_late.accounts
    lines = {line.source.partition(":")[0]: line.amount for line in ends[0].lines}
    assert lines["refund"] == taken - 40
    assert lines.get("expiry", 0) == -60 - taken
    assert ends[0].debt == 40


def test_a_late_earlier_order_changes_a_later_order_s_tier() -> None:
    levels = [{"key": "gold", "name": "Gold", "from": 10_000, "percent": 200}]
    tiers = {"by": "spend", "period": "lifetime", "grace_days": 0, "hold_days": 0, "protect_until": None}
    programme, late, known = rules(tiers={**tiers, "levels": levels}), order(1, 0, 100), order(2, 10, 30)
    books = Books()
    assert books.bring_up_to_date(MemberFacts(orders=(known,)), programme, at(20)).balance == 30
    stated = books.bring_up_to_date(MemberFacts(orders=(known, late)), programme, at(20))
    assert [(line.source, line.amount) for line in stated.lines] == [("order:1", 100), ("order:2", 60)]
    assert stated.lines[1].explanation["tier"] == {"name": "Gold", "percent": 200}


def test_fulfilment_moves_the_availability_of_what_is_posted() -> None:
    programme = rules(waiting={"days": 14, "after": "fulfilment"}, expiry_months=12)
    books, plain = Books(), order(1, 0, 100)
    waiting = books.bring_up_to_date(MemberFacts(orders=(plain,)), programme, at(30))
    assert (waiting.usable, waiting.pending, waiting.lots[0].usable_from) == (0, 100, None)
    sent = dataclasses.replace(plain, fulfilled_at=at(20))
    (moved,) = differences(statement(MemberFacts(orders=(sent,)), programme, at(30)).lines, books.posted)
    assert moved.explanation["kind"] == "moved"
    assert [leg.account for leg in moved.legs] == ["member", "member"]
    known = books.bring_up_to_date(MemberFacts(orders=(sent,)), programme, at(30))
    assert (known.usable, known.pending, known.lots[0].usable_from) == (0, 100, at(34))
    assert books.bring_up_to_date(MemberFacts(orders=(sent,)), programme, at(34)).usable == 100


# --- the same through the database ------------------------------------------------------------------------------------


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], **QUICK)
@given(histories.cases(), st.randoms(use_true_random=True), st.booleans())
def test_however_facts_arrive_the_database_comes_to_the_same(
    alpha: Shop, case: Case, rng: random.Random, with_snapshots: bool
) -> None:
    history, plain, _ = case
    orders = 1 if with_snapshots else snapshots.ORDERS_AFTER
    for one in history["orders"]:
        for line in one["lines"]:
            line["labels"] = ()
    with (
        shop_scope(alpha.id),
        transaction.atomic(),
        mock.patch.multiple(snapshots, ORDERS_AFTER=orders, ORDERS_AGAIN=orders),
    ):
        Shop.objects.filter(id=alpha.id).update(timezone=plain["timezone"], currency=plain["currency"])
        programme_write(alpha, plain)
        (customer_id,) = customers(1)
        for state in partly_known(history, rng):
            tell(state, customer_id, alpha)
            with time_machine.travel(
                rng.choice([histories.AFTER_ALL, dt.datetime(2017, 6, 1, tzinfo=dt.UTC)]), tick=False
            ):
                members_bring_up_to_date([customer_id])
        tell(history, customer_id, alpha)
        with time_machine.travel(histories.AFTER_ALL, tick=False):
            members_bring_up_to_date([customer_id])
            assert not ledger_verify().findings
        expected = oracle(renamed(history, alpha), plain, histories.AFTER_ALL)
        sums = Entry.objects.filter(account__kind="member").order_by().values_list("source").annotate(Sum("amount"))
        assert {source: amount for source, amount in sums if amount} == expected["lines"]
        account = Account.objects.filter(kind="member").first()
        if account:
            assert (account.balance, account.debt) == (sum(expected["lines"].values()), expected["debt"])
            lots = Counter[Any]()
            for lot in Lot.objects.all():
                lots[lot.source, lot.usable_from, lot.due] += lot.points
            assert lots == Counter({(source, *instants): points for source, points, *instants in expected["lots"]})
            assert (Member.objects.get().tier or None) == expected["tier"]
            changes = TierChange.objects.order_by("at").values_list("at", "after")
            assert [(at, after or None) for at, after in changes] == expected["tier_history"]
            member = Member.objects.get()
            claimed = member.claimed and (member.claimed["points"], member.claimed["orders"])
            assert (claimed, member.unclaimed) == (expected["claimed"], history["claimed_at"] is None)
            unclaimed = Entry.objects.filter(unclaimed=True).aggregate(sum=Sum("amount", default=0))["sum"]
            assert member.unclaimed or not unclaimed
            held = Entry.objects.filter(account__kind="held").aggregate(sum=Sum("amount", default=0))["sum"]
            assert held == expected["held"]
        transaction.set_rollback(True)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="this is SQLite already")
def test_sqlite_comes_to_the_same() -> None:
    """The test above once more, in a process of its own without PostgreSQL, and what the storefront is told."""
    keys = ("DATABASE_URL", "DATABASE_OWNER_URL", "TEST_DATABASE_ADMIN_URL", "COV_CORE_SOURCE", "COV_CORE_DATAFILE")
    environment = {key: value for key, value in os.environ.items() if key not in keys}
    name = test_however_facts_arrive_the_database_comes_to_the_same.__name__
    read = Path(__file__).parents[1] / "storefront/test_session_read.py"
    tests = [f"{__file__}::{name}", f"{read}::test_what_is_told_of_any_member_is_what_the_statement_says"]
    command = [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", *tests]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert finished.returncode == 0, finished.stdout[-3000:]
    assert "2 passed" in finished.stdout


def programme_write(shop: Shop, plain: dict[str, Any]) -> None:
    Programme.objects.create(shop_id=shop.id, earn_from=plain["earn_from"])
    counters_open(shop.id)
    for version in plain["versions"]:
        ProgrammeVersion.objects.create(
            shop_id=shop.id,
            number=version["number"],
            effective_from=version["from"],
            document=version["rules"],
            published_by="1",
            published_at=version["from"],
        )
    for backfill in plain["backfills"]:
        Backfill.objects.create(
            shop_id=shop.id,
            starts=backfill["from"],
            version=backfill["version"],
            decided_at=backfill["decided_at"],
            actor="1",
        )


def tell(history: dict[str, Any], customer_id: int, shop: Shop) -> None:
    """Write what is known now: orders as a newer read, other facts once, in the state they have now."""
    mirrored(*(histories.order_row(one, customer=1, updated_at=histories.START) for one in history["orders"]))
    owner = {"shop_id": shop.id, "customer_id": customer_id}
    Customer.objects.filter(id=customer_id).update(signed_in_at=history["claimed_at"])
    for one in history["adjustments"]:
        values = {"at": one["at"], "points": one["points"], "counts": one["counts"], "expires_at": one["expires_at"]}
        Adjustment.objects.get_or_create(shop_id=shop.id, key=f"a{one['id']}", defaults={**owner, **values})
    for one in history["tier_moves"]:
        values = {"at": one["at"], "level": one["level"], "until": one["until"]}
        TierMove.objects.get_or_create(shop_id=shop.id, key=f"t{one['id']}", defaults={**owner, **values})
    for one in history["spendings"]:
        undone = one["undone_at"] is not None
        state = ("released" if undone else "held") if one["held"] else ("undone" if undone else "redeemed")
        values = {"state": state, "undone_at": one["undone_at"]}
        Spending.objects.update_or_create(
            shop_id=shop.id,
            key=f"s{one['id']}",
            defaults=values,
            create_defaults={**owner, **values, "at": one["at"], "points": one["points"], "purpose": {}},
        )
    for one in history["announcements"]:
        told = {**owner, "subject": real_subject(one["subject"], shop), "at": one["at"]}
        if not Announcement.objects.filter(**told).exists():
            Announcement.objects.create(**told, days=1_000 + Announcement.objects.count(), channel="panel")


def real_subject(about: str, shop: Shop) -> str:
    """The subject with the ids that the database gave."""
    for kind, table in (("adjustment", Adjustment), ("tier_move", TierMove)):
        head, found, rest = about.partition(f"{kind}:")
        if found:
            number, _, due = rest.partition(":")
            row = table.objects.filter(key=f"{kind[0]}{number}").first()  # type: ignore[attr-defined]
            return f"{head}{kind}:{row.id if row else 0}:{due}"
    return about


def renamed(history: dict[str, Any], shop: Shop) -> dict[str, Any]:
    """The history with the ids that the database gave."""
    named = copy.deepcopy(history)
    for kind, table in (("adjustments", Adjustment), ("spendings", Spending), ("tier_moves", TierMove)):
        for one in named[kind]:
            one["id"] = table.objects.get(key=f"{kind[0]}{one['id']}").id  # type: ignore[attr-defined]
    for one in named["announcements"]:
        one["subject"] = real_subject(one["subject"], shop)
    assert Customer.objects.count() == 1
    return named
