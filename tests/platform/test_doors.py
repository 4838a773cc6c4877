"""The doors: who gets in, what strangers are answered, and what the answer allows the browser to do."""

from __future__ import annotations

import datetime as dt
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.test import Client
from django.urls import path
from pytest_django import Settings
from time_machine import TimeMachineFixture

from config.urls import urlpatterns as real_urlpatterns
from retention_app import clock
from retention_app.doors import RETRY_HEADER, ShopRequest, for_each_shop, link_to, proxy_view, shop_view
from retention_app.models import Customer, Shop, ShopToken
from retention_app.rights import Right
from retention_app.tenancy import ShopScopeMissing, current_shop_id, shop_scope
from tests.conftest import id_token, make_shop
from tests.platform.conftest import Answer, Platform, data, pair
from tests.platform.nodes import CLASSIC_ACCOUNTS
from tests.platform.test_signature import signed_proxy

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


@shop_view(Right.READ, methods=["GET", "POST"])
def page(request: ShopRequest) -> HttpResponse:
    return JsonResponse(
        {"shop": request.shop.domain, "actor": request.actor, "locale": request.locale, "scope": current_shop_id()}
    )


@shop_view(Right.READ)
def lazy(request: ShopRequest) -> HttpResponse:
    return TemplateResponse(
        request, "retention_app/auth/notice.html", {"title": lambda: f"{Customer.objects.count()} people"}
    )


@proxy_view
def visit(request: ShopRequest) -> HttpResponse:
    return JsonResponse(
        {"shop": request.shop.domain, "customer": request.customer_shopify_id, "locale": request.locale}
    )


urlpatterns = [
    path("app/probe/", page),
    path("app/lazy/", lazy),
    path("proxy/v1/probe", visit),
    *real_urlpatterns,
]


def fetch(token: str, method: str = "get", url: str = "/app/probe/", **headers: str) -> HttpResponse:
    return getattr(Client(), method)(url, headers={"Authorization": f"Bearer {token}", **headers})


def document(token: str | None = None, url: str = "/app/probe/", **query: str) -> HttpResponse:
    launch = {"embedded": "1", "shop": "alpha.myshopify.com", "host": "aG9zdA", "hmac": "f00", "session": "s"}
    return Client().get(url, {**launch, **({"id_token": token} if token is not None else {}), **query})


def policy(answer: HttpResponse) -> dict[str, list[str]]:
    parts = (each.split() for each in answer.headers["Content-Security-Policy"].split(";"))
    return {name: values for name, *values in parts}


# --- staff ------------------------------------------------------------------------------------------------------------


def test_staff_enter_their_shops_scope(alpha: Shop) -> None:
    answer = fetch(id_token(alpha, sub="77")).json()
    assert (answer["shop"], answer["actor"], answer["scope"]) == ("alpha.myshopify.com", "77", alpha.id)
    with pytest.raises(ShopScopeMissing):
        current_shop_id()


def test_document_brings_its_token_in_the_address(alpha: Shop) -> None:
    assert document(id_token(alpha)).json()["shop"] == "alpha.myshopify.com"


def test_shop_comes_from_the_token_and_nothing_else(alpha: Shop, beta: Shop) -> None:
    assert document(id_token(beta), shop="alpha.myshopify.com").json()["shop"] == "beta.myshopify.com"
    assert fetch(id_token(beta), url="/app/probe/?shop=alpha.myshopify.com").json()["shop"] == "beta.myshopify.com"


def test_form_needs_no_cookie_and_no_form_token(alpha: Shop) -> None:
    client = Client(enforce_csrf_checks=True)
    answer = client.post("/app/probe/", {"a": "1"}, headers={"Authorization": f"Bearer {id_token(alpha)}"})
    assert answer.status_code == 200
    assert not client.cookies


def test_other_methods_are_405(alpha: Shop) -> None:
    assert fetch(id_token(alpha), "delete").status_code == 405
    assert fetch(id_token(alpha), "post", "/app/lazy/").status_code == 405
    assert fetch(id_token(alpha), "head").status_code == 200


def test_an_address_with_a_nul_is_a_404_at_each_door(alpha: Shop) -> None:
    assert fetch(id_token(alpha), url="/app/probe/?tier=%00").status_code == 404
    assert Client().get(f"/proxy/v1/probe?{visit_query(alpha, tier=chr(0))}").status_code == 404
    assert Client().get(link_to(alpha, "/app/customers/file/")).status_code == 200
    assert Client().get(link_to(alpha, "/app/customers/file/", {"tier": chr(0)})).status_code == 404


