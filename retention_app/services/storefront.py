"""How the loader gets onto a storefront, and whether it is there (DESIGN 7).

Two drivers. `script_tag`: the loader's address names the shop by its public id, so the tag never needs changing.
`app_embed`: a block of our theme app extension that the merchant switches on in the theme editor, once for each theme;
it is used where the platform takes no script tags. Whether the switch is on is read from the published theme's
settings. Staff can switch everything off: the storefront then hears of no programme, and draws nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import orjson
import structlog
from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from retention_app import clock
from retention_app.models import AuditEntry, Outbound, Shop
from retention_app.outbound import Kind, outbound_request
from retention_app.shopify.client import Session
from retention_app.shopify.errors import ShopifyError
from retention_app.shopify.mapping import numeric_id
from retention_app.shopify.transport import address_for_browsers

log = structlog.get_logger(__name__)

TAGS_PER_PAGE = 50
BLOCK = "encore-rewards"  # our app embed's file in extensions/storefront/blocks
NOT_TAKEN = 0  # instead of a script tag's id
SEEN_EVERY = 60  # seconds between two notes of visitors on one kind of page
PAGES = ("", "products", "collections", "cart", "pages", "blogs", "search", "account")  # first parts of their paths
Driver = Shop.StorefrontDriver


def loader_url(shop: Shop) -> str:
    """The shop's own loader, as `/storefront/<public id>.js` serves it."""
    return f"{settings.APP_URL}/storefront/{shop.public_id}.js"


def storefront_request(shop: Shop) -> None:
    """See to it that the storefront of this installation runs exactly one loader of ours."""
    outbound_request(kind=ScriptTag.name, key=shop.installed_at.isoformat())


class ScriptTag(Kind):
    """The one script tag with the loader's address; a tag may be there from before, others of ours are removed."""

    name = "script_tag"
    looks_first = True

    def look_up(self, call: Outbound, session: Session) -> int | None:
        return _tidy(session, loader_url(call.shop))

    def act(self, call: Outbound, session: Session) -> int:
        src = loader_url(call.shop)
        answer = session.graphql("ScriptTagCreate", {"input": {"src": src, "displayScope": "ALL"}})
        payload = answer["scriptTagCreate"]
        if payload["userErrors"]:
            log.info("script_tag_not_taken", reason=" ".join(error["message"] for error in payload["userErrors"]))
            with suppress(ShopifyError):  # whether the switch is on already can be looked at later
                theme_read(call.shop_id)
            return NOT_TAKEN
        return _tidy(session, src) or numeric_id(payload["scriptTag"]["id"])  # another installation may have made one

    def settle(self, call: Outbound, effect: int | None) -> None:
        problem = ""
        if call.state in (Outbound.State.DEAD, Outbound.State.SKIPPED):
            problem = f"The platform didn't accept our script on your storefront: {call.error}"
        driver = Driver.APP_EMBED if effect == NOT_TAKEN else Driver.SCRIPT_TAG
        Shop.objects.filter(id=call.shop_id, state=Shop.State.INSTALLED).update(
            storefront_driver=driver, script_tag_id=effect or None, storefront_problem=problem[:255]
        )

    def titles(self, calls: Sequence[Outbound]) -> Mapping[int, str]:
        return {call.id: _("Encore on your storefront") for call in calls}

    def meaning(self, call: Outbound) -> str:
        if call.state == Outbound.State.DONE and call.shop.storefront_driver == Driver.APP_EMBED:
            return _("Shopify takes no script for it any more, so the rewards button is switched on in your theme.")
        if call.state == Outbound.State.DONE:
            return _("Your storefront loads Encore. Customers see the rewards button.")
        return _("Customers don't see the rewards button yet. Points are counted all the same.")

    def skipping(self, call: Outbound) -> str:
        return _("Your storefront goes on without the rewards button.")


