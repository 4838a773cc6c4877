"""What proves that the platform speaks. The vectors are those of the platform reference (secret `hush`)."""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import quote, urlencode

import pytest
from pytest_django import Settings
from time_machine import TimeMachineFixture

from retention_app.shopify.signature import install_query_is_genuine, proxy_caller, webhook_is_genuine

SIGNED_AT = 1795255327
BODY = b'{"id":1,"email":"ana@example.com"}'
BODY_HMAC = "L6C4uJ4is9AuK/xANR9x+IeGCY0EDdwaiSq5AODS0Zg="
INSTALL = "code=abc&shop=bean-shop.myshopify.com&state=xyz&timestamp=1795255327"
INSTALL_HMAC = "086ebe9ca17423060752a776e858bc4784d975ac934e197b08711d85cd41ed54"
PROXY = (
    "shop=bean-shop.myshopify.com&logged_in_customer_id=&path_prefix=%2Fapps%2Fretention&timestamp=1795255327&a=1&a=2"
)
PROXY_SIGNATURE = "78e4fff46bb608356413a3879de8b8e529c59ca8cd51ae93cbaf25acc7284915"


@pytest.fixture(autouse=True)
def _signed_just_now(settings: Settings, time_machine: TimeMachineFixture) -> None:
    settings.SHOPIFY_API_SECRET, settings.SHOPIFY_API_SECRET_OLD = "hush", ""
    time_machine.move_to(SIGNED_AT, tick=False)


@pytest.fixture
def _rotated(settings: Settings) -> None:
    """`hush` is the old secret now."""
    settings.SHOPIFY_API_SECRET, settings.SHOPIFY_API_SECRET_OLD = "new", "hush"


def signed_proxy(secret: str = "hush", **params: str) -> str:
    """An app proxy query as the platform signs it."""
    query = {
        "shop": "bean-shop.myshopify.com",
        "logged_in_customer_id": "",
        "path_prefix": "/apps/encore",
        "timestamp": str(SIGNED_AT),
        **params,
    }
    message = "".join(f"{name}={value}" for name, value in sorted(query.items()))
    return urlencode({**query, "signature": hmac.new(secret.encode(), message.encode(), hashlib.sha256).hexdigest()})


# --- webhooks ---------------------------------------------------------------------------------------------------------


def test_webhook_vector_holds() -> None:
    assert webhook_is_genuine(BODY, BODY_HMAC)


def test_webhook_body_is_taken_byte_by_byte() -> None:
    body = b"\xff\xfe not UTF-8 \x00"
    good = hmac.digest(b"hush", body, "sha256")
    import base64

    assert webhook_is_genuine(body, base64.b64encode(good).decode())


@pytest.mark.parametrize(
    "given", ["", "AAAA", BODY_HMAC.lower(), BODY_HMAC + " ", "\u00e9" * 44, "\udcff", BODY_HMAC[:-1]]
)
def test_webhook_with_another_signature_is_refused(given: str) -> None:
    assert not webhook_is_genuine(BODY, given)


def test_webhook_with_a_changed_body_is_refused() -> None:
    assert not webhook_is_genuine(BODY + b" ", BODY_HMAC)


@pytest.mark.usefixtures("_rotated")
def test_old_secret_still_signs_webhooks() -> None:
    assert webhook_is_genuine(BODY, BODY_HMAC)


def test_retired_secret_no_longer_signs_webhooks(settings: Settings) -> None:
    settings.SHOPIFY_API_SECRET = "new"
    assert not webhook_is_genuine(BODY, BODY_HMAC)


# --- install and OAuth queries ----------------------------------------------------------------------------------------


def test_install_vector_holds() -> None:
    assert install_query_is_genuine(f"{INSTALL}&hmac={INSTALL_HMAC}")


def test_install_query_may_come_in_any_order() -> None:
    assert install_query_is_genuine(f"hmac={INSTALL_HMAC}&" + "&".join(reversed(INSTALL.split("&"))))


@pytest.mark.usefixtures("_rotated")
def test_old_secret_still_signs_install_queries() -> None:
    assert install_query_is_genuine(f"{INSTALL}&hmac={INSTALL_HMAC}")


def test_values_are_compared_as_the_platform_encodes_them() -> None:
    query = {"host": "YWRtaW4=", "note": "a b~c*d/e+f", "timestamp": str(SIGNED_AT)}
    message = f"host=YWRtaW4%3D&note=a%20b%7Ec*d%2Fe%2Bf&timestamp={SIGNED_AT}"
    good = hmac.new(b"hush", message.encode(), hashlib.sha256).hexdigest()
    assert install_query_is_genuine(f"{urlencode(query, quote_via=quote)}&hmac={good}")


