"""The life of an installation over real HTTP, devstore being the platform."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from django.conf import settings as django_settings
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings

from config.env import ROOT
from retention_app import clock
from retention_app.models import Customer, DomainEvent, Order, Shop, ShopToken, StaffMember, SyncRun
from retention_app.refresh import refresh
from retention_app.selectors import labels_of
from retention_app.services.install import shop_reread, shop_uninstalled
from retention_app.shopify.client import graphql
from retention_app.shopify.errors import ShopUnavailable, Unauthorized
from retention_app.shopify.mapping import instant
from retention_app.shopify.topics import Kind
from retention_app.tenancy import shop_scope
from tests.conftest import id_token

pytestmark = pytest.mark.django_db
START_SECONDS_MAX = 60
IMPORT_SECONDS_MAX = 30


class Merchant:
    """Somebody of the shop, with a browser; `devstore` is their platform."""

    def __init__(self, url: str) -> None:
        self.devstore = httpx.Client(base_url=url)
        self.browser = Client()

    def does(self, what: str, **body: Any) -> Any:
        answer = self.devstore.post(f"/devstore/{what}", json=body)
        assert answer.status_code in (200, 502), answer.text  # the click counts also while the app can't be reached
        return answer.json()

    def opens_app(self, user: str = "") -> Any:
        """As the admin's frame loads it, for the shop's owner unless somebody is named."""
        token = self.devstore.get("/devstore/id-token", params={"user": user}).json()["id_token"]
        launch = {"id_token": token, "embedded": "1"}
        answer = self.browser.get("/app/", launch)
        if answer.status_code != 302:
            return answer
        self.browser.get(answer.headers["Location"])  # the assistant comes before Home once
        return self.browser.get("/app/", launch)

    def approves(self, shop: str) -> Any:
        """Through the platform's own page, from our address for that to our callback."""
        asked = self.browser.get("/auth/install", {"shop": shop})
        query = dict(parse_qsl(urlsplit(asked.headers["Location"]).query))
        return self.browser.get(self.does("authorize", **query)["location"])


