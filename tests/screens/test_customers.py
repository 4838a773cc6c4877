"""The customer list and the profile: finding people, paging through them, and why they have what they have."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncRequestFactory, Client

from retention_app import customer_list
from retention_app.customer_list import customer_page, customers_found
from retention_app.models import Customer, DomainEvent, Order, Shop
from retention_app.removals import customers_gone
from retention_app.spreadsheet import csv_stream
from retention_app.tenancy import shop_scope
from tests.screens.conftest import see


def names(html: str) -> list[int]:
    return [int(found) for found in re.findall(r"/app/customers/(\d+)/", html)]


def link(html: str, rel: str) -> str:
    found = re.search(rf'<a class="button" rel="{rel}" href="([^"]+)"', html)
    return found.group(1).replace("&amp;", "&") if found else ""


@pytest.mark.parametrize("sort", customer_list.SORTS)
def test_pages_hold_everybody_once_forwards_and_backwards(programmed: Shop, staff: Client, sort: str) -> None:
    path, pages = f"/app/customers/?sort={sort}", []
    while path:
        html = staff.get(path).content.decode()
        pages.append(names(html))
        following = link(html, "next")
        path = f"/app/customers/{following}" if following else ""
    everybody = [person for each in pages for person in each]
    assert len(everybody) == len(set(everybody)) == 260

    back = link(html, "prev")
    for earlier in reversed(pages[:-1]):
        html = staff.get(f"/app/customers/{back}").content.decode()
        assert names(html) == earlier
        back = link(html, "prev")
    assert not back


def test_customers_without_an_order_come_last_and_are_paged_too(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    from retention_app import mirror
    from tests.orders import at, customer_row, order_row

    monkeypatch.setattr(customer_list, "PAGE_SIZE", 2)
    mirror.customers_upsert(
        [customer_row(number) for number in range(1, 6)], read_at=at(1), origin=DomainEvent.Origin.LIVE
    )
    mirror.orders_upsert([order_row(11, customer=3)], read_at=at(99), origin=DomainEvent.Origin.LIVE)
    seen, cursor = [], ""
    while True:
        found = customer_page({}, sort="last", cursor=cursor)
        seen += [person.shopify_id for person in found.customers]
        cursor = found.after
        if not cursor:
            break
    assert seen == [3, 5, 4, 2, 1]
    assert [person.shopify_id for person in customer_page({}, sort="last", cursor=found.before).customers] == [4, 2]


@pytest.mark.parametrize(
    ("query", "found"),
    [({"q": "ana souza"}, True), ({"q": "CUSTOMER0@"}, True), ({"q": "#1001"}, True), ({"q": "1001"}, True)],
    ids=str,
)
def test_search_finds_by_name_mail_and_order(programmed: Shop, query: dict[str, str], found: bool) -> None:
    with shop_scope(programmed.id):
        assert customers_found(query).exists() is found
        assert not customers_found({"q": "zzz"}).exists()


def test_filters_split_everybody(programmed: Shop) -> None:
    with shop_scope(programmed.id):
        everybody = Customer.objects.count()
        for key, values in {"orders": ("repeat", "once", "none"), "points": ("some", "none")}.items():
            assert sum(customers_found({key: value}).count() for value in values) == everybody
        assert 0 < customers_found({"last": "30"}).count() < everybody


def test_counts_stop_at_ten_thousand(programmed: Shop, staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("retention_app.customer_list", "retention_app.views.admin_customers"):
        monkeypatch.setattr(f"{module}.COUNT_MAX", 100)
    seen = see(staff.get("/app/customers/").content.decode())
    assert "50 of 100+ customers" in seen.text


def test_live_search_answers_with_the_results_only(programmed: Shop, staff: Client) -> None:
    answer = staff.get("/app/customers/?q=ana", headers={"HX-Request": "true", "HX-Target": "div#results"})
    html = answer.content.decode()
    assert html.lstrip().startswith('<div id="results"')
    assert re.search(r'data-announce="\d+ customers found"', html)


def test_nothing_found_offers_to_clear_the_filters(programmed: Shop, staff: Client) -> None:
    seen = see(staff.get("/app/customers/?q=zzz").content.decode())
    assert "No customers match. Clear filters" in seen.text


def test_withheld_names_are_said_to_be_withheld(programmed: Shop, staff: Client) -> None:
    with shop_scope(programmed.id):
        person = Customer.objects.filter(first_name="", email="").first()
        assert person
    seen = see(staff.get(f"/app/customers/{person.id}/").content.decode())
    assert seen.headings == ["Name not shared by Shopify"]
    assert "Shopify doesn't share this customer's name with Encore" in seen.text


def test_profile_says_why(programmed: Shop, staff: Client) -> None:
    with shop_scope(programmed.id):
        order = Order.objects.order_by("-processed_at", "-id").first()
        assert order
        assert order.customer
    html = staff.get(f"/app/customers/{order.customer.id}/").content.decode()
    seen = see(html)
    for card in ("Points available", "Pending", "Tier", "Spent"):
        assert card in seen.text
    assert f'aria-label="Why 132 points for order {order.name}?"' in html
    assert "132.00 × 1 point per $1.00 = 132" in seen.text  # the sum
    assert "Rule “Points for spending” of version 1" in seen.text  # the rule and its version
    assert "Tier then: none" in seen.text
    assert "can be used at once" in seen.text  # the date it counts from
    assert f"#order-{order.shopify_id}" in html
    assert "#version-1" in html
    assert f"Return from order {order.name}" in seen.text
    assert "−48" in seen.text


def test_old_rows_follow_on_another_page(programmed: Shop, staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loyalty.screens.LEDGER_ROWS", 3)
    with shop_scope(programmed.id):
        order = Order.objects.order_by("-processed_at", "-id").first()
        assert order
        assert order.customer
    path, rows = f"/app/customers/{order.customer.id}/?tab=points", []
    while path:
        html = staff.get(path).content.decode()
        rows += re.findall(r'id="why-(\d+)"', html)
        older = re.search(r'href="(\?tab=points[^"]*before[^"]*)"', html)
        path = f"/app/customers/{order.customer.id}/{older.group(1).replace('&amp;', '&')}" if older else ""
    assert len(rows) == len(set(rows)) > 3


def test_links_keep_search_and_filters(programmed: Shop, staff: Client) -> None:
    html = staff.get("/app/customers/?q=a&orders=repeat").content.decode()
    sort = re.search(r'<a class="sort" href="([^"]+)">Spent', html)
    assert sort
    assert parse_qs(urlsplit(sort.group(1).replace("&amp;", "&")).query) == {
        "q": ["a"],
        "orders": ["repeat"],
        "sort": ["spent"],
    }


def test_everybody_found_goes_into_a_file(programmed: Shop, staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(customer_list, "ROWS_AT_ONCE", 40)
    with shop_scope(programmed.id):
        person = customers_found({"orders": "repeat"}).exclude(first_name="").order_by("-spent_minor", "-id")[0]
        Customer.objects.filter(id=person.id).update(first_name="=1+1")
        found = list(customers_found({"orders": "repeat"}).order_by("-spent_minor", "-id"))
    html = staff.get("/app/customers/?orders=repeat&sort=spent").content.decode()
    action = re.search(r'action="(/app/customers/export/[^"]+)"', html)
    assert action
    sent = staff.post(action.group(1).replace("&amp;", "&"))
    answer = staff.get(sent["Location"])
    assert answer.streaming
    assert answer["Content-Disposition"] == 'attachment; filename="customers.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode("utf-8-sig"))))
    assert [row["Customer"] for row in rows] == [str(each.shopify_id) for each in found]
    [row] = [row for row in rows if row["Customer"] == str(person.shopify_id)]
    assert row["Name"].startswith("'=1+1")
    assert (row["Spent"], row["Currency"]) == (f"{person.spent_minor / 100:.2f}", "USD")
    assert int(row["Points"]) >= 0
    assert all(row["Last order"] for row in rows)


def test_a_file_is_sent_piece_by_piece_to_an_asynchronous_server(programmed: Shop) -> None:
    """An ASGI server must not collect it first: each piece is asked for when the last one is sent."""
    asked: list[int] = []

    def batches() -> Iterator[list[list[object]]]:
        for number in range(3):
            asked.append(number)
            yield [[number]]

    async def receive() -> list[tuple[str, int]]:
        request = AsyncRequestFactory().get("/")
        answer = csv_stream(request, "numbers", ["Number"], batches())
        return [(piece.decode("utf-8-sig").strip(), len(asked)) async for piece in answer]

    assert async_to_sync(receive)() == [("Number", 0), ("0", 1), ("1", 2), ("2", 3)]


def test_status_tells_who_left(programmed: Shop) -> None:
    with shop_scope(programmed.id):
        gone = Customer.objects.order_by("id").values_list("shopify_id", flat=True)[3]
        customers_gone([gone], origin=DomainEvent.Origin.LIVE)
        assert [each.shopify_id for each in customers_found({"status": "gone"})] == [gone]
        assert customers_found({"status": "here"}).count() == Customer.objects.count() - 1


def test_both_ways_to_a_page_agree(programmed: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put in order here, or walked along the order's index."""
    monkeypatch.setattr(customer_list, "PAGE_SIZE", 100)
    with shop_scope(programmed.id):
        everybody = list(customers_found({"points": "some"}))
        for sort, column in customer_list.SORTS.items():

            def rank(one: Customer, column: str = column) -> tuple[object, ...]:
                return (getattr(one, column) is not None, getattr(one, column) or 0, one.id)

            ordered = sorted(everybody, key=rank, reverse=True)
            for most in (10_000, 20):
                monkeypatch.setattr(customer_list, "COUNT_MAX", most)
                first = customer_page({"points": "some"}, sort=sort)
                second = customer_page({"points": "some"}, sort=sort, cursor=first.after)
                back = customer_page({"points": "some"}, sort=sort, cursor=second.before)
                assert first.customers + second.customers == ordered[:200]
                assert back.customers == first.customers
