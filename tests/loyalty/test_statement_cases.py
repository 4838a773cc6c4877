"""The statement's rules one by one, with figures worked out by hand."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest

from loyalty.rules.earning import LINES_EXPLAINED_MAX
from loyalty.rules.facts import LineFact, MemberFacts, OrderFact, RefundFact
from loyalty.rules.programme import worth_minor
from loyalty.rules.statement import statement
from tests.loyalty.histories import NEVER, day, programme, rules

MUG = LineFact(id=1, title="Mug", quantity=1, current_quantity=1, net_minor=1167)
TEA = LineFact(id=2, title="Tea", quantity=3, current_quantity=3, net_minor=2433)
CARD = LineFact(id=3, title="Gift card", quantity=1, current_quantity=1, net_minor=5000, gift_card=True)


def order(*lines: LineFact, **fields: Any) -> OrderFact:
    return OrderFact(
        **{"id": 1042, "name": "#1042", "processed_at": day(10), "currency": "USD", "lines": lines} | fields
    )


def refund(id_: int, at: float, *lines: tuple[int, int], unlined: int = 0) -> RefundFact:
    return RefundFact(id=id_, processed_at=day(at), lines=lines, unlined_minor=unlined)


def amounts(*orders: OrderFact, points: int = 3, as_of: dt.datetime = NEVER) -> list[tuple[str, int]]:
    return [
        (s.source, s.amount)
        for s in statement(MemberFacts(orders=tuple(orders)), programme([(day(0), points, 100)]), as_of).lines
    ]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(order(MUG, TEA), [("order:1042", 108)], id="36.00 × 3 = 108"),
        pytest.param(order(MUG), [("order:1042", 35)], id="11.67 × 3 = 35.01, down"),
        pytest.param(order(MUG, TEA, CARD), [("order:1042", 108)], id="a gift card doesn't count"),
        pytest.param(
            order(MUG, TEA, refunds=(refund(5, 11, (1, 1)),)),
            [("order:1042", 108), ("refund:5", -36)],
            id="returned mug: 108 - floor(72.99)",
        ),
        pytest.param(
            order(MUG, TEA, refunds=(refund(5, 11, (2, 1)), refund(6, 12, (2, 2)), refund(7, 13, (1, 1)))),
            [("order:1042", 108), ("refund:5", -25), ("refund:6", -48), ("refund:7", -35)],
            id="in parts: 108, 83.67, 35.01, 0",
        ),
        pytest.param(
            order(MUG, TEA, refunds=(refund(5, 11, unlined=1000),)),
            [("order:1042", 108), ("refund:5", -30)],
            id="10.00 given back without a return",
        ),
        pytest.param(
            order(MUG, refunds=(refund(5, 11, unlined=1000), refund(6, 12, (1, 1)))),
            [("order:1042", 35), ("refund:5", -30), ("refund:6", -5)],
            id="money first, then the goods: not twice",
        ),
        pytest.param(
            order(MUG, refunds=(refund(5, 11, unlined=99_999),)),
            [("order:1042", 35), ("refund:5", -35)],
            id="more given back than was charged",
        ),
        pytest.param(
            order(MUG, TEA, refunds=(refund(5, 11, (3, 1)), refund(6, 12, (77, 1)))),
            [("order:1042", 108)],
            id="a returned gift card or unknown line takes nothing",
        ),
        pytest.param(
            order(MUG, refunds=(refund(5, 11, (1, 4)),)),
            [("order:1042", 35), ("refund:5", -35)],
            id="more pieces returned than ordered",
        ),
        pytest.param(
            order(MUG, dataclasses.replace(TEA, current_quantity=2)),
            [("order:1042", 83)],
            id="an edit took one tea off: 27.89 × 3 = 83.67",
        ),
        pytest.param(
            order(MUG, dataclasses.replace(TEA, current_quantity=1), refunds=(refund(5, 20, (2, 1)),)),
            [("order:1042", 83), ("refund:5", -24)],
            id="one tea edited off, one returned: 83.67, 59.34",
        ),
        pytest.param(
            order(dataclasses.replace(MUG, current_quantity=0)), [("order:1042", 0)], id="edited down to nothing"
        ),
        pytest.param(
            order(MUG, TEA, cancelled_at=day(12)), [("order:1042", 108), ("cancellation:1042", -108)], id="cancelled"
        ),
        pytest.param(
            order(MUG, TEA, cancelled_at=day(12), refunds=(refund(5, 11, (1, 1)),)),
            [("order:1042", 108), ("refund:5", -36), ("cancellation:1042", -72)],
            id="cancelled after a return",
        ),
        pytest.param(
            order(MUG, TEA, cancelled_at=day(12), refunds=(refund(5, 12, (1, 1), (2, 3)),)),
            [("order:1042", 108), ("refund:5", -108)],
            id="cancelled with everything returned: taken once",
        ),
        pytest.param(
            order(MUG, TEA, cancelled_at=day(12), refunds=(refund(5, 13, (1, 1)),)),
            [("order:1042", 108), ("cancellation:1042", -108)],
            id="a return after the cancellation takes nothing",
        ),
        pytest.param(
            order(MUG, refunds=(refund(5, 9, (1, 1)),)),
            [("order:1042", 35), ("refund:5", -35)],
            id="a refund dated before its order counts from the order",
        ),
    ],
)
def test_worked_case(given: OrderFact, expected: list[tuple[str, int]]) -> None:
    assert amounts(given) == expected


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (order(MUG, test=True), "test"),
        (order(MUG, paid=False), "unpaid"),
        (order(MUG, currency="EUR"), "currency"),
        (order(CARD), "no_value"),
        (order(), "no_value"),
        (order(MUG, processed_at=day(-1)), "before_programme"),
    ],
)
def test_an_order_that_earns_nothing_says_why(given: OrderFact, reason: str) -> None:
    cancelled = dataclasses.replace(given, cancelled_at=day(50), refunds=(refund(5, 40, (1, 1)),))
    (line,) = statement(MemberFacts(orders=(cancelled,)), programme(), NEVER).lines
    assert (line.amount, line.explanation) == (0, {"kind": "nothing", "order": "#1042", "reason": reason})


def test_an_order_is_judged_by_the_version_in_force_when_it_was_placed() -> None:
    versions = [(day(20), 1, 100), (day(30), 2, 100), (day(40), 5, 100)]
    orders = [order(MUG, id=at, processed_at=day(at)) for at in (9, 10, 19, 20, 30, 39.99, 40)]
    lines = statement(MemberFacts(orders=tuple(orders)), programme(versions, earn_from=day(10)), NEVER).lines
    assert [(line.order_id, line.version, line.amount) for line in lines] == [
        (9, None, 0),
        (10, 1, 11),
        (19, 1, 11),
        (20, 1, 11),
        (30, 2, 23),
        (39.99, 2, 23),
        (40, 3, 58),
    ]
    assert [line.explanation.get("backdated") for line in lines] == [None, True, True, False, False, False, False]


def test_a_return_is_judged_by_its_order_s_version() -> None:
    returned = order(MUG, processed_at=day(20), refunds=(refund(5, 50, (1, 1)),))
    lines = statement(MemberFacts(orders=(returned,)), programme([(day(0), 1, 100), (day(40), 9, 100)]), NEVER).lines
    assert [(line.version, line.amount) for line in lines] == [(1, 11), (1, -11)]


def test_only_facts_up_to_the_instant_count() -> None:
    returned = order(MUG, TEA, refunds=(refund(5, 11, (1, 1)),), cancelled_at=day(12))
    assert amounts(returned, as_of=day(9.9)) == []
    assert amounts(returned, as_of=day(10)) == [("order:1042", 108)]
    assert amounts(returned, as_of=day(11)) == [("order:1042", 108), ("refund:5", -36)]
    assert amounts(returned, as_of=day(12))[-1] == ("cancellation:1042", -72)


def test_thirds_are_exact() -> None:
    thirds = LineFact(id=1, title="Third", quantity=3, current_quantity=3, net_minor=100)
    given = order(thirds, refunds=tuple(refund(n, 10 + n, (1, 1)) for n in (1, 2, 3)))
    result = statement(MemberFacts(orders=(given,)), programme([(day(0), 3, 1)]), NEVER)
    assert [line.amount for line in result.lines] == [300, -100, -100, -100]
    assert result.lines[1].explanation["after"]["base_minor"] == "200/3"


def test_orders_of_one_instant_come_by_id() -> None:
    assert [source for source, _ in amounts(order(MUG, id=3), order(MUG, id=2))] == ["order:2", "order:3"]


def test_an_explanation_names_a_limited_number_of_lines() -> None:
    lines = [LineFact(id=n, title=f"T{n}", quantity=1, current_quantity=1, net_minor=100) for n in range(25)]
    (line,) = statement(MemberFacts(orders=(order(*lines),)), programme(), NEVER).lines
    told = line.explanation["lines"]
    assert len(told) == LINES_EXPLAINED_MAX + 1
    assert told[-1] == {"more": 5, "minor": 500}


def test_what_points_are_worth_is_rounded_down() -> None:
    assert worth_minor(39, rules()) == 195  # type: ignore[arg-type]
    assert worth_minor(7, {"earn": {"points": 1, "per_minor": 1}, "worth": {"points": 3, "minor": 100}}) == 233
