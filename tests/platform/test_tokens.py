"""A shop's tokens: refreshed by one at a time, whole or not at all, on a real database over real HTTP."""

from __future__ import annotations

import datetime as dt
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, connections
from pytest_django import Settings

from retention_app import clock
from retention_app.models import Shop, ShopToken
from retention_app.shopify import tokens
from retention_app.shopify.auth import staff_from
from retention_app.shopify.errors import ShopifyError, ShopUnavailable, StaleIdToken, TransientError, Unauthorized
from retention_app.tenancy import shop_scope
from tests.conftest import id_token
from tests.platform.conftest import Answer, Call, Platform, pair


def expiring(seconds: float, **fields: Any) -> ShopToken:
    """Alpha's token with so long to live."""
    ShopToken.objects.update(expires_at=clock.now() + dt.timedelta(seconds=seconds), **fields)
    return ShopToken.objects.get()


def test_token_with_life_left_is_used_as_it_is(shop: Shop, platform: Platform) -> None:
    assert tokens.access_token(shop.id) == "shpat_alpha"
    assert platform.calls == []


def test_token_about_to_run_out_is_refreshed(shop: Shop, platform: Platform) -> None:
    expiring(299)
    platform.script(pair(2))
    assert tokens.access_token(shop.id) == "shpat_2"
    (call,) = platform.calls
    assert (call.path, call.headers["Host"]) == ("/admin/oauth/access_token", "alpha.myshopify.com")
    assert (call.body["grant_type"], call.body["refresh_token"]) == ("refresh_token", "shprt_alpha")
    row = ShopToken.objects.get()
    assert (row.refresh_token, row.version, row.lease_until) == ("shprt_2", 2, None)
    assert dt.timedelta(minutes=59) < row.expires_at - clock.now() <= dt.timedelta(minutes=60)


def test_tokens_are_stored_encrypted(shop: Shop) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT access_token, refresh_token FROM retention_app_shoptoken")
        raw = str(cursor.fetchall())
    assert "shp" not in raw


def test_tokens_do_not_show_in_reprs(shop: Shop) -> None:
    assert "shpat" not in repr(tokens.access(shop.id))
    assert "shp" not in repr(tokens.Pair("shpat", clock.now(), "shprt", clock.now(), ""))


@pytest.mark.parametrize("seconds", [200, -10])
def test_many_at_once_refresh_once(alpha_for_threads: Shop, platform: Platform, seconds: int) -> None:
    shop = alpha_for_threads
    with shop_scope(shop.id):
        expiring(seconds)
    spent: list[str] = []
    lock = threading.Lock()

    def rotate(call: Call) -> Answer:
        with lock:
            spent.append(call.body["refresh_token"])
        time.sleep(0.3)
        return pair(len(spent) + 1)

    platform.answer = rotate

    def ask(_: int) -> str:
        try:
            return tokens.access_token(shop.id)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(ask, range(8)))
    assert spent == ["shprt_alpha"]
    assert answers <= ({"shpat_2"} if seconds < 0 else {"shpat_2", "shpat_alpha"})
    with shop_scope(shop.id):
        assert ShopToken.objects.get().access_token == "shpat_2"


def test_new_pair_is_committed_before_it_is_used(alpha_for_threads: Shop, platform: Platform) -> None:
    shop = alpha_for_threads
    with shop_scope(shop.id):
        expiring(100)
    platform.script(pair(2))
    token = tokens.access_token(shop.id)

    def stored() -> str:
        try:
            with shop_scope(shop.id):
                return ShopToken.objects.get().access_token
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(stored).result() == token


def test_no_transaction_is_open_while_the_platform_answers(alpha_for_threads: Shop, platform: Platform) -> None:
    """A writer of another process gets through while a refresh is on the way."""
    shop = alpha_for_threads
    with shop_scope(shop.id):
        expiring(100)

    def write_meanwhile(call: Call) -> Answer:
        try:
            Shop.objects.filter(id=shop.id).update(name="Written meanwhile")
        finally:
            connections.close_all()
        return pair(2)

    platform.answer = write_meanwhile
    assert tokens.access_token(shop.id) == "shpat_2"
    shop.refresh_from_db()
    assert shop.name == "Written meanwhile"


def test_lease_of_a_crashed_process_runs_out(shop: Shop, platform: Platform) -> None:
    expiring(-10, lease_until=clock.now() - dt.timedelta(seconds=1))
    platform.script(pair(2))
    assert tokens.access_token(shop.id) == "shpat_2"


def test_living_token_is_used_while_another_process_refreshes(shop: Shop, platform: Platform) -> None:
    expiring(200, lease_until=clock.now() + dt.timedelta(seconds=60))
    assert tokens.access_token(shop.id) == "shpat_alpha"
    assert platform.calls == []


def test_waiting_for_another_process_ends(shop: Shop, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "WAIT_SECONDS", 0.2)
    expiring(-10, lease_until=clock.now() + dt.timedelta(seconds=60))
    with pytest.raises(TransientError):
        tokens.access_token(shop.id)


def test_refresh_that_comes_late_overwrites_nothing(shop: Shop, platform: Platform) -> None:
    row = expiring(100)
    ShopToken.objects.update(version=7)  # meanwhile, by whoever came first
    platform.script(pair(2))
    tokens._refresh(row, usable=True)
    assert ShopToken.objects.get().access_token == "shpat_alpha"