def _tidy(session: Session, src: str) -> int | None:
    """The lowest id of the tags with this source, if any; all others of ours are removed."""
    ours = {
        numeric_id(tag["id"]): tag for tag in _tags(session) if tag["src"].startswith(f"{settings.APP_URL}/storefront/")
    }
    kept = min((id_ for id_, tag in ours.items() if tag["src"] == src), default=None)
    for id_, tag in ours.items():
        if id_ != kept:
            payload = session.graphql("ScriptTagDelete", {"id": tag["id"]})["scriptTagDelete"]
            if payload["userErrors"]:  # whoever tidied at the same time was faster
                log.info("script_tag_not_deleted", script_tag_id=id_)
    return kept


def _tags(session: Session) -> Iterator[dict[str, Any]]:
    after = None
    while True:
        page = session.graphql("ScriptTagsPage", {"first": TAGS_PER_PAGE, "after": after})["scriptTags"]
        yield from page["nodes"]
        if not page["pageInfo"]["hasNextPage"]:
            return
        after = page["pageInfo"]["endCursor"]


# --- the app embed ----------------------------------------------------------------------------------------------------


def theme_read(shop_id: int) -> None:
    """Look whether our app embed is on in the published theme. In the shop's scope, outside transactions; raises
    `ShopifyError` when the platform refuses or fails."""
    themes = Session(shop_id).graphql("PublishedTheme")["themes"]["nodes"]
    found = {"read_at": clock.now().isoformat(), **_told(themes[0])} if themes else {}
    Shop.objects.filter(id=shop_id, state=Shop.State.INSTALLED).update(storefront_theme=found)


def _told(theme: dict[str, Any]) -> dict[str, Any]:
    contents = [file["body"].get("content", "") for file in theme["files"]["nodes"]]
    embed = embed_is_on(contents[0] if contents else "")
    return {"id": numeric_id(theme["id"]), "name": theme["name"][:255], "embed": embed}


def embed_is_on(settings_data: str) -> bool | None:
    """What a theme's `config/settings_data.json` says of our app embed; None when it can't be read.

    Shopify writes a comment in front of the JSON; `current` is an object, or names one of `presets`. A block's type is
    `shopify://apps/<app>/blocks/<block>/<uuid>`.
    """
    text = settings_data.lstrip()
    if text.startswith("/*"):
        text = text.partition("*/")[2]
    try:
        data = orjson.loads(text)
        current = data["current"]
        blocks = (data["presets"][current] if isinstance(current, str) else current).get("blocks", {})
        ours = [block for block in blocks.values() if f"/blocks/{BLOCK}/" in block["type"]]
        return any(not block.get("disabled") for block in ours)
    except (ValueError, KeyError, TypeError, AttributeError):
        log.warning("theme_settings_unreadable")
        return None


def editor_url(shop: Shop) -> str:
    """The theme editor with our app embed switched on, for the merchant to save."""
    asked = {"context": "apps", "template": "index", "activateAppId": f"{settings.SHOPIFY_API_KEY}/{BLOCK}"}
    return address_for_browsers(f"https://{shop.domain}/admin/themes/current/editor?{urlencode(asked, safe='/')}")


def store_url(shop: Shop) -> str:
    return address_for_browsers(f"https://{shop.domain}/")


# --- on, off and seen -------------------------------------------------------------------------------------------------


def storefront_switch(*, shop: Shop, on: bool, actor: str) -> None:
    """Show the storefront our script's work again, or nothing of it from the next page on."""
    now = clock.now()
    with transaction.atomic():
        changed = Shop.objects.filter(id=shop.id, storefront_off_at__isnull=not on)
        if changed.update(storefront_off_at=None if on else now):
            code = "storefront.switched_on" if on else "storefront.switched_off"
            AuditEntry.objects.create(shop=shop, code=code, actor=actor, at=now)


def storefront_seen(shop: Shop, kind: str) -> None:
    """Note that a visitor's browser ran our script on a kind of page."""
    if kind in PAGES:
        seen = {**shop.storefront_seen, kind: clock.now().isoformat()}
        Shop.objects.filter(id=shop.id).update(storefront_seen=seen)
