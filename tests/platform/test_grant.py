"""The authorization grant: who comes back must be who left, with the platform's word for it, once."""

from __future__ import annotations

import datetime as dt
import hmac
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import shopify
from django.conf import settings
from django.core.cache import cache
from django.http import HttpResponse
from django.test import Client
from django.utils.http import urlencode
from pytest_django import Settings
from time_machine import TimeMachineFixture

from retention_app import clock
from retention_app.models import Shop, ShopToken, SyncRun
from retention_app.shopify import grant
from retention_app.tenancy import shop_scope
from tests.platform.conftest import Answer, Platform, data, pair
from tests.platform.test_install import ABOUT
from tests.platform.test_signature import INSTALL, INSTALL_HMAC

pytestmark = pytest.mark.django_db
DOMAIN = "alpha.myshopify.com"


@pytest.fixture
def browser() -> Client:
    return Client()


def begin(browser: Client, shop: str = DOMAIN) -> dict[str, str]:
    """The query of the platform's page that the browser is sent to."""
    answer = browser.get("/auth/install", {"shop": shop})
    assert answer.status_code == 302
    assert urlsplit(answer.headers["Location"]).path == "/admin/oauth/authorize"
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()}


def signed(secret: str = "hush", **params: str) -> str:
    message = "&".join(f"{name}={value}" for name, value in sorted(params.items()))
    return urlencode({**params, "hmac": hmac.new(secret.encode(), message.encode(), "sha256").hexdigest()})


def approved(state: str, *, secret: str = "hush", **changed: str) -> str:
    """The query the platform sends the browser back with."""
    given = {"code": "c0de", "shop": DOMAIN, "state": state, "timestamp": str(int(clock.now().timestamp())), **changed}
    return signed(secret, **given)


def come_back(browser: Client, query: str) -> HttpResponse:
    return browser.get(f"/auth/callback?{query}")


def nothing_changed(answer: HttpResponse, platform: Platform, status: int = 400) -> None:
    assert answer.status_code == status
    assert b"Nothing was changed." in answer.content
    assert answer.headers["Cache-Control"] == "max-age=0, no-cache, no-store, must-revalidate, private"
    assert not Shop.objects.filter(domain=DOMAIN, state=Shop.State.INSTALLED).exists()


def test_merchant_is_asked_at_the_shop_for_what_we_need(browser: Client, settings: Settings) -> None:
    answer = browser.get("/auth/install", {"shop": " Alpha.myshopify.com"})
    assert answer.headers["Location"].startswith("https://alpha.myshopify.com/admin/oauth/authorize?")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()}
    assert asked["client_id"] == settings.SHOPIFY_API_KEY
    assert asked["scope"].split(",") == settings.SHOPIFY_SCOPES
    assert asked["redirect_uri"] == f"{settings.APP_URL}/auth/callback"
    assert len(asked["state"]) == 64
    cookie = browser.cookies[grant.STATE_COOKIE]
    assert (cookie["secure"], cookie["httponly"], cookie["samesite"], cookie["max-age"]) == (True, True, "Lax", 600)
    assert "no-store" in answer.headers["Cache-Control"]
    assert begin(browser)["state"] != asked["state"]


@pytest.mark.parametrize(
    "shop",
    ["", "alpha", "alpha.example.com", "alpha.myshopify.com.example.com", "alpha.myshopify.com/x", "-a.myshopify.com"],
)
def test_address_that_names_no_shop_leads_nowhere(browser: Client, shop: str) -> None:
    answer = browser.get("/auth/install", {"shop": shop})
    assert answer.status_code == 400
    assert "Which store is it?" in answer.content.decode()
    assert not browser.cookies


def test_inside_a_frame_a_button_leads_out_of_it(browser: Client) -> None:
    answer = browser.get("/auth/install", {"shop": DOMAIN}, headers={"Sec-Fetch-Dest": "iframe"})
    assert answer.status_code == 200
    assert f'target="_top" href="/auth/install?shop={DOMAIN}"' in answer.content.decode()
    assert DOMAIN in answer.headers["Content-Security-Policy"]
    assert not browser.cookies


