"""Installing, coming back, and placing the loader."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, connections

from loyalty.models import Account, Member
from retention_app import clock, tasks
from retention_app.models import Customer, DomainEvent, Outbound, Shop, ShopToken, SyncRun
from retention_app.services.install import shop_installed, shop_opened, shop_uninstalled
from retention_app.services.storefront import loader_url, storefront_request
from retention_app.shopify.auth import Staff, is_shop_domain, staff_from
from retention_app.shopify.client import graphql
from retention_app.shopify.errors import StaleIdToken, TransientError, Unauthorized, UnreadableAnswer
from retention_app.tenancy import shop_scope
from tests.conftest import id_token
from tests.platform.conftest import Answer, Call, Platform, data, errors, pair
from tests.platform.nodes import CLASSIC_ACCOUNTS, theme_node

pytestmark = pytest.mark.django_db

ABOUT = {
    "id": "gid://shopify/Shop/548380014",
    "name": "Alpha Beans",
    "myshopifyDomain": "alpha.myshopify.com",
    "currencyCode": "JPY",
    "ianaTimezone": "Asia/Tokyo",
    **CLASSIC_ACCOUNTS,
}


def staff(domain: str = "alpha.myshopify.com") -> Staff:
    return staff_from(id_token(Shop(domain=domain)))


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    for name in ("outbound_work", "sync_work"):
        monkeypatch.setattr(f"retention_app.tasks.{name}.delay", lambda name=name, **kwargs: names.append(name))
    return names


def test_install_starts_import_and_loader_after_the_commit(
    platform: Platform, woken: list[str], django_capture_on_commit_callbacks: Any
) -> None:
    platform.script(pair(1), data(shop=ABOUT))
    with django_capture_on_commit_callbacks(execute=True):
        shop = shop_opened(staff=staff())
        assert woken == []
    assert sorted(woken) == ["outbound_work", "sync_work"]
    assert (shop.name, shop.currency, shop.timezone) == ("Alpha Beans", "JPY", "Asia/Tokyo")
    assert [call.operation for call in platform.calls][1] == "ShopInfo"
    assert platform.calls[1].headers["X-Shopify-Access-Token"] == "shpat_1"


def test_coming_back_restores_everything(alpha: Shop, platform: Platform, woken: list[str]) -> None:
    with shop_scope(alpha.id):
        now = clock.now()
        person = Customer.objects.create(shop=alpha, shopify_id=1, created_at=now, updated_at=now, read_at=now)
        member = Member.objects.create(shop=alpha, customer=person)
        Account.objects.create(shop=alpha, member=member, kind=Account.Kind.MEMBER, asset="points", balance=120)
        given = Outbound.objects.create(shop=alpha, kind="discount_code", key="given-1", created_at=now, due_at=now)
        earlier = clock.now() - dt.timedelta(days=30)
        Shop.objects.update(installed_at=earlier, script_tag_id=5)
        shop_uninstalled(alpha, at=earlier + dt.timedelta(days=1))
    assert alpha.state == Shop.State.UNINSTALLED
    platform.script(pair(3), data(shop=ABOUT))
    shop = shop_opened(staff=staff())
    assert (shop.id, shop.public_id, shop.state) == (alpha.id, alpha.public_id, Shop.State.INSTALLED)
    assert shop.installed_at > earlier
    assert (shop.uninstalled_at, shop.script_tag_id) == (None, None)
    with shop_scope(alpha.id):
        assert Customer.objects.count() == 1
        assert ShopToken.objects.get().access_token == "shpat_3"
        assert Account.objects.get(member=member).balance == 120
        assert Outbound.objects.get(id=given.id).state == "waiting"  # as it was, and made now
        shop_uninstalled(shop, at=earlier + dt.timedelta(days=1))  # told once more, late
        shop.refresh_from_db()
        assert shop.state == Shop.State.INSTALLED
        assert ShopToken.objects.exists()


def test_accounts_that_became_classic_meanwhile_prove_their_addresses(alpha: Shop, platform: Platform) -> None:
    Shop.objects.filter(id=alpha.id).update(customer_accounts=Shop.CustomerAccounts.NEW)
    with shop_scope(alpha.id):
        at = clock.now()
        known = {"created_at": at, "updated_at": at, "read_at": at, "account_state": "ENABLED", "verified_email": True}
        person = Customer.objects.create(shop=alpha, shopify_id=1, **known)
        platform.script(pair(1), data(shop=ABOUT))
        shop_installed(staff=staff())
        person.refresh_from_db()
        assert person.signed_in_at is not None
        assert DomainEvent.objects.filter(type="shop.reckoning_changed").exists()


def test_erased_shop_may_come_back_and_begins_anew(gone: Shop, platform: Platform) -> None:
    Shop.objects.update(state=Shop.State.REDACTED, redacted_at=clock.now(), shopify_id=548380014)
    platform.script(pair(1), data(shop={**ABOUT, "myshopifyDomain": gone.domain}))
    shop = shop_opened(staff=staff(gone.domain))
    assert (shop.id, shop.state, shop.redacted_at) == (gone.id, Shop.State.INSTALLED, None)


@pytest.mark.parametrize("missing", ["read_orders", "write_script_tags"])
def test_install_with_too_few_permissions_works_and_says_so(platform: Platform, missing: str) -> None:
    scopes = ",".join(scope for scope in settings.SHOPIFY_SCOPES if scope != missing)
    platform.script(pair(1, scope=scopes), data(shop=ABOUT))
    shop = shop_opened(staff=staff())
    assert (shop.state, shop.trouble, shop.missing_scopes) == ("installed", "scopes", missing)

    platform.script(pair(2, scope=scopes), data(shop=ABOUT))
    assert shop_opened(staff=staff()).trouble == "scopes"  # opening looks again
    platform.script(pair(3), data(shop=ABOUT))
    shop = shop_opened(staff=staff())
    assert (shop.trouble, shop.trouble_since, shop.missing_scopes) == ("", None, "")
    assert len(platform.calls) == 6
    shop_opened(staff=staff())
    assert len(platform.calls) == 6


def test_approving_what_was_missing_imports_what_could_not_be_read(platform: Platform) -> None:
    platform.script(pair(1, scope="read_customers"), data(shop=ABOUT))
    shop = shop_opened(staff=staff())
    SyncRun.objects.update(phase=SyncRun.Phase.DONE)
    platform.script(pair(2, scope="read_customers"), data(shop=ABOUT))
    shop_opened(staff=staff())
    assert SyncRun.objects.filter(shop=shop).count() == 1
    platform.script(pair(3), data(shop=ABOUT))
    shop_opened(staff=staff())
    assert SyncRun.objects.filter(shop=shop).count() == 2


@pytest.mark.parametrize("answer", [Answer(status=503), Answer({"error": "invalid_client"}, status=401)])
def test_shop_whose_access_cannot_be_renewed_opens_with_what_is_stored(
    alpha: Shop, platform: Platform, answer: Answer
) -> None:
    with shop_scope(alpha.id):
        ShopToken.objects.update(expires_at=clock.now() - dt.timedelta(days=1), refresh_token="")
    platform.script(answer)
    shop = shop_opened(staff=staff())
    assert (shop.id, shop.trouble) == (alpha.id, Shop.Trouble.REAUTHORIZE)
    platform.script(pair(4), data(shop=ABOUT))
    assert shop_opened(staff=staff()).trouble == ""


def test_browser_is_asked_for_a_fresh_id_token_also_in_trouble(alpha: Shop, platform: Platform) -> None:
    Shop.objects.update(trouble=Shop.Trouble.REAUTHORIZE, trouble_since=clock.now())
    platform.script(Answer({"error": "invalid_subject_token"}, status=400))
    with pytest.raises(StaleIdToken):
        shop_opened(staff=staff())


# --- another name -----------------------------------------------------------------------------------------------------


def test_staff_of_a_renamed_shop_find_their_shop(alpha: Shop, platform: Platform) -> None:
    Shop.objects.update(shopify_id=548380014)
    platform.script(pair(2), data(shop={**ABOUT, "myshopifyDomain": "renamed.myshopify.com"}))
    shop = shop_opened(staff=staff("renamed.myshopify.com"))
    assert (shop.id, shop.public_id, shop.domain) == (alpha.id, alpha.public_id, "renamed.myshopify.com")
    assert Shop.objects.count() == 1


def test_name_that_went_to_another_shop_shows_it_nothing_of_its_former_owner(alpha: Shop, platform: Platform) -> None:
    """Alpha was renamed unnoticed; beta took its name and installs the app."""
    platform.script(pair(2), data(shop={**ABOUT, "id": "gid://shopify/Shop/99"}))
    newcomer = shop_installed(staff=staff())
    assert newcomer.id != alpha.id
    assert newcomer.domain == "alpha.myshopify.com"
    alpha.refresh_from_db()
    assert alpha.state == Shop.State.UNINSTALLED
    assert not is_shop_domain(alpha.domain)

    about = {**ABOUT, "id": f"gid://shopify/Shop/{alpha.shopify_id}", "myshopifyDomain": "renamed.myshopify.com"}
    platform.script(pair(3), data(shop=about))
    back = shop_opened(staff=staff("renamed.myshopify.com"))
    assert (back.id, back.domain, back.state) == (alpha.id, "renamed.myshopify.com", Shop.State.INSTALLED)


def test_two_first_opens_at_once_make_one_shop(transactional_db: None, platform: Platform) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite's in-memory database locks whole tables between threads")
    platform.answer = lambda call: data(shop=ABOUT) if call.operation == "ShopInfo" else pair(1)
    person = staff()

    def open_app(_: int) -> int:
        try:
            return shop_installed(staff=person).id
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(open_app, range(4)))) == 1
    assert Shop.objects.count() == 1


def test_two_opens_under_a_new_name_at_once_rename_one_shop(alpha_for_threads: Shop, platform: Platform) -> None:
    about = {**ABOUT, "id": f"gid://shopify/Shop/{alpha_for_threads.shopify_id}"}
    about["myshopifyDomain"] = "renamed.myshopify.com"
    platform.answer = lambda call: data(shop=about) if call.operation == "ShopInfo" else pair(1)
    person = staff("renamed.myshopify.com")

    def open_app(_: int) -> int:
        try:
            return shop_installed(staff=person).id
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(open_app, range(4))) == {alpha_for_threads.id}
    assert Shop.objects.get().domain == "renamed.myshopify.com"


# --- renewing ---------------------------------------------------------------------------------------------------------


def test_dead_tokens_are_exchanged_anew_when_the_app_is_opened(shop: Shop, platform: Platform) -> None:
    ShopToken.objects.update(expires_at=clock.now() - dt.timedelta(days=1), refresh_token="")
    platform.script(pair(4), data(shop=ABOUT))
    run = SyncRun.objects.create(shop=shop, started_at=clock.now(), due_at=clock.now())
    opened = shop_opened(staff=staff())
    assert opened.installed_at > shop.installed_at  # a late notice of uninstalling from before no longer counts
    row = ShopToken.objects.get()
    assert (row.access_token, row.version) == ("shpat_4", 2)
    assert SyncRun.objects.get().id == run.id  # what was running goes on


def test_rejected_token_without_a_refresh_is_exchanged_when_the_app_is_opened(shop: Shop, platform: Platform) -> None:
    ShopToken.objects.update(refresh_token="")
    platform.script(Answer(status=401))
    with pytest.raises(Unauthorized):
        graphql(shop.id, "ShopInfo")
    platform.script(pair(4), data(shop=ABOUT))
    shop_opened(staff=staff())
    assert ShopToken.objects.get().access_token == "shpat_4"


def test_import_of_a_former_installation_gives_way_to_a_new_one(shop: Shop, platform: Platform) -> None:
    now = clock.now()
    former = SyncRun.objects.create(shop=shop, phase=SyncRun.Phase.ORDERS, started_at=now, due_at=now, lease_until=now)
    Shop.objects.update(state=Shop.State.UNINSTALLED, uninstalled_at=now)
    platform.script(pair(3), data(shop=ABOUT))
    shop_opened(staff=staff())
    assert list(SyncRun.objects.order_by("id").values_list("phase", flat=True)) == ["failed", "requested"]
    former.refresh_from_db()
    assert former.finished_at is not None
    assert former.attempts == 1  # a worker that still holds it writes nothing any more


def test_loader_that_was_never_placed_is_woken_again(
    alpha: Shop, woken: list[str], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        shop_opened(staff=staff())
    assert woken == ["outbound_work"]


@pytest.mark.parametrize(
    "placed", [{"script_tag_id": 1}, {"storefront_problem": "no"}, {"storefront_driver": "app_embed"}]
)
def test_loader_that_was_settled_is_left_alone(
    alpha: Shop, woken: list[str], placed: dict[str, Any], django_capture_on_commit_callbacks: Any
) -> None:
    Shop.objects.update(**placed)
    with django_capture_on_commit_callbacks(execute=True):
        shop_opened(staff=staff())
    assert woken == []


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ([pair(1), data(shop={**ABOUT, "myshopifyDomain": "beta.myshopify.com"})], UnreadableAnswer),
        ([pair(1), Answer(status=401)], Unauthorized),
        ([pair(1, refresh_token=None)], TransientError),
    ],
)
def test_install_that_fails_leaves_nothing(platform: Platform, answers: list[Answer], error: type[Exception]) -> None:
    platform.script(*answers)
    with pytest.raises(error):
        shop_installed(staff=staff())
    assert not Shop.objects.exists()


def test_unknown_time_zone_becomes_utc(platform: Platform) -> None:
    platform.script(pair(1), data(shop={**ABOUT, "ianaTimezone": "Mars/Olympus"}))
    assert shop_installed(staff=staff()).timezone == "UTC"


# --- the loader -------------------------------------------------------------------------------------------------------


class Tags:
    """The platform's script tags, and a theme without our app embed."""

    def __init__(self, platform: Platform, *sources: str, refusal: str = "") -> None:
        self.tags = dict(enumerate(sources, 1))
        self.refusal = refusal
        self.made: list[dict[str, Any]] = []
        platform.answer = self.answer

    def answer(self, call: Call) -> Answer:
        variables = call.body["variables"]
        if call.operation == "ScriptTagsPage":
            return data(scriptTags=self.page(int(variables["after"] or 0)))
        if call.operation == "PublishedTheme":
            return data(themes={"nodes": [theme_node()]})
        if call.operation == "ScriptTagDelete":
            del self.tags[int(variables["id"].rpartition("/")[2])]
            return data(scriptTagDelete={"deletedScriptTagId": variables["id"], "userErrors": []})
        if self.refusal:
            refused = [{"field": ["src"], "message": self.refusal}]
            return data(scriptTagCreate={"scriptTag": None, "userErrors": refused})
        self.made.append(variables["input"])
        self.tags[77] = variables["input"]["src"]
        return data(scriptTagCreate={"scriptTag": {"id": "gid://shopify/ScriptTag/77"}, "userErrors": []})

    def page(self, after: int) -> dict[str, Any]:
        """One tag a page."""
        rest = sorted(number for number in self.tags if number > after)
        nodes = [{"id": f"gid://shopify/ScriptTag/{number}", "src": self.tags[number]} for number in rest[:1]]
        return {"nodes": nodes, "pageInfo": {"hasNextPage": len(rest) > 1, "endCursor": str(rest[0]) if rest else None}}


