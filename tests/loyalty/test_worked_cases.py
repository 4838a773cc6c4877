"""The worked cases of `docs/worked-cases.md`: by hand, by the statement, by the oracle and by the books the same."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from loyalty.rules.difference import Life
from loyalty.rules.statement import Statement, statement
from tests.loyalty.cases import CHAPTERS
from tests.loyalty.cases.tables import document
from tests.loyalty.cases.told import Case, history, instant, local, programme, source
from tests.loyalty.histories import member_facts, programme_of
from tests.loyalty.oracle import oracle
from tests.loyalty.test_arrival import Books
from tests.loyalty.test_statement import as_told

CASES = [(case, zone) for _, _, cases in CHAPTERS for case in cases for zone in case.zones]

each_case = pytest.mark.parametrize(("case", "zone"), CASES, ids=[f"{case.title} {zone}" for case, zone in CASES])


def shown(tier: str | None) -> str:
    return tier.title() if tier else "none"


def stated(case: Case, zone: str, when: str) -> Statement:
    """The statement as of a row's instant, which the oracle has to agree with."""
    told, plain, as_of = history(case, zone, case.told()), programme(case, zone), instant(when, zone)
    result, expected = statement(member_facts(told), programme_of(plain), as_of), oracle(told, plain, as_of)
    assert as_told(result) == {name: value for name, value in expected.items() if name != "announceable"}
    return result


@each_case
def test_each_row_is_as_worked_out_by_hand_and_nothing_else_comes_of_it(case: Case, zone: str) -> None:
    days = [local(row.when) for row in case.rows]
    assert days == sorted(days)
    assert case.rows[-1].stands
    for row in case.rows:
        if row.stands:
            result = stated(case, zone, row.when)
            found = {
                "usable": result.usable,
                "pending": result.pending,
                "unclaimed": result.unclaimed,
                "owed": result.debt,
                "tier": shown(result.tier),
            }
            assert {column: found[column] for column in row.stands} == row.stands, row
    rows = [(number, row) for number, row in enumerate(case.rows, 1) if row.points]
    brought = {source(case, number, zone): (instant(row.when, zone), row.points) for number, row in rows}
    assert brought == {line.source: (line.occurred_at, line.amount) for line in result.lines if line.amount}
    told = [(instant(row.when, zone), row.stands["tier"]) for row in case.rows if "tier" in row.stands]
    changes = [new for (_, before), new in itertools.pairwise([(None, "none"), *told]) if new[1] != before]
    assert changes == [(change.at, shown(change.after)) for change in result.tier_history]


@each_case
def test_the_books_come_to_it_in_the_order_of_time_and_backwards(case: Case, zone: str) -> None:
    told, rules = case.told(), programme_of(programme(case, zone))
    whole, end = member_facts(history(case, zone, told)), instant(case.rows[-1].when, zone)
    forwards, backwards = Books(), Books()
    for known in range(1, len(told) + 1):
        facts = member_facts(history(case, zone, told[:known]))
        forwards.bring_up_to_date(facts, rules, instant(told[known - 1][1], zone))
        backwards.bring_up_to_date(member_facts(history(case, zone, told[-known:])), rules, end)
    for books in (forwards, backwards):
        for _twice in range(2):
            books.bring_up_to_date(whole, rules, end)
    assert in_the_books(forwards) == in_the_books(backwards)
    assert forwards.accounts["member"] == sum(row.points or 0 for row in case.rows)


def in_the_books(books: Books) -> tuple[dict[str, int], dict[tuple[str, Life], int]]:
    """What the accounts hold, and the points by source and life."""
    sources = {(name, life): points for name, of in books.posted.items() for life, points in of.points.items()}
    return {name: sum for name, sum in books.accounts.items() if sum}, {of: sum for of, sum in sources.items() if sum}


def test_the_document_is_up_to_date() -> None:
    path = Path(__file__).parents[2] / "docs" / "worked-cases.md"
    assert path.read_text() == document(), "bring it up to date: python -m tests.loyalty.cases > docs/worked-cases.md"


def test_no_two_cases_have_the_same_title() -> None:
    titles = [case.title for _, _, cases in CHAPTERS for case in cases]
    assert len(titles) == len(set(titles))
