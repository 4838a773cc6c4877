"""Explanations in words: sentences, sums that add up, and figures as a language writes them."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings

from loyalty.explain import explanation_lines, what
from loyalty.rules.facts import LineFact, MemberFacts, OrderFact, RefundFact
from loyalty.rules.statement import statement
from tests.loyalty.histories import NEVER, day, histories, order_fact, programme

MUG = LineFact(id=1, title="Mug", quantity=1, current_quantity=1, net_minor=1167)
TEA = LineFact(id=2, title="Tea", quantity=3, current_quantity=3, net_minor=2433)


def explained(
    *lines: LineFact, points: int = 3, number: int = 0, locale: str = "en", currency: str = "BRL", **fields: Any
) -> list[str]:
    """The words for one of the statement's lines of an order #1042 placed under version 1."""
    order = OrderFact(id=1042, name="#1042", processed_at=day(10), currency=currency, lines=lines, **fields)
    rules = programme([(day(0), points, 100)], currency=currency)
    return explanation_lines(
        statement(MemberFacts(orders=(order,)), rules, NEVER).lines[number].explanation, locale, currency
    )


def test_an_order_shows_its_sum_its_lines_and_its_rule() -> None:
    assert explained(MUG, TEA) == [
        "36.00 × 3 points per R$1.00 = 108",
        "1 × Mug: 11.67",
        "3 × Tea: 24.33",
        "Rule “Points for spending” of version 1, in force when the order was placed.",
    ]


def test_rounding_is_shown() -> None:
    assert explained(MUG, points=1)[0] == "11.67 × 1 point per R$1.00 = 11.67, rounded down to 11"


def test_what_does_not_end_is_cut_and_says_so() -> None:
    third = LineFact(id=1, title="Third", quantity=3, current_quantity=2, net_minor=100)
    assert explained(third)[:2] == [
        "0.6666… × 3 points per R$1.00 = 2",
        "2 × Third: 0.6666…",
    ]


def test_a_currency_without_decimals_has_none() -> None:
    order = LineFact(id=1, title="Mug", quantity=1, current_quantity=1, net_minor=36_000)
    assert explained(order, currency="JPY")[:2] == ["36,000 × 3 points per ¥100 = 1,080", "1 × Mug: 36,000"]


def test_figures_follow_the_language() -> None:
    assert explained(MUG, TEA, locale="pt-BR")[1] == "1 × Mug: 11,67"


def test_many_lines_are_summed_up() -> None:
    lines = [LineFact(id=n, title=f"T{n}", quantity=1, current_quantity=1, net_minor=100) for n in range(22)]
    assert explained(*lines)[-2] == "2 more lines: 2.00"
    assert explained(*lines[:21])[-2] == "1 more line: 1.00"


def test_an_order_from_before_the_programme_says_which_version_counts_it() -> None:
    returned = RefundFact(id=5, processed_at=day(30), lines=((1, 1),))
    order = OrderFact(id=1, name="#1", processed_at=day(1), currency="USD", lines=(MUG,), refunds=(returned,))
    lines = statement(MemberFacts(orders=(order,)), programme([(day(20), 1, 100)]), NEVER).lines
    assert [explanation_lines(line.explanation, "en", "USD")[-1] for line in lines] == [
        "Rule “Points for spending” of version 1, which also counts earlier orders."
    ] * 2


def refund(*lines: tuple[int, int], unlined: int = 0) -> RefundFact:
    return RefundFact(id=5, processed_at=day(11), lines=lines, unlined_minor=unlined)


def test_a_return_shows_before_and_after() -> None:
    assert explained(MUG, TEA, refunds=(refund((1, 1)),), number=1) == [
        "The returned Mug had earned 36 under version 1: 108 before − 72 after.",
        "1 × Mug: 11.67",
        "Before: 36.00 × 3 points per R$1.00 = 108",
        "After: 24.33 × 3 points per R$1.00 = 72.99, rounded down to 72",
        "Rule “Points for spending” of version 1, in force when the order was placed.",
    ]


