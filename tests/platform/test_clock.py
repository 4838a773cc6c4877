"""The clock that is followed outside production, devstore's: what follows it, and what stays with the system's."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
import time
from typing import Any

import pytest
from pytest_django import Settings

from config.env import ROOT
from retention_app import clock, work
from retention_app.models import DomainEvent, EventRun, Shop, ShopToken
from retention_app.shopify import bucket, tokens
from retention_app.shopify.auth import staff_from
from retention_app.shopify.signature import proxy_caller
from tests.conftest import id_token
from tests.platform.conftest import Answer, Call, Platform, cost, pair
from tests.platform.test_signature import signed_proxy

FORTNIGHT_SECONDS = 14 * 86_400
FOLLOWED_SECONDS_MAX = 5


class Devstore:
    """Says how far its clock is ahead, and gives out tokens; `says` replaces what it says of its clock."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.says: Any = {"offset": 0}
        platform.answer = self.answer

    def answer(self, call: Call) -> Answer:
        if call.path != "/devstore/clock":
            return pair(2)
        return self.says if isinstance(self.says, Answer) else Answer(self.says)

    def turn(self, seconds: float) -> None:
        """Turn the clock and wait until it was asked twice."""
        self.says = {"offset": seconds}
        self.asked()

    def asked(self) -> None:
        wanted = len(self.platform.calls) + 2
        deadline = time.monotonic() + FOLLOWED_SECONDS_MAX
        while len(self.platform.calls) < wanted and time.monotonic() < deadline:
            time.sleep(0.005)


@pytest.fixture
def devstore(platform: Platform, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Devstore:
    """A clock that we follow, as far as the system's to begin with."""
    monkeypatch.setattr(clock, "ASKED_EVERY_SECONDS", 0.01)
    settings.CLOCK_URL = f"{platform.url}/devstore/clock"
    devstore = Devstore(platform)
    assert ahead() == 0
    return devstore


def ahead() -> int:
    return round((clock.now() - clock.system_now()).total_seconds())


def test_now_follows_a_clock_that_is_turned_forward(devstore: Devstore) -> None:
    devstore.turn(FORTNIGHT_SECONDS)
    assert ahead() == FORTNIGHT_SECONDS
    devstore.turn(2 * FORTNIGHT_SECONDS + 0.25)
    assert ahead() == 2 * FORTNIGHT_SECONDS


def test_a_process_begins_where_the_clock_is_and_asks_in_the_background(platform: Platform, settings: Settings) -> None:
    Devstore(platform).says = {"offset": -3600}
    settings.CLOCK_URL = f"{platform.url}/devstore/clock"
    assert {ahead() for _ in range(1000)} == {-3600}
    assert len(platform.calls) == 1


def test_the_first_look_takes_time_that_now_knows_of(platform: Platform, settings: Settings) -> None:
    devstore = Devstore(platform)

    def slowly(call: Call) -> Answer:
        time.sleep(0.7)
        return devstore.answer(call)

    platform.answer = slowly
    settings.CLOCK_URL = f"{platform.url}/devstore/clock"
    assert ahead() == 0


def test_time_never_goes_backwards_in_a_process(devstore: Devstore) -> None:
    devstore.turn(FORTNIGHT_SECONDS)
    before = clock.now()
    devstore.turn(0)
    assert clock.now() >= before
    devstore.turn(-FORTNIGHT_SECONDS)
    assert ahead() == FORTNIGHT_SECONDS


@pytest.mark.parametrize(
    "said",
    [
        Answer({"error": "busy"}, status=503),
        Answer(b"<html>"),
        Answer([]),
        Answer({"offset": None}),
        Answer({"offset": "1e400"}),
        Answer(b'{"offset": 1e400}'),
        Answer(b'{"offset": NaN}'),
    ],
)
def test_an_answer_that_says_no_time_changes_nothing(devstore: Devstore, said: Answer) -> None:
    devstore.turn(FORTNIGHT_SECONDS)
    devstore.says = said
    devstore.asked()
    assert ahead() == FORTNIGHT_SECONDS
    devstore.turn(FORTNIGHT_SECONDS + 60)
    assert ahead() == FORTNIGHT_SECONDS + 60


def test_a_devstore_that_is_gone_changes_nothing(devstore: Devstore) -> None:
    devstore.turn(FORTNIGHT_SECONDS)
    devstore.platform.close()
    time.sleep(0.1)
    assert ahead() == FORTNIGHT_SECONDS


def test_without_devstore_it_is_the_systems_time(settings: Settings) -> None:
    settings.CLOCK_URL = "http://127.0.0.1:1/devstore/clock"
    assert ahead() == 0


def test_a_leap_takes_no_work_out_of_a_workers_hand(devstore: Devstore, shop: Shop) -> None:
    now = clock.now()
    event = DomainEvent.objects.create(
        shop=shop, type="order.placed", key="a", origin="live", occurred_at=now, recorded_at=now
    )
    for days in (0, 7):
        due_at = now + dt.timedelta(days=days)
        EventRun.objects.create(shop_id=shop.id, event=event, consumer=f"after {days} days", due_at=due_at)
    (held,) = work.claim(EventRun, shop_id=shop.id, limit=9)
    devstore.turn(FORTNIGHT_SECONDS)
    (due,) = work.claim(EventRun, shop_id=shop.id, limit=9)
    assert (held.consumer, due.consumer) == ("after 0 days", "after 7 days")
    assert work.done([held, due]) == 2


def test_access_tokens_live_by_the_clock_that_is_followed(devstore: Devstore, shop: Shop) -> None:
    assert tokens.access_token(shop.id) == "shpat_alpha"
    devstore.turn(FORTNIGHT_SECONDS)
    assert tokens.access_token(shop.id) == "shpat_2"
    assert ShopToken.objects.get().expires_at > clock.now() + dt.timedelta(minutes=59)


def test_who_proves_themselves_does_it_by_the_systems_time(devstore: Devstore, alpha: Shop) -> None:
    devstore.turn(FORTNIGHT_SECONDS)
    assert staff_from(id_token(alpha)).shop_domain == alpha.domain
    signed_at = str(int(clock.system_now().timestamp()))
    assert proxy_caller(signed_proxy(shop=alpha.domain, timestamp=signed_at))


def test_throttles_refill_by_the_systems_time(devstore: Devstore, platform: Platform) -> None:
    bucket.learn("alpha.myshopify.com", "OrdersByIds", cost(requested=1000, available=0, rate=100)["cost"])
    devstore.turn(FORTNIGHT_SECONDS)
    assert bucket.seconds_until("alpha.myshopify.com", "OrdersByIds") > 5


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("base", "http://127.0.0.1:8700/devstore/clock\n"),
        ("production", "Encore can't start: SHOPIFY_DEVSTORE_URL is set in production"),
    ],
)
def test_only_outside_production_a_clock_is_followed(module: str, said: str) -> None:
    env = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": f"config.settings.{module}",
        "SHOPIFY_DEVSTORE_URL": "http://127.0.0.1:8700",
        "PRIVACY_PEPPER": "a-pepper",
        "DATABASE_URL": "postgresql://encore_app:password@db:5432/encore",
        "APP_URL": "https://encore.example.com",
    }
    command = [sys.executable, "-c", f"from config.settings import {module}; print({module}.CLOCK_URL)"]
    ran = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True)
    assert (ran.stdout + ran.stderr).startswith(said)
