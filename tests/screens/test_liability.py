"""What you owe: figures, months, files, closing the books; an empty shop; nonsense in the address."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Callable

import pytest
import time_machine
from django.test import Client

from loyalty import selectors
from loyalty.models import Entry, PeriodClose
from retention_app import clock
from retention_app.models import Customer, Shop
from retention_app.spreadsheet import safe_cell
from retention_app.tenancy import shop_scope
from tests.screens.conftest import sane, see

Merchant = Callable[[Shop], Client]
PAGE = "/app/insights/liability/"
MOVEMENTS = {"HTTP_HX_REQUEST": "true", "HTTP_HX_TARGET": "div#movements"}


@pytest.fixture
def outstanding(programmed: Shop) -> int:
    """All points of a shop with a past."""
    with shop_scope(programmed.id):
        return selectors.points_totals(programmed.id).outstanding


def a_month_later() -> time_machine.travel:
    """The fifth of next month, at noon."""
    now = clock.now()
    first = (now.replace(day=1) + dt.timedelta(days=32)).replace(day=5, hour=12)
    return time_machine.travel(first, tick=False)


def downloaded(staff: Client, table: str, day: dt.date) -> list[list[str]]:
    answer = staff.post(f"{PAGE}{day}/{table}/download/")
    assert answer.status_code == 303
    file = Client().get(answer["Location"])
    assert file["Content-Type"] == "text/csv; charset=utf-8"
    assert file["Content-Disposition"] == f'attachment; filename="owed-{table}-{day}.csv"'
    return list(csv.reader(io.StringIO(file.content.decode("utf-8-sig"))))


def test_the_figures_are_the_ledgers_with_their_worth(programmed: Shop, staff: Client, outstanding: int) -> None:
    text = see(staff.get(PAGE).content.decode()).text
    assert f"{outstanding:,} points = ${outstanding * 5 / 100:,.2f}" in text
    assert f"{outstanding:,} points of" in text
    assert "by version 1" in text
    yesterday = clock.now().date() - dt.timedelta(days=1)
    assert "0 points of 0 members" in see(staff.get(f"{PAGE}?on={yesterday}").content.decode()).text


def test_months_parts_and_pending_come_with_the_page(programmed: Shop, staff: Client, outstanding: int) -> None:
    part = staff.get(PAGE, **MOVEMENTS)
    seen = see(part.content.decode())
    assert part.status_code == 200
    assert "<html" not in seen.html
    assert all(heading in seen.text for heading in ("Month by month", "By age", "By expiry"))
    assert f"= {outstanding:,} points" in seen.text
    assert "Close " not in seen.text  # this month isn't over


def test_the_files_add_up_to_the_figures(programmed: Shop, staff: Client, outstanding: int) -> None:
    today = clock.now().date()
    header, *members = downloaded(staff, "members", today)
    assert header == ["Customer", "Points", "Worth", "Currency"]
    assert sum(int(row[1]) for row in members) == outstanding
    with shop_scope(programmed.id):
        assert {row[0] for row in members} <= {
            str(id_) for id_ in Customer.objects.values_list("shopify_id", flat=True)
        }
    _, *months = downloaded(staff, "months", today)
    _, opening, issued, used, expired, taken_back, closing, _, currency = months[-1]
    assert int(opening) + int(issued) - int(used) - int(expired) - int(taken_back) == int(closing) == outstanding
    assert currency == "USD"
    _, *parts = downloaded(staff, "parts", today)
    for by in ("Age", "Expires"):
        assert sum(int(row[2]) for row in parts if row[0] == by) == sum(max(0, int(row[1])) for row in members)


def test_a_month_that_is_over_is_closed_once(programmed: Shop, merchant: Merchant, outstanding: int) -> None:
    month = clock.now()
    with a_month_later():
        staff = merchant(programmed)
        assert f"Close {month:%b %Y}" in see(staff.get(PAGE, **MOVEMENTS).content.decode()).text
        for _ in range(2):
            assert staff.post(f"{PAGE}close/{month.year}-{month.month}/").status_code == 303
        with shop_scope(programmed.id):
            assert PeriodClose.objects.get().totals["closing"] == outstanding
            assert PeriodClose.objects.get().actor == "42"
        text = see(staff.get(PAGE, **MOVEMENTS).content.decode()).text
        assert "closed on 5" in text
        assert "with other figures" not in text
        assert f"Close {month:%b %Y}" not in text
        assert f"Books of {month:%Y-%m} closed" in see(staff.get("/app/activity/?tab=staff").content.decode()).text


def test_books_that_disagree_are_shown(programmed: Shop, merchant: Merchant) -> None:
    month = clock.now()
    with a_month_later():
        staff = merchant(programmed)
        staff.post(f"{PAGE}close/{month.year}-{month.month}/")
        with shop_scope(programmed.id):
            entry = Entry.objects.filter(account__kind="issued").first()
            assert entry
            Entry.objects.bulk_create(
                [
                    Entry(
                        shop=programmed,
                        transaction=entry.transaction,
                        account=entry.account,
                        amount=-7,
                        source="order:1",
                        occurred_at=month,
                        recorded_at=month,
                    )
                ]
            )
        assert "with other figures" in see(staff.get(PAGE, **MOVEMENTS).content.decode()).text


@pytest.mark.parametrize("month", ["2026-13", "9999-12", "2030-0", "1-1"])
def test_a_month_that_cannot_be_closed_is_a_404(programmed: Shop, staff: Client, month: str) -> None:
    Shop.objects.filter(id=programmed.id).update(timezone="Asia/Taipei")
    assert staff.post(f"{PAGE}close/{month}/").status_code == 404


@pytest.mark.parametrize("on", ["", "yesterday", "2026-02-30", "9999-12-31", "0001-01-01", "2026-10-31T12:00"])
def test_any_day_opens(programmed: Shop, staff: Client, on: str) -> None:
    for more in ({}, MOVEMENTS):
        answer = staff.get(PAGE, {"on": on}, **more)
        assert answer.status_code == 200
        if not more:
            sane(see(answer.content.decode()))


@pytest.mark.parametrize("path", ["2026-99-99/members", "0001-01-01/months", "9999-12-31/parts"])
def test_any_day_has_its_files(programmed: Shop, staff: Client, path: str) -> None:
    assert Client().get(staff.post(f"{PAGE}{path}/download/")["Location"]).status_code == 200


def test_a_file_is_nobodys_without_a_fresh_link(programmed: Shop, staff: Client) -> None:
    location = staff.post(f"{PAGE}2026-01-01/members/download/")["Location"]
    other = location.replace("members", "months")
    with time_machine.travel(clock.now() + dt.timedelta(minutes=2)):
        assert Client().get(location).status_code == 404
    assert Client().get(other).status_code == 404


def test_home_leads_to_it(programmed: Shop, staff: Client) -> None:
    assert f'href="{PAGE}"' in staff.get("/app/?period=all").content.decode()


@pytest.mark.parametrize("text", ["=1+1", "+49", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_text_is_a_formula(text: str) -> None:
    assert safe_cell(text) == f"'{text}"
    assert (safe_cell(-1), safe_cell("Ana"), safe_cell(None)) == (-1, "Ana", None)
