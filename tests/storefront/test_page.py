"""The full page through the app proxy: Liquid for the shop's own theme."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.cache import cache
from django.http import HttpResponse
from django.test import Client
from liquid import Environment

from retention_app import clock
from retention_app.models import Customer, Shop
from retention_app.tenancy import shop_scope
from tests.orders import order_row
from tests.storefront.test_proxy import TIERS
from tests.storefront.test_session import ANA, buy, publish
from tests.visits import signed


def get(shop: Shop, who: int | None = None, /, **query: Any) -> HttpResponse:
    answer = Client().get("/proxy/", signed(shop, who, **{"locale": "en", **query}))
    assert answer.headers["Cache-Control"] == "private, no-store"
    return answer  # type: ignore[return-value]


def drawn(answer: HttpResponse) -> str:
    """As the theme draws it."""
    routes = {"storefront_login_url": None, "account_login_url": "/login", "account_register_url": "/register"}
    page = Environment().from_string(answer.content.decode())
    theme = {"routes": routes, "request": {"locale": {"iso_code": "pt-BR"}}, "shop": {"name": "Alpha"}}
    return page.render(**theme, secret="SECRET")


def test_the_anonymous_see_the_programme_and_how_to_sign_in(alpha: Shop) -> None:
    publish(alpha, tiers=TIERS)
    answer = get(alpha)
    assert answer.headers["Content-Type"] == "application/liquid; charset=utf-8"
    html = drawn(answer)
    for text in ("Alpha Rewards", "Points on every order", "100 points = $5.00", "Silver", "Your orders count 1.5×"):
        assert text in html
    assert re.findall(r'href="(/[^"]*)"', html) == ["/login", "/register"]
    style = re.findall(r'stylesheet" href="([^"]+)"', html)[0].removeprefix(settings.APP_URL)
    assert finders.find(style.removeprefix("/static/"))
    assert "History" not in html


def test_who_is_signed_in_but_not_known_yet_is_not_asked_to_sign_in(alpha: Shop) -> None:
    publish(alpha)
    html = drawn(get(alpha, 999))
    assert "Alpha Rewards" in html
    assert "<a " not in html


def test_a_member_reads_everything_without_a_script(alpha: Shop) -> None:
    publish(alpha, tiers=TIERS, waiting={"days": 14, "after": "payment"})
    buy(alpha, order_row(1042, ANA, 10_800, processed_at=clock.now()))
    html = drawn(get(alpha, ANA))
    for text in ("Hello Ana", "0 points", "108 more from", "Order #1042"):
        assert text in html
    assert "+108" in html
    assert re.search(r"<details>\s*<summary>Why 108\?</summary>\s*<p dir=\"auto\">108.00", html)
    assert "<script" not in html
    assert "Sign in" not in html
    assert re.search(r"<strong>Silver</strong>\s*<span class=\"encore-muted\">your tier</span>", html)


def test_the_whole_history_is_a_page_after_the_other(alpha: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loyalty.visits.ENTRIES_A_PAGE", 3)
    publish(alpha)
    buy(alpha, *(order_row(1000 + number, ANA, 100 * number) for number in range(1, 9)))
    found, query = [], {}
    while True:
        html = drawn(get(alpha, ANA, **query))
        found += re.findall(r"Order #(\d+)", html)
        following = re.search(r'rel="next" href="\?locale=en&amp;before=(\d+)"', html)
        if not following:
            break
        query = {"before": following[1]}
    assert found == [str(1000 + number) for number in range(8, 0, -1)]
    assert 'href="?locale=en"' in html


@pytest.mark.parametrize(
    "name", ["{{ secret }}", "{% assign x = 1 %}", "{{{ secret }}}", "<b>{{secret}}</b>", "{%raw%}"]
)
def test_what_people_are_called_is_never_liquid_nor_markup(alpha: Shop, name: str) -> None:
    publish(alpha)
    buy(alpha, order_row(1042, ANA, 3600))
    with shop_scope(alpha.id):
        Customer.objects.filter(shopify_id=ANA).update(first_name=name)
    html = drawn(get(alpha, ANA, locale="en"))
    assert "SECRET" not in html
    assert name.replace("<", "&lt;").replace(">", "&gt;").replace("{", "&#123;") in html


@pytest.mark.parametrize("locale", ["zh-CN", "zh-TW", "pt-BR", "es"])
def test_every_language_is_spoken(alpha: Shop, locale: str) -> None:
    publish(alpha)
    html = drawn(get(alpha, locale=locale))
    said = {"zh-CN": "如何获得积分", "zh-TW": "如何獲得點數", "pt-BR": "Como ganhar", "es": "Cómo ganar"}
    assert said[locale] in html


def test_the_theme_is_asked_for_its_language_first(alpha: Shop) -> None:
    publish(alpha)
    answer = Client().get("/proxy", signed(alpha))
    html = drawn(answer)  # type: ignore[arg-type]
    assert re.findall(r'(?:url=|href=")(\?[^"]*)"', html) == ["?locale=pt-BR"] * 2


def test_there_is_no_page_without_a_programme_or_while_staff_show_nothing(alpha: Shop) -> None:
    assert get(alpha).status_code == 404
    publish(alpha)
    assert get(alpha).status_code == 200
    Shop.objects.filter(id=alpha.id).update(storefront_off_at=clock.now())
    assert get(alpha).status_code == 404


def test_only_the_proxy_reads_it_and_not_too_often(alpha: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.clear()
    publish(alpha)
    assert Client().get("/proxy/", {**signed(alpha, ANA), "logged_in_customer_id": "1"}).status_code == 401
    assert Client().post("/proxy/").status_code == 401
    monkeypatch.setattr("loyalty.visits.VisitorThrottle.rate", "1/min")
    assert get(alpha, ANA).status_code == 200
    refused = get(alpha, ANA)
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 60


def test_the_page_takes_a_fixed_number_of_queries(alpha: Shop, django_assert_max_num_queries: Any) -> None:
    publish(alpha, tiers=TIERS)
    buy(alpha, *(order_row(1000 + number, ANA, 100 * number) for number in range(1, 30)))
    with django_assert_max_num_queries(16):
        assert get(alpha, ANA).status_code == 200


def test_a_signed_visit_to_the_page_is_a_sign_in(alpha: Shop) -> None:
    publish(alpha)
    buy(alpha, order_row(1, ANA, 4000))
    with shop_scope(alpha.id):
        Customer.objects.update(signed_in_at=None)
    get(alpha, ANA)
    with shop_scope(alpha.id):
        assert Customer.objects.get(shopify_id=ANA).signed_in_at is not None