def test_approval_installs_and_leads_into_the_admin(browser: Client, platform: Platform) -> None:
    state = begin(browser)["state"]
    platform.script(pair(1), data(shop=ABOUT))
    answer = come_back(browser, approved(state))
    assert answer.status_code == 302
    assert answer.headers["Location"] == f"{platform.url}/admin/apps/{settings.SHOPIFY_API_KEY}?shop=alpha"
    assert platform.calls[0].path == "/admin/oauth/access_token"
    assert platform.calls[0].headers["Host"] == DOMAIN
    assert platform.calls[0].body == {
        "client_id": settings.SHOPIFY_API_KEY,
        "client_secret": settings.SHOPIFY_API_SECRET,
        "code": "c0de",
        "expiring": 1,
    }
    shop = Shop.objects.get()
    assert (shop.domain, shop.name, shop.state, shop.trouble) == (DOMAIN, "Alpha Beans", "installed", "")
    with shop_scope(shop.id):
        assert (ShopToken.objects.get().access_token, SyncRun.objects.count()) == ("shpat_1", 1)


def test_admin_is_found_at_the_shop_itself(settings: Settings) -> None:
    assert grant.admin_url(DOMAIN) == f"https://{DOMAIN}/admin/apps/{settings.SHOPIFY_API_KEY}"


def test_shop_that_has_the_app_already_only_gets_new_tokens(alpha: Shop, browser: Client, platform: Platform) -> None:
    state = begin(browser)["state"]
    platform.script(pair(2), data(shop=ABOUT))
    assert come_back(browser, approved(state)).status_code == 302
    with shop_scope(alpha.id):
        assert (ShopToken.objects.get().access_token, SyncRun.objects.count()) == ("shpat_2", 0)


def test_shop_that_left_comes_back_with_everything(gone: Shop, browser: Client, platform: Platform) -> None:
    state = begin(browser, gone.domain)["state"]
    about = {**ABOUT, "id": f"gid://shopify/Shop/{gone.shopify_id}", "myshopifyDomain": gone.domain}
    platform.script(pair(2), data(shop=about))
    assert come_back(browser, approved(state, shop=gone.domain)).status_code == 302
    gone.refresh_from_db()
    assert gone.state == Shop.State.INSTALLED


def test_approving_less_installs_and_says_what_is_missing(browser: Client, platform: Platform) -> None:
    platform.script(pair(1, scope="read_customers,write_discounts"), data(shop=ABOUT))
    come_back(browser, approved(begin(browser)["state"]))
    shop = Shop.objects.get()
    assert shop.trouble == Shop.Trouble.SCOPES
    assert "read_discounts" not in shop.missing_scopes.split(",")  # writing covers reading
    assert "read_orders" in shop.missing_scopes.split(",")