def placed(shop: Shop) -> tuple[int | None, str]:
    """Ask for the loader once more and make the call, as after a new installation."""
    Shop.objects.filter(id=shop.id).update(installed_at=clock.now())
    shop.refresh_from_db()
    storefront_request(shop)
    tasks.outbound_work(shop_id=shop.id)
    shop.refresh_from_db()
    return shop.script_tag_id, shop.storefront_problem


def test_loader_is_placed_on_the_online_store_and_order_status(shop: Shop, platform: Platform) -> None:
    tags = Tags(platform)
    assert placed(shop) == (77, "")
    assert tags.made == [{"src": f"{settings.APP_URL}/storefront/alpha-public-id.js", "displayScope": "ALL"}]


def test_loader_is_placed_once(shop: Shop, platform: Platform) -> None:
    tags = Tags(platform)
    assert placed(shop) == placed(shop)
    assert len(tags.made) == 1


def test_loader_found_on_a_later_page_is_kept(shop: Shop, platform: Platform) -> None:
    tags = Tags(platform, "https://other.example.com/a.js", "https://other.example.com/b.js", loader_url(shop))
    assert placed(shop) == (3, "")
    assert tags.made == []


def test_only_our_own_leftovers_are_removed(shop: Shop, platform: Platform) -> None:
    ours = f"{settings.APP_URL}/storefront/old.js"
    tags = Tags(platform, ours, "https://other.example.com/a.js", loader_url(shop), loader_url(shop))
    assert placed(shop) == (3, "")
    assert sorted(tags.tags) == [2, 3]


