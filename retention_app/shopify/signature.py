"""What proves that a request comes from the platform. The one module that imports `hmac`.

Every check takes what was received as it was received, compares in constant time, and accepts the current secret and,
while it is being replaced, the old one (`SHOPIFY_API_SECRET_OLD`).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections import Counter
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote

from django.conf import settings

from retention_app import clock
from retention_app.shopify.auth import is_shop_domain
from retention_app.shopify.tokens import shopify_app

TIMESTAMP_WINDOW_SECONDS = 90
PROXY_RESERVED = ("shop", "timestamp", "signature", "path_prefix", "logged_in_customer_id")

_HEX_DIGEST = re.compile(r"[0-9a-f]{64}")
_CUSTOMER_ID = re.compile(r"[1-9][0-9]{0,18}|")


@dataclass(frozen=True)
class ProxyCaller:
    """Whom the platform vouches for in an app proxy request. `customer_shopify_id` is None for an anonymous visitor."""

    shop_domain: str
    customer_shopify_id: int | None
    path_prefix: str


def webhook_is_genuine(body: bytes, given: str) -> bool:
    """Whether `given` (X-Shopify-Hmac-Sha256) is the base64 HMAC of the raw body."""
    return any(
        _same(base64.b64encode(hmac.digest(secret, body, hashlib.sha256)).decode(), given) for secret in _secrets()
    )


def install_query_is_genuine(query_string: str) -> bool:
    """Whether an install or OAuth callback query carries a fresh `hmac` over all its other parameters."""
    pairs = parse_qsl(query_string, keep_blank_values=True)
    params = dict(pairs)
    if len(params) != len(pairs):
        return False
    given = params.pop("hmac", "")
    params.pop("signature", None)
    if not _is_fresh(params.get("timestamp", "")):
        return False
    message = "&".join(f"{_encoded(name)}={_encoded(value)}" for name, value in sorted(params.items())).encode()
    return any(_same(hmac.digest(secret, message, hashlib.sha256).hex(), given) for secret in _secrets())


def proxy_caller(query_string: str) -> ProxyCaller | None:
    """Who calls through the app proxy, or None when the signature doesn't hold.

    Refused beyond what the official verifier refuses: a reserved parameter that is missing or appears twice (the first
    would be believed), and a reserved `name=` hidden inside another parameter (the signed text has no separators, so
    one query could be read as another).
    """
    pairs = parse_qsl(query_string, keep_blank_values=True)
    counts = Counter(name for name, _ in pairs)
    params = dict(pairs)
    if any(counts[name] != 1 for name in PROXY_RESERVED) or not _HEX_DIGEST.fullmatch(params["signature"]):
        return None
    if any(f"{reserved}=" in text for pair in pairs for text in pair for reserved in PROXY_RESERVED):
        return None
    customer_id = params["logged_in_customer_id"]
    if not is_shop_domain(params["shop"]) or not _CUSTOMER_ID.fullmatch(customer_id):
        return None
    if not _is_fresh(params["timestamp"]):
        return None
    verdict = shopify_app().verify_app_proxy_req(
        {"method": "GET", "headers": {}, "url": f"{settings.APP_URL}/proxy?{query_string}", "body": ""}
    )
    if not verdict.ok:
        return None
    return ProxyCaller(
        shop_domain=params["shop"],
        customer_shopify_id=int(customer_id) if customer_id else None,
        path_prefix=params["path_prefix"],
    )


def _secrets() -> list[bytes]:
    return [secret.encode() for secret in (settings.SHOPIFY_API_SECRET, settings.SHOPIFY_API_SECRET_OLD) if secret]


def _same(good: str, given: str) -> bool:
    """Constant time, and safe for text that isn't ASCII."""
    return hmac.compare_digest(good.encode(), given.encode(errors="replace"))


def _is_fresh(timestamp: str) -> bool:
    return (
        timestamp.isascii()
        and timestamp.isdecimal()
        and len(timestamp) <= 12
        and (abs(clock.system_now().timestamp() - int(timestamp)) <= TIMESTAMP_WINDOW_SECONDS)
    )


def _encoded(text: str) -> str:
    """As the platform's own library encodes: everything but letters, digits and `*-._`; a space is %20."""
    return quote(text, safe="*").replace("~", "%7E")
