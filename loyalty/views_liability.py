"""What the shop owes its members on a date: figures, months that roll forward, parts by age and expiry, files."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from loyalty import liability, liability_words, sql
from loyalty.books import NotClosable, period_close
from loyalty.liability import AsOf, Worth
from loyalty.models import Entry, PeriodClose
from retention_app.audit import file_taken
from retention_app.doors import ShopRequest, link_to, link_view, shop_view
from retention_app.models import Shop
from retention_app.money import exponent
from retention_app.rights import Right
from retention_app.spreadsheet import csv_file
from retention_app.views.admin_page import done, is_part, page, take
from retention_app.words import words_for


@shop_view(Right.READ)
def liability_page(request: ShopRequest) -> HttpResponse:
    """`?on=` a day, today without; `#movements` is what takes longer."""
    shop, words = request.shop, words_for(request.shop)
    date = _as_of(request.GET.get("on", ""), shop)
    template, context = "loyalty/liability.html", {"shop": shop, "date": date, "today": _as_of("", shop).day}
    with sql.read_snapshot():
        worth = liability.worth_at(date)
        if is_part(request, "movements"):
            template, context = f"{template}#movements", {**context, **_movements(date, worth, shop)}
        elif Entry.objects.exists():
            owed, rows = liability.owed(date.until), f"{reverse('admin:customers')}?points=some"
            context["stats"] = liability_words.stats(date, owed, worth, words, rows)
    return page(request, template, context, current="loyalty")


def _movements(date: AsOf, worth: Worth, shop: Shop) -> dict[str, Any]:
    words, parts = words_for(shop), liability.parts(date)
    closes = list(PeriodClose.objects.order_by("until"))
    months = liability_words.month_rows(liability.roll_forward(date), closes, date, words)
    return {
        "pending": liability_words.pending_text(parts, worth, words),
        "months": months,
        "chart": liability_words.chart(months, words),
        "answer": liability_words.answer(months, words) if months else "",
        "sum": liability_words.sum_text(months[0], words) if months else "",
        "closable": next((month for month in months if month.can_close), None),
        "ages": liability_words.ages(parts, worth),
        "expiries": liability_words.expiries(parts, worth, words),
    }


def _as_of(text: str, shop: Shop) -> AsOf:
    """The day of that ISO date; today's for anything else."""
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        day = dt.date.max
    return liability.as_of(day, shop.timezone)


@shop_view(Right.PROGRAMME, methods=["POST"])
def close(request: ShopRequest, year: int, month: int) -> HttpResponse:
    """Close the books of a month."""
    try:
        period_close(shop=request.shop, month=dt.date(year, month, 1), actor=request.actor)
    except (NotClosable, ValueError, OverflowError):
        raise Http404 from None
    return done(request, reverse("liability:page"), toast=_("Books closed"))


@shop_view(Right.READ, methods=["POST"])
def download(request: ShopRequest, on: str, table: str) -> HttpResponse:
    """Send the browser to a table's file."""
    file_taken(shop=request.shop, actor=request.actor, what="liability", on=on, table=table)
    return take(request, link_to(request.shop, reverse("liability:file", args=[_as_of(on, request.shop).day, table])))


@link_view
def file(request: ShopRequest, on: str, table: str) -> HttpResponse:
    """One table as CSV: `months`, `parts` or `members`."""
    shop, date = request.shop, _as_of(on, request.shop)
    with sql.read_snapshot():
        header, rows = _TABLES[table](date, shop)
    return csv_file(f"owed-{table}-{date.day}", header, rows)


_Table = tuple[list[str], list[list[object]]]


def _months_table(date: AsOf, shop: Shop) -> _Table:
    header = [_("Month"), _("Opening"), _("Earned"), _("Used"), _("Expired"), _("Taken back"), _("Closing"), _("Worth")]
    rows: list[list[object]] = []
    for row in liability.roll_forward(date):
        sums = [row.opening, row.issued, row.redeemed, row.expired, row.reversed, row.closing]
        month = row.begins.astimezone(date.zone)
        rows.append([f"{month:%Y-%m}", *sums, _amount(row.worth.minor(row.closing), shop), shop.currency])
    return [*header, _("Currency")], rows


def _parts_table(date: AsOf, shop: Shop) -> _Table:
    words, worth, parts = words_for(shop), liability.worth_at(date), liability.parts(date)
    tables = {
        _("Age"): liability_words.ages(parts, worth),
        _("Expires"): liability_words.expiries(parts, worth, words),
    }
    header = [_("By"), _("Part"), _("Points"), _("Worth"), _("Currency")]
    return header, [
        [by, part.name, part.points, _amount(part.minor, shop), shop.currency]
        for by, found in tables.items()
        for part in found
    ]


def _members_table(date: AsOf, shop: Shop) -> _Table:
    worth = liability.worth_at(date)
    header = [_("Customer"), _("Points"), _("Worth"), _("Currency")]
    return header, [
        [str(customer), points, _amount(worth.minor(points), shop), shop.currency]
        for customer, points in liability.members(date.until)
    ]


_TABLES: dict[str, Callable[[AsOf, Shop], _Table]] = {
    "months": _months_table,
    "parts": _parts_table,
    "members": _members_table,
}


def _amount(minor: int | None, shop: Shop) -> Decimal | None:
    return None if minor is None else Decimal(minor).scaleb(-exponent(shop.currency))
