"""The merchant's side of having an app: installing it, opening its pages in the admin, publishing a first programme
with it, and uninstalling it. Everything goes over HTTP, as from a browser."""

import asyncio
import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import httpx

from devstore import calllog, idtokens, metafields, oauth, webhooks
from devstore.documents import Staff
from devstore.money import exponent
from devstore.orders import CommerceError
from devstore.payloads import Writer
from devstore.shops import Shop

TIMEOUT = httpx.Timeout(30.0)


def frame_url(
    shop: Shop,
    path: str = "",
    staff: Staff | None = None,
    locale: str | None = None,
    query: Iterable[tuple[str, str]] = (),
) -> str:
    """The address of an app page as the admin's frame loads it: with a fresh ID token, signed as Shopify signs it.
    `query` is the page's own."""
    person = staff or shop.staff()
    parameters = {
        **dict(query),
        "embedded": "1",
        "host": admin_host(shop),
        "id_token": idtokens.mint(shop, person),
        "locale": locale or person["locale"],
        "session": secrets.token_hex(32),
        "shop": shop.domain,
        "timestamp": str(int(time.time())),
    }
    parameters["hmac"] = query_signature(shop.store.config.api_secret, parameters)
    return f"{shop.store.config.app_url}/app/{path.lstrip('/')}?{urlencode(parameters)}"


def admin_host(shop: Shop) -> str:
    """The `host` parameter: where the shop's admin is, in base64."""
    return base64.b64encode(f"admin.shopify.com/store/{shop.handle}".encode()).decode().rstrip("=")


def query_signature(secret: str, parameters: dict[str, str]) -> str:
    """`hmac` of a request to the app: the other parameters sorted, joined with `&`, HMAC-SHA256 in hex."""
    joined = "&".join(f"{name}={value}" for name, value in sorted(parameters.items()))
    return hmac.digest(secret.encode(), joined.encode(), hashlib.sha256).hex()


def grant(shop: Shop, scopes: Iterable[str] | None = None) -> None:
    """The click on Install: from here on the app may exchange tokens and receives webhooks. Again: scopes are
    renewed. `scopes` None means those of the toml."""
    granted = list(shop.store.app.scopes if scopes is None else scopes)
    with shop.database.write():
        if not shop.installed:
            shop.update(installed_at=shop.clock.now(), uninstalled_at=None, scopes=granted)
        change_scopes(shop, granted)


@dataclass(frozen=True, slots=True)
class Authorization:
    """What an app asks for at `/admin/oauth/authorize`."""

    scopes: tuple[str, ...]
    redirect_uri: str
    state: str
    per_user: bool


def authorization(shop: Shop, query: Mapping[str, Any]) -> Authorization:
    """Read the parameters `client_id`, `scope`, `redirect_uri`, `state`, `grant_options[]`. No scopes mean those of the
    toml. Raises CommerceError."""
    app = shop.store.app
    if query.get("client_id") != shop.store.config.api_key:
        raise CommerceError("client_id is not the app's")
    address = str(query.get("redirect_uri", ""))
    if address not in app.redirect_urls:
        raise CommerceError(f"redirect_uri {address!r} is not among the app's redirect_urls")
    scopes = [each.strip() for each in str(query.get("scope", "")).split(",") if each.strip()]
    if unknown := [each for each in scopes if each not in app.scopes]:
        raise CommerceError(f"the app's access_scopes lack {', '.join(unknown)}")
    per_user = query.get("grant_options[]") == "per-user"
    return Authorization(tuple(scopes) or app.scopes, address, str(query.get("state", "")), per_user)


def authorize(shop: Shop, asked: Authorization, staff: Staff) -> str:
    """The merchant agrees: the app is installed with these scopes. Returns where the browser goes, with a code."""
    with shop.database.write() as connection:
        grant(shop, asked.scopes)
        code = oauth.give_code(connection, shop, staff if asked.per_user else None)
    parameters = {
        "code": code,
        "host": admin_host(shop),
        "shop": shop.domain,
        "state": asked.state,
        "timestamp": str(int(time.time())),
    }
    parameters["hmac"] = query_signature(shop.store.config.api_secret, parameters)
    return f"{asked.redirect_uri}{'&' if '?' in asked.redirect_uri else '?'}{urlencode(parameters, quote_via=quote)}"