@pytest.fixture(scope="module")
def devstore_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("devstore")
    orders: Path = folder / "orders.csv"
    orders.write_text(
        "customer,order,processed_at,sku,title,quantity,amount,currency\n1,A-1,2026-01-05,MUG,Mug,1,12.50,EUR\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "devstore", "--scenario", "csv", "--file", str(orders), "--port", str(port)]
    command += ["--state", str(folder / "state"), "--app-url", django_settings.APP_URL]
    command += ["--app-toml", "shopify.app.toml"]
    env = {
        **os.environ,
        "SHOPIFY_API_KEY": django_settings.SHOPIFY_API_KEY,
        "SHOPIFY_API_SECRET": django_settings.SHOPIFY_API_SECRET,
    }
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                httpx.get(f"{url}/devstore/state")
                break
            except httpx.TransportError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def merchant(devstore_url: str, settings: Settings) -> Iterator[Merchant]:
    """Of a shop that hasn't the app."""
    settings.SHOPIFY_DEVSTORE_URL = devstore_url
    cache.clear()
    merchant = Merchant(devstore_url)
    yield merchant
    merchant.does("shop", status="open", handle="csv")
    merchant.does("uninstall")
    merchant.devstore.close()


@pytest.fixture
def installed(merchant: Merchant) -> Shop:
    """The merchant's shop with the app, installed the managed way."""
    merchant.does("install")
    assert merchant.opens_app().status_code == 200
    return Shop.objects.get()


def banner(answer: Any) -> str:
    """The button of what the page says about the shop's trouble; empty without any."""
    html = answer.content.decode()
    for words in ("Approve permissions", "Check again", "Open Encore again"):
        if words in html:
            assert 'id="trouble"' in html
            return words
    assert 'id="trouble"' not in html
    return ""


def test_managed_install_opens_with_an_import_under_way(merchant: Merchant, installed: Shop) -> None:
    assert (installed.domain, installed.trouble) == ("csv.myshopify.com", "")
    with shop_scope(installed.id):
        assert SyncRun.objects.get().running
        assert ShopToken.objects.get().scope


def test_what_rules_judge_by_is_imported_and_kept_up_to_date(
    merchant: Merchant, installed: Shop, work_off: Callable[[], None]
) -> None:
    def products() -> list[Any]:
        return merchant.devstore.get("/devstore/products").json()["products"]

    (mug,) = products()
    order = merchant.devstore.get("/devstore/orders").json()["orders"][0]
    merchant.does(f"products/{mug['id']}", tags=["Mugs"], collections=[f"Shelf {number}" for number in range(12)])
    shelves = {f"collection:{number}" for number in products()[0]["collection_ids"]}
    deadline = time.monotonic() + IMPORT_SECONDS_MAX
    while SyncRun.objects.get().running and time.monotonic() < deadline:  # the platform may still be writing its files
        work_off()
        time.sleep(0.1)
    with shop_scope(installed.id):
        assert set(labels_of([mug["id"]])[mug["id"]]) == {(label, None, None) for label in {*shelves, "tag:mugs"}}
        assert Order.objects.get().paid_at == Order.objects.get().processed_at
        assert Order.objects.get().fulfilled_at is None

        sent = merchant.does(f"orders/{order['id']}/fulfil")
        merchant.does(f"products/{mug['id']}", tags=["Mugs", "Sale"], collections=[])
        for kind, changed in ((Kind.ORDERS, order), (Kind.PRODUCTS, mug)):
            refresh(installed.id, kind, [changed["id"]], origin=DomainEvent.Origin.LIVE, keep=time.monotonic)
        assert Order.objects.get().fulfilled_at == instant(sent["created_at"])
        changed_at = DomainEvent.objects.filter(type="product.labelled").latest("id").occurred_at
        now = {label: (since, until) for label, since, until in labels_of([mug["id"]])[mug["id"]]}
        assert now["tag:sale"] == (changed_at, None)
        assert {now[shelf] for shelf in shelves} == {(None, changed_at)}


def test_classic_grant_installs_and_its_callback_is_good_once(merchant: Merchant) -> None:
    answer = merchant.approves("csv.myshopify.com")
    admin = answer.headers["Location"]
    assert urlsplit(admin).path == f"/admin/apps/{django_settings.SHOPIFY_API_KEY}"
    assert merchant.devstore.get(admin, follow_redirects=True).status_code == 200
    shop = Shop.objects.get()
    assert (shop.state, shop.trouble) == ("installed", "")
    again = merchant.browser.get(answer.wsgi_request.get_full_path())
    assert again.status_code == 400
    assert banner(merchant.opens_app()) == ""


def test_reinstall_restores_and_a_late_notice_of_uninstalling_is_ignored(merchant: Merchant, installed: Shop) -> None:
    with shop_scope(installed.id):
        now = clock.now()
        Customer.objects.create(shop=installed, shopify_id=1, created_at=now, updated_at=now, read_at=now)
        merchant.does("uninstall")
        shop_uninstalled(installed, at=clock.now())
        told_at = clock.now()
        with pytest.raises(ShopUnavailable):
            graphql(installed.id, "ShopInfo")
        assert not ShopToken.objects.exists()
    assert merchant.browser.get("/app/", headers={"Authorization": f"Bearer {id_token(installed)}"}).status_code == 401

    merchant.does("install")
    assert merchant.opens_app().status_code == 200
    shop = Shop.objects.get()
    assert (shop.id, shop.state) == (installed.id, "installed")
    with shop_scope(shop.id):
        shop_uninstalled(shop, at=told_at)
        assert Customer.objects.count() == 1
        assert graphql(shop.id, "ShopInfo")["shop"]["myshopifyDomain"] == shop.domain


def test_missing_scopes_have_a_banner_and_are_approved_through_the_grant(merchant: Merchant, installed: Shop) -> None:
    scopes = [scope for scope in django_settings.SHOPIFY_SCOPES if scope != "read_products"]
    merchant.does("scopes", scopes=scopes)
    with shop_scope(installed.id):
        shop_reread(shop_id=installed.id)
    assert banner(merchant.opens_app()) == "Approve permissions"
    merchant.approves(installed.domain)
    assert banner(merchant.opens_app()) == ""


def test_dead_tokens_have_a_banner_and_opening_the_app_renews_them(merchant: Merchant, installed: Shop) -> None:
    merchant.does("tokens/revoke")
    with pytest.raises(Unauthorized):
        graphql(installed.id, "ShopInfo")
    inside = merchant.browser.get("/app/", headers={"Authorization": f"Bearer {id_token(installed)}"})
    assert banner(inside) == "Open Encore again"
    assert banner(merchant.opens_app()) == ""
    assert graphql(installed.id, "ShopInfo")


@pytest.mark.parametrize("status", ["frozen", "locked"])
def test_closed_shop_has_a_banner_and_its_staff_look_again(merchant: Merchant, installed: Shop, status: str) -> None:
    merchant.does("shop", status=status)
    with pytest.raises(ShopUnavailable):
        graphql(installed.id, "ShopInfo")
    assert banner(merchant.opens_app()) == "Check again"
    staff = {"Authorization": f"Bearer {id_token(installed)}"}
    assert merchant.browser.post("/app/trouble/", headers=staff).status_code == 303
    assert banner(merchant.opens_app()) == "Check again"
    merchant.does("shop", status="open")
    assert merchant.browser.post("/app/trouble/", headers=staff).status_code == 303
    assert banner(merchant.opens_app()) == ""


def test_renamed_shop_stays_the_same_shop(merchant: Merchant, installed: Shop) -> None:
    merchant.does("shop", handle="renamed")
    with pytest.raises(ShopUnavailable):
        graphql(installed.id, "ShopInfo")
    assert merchant.opens_app().status_code == 200
    shop = Shop.objects.get()
    assert (shop.id, shop.domain, shop.trouble) == (installed.id, "renamed.myshopify.com", "")
    assert graphql(shop.id, "ShopInfo")["shop"]["myshopifyDomain"] == "renamed.myshopify.com"


def test_the_platform_says_who_opens_the_app(merchant: Merchant) -> None:
    merchant.does("install")
    assert merchant.opens_app().status_code == 200
    owner = merchant.devstore.get("/devstore/id-token").json()["user"]
    assert merchant.opens_app(str(owner + 1)).status_code == 200
    with shop_scope(Shop.objects.get().id):
        people = list(StaffMember.objects.order_by("id").values_list("name", "role", "owns_account"))
        assert "shpua_" not in str(list(ShopToken.objects.values()))
    assert people == [("Olivia Owner", "owner", True), ("Sam Support", "support", False)]
