"""Every page of the admin: it opens, reads well, costs a fixed number of queries, and shows strangers nothing."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable

import pytest
import time_machine
from django.db import connection
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext

from loyalty.models import Setup
from retention_app import clock, home
from retention_app.doors import link_to
from retention_app.models import Customer, Order, Outbound, Shop, SyncRun
from retention_app.outbound import outbound_request
from retention_app.statistics import MonthRate
from retention_app.tenancy import shop_scope
from retention_app.words import words_for
from tests.conftest import make_staff
from tests.screens.conftest import sane, see
from tests.screens.test_programme import FIELDS, REVIEW, TIERS, seen_at

# path → queries, the door's two included (shop, person)
PAGES = {
    "/app/": 20,
    "/app/?period=all": 20,
    "/app/insights/definitions/": 2,
    "/app/customers/": 9,
    "/app/customers/?q=ana&orders=repeat&points=some&last=365": 10,
    "/app/customers/?sort=spent": 9,
    "/app/activity/": 16,
    "/app/activity/?tab=attention": 14,
    "/app/settings/": 5,
    "/app/settings/store/": 9,
    "/app/settings/storefront/": 2,
    "/app/settings/staff/": 3,
    "/app/settings/languages/": 2,
    "/app/settings/audit/": 6,
    "/app/settings/api-keys/": 4,
    "/app/settings/api-keys/new/": 2,
    "/app/settings/privacy/": 4,
    "/app/insights/liability/": 6,
    "/app/insights/liability/?on=2026-10-31": 6,
    "/app/loyalty/tiers/": 7,
    "/app/loyalty/programme/": 6,
    "/app/loyalty/draft/": 26,
    "/app/loyalty/versions/": 6,
}


def queries_of(staff: Client, path: str) -> int:
    """Statements on rows; what opens a transaction or a scope isn't counted."""
    with CaptureQueriesContext(connection) as captured:
        assert staff.get(path).status_code == 200
    rows = [
        each["sql"] for each in captured if each["sql"].startswith(("SELECT", "INSERT", "UPDATE", "DELETE", "WITH"))
    ]
    return len([sql for sql in rows if "set_config(" not in sql])


@pytest.mark.parametrize("path", PAGES)
def test_page_reads_well_and_costs_its_queries(programmed: Shop, staff: Client, path: str) -> None:
    staff.get(path)  # templates and settings are read once
    assert queries_of(staff, path) <= PAGES[path]
    sane(see(staff.get(path).content.decode()))


def test_profile_reads_well_and_costs_its_queries(programmed: Shop, staff: Client) -> None:
    with shop_scope(programmed.id):
        person = Customer.objects.order_by("id").first()
        assert person
    for tab, most in (("points", 12), ("orders", 10)):
        path = f"/app/customers/{person.id}/?tab={tab}"
        assert queries_of(staff, path) <= most
        sane(see(staff.get(path).content.decode()))


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
def test_step_of_the_assistant_costs_its_queries(storied: Shop, staff: Client, number: int) -> None:
    with shop_scope(storied.id):
        Setup.objects.create(shop=storied, step=5, opened_at=clock.now())
    path = f"/app/start/?step={number}"
    assert f"Step {number} of 5" in staff.get(path).content.decode()
    assert queries_of(staff, path) <= 15


def test_first_review_costs_its_queries(storied: Shop, staff: Client) -> None:
    staff.post("/app/loyalty/draft/", FIELDS)
    staff.get(REVIEW)
    assert queries_of(staff, REVIEW) <= 17


def test_later_review_costs_its_queries(programmed: Shop, staff: Client, work_off: Callable[[], None]) -> None:
    staff.post("/app/loyalty/draft/", {**FIELDS, **TIERS})
    staff.get(REVIEW)
    work_off()  # who moves is counted
    staff.get(REVIEW)
    assert queries_of(staff, REVIEW) <= 19
    assert queries_of(staff, f"{REVIEW}moves/") <= 9
    assert queries_of(staff, f"{REVIEW}moves/?q=ana&way=up") <= 10


def test_weighing_earlier_orders_costs_its_queries(storied: Shop, staff: Client) -> None:
    staff.post("/app/loyalty/draft/", FIELDS)
    staff.post(REVIEW, {"count_past": "none", **seen_at(staff, REVIEW)})
    page, day = "/app/loyalty/backfill/", clock.now().date() - dt.timedelta(days=60)
    assert queries_of(staff, page) <= 7
    assert queries_of(staff, f"{page}?day={day}") <= 8
    assert queries_of(staff, link_to(storied, "/app/loyalty/draft/panel/")) <= 1


