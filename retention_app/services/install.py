"""A shop opens the app for the first time, or again, moves to another name, or takes the app off."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog
from django.db import transaction
from django.db.models import F, Q

from retention_app import clock, sign_ins, sync, trouble, work
from retention_app.events import Fact, events_record
from retention_app.models import DomainEvent, Shop, ShopToken, SyncRun, WebhookDelivery
from retention_app.services.storefront import storefront_request
from retention_app.shopify import tokens
from retention_app.shopify.auth import Staff, is_shop_domain
from retention_app.shopify.client import Session
from retention_app.shopify.errors import (
    QueryRefused,
    ShopClosed,
    ShopifyError,
    ShopUnavailable,
    StaleIdToken,
    UnreadableAnswer,
)
from retention_app.shopify.mapping import numeric_id
from retention_app.shopify.scopes import scopes_missing
from retention_app.tenancy import shop_scope

log = structlog.get_logger(__name__)

Trouble = Shop.Trouble


def shop_opened(*, staff: Staff) -> Shop:
    """The shop whose staff opens a page of the app, installed if it wasn't. In trouble that a fresh exchange may mend
    it is tried; where that fails, an installed shop is opened all the same: what is stored can be seen.

    Raises `StaleIdToken`, and what `shop_installed` raises for a shop that isn't installed.
    """
    shop = Shop.objects.filter(domain=staff.shop_domain).first()
    if shop is None or shop.state != Shop.State.INSTALLED:
        return shop_installed(staff=staff)
    with shop_scope(shop.id):
        alive = tokens.is_alive()
        if alive and shop.trouble not in (Trouble.REAUTHORIZE, Trouble.SCOPES):
            if shop.storefront_driver == Shop.StorefrontDriver.SCRIPT_TAG and not (
                shop.script_tag_id or shop.storefront_problem
            ):
                storefront_request(shop)
            sync.sync_repeat(shop_id=shop.id)
            return shop
    try:
        return shop_installed(staff=staff)
    except StaleIdToken:
        raise
    except ShopifyError as error:
        log.warning("exchange_failed", shop=shop.domain, reason=str(error))
        if not alive:
            trouble.met(shop.id, Trouble.FROZEN if isinstance(error, ShopUnavailable) else Trouble.REAUTHORIZE)
        shop.refresh_from_db()
        return shop


def shop_installed(*, staff: Staff) -> Shop:
    """Exchange the ID token for the shop's tokens and install the app with them, as `_install` does.

    Raises `StaleIdToken` when the browser must fetch a fresh ID token, any other `ShopifyError` when the platform
    refuses or fails; nothing is written then.
    """
    return _install(staff.shop_domain, tokens.exchange(staff.details))


def shop_granted(*, domain: str, code: str) -> Shop:
    """Redeem the code of an authorization grant for the shop's tokens and install the app with them: see `_install`.

    Raises `GrantRefused` when the platform doesn't take the code, any other `ShopifyError` when it refuses or fails;
    nothing is written then.
    """
    return _install(domain, tokens.redeem(domain, code))


def _install(domain: str, pair: tokens.Pair) -> Shop:
    """Learn who the shop is, keep its tokens, and start what a shop needs that is new, comes back or was in trouble:
    the import and the storefront loader. A shop that comes back finds everything it had, also under another name. Every
    exchange begins an installation anew: a notice of uninstalling from before it no longer counts.
    """
    now = clock.now()
    about = _about(Session(None, tokens.Access(domain, pair.access_token, pair.expires_at)))
    if about["domain"] != domain:
        raise UnreadableAnswer(f"The platform took {domain} for {about['domain']}.")
    missing = ",".join(scopes_missing(pair.scope))
    with transaction.atomic(durable=True):
        shop = _known(about)
        created = shop is None
        if shop is None:
            shop, created = Shop.objects.select_for_update().get_or_create(
                domain=domain, defaults={**about, "installed_at": now}
            )
        if shop.state == Shop.State.REDACTED and shop.redacted_at is None:
            raise ShopUnavailable("The shop's data is being erased, which nothing may interrupt.")
        with shop_scope(shop.id):
            was_away = created or shop.state != Shop.State.INSTALLED or not tokens.is_alive()
            was_shut = shop.trouble in (Trouble.REAUTHORIZE, Trouble.FROZEN) or shop.missing_scopes != missing
            if shop.state != Shop.State.INSTALLED:
                _imports_give_up(shop, now)
            anew: dict[str, Any] = {
                "state": Shop.State.INSTALLED,
                "installed_at": now,
                "uninstalled_at": None,
                "redacted_at": None,
                "trouble": Trouble.SCOPES if missing else "",
                "trouble_since": now if missing else None,
                "trouble_met_at": None,
                "missing_scopes": missing,
            }
            if was_away or was_shut:
                anew |= {
                    "storefront_driver": Shop.StorefrontDriver.SCRIPT_TAG,
                    "script_tag_id": None,
                    "storefront_problem": "",
                    "storefront_theme": {},
                    "calls_paused_until": None,
                }
            _learn(shop, about)
            for name, value in anew.items():
                setattr(shop, name, value)
            shop.save()
            tokens.store(pair)
            if was_away or was_shut:
                sync.sync_start(shop_id=shop.id)
                storefront_request(shop)
                work.due_now(shop)
    log.info("shop_installed", shop=shop.domain, first_time=created, missing_scopes=missing)
    return shop


def shop_uninstalled(shop: Shop, *, at: dt.datetime) -> None:
    """Stop all calls to a shop that took the app off at `at`. A notice older than the present installation is ignored.

    The shop's data stays until the platform asks to erase it, so that coming back restores everything.
    """
    with transaction.atomic():
        shop.refresh_from_db(from_queryset=Shop.objects.select_for_update())
        if at < shop.installed_at or shop.state != Shop.State.INSTALLED:
            return
        now = clock.now()
        ShopToken.objects.filter(shop_id=shop.id).delete()
        _imports_give_up(shop, now)
        shop.state, shop.uninstalled_at = Shop.State.UNINSTALLED, now
        shop.trouble, shop.trouble_since, shop.trouble_met_at, shop.missing_scopes = "", None, None, ""
        shop.script_tag_id = None  # the platform removes it with the app
        shop.save()
    log.info("shop_uninstalled", shop=shop.domain)


def shop_reread(*, shop_id: int, domain: str = "") -> None:
    """Read again who the shop is and what it granted. `domain` is where it is said to have moved, if anywhere.

    Runs in the shop's scope, outside transactions. Raises `ShopifyError` when the platform refuses or fails.
    """
    about = _about_at(shop_id, domain)
    if about is None:
        trouble.look_again(shop_id)
        about = _about(Session(shop_id))
    with transaction.atomic():
        shop = _known(about)
        if shop is None or shop.id != shop_id:
            raise UnreadableAnswer(f"The platform took another shop for {about['domain']}.")
        _learn(shop, about)
        shop.save(update_fields=list(about))
    granted = Session(shop_id).graphql("GrantedScopes")["currentAppInstallation"]["accessScopes"]
    scopes = ",".join(scope["handle"] for scope in granted)
    ShopToken.objects.update(scope=scopes)
    trouble.scopes_granted(shop_id, scopes)
    if shop.missing_scopes and not Shop.objects.filter(id=shop_id).exclude(missing_scopes="").exists():
        sync.sync_start(shop_id=shop_id)  # what came meanwhile may have come without what we may see again


def _learn(shop: Shop, about: dict[str, Any]) -> None:
    """Take over what the platform says of a shop, in its scope; the caller saves it. It is told when statements rest on
    something else now: the currency, the clock, or accounts that prove an address."""
    reckons_by, accounts = (shop.currency, shop.timezone), shop.customer_accounts
    for name, value in about.items():
        setattr(shop, name, value)
    has_classic = shop.customer_accounts == Shop.CustomerAccounts.CLASSIC
    recognised = sign_ins.accounts_recognise() if has_classic and accounts != shop.customer_accounts else 0
    if recognised or (shop.currency, shop.timezone) != reckons_by:
        now = clock.now()
        changed = Fact(type="shop.reckoning_changed", key=f"shop.reckoning_changed:{now.isoformat()}", occurred_at=now)
        events_record([changed], origin=DomainEvent.Origin.LIVE)


def _about_at(shop_id: int, domain: str) -> dict[str, Any] | None:
    """Who answers at the domain the shop is said to have moved to, with its token; None when nobody does."""
    if not is_shop_domain(domain) or Shop.objects.filter(id=shop_id, domain=domain).exists():
        return None
    try:
        access = tokens.access(shop_id, let_in=True)
        return _about(Session(None, replace(access, domain=domain)))
    except (ShopClosed, QueryRefused):
        return None


def _known(about: dict[str, Any]) -> Shop | None:
    """The row of this shop, locked, under its present name. Its deliveries move with it; a row of another shop that had
    the name before it, and is called something else by now, gives the name up until its staff opens the app, and takes
    along what was worked off under it (what waits says itself whose it is).
    """
    rows = list(
        Shop.objects.select_for_update()
        .filter(Q(domain=about["domain"]) | Q(shopify_id=about["shopify_id"]))
        .order_by("id")
    )
    ours = next((row for row in rows if row.shopify_id == about["shopify_id"]), None)
    holder = next((row for row in rows if row.domain == about["domain"]), None)
    if ours is None and holder is not None and holder.shopify_id is None:
        return holder
    if holder is not None and holder is not ours:
        log.warning("shop_lost_its_name", shop_id=holder.id, domain=holder.domain)
        worked_off = WebhookDelivery.objects.filter(shop_domain=holder.domain).exclude(
            state=WebhookDelivery.State.WAITING
        )
        holder.domain = f"{holder.shopify_id}.former.{holder.domain}"  # no shop is called so, nobody comes from there
        worked_off.update(shop_domain=holder.domain)
        holder.state, holder.uninstalled_at = Shop.State.UNINSTALLED, clock.now()
        holder.save(update_fields=["domain", "state", "uninstalled_at"])
    if ours is not None and ours.domain != about["domain"]:
        log.info("shop_renamed", shop_id=ours.id, former=ours.domain, domain=about["domain"])
        deliveries = WebhookDelivery.objects.filter(shop_domain=ours.domain)
        deliveries.filter(state=WebhookDelivery.State.WAITING).update(due_at=clock.now())
        deliveries.update(shop_domain=about["domain"])
        ours.domain = about["domain"]
        ours.save(update_fields=["domain"])
    return ours


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


def _about(session: Session) -> dict[str, Any]:
    info = session.graphql("ShopInfo")["shop"]
    return {
        "domain": info["myshopifyDomain"],
        "shopify_id": numeric_id(info["id"]),
        "name": info["name"][:255],
        "currency": info["currencyCode"],
        "timezone": _known_zone(info["ianaTimezone"]),
        "customer_accounts": info["customerAccountsV2"]["customerAccountsVersion"][:24],
    }


def _known_zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError):
        log.warning("timezone_unknown", timezone=name)
        return "UTC"