def test_lazy_answer_is_rendered_inside_the_scope(alpha: Shop) -> None:
    assert b"<h1>0 people</h1>" in fetch(id_token(alpha), url="/app/lazy/").content


STRANGERS: dict[str, dict[str, Any]] = {
    "forged": {"secret": "guess"},
    "expired": {"exp": 1_700_000_000},
    "wrong audience": {"aud": "another-app"},
    "no expiry": {"exp": None},
    "another shop's issuer": {"iss": "https://beta.myshopify.com/admin"},
    "not the platform's": {"dest": "https://evil.example.com", "iss": "https://evil.example.com/admin"},
    "nobody": {"sub": None},
}


@pytest.mark.parametrize("claims", STRANGERS.values(), ids=STRANGERS)
@pytest.mark.parametrize("method", ["get", "post"])
def test_fetch_of_a_stranger_is_401_with_the_retry_header(alpha: Shop, claims: dict[str, Any], method: str) -> None:
    answer = fetch(id_token(alpha, **claims), method)
    assert (answer.status_code, answer.headers[RETRY_HEADER], answer.content) == (401, "1", b"")


@pytest.mark.parametrize("claims", STRANGERS.values(), ids=STRANGERS)
def test_document_of_a_stranger_is_sent_to_the_patch_page(alpha: Shop, claims: dict[str, Any]) -> None:
    answer = document(id_token(alpha, **claims))
    assert (answer.status_code, urlsplit(answer.headers["Location"]).path) == (302, "/auth/patch-id-token")


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic dTpw"},
        {"HX-Request": "true"},
        {"Sec-Fetch-Dest": "empty"},
    ],
)
def test_fetch_without_a_token_is_401(alpha: Shop, headers: dict[str, str]) -> None:
    answer = Client().get("/app/probe/", headers=headers)
    assert (answer.status_code, answer.headers[RETRY_HEADER]) == (401, "1")


def test_form_never_takes_its_token_from_the_address(alpha: Shop) -> None:
    assert Client().post(f"/app/probe/?id_token={id_token(alpha)}").status_code == 401


def test_fetch_for_a_shop_that_has_not_installed_is_401(gone: Shop) -> None:
    assert fetch(id_token(gone)).status_code == 401
    assert fetch(id_token(Shop(domain="unknown.myshopify.com"))).status_code == 401


# --- the patch page ---------------------------------------------------------------------------------------------------


def patch_query(answer: HttpResponse) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()}


def test_redirect_keeps_the_path_and_drops_the_secrets(alpha: Shop) -> None:
    query = patch_query(document(period="30"))
    assert query["shop"] == "alpha.myshopify.com"
    reload = urlsplit(query["shopify-reload"])
    assert reload.path == "/app/probe/"
    kept = parse_qs(reload.query)
    assert kept["period"] == ["30"]
    assert not {"id_token", "hmac", "session", "timestamp"} & {*kept, *query}


def test_redirect_names_no_shop_that_is_none(alpha: Shop) -> None:
    assert "shop" not in patch_query(document(shop="evil.example.com\r\nX: y"))


def test_one_reload_is_tried_then_a_button_asks(alpha: Shop) -> None:
    first = patch_query(document())
    second = patch_query(Client().get(first["shopify-reload"] + "&id_token=x"))
    assert "shopify-reload" not in second
    page = Client().get("/auth/patch-id-token", second)
    assert page.status_code == 200
    assert b"shopify-reload" in page.content  # the button's address
    assert "Open Encore again" in page.content.decode()


def test_try_is_forgotten_after_a_minute(alpha: Shop, time_machine: TimeMachineFixture) -> None:
    reload = patch_query(document())["shopify-reload"]
    time_machine.move_to(clock.now() + dt.timedelta(seconds=62))
    assert "shopify-reload" in patch_query(Client().get(reload))


@pytest.mark.parametrize("tried", ["x", "\u0661", "9" * 99, ""])
def test_strange_mark_of_a_try_counts_as_none(alpha: Shop, tried: str) -> None:
    assert "shopify-reload" in patch_query(document(patched=tried))