def test_page_of_one_row_costs_its_queries(programmed: Shop, staff: Client) -> None:
    person_id = make_staff(programmed, "77", "support", "Sam").id
    with shop_scope(programmed.id):
        customer_id = Customer.objects.order_by("id").values_list("id", flat=True)[0]
        outbound_request(kind="script_tag", key="one", customer_id=customer_id)
        call_id = Outbound.objects.values_list("id", flat=True).get()
    customer = f"/app/customers/{customer_id}/"
    most = {
        f"{customer}?tab=codes": 9,
        f"{customer}adjust/": 7,
        f"{customer}tier/": 7,
        f"{customer}code/": 7,
        f"/app/settings/staff/{person_id}/": 4,
        f"/app/activity/call-{call_id}/": 5,
        "/app/loyalty/versions/1/": 5,
    }
    for path in most:
        staff.get(path)
    assert {path: queries for path in most if (queries := queries_of(staff, path)) > most[path]} == {}


@pytest.mark.parametrize("path", [*PAGES, REVIEW])
def test_page_of_an_empty_shop_teaches(alpha: Shop, staff: Client, path: str) -> None:
    answer = staff.get(path, follow=True)
    assert answer.status_code == 200
    sane(see(answer.content.decode()))


@pytest.mark.parametrize("path", [*PAGES, REVIEW])
def test_nobody_without_a_token_sees_a_page(programmed: Shop, path: str) -> None:
    answer = Client().get(path, headers={"HX-Request": "true"})
    assert answer.status_code == 401
    assert not answer.content


def test_another_shops_customer_is_the_same_404_as_none(programmed: Shop, beta: Shop, merchant) -> None:
    with shop_scope(programmed.id):
        ours = Customer.objects.values_list("id", flat=True).first()
    stranger = merchant(beta)
    theirs, nobodys = stranger.get(f"/app/customers/{ours}/"), stranger.get("/app/customers/999999999/")
    assert theirs.status_code == nobodys.status_code == 404
    assert "isn't in your store, or was deleted" in theirs.content.decode().replace("&#x27;", "'")
    assert see(theirs.content.decode()).text == see(nobodys.content.decode()).text
    assert "frame-ancestors" in theirs["Content-Security-Policy"]
    assert "beta.myshopify.com" in theirs["Content-Security-Policy"]
    sane(see(theirs.content.decode()))


def test_another_shop_sees_its_own_numbers(programmed: Shop, beta: Shop, merchant) -> None:
    answer = merchant(beta).get("/app/customers/")
    assert "Customers appear here as your history arrives." in answer.content.decode()


@pytest.mark.parametrize(
    "path",
    [
        "/app/customers/?cursor=nonsense",
        "/app/customers/?sort=shoe-size",
        "/app/customers/?tier=%00",
        "/app/settings/audit/?person=%00",
    ],
)
def test_an_address_of_somebody_elses_making_is_404(alpha: Shop, staff: Client, path: str) -> None:
    assert staff.get(path).status_code == 404


def test_home_explains_each_number(programmed: Shop, staff: Client) -> None:
    seen = see(staff.get("/app/?period=all").content.decode())
    for said in ("Repeat customer rate", "Average order value", "Points available", "If all were redeemed"):
        assert said in seen.text
        assert f"What is “{said}”?" in seen.html
    assert "customers ordered twice or more" in seen.text
    assert seen.html.count("See the rows") == 4


def test_home_says_when_the_rows_behind_the_rate_hold_more_than_it_counts(programmed: Shop, staff: Client) -> None:
    said = "See the rows, fully refunded orders included"
    with shop_scope(programmed.id):
        Order.objects.update(refunded_minor=0)
    assert said not in see(staff.get("/app/?period=all").content.decode()).text
    with shop_scope(programmed.id):
        once_more = Order.objects.filter(customer__orders_count=2, cancelled_at=None, test=False).first()
        assert once_more
        Order.objects.filter(pk=once_more.pk).update(refunded_minor=F("total_minor"))
    assert said in see(staff.get("/app/?period=all").content.decode()).text


CHARTS = {"headers": {"HX-Request": "true", "HX-Target": "div#charts"}}