@pytest.mark.parametrize(
    ("given_back", "sentence"),
    [
        (refund((1, 1), (2, 1)), "The returned items had earned 60 under version 1: 108 before − 48 after."),
        (
            refund((1, 1), unlined=500),
            "The returned items and the R$5.00 given back had earned 51 under version 1: 108 before − 57 after.",
        ),
        (refund(unlined=1000), "The R$10.00 given back had earned 30 under version 1: 108 before − 78 after."),
    ],
)
def test_each_kind_of_refund_has_its_sentence(given_back: RefundFact, sentence: str) -> None:
    assert explained(MUG, TEA, refunds=(given_back,), number=1)[0] == sentence


def test_a_cancellation_says_what_was_left() -> None:
    assert explained(MUG, TEA, cancelled_at=day(12), number=1) == [
        "The order was cancelled: the 108 points it still had are taken back.",
        "Rule “Points for spending” of version 1, in force when the order was placed.",
    ]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"test": True}, "A test order earns no points."),
        ({"paid": False}, "The order isn't fully paid yet. It earns points once it is."),
        ({"lines": ()}, "Nothing in the order earns points: gift cards and free items don't count."),
        ({"currency": "EUR"}, "The order is in a currency the programme doesn't count."),
        ({"processed_at": day(-1)}, "The order was placed before the programme counts orders."),
    ],
)
def test_nothing_earned_says_why(fields: dict[str, Any], sentence: str) -> None:
    order = OrderFact(
        **{"id": 1, "name": "#1", "processed_at": day(1), "currency": "USD", "lines": (MUG,)} | fields  # type: ignore[arg-type]
    )
    (line,) = statement(MemberFacts(orders=(order,)), programme(), NEVER).lines
    assert explanation_lines(line.explanation, "en", "USD") == [sentence]


def test_corrections_show_both_amounts() -> None:
    nothing = {"kind": "nothing", "order": "#1", "reason": "test"}
    corrected = {"kind": "corrected", "posted": 50, "stated": 0, "now": nothing}
    assert explanation_lines(corrected, "en", "USD") == [
        "Corrected from +50 to 0: −50.",
        "A test order earns no points.",
    ]
    assert explanation_lines({"kind": "withdrawn", "posted": -35}, "en", "USD") == [
        "This order no longer counts for this customer: −35 is undone."
    ]


def test_unknown_explanations_are_refused() -> None:
    with pytest.raises(ValueError, match="'magic'"):
        explanation_lines({"kind": "magic"}, "en", "USD")


@pytest.mark.parametrize(
    ("source", "explanation", "name"),
    [
        ("order:1", {"kind": "earned"}, "Order #1042"),
        ("refund:1", {"kind": "refunded", "lines": [{}]}, "Return from order #1042"),
        ("refund:1", {"kind": "refunded", "lines": []}, "Refund on order #1042"),
        ("cancellation:1", {"kind": "cancelled"}, "Cancellation of order #1042"),
        ("order:1", {"kind": "corrected"}, "Correction for order #1042"),
        ("refund:1", {"kind": "withdrawn"}, "Correction for order #1042"),
    ],
)
def test_rows_are_called_by_what_happened(source: str, explanation: dict[str, Any], name: str) -> None:
    row = SimpleNamespace(source=source, explanation=explanation, order_name="#1042")
    assert what(row, "en") == name


@settings(deadline=None)
@given(histories())
def test_every_line_has_words_and_its_figures_add_up(history: list[dict[str, Any]]) -> None:
    for line in statement(
        MemberFacts(orders=tuple(order_fact(order) for order in history)), programme([(day(0), 3, 7)]), NEVER
    ).lines:
        words = explanation_lines(line.explanation, "en", "USD")
        assert all(words)
        if line.explanation["kind"] == "earned":
            assert int(re.findall(r"[\d,]+$", words[0])[0].replace(",", "")) == line.amount
        if line.explanation["kind"] == "refunded":
            found = re.search(r"([\d,]+) before − ([\d,]+) after", words[0])
            assert found
            before, after = (int(figure.replace(",", "")) for figure in found.groups())
            assert after - before == line.amount
