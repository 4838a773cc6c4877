"""ID tokens: who is let in, and what the official package would let through."""

from __future__ import annotations

import base64
import json

import pytest
from pytest_django import Settings

from retention_app.models import Shop
from retention_app.shopify.auth import InvalidIdToken, is_shop_domain, staff_from
from tests.conftest import id_token

ALPHA = Shop(domain="alpha.myshopify.com")


def test_token_names_shop_and_person() -> None:
    token = id_token(ALPHA, sub="548380009")
    staff = staff_from(token)
    assert (staff.shop_domain, staff.user_id, staff.details.token) == ("alpha.myshopify.com", "548380009", token)


def test_token_of_the_old_secret_holds_while_it_is_replaced(settings: Settings) -> None:
    settings.SHOPIFY_API_SECRET, settings.SHOPIFY_API_SECRET_OLD = "new", "hush"
    assert staff_from(id_token(ALPHA, secret="hush")).shop_domain == "alpha.myshopify.com"


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"secret": "forged"}, "invalid_id_token"),
        ({"exp": 1795255327 - 10**9}, "expired_id_token"),
        ({"nbf": 2**33}, "invalid_id_token"),
        ({"aud": "another-app"}, "invalid_aud"),
        ({"aud": None}, "invalid_aud"),
        ({"exp": None}, "no_expiry"),
        ({"dest": "https://alpha.example.com", "iss": "https://alpha.example.com/admin"}, "foreign_destination"),
        ({"dest": "https://alpha.myshopify.com.example.com"}, "foreign_destination"),
        ({"dest": "https://alpha.myshopify.com:8443"}, "foreign_destination"),
        ({"dest": "https://x@alpha.myshopify.com"}, "foreign_destination"),
        ({"dest": "https://-alpha.myshopify.com"}, "foreign_destination"),
        ({"dest": "https://[alpha.myshopify.com"}, "unreadable"),
        ({"dest": "http://alpha.myshopify.com"}, "foreign_destination"),
        ({"dest": "alpha.myshopify.com"}, "foreign_destination"),
        ({"dest": ["https://alpha.myshopify.com"]}, "unreadable"),
        ({"dest": None}, "foreign_destination"),
        ({"iss": "https://beta.myshopify.com/admin"}, "foreign_issuer"),
        ({"iss": "https://[alpha.myshopify.com"}, "foreign_issuer"),
        ({"iss": None}, "foreign_issuer"),
        ({"sub": None}, "no_person"),
        ({"sub": "4" * 65}, "no_person"),
    ],
)
def test_token_that_proves_nothing_is_refused(claims: dict[str, object], code: str) -> None:
    with pytest.raises(InvalidIdToken) as refused:
        staff_from(id_token(ALPHA, **claims))
    assert refused.value.code == code


def unsigned() -> str:
    _header, payload, _ = id_token(ALPHA).split(".")
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).rstrip(b"=").decode()
    return f"{none}.{payload}."


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "\u00e9", "x" * 5000, unsigned()])
def test_text_that_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidIdToken):
        staff_from(token)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("bean-shop.myshopify.com", True),
        ("7.myshopify.com", True),
        ("bean-shop.myshopify.com\n", False),
        ("bean_shop.myshopify.com", False),
        ("a.b.myshopify.com", False),
        (".myshopify.com", False),
        ("x" * 250 + ".myshopify.com", False),
    ],
)
def test_shop_domain_is_a_name_and_the_platform(text: str, good: bool) -> None:
    assert is_shop_domain(text) is good