def test_patch_page_is_app_bridge_and_nothing_else(settings: Settings) -> None:
    page = Client().get("/auth/patch-id-token", {"shop": "alpha.myshopify.com", "shopify-reload": "/app/"})
    assert page.status_code == 200
    assert settings.APP_BRIDGE_URL in page.content.decode()
    assert page.content.count(b"<script") == 1
    assert page.headers["Cache-Control"] == "private, no-store"
    assert policy(page)["frame-ancestors"][0] == "https://alpha.myshopify.com"


@pytest.mark.parametrize("shop", ["", "evil.example.com", "x.myshopify.com evil.example.com", "*"])
def test_patch_page_lets_no_stranger_frame_it(shop: str) -> None:
    page = Client().get("/auth/patch-id-token", {"shop": shop, "shopify-reload": "/app/"})
    assert policy(page)["frame-ancestors"] == ["https://admin.shopify.com"]


@pytest.mark.parametrize(
    "target",
    [
        "",
        "https://evil.example.com/",
        "//evil.example.com/app/",
        "/\\evil.example.com",
        "javascript:0",
        "/console/",
    ],
)
@pytest.mark.parametrize("name", ["shopify-reload", "again"])
def test_patch_page_leads_nowhere_else(name: str, target: str) -> None:
    assert Client().get("/auth/patch-id-token", {"shop": "alpha.myshopify.com", name: target}).status_code == 400


def test_patch_page_is_read_only() -> None:
    assert Client().post("/auth/patch-id-token").status_code == 405


# --- what the browser may do ------------------------------------------------------------------------------------------


def test_page_may_be_framed_by_its_own_shop_only(alpha: Shop, settings: Settings) -> None:
    settings.SHOPIFY_DEVSTORE_URL = ""
    answer = document(id_token(alpha))
    assert policy(answer)["frame-ancestors"] == ["https://alpha.myshopify.com", "https://admin.shopify.com"]
    assert "X-Frame-Options" not in answer.headers


def test_devstore_may_frame_the_page_while_it_stands_in(alpha: Shop, settings: Settings) -> None:
    settings.SHOPIFY_DEVSTORE_URL = "http://127.0.0.1:8700"
    assert "http://127.0.0.1:8700" in policy(document(id_token(alpha)))["frame-ancestors"]


def test_scripts_come_from_us_and_app_bridge(alpha: Shop, settings: Settings) -> None:
    settings.APP_BRIDGE_URL = "https://cdn.shopify.com/shopifycloud/app-bridge.js"
    allowed = policy(document(id_token(alpha)))
    assert allowed["script-src"] == ["'self'", "https://cdn.shopify.com"]
    assert allowed["connect-src"] == ["'self'", "https://cdn.shopify.com"]
    assert "unsafe-inline" not in str(allowed)


def test_other_pages_may_not_be_framed() -> None:
    assert policy(Client().get("/healthz"))["frame-ancestors"] == ["'none'"]


# --- language ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "header", "locale"),
    [
        ("zh-TW", "", "zh-hant"),
        ("zh-HK", "", "zh-hant"),
        ("zh-Hant-MO", "", "zh-hant"),
        ("zh-CN", "", "zh-hans"),
        ("zh-SG", "", "zh-hans"),
        ("pt", "", "pt-br"),
        ("pt-PT", "", "pt-br"),
        ("es-419", "", "es"),
        ("fr", "", "en"),
        ("fr", "es-MX,en;q=0.5", "es"),
        ("", "zh-Hant", "zh-hant"),
        ("", "", "en"),
        ("en", "zh-Hant", "en"),
    ],
)
def test_page_speaks_the_platforms_language_then_the_browsers(
    alpha: Shop, query: str, header: str, locale: str
) -> None:
    answer = fetch(id_token(alpha), url=f"/app/probe/?locale={query}", **{"Accept-Language": header})
    assert (answer.json()["locale"], answer.headers["Content-Language"]) == (locale, locale)


# --- storefront visitors ----------------------------------------------------------------------------------------------


def visit_query(shop: Shop, **params: str) -> str:
    return signed_proxy(shop=shop.domain, timestamp=str(int(clock.now().timestamp())), **params)


def test_visitor_enters_by_the_platforms_signature(alpha: Shop) -> None:
    answer = Client().get(f"/proxy/v1/probe?{visit_query(alpha, logged_in_customer_id='8101', locale='zh-TW')}")
    assert answer.json() == {"shop": "alpha.myshopify.com", "customer": 8101, "locale": "zh-hant"}
    assert answer.headers["Cache-Control"] == "private, no-store"


