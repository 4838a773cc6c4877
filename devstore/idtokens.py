"""ID tokens ("session tokens"): HS256 JWTs, signed with the app's secret, valid for one minute of real time."""

import secrets
import time
from typing import Any

import jwt

from devstore.documents import Staff
from devstore.shops import Shop

LIFETIME = 60
LEEWAY = 10


def mint(shop: Shop, staff: Staff) -> str:
    """A token with which the staff member's browser proves who it is to the app."""
    now = int(time.time())
    claims = {
        "iss": f"https://{shop.domain}/admin",
        "dest": f"https://{shop.domain}",
        "aud": shop.store.config.api_key,
        "sub": str(staff["id"]),
        "exp": now + LIFETIME,
        "nbf": now,
        "iat": now,
        "jti": secrets.token_hex(16),
        "sid": secrets.token_hex(32),
    }
    return jwt.encode(claims, shop.store.config.api_secret, algorithm="HS256")


def verify(shop: Shop, token: str) -> dict[str, Any]:
    """The claims of a token of this shop and this app that has not expired. Raises jwt.InvalidTokenError."""
    claims: dict[str, Any] = jwt.decode(
        token,
        shop.store.config.api_secret,
        algorithms=["HS256"],
        audience=shop.store.config.api_key,
        issuer=f"https://{shop.domain}/admin",
        leeway=LEEWAY,
        options={"require": ["iss", "dest", "aud", "sub", "exp", "nbf", "jti"]},
    )
    if claims["dest"] != f"https://{shop.domain}":
        raise jwt.InvalidTokenError("dest is another shop")
    return claims