@pytest.mark.parametrize(("query", "queries"), [("period=all&rate=all", 6), ("period=30&rate=rolling", 6)])
def test_charts_have_a_question_an_answer_and_a_table(
    programmed: Shop, staff: Client, query: str, queries: int
) -> None:
    with CaptureQueriesContext(connection) as captured:
        html = staff.get(f"/app/?{query}", **CHARTS).content.decode()
    assert len([each for each in captured if each["sql"].startswith('SELECT "')]) <= queries
    seen = see(html)
    assert "Do customers come back?" in seen.text
    assert "How many make the next order?" in seen.text
    assert "of first-time buyers place a second order." in seen.text
    assert seen.html.count("See as table") == 2
    assert "27–32%: common in stores" in seen.html
    assert "<html" not in html
    assert not re.search(r"style=|\bNone\b|nan", seen.html)
    points = set(re.findall(r'data-stop="\w+ \d{4}: ([\d.]+%)"', html))
    table = html.split("<tbody>")[1].split("</tbody>")[0]
    assert points
    assert points <= set(re.findall(r">([\d.]+%)<", table))


def test_home_of_a_shop_with_old_orders_shows_all_time_and_says_why(alpha: Shop, staff: Client) -> None:
    import datetime as dt

    from tests.screens import story

    with shop_scope(alpha.id):
        story.tell(alpha, last_order_at=dt.datetime(1998, 6, 30, 12, tzinfo=dt.UTC))
    staff.get("/app/start/")  # seen once, it doesn't come before Home again
    seen = see(staff.get("/app/").content.decode())
    assert "Your latest order is from 30 Jun 1998, so Home shows all time instead of the last 30 days." in seen.text
    assert re.search(r"Average order value .*\d\d\d orders", seen.text)


def test_home_shows_an_import_and_renews_itself_until_it_is_done(storied: Shop, staff: Client) -> None:
    run = SyncRun.objects.create(
        shop=storied, phase="orders", orders_done=41220, orders_total=69659, started_at=clock.now(), due_at=clock.now()
    )
    staff.get("/app/start/")
    seen = see(staff.get("/app/").content.decode())
    assert "41,220 of 69,659 orders" in seen.text
    assert "You can leave this page" in seen.text
    assert 'hx-trigger="every 5s"' in seen.html

    with time_machine.travel(clock.now(), tick=False):
        at = int(clock.now().timestamp()) - 10
        part = staff.get(
            f"/app/?seen=31220&at={at}", headers={"HX-Request": "true", "HX-Target": "div#figures"}
        ).content.decode()
    assert "1,000 orders a second" in part
    assert "less than a minute left" in part
    assert "<html" not in part
    assert "<figure" not in part

    run.failing_since = clock.now()
    run.save()
    assert "Shopify couldn't be reached, or asked us to wait." in see(staff.get("/app/").content.decode()).text

    run.phase = "done"
    run.save()
    last = staff.get("/app/", headers={"HX-Request": "true", "HX-Target": "div#figures"}).content.decode()
    assert "every 5s" not in last
    assert "hx-partial" in last
    assert 'id="charts"' in last


def test_what_isnt_there_is_a_page_without_a_shop_too(client: Client, db: None) -> None:
    answer = client.get("/nowhere/")
    assert answer.status_code == 404
    sane(see(answer.content.decode()))


def test_what_broke_says_that_nothing_changed_and_gives_a_reference(
    alpha: Shop, staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retention_app.views.admin.figures.definitions", lambda: 1 / 0)
    staff.raise_request_exception = False
    answer = staff.get("/app/insights/definitions/")
    seen = see(answer.content.decode())
    assert answer.status_code == 500
    assert "Something broke on our side. Nothing was changed." in seen.text
    assert "tell us this reference" in seen.text
    sane(seen)


def test_a_page_repeats_nothing_of_the_platforms_launch(alpha: Shop, staff: Client) -> None:
    html = staff.get(
        "/app/customers/?q=a&id_token=secret1&hmac=secret2&session=secret3&shop=x&locale=en"
    ).content.decode()
    assert "secret" not in html
    assert 'value="/app/customers/?q=a"' in html


def test_a_rate_that_can_only_be_100_says_so(storied: Shop) -> None:
    words = words_for(storied)
    months = [MonthRate(dt.date(2026, month, 1), 80, 80) for month in (9, 10, 11)]
    with shop_scope(storied.id):
        rolling = home.rate_card(months, words, rolling=True)
        everything = home.rate_card(months, words, rolling=False)
    assert re.match(r"No first orders since \w+ \d{4}, so everybody counted here had bought before\.", rolling.only_100)
    assert not everything.only_100