def test_anonymous_visitor_is_nobody(alpha: Shop) -> None:
    assert Client().get(f"/proxy/v1/probe?{visit_query(alpha)}").json()["customer"] is None


def test_visitor_may_post_without_a_form_token(alpha: Shop) -> None:
    assert Client(enforce_csrf_checks=True).post(f"/proxy/v1/probe?{visit_query(alpha)}").status_code == 200


def test_unsigned_or_forged_visit_is_401(alpha: Shop) -> None:
    forged = visit_query(alpha, logged_in_customer_id="8101").replace("8101", "8102")
    late = signed_proxy(shop=alpha.domain, timestamp=str(int(clock.now().timestamp()) - 91))
    for query in ("", "shop=alpha.myshopify.com&logged_in_customer_id=8101", forged, late):
        answer = Client().get(f"/proxy/v1/probe?{query}")
        assert (answer.status_code, answer.content) == (401, b"")


def test_visit_to_a_shop_without_the_app_is_404(gone: Shop) -> None:
    assert Client().get(f"/proxy/v1/probe?{visit_query(gone)}").status_code == 404
    assert Client().get(f"/proxy/v1/probe?{visit_query(Shop(domain='unknown.myshopify.com'))}").status_code == 404


# --- every shop -------------------------------------------------------------------------------------------------------


def test_each_installed_shop_has_its_turn(alpha: Shop, beta: Shop, gone: Shop) -> None:
    seen: list[tuple[str, int]] = []

    def work(shop: Shop) -> None:
        seen.append((shop.domain, current_shop_id()))
        if shop.id == alpha.id:
            raise RuntimeError("one shop's trouble")

    for_each_shop(work)
    assert seen == [("alpha.myshopify.com", alpha.id), ("beta.myshopify.com", beta.id)]


# --- installing through the door --------------------------------------------------------------------------------------


def installing(platform: Platform, domain: str = "delta.myshopify.com") -> None:
    shop = {
        "id": "gid://shopify/Shop/548380099",
        "name": "Delta",
        "myshopifyDomain": domain,
        "currencyCode": "BRL",
        "ianaTimezone": "America/Sao_Paulo",
        **CLASSIC_ACCOUNTS,
    }
    platform.script(pair(1), data(shop=shop))


def test_first_document_installs_the_app(platform: Platform) -> None:
    installing(platform)
    answer = document(id_token(Shop(domain="delta.myshopify.com")), shop="delta.myshopify.com")
    assert answer.json()["shop"] == "delta.myshopify.com"
    shop = Shop.objects.get(domain="delta.myshopify.com")
    assert (shop.currency, shop.timezone, shop.shopify_id, shop.name) == (
        "BRL",
        "America/Sao_Paulo",
        548380099,
        "Delta",
    )
    with shop_scope(shop.id):
        assert ShopToken.objects.get().access_token == "shpat_1"
    assert shop.sync_runs.count() == 1


def test_second_document_calls_nobody(alpha: Shop, platform: Platform) -> None:
    assert document(id_token(alpha)).status_code == 200
    assert platform.calls == []


def test_token_the_platform_finds_stale_is_patched(platform: Platform) -> None:
    platform.script(Answer({"error": "invalid_subject_token"}, status=400))
    answer = document(id_token(Shop(domain="delta.myshopify.com")))
    assert (answer.status_code, "shopify-reload" in answer.headers["Location"]) == (302, True)
    assert not Shop.objects.exists()


def test_failing_platform_leaves_a_page_to_try_again_from(platform: Platform) -> None:
    platform.script(Answer({"error": "odd"}, status=400))
    answer = document(id_token(Shop(domain="delta.myshopify.com")))
    assert answer.status_code == 503
    assert "Try again" in answer.content.decode()
    assert policy(answer)["frame-ancestors"][0] == "https://delta.myshopify.com"
    assert not Shop.objects.exists()


def test_real_pages_stand_behind_the_door() -> None:
    make_shop("alpha")
    answer = Client().get("/app/", headers={"Sec-Fetch-Dest": "empty"})
    assert answer.status_code == 401


def test_request_that_is_no_shop_request_has_no_shop() -> None:
    assert not hasattr(HttpRequest(), "shop")
