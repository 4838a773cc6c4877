"""Codes given by staff and bought for points, made in devstore over real HTTP: its log says how often."""

from __future__ import annotations

import datetime as dt
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import time_machine
from django.conf import settings as project
from django.db.models import Sum
from pytest_django import Settings

from config.env import ROOT
from loyalty.holds import hold, undo
from loyalty.models import Entry, Spending
from loyalty.verification import ledger_verify
from retention_app import clock, mirror, tasks
from retention_app.models import Customer, DiscountCode, DomainEvent, Order, Outbound, Shop
from retention_app.offers.codes import discount_code_give
from retention_app.services.install import shop_installed
from retention_app.shopify import reads
from retention_app.shopify.auth import staff_from
from retention_app.shopify.client import Session
from retention_app.tenancy import shop_scope
from tests.loyalty.ground import publish
from tests.stack import CERTIFICATES
from tests.workers import work_off

START_SECONDS_MAX = 60
HTTP = httpx.Client(timeout=30, verify=CERTIFICATES)
ORDERS = """customer,order,processed_at,sku,title,quantity,amount,currency
1,A-1,2026-01-05T10:00:00Z,BEANS,Beans,2,40.00,EUR
"""


@pytest.fixture
def devstore(tmp_path: Path, settings: Settings) -> Iterator[str]:
    """The URL of a devstore with one customer and one order."""
    (tmp_path / "orders.csv").write_text(ORDERS)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "devstore", "--scenario", "csv", "--file", str(tmp_path / "orders.csv")]
    command += ["--port", str(port), "--state", str(tmp_path / "state"), "--app-toml", "shopify.app.toml"]
    command += ["--app-url", project.APP_URL]
    env = {**os.environ, "SHOPIFY_API_KEY": project.SHOPIFY_API_KEY, "SHOPIFY_API_SECRET": project.SHOPIFY_API_SECRET}
    url = f"http://127.0.0.1:{port}"
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log)
    try:
        _wait_for(url, process, tmp_path / "log")
        settings.SHOPIFY_DEVSTORE_URL = url
        yield url
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(httpx.TransportError):
            if HTTP.get(f"{url}/devstore/state", timeout=5).status_code == 200:
                return
        time.sleep(0.1)
    raise TimeoutError(f"devstore did not start: {log.read_text()[-2000:]}")


@pytest.fixture
def installed(devstore: str, db: None) -> Iterator[Shop]:
    """The store with the app installed and its customer in the mirror."""
    HTTP.post(f"{devstore}/devstore/install")  # nobody answers at the app: it is opened by hand
    shop = shop_installed(staff=staff_from(HTTP.get(f"{devstore}/devstore/id-token").json()["id_token"]))
    with shop_scope(shop.id):
        ids = [each["id"] for each in HTTP.get(f"{devstore}/devstore/customers").json()["customers"]]
        rows = reads.read_customers(shop.id, ids)
        mirror.customers_upsert(
            (row for row in rows.values() if row), read_at=clock.now(), origin=DomainEvent.Origin.BACKFILL
        )
        yield shop


def knobs(devstore: str, **values: Any) -> None:
    assert HTTP.post(f"{devstore}/devstore/knobs", json=values).status_code == 200


def made(devstore: str) -> list[str]:
    """The codes that devstore's log says were made, one entry each time."""
    entries = HTTP.get(f"{devstore}/devstore/log", params={"kind": "graphql"}).json()["entries"]
    return [code for entry in entries for code in entry.get("created") or ()]


def worked(shop: Shop) -> None:
    """Turns of a worker until nothing waits, each as much later as the rows want."""
    later = clock.now()
    for _ in range(10):
        with time_machine.travel(later, tick=True):
            tasks.outbound_work(shop_id=shop.id)
        waiting = Outbound.objects.filter(state="waiting").order_by("due_at").first()
        if waiting is None:
            return
        later = max(waiting.due_at, later) + dt.timedelta(seconds=1)
        knobs(project.SHOPIFY_DEVSTORE_URL, timeout_after_work=0, fail=0, throttle=0)
    raise AssertionError("The calls were never made.")


@pytest.mark.parametrize("fault", [{}, {"timeout_after_work": 1}, {"fail": 1}])
def test_code_is_made_once_whatever_becomes_of_the_call(
    installed: Shop, devstore: str, fault: dict[str, float]
) -> None:
    given = discount_code_give(
        shop=installed,
        customer=Customer.objects.get(),
        kind="percentage",
        value=1500,
        days=30,
        actor="1",
        key="a-form-opened-once",
    )
    knobs(devstore, **fault)
    worked(installed)
    assert made(devstore) == [given.code]
    given.refresh_from_db()
    assert (given.state, given.shopify_id is not None) == (DiscountCode.State.ACTIVE, True)
    assert Outbound.objects.get(kind="discount_code").state == Outbound.State.DONE


