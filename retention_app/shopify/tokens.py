"""A shop's tokens: looked up per call, refreshed by one process at a time.

Access tokens live for an hour, and every refresh gives a new pair. Who wins the lease (a conditional UPDATE, so no lock
is held while talking to the platform) refreshes and commits the pair before anybody uses it; the others go on with the
old token while it lives, or wait for the new one. A refresh token that died is wiped: then only opening the app again
helps.
"""

from __future__ import annotations

import datetime as dt
import random
import time
from dataclasses import dataclass

import httpx
import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from shopify_app import ShopifyApp
from shopify_app.types import IdTokenDetails, TokenExchangeResult

from retention_app import clock, trouble, work
from retention_app.models import Shop, ShopToken
from retention_app.shopify.errors import (
    CLOSED_STATUSES,
    AppRefused,
    GrantRefused,
    ShopUnavailable,
    StaleIdToken,
    TransientError,
    Unauthorized,
)
from retention_app.shopify.transport import http
from retention_app.tenancy import current_shop_id, shop_scope

log = structlog.get_logger(__name__)

MARGIN = dt.timedelta(minutes=5)  # a token with less to live is refreshed before use
LEASE_SECONDS = 120  # longer than the platform's answer can take, shorter than MARGIN
PAUSE_SECONDS = 15  # between attempts while the platform fails and the old token still lives
WAIT_SECONDS = 40.0  # the longest a caller waits for another process's refresh
STAFF_TIMEOUT_SECONDS = 3.0  # a page waits for it
NAME_MAX = 255  # characters
IDLE = dt.timedelta(days=7)  # a pair older than this is refreshed, so that its refresh token never runs out


@dataclass(frozen=True)
class Access:
    """What a call needs: where to and with which token."""

    domain: str
    token: str
    expires_at: dt.datetime
    trouble: str = ""  # what the shop was in when this was looked up

    def __repr__(self) -> str:
        return f"Access({self.domain}, …, {self.expires_at})"


@dataclass(frozen=True)
class Pair:
    """An access token and its refresh token, checked as a whole before either replaces anything."""

    access_token: str
    expires_at: dt.datetime
    refresh_token: str
    refresh_expires_at: dt.datetime
    scope: str

    def __repr__(self) -> str:
        return f"Pair(…, {self.expires_at})"


@dataclass(frozen=True)
class Associated:
    """The person of an online token, as the platform knows them; empty texts where it doesn't share them."""

    name: str
    email: str
    owns_account: bool

    def __repr__(self) -> str:
        return "Associated(…)"


def shopify_app() -> ShopifyApp:
    """The official package's verifier and token client with our keys."""
    return ShopifyApp(
        client_id=settings.SHOPIFY_API_KEY,
        client_secret=settings.SHOPIFY_API_SECRET,
        old_client_secret=settings.SHOPIFY_API_SECRET_OLD or None,
    )


def access_token(shop_id: int) -> str:
    """A token that is good for the next minutes. Raises as `access`."""
    return access(shop_id).token


