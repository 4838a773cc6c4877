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
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from shopify_app import ShopifyApp
from shopify_app.types import IdTokenDetails, TokenExchangeAccessToken, TokenExchangeResult

from retention_app import clock
from retention_app.models import Shop, ShopToken
from retention_app.shopify.errors import ShopUnavailable, StaleIdToken, TransientError, Unauthorized
from retention_app.shopify.transport import http
from retention_app.tenancy import current_shop_id, shop_scope

log = structlog.get_logger(__name__)

MARGIN = dt.timedelta(minutes=5)  # a token with less to live is refreshed before use
LEASE = dt.timedelta(seconds=120)  # longer than the platform's answer can take, shorter than MARGIN
PAUSE = dt.timedelta(seconds=15)  # between attempts while the platform fails and the old token still lives
WAIT_SECONDS = 40.0  # the longest a caller waits for another process's refresh
IDLE = dt.timedelta(days=7)  # a pair older than this is refreshed, so that its refresh token never runs out


@dataclass(frozen=True)
class Access:
    """What a call needs: where to and with which token."""

    domain: str
    token: str
    expires_at: dt.datetime

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


def access(shop_id: int, rejected: str | None = None) -> Access:
    """The shop's domain and a living token, other than the `rejected` one.

    Raises `ShopUnavailable` when the app is uninstalled, `Unauthorized` when no refresh can help, `TransientError` when
    the platform fails to refresh a token that is no longer good. Call it outside transactions.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    with shop_scope(shop_id):
        while True:
            row = _row()
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
    pair, failure = _ask(
        lambda: shopify_app().exchange_using_token_exchange(access_mode="offline", id_token=details, http_client=http())
    )
    if pair is not None:
        return pair
    if failure == "invalid_subject_token":
        raise StaleIdToken("The platform finds the ID token too old.")
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
    return Access(domain=row.shop.domain, token=row.access_token, expires_at=row.expires_at)


def _lease(row: ShopToken) -> bool:
    """Become the one who refreshes the pair just read."""
    now = clock.now()
    free = Q(lease_until=None) | Q(lease_until__lte=now)
    return bool(ShopToken.objects.filter(free, id=row.id, version=row.version).update(lease_until=now + LEASE))


def _refresh(row: ShopToken, *, usable: bool) -> None:
    """Fetch and commit a new pair, holding the lease. A `usable` old token outlives a failure of the platform."""
    old = TokenExchangeAccessToken(
        access_mode="offline",
        shop=row.shop.handle,
        token=row.access_token,
        expires="",  # we have decided that it is time
        scope=row.scope,
        refresh_token=row.refresh_token,
        refresh_token_expires="",
        user=None,
    )
    pair, failure = _ask(lambda: shopify_app().refresh_token_exchanged_access_token(old, http_client=http()))
    ours = ShopToken.objects.filter(id=row.id, version=row.version)
    if pair is not None:
        with transaction.atomic(durable=True):
            written = ours.update(**vars(pair), version=row.version + 1, lease_until=None)
        log.info("token_refreshed", shop=row.shop.domain, stored=bool(written))
    elif failure == "invalid_grant":
        dead = ours.update(refresh_token="", lease_until=None)
        log.warning("token_refresh_dead", shop=row.shop.domain, stored=bool(dead))
    else:
        log.warning("token_refresh_failed", shop=row.shop.domain, failure=failure)
        ours.update(lease_until=clock.now() + PAUSE if usable else None)
        if not usable:
            raise _error(failure)


def _ask(call: Callable[[], TokenExchangeResult]) -> tuple[Pair | None, str]:
    """The pair the platform gave, or None and why not. Half a pair is none: it would lock the shop out later."""
    try:
        result = call()
        if not result.ok:
            return None, result.log.code
        token = result.access_token
        if token is None or not (token.token and token.refresh_token and token.expires and token.refresh_token_expires):
            return None, "incomplete_pair"
        pair = Pair(
            access_token=token.token,
            expires_at=dt.datetime.fromisoformat(token.expires),
            refresh_token=token.refresh_token,
            refresh_expires_at=dt.datetime.fromisoformat(token.refresh_token_expires),
            scope=token.scope,
        )
    except (ValueError, TypeError, AttributeError, KeyError):  # the package takes the answer's shape for granted
        return None, "unreadable_answer"
    if not clock.now() < pair.expires_at <= pair.refresh_expires_at:
        return None, "incomplete_pair"
    return pair, ""


def _error(failure: str) -> Exception:
    if failure == "invalid_client":
        return Unauthorized("The platform refuses our client id and secret for this shop.")
    return TransientError(f"The platform gave no token ({failure}).")
