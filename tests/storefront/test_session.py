"""`GET /proxy/v1/session`: who is told what."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
import time_machine
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from loyalty.api import VisitorThrottle
from loyalty.ledger import members_bring_up_to_date
from loyalty.programme import draft_save, programme_publish
from retention_app import clock, mirror
from retention_app.models import Customer, DomainEvent, Shop
from retention_app.tenancy import shop_scope
from tests.orders import customer_row, line_row, order_row, refund_row

ANA, OTHER = 8101, 8102
NOTHING_COMES: dict[str, Any] = {"debt": 0, "pending": [], "expiring": [], "tier": None}
Ask = Callable[..., HttpResponse]


@pytest.fixture(autouse=True)
def _fresh_throttles() -> None:
    cache.clear()


@pytest.fixture
def ask(client: Client) -> Ask:
    """Asks as the app proxy does: the platform signs shop and customer, the browser adds what it likes."""

    def ask(shop: Shop, logged_in: int | None = None, secret: str | None = None, **browser: Any) -> HttpResponse:
        signed = {
            **browser,
            "shop": shop.domain,
            "logged_in_customer_id": str(logged_in or ""),
            "path_prefix": "/apps/encore",
            "timestamp": str(int(clock.now().timestamp())),
        }
        message = "".join(f"{name}={signed[name]}" for name in sorted(signed))
        key = (secret or settings.SHOPIFY_API_SECRET).encode()
        signature = hmac.new(key, message.encode(), hashlib.sha256).hexdigest()
        return client.get(f"/proxy/v1/session?{urlencode({**signed, 'signature': signature})}")

    return ask


def publish(shop: Shop, points: int = 1) -> None:
    document = {"earn": {"points": points, "per_minor": 100}, "worth": {"points": 100, "minor": 500}}
    with shop_scope(shop.id):
        draft_save(shop.id, document, "1")
        programme_publish(shop.id, "1", "all")


def buy(shop: Shop, *orders: dict[str, Any]) -> None:
    """Orders reach the mirror and their customers are brought up to date."""
    live = DomainEvent.Origin.LIVE
    with shop_scope(shop.id):
        mirror.customers_upsert(
            [customer_row(ANA, first_name="Ana"), customer_row(OTHER)], read_at=clock.now(), origin=live
        )
        mirror.orders_upsert(
            [{**order, "currency": shop.currency} for order in orders], read_at=clock.now(), origin=live
        )
        members_bring_up_to_date(Customer.objects.values_list("id", flat=True))


def test_nothing_to_show_without_a_programme(alpha: Shop, ask: Ask) -> None:
    answer = ask(alpha)
    assert answer.status_code == 200
    assert answer.json() == {"shop": {"name": "Alpha", "currency": "USD"}, "programme": None, "member": None}


def test_anonymous_visitor_reads_the_rules_and_nobodys_points(beta: Shop, ask: Ask) -> None:
    publish(beta)
    buy(beta, order_row(1042, ANA, 10_800))
    assert ask(beta).json() == {
        "shop": {"name": "Beta", "currency": "BRL"},
        "programme": {
            "version": 1,
            "name": "Beta Rewards",
            "earn": {"points": 1, "per": "R$1.00"},
            "worth": {"points": 100, "amount": "R$5.00"},
        },
        "member": None,
    }


def test_customer_reads_their_points_with_the_reason(beta: Shop, ask: Ask) -> None:
    with time_machine.travel(dt.datetime(2026, 11, 20, 17, 2, tzinfo=dt.UTC), tick=False):
        publish(beta, points=3)
        buy(beta, order_row(1042, ANA, 3600, processed_at=dt.datetime(2026, 11, 20, 1, 2, tzinfo=dt.UTC)))
        member = ask(beta, ANA).json()["member"]
    (entry,) = member.pop("entries")
    assert member == {"first_name": "Ana", "points": 108, "worth": "R$5.40", **NOTHING_COMES}
    assert (entry["at"], entry["when"], entry["points"]) == ("2026-11-20T01:02:00Z", "19 Nov", 108)
    assert entry["what"] == "Order #1042"
    assert "36.00 × 3 points per R$1.00 = 108" in entry["why"][0]


def test_refund_appears_as_an_entry_of_its_own(alpha: Shop, ask: Ask) -> None:
    publish(alpha)
    line = line_row(10_420, 3500, current_quantity=0)
    buy(alpha, order_row(1042, ANA, lines=[line], refunds=[refund_row(7, 2000, [(10_420, 1, 3500)])]))
    member = ask(alpha, ANA).json()["member"]
    assert member["points"] == 0
    assert [entry["points"] for entry in member["entries"]] == [-35, 35]
    assert member["entries"][0]["what"] == "Return from order #1042"


def test_traditional_chinese_is_spoken(alpha: Shop, ask: Ask) -> None:
    publish(alpha)
    buy(alpha, order_row(1042, ANA, 3600))
    answer = ask(alpha, ANA, locale="zh-Hant")
    entry = answer.json()["member"]["entries"][0]
    assert answer.json()["programme"]["name"] == "Alpha 會員計畫"
    assert answer.headers["Content-Language"].lower() == "zh-hant"
    assert "月" in entry["when"]
    assert "Order" not in entry["what"]


def test_unknown_language_is_answered_in_english(alpha: Shop, ask: Ask) -> None:
    publish(alpha)
    assert ask(alpha, locale="xx").json()["programme"]["name"] == "Alpha Rewards"


def test_customer_the_mirror_does_not_know_yet_has_no_points(alpha: Shop, ask: Ask) -> None:
    publish(alpha)
    member = ask(alpha, 999).json()["member"]
    assert member == {"first_name": None, "points": 0, "worth": "$0.00", "entries": [], **NOTHING_COMES}


def test_withheld_name_is_null(alpha: Shop, ask: Ask) -> None:
    publish(alpha)
    buy(alpha)
    with shop_scope(alpha.id):
        Customer.objects.filter(shopify_id=ANA).update(first_name="")
    assert ask(alpha, ANA).json()["member"]["first_name"] is None


def test_what_the_browser_says_about_itself_is_not_believed(alpha: Shop, ask: Ask) -> None:
    publish(alpha)
    buy(alpha, order_row(1042, ANA, 3600))
    for claim in ({"customer_id": ANA}, {"customer": ANA}, {"member": ANA}):
        assert ask(alpha, **claim).json()["member"] is None


def test_customer_of_another_shop_is_nobody_here(alpha: Shop, beta: Shop, ask: Ask) -> None:
    for shop in (alpha, beta):
        publish(shop)
    buy(beta, order_row(1042, ANA, 3600))
    assert ask(alpha, ANA).json()["member"]["points"] == 0


def test_wrong_secret_is_refused(alpha: Shop, ask: Ask) -> None:
    publish(alpha)
    assert ask(alpha, ANA, secret="somebody-elses").status_code == 401


def test_uninstalled_shop_is_not_served(gone: Shop, ask: Ask) -> None:
    assert ask(gone, ANA).status_code == 404


def test_answers_are_kept_nowhere(alpha: Shop, ask: Ask) -> None:
    for answer in (ask(alpha), ask(alpha, ANA), ask(alpha, secret="wrong")):
        assert answer.headers["Cache-Control"] == "private, no-store"


def test_only_get_is_answered(client: Client, alpha: Shop, ask: Ask) -> None:
    query = ask(alpha).wsgi_request.META["QUERY_STRING"]
    assert client.post(f"/proxy/v1/session?{query}").status_code == 405


def test_too_many_questions_are_refused_per_visitor(
    alpha: Shop, beta: Shop, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(VisitorThrottle, "rate", "2/min")
    for _ in range(2):
        assert ask(alpha, ANA).status_code == 200
    refused = ask(alpha, ANA)
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["Cache-Control"] == "private, no-store"
    assert [ask(alpha, OTHER).status_code, ask(alpha).status_code, ask(beta, ANA).status_code] == [200, 200, 200]


def test_throttle_remembers_no_customer_and_no_address(alpha: Shop, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[str] = []
    usual = cache.set

    def spy(key: str, value: Any, *args: Any, **options: Any) -> Any:
        kept.append(f"{key} {value}")
        return usual(key, value, *args, **options)

    monkeypatch.setattr(VisitorThrottle.cache, "set", spy)
    ask(alpha, ANA)
    ask(alpha)
    assert len(kept) == 2
    assert not [line for line in kept if str(ANA) in line.split()[0].split(":")[-1] or "127.0.0.1" in line]


def test_queries_do_not_grow_with_the_history(alpha: Shop, ask: Ask) -> None:
    publish(alpha)
    buy(alpha, *(order_row(n, ANA, 1000 * n) for n in range(1, 30)))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert len(ask(alpha, ANA).json()["member"]["entries"]) == 10
    asked = [query["sql"] for query in queries if "set_config" not in query["sql"]]
    assert len([sql for sql in asked if sql.startswith("SELECT")]) <= 10
