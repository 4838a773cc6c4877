"""What people see when something failed: in a real browser, at two widths, in words that say what to do."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Page, expect

from loyalty import selectors
from retention_app.models import Shop
from tests.conftest import make_shop
from tests.console.conftest import make_operator
from tests.screens.browser import browser_page, complaints

TRIES_A_MINUTE = 30  # from one address


@pytest.fixture(params=[1280, 390])
def width(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def shop(transactional_db: None, settings: Any, request: pytest.FixtureRequest) -> Shop:
    """A shop, and a cache of the test's own: tries at doors are counted there."""
    cache = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": request.node.nodeid}
    settings.CACHES = {"default": cache}
    return make_shop("aurora", currency="BRL")


def looked_at(page: Page, heading: str) -> list[str]:
    expect(page.get_by_role("heading", level=1)).to_have_text(heading)
    assert "Nothing was changed." in page.inner_text("main")
    return complaints(page)


def test_a_screen_that_broke(shop: Shop, live_server: Any, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(shop_id: int) -> None:
        raise RuntimeError(f"shop {shop_id}")

    monkeypatch.setattr(selectors, "publications", broken)
    with browser_page(live_server.url, shop, width=width) as (page, faults):
        answer = page.goto(f"{live_server.url}/app/loyalty/programme/")
        assert answer
        assert answer.status == 500
        assert looked_at(page, "Something broke") + faults == []


def test_a_page_of_its_own_that_broke(
    shop: Shop, live_server: Any, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*asked: object) -> None:
        raise RuntimeError(asked)

    monkeypatch.setattr("retention_app.views.auth.grant.callback", broken)
    with browser_page(live_server.url, shop, width=width) as (page, faults):
        page.goto(f"{live_server.url}/auth/callback?shop=aurora.myshopify.com")
        assert looked_at(page, "Something broke") + faults == []


def test_an_approval_that_nobody_began(shop: Shop, live_server: Any, width: int) -> None:
    with browser_page(live_server.url, shop, width=width) as (page, faults):
        page.goto(f"{live_server.url}/auth/callback?shop={shop.domain}&code=1")
        assert looked_at(page, "This approval can't be used") + faults == []


def test_the_consoles_door(shop: Shop, live_server: Any, width: int) -> None:
    """A form that was open too long, too many tries, and somebody who isn't an operator."""
    base, stranger = live_server.url, Client()
    for number in range(TRIES_A_MINUTE):
        Client().post("/console/login/", {"login": f"x{number}@example.com", "password": "no"})
    stranger.force_login(make_operator("eve", is_staff=False))
    session = stranger.cookies[settings.SESSION_COOKIE_NAME].value
    with browser_page(base, shop, width=width) as (page, faults):

        def sign_in(*, with_cookies: bool) -> None:
            page.goto(f"{base}/console/login/")
            page.get_by_label("E-mail").fill("ada@example.com")
            page.get_by_label("Password").fill("wrong")
            if not with_cookies:
                page.context.clear_cookies()
            page.get_by_role("button", name="Sign in", exact=True).click()

        sign_in(with_cookies=False)
        assert looked_at(page, "This page was open too long") == []
        sign_in(with_cookies=True)
        assert looked_at(page, "Too many tries") == []
        page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": base}])
        page.goto(f"{base}/console/")
        assert looked_at(page, "Not for this account") + faults == []
