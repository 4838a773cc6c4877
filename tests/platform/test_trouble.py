"""What keeps us from working for a shop: noted once, waited for, and over with the first call that works."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from pytest_django import Settings
from time_machine import TimeMachineFixture

from retention_app import clock, intake, outbound, sync, tasks, trouble, work
from retention_app.models import Outbound, Reconciliation, Shop, ShopToken, SyncRun, WebhookDelivery
from retention_app.reconcile import reconciliation_start
from retention_app.services.install import shop_reread, shop_uninstalled
from retention_app.services.storefront import storefront_request
from retention_app.shopify import client
from retention_app.shopify.errors import (
    AccessDenied,
    AppRefused,
    ScopesMissing,
    ShopUnavailable,
    TransientError,
    Unauthorized,
)
from retention_app.shopify.scopes import scopes_missing
from tests.platform.conftest import Answer, Call, Platform, data, errors, pair
from tests.platform.test_install import ABOUT
from tests.platform.test_intake import delivery

Trouble = Shop.Trouble
pytestmark = pytest.mark.django_db


def state_of(shop: Shop) -> tuple[str, str]:
    shop.refresh_from_db()
    assert (shop.trouble_since is None) == (shop.trouble == "")
    return shop.trouble, shop.missing_scopes


def granted(*scopes: str) -> Answer:
    return data(currentAppInstallation={"accessScopes": [{"handle": scope} for scope in scopes]})


def later(time_machine: TimeMachineFixture, seconds: float) -> None:
    time_machine.move_to(clock.now() + dt.timedelta(seconds=seconds), tick=False)


# --- scopes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ("read_customers,read_orders,write_script_tags", []),
        ("write_orders, read_customers ,write_script_tags", []),  # writing covers reading
        ("read_customers,read_orders,read_script_tags", ["write_script_tags"]),
        ("", ["read_customers", "read_orders", "write_script_tags"]),
        ("openid,READ_ORDERS,unauthenticated_read_orders", ["read_customers", "read_orders", "write_script_tags"]),
    ],
)
def test_scopes_are_compared_as_the_platform_means_them(settings: Settings, given: str, missing: list[str]) -> None:
    settings.SHOPIFY_SCOPES = ["read_customers", "read_orders", "write_script_tags"]
    assert scopes_missing(given) == missing


def test_refresh_that_brings_fewer_scopes_is_told_and_more_end_it(
    shop: Shop, platform: Platform, settings: Settings
) -> None:
    fewer = [scope for scope in settings.SHOPIFY_SCOPES if scope != "write_script_tags"]
    platform.script(Answer(status=401), pair(2, scope=",".join(fewer)), data(shop=ABOUT))
    client.graphql(shop.id, "ShopInfo")
    assert state_of(shop) == (Trouble.SCOPES, "write_script_tags")
    platform.script(Answer(status=401), pair(3), data(shop=ABOUT))
    client.graphql(shop.id, "ShopInfo")
    assert state_of(shop) == ("", "")


def lacking(shop: Shop, scope: str, settings: Settings) -> None:
    ShopToken.objects.update(scope=",".join(each for each in settings.SHOPIFY_SCOPES if each != scope))


def denied(scope: str) -> Answer:
    message = f"Access denied for orders field. Required access: `{scope}` access scope."
    return Answer({"errors": [{"message": message, "extensions": {"code": "ACCESS_DENIED"}}], "data": None})


def test_refusal_that_a_missing_scope_explains_is_told(shop: Shop, platform: Platform, settings: Settings) -> None:
    lacking(shop, "read_orders", settings)
    platform.script(denied("read_orders"))
    with pytest.raises(ScopesMissing, match="read_orders"):
        client.graphql(shop.id, "OrdersByIds", {"ids": []})
    assert state_of(shop) == (Trouble.SCOPES, "read_orders")


def test_refusal_that_no_missing_scope_explains_is_only_refused(
    shop: Shop, platform: Platform, settings: Settings
) -> None:
    lacking(shop, "write_script_tags", settings)
    platform.script(denied("read_orders"))
    with pytest.raises(AccessDenied) as refusal:
        client.graphql(shop.id, "OrdersByIds", {"ids": []})
    assert not isinstance(refusal.value, ScopesMissing)
    assert state_of(shop) == ("", "")


@pytest.mark.parametrize("topic", ["app/scopes_update", "shop/update"])
def test_notice_makes_us_look_at_what_is_granted(
    shop: Shop, platform: Platform, settings: Settings, topic: str
) -> None:
    body: dict[str, Any] = {"id": 1, "shop_id": f"gid://shopify/Shop/{shop.shopify_id}", "current": []}
    if topic == "shop/update":
        body = {"id": shop.shopify_id, "myshopify_domain": shop.domain}
    fewer = [scope for scope in settings.SHOPIFY_SCOPES if scope != "read_products"]
    for scopes, state in ((fewer, (Trouble.SCOPES, "read_products")), (settings.SHOPIFY_SCOPES, ("", ""))):
        platform.script(data(shop=ABOUT), granted(*scopes))
        for _twice in range(2):
            platform.script(data(shop=ABOUT), granted(*scopes))
            intake.deliveries_apply(shop, [delivery(topic, body)])
            assert state_of(shop) == state
    assert set(WebhookDelivery.objects.values_list("state", flat=True)) == {"done"}


@pytest.mark.parametrize(
    ("topic", "body"),
    [
        ("app/scopes_update", {"id": 1, "current": []}),
        ("app/scopes_update", {"id": 1, "shop_id": "gid://shopify/Shop/1"}),
        ("app/scopes_update", {"id": 1, "shop_id": {"id": 1}}),
        ("shop/update", {"id": 1, "myshopify_domain": "alpha.myshopify.com"}),
        ("shop/update", {"myshopify_domain": "alpha.myshopify.com"}),
        ("shop/update", b"{"),
        ("shop/update", b"\xff\xfe"),
    ],
)
def test_notice_that_speaks_of_nobody_or_another_is_put_aside(
    shop: Shop, platform: Platform, topic: str, body: Any
) -> None:
    intake.deliveries_apply(shop, [delivery(topic, body)])
    assert WebhookDelivery.objects.get().state == "dead"
    assert platform.calls == []


# --- closed shops -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [402, 403, 404, 423])
def test_closed_shop_is_left_alone_for_a_while_and_opens_again(
    shop: Shop, platform: Platform, time_machine: TimeMachineFixture, status: int
) -> None:
    time_machine.move_to(clock.now(), tick=False)
    platform.script(Answer(status=status))
    for _ in range(3):
        with pytest.raises(ShopUnavailable):
            client.graphql(shop.id, "ShopInfo")
    assert state_of(shop)[0] == Trouble.FROZEN
    assert len(platform.calls) == 1
    since = shop.trouble_since

    later(time_machine, trouble.FROZEN_PAUSE.total_seconds() + 1)
    with pytest.raises(ShopUnavailable):
        client.graphql(shop.id, "ShopInfo")
    assert len(platform.calls) == 2
    shop.refresh_from_db()
    assert shop.trouble_since == since

    platform.script(data(shop=ABOUT))
    later(time_machine, work.CLOSED_SHOP_SECONDS)
    client.graphql(shop.id, "ShopInfo")
    assert state_of(shop)[0] == ""


def test_shop_that_is_closed_when_its_token_runs_out_is_closed_too(shop: Shop, platform: Platform) -> None:
    ShopToken.objects.update(expires_at=clock.now())
    platform.script(Answer({"errors": "Unavailable Shop"}, status=402))
    with pytest.raises(ShopUnavailable):
        client.graphql(shop.id, "ShopInfo")
    assert state_of(shop)[0] == Trouble.FROZEN
    assert ShopToken.objects.get().lease_until is None


def test_closed_shops_are_looked_at_every_hour_and_open_ones_not(
    alpha: Shop, beta: Shop, platform: Platform, settings: Settings
) -> None:
    trouble.met(alpha.id, Trouble.FROZEN)
    platform.script(Answer(status=402))
    tasks.shops_look_again()
    assert [call.headers["Host"] for call in platform.calls] == [alpha.domain]
    assert state_of(alpha)[0] == Trouble.FROZEN
    platform.script(data(shop=ABOUT), granted(*settings.SHOPIFY_SCOPES))
    tasks.shops_look_again()
    assert state_of(alpha)[0] == ""


def test_of_shops_installed_before_the_kind_of_their_accounts_was_asked_it_is_asked(
    alpha: Shop, beta: Shop, platform: Platform, settings: Settings
) -> None:
    Shop.objects.filter(id=alpha.id).update(customer_accounts="")
    platform.script(data(shop=ABOUT), granted(*settings.SHOPIFY_SCOPES))
    tasks.shops_look_again()
    assert {call.headers["Host"] for call in platform.calls} == {alpha.domain}
    alpha.refresh_from_db()
    assert alpha.customer_accounts == "CLASSIC"
    tasks.shops_look_again()
    assert len(platform.calls) == 2


def test_missing_scopes_show_again_when_worse_is_over(shop: Shop, platform: Platform, settings: Settings) -> None:
    trouble.scopes_granted(shop.id, "read_orders")
    missing = state_of(shop)[1]
    trouble.met(shop.id, Trouble.FROZEN)
    assert state_of(shop) == (Trouble.FROZEN, missing)
    trouble.over(shop.id, Trouble.FROZEN)
    assert state_of(shop) == (Trouble.SCOPES, missing)
    trouble.over(shop.id, Trouble.REAUTHORIZE)  # a late call that began in other times
    assert state_of(shop) == (Trouble.SCOPES, missing)


# --- tokens -----------------------------------------------------------------------------------------------------------


def test_dead_refresh_token_asks_for_staff(shop: Shop, platform: Platform) -> None:
    platform.script(Answer(status=401), Answer({"error": "invalid_grant"}, status=400))
    with pytest.raises(Unauthorized):
        client.graphql(shop.id, "ShopInfo")
    assert state_of(shop)[0] == Trouble.REAUTHORIZE


def test_token_that_is_rejected_though_fresh_asks_for_staff(shop: Shop, platform: Platform) -> None:
    platform.script(Answer(status=401), pair(2), Answer(status=401))
    with pytest.raises(Unauthorized):
        client.graphql(shop.id, "ShopInfo")
    assert state_of(shop)[0] == Trouble.REAUTHORIZE


def test_our_own_wrong_secret_is_no_trouble_of_the_shops(shop: Shop, platform: Platform) -> None:
    ShopToken.objects.update(expires_at=clock.now())
    platform.script(Answer({"error": "invalid_client"}, status=401))
    with pytest.raises(AppRefused):
        client.graphql(shop.id, "ShopInfo")
    assert state_of(shop)[0] == ""


def test_failing_platform_is_no_trouble_of_the_shops(shop: Shop, platform: Platform) -> None:
    platform.script(Answer(status=500))
    with pytest.raises(TransientError):
        client.graphql(shop.id, "ShopInfo")
    assert state_of(shop)[0] == ""


# --- work waits -------------------------------------------------------------------------------------------------------

CLOSED = {
    "frozen": Answer(status=402),
    "no token": Answer({"error": "invalid_grant"}, status=400),
    "scopes": denied("read_orders"),
}


@pytest.mark.parametrize("why", CLOSED)
def test_work_waits_and_counts_no_failure_and_is_due_when_it_is_over(
    shop: Shop, platform: Platform, settings: Settings, why: str
) -> None:
    lacking(shop, "read_orders", settings)
    if why == "no token":
        ShopToken.objects.update(expires_at=clock.now())
    platform.script(CLOSED[why])
    run = sync.sync_start(shop_id=shop.id)
    SyncRun.objects.create(shop=shop, phase="done", started_at=clock.now(), due_at=clock.now(), read_at=clock.now())
    reconciliation_start(shop_id=shop.id, kind=Reconciliation.Kind.CHANGES)
    storefront_request(shop)
    waiting = delivery("orders/create", {"id": 6001}, attempts=0)

    tasks.sync_work(shop_id=shop.id, run_id=run.id)
    tasks.reconcile_work(shop_id=shop.id)
    outbound.calls_make(shop_id=shop.id, until=clock.now() + dt.timedelta(seconds=5))
    tasks.deliveries_work(shop_domain=shop.domain)

    run.refresh_from_db()
    waiting.refresh_from_db()
    assert (run.running, run.failures) == (True, 0)
    comparison = Reconciliation.objects.get()
    if why == "scopes":  # a comparison leaves out what it may not see
        assert (comparison.state, comparison.repaired["orders"]) == ("done", 0)
    else:
        assert (comparison.state, comparison.attempts, comparison.error) == ("waiting", 0, "")
    for each in (waiting, Outbound.objects.get()):
        assert (each.state, each.attempts, each.error) == ("waiting", 0, "")
    soon = clock.now() + dt.timedelta(seconds=60)
    assert min(run.due_at, waiting.due_at) > soon
    shop.refresh_from_db()
    assert shop.trouble

    if why == "scopes":
        trouble.scopes_granted(shop.id, ",".join(settings.SHOPIFY_SCOPES))
    else:
        lacking(shop, "", settings)
        trouble.scopes_granted(shop.id, ",".join(settings.SHOPIFY_SCOPES))
        trouble.over(shop.id, shop.trouble)
    run.refresh_from_db()
    waiting.refresh_from_db()
    assert max(run.due_at, waiting.due_at, Outbound.objects.get().due_at) <= clock.now()
    assert outbound.due_calls().exists()


def test_uninstalling_stops_imports_and_calls_at_once(shop: Shop, platform: Platform) -> None:
    run = sync.sync_start(shop_id=shop.id)
    storefront_request(shop)
    trouble.met(shop.id, Trouble.REAUTHORIZE)
    shop_uninstalled(shop, at=clock.now())
    assert state_of(shop) == ("", "")
    tasks.sync_work(shop_id=shop.id, run_id=run.id)
    outbound.calls_make(shop_id=shop.id, until=clock.now() + dt.timedelta(seconds=5))
    with pytest.raises(ShopUnavailable):
        shop_reread(shop_id=shop.id)
    assert platform.calls == []
    assert Outbound.objects.get().state == "waiting"  # untouched, and never called
    trouble.met(shop.id, Trouble.FROZEN)  # a call that was under way
    assert state_of(shop) == ("", "")


# --- another name -----------------------------------------------------------------------------------------------------


def moved(platform: Platform, settings: Settings, name: str = "renamed") -> None:
    """The platform answers for the shop at its new domain only."""
    domain = f"{name}.myshopify.com"

    def answer(call: Call) -> Answer:
        if call.headers["Host"] != domain:
            return Answer(status=404)
        if call.operation == "ShopInfo":
            return data(shop={**ABOUT, "myshopifyDomain": domain, "name": "Renamed", "currencyCode": "EUR"})
        return granted(*settings.SHOPIFY_SCOPES)

    platform.answer = answer


def named(shop: Shop, domain: str) -> bytes:
    return json.dumps({"id": shop.shopify_id, "myshopify_domain": domain}).encode()


@pytest.mark.parametrize("header", ["alpha.myshopify.com", "renamed.myshopify.com"])
def test_renamed_shop_keeps_its_row_and_its_deliveries(
    alpha: Shop, platform: Platform, settings: Settings, header: str
) -> None:
    moved(platform, settings)
    under_way = delivery("orders/create", {"id": 6001}, due_at=clock.now() + dt.timedelta(hours=1))
    body = named(alpha, "renamed.myshopify.com")
    delivery("shop/update", body, shop_domain=header, attempts=0)
    tasks.deliveries_work(shop_domain=header)
    tasks.deliveries_work(shop_domain=alpha.domain)  # where a delivery goes whose header nobody answers to
    alpha.refresh_from_db()
    assert (alpha.domain, alpha.name, alpha.currency, alpha.trouble) == (
        "renamed.myshopify.com",
        "Renamed",
        "EUR",
        "",
    )
    assert Shop.objects.count() == 1
    under_way.refresh_from_db()
    assert (under_way.shop_domain, under_way.state) == ("renamed.myshopify.com", "waiting")
    assert WebhookDelivery.objects.get(topic="shop/update").state == "done"


def test_late_delivery_under_the_old_name_finds_the_shop_by_id(
    shop: Shop, platform: Platform, settings: Settings
) -> None:
    Shop.objects.update(domain="renamed.myshopify.com")
    moved(platform, settings)
    delivery("shop/update", named(shop, "alpha.myshopify.com"), attempts=0)
    delivery("orders/create", {"id": 6001}, attempts=0)
    tasks.deliveries_work(shop_domain="alpha.myshopify.com")
    tasks.deliveries_work(shop_domain="renamed.myshopify.com")
    assert dict(WebhookDelivery.objects.values_list("topic", "state")) == {
        "shop/update": "done",
        "orders/create": "dead",  # nothing in it says whose it is: reconciliation brings the order
    }
    shop.refresh_from_db()
    assert shop.domain == "renamed.myshopify.com"  # not what an old body says, but what the platform answers


@pytest.mark.parametrize(
    "body", [b"[]", b"{", b"\xff", b'{"shop_id": true}', b'{"shop_id": 9e99}', b'{"shop_id": "x"}', b'{"id": 1}']
)
def test_delivery_that_names_nobody_is_put_aside(db: None, alpha: Shop, body: bytes) -> None:
    delivery("orders/create", body, shop_domain="unknown.myshopify.com", attempts=0)
    tasks.deliveries_work(shop_domain="unknown.myshopify.com")
    assert WebhookDelivery.objects.get().error_class == "UnknownShop"


def test_body_of_another_shop_changes_nothing_under_our_name(
    shop: Shop, beta: Shop, platform: Platform, settings: Settings
) -> None:
    Shop.objects.filter(id=beta.id).update(shopify_id=777)
    beta.refresh_from_db()
    delivery("shop/update", named(beta, "beta.myshopify.com"), attempts=0)
    tasks.deliveries_work(shop_domain=shop.domain)
    assert WebhookDelivery.objects.get().state == "dead"
    assert platform.calls == []


def test_platform_that_answers_for_another_shop_is_not_believed(shop: Shop, platform: Platform) -> None:
    platform.script(data(shop={**ABOUT, "id": "gid://shopify/Shop/1"}))
    with pytest.raises(Exception, match="another shop"):
        shop_reread(shop_id=shop.id)
    shop.refresh_from_db()
    assert shop.shopify_id != 1


def test_errors_of_the_platform_reach_the_delivery(shop: Shop, platform: Platform) -> None:
    platform.script(errors("INTERNAL_SERVER_ERROR"))
    delivery("shop/update", named(shop, shop.domain), attempts=0)
    tasks.deliveries_work(shop_domain=shop.domain)
    assert WebhookDelivery.objects.get().state == "waiting"