@pytest.mark.parametrize(
    "query",
    [
        "",
        INSTALL,
        f"{INSTALL}&hmac=",
        f"{INSTALL}&hmac={INSTALL_HMAC.upper()}",
        f"{INSTALL}&hmac=%C3%A9{INSTALL_HMAC}",
        f"{INSTALL}&extra=1&hmac={INSTALL_HMAC}",
        f"{INSTALL}&shop=other.myshopify.com&hmac={INSTALL_HMAC}",
        f"{INSTALL}&hmac={INSTALL_HMAC}&hmac={INSTALL_HMAC}",
    ],
)
def test_install_query_that_differs_is_refused(query: str) -> None:
    assert not install_query_is_genuine(query)


@pytest.mark.parametrize("seconds", [-91, 91])
def test_install_query_lives_ninety_seconds(time_machine: TimeMachineFixture, seconds: int) -> None:
    time_machine.move_to(SIGNED_AT + seconds, tick=False)
    assert not install_query_is_genuine(f"{INSTALL}&hmac={INSTALL_HMAC}")


# --- app proxy --------------------------------------------------------------------------------------------------------


def test_proxy_vector_holds() -> None:
    caller = proxy_caller(f"{PROXY}&signature={PROXY_SIGNATURE}")
    assert caller is not None
    assert (caller.shop_domain, caller.customer_shopify_id, caller.path_prefix) == (
        "bean-shop.myshopify.com",
        None,
        "/apps/retention",
    )


def test_proxy_names_the_logged_in_customer() -> None:
    caller = proxy_caller(signed_proxy(logged_in_customer_id="8101000000001"))
    assert caller is not None
    assert caller.customer_shopify_id == 8101000000001


def test_proxy_signature_covers_blank_parameters() -> None:
    assert proxy_caller(signed_proxy(q="")) is not None
    assert proxy_caller(signed_proxy(q="").replace("q=&", "")) is None


def test_old_secret_still_signs_proxy_queries(settings: Settings) -> None:
    settings.SHOPIFY_API_SECRET, settings.SHOPIFY_API_SECRET_OLD = "new", "hush"
    assert proxy_caller(signed_proxy()) is not None


@pytest.mark.parametrize("name", ["shop", "timestamp", "signature", "path_prefix", "logged_in_customer_id"])
def test_reserved_parameter_that_appears_twice_is_refused(name: str) -> None:
    assert proxy_caller(f"{name}=8101&{signed_proxy()}") is None
    assert proxy_caller(f"{signed_proxy()}&{name}=8101") is None


@pytest.mark.parametrize("name", ["shop", "timestamp", "signature", "path_prefix", "logged_in_customer_id"])
def test_reserved_parameter_that_is_missing_is_refused(name: str) -> None:
    rest = [part for part in signed_proxy().split("&") if not part.startswith(f"{name}=")]
    assert proxy_caller("&".join(rest)) is None


def test_customer_repeated_by_the_visitor_is_refused_though_the_signature_holds() -> None:
    params = {"shop": "bean-shop.myshopify.com", "path_prefix": "/apps/encore", "timestamp": str(SIGNED_AT)}
    message = "logged_in_customer_id=8101,9" + "".join(f"{name}={value}" for name, value in sorted(params.items()))
    signature = hmac.new(b"hush", message.encode(), hashlib.sha256).hexdigest()
    query = urlencode({**params, "signature": signature})
    assert proxy_caller(f"logged_in_customer_id=8101&{query}&logged_in_customer_id=9") is None


def test_query_that_can_be_read_as_another_one_is_refused() -> None:
    """The signed text has no separators: a parameter that swallowed reserved ones would sign somebody else's id."""
    swallowed = f"logged_in_customer_id=path_prefix=/apps/encoreshop=bean-shop.myshopify.comtimestamp={SIGNED_AT}"
    assert proxy_caller(signed_proxy(logged_in_customer_id="8101", z=swallowed)) is None


@pytest.mark.parametrize(
    "params",
    [
        {"shop": "bean-shop.example.com"},
        {"shop": "Bean-Shop.myshopify.com"},
        {"shop": "-bean.myshopify.com"},
        {"logged_in_customer_id": "8101x"},
        {"logged_in_customer_id": "-1"},
        {"logged_in_customer_id": "\u0661"},
        {"timestamp": "soon"},
        {"timestamp": "\u0661\u0662"},
        {"timestamp": str(SIGNED_AT - 91)},
        {"timestamp": str(SIGNED_AT + 91)},
        {"timestamp": "9" * 400},
    ],
)
def test_proxy_query_that_says_what_cannot_be_is_refused(params: dict[str, str]) -> None:
    assert proxy_caller(signed_proxy(**params)) is None


@pytest.mark.parametrize("signature", ["", "\u00e9" * 64, "0" * 64, PROXY_SIGNATURE.upper(), PROXY_SIGNATURE[:-1]])
def test_proxy_query_with_another_signature_is_refused(signature: str) -> None:
    assert proxy_caller(f"{PROXY}&signature={quote(signature)}") is None


def test_proxy_query_of_another_secret_is_refused() -> None:
    assert proxy_caller(signed_proxy(secret="guess")) is None
