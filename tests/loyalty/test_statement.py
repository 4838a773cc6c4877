"""Properties of the statement over generated histories."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import random
from collections import Counter
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loyalty.rules.facts import MemberFacts, RefundFact
from loyalty.rules.programme import Programme
from loyalty.rules.reckoning import days_after, months_after
from loyalty.rules.statement import Snapshot, Statement, snapshot, statement
from tests.loyalty.histories import (
    NEVER,
    cases,
    day,
    histories,
    instants,
    member_facts,
    order_fact,
    order_histories,
    programme,
    programme_of,
    programmes,
)
from tests.loyalty.oracle import oracle


def by_source(of: Statement) -> dict[str, int]:
    points: Counter[str] = Counter()
    for line in of.lines:
        points[line.source] += line.amount
    return {source: amount for source, amount in points.items() if amount}


def as_told(of: Statement) -> dict[str, Any]:
    """The statement as the oracle says it."""
    lots: Counter[Any] = Counter()
    for lot in of.lots:
        lots[lot.source, lot.usable_from, lot.due] += lot.points
    return {
        "lines": by_source(of),
        "lots": sorted(((source, points, *instants) for (source, *instants), points in lots.items()), key=str),
        "usable": of.usable,
        "pending": of.pending,
        "unclaimed": of.unclaimed,
        "claimed": of.claimed and (of.claimed.points, of.claimed.orders),
        "held": of.held,
        "debt": of.debt,
        "tier": of.tier,
        "tier_history": [(change.at, change.after) for change in of.tier_history],
    }


def judged(history: list[dict[str, Any]], of: Programme | None = None, as_of: dt.datetime = NEVER) -> Statement:
    return statement(MemberFacts(orders=tuple(order_fact(order) for order in history)), of or programme(), as_of)


@pytest.mark.parametrize(
    ("zone", "again"),
    [
        ("America/Sao_Paulo", dt.datetime(2018, 2, 18, 2, tzinfo=dt.UTC)),
        ("Europe/Berlin", dt.datetime(2026, 10, 25, 1, 30, tzinfo=dt.UTC)),
    ],
)
def test_in_the_hour_that_clocks_repeat_no_time_later_is_the_same_instant(zone: str, again: dt.datetime) -> None:
    first = again - dt.timedelta(hours=1)
    for instant in (first, again):
        assert days_after(instant, 0, ZoneInfo(zone)) == months_after(instant, 0, ZoneInfo(zone)) == instant
    assert days_after(first, 1, ZoneInfo(zone)) == days_after(again, 1, ZoneInfo(zone))


@pytest.mark.no_cover
@settings(max_examples=500, deadline=None)
@given(cases())
def test_agrees_with_the_oracle(case: tuple[dict[str, Any], dict[str, Any], dt.datetime]) -> None:
    history, of, as_of = case
    expected = oracle(history, of, as_of)
    result = statement(member_facts(history), programme_of(of), as_of)
    assert as_told(result) == {name: value for name, value in expected.items() if name != "announceable"}
    assert result.balance == sum(expected["lines"].values())


@pytest.mark.no_cover
@settings(max_examples=500, deadline=None)
@given(cases())
def test_a_snapshot_at_a_closed_instant_changes_nothing(
    case: tuple[dict[str, Any], dict[str, Any], dt.datetime],
) -> None:
    """Whatever is told after it, whichever snapshot it takes up from, and that one from."""
    history, of, as_of = case
    facts, rules = member_facts(history), programme_of(of)
    whole = statement(facts, rules, as_of)
    taken: Snapshot | None = None
    for at in facts.closed_instants():
        if at > as_of:
            break
        left = facts.after(taken.at) if taken else facts
        found = snapshot(left, rules, at, taken)
        assert found == snapshot(facts, rules, at)
        if found:
            taken = Snapshot.read(orjson.loads(orjson.dumps(found)))
            rest = statement(facts.after(at), rules, as_of, taken)
            lines = tuple(line for line in whole.lines if line.occurred_at > at)
            assert rest == dataclasses.replace(whole, lines=lines)


@settings(deadline=None)
@given(histories(), st.randoms(use_true_random=False))
def test_the_order_of_the_facts_makes_no_difference(history: list[dict[str, Any]], rng: random.Random) -> None:
    shuffled = [order_fact(order) for order in history]
    rng.shuffle(shuffled)
    shuffled = [
        dataclasses.replace(order, refunds=tuple(rng.sample(order.refunds, len(order.refunds)))) for order in shuffled
    ]
    assert statement(MemberFacts(orders=tuple(shuffled)), programme(), NEVER) == judged(history)


@settings(deadline=None)
@given(histories(), programmes())
def test_no_partial_sum_is_negative_and_no_more_is_taken_than_was_earned(
    history: list[dict[str, Any]], versions: dict[str, Any]
) -> None:
    lines = judged(history, programme_of(versions)).lines
    assert [line.occurred_at for line in lines] == sorted(line.occurred_at for line in lines)
    assert min(itertools.accumulate((line.amount for line in lines), initial=0)) >= 0
    for order in history:
        assert min(itertools.accumulate(line.amount for line in lines if line.order_id == order["id"]), default=0) >= 0
    assert all(line.source.startswith("order:") or line.amount < 0 for line in lines)


@settings(deadline=None)
@given(histories(), instants)
def test_what_happens_later_changes_nothing_before(history: list[dict[str, Any]], as_of: dt.datetime) -> None:
    whole = [line for line in judged(history).lines if line.occurred_at <= as_of]
    assert list(judged(history, as_of=as_of).lines) == whole


@settings(deadline=None)
@given(order_histories(1))
def test_returning_everything_leaves_nothing(order: dict[str, Any]) -> None:
    rest = {
        line["id"]: line["quantity"]
        - line["removed"]
        - sum(refund["lines"].get(line["id"], 0) for refund in order["refunds"])
        for line in order["lines"]
    }
    order["refunds"].append({"id": 999, "at": day(200), "lines": rest, "unlined": 0})
    assert judged([order]).balance == 0


@settings(deadline=None)
@given(order_histories(1), st.integers(0, 60))
def test_refunds_in_parts_take_as_much_as_one_refund_of_everything(order: dict[str, Any], days: int) -> None:
    at_once = order_fact(order)
    pieces: dict[int, int] = {}
    for refund in at_once.refunds:
        for line_id, quantity in refund.lines:
            pieces[line_id] = pieces.get(line_id, 0) + quantity
    one = RefundFact(
        id=1,
        processed_at=at_once.processed_at + dt.timedelta(days=days),
        lines=tuple(pieces.items()),
        unlined_minor=sum(refund.unlined_minor for refund in at_once.refunds),
    )
    together = statement(MemberFacts(orders=(dataclasses.replace(at_once, refunds=(one,)),)), programme(), NEVER)
    assert together.balance == judged([order]).balance


@settings(deadline=None)
@given(histories(), st.integers(1, 500))
def test_a_further_refund_never_adds_points(history: list[dict[str, Any]], minor: int) -> None:
    before = judged(history).balance
    history[0]["refunds"].append({"id": 999, "at": day(200), "lines": {}, "unlined": minor})
    assert judged(history).balance <= before


@settings(deadline=None)
@given(histories())
def test_more_points_per_amount_never_earns_less(history: list[dict[str, Any]]) -> None:
    few, many = (judged(history, programme([(day(0), points, 100)])) for points in (2, 3))
    assert few.balance <= many.balance


@settings(deadline=None)
@given(histories())
def test_each_explanation_adds_up(history: list[dict[str, Any]]) -> None:
    for line in judged(history, programme([(day(0), 3, 7)])).lines:
        figures = line.explanation
        match figures["kind"]:
            case "earned":
                assert line.amount == figures["result"]
            case "nothing":
                assert (line.amount, figures["reason"] is not None) == (0, True)
            case _:
                assert line.amount == figures["after"]["result"] - figures["before"]["result"]
