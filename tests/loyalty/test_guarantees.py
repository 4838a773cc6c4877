"""What the rules of statement guarantee, whatever happened before."""

from __future__ import annotations

import copy
import datetime as dt
from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from loyalty.rules.statement import Statement, statement
from tests.loyalty.histories import cases, member_facts, programme_of

Case = tuple[dict[str, Any], dict[str, Any], dt.datetime]

LATE = dt.datetime(2023, 1, 1, tzinfo=dt.UTC)
END = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)


def told(history: dict[str, Any], programme: dict[str, Any], as_of: dt.datetime = END) -> Statement:
    return statement(member_facts(history), programme_of(programme), as_of)


def returned_whole(order: dict[str, Any], at: dt.datetime) -> None:
    left = {line["id"]: line["quantity"] - line["removed"] for line in order["lines"]}
    for refund in order["refunds"]:
        for line_id, pieces in refund["lines"].items():
            left[line_id] -= pieces
    order["refunds"].append({"id": 90_000 + order["id"], "at": at, "lines": left, "unlined": 0})


@settings(max_examples=300, deadline=None)
@given(cases())
def test_what_is_usable_pending_and_owed_is_the_sum_of_the_lines(case: Case) -> None:
    result = told(*case)
    there = result.usable + result.pending + result.unclaimed
    assert there - result.debt == result.balance == sum(line.amount for line in result.lines)
    assert min(result.usable, result.pending, result.unclaimed, result.debt, result.held) >= 0
    assert not (result.unclaimed and (result.usable or result.pending))
    assert not (result.usable and result.debt)
    assert len({line.source for line in result.lines}) == len(result.lines)


@settings(max_examples=300, deadline=None)
@given(cases())
def test_a_point_is_earned_once_and_expires_or_is_taken_back_at_most_once(case: Case) -> None:
    history = case[0]
    credit_of = {}
    for order in history["orders"]:
        for source in (f"cancellation:{order['id']}", *(f"refund:{refund['id']}" for refund in order["refunds"])):
            credit_of[source] = f"order:{order['id']}"
            credit_of[source.replace(":", "_bonus:")] = f"first_order:{order['id']}"
    left: Counter[str] = Counter()
    for line in told(*case).lines:
        match line.source.split(":"):
            case ["order" | "first_order", _]:
                left[line.source] += line.amount
            case ["late", kind, id_, _]:
                left[credit_of[f"{kind}:{id_}"]] += line.amount
            case ["expiry", kind, id_, *_] if kind != "adjustment":
                left[f"{kind}:{id_}"] += line.amount
            case _ if line.source in credit_of:
                left[credit_of[line.source]] += line.amount
    assert all(points >= 0 for points in left.values())


@settings(max_examples=300, deadline=None)
@given(cases())
def test_nothing_is_left_when_every_order_was_returned(case: Case) -> None:
    history, programme, _ = case
    history["adjustments"] = [one for one in history["adjustments"] if one["points"] < 0]
    for order in history["orders"]:
        returned_whole(order, LATE)
    result = told(history, programme)
    assert (result.usable, result.pending) == (0, 0)


@settings(max_examples=500, deadline=None)
@given(cases(), st.data())
def test_an_undo_before_and_after_a_return_come_to_the_same(case: Case, data: st.DataObject) -> None:
    """Where what is short is owed; what was given up stays given up when another credit's points come back."""
    history, programme, _ = case
    if not history["orders"] or not history["spendings"]:
        return
    order = data.draw(st.integers(0, len(history["orders"]) - 1))
    spending = data.draw(st.integers(0, len(history["spendings"]) - 1))
    for version in programme["versions"]:
        version["rules"]["short"] = "owed"

    def comes_to(undone: int, refunded: int) -> tuple[int, int, int]:
        changed = copy.deepcopy(history)
        changed["spendings"][spending]["undone_at"] = LATE + dt.timedelta(days=undone)
        returned_whole(changed["orders"][order], LATE + dt.timedelta(days=refunded))
        result = told(changed, programme)
        return result.usable, result.pending, result.debt

    assert comes_to(0, 1) == comes_to(1, 0)