def access(shop_id: int, rejected: str | None = None, *, let_in: bool = False) -> Access:
    """The shop's domain and a living token, other than the `rejected` one. `let_in`: for a further try of a call.

    Raises `ShopUnavailable` when the app is uninstalled or the shop was found closed a moment ago, `Unauthorized` when
    no refresh can help, `TransientError` when the platform fails to refresh a token that is no longer good. Call it
    outside transactions.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    with shop_scope(shop_id):
        while True:
            row = _row()
            if not let_in and trouble.is_paused(row.shop):
                raise ShopUnavailable("The shop was closed a moment ago.")
            let_in = True
            now = clock.now()
            usable = row.access_token != rejected and row.expires_at > now
            if usable and row.expires_at - now > MARGIN:
                return _access(row)
            if row.refresh_token and (row.refresh_expires_at is None or row.refresh_expires_at > now):
                if _lease(row):
                    _refresh(row, usable=usable)
                    continue
            elif not usable:
                if row.expires_at > now:  # rejected before its time: so that opening the app exchanges anew
                    ShopToken.objects.filter(id=row.id, version=row.version).update(expires_at=now)
                trouble.met(shop_id, Shop.Trouble.REAUTHORIZE)
                raise Unauthorized("The shop's access ran out: open the app again.")
            if usable:
                return _access(row)
            if time.monotonic() > deadline:
                raise TransientError("Another process is refreshing the shop's token and hasn't finished.")
            time.sleep(random.uniform(0.05, 0.15))


def keep_alive(shop_id: int) -> None:
    """Refresh the pair of a shop that made no call for a week. Leaves a shop without a living pair alone."""
    with shop_scope(shop_id):
        row = ShopToken.objects.select_related("shop").first()
        if row is not None and row.refresh_token and clock.now() - row.expires_at > IDLE and _lease(row):
            _refresh(row, usable=False)


def is_alive() -> bool:
    """Whether the shop in scope has a token that works or can be refreshed."""
    now = clock.now()
    return ShopToken.objects.filter(
        Q(expires_at__gt=now) | (~Q(refresh_token="") & (Q(refresh_expires_at=None) | Q(refresh_expires_at__gt=now)))
    ).exists()


def exchange(details: IdTokenDetails) -> Pair:
    """A merchant's verified ID token → the shop's offline pair.

    Raises `StaleIdToken` (fetch a fresh one in the browser), `Unauthorized` (our keys are refused) or `TransientError`.
    """
    try:
        pair, failure = _exchanged(
            shopify_app().exchange_using_token_exchange(access_mode="offline", id_token=details, http_client=http())
        )
    except (ValueError, TypeError, AttributeError, KeyError):  # the package takes the answer's shape for granted
        pair, failure = None, "unreadable_answer"
    if pair is not None:
        return pair
    if failure == "invalid_subject_token":
        raise StaleIdToken("The platform finds the ID token too old.")
    raise _error(failure)


def associated_user(shop_domain: str, user_id: str, details: IdTokenDetails) -> Associated:
    """Who a verified ID token speaks for, by one exchange for an online token, which is dropped. Asked once and for a
    short time: a page waits for it. (Shopify names the person only there: `associated_user` beside the token.)

    Raises `TransientError` when the platform doesn't say, or names somebody else.
    """
    wanted = {
        "client_id": settings.SHOPIFY_API_KEY,
        "client_secret": settings.SHOPIFY_API_SECRET,
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": details.token,
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        "requested_token_type": "urn:shopify:params:oauth:token-type:online-access-token",
    }
    try:
        response = http().post(_endpoint(shop_domain), json=wanted, timeout=STAFF_TIMEOUT_SECONDS)
        if response.status_code != 200:
            raise TransientError(f"The platform doesn't say who the person is ({response.status_code}).")
        user = response.json()["associated_user"]
        if str(user["id"]) != user_id:
            raise TransientError("The platform names another person.")
        names = (str(user.get(part) or "").strip() for part in ("first_name", "last_name"))
        return Associated(
            name=" ".join(filter(None, names))[:NAME_MAX],
            email=str(user.get("email") or "")[:NAME_MAX],
            owns_account=user.get("account_owner") is True,
        )
    except (httpx.HTTPError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise TransientError(f"The platform doesn't say who the person is ({type(error).__name__}).") from error


def redeem(shop_domain: str, code: str) -> Pair:
    """The code of an authorization grant → the shop's offline pair. Raises `GrantRefused` for a code that is unknown,
    used or another shop's; `AppRefused`, `ShopUnavailable` or `TransientError`."""
    pair, failure = _post(shop_domain, code=code, expiring=1)
    if pair is not None:
        return pair
    if failure in ("invalid_request", "invalid_grant"):
        raise GrantRefused("The platform doesn't take this code, or not again.")
    raise _error(failure)


def store(pair: Pair) -> None:
    """Keep an exchanged pair for the shop in scope, whatever was there before."""
    fresh = {**vars(pair), "lease_until": None}
    if not ShopToken.objects.update(**fresh, version=F("version") + 1):
        ShopToken.objects.create(shop_id=current_shop_id(), **fresh)


def _row() -> ShopToken:
    row = ShopToken.objects.select_related("shop").first()
    if row is None:
        raise ShopUnavailable("The app isn't installed in this shop.")
    if row.shop.state != Shop.State.INSTALLED:
        raise ShopUnavailable("The app is uninstalled from this shop.")
    return row


