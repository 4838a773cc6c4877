"""A data request becomes a file that the shop's staff can fetch for a while, and nobody else ever."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client

from retention_app import clock
from retention_app.doors import LINK_SECONDS, link_to
from retention_app.models import AuditEntry, DiscountCode, PrivacyExport, PrivacyRequest, Shop
from retention_app.models.mirror import Customer
from retention_app.privacy import retention
from retention_app.tenancy import shop_scope
from tests.conftest import make_shop
from tests.privacy.conftest import CUSTOMER, EMAIL, OTHER, Store, an_order, asks, deliver
from tests.screens.browser import browser_page
from tests.screens.conftest import sane, see

Ask = Callable[..., PrivacyRequest]
Merchant = Callable[[Shop], Client]
ASK = "customers/data_request"


def file_of(shop: Shop) -> dict:
    with shop_scope(shop.id):
        return json.loads(PrivacyExport.objects.get().content)


def test_the_file_has_everything_we_hold(told: Shop, ask: Ask) -> None:
    now = clock.now()
    with shop_scope(told.id):
        DiscountCode.objects.create(
            shop=told,
            customer=Customer.objects.get(shopify_id=CUSTOMER),
            code="ENC-1",
            kind="fixed",
            value=500,
            currency="USD",
            expires_at=now,
            given_by="42",
            given_at=now,
            note="thank you",
        )
    request = ask(ASK, told)
    assert (request.state, request.customer_shopify_id) == ("done", None)
    assert request.deadline_at - request.received_at == dt.timedelta(days=30)
    content = file_of(told)
    (customer,) = content["customers"]
    assert (customer["shopify_id"], customer["first_name"], customer["email"]) == (CUSTOMER, "Zebulonia", EMAIL)
    assert [order["name"] for order in content["orders"]] == ["#6001", "#6002"]
    assert content["orders"][0]["lines"][0]["net_minor"] == 5000
    assert content["orders"][1]["refunds"][0]["total_minor"] == 5000
    assert content["discount_codes"][0]["note"] == "thank you"
    (account,) = content["loyalty"]
    assert (account["customer"], account["points"]) == (CUSTOMER, 50)
    assert account["entries"][0]["why"]
    assert "Otto" not in json.dumps(content)


def test_the_file_is_encrypted_where_it_lies(told: Shop, ask: Ask) -> None:
    ask(ASK, told)
    with shop_scope(told.id), connection.cursor() as cursor:
        cursor.execute("SELECT content FROM retention_app_privacyexport")
        assert "Zebulonia" not in str(cursor.fetchall())


def test_told_twice_is_one_file(told: Shop, work_off: Callable[[], None]) -> None:
    delivery = deliver(ASK, asks(ASK, told))
    work_off()
    first = file_of(told)
    PrivacyRequest.objects.update(state="waiting", customer_shopify_id=CUSTOMER)  # as a worker killed too late
    work_off()
    assert PrivacyRequest.objects.get().key == delivery.webhook_id
    assert file_of(told)["orders"] == first["orders"]


def test_orders_without_an_account_are_found_by_the_request(
    told: Shop, store: Store, ask: Ask, work_off: Callable[[], None]
) -> None:
    store.add({**an_order(6009), "customer": None})
    deliver("orders/paid", {"id": 6009})
    work_off()
    ask(ASK, told, customer={"id": 77, "email": "guest@mail.example"}, orders_requested=[6009, 6001, "x", None])
    content = file_of(told)
    assert content["customers"] == []
    assert [order["name"] for order in content["orders"]] == ["#6009"]  # 6001 is somebody's


@pytest.mark.parametrize("erased", [False, True])
def test_of_whom_we_know_nothing_there_is_no_file(told: Shop, ask: Ask, erased: bool) -> None:
    if erased:
        ask("customers/redact", told)
    request = ask(ASK, told, customer={"id": CUSTOMER if erased else 77}, orders_requested=[])
    assert (request.state, request.proof) == ("done", {"customers": 0, "orders": 0})
    with shop_scope(told.id):
        assert not PrivacyExport.objects.exists()


def test_an_uninstalled_shop_is_answered_and_fetches_nothing(told: Shop, ask: Ask, merchant: Merchant) -> None:
    Shop.objects.filter(id=told.id).update(state=Shop.State.UNINSTALLED)
    request = ask(ASK, told)
    assert request.state == "done"
    assert merchant(told).post(f"/app/settings/privacy/{request.id}/download/").status_code == 401
    assert Client().get(link_to(told, f"/app/settings/privacy/{request.id}/file/")).status_code == 404


# --- fetching it ------------------------------------------------------------------------------------------------------


@pytest.fixture
def request_id(told: Shop, ask: Ask) -> int:
    return ask(ASK, told).id


def test_staff_fetch_the_file_and_it_is_noted_down(told: Shop, request_id: int, merchant: Merchant) -> None:
    sent = merchant(told).post(f"/app/settings/privacy/{request_id}/download/", headers={"HX-Request": "true"})
    answer = Client().get(sent["HX-Redirect"])  # the navigation carries no token
    assert answer.json()["customers"][0]["email"] == EMAIL
    assert answer["Content-Disposition"] == f'attachment; filename="customer-data-{request_id}.json"'
    assert answer["Cache-Control"] == "private, no-store"
    with shop_scope(told.id):
        entry = AuditEntry.objects.get(code="privacy.export.downloaded")
        assert (entry.actor, entry.data) == ("42", {"request": request_id})
        assert PrivacyExport.objects.get().downloaded_at is not None


def test_without_script_the_browser_is_redirected(told: Shop, request_id: int, merchant: Merchant) -> None:
    sent = merchant(told).post(f"/app/settings/privacy/{request_id}/download/")
    assert sent.status_code == 303
    assert Client().get(sent["Location"]).status_code == 200


def test_a_stranger_gets_no_link_and_opens_none(told: Shop, beta: Shop, request_id: int, merchant: Merchant) -> None:
    path = f"/app/settings/privacy/{request_id}/file/"
    assert merchant(beta).post(f"/app/settings/privacy/{request_id}/download/").status_code == 404
    assert merchant(beta).get(path).status_code == 404
    assert Client().get(link_to(beta, path)).status_code == 404
    signed = link_to(told, "/app/settings/privacy/999/file/").partition("?")[2]
    for query in ("", "signed=", "signed=x:y:z", signed):
        assert Client().get(f"{path}?{query}").status_code == 404
    assert Client().post(link_to(told, path)).status_code == 405


def test_a_link_lives_a_minute(told: Shop, request_id: int) -> None:
    link = link_to(told, f"/app/settings/privacy/{request_id}/file/")
    with time_machine.travel(clock.now() + dt.timedelta(seconds=LINK_SECONDS - 5)):
        assert Client().get(link).status_code == 200
    with time_machine.travel(clock.now() + dt.timedelta(seconds=LINK_SECONDS + 1)):
        assert Client().get(link).status_code == 404


def test_a_file_lives_thirty_days(told: Shop, request_id: int, merchant: Merchant) -> None:
    with time_machine.travel(clock.now() + dt.timedelta(days=30, minutes=1)):
        assert merchant(told).post(f"/app/settings/privacy/{request_id}/download/").status_code == 404
        assert retention.retention_enforce()["exports"] == 1
        page = see(merchant(told).get("/app/settings/privacy/").content.decode())
        assert "The file was deleted after 30 days." in page.text


def test_in_a_browser_the_download_keeps_the_page(transactional_db: None, live_server: Any) -> None:
    now = clock.now()
    shop = make_shop("download")
    with shop_scope(shop.id):
        request = PrivacyRequest.objects.create(
            shop=shop, kind="data_request", state="done", key="k", received_at=now, deadline_at=now, due_at=now
        )
        PrivacyExport.objects.create(
            shop=shop,
            request=request,
            created_at=now,
            expires_at=now + dt.timedelta(days=1),
            content='{"customers": []}',
        )
    with browser_page(live_server.url, shop, framed=True) as (page, faults):
        page.goto(f"{live_server.url}/app/settings/privacy/")
        with page.expect_download() as download:
            page.get_by_role("button", name="Download").click()
        assert Path(download.value.path()).read_text() == '{"customers": []}'
        assert page.url == f"{live_server.url}/app/settings/privacy/"
        assert page.locator("h1").text_content() == "Privacy"
        assert not faults


# --- the screens ------------------------------------------------------------------------------------------------------


def test_the_screen_tells_what_was_asked_and_what_came_of_it(
    told: Shop, ask: Ask, merchant: Merchant, work_off: Callable[[], None]
) -> None:
    ask(ASK, told)
    ask("customers/redact", told, customer={"id": OTHER})
    ask(ASK, told, customer={"id": 77}, orders_requested=[])
    now = clock.now()
    for state, days in (("waiting", 9.5), ("dead", 1.5)):
        PrivacyRequest.objects.create(
            shop=told,
            kind="customer_redact",
            key=state,
            state=state,
            customer_shopify_id=1,
            received_at=now,
            deadline_at=now + dt.timedelta(days=days),
            due_at=now + dt.timedelta(days=1),
        )
    seen = see(merchant(told).get("/app/settings/privacy/").content.decode())
    sane(seen)
    for words in (
        "A customer asked for their data: Zebulonia Quaxby done",
        "Fetch the file by",
        "A customer asked to be erased done",
        "Erased. Orders and points stay without a name.",
        "Encore holds nothing about this customer.",
        "9 days left",
        "delayed",
        "1 day left",
    ):
        assert words in seen.text, words
    assert seen.html.count("Download the data of Zebulonia Quaxby") == 1
    assert "2 open requests" in see(merchant(told).get("/app/settings/").content.decode()).text


def test_the_screens_of_a_shop_nobody_asked_teach(alpha: Shop, merchant: Merchant) -> None:
    seen = see(merchant(alpha).get("/app/settings/privacy/").content.decode())
    sane(seen)
    assert "you see it here" in seen.text
    settings = see(merchant(alpha).get("/app/settings/").content.decode())
    sane(settings)
    assert "No open request" in settings.text
