"""A code given by staff, made in devstore over real HTTP: its log says how often."""

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
from pytest_django import Settings

from config.env import ROOT
from retention_app import clock, mirror, tasks
from retention_app.models import Customer, DiscountCode, DomainEvent, Outbound, Shop
from retention_app.offers.codes import discount_code_give
from retention_app.services.install import shop_installed
from retention_app.shopify import reads
from retention_app.shopify.auth import staff_from
from retention_app.tenancy import shop_scope

START_SECONDS_MAX = 60
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
            if httpx.get(f"{url}/devstore/state", timeout=5).status_code == 200:
                return
        time.sleep(0.1)
    raise TimeoutError(f"devstore did not start: {log.read_text()[-2000:]}")


@pytest.fixture
def installed(devstore: str, db: None) -> Iterator[Shop]:
    """The store with the app installed and its customer in the mirror."""
    httpx.post(f"{devstore}/devstore/install", timeout=30)  # nobody answers at the app: it is opened by hand
    shop = shop_installed(staff=staff_from(httpx.get(f"{devstore}/devstore/id-token").json()["id_token"]))
    with shop_scope(shop.id):
        ids = [each["id"] for each in httpx.get(f"{devstore}/devstore/customers").json()["customers"]]
        rows = reads.read_customers(shop.id, ids)
        mirror.customers_upsert(
            (row for row in rows.values() if row), read_at=clock.now(), origin=DomainEvent.Origin.BACKFILL
        )
        yield shop


def knobs(devstore: str, **values: Any) -> None:
    assert httpx.post(f"{devstore}/devstore/knobs", json=values).status_code == 200


def made(devstore: str) -> list[str]:
    """The codes that devstore's log says were made, one entry each time."""
    entries = httpx.get(f"{devstore}/devstore/log", params={"kind": "graphql"}).json()["entries"]
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