HALF_PAIRS = [
    pair(2, refresh_token=None),
    pair(2, refresh_token=""),
    pair(2, access_token=""),
    pair(2, expires_in=None),
    pair(2, expires_in="soon"),
    pair(2, refresh_token_expires_in=None),
    pair(2, refresh_token_expires_in=5),
    Answer(b"<html>"),
    Answer([]),
    Answer({"error": "odd"}, status=400),
    Answer(status=503),
]


@pytest.mark.parametrize("answer", HALF_PAIRS)
def test_half_a_pair_replaces_nothing(shop: Shop, platform: Platform, answer: Answer) -> None:
    expiring(-10)
    platform.script(answer)
    with pytest.raises(TransientError):
        tokens.access_token(shop.id)
    row = ShopToken.objects.get()
    assert (row.access_token, row.refresh_token, row.version, row.lease_until) == (
        "shpat_alpha",
        "shprt_alpha",
        1,
        None,
    )


def test_living_token_outlives_a_failing_refresh(shop: Shop, platform: Platform) -> None:
    expiring(100)
    platform.script(Answer(status=503))
    assert tokens.access_token(shop.id) == "shpat_alpha"
    asked = len(platform.calls)
    assert tokens.access_token(shop.id) == "shpat_alpha"
    assert len(platform.calls) == asked  # no second attempt at once


def test_dead_refresh_token_needs_the_merchant(shop: Shop, platform: Platform) -> None:
    expiring(-10)
    platform.script(Answer({"error": "invalid_grant"}, status=400))
    with pytest.raises(Unauthorized):
        tokens.access_token(shop.id)
    assert ShopToken.objects.get().refresh_token == ""
    assert not tokens.is_alive()
    with pytest.raises(Unauthorized):
        tokens.access_token(shop.id)
    assert len(platform.calls) == 1


def test_dead_refresh_token_leaves_the_living_access_token(shop: Shop, platform: Platform) -> None:
    expiring(100)
    platform.script(Answer({"error": "invalid_grant"}, status=400))
    assert tokens.access_token(shop.id) == "shpat_alpha"
    assert tokens.is_alive()


@pytest.mark.parametrize("refresh_token", ["shprt_alpha", ""])
def test_rejected_token_that_cannot_be_refreshed_is_over(shop: Shop, platform: Platform, refresh_token: str) -> None:
    expiring(3000, refresh_token=refresh_token)
    platform.script(Answer({"error": "invalid_grant"}, status=400))
    with pytest.raises(Unauthorized):
        tokens.access(shop.id, rejected="shpat_alpha")
    assert not tokens.is_alive()


def test_refresh_token_past_its_days_is_not_tried(shop: Shop, platform: Platform) -> None:
    expiring(-10, refresh_expires_at=clock.now() - dt.timedelta(seconds=1))
    with pytest.raises(Unauthorized):
        tokens.access_token(shop.id)
    assert platform.calls == []


def test_refused_client_is_unauthorized(shop: Shop, platform: Platform) -> None:
    expiring(-10)
    platform.script(Answer({"error": "invalid_client"}, status=401))
    with pytest.raises(Unauthorized):
        tokens.access_token(shop.id)
    assert ShopToken.objects.get().refresh_token == "shprt_alpha"


def test_unreachable_platform_is_transient(shop: Shop, settings: Settings) -> None:
    settings.SHOPIFY_DEVSTORE_URL = "http://127.0.0.1:1"
    expiring(-10)
    with pytest.raises(TransientError):
        tokens.access_token(shop.id)


def test_shop_without_tokens_or_uninstalled_is_unavailable(shop: Shop) -> None:
    Shop.objects.update(state=Shop.State.UNINSTALLED)
    with pytest.raises(ShopUnavailable):
        tokens.access(shop.id)
    ShopToken.objects.all().delete()
    with pytest.raises(ShopUnavailable):
        tokens.access(shop.id)


@pytest.mark.parametrize(("days", "calls"), [(6, 0), (8, 1)])
def test_idle_pair_is_kept_alive(shop: Shop, platform: Platform, days: int, calls: int) -> None:
    expiring(-days * 86400)
    platform.script(pair(2))
    tokens.keep_alive(shop.id)
    assert len(platform.calls) == calls


def test_keeping_a_dead_pair_alive_is_not_tried(shop: Shop, platform: Platform) -> None:
    expiring(-8 * 86400, refresh_token="")
    tokens.keep_alive(shop.id)
    assert platform.calls == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer({"error": "invalid_subject_token"}, status=400), StaleIdToken),
        (Answer({"error": "invalid_client"}, status=401), Unauthorized),
        (Answer({"error": "odd"}, status=400), TransientError),
        (Answer(b"<html>"), TransientError),
        (pair(expires_in=None), TransientError),
        (pair(refresh_token=None), TransientError),
    ],
)
def test_refused_exchange_has_a_type(platform: Platform, answer: Answer, error: type[ShopifyError]) -> None:
    platform.script(answer)
    with pytest.raises(error):
        tokens.exchange(staff_from(id_token(Shop(domain="alpha.myshopify.com"))).details)


def test_exchange_asks_for_an_expiring_offline_token(platform: Platform) -> None:
    platform.script(pair())
    token = id_token(Shop(domain="alpha.myshopify.com"))
    assert tokens.exchange(staff_from(token).details).access_token == "shpat_1"
    body = platform.calls[0].body
    assert (body["subject_token"], body["expiring"]) == (token, 1)
    assert body["requested_token_type"].endswith("offline-access-token")
