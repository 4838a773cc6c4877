"""Whether the storefront shows us: the switch in the theme, the one in Settings, and what visitors' browsers load."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from config.env import ROOT
from retention_app.models import AuditEntry, Shop
from retention_app.services.storefront import BLOCK, embed_is_on, storefront_seen, theme_read
from retention_app.tenancy import shop_scope
from tests.platform.conftest import Platform, Store, data, delivery, errors
from tests.platform.nodes import embed, theme_node
from tests.workers import work_off

PAGE = "/app/settings/storefront/"
Merchant = Callable[[Shop], Client]


def settings_of(*blocks: dict[str, Any]) -> str:
    [file] = theme_node(*blocks)["files"]["nodes"]
    return str(file["body"]["content"])


@pytest.mark.parametrize(
    ("text", "on"),
    [
        (settings_of(), False),
        (settings_of(embed()), True),
        (settings_of(embed(disabled=True)), False),
        (settings_of(embed(disabled=True), embed()), True),
        (settings_of(embed("popup-embed")), False),  # another app's
        ('{"current": {}}', False),
        (json.dumps({"current": "Default", "presets": {"Default": {"blocks": {"1": embed()}}}}), True),
        ('{"current": "Gone", "presets": {}}', None),
        ('{"current": {"blocks": [1]}}', None),
        ("", None),
        ("/* a comment that doesn't end", None),
    ],
)
def test_a_theme_says_whether_our_embed_is_on(text: str, on: bool | None) -> None:
    assert embed_is_on(text) is on


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["current", "presets", "blocks", "type", "x"]), inner)
    ),
)


@given(JSON.map(json.dumps) | st.text())
def test_a_theme_may_say_anything(text: str) -> None:
    assert embed_is_on(text) in (True, False, None)


def test_the_block_is_called_as_its_file() -> None:
    assert (ROOT / f"extensions/storefront/blocks/{BLOCK}.liquid").exists()


@pytest.mark.django_db
def test_publishing_another_theme_has_it_looked_at(shop: Shop, store: Store) -> None:
    with shop_scope(shop.id):
        Shop.objects.update(storefront_theme={"name": "Old", "embed": True})
    store.theme = theme_node(name="New")
    delivery("themes/publish", {"id": 9, "name": "New", "role": "main"})
    work_off()
    shop.refresh_from_db()
    assert (shop.storefront_theme["name"], shop.storefront_theme["embed"]) == ("New", False)


@pytest.mark.django_db
def test_a_store_without_a_published_theme_has_none(shop: Shop, platform: Platform) -> None:
    platform.script(data(themes={"nodes": []}))
    with shop_scope(shop.id):
        theme_read(shop.id)
    shop.refresh_from_db()
    assert shop.storefront_theme == {}


@pytest.mark.django_db
def test_switching_off_shows_nothing_and_is_audited(shop: Shop, merchant: Merchant) -> None:
    for on in ("0", "0", "1"):
        assert merchant(shop).post(f"{PAGE}switch/", {"on": on}).status_code == 303
        shop.refresh_from_db()
        assert (shop.storefront_off_at is None) == (on == "1")
    with shop_scope(shop.id):
        codes = list(AuditEntry.objects.order_by("id").values_list("code", flat=True))
    assert codes == ["storefront.switched_off", "storefront.switched_on"]


@pytest.mark.django_db
def test_visitors_are_noted_by_kind_of_page(shop: Shop) -> None:
    for kind in ("products", "products", "", "../etc", "x" * 10_000):
        storefront_seen(shop, kind)
        shop.refresh_from_db()
    assert set(shop.storefront_seen) == {"products", ""}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"script_tag_id": 5}, ["script tag", "not seen yet", "Open your store"]),
        ({"storefront_problem": "no"}, ["failed"]),
        ({}, ["under way"]),
        ({"storefront_driver": "app_embed"}, ["your theme", "We can't see your theme yet.", "Open theme editor"]),
        (
            {
                "storefront_driver": "app_embed",
                "storefront_theme": {"name": "Dawn", "embed": False, "read_at": "2026-11-20T10:00:00+00:00"},
            },
            ["Dawn", "press Save there", f"activateAppId={settings.SHOPIFY_API_KEY}/encore-rewards"],
        ),
        ({"storefront_seen": {"cart": "2026-11-20T10:00:00+00:00"}}, ["seen", "Last loaded"]),
        ({"storefront_off_at": "2026-11-20T10:00:00+00:00"}, ["Off since", "Switch everything on"]),
    ],
)
def test_the_screen_says_what_is_and_what_to_do(
    shop: Shop, merchant: Merchant, columns: dict[str, Any], says: list[str]
) -> None:
    Shop.objects.filter(id=shop.id).update(**columns)
    text = merchant(shop).get(PAGE).content.decode().replace("&#x27;", "'").replace("&amp;", "&")
    for words in says:
        assert words in text
    assert "Storefront" in merchant(shop).get("/app/settings/").content.decode()


@pytest.mark.django_db
def test_looking_again_reads_the_theme_or_says_why_not(shop: Shop, merchant: Merchant, platform: Platform) -> None:
    staff = merchant(shop)
    platform.script(data(themes={"nodes": [theme_node(embed())]}))
    assert staff.post(f"{PAGE}look/", headers={"HX-Request": "true"}).headers["HX-Trigger"] == '{"toast": "Checked"}'
    shop.refresh_from_db()
    assert shop.storefront_theme["embed"] is True
    platform.script(errors("ACCESS_DENIED"))
    refused = staff.post(f"{PAGE}look/", headers={"HX-Request": "true"})
    assert "Shopify didn't answer" in refused.headers["HX-Trigger"]
