"""A shop opens the app for the first time, or again; a shop takes it off."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog
from django.db import transaction
from django.db.models import F

from retention_app import clock, sync
from retention_app.models import Shop, ShopToken, SyncRun
from retention_app.services.storefront_driver import storefront_request
from retention_app.shopify import tokens
from retention_app.shopify.auth import Staff
from retention_app.shopify.client import Session
from retention_app.shopify.errors import UnreadableAnswer
from retention_app.shopify.mapping import numeric_id
from retention_app.tenancy import shop_scope

log = structlog.get_logger(__name__)


def shop_opened(*, staff: Staff) -> Shop:
    """The shop whose staff opens a page of the app, installed if it wasn't. Raises as `shop_installed`."""
    shop = Shop.objects.filter(domain=staff.shop_domain).first()
    if shop is not None and shop.state == Shop.State.INSTALLED:
        with shop_scope(shop.id):
            if tokens.is_alive():
                if shop.script_tag_id is None and not shop.storefront_problem:
                    storefront_request(shop)
                return shop
    return shop_installed(staff=staff)


def shop_installed(*, staff: Staff) -> Shop:
    """Exchange the ID token for the shop's tokens, learn who the shop is, and start what an installed shop needs: the
    import and the storefront loader. A shop that comes back finds everything it had. Every exchange begins an
    installation anew: a notice of uninstalling from before it no longer counts.

    Raises `StaleIdToken` when the browser must fetch a fresh ID token, any other `ShopifyError` when the platform
    refuses or fails; nothing is written then.
    """
    now = clock.now()
    pair = tokens.exchange(staff.details)
    access = tokens.Access(staff.shop_domain, pair.access_token, pair.expires_at)
    about = _about(Session(None, access).graphql("ShopInfo")["shop"], staff.shop_domain)
    with transaction.atomic(durable=True):
        shop, created = Shop.objects.select_for_update().get_or_create(
            domain=staff.shop_domain, defaults={**about, "installed_at": now}
        )
        if not created:
            if shop.state != Shop.State.INSTALLED:
                shop.state, shop.uninstalled_at = Shop.State.INSTALLED, None
                _imports_give_up(shop, now)
            shop.installed_at = now
            anew = {"script_tag_id": None, "storefront_problem": "", "calls_paused_until": None}
            for name, value in {**about, **anew}.items():
                setattr(shop, name, value)
            shop.save()
        with shop_scope(shop.id):
            tokens.store(pair)
            sync.sync_start(shop_id=shop.id)
            storefront_request(shop)
    log.info("shop_installed", shop=shop.domain, first_time=created)
    return shop


def shop_uninstalled(shop: Shop, *, at: dt.datetime) -> None:
    """Stop all calls to a shop that took the app off at `at`. A notice older than the present installation is ignored.

    The shop's data stays until the platform asks to erase it, so that coming back restores everything.
    """
    with transaction.atomic():
        shop.refresh_from_db(from_queryset=Shop.objects.select_for_update())
        if at < shop.installed_at or shop.state != Shop.State.INSTALLED:
            return
        ShopToken.objects.filter(shop_id=shop.id).delete()
        shop.state, shop.uninstalled_at = Shop.State.UNINSTALLED, clock.now()
        shop.script_tag_id = None  # the platform removes it with the app
        shop.save(update_fields=["state", "uninstalled_at", "script_tag_id"])
    log.info("shop_uninstalled", shop=shop.domain)


def _imports_give_up(shop: Shop, now: dt.datetime) -> None:
    """End what a former installation left running, also for the worker that may hold it: the count of attempts is its
    claim's token."""
    SyncRun.objects.filter(shop=shop).exclude(phase__in=[SyncRun.Phase.DONE, SyncRun.Phase.FAILED]).update(
        phase=SyncRun.Phase.FAILED,
        finished_at=now,
        lease_until=None,
        attempts=F("attempts") + 1,
        error="The app was uninstalled.",
    )


def _about(info: dict[str, Any], domain: str) -> dict[str, Any]:
    if info["myshopifyDomain"] != domain:
        raise UnreadableAnswer(f"The platform took {domain} for {info['myshopifyDomain']}.")
    return {
        "shopify_id": numeric_id(info["id"]),
        "name": info["name"][:255],
        "currency": info["currencyCode"],
        "timezone": _known_zone(info["ianaTimezone"]),
    }


def _known_zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError):
        log.warning("timezone_unknown", timezone=name)
        return "UTC"
