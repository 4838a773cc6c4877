"""Changing secrets and keys while the app runs: both of two are good, and nothing written meanwhile is lost."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils.http import urlencode
from pytest_django import Settings

from retention_app import clock, key_rotation
from retention_app.fields import fernet
from retention_app.models import Shop, ShopToken
from retention_app.shopify.auth import InvalidIdToken, staff_from
from retention_app.shopify.signature import install_query_is_genuine, proxy_caller, webhook_is_genuine
from retention_app.tenancy import shop_scope
from tests.conftest import id_token

# --- the secret that signs --------------------------------------------------------------------------------------------


def webhook(secret: str) -> bool:
    return webhook_is_genuine(b"{}", base64.b64encode(hmac.digest(secret.encode(), b"{}", hashlib.sha256)).decode())


def oauth_query(secret: str) -> bool:
    message = f"code=a&shop=alpha.myshopify.com&timestamp={int(clock.now().timestamp())}"
    return install_query_is_genuine(
        f"{message}&hmac={hmac.new(secret.encode(), message.encode(), 'sha256').hexdigest()}"
    )


def proxy_query(secret: str) -> bool:
    given = {
        "shop": "alpha.myshopify.com",
        "logged_in_customer_id": "",
        "path_prefix": "/apps/encore",
        "timestamp": str(int(clock.now().timestamp())),
    }
    message = "".join(f"{name}={value}" for name, value in sorted(given.items()))
    signature = hmac.new(secret.encode(), message.encode(), "sha256").hexdigest()
    return proxy_caller(urlencode({**given, "signature": signature})) is not None


def staff_token(secret: str) -> bool:
    try:
        staff_from(id_token(Shop(domain="alpha.myshopify.com"), secret=secret))
    except InvalidIdToken:
        return False
    return True


@pytest.mark.parametrize("check", [webhook, oauth_query, proxy_query, staff_token])
@pytest.mark.parametrize(
    ("current", "old", "signed_with", "good"),
    [
        ("new-secret", "", "new-secret", True),
        ("new-secret", "", "hush", False),
        ("new-secret", "hush", "new-secret", True),
        ("new-secret", "hush", "hush", True),
        ("new-secret", "hush", "guess", False),
    ],
)
def test_current_and_old_secret_sign_everywhere(
    settings: Settings, check: Callable[[str], bool], current: str, old: str, signed_with: str, good: bool
) -> None:
    settings.SHOPIFY_API_SECRET, settings.SHOPIFY_API_SECRET_OLD = current, old
    assert check(signed_with) is good


@pytest.mark.parametrize("check", [webhook, oauth_query, proxy_query])
def test_secret_that_is_not_set_signs_nothing(settings: Settings, check: Callable[[str], bool]) -> None:
    settings.SHOPIFY_API_SECRET, settings.SHOPIFY_API_SECRET_OLD = "new-secret", ""
    assert not check("")


# --- the keys that encrypt --------------------------------------------------------------------------------------------

pytestmark = pytest.mark.django_db
NEW_KEY = Fernet.generate_key().decode()


def stored(shop: Shop, column: str = "access_token") -> str:
    with shop_scope(shop.id), connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM retention_app_shoptoken WHERE shop_id = %s", [shop.id])
        return str(cursor.fetchone()[0])


def rotate(**options: Any) -> str:
    out = StringIO()
    call_command("keys_rotate", stdout=out, **options)
    return out.getvalue()


@pytest.fixture
def former_key(settings: Settings) -> str:
    """The key everything was encrypted with, no longer the first."""
    former: str = settings.FIELD_ENCRYPTION_KEYS[0]
    settings.FIELD_ENCRYPTION_KEYS = [NEW_KEY, former]
    return former


def only(settings: Settings, key: str) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [key]


@pytest.fixture
def shops(alpha: Shop, gone: Shop) -> list[Shop]:
    return [alpha, gone]


def test_every_shop_is_encrypted_anew_uninstalled_ones_too(
    shops: list[Shop], former_key: str, settings: Settings
) -> None:
    assert "shoptoken.access_token: 2 read, 2 encrypted anew" in rotate()
    only(settings, NEW_KEY)
    for shop in shops:
        with shop_scope(shop.id):
            row = ShopToken.objects.get()
            assert (row.access_token, row.refresh_token) == (f"shpat_{shop.handle}", f"shprt_{shop.handle}")
    assert "2 read, 0 encrypted anew" in rotate()


def test_dry_run_only_counts(shops: list[Shop], former_key: str, settings: Settings) -> None:
    before = stored(shops[0])
    assert "shoptoken.refresh_token: 2 read, 2 to encrypt anew" in rotate(dry_run=True)
    assert stored(shops[0]) == before


def test_stopped_rotation_goes_on_where_it_was(
    shops: list[Shop], former_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(Exception):
        pass

    def stop(result: key_rotation.Rotated) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        key_rotation.keys_rotate(dry_run=False, after_each=stop)
    done = [column for column in ("access_token", "refresh_token") for shop in shops if opens(stored(shop, column))]
    assert len(done) == 1
    rotate()
    assert all(opens(stored(shop, column)) for column in ("access_token", "refresh_token") for shop in shops)


def opens(token: str) -> bool:
    try:
        Fernet(NEW_KEY).decrypt(token)
    except Exception:
        return False
    return True


def test_token_refreshed_meanwhile_is_not_overwritten(
    alpha: Shop, former_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = key_rotation._encrypted_anew

    def refreshed_meanwhile(text: str, *, whole: bool) -> str:
        if fernet().decrypt(text) == b"shpat_alpha":
            ShopToken.objects.update(access_token="shpat_fresh")
        return real(text, whole=whole)

    monkeypatch.setattr(key_rotation, "_encrypted_anew", refreshed_meanwhile)
    assert "access_token: 1 read, 0 encrypted anew, 1 written meanwhile" in rotate()
    with shop_scope(alpha.id):
        assert ShopToken.objects.get().access_token == "shpat_fresh"


OF_A_LOST_KEY = Fernet(Fernet.generate_key()).encrypt(b"x").decode()


@pytest.mark.parametrize("text", [pytest.param(OF_A_LOST_KEY, id="of a lost key"), "plain", "gAAAAnonsense"])
def test_what_no_key_opens_is_named_and_the_rest_goes_through(shops: list[Shop], former_key: str, text: str) -> None:
    with shop_scope(shops[0].id), connection.cursor() as cursor:
        cursor.execute("UPDATE retention_app_shoptoken SET access_token = %s WHERE shop_id = %s", [text, shops[0].id])
        cursor.execute("SELECT id FROM retention_app_shoptoken WHERE shop_id = %s", [shops[0].id])
        row_id = cursor.fetchone()[0]
    with pytest.raises(CommandError, match=f"No key opens 1: retention_app.shoptoken.access_token {row_id}\\."):
        rotate()
    assert stored(shops[0]) == text
    assert opens(stored(shops[1]))


def test_empty_text_stays_empty(alpha: Shop, former_key: str) -> None:
    with shop_scope(alpha.id):
        ShopToken.objects.update(refresh_token="")
    rotate()
    assert stored(alpha, "refresh_token") == ""


def test_second_factors_of_operators_are_encrypted_anew(
    former_key: str, settings: Settings, django_user_model: Any
) -> None:
    ada = django_user_model.objects.create_user("ada", "ada@example.com", "long enough words")
    secret = Fernet(former_key).encrypt(b"JBSWY3DPEHPK3PXP").decode()
    row = Authenticator.objects.create(user=ada, type="totp", data={"secret": secret, "used_mask": 3})
    assert "mfa.authenticator.data: 1 read, 1 encrypted anew" in rotate()
    only(settings, NEW_KEY)
    row.refresh_from_db()
    assert fernet().decrypt(row.data["secret"]) == b"JBSWY3DPEHPK3PXP"
    assert row.data["used_mask"] == 3
    assert json.dumps(row.data)
