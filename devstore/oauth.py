"""`POST /admin/oauth/access_token`: token exchange, authorization codes and refresh, and the access tokens that come of
them.

Offline tokens live for 60 minutes of devstore's clock and come with a refresh token of 90 days that rotates on every
use. The refresh token used last works again until something of the pair it gave has been used, so that an app that
died between receiving and storing a pair recovers."""

import hmac
import math
import secrets
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from devstore import idtokens
from devstore.documents import Staff
from devstore.shops import Shop

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"  # noqa: S105 - a name, no secret
OFFLINE = "urn:shopify:params:oauth:token-type:offline-access-token"
ONLINE = "urn:shopify:params:oauth:token-type:online-access-token"
OFFLINE_LIFETIME = 60 * 60
ONLINE_LIFETIME = 24 * 60 * 60 - 1
REFRESH_LIFETIME = 90 * 24 * 60 * 60
RECOVERY_WINDOW = 30 * 24 * 60 * 60  # from a refresh whose answer was lost to the last chance to repeat it
CODE_LIFETIME = 60


@dataclass
class OAuthError(Exception):
    """What the endpoint answers: `{"error", "error_description"}` with a status."""

    status: int
    error: str
    description: str


@dataclass(frozen=True, slots=True)
class Access:
    """What a valid access token stands for."""

    scopes: frozenset[str]
    offline: bool