def _access(row: ShopToken) -> Access:
    return Access(row.shop.domain, row.access_token, row.expires_at, row.shop.trouble)


def _lease(row: ShopToken) -> bool:
    """Become the one who refreshes the pair just read."""
    free = ShopToken.objects.filter(work.unleased(), id=row.id, version=row.version)
    return bool(free.update(lease_until=work.lease_end(LEASE_SECONDS)))


def _refresh(row: ShopToken, *, usable: bool) -> None:
    """Fetch and commit a new pair, holding the lease. A `usable` old token outlives a failure of the platform."""
    pair, failure = _post(row.shop.domain, grant_type="refresh_token", refresh_token=row.refresh_token)
    ours = ShopToken.objects.filter(id=row.id, version=row.version)
    if pair is not None:
        with transaction.atomic(durable=True):
            written = ours.update(**vars(pair), version=row.version + 1, lease_until=None)
        log.info("token_refreshed", shop=row.shop.domain, stored=bool(written))
        if written:
            trouble.scopes_granted(row.shop_id, pair.scope)
    elif failure == "invalid_grant":
        dead = ours.update(refresh_token="", lease_until=None)
        log.warning("token_refresh_dead", shop=row.shop.domain, stored=bool(dead))
        if dead and not usable:
            trouble.met(row.shop_id, Shop.Trouble.REAUTHORIZE)
    elif failure == "shop_closed":
        ours.update(lease_until=None)
        trouble.met(row.shop_id, Shop.Trouble.FROZEN)
        raise _error(failure)
    else:
        log.warning("token_refresh_failed", shop=row.shop.domain, failure=failure)
        ours.update(lease_until=work.lease_end(PAUSE_SECONDS) if usable else None)
        if not usable:
            raise _error(failure)


def _exchanged(result: TokenExchangeResult) -> tuple[Pair | None, str]:
    """What an exchange gave: a pair, or None and why not."""
    token = result.access_token
    if not result.ok or token is None:
        return None, result.log.code
    pair = Pair(
        access_token=token.token,
        expires_at=dt.datetime.fromisoformat(token.expires or ""),
        refresh_token=token.refresh_token or "",
        refresh_expires_at=dt.datetime.fromisoformat(token.refresh_token_expires or ""),
        scope=token.scope,
    )
    return _whole(pair)


def _post(shop_domain: str, **wanted: str | int) -> tuple[Pair | None, str]:
    """Ask the shop's token endpoint ourselves: the pair it gave, or None and why not."""
    ours = {"client_id": settings.SHOPIFY_API_KEY, "client_secret": settings.SHOPIFY_API_SECRET}
    try:
        response = http().post(_endpoint(shop_domain), json={**ours, **wanted})
        if response.status_code in CLOSED_STATUSES:
            return None, "shop_closed"
        body = response.json()
        if response.status_code != 200:
            return None, str(body.get("error", "unnamed"))
        now = clock.now()
        pair = Pair(
            access_token=body["access_token"],
            expires_at=now + dt.timedelta(seconds=int(body["expires_in"])),
            refresh_token=body["refresh_token"],
            refresh_expires_at=now + dt.timedelta(seconds=int(body["refresh_token_expires_in"])),
            scope=body["scope"],
        )
    except httpx.HTTPError as error:
        return None, type(error).__name__
    except (ValueError, TypeError, AttributeError, KeyError, OverflowError):
        return None, "unreadable_answer"
    return _whole(pair)


def _endpoint(shop_domain: str) -> str:
    return f"https://{shop_domain}/admin/oauth/access_token"


def _whole(pair: Pair) -> tuple[Pair | None, str]:
    """Half a pair is none: it would lock the shop out later."""
    texts = (pair.access_token, pair.refresh_token, pair.scope)
    if not all(isinstance(text, str) for text in texts) or not (pair.access_token and pair.refresh_token):
        return None, "incomplete_pair"
    return (pair, "") if clock.now() < pair.expires_at <= pair.refresh_expires_at else (None, "incomplete_pair")


def _error(failure: str) -> Exception:
    if failure == "shop_closed":
        return ShopUnavailable("The platform calls the shop closed when asked for a token.")
    if failure == "invalid_client":
        return AppRefused("The platform refuses our client id and secret for this shop.")
    return TransientError(f"The platform gave no token ({failure}).")