# --- bought for points ------------------------------------------------------------------------------------------------

TERMS = {"kind": "fixed", "value": 300, "days": 30}
FAULTS = ({"latency_ms": 500}, {"fail": 1}, {"timeout_after_work": 1}, {"timeout_after_work": 1, "hang_ms": 500})


@pytest.fixture
def ana(installed: Shop) -> Customer:
    """The store's customer with the 40 points of their order."""
    publish(installed)
    work_off()
    return Customer.objects.get()


def spend(ana: Customer, key: str = "a-button-pressed-once") -> Spending:
    return hold(customer=ana, points=10, purchase="spending_code", terms=TERMS, key=key)


@pytest.fixture
def ahead() -> Iterator[time_machine.Traveller]:
    """Lets time go on faster."""
    with time_machine.travel(clock.now(), tick=True) as ahead:
        yield ahead


def decided(spending: Spending, devstore: str, ahead: time_machine.Traveller) -> str:
    """The spending's state after turns of all workers until nothing waits; faults are over after the first."""
    for _ in range(10):
        work_off()
        knobs(devstore, timeout_after_work=0, fail=0, latency_ms=0)
        spending.refresh_from_db()
        waiting = Outbound.objects.filter(state="waiting").order_by("due_at").first()
        if waiting is None:
            assert not ledger_verify().findings
            return spending.state
        ahead.move_to(max(waiting.due_at, clock.now()) + dt.timedelta(seconds=1))
    raise AssertionError("The calls were never made.")


def sums() -> dict[str, int]:
    """Points by kind of account."""
    found = Entry.objects.order_by().values_list("account__kind").annotate(Sum("amount"))
    return {kind: points for kind, points in found if points}


def order_at(devstore: str, ana: Customer, spending: Spending) -> httpx.Response:
    """The customer orders with the code."""
    lines = [{"title": "Beans", "price": "20.00", "quantity": 1}]
    body = {"customer_id": ana.shopify_id, "lines": lines, "discount": spending.purpose["code"]}
    return HTTP.post(f"{devstore}/devstore/orders", json=body)


def test_points_buy_one_code_and_are_booked_once_whatever_becomes_of_the_call(
    ana: Customer, devstore: str, ahead: time_machine.Traveller
) -> None:
    bought = []
    for number, fault in enumerate(FAULTS, start=1):
        knobs(devstore, **fault)
        spending = spend(ana, key=f"form-{number}")
        bought.append(spending.purpose["code"])
        assert (decided(spending, devstore, ahead), made(devstore)) == ("redeemed", bought), fault
        assert spend(ana, key=f"form-{number}").id == spending.id
        expected = {"issued": -40, "member": 40 - 10 * number, "redeemed": 10 * number}
        assert (decided(spending, devstore, ahead), made(devstore)) == ("redeemed", bought), fault
        assert sums() == {kind: points for kind, points in expected.items() if points}
    assert spend(ana, key="form-5").state == "refused"
    assert made(devstore) == bought


def test_points_are_back_where_the_code_is_refused_for_good(
    ana: Customer, installed: Shop, devstore: str, ahead: time_machine.Traveller
) -> None:
    spending = spend(ana)
    own = {
        "title": "Summer sale",
        "code": spending.purpose["code"],
        "startsAt": clock.now().isoformat(),
        "context": {"all": "ALL"},
        "customerGets": {"items": {"all": True}, "value": {"percentage": 0.1}},
    }
    Session(installed.id).graphql("DiscountCodeBasicCreate", {"basicCodeDiscount": own})
    knobs(devstore, timeout_after_work=1)
    assert (decided(spending, devstore, ahead), sums()) == ("released", {"issued": -40, "member": 40})
    assert made(devstore) == [own["code"]]  # the merchant's own
    assert Outbound.objects.get(kind="spending_code").state == Outbound.State.SKIPPED


def test_undoing_ends_the_code_and_gives_the_points_back_unless_it_was_used(
    ana: Customer, devstore: str, ahead: time_machine.Traveller
) -> None:
    used = spend(ana)
    assert decided(used, devstore, ahead) == "redeemed"
    assert order_at(devstore, ana, used).is_success  # its webhook finds nobody
    undo(spending=used, key="undo-1", actor="42")
    assert decided(used, devstore, ahead) == "redeemed"
    assert Order.objects.filter(discount_codes__code=used.purpose["code"]).count() == 1
    before = sums()
    assert before["redeemed"] == 10
    for number, fault in enumerate(FAULTS, start=1):
        spending = spend(ana, key=f"form-{number}")
        assert decided(spending, devstore, ahead) == "redeemed"
        knobs(devstore, **fault)
        undo(spending=spending, key="undo-1", actor="42")
        assert (decided(spending, devstore, ahead), sums()) == ("undone", before), fault
        refused = order_at(devstore, ana, spending)
        assert (refused.status_code, "no longer valid" in refused.text) == (422, True), refused.text