def access_token(shop: Shop, request: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to a token request. Raises OAuthError."""
    config = shop.store.config
    if request.get("client_id") != config.api_key or not hmac.compare_digest(
        str(request.get("client_secret", "")).encode(), config.api_secret.encode()
    ):
        raise OAuthError(401, "invalid_client", "The client id or the client secret is wrong")
    if request.get("grant_type") == EXCHANGE:
        return exchange(shop, request)
    if request.get("grant_type") == "refresh_token":
        return refresh(shop, str(request.get("refresh_token", "")))
    if "code" in request and request.get("grant_type", "authorization_code") == "authorization_code":
        return redeem(shop, str(request["code"]), expiring=asks_for_expiring(request))
    raise OAuthError(400, "unsupported_grant_type", "devstore plays token exchange, codes and refresh_token")


def asks_for_expiring(request: Mapping[str, Any]) -> bool:
    return str(request.get("expiring", "")) in ("1", "true", "True")


def exchange(shop: Shop, request: Mapping[str, Any]) -> dict[str, Any]:
    if request.get("subject_token_type") != ID_TOKEN:
        raise OAuthError(400, "invalid_request", "subject_token_type must be an id_token")
    try:
        claims = idtokens.verify(shop, str(request.get("subject_token", "")))
        staff = shop.staff(int(claims["sub"]))
    except (jwt.InvalidTokenError, LookupError, ValueError) as error:
        raise OAuthError(400, "invalid_subject_token", f"The subject token is not valid: {error}") from None
    if not shop.installed:
        raise OAuthError(400, "invalid_request", "The app is not installed on this shop")
    wanted = request.get("requested_token_type")
    with shop.database.write() as connection:
        if wanted == ONLINE:
            return issue_online(connection, shop, staff)
        if wanted != OFFLINE:
            raise OAuthError(400, "invalid_request", "requested_token_type must be an offline or online access token")
        if not asks_for_expiring(request):
            raise OAuthError(400, "invalid_request", "This app must ask for expiring offline tokens: expiring=1")
        return issue_offline(connection, shop)[1]


def give_code(connection: sqlite3.Connection, shop: Shop, staff: Staff | None) -> str:
    """A code that is good once and for a minute: for an offline token, or for the staff member's online token."""
    code = secrets.token_hex(16)
    connection.execute(
        "INSERT INTO grant_codes VALUES (?, ?, ?, ?)",
        (code, shop.id, staff["id"] if staff else None, shop.clock.seconds() + CODE_LIFETIME),
    )
    return code


def redeem(shop: Shop, code: str, *, expiring: bool) -> dict[str, Any]:
    with shop.database.write() as connection:
        row = connection.execute(
            "DELETE FROM grant_codes WHERE code = ? AND shop_id = ? RETURNING staff_id, expires_at", (code, shop.id)
        ).fetchone()
    if row is None or row[1] <= shop.clock.seconds() or not shop.installed:
        raise OAuthError(400, "invalid_request", "The authorization code was not found or was already used")
    with shop.database.write() as connection:
        if row[0] is not None:
            return issue_online(connection, shop, shop.staff(row[0]))
        return issue_offline(connection, shop)[1] if expiring else issue_lasting(connection, shop)


def refresh(shop: Shop, token: str) -> dict[str, Any]:
    now = shop.clock.seconds()
    with shop.database.write() as connection:
        row = connection.execute(
            "SELECT id, refresh_expires_at, revoked, successor_id FROM access_tokens"
            " WHERE refresh_token = ? AND shop_id = ?",
            (token, shop.id),
        ).fetchone()
        if row is None or row[2] or row[1] <= now or not shop.installed:
            raise OAuthError(400, "invalid_grant", "The refresh token is unknown, used, expired or revoked")
        number, _, _, successor = row
        if successor is not None:
            recover(connection, successor, now)
        connection.execute("UPDATE access_tokens SET used = 1 WHERE id = ?", (number,))
        new, answer = issue_offline(connection, shop)
        connection.execute("UPDATE access_tokens SET successor_id = ? WHERE id = ?", (new, number))
    return answer


def recover(connection: sqlite3.Connection, successor: int, now: float) -> None:
    """Take back a pair that never arrived. Raises OAuthError when it did, or when that was too long ago."""
    used, ends = connection.execute(
        "SELECT used, refresh_expires_at FROM access_tokens WHERE id = ?", (successor,)
    ).fetchone()
    if used or now > ends - REFRESH_LIFETIME + RECOVERY_WINDOW:
        raise OAuthError(400, "invalid_grant", "The refresh token has been used, and so has the one it gave")
    connection.execute("UPDATE access_tokens SET revoked = 1 WHERE id = ?", (successor,))


def issue_offline(connection: sqlite3.Connection, shop: Shop) -> tuple[int, dict[str, Any]]:
    """A new pair: its row's id and the answer that carries it."""
    scopes = ",".join(shop.document["scopes"])
    access, renew, now = f"shpat_{secrets.token_hex(16)}", f"shprt_{secrets.token_hex(16)}", shop.clock.seconds()
    row = connection.execute(
        "INSERT INTO access_tokens (shop_id, access_token, scopes, expires_at, refresh_token, refresh_expires_at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (shop.id, access, scopes, now + OFFLINE_LIFETIME, renew, now + REFRESH_LIFETIME),
    )
    return int(row.lastrowid or 0), {
        "access_token": access,
        "scope": scopes,
        "expires_in": OFFLINE_LIFETIME,
        "refresh_token": renew,
        "refresh_token_expires_in": REFRESH_LIFETIME,
    }


def issue_lasting(connection: sqlite3.Connection, shop: Shop) -> dict[str, Any]:
    """An offline token that does not expire, as apps get that do not ask for one that does."""
    scopes, access = ",".join(shop.document["scopes"]), f"shpat_{secrets.token_hex(16)}"
    connection.execute(
        "INSERT INTO access_tokens (shop_id, access_token, scopes, expires_at) VALUES (?, ?, ?, ?)",
        (shop.id, access, scopes, math.inf),
    )
    return {"access_token": access, "scope": scopes}


def issue_online(connection: sqlite3.Connection, shop: Shop, staff: Staff) -> dict[str, Any]:
    scopes = ",".join(shop.document["scopes"])
    access, now = f"shpua_{secrets.token_hex(16)}", shop.clock.seconds()
    connection.execute(
        "INSERT INTO access_tokens (shop_id, staff_id, access_token, scopes, expires_at) VALUES (?, ?, ?, ?, ?)",
        (shop.id, staff["id"], access, scopes, now + ONLINE_LIFETIME),
    )
    return {
        "access_token": access,
        "scope": scopes,
        "expires_in": ONLINE_LIFETIME,
        "associated_user_scope": scopes,
        "associated_user": {**staff, "collaborator": False, "email_verified": True},
    }


def access(shop: Shop, token: str) -> Access | None:
    """What a token sent with an Admin API call stands for; None when it is unknown, revoked or expired. Counts as its
    use."""
    row = (
        shop.database.connection()
        .execute(
            "SELECT id, scopes, staff_id, used FROM access_tokens"
            " WHERE access_token = ? AND shop_id = ? AND NOT revoked AND expires_at > ?",
            (token, shop.id, shop.clock.seconds()),
        )
        .fetchone()
    )
    if row is None or not shop.installed:
        return None
    number, scopes, staff_id, used = row
    if not used:
        with shop.database.write() as connection:
            connection.execute("UPDATE access_tokens SET used = 1 WHERE id = ?", (number,))
    return Access(frozenset(scopes.split(",")), staff_id is None)


def change_scopes(connection: sqlite3.Connection, shop: Shop) -> None:
    """Tokens that are out have the scopes that the shop grants now."""
    connection.execute(
        "UPDATE access_tokens SET scopes = ? WHERE shop_id = ?", (",".join(shop.document["scopes"]), shop.id)
    )


def end(connection: sqlite3.Connection, shop: Shop, *, access: bool, refresh: bool) -> dict[str, int]:
    """Tokens of these kinds work no more, the others do: `{access, refresh}`, how many died."""
    now = shop.clock.seconds()
    columns = [("access", "expires_at", access), ("refresh", "refresh_expires_at", refresh)]
    return {
        kind: connection.execute(
            f"UPDATE access_tokens SET {column} = 0 WHERE shop_id = ? AND {column} > ? AND NOT revoked", (shop.id, now)
        ).rowcount
        if wanted
        else 0
        for kind, column, wanted in columns
    }


def revoke_all(connection: sqlite3.Connection, shop: Shop) -> None:
    """No token of the shop works any more (uninstall)."""
    connection.execute("UPDATE access_tokens SET revoked = 1 WHERE shop_id = ?", (shop.id,))
