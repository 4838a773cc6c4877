"""Explanations in words: sentences, sums that add up, and figures as a language writes them."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings

from loyalty.explain import explanation_lines, what, why
from loyalty.models import Adjustment, Spending
from loyalty.rules.facts import AdjustmentFact, LineFact, MemberFacts, OrderFact, RefundFact, SpendingFact
from loyalty.rules.programme import Programme, Version, completed
from loyalty.rules.statement import StatementLine, statement
from retention_app.words import Words
from tests.loyalty.histories import NEVER, cases, day, member_facts, programme, programme_of

ENGLISH = Words("en", "USD", "UTC")
MUG = LineFact(id=1, title="Mug", quantity=1, current_quantity=1, net_minor=1167)
TEA = LineFact(id=2, title="Tea", quantity=3, current_quantity=3, net_minor=2433)


def explained(
    *lines: LineFact, points: int = 3, number: int = 0, locale: str = "en", currency: str = "BRL", **fields: Any
) -> list[str]:
    """The words for one of the statement's lines of an order #1042 placed under version 1."""
    order = OrderFact(id=1042, name="#1042", processed_at=day(10), currency=currency, lines=lines, **fields)
    rules = programme([(day(0), points, 100)], currency=currency)
    line = statement(MemberFacts(orders=(order,)), rules, NEVER).lines[number]
    return explanation_lines(line.explanation, Words(locale, currency, "UTC"))


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
    assert [explanation_lines(line.explanation, ENGLISH)[-1] for line in lines] == [
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
    assert explanation_lines(line.explanation, ENGLISH) == [sentence]


def test_corrections_show_both_amounts() -> None:
    nothing = {"kind": "nothing", "order": "#1", "reason": "test"}
    corrected = {"kind": "corrected", "posted": 50, "stated": 0, "now": nothing}
    assert explanation_lines(corrected, ENGLISH) == [
        "Corrected from +50 to 0: −50.",
        "A test order earns no points.",
    ]
    assert explanation_lines({"kind": "withdrawn", "posted": -35}, ENGLISH) == [
        "This no longer counts for this customer: −35 is undone."
    ]


RICH = {
    "earn": {"points": 2, "per_minor": 100},
    "worth": {"points": 100, "minor": 500},
    "bonuses": {"order": {"from_minor": 3000, "points": 50}, "first_order": 25},
    "order_max": 200,
    "waiting": {"days": 14, "after": "payment"},
    "expiry_months": 12,
    "multipliers": [
        {"key": "t", "label": "tag:tea", "name": "Tea week", "percent": 200, "from": None, "until": None},
        {"key": "g", "label": "tag:green", "name": "Green", "percent": 150, "from": None, "until": None},
    ],
    "tiers": {
        "by": "spend",
        "period": "lifetime",
        "grace_days": 0,
        "hold_days": 0,
        "protect_until": None,
        "levels": [{"key": "gold", "name": "Gold", "from": 1000, "percent": 150}],
    },
}


def rich(**facts: Any) -> list[StatementLine]:
    """The statement's lines under rules that have everything; order 1 makes the member Gold."""
    version = Version(number=7, effective_from=day(0), document=completed(RICH))
    rules = Programme(versions=(version,), earn_from=day(0), currency="BRL")
    return list(statement(MemberFacts(**facts), rules, day(60)).lines)


def bought(id_: int, *lines: LineFact, **fields: Any) -> OrderFact:
    return OrderFact(id=id_, name=f"#{id_}", processed_at=day(id_), currency="BRL", lines=lines, **fields)


def row(line: StatementLine, **known: Any) -> Any:
    """A posting of the line, as the ledger's selector tells it."""
    return SimpleNamespace(
        source=line.source,
        explanation=line.explanation,
        amount=line.amount,
        at=line.occurred_at,
        usable_from=line.usable_from,
        expires_at=line.expires_at,
        **{"order_name": "#1", "adjustment": None, "spending": None, **known},
    )


REAIS = Words("en", "BRL", "America/Sao_Paulo")
GREEN_TEA = LineFact(
    id=9, title="Tea", quantity=1, current_quantity=1, net_minor=1200, labels=frozenset({"tag:tea", "tag:green"})
)


def test_tier_multipliers_bonus_and_cap_add_up() -> None:
    lines = rich(orders=(bought(1, MUG), bought(2, GREEN_TEA, TEA)))
    earned = next(line for line in lines if line.source == "order:2")
    assert earned.amount == 200
    assert why(row(earned), REAIS) == [
        "Gold 1.5 × 60.33 × 2 points per R$1.00 = 180.99, rounded down to 180",
        "Orders from R$30.00 on get more: 180 + 50 = 230",
        "230, of which an order earns at most: 200",
        "1 × Tea: 12.00 × 2 (Tea week) × 1.5 (Green) = 36.00",
        "3 × Tea: 24.33",
        "Rule “Points for spending” of version 7, in force when the order was placed.",
        "Tier then: Gold.",
        "Counts from 2 Jan 21:00.",
        "Can be used from 16 Jan, 14 days after payment.",
        "What is left of it expires on 16 Jan 2027.",
    ]


def test_a_first_order_has_its_bonus_and_loses_it() -> None:
    returned = RefundFact(id=5, processed_at=day(4), lines=((1, 1),))
    lines = rich(orders=(bought(1, MUG, refunds=(returned,)),))
    told = {line.source: explanation_lines(line.explanation, REAIS) for line in lines}
    assert told["first_order:1"] == ["25 points for a first order, by version 7."]
    assert told["refund_bonus:5"] == [
        "Nothing is left of the order, so the 25 points for a first order are taken back."
    ]
    names = {line.source: what(row(line), REAIS) for line in lines}
    assert names["first_order:1"] == "First-order bonus, order #1"
    assert names["refund_bonus:5"] == "First-order bonus taken back, order #1"


def test_what_a_debit_lacked_is_owed_or_spared() -> None:
    """The 23 points of the order were used and are owed; the expired ones of the adjustment aren't taken twice."""
    spent = SpendingFact(id=8, at=day(20), points=48)
    lines = rich(orders=(bought(1, MUG, cancelled_at=day(21)),), spendings=(spent,))
    told = {line.source: why(row(line), REAIS) for line in lines}
    assert (
        "23 points of it had been used already. They are owed, and settled by what can be used next."
        in (told["cancellation:1"])
    )
    used = "Used the points that expire first: 48 (15 Jan 2027)."
    assert told["spending:8"] == [used, "Counts from 20 Jan 21:00."]
    spared = {"kind": "spent", "spending": 8, "wanted": 50, "spared": 20}
    assert explanation_lines(spared, REAIS)[1] == (
        "20 of them had expired or been used already and aren't taken: 50 − 20 = 30."
    )


def test_a_spending_says_which_points_it_used() -> None:
    taken = [[120, day(30).isoformat()], [80, day(40).isoformat()], [10, None]]
    several = {"kind": "spent", "spending": 8, "taken": taken}
    assert explanation_lines(several, REAIS) == [
        "Used the points that expire first: 120 (30 Jan), 80 (9 Feb) and 10 others."
    ]
    lasting = {"kind": "spent", "spending": 8, "taken": [[10, None]]}
    assert explanation_lines(lasting, REAIS) == ["Points that expire first are used first."]
    first_posted = {"kind": "spent", "spending": 8}
    assert explanation_lines(first_posted, REAIS) == ["Points that expire first are used first."]


def test_staffs_decisions_are_called_by_their_reason() -> None:
    (line,) = rich(adjustments=(AdjustmentFact(id=3, at=day(5), points=50, counts=True, expires_at=day(9)),))
    late = Adjustment(points=50, reason="late")
    assert what(row(line, adjustment=late), REAIS) == "Adjusted by the store: Late parcel"
    assert why(row(line, adjustment=late), REAIS) == [
        "The store's staff decided it.",
        "It counts towards tiers.",
        "Counts from 5 Jan 21:00 and can be used at once.",
        "What is left of it expires on 9 Jan.",
    ]
    assert what(row(line), REAIS) == "Adjusted by the store: Other reason"


@pytest.mark.parametrize(
    ("source", "kind", "known", "name"),
    [
        ("spending:8", "spent", {"spending": Spending(purpose={"code": "ENC-1"})}, "Points used, ENC-1"),
        ("undo:8", "undone", {"spending": Spending(purpose={"code": "ENC-1"})}, "Points given back, ENC-1"),
        ("undo:8", "undone", {}, "Points given back"),
        ("expiry:order:1:2027-01-31T03:00:00Z", "expired", {}, "Expired: Order #1"),
        ("expiry:adjustment:3:2027-01-31T03:00:00Z", "expired", {}, "Expired: Adjusted by the store: Other reason"),
        ("late:refund:7:8", "late", {}, "Taken back later: Refund on order #1"),
        ("order:1", "moved", {}, "New dates: Order #1"),
        ("adjustment:3", "withdrawn", {"order_name": ""}, "Correction: Adjusted by the store: Other reason"),
    ],
)
def test_every_source_has_a_name(source: str, kind: str, known: dict[str, Any], name: str) -> None:
    line = StatementLine(source, None, -1, day(1), None, {"kind": kind, "of": "order:1"})
    assert what(row(line, **known), REAIS) == name


@pytest.mark.parametrize("kind", ["undone", "expired", "late"])
def test_what_time_and_undos_bring_is_told(kind: str) -> None:
    assert all(explanation_lines({"kind": kind, "of": "order:1", "spending": 8}, REAIS))


@pytest.mark.parametrize(
    ("usable", "expires", "told"),
    [
        ((None, day(5)), (None, None), ["Can be used from 5 Jan, which wasn't known before."]),
        ((day(5), day(9)), (None, None), ["Can be used from 9 Jan instead of 5 Jan."]),
        ((day(5), None), (None, None), ["It isn't known any more from when it can be used."]),
        ((day(5), day(5)), (None, day(9)), ["What is left of it expires on 9 Jan."]),
        ((day(5), day(5)), (day(9), None), ["It doesn't expire any more."]),
        (
            (day(5), day(6)),
            (day(30), day(31)),
            ["Can be used from 6 Jan instead of 5 Jan.", "What is left of it expires on 31 Jan instead of 30 Jan."],
        ),
        ((day(5), day(5.1)), (None, None), ["The hour changed, the day didn't."]),
    ],
)
def test_new_dates_are_told(usable: Any, expires: Any, told: list[str]) -> None:
    explanation = {
        "kind": "moved",
        "usable_from": [each and each.isoformat() for each in usable],
        "expires_at": [each and each.isoformat() for each in expires],
    }
    assert explanation_lines(explanation, REAIS) == told


@pytest.mark.parametrize(
    ("waiting", "usable", "told"),
    [
        ({"days": 0, "after": "fulfilment"}, None, "Can be used once the order is fulfilled."),
        ({"days": 1, "after": "fulfilment"}, None, "Can be used 1 day after the order is fulfilled."),
        ({"days": 3, "after": "fulfilment"}, day(9), "Can be used from 9 Jan, 3 days after the order was fulfilled."),
        ({"days": 0, "after": "payment"}, day(9), "Can be used from 9 Jan."),
    ],
)
def test_waiting_is_told_as_far_as_it_is_known(waiting: dict[str, Any], usable: Any, told: str) -> None:
    explanation = {"kind": "first_order", "order": "#1", "version": 1, "points": 5, "waiting": waiting}
    line = StatementLine("first_order:1", 1, 5, day(1), 1, explanation, usable)
    assert why(row(line), REAIS)[-1] == told


def test_postings_of_before_are_still_told() -> None:
    """As version 1 of the statement wrote them: no multipliers, tiers, waiting or bonuses."""
    rule = {"rule": "spending", "version": 1, "backdated": False, "points": 3, "per_minor": 100}
    earned = {"kind": "earned", "order": "#1", **rule, "base_minor": 3600, "result": 108, "lines": []}
    line = StatementLine("order:1", 1, 108, day(1), 1, earned)
    assert why(row(line), ENGLISH) == [
        "36.00 × 3 points per $1.00 = 108",
        "Rule “Points for spending” of version 1, in force when the order was placed.",
        "Tier then: none.",
        "Counts from 2 Jan 00:00 and can be used at once.",
    ]
    taken = {"base_before_minor": 3600, "before": 108, "base_after_minor": 2400, "after": 72}
    refunded = {"kind": "refunded", "order": "#1", **rule, **taken, "lines": [], "unlined_minor": 1200}
    assert explanation_lines(refunded, ENGLISH)[:3] == [
        "The $12.00 given back had earned 36 under version 1: 108 before − 72 after.",
        "Before: 36.00 × 3 points per $1.00 = 108",
        "After: 24.00 × 3 points per $1.00 = 72",
    ]


def test_unknown_explanations_are_refused() -> None:
    with pytest.raises(ValueError, match="'magic'"):
        explanation_lines({"kind": "magic"}, ENGLISH)


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
    row = SimpleNamespace(source=source, explanation=explanation, order_name="#1042", adjustment=None, spending=None)
    assert what(row, ENGLISH) == name


@settings(deadline=None)
@given(cases())
def test_every_line_has_words_and_its_figures_add_up(case: tuple[Any, Any, Any]) -> None:
    history, rules, as_of = case
    for line in statement(member_facts(history), programme_of(rules), as_of).lines:
        sentences = why(row(line), ENGLISH)
        assert all([what(row(line), ENGLISH), *sentences])
        figures = line.explanation
        if figures["kind"] == "earned":
            sums = 1 + ("bonus_from_minor" in figures) + (figures.get("order_max") is not None)
            assert int(re.findall(r"[\d,]+$", sentences[sums - 1])[0].replace(",", "")) == line.amount
        if figures["kind"] == "refunded":
            found = re.search(r"([\d,]+) before − ([\d,]+) after", sentences[0])
            assert found
            before, after = (int(figure.replace(",", "")) for figure in found.groups())
            assert after - before == line.amount - figures.get("spared", 0)
        if "spared" in figures:
            found = re.search(r"([\d,]+) − ([\d,]+) = ([\d,]+)\.$", " ".join(sentences[:2]))
            assert found
            wanted, spared, taken = (int(figure.replace(",", "")) for figure in found.groups())
            assert wanted - spared == taken == -line.amount
