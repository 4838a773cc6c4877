"""The authorization code grant, beside managed installation: where the merchant approves, and what proves that it was
the merchant who came back.

`state` is 32 random bytes, known to the platform and to the browser that began (a signed cookie), good once and for
`STATE_SECONDS`. A callback must bring it back together with the platform's signature, for the shop that was named.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from urllib.parse import parse_qs

from django.conf import settings
from django.core import signing
from django.core.cache import cache
from django.utils.crypto import constant_time_compare

from retention_app.shopify.auth import is_shop_domain
from retention_app.shopify.signature import install_query_is_genuine
from retention_app.shopify.transport import address_for_browsers

CALLBACK_PATH = "/auth/callback"
STATE_SECONDS = 600
STATE_COOKIE = "encore_grant"
CODE_LENGTH_MAX = 512
_SALT = "retention_app.shopify.grant"


class CallbackRefused(Exception):
    """What came back proves nothing. The message names the check, for the log."""


@dataclass(frozen=True)
class Request:
    """A grant that was begun: where to send the browser, and the cookie that it keeps until it comes back."""

    url: str
    cookie: str


@dataclass(frozen=True)
class Callback:
    """A genuine answer of the platform."""

    shop_domain: str
    code: str


def begin(shop_domain: str) -> Request:
    """Ask a shop's merchant to approve what the app needs."""
    from shopify import Session  # loads slowly

    state = secrets.token_hex(32)
    Session.setup(api_key=settings.SHOPIFY_API_KEY)
    url = Session(shop_domain, settings.SHOPIFY_API_VERSION).create_permission_url(
        settings.SHOPIFY_SCOPES, f"{settings.APP_URL}{CALLBACK_PATH}", state
    )
    return Request(address_for_browsers(url), signing.dumps([shop_domain, state], salt=_SALT))


def callback(query_string: str, cookie: str) -> Callback:
    """The answer in a callback's query, once. Raises `CallbackRefused`."""
    params = {name: values[0] for name, values in parse_qs(query_string).items() if len(values) == 1}
    shop_domain, code, state = (params.get(name, "") for name in ("shop", "code", "state"))
    if not is_shop_domain(shop_domain):
        raise CallbackRefused("shop")
    try:
        expected = signing.loads(cookie, salt=_SALT, max_age=STATE_SECONDS)
    except signing.BadSignature as error:
        raise CallbackRefused("cookie") from error
    if expected[0] != shop_domain or not constant_time_compare(expected[1], state):
        raise CallbackRefused("state")
    if not install_query_is_genuine(query_string):
        raise CallbackRefused("signature")
    if not 0 < len(code) <= CODE_LENGTH_MAX:
        raise CallbackRefused("code")
    if not cache.add(f"grant:{state}", True, STATE_SECONDS):
        raise CallbackRefused("replayed")
    return Callback(shop_domain, code)


def admin_url(shop_domain: str) -> str:
    """The app inside the shop's admin."""
    return address_for_browsers(f"https://{shop_domain}/admin/apps/{settings.SHOPIFY_API_KEY}")