def change_scopes(shop: Shop, scopes: Iterable[str]) -> None:
    """Give the app these scopes and no others, from now on, tokens it has included, and tell it."""
    previous, current = shop.document["scopes"], list(dict.fromkeys(scopes))
    if previous == current:
        return
    with shop.database.write() as connection:
        shop.update(scopes=current)
        oauth.change_scopes(connection, shop)
        payload = Writer(shop.document).scopes(previous, current, shop.clock.now())
        webhooks.queue_wanted(connection, shop, "app/scopes_update", payload)


async def install(shop: Shop, client: httpx.AsyncClient) -> dict[str, Any]:
    """Click on Install and open the app, then let the scenario publish its programme, if it brings one. Answers
    `{ok, status, programme}`; `status` is the app's HTTP status, None when it could not be reached."""
    await asyncio.to_thread(grant, shop)
    status = await open_app(shop, client)
    answer: dict[str, Any] = {"ok": status == 200, "status": status, "programme": None}
    if answer["ok"] and shop.document["scenario"] in ("cdnow", "csv") and shop.document["programme_at"] is None:
        answer["programme"] = await publish_programme(shop, client)
        answer["ok"] = answer["programme"]["ok"]
    return answer


async def open_app(shop: Shop, client: httpx.AsyncClient) -> int | None:
    return await _call(shop, client, "GET", frame_url(shop), follow_redirects=True)  # as the admin's frame does


async def publish_programme(shop: Shop, client: httpx.AsyncClient) -> dict[str, Any]:
    """Publish 1 point per whole unit of money, 100 points worth 5, all past orders counted, on the app's own screens.
    Answers `{ok, statuses}` of the two forms."""
    places = exponent(shop.currency)
    one, five = ("1", "5") if places == 0 else (f"1.{'0' * places}", f"5.{'0' * places}")
    draft = {"earn_points": "1", "earn_per": one, "worth_points": "100", "worth_amount": five}
    statuses = [await _post_form(shop, client, "loyalty/draft/", draft)]
    if accepted(statuses[0]):
        review = {"count_past": "all", "note": "Published by devstore"}
        statuses.append(await _post_form(shop, client, "loyalty/draft/review/", review))
    ok = all(map(accepted, statuses))
    if ok:
        await asyncio.to_thread(shop.update, programme_at=shop.clock.now())
    return {"ok": ok, "statuses": statuses}


def uninstall(shop: Shop) -> None:
    """Tokens die, script tags and the app's metafields go, and the app is told last. Its blocks stay with their themes,
    unseen until it is back."""
    with shop.database.write() as connection:
        oauth.revoke_all(connection, shop)
        connection.execute("DELETE FROM script_tags WHERE shop_id = ?", (shop.id,))
        metafields.forget(connection, shop)
        payload = Writer(shop.document).shop_itself(shop.clock.now())
        webhooks.queue_wanted(connection, shop, "app/uninstalled", payload)
        shop.update(installed_at=None, uninstalled_at=shop.clock.now(), programme_at=None)


def accepted(status: int | None) -> bool:
    return status is not None and 200 <= status < 400


async def _post_form(shop: Shop, client: httpx.AsyncClient, path: str, form: dict[str, str]) -> int | None:
    headers = {"Authorization": f"Bearer {idtokens.mint(shop, shop.staff())}", "Origin": shop.store.config.app_url}
    return await _call(shop, client, "POST", f"{shop.store.config.app_url}/app/{path}", data=form, headers=headers)


async def _call(shop: Shop, client: httpx.AsyncClient, method: str, url: str, **more: Any) -> int | None:
    try:
        status = (await client.request(method, url, timeout=TIMEOUT, **more)).status_code
    except httpx.HTTPError:
        status = None
    path = httpx.URL(url).path
    await asyncio.to_thread(calllog.record, shop, "app", method=method, path=path, status=status)
    return status