@pytest.mark.parametrize(("other", "kept"), [(76, 76), (78, 77)])
def test_two_first_opens_leave_one_loader(shop: Shop, platform: Platform, other: int, kept: int) -> None:
    tags = Tags(platform)

    def at_the_same_time(call: Call) -> Answer:
        if call.operation == "ScriptTagCreate":
            tags.tags[other] = loader_url(shop)
        return tags.answer(call)

    platform.answer = at_the_same_time
    assert placed(shop) == (kept, "")
    assert list(tags.tags) == [kept]


def test_where_no_script_tags_are_taken_the_theme_is_the_way(shop: Shop, platform: Platform) -> None:
    Tags(platform, refusal="Script tags can no longer be created.")
    assert placed(shop) == (None, "")
    assert shop.storefront_driver == Shop.StorefrontDriver.APP_EMBED
    assert shop.storefront_theme["name"] == "Dawn"
    assert shop.storefront_theme["embed"] is False
    assert Outbound.objects.get().state == Outbound.State.DONE


def test_a_theme_that_can_not_be_seen_is_no_obstacle(shop: Shop, platform: Platform) -> None:
    tags = Tags(platform, refusal="Script tags can no longer be created.")
    platform.answer = lambda call: errors("ACCESS_DENIED") if call.operation == "PublishedTheme" else tags.answer(call)
    assert placed(shop) == (None, "")
    assert (shop.storefront_driver, shop.storefront_theme) == (Shop.StorefrontDriver.APP_EMBED, {})


def test_a_shop_that_takes_script_tags_again_gets_one(shop: Shop, platform: Platform) -> None:
    tags = Tags(platform, refusal="Script tags can no longer be created.")
    placed(shop)
    tags.refusal = ""
    assert placed(shop) == (77, "")
    assert shop.storefront_driver == Shop.StorefrontDriver.SCRIPT_TAG


def test_missing_permission_is_told_to_the_merchant(shop: Shop, platform: Platform) -> None:
    platform.script(errors("ACCESS_DENIED"))
    assert "ScriptTagsPage" in placed(shop)[1]


def test_failing_platform_settles_nothing(shop: Shop, platform: Platform) -> None:
    platform.script(Answer(status=502))
    assert placed(shop) == (None, "")
    assert Outbound.objects.get().state == Outbound.State.WAITING


def test_loader_waits_for_a_shop_that_took_the_app_off(shop: Shop, platform: Platform) -> None:
    Shop.objects.update(state=Shop.State.UNINSTALLED)
    assert placed(shop) == (None, "")
    assert platform.calls == []
    assert Outbound.objects.get().state == Outbound.State.WAITING
