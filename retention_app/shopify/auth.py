"""ID tokens: who of which shop sits before the embedded admin.

The official package checks signature, times and audience; it lets pass a token without `exp`, one whose issuer isn't
its shop, and a shop that isn't on the platform. Those are refused here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from shopify_app.types import IdTokenDetails, RequestInput

from retention_app.shopify.tokens import shopify_app

SHOP_DOMAIN = re.compile(r"[a-z0-9][a-z0-9-]*\.myshopify\.com")
PATCH_PATH = "/auth/patch-id-token"
SHOP_DOMAIN_LENGTH_MAX = 255
ID_TOKEN_LENGTH_MAX = 4096


class InvalidIdToken(Exception):
    """The request proves nobody. `code` says which check failed, for the log."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Staff:
    """A person of a shop, as a verified ID token names them. `details` is what a token exchange takes."""

    shop_domain: str
    user_id: str
    details: IdTokenDetails


def is_shop_domain(text: str) -> bool:
    """Whether this is a `<name>.myshopify.com`, lower case, nothing else."""
    return len(text) <= SHOP_DOMAIN_LENGTH_MAX and SHOP_DOMAIN.fullmatch(text) is not None


def staff_from(id_token: str) -> Staff:
    """Who an ID token speaks for. Raises `InvalidIdToken`."""
    if not id_token or len(id_token) > ID_TOKEN_LENGTH_MAX or not id_token.isascii():
        raise InvalidIdToken("unreadable")
    request: RequestInput = {
        "method": "GET",
        "headers": {"authorization": f"Bearer {id_token}"},
        "url": settings.APP_URL,
        "body": "",
    }
    try:
        verdict = shopify_app().verify_app_home_req(request, PATCH_PATH)
    except (ValueError, TypeError, AttributeError) as error:  # the package takes the claims' types for granted
        raise InvalidIdToken("unreadable") from error
    if not verdict.ok or verdict.id_token is None:
        raise InvalidIdToken(verdict.log.code)
    claims = verdict.id_token.claims
    if "exp" not in claims:
        raise InvalidIdToken("no_expiry")
    shop_domain = _https_host(claims.get("dest"))
    if not is_shop_domain(shop_domain):
        raise InvalidIdToken("foreign_destination")
    if _https_host(claims.get("iss")) != shop_domain:
        raise InvalidIdToken("foreign_issuer")
    user_id = claims.get("sub")
    if not isinstance(user_id, str) or not 0 < len(user_id) <= 64:
        raise InvalidIdToken("no_person")
    return Staff(shop_domain=shop_domain, user_id=user_id, details=verdict.id_token)


def _https_host(url: object) -> str:
    """The host and port of an https URL; empty for anything else."""
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
    except ValueError:
        return ""
    return parts.netloc if parts and parts.scheme == "https" else ""