FORGED: dict[str, Any] = {
    "signed with another secret": lambda state: approved(state, secret="guess"),
    "unsigned": lambda state: urlencode({"code": "c0de", "shop": DOMAIN, "state": state, "timestamp": "1795255327"}),
    "another state": lambda state: approved("0" * 64),
    "without a state": lambda state: approved(""),
    "for another shop": lambda state: approved(state, shop="beta.myshopify.com"),
    "for no shop": lambda state: approved(state, shop="evil.example.com"),
    "too old": lambda state: approved(state, timestamp=str(int(clock.now().timestamp()) - 91)),
    "from the future": lambda state: approved(state, timestamp=str(int(clock.now().timestamp()) + 92)),
    "with a code added": lambda state: f"{approved(state)}&code=mine",
    "without a code": lambda state: approved(state, code=""),
    "with an endless code": lambda state: approved(state, code="c" * 513),
    "empty": lambda state: "",
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_forged_callback_changes_nothing(browser: Client, platform: Platform, forge: Any) -> None:
    state = begin(browser)["state"]
    nothing_changed(come_back(browser, forge(state)), platform)
    assert platform.calls == []
    platform.script(pair(1), data(shop=ABOUT))
    assert come_back(browser, approved(state)).status_code == 302  # the merchant's own is still good


@pytest.mark.parametrize("cookie", ["", "x", "WyJhbHBoYSJd:1:x"])
def test_callback_in_another_browser_changes_nothing(browser: Client, platform: Platform, cookie: str) -> None:
    state = begin(browser)["state"]
    stranger = Client()
    if cookie:
        stranger.cookies[grant.STATE_COOKIE] = cookie
    nothing_changed(come_back(stranger, approved(state)), platform)
    assert platform.calls == []


def test_grant_begun_for_another_shop_is_not_good_for_this_one(browser: Client, platform: Platform) -> None:
    state = begin(browser, "beta.myshopify.com")["state"]
    nothing_changed(come_back(browser, approved(state)), platform)
    assert platform.calls == []


def test_grant_begun_too_long_ago_is_over(
    browser: Client, platform: Platform, time_machine: TimeMachineFixture
) -> None:
    state = begin(browser)["state"]
    time_machine.move_to(clock.now() + dt.timedelta(seconds=grant.STATE_SECONDS + 1))
    nothing_changed(come_back(browser, approved(state)), platform)
    assert platform.calls == []


@pytest.mark.parametrize("keeps_cookie", [True, False])
def test_replayed_callback_is_refused(browser: Client, platform: Platform, keeps_cookie: bool) -> None:
    query = approved(begin(browser)["state"])
    cookie = browser.cookies[grant.STATE_COOKIE].value
    platform.script(pair(1), data(shop=ABOUT))
    come_back(browser, query)
    calls = len(platform.calls)
    if keeps_cookie:
        browser.cookies[grant.STATE_COOKIE] = cookie
    answer = come_back(browser, query)
    assert answer.status_code == 400
    assert "This approval can&#x27;t be used" in answer.content.decode()
    assert len(platform.calls) == calls


def test_code_that_was_used_is_refused_by_the_platform_when_memory_was_flushed(
    browser: Client, platform: Platform
) -> None:
    query = approved(begin(browser)["state"])
    cache.clear()
    platform.script(Answer({"error": "invalid_request"}, status=400))
    nothing_changed(come_back(browser, query), platform)


@pytest.mark.parametrize(
    "answers",
    [
        [Answer(status=503)],
        [Answer(status=402)],
        [Answer({"error": "invalid_client"}, status=401)],
        [pair(1, refresh_token=None)],  # a token that never ends is none of ours
        [pair(1), Answer(status=401)],
        [pair(1), data(shop={**ABOUT, "myshopifyDomain": "beta.myshopify.com"})],
    ],
)
def test_platform_that_fails_leaves_nothing(browser: Client, platform: Platform, answers: list[Answer]) -> None:
    state = begin(browser)["state"]
    platform.script(*answers)
    answer = come_back(browser, approved(state))
    nothing_changed(answer, platform, 503)
    assert f"/auth/install?shop={DOMAIN}" in answer.content.decode()
    assert not Shop.objects.exists()


def test_only_a_visit_finishes_a_grant(browser: Client, platform: Platform) -> None:
    query = approved(begin(browser)["state"])
    for method in (browser.head, browser.post):
        assert method(f"/auth/callback?{query}").status_code == 405
    assert platform.calls == []


def test_our_signature_check_agrees_with_the_platforms_library() -> None:
    shopify.Session.setup(secret="hush")
    params = {name: values[0] for name, values in parse_qs(INSTALL).items()}
    assert shopify.Session.calculate_hmac(params) == INSTALL_HMAC
    shopify.Session.setup(secret=None)
