"""Whatever comes in at any address, from anybody: an answer, never a server error.

Staff, an operator with a second factor, a signed storefront and nobody each send every address parameters, forms,
bodies, headers and methods that no page of ours would. `Client` raises what a view raises, so a 500 is a failure here.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.test import Client
from django.utils.http import urlencode
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from config.asgi import application
from retention_app.models import Shop
from tests.conftest import id_token
from tests.console.conftest import enroll, enter, make_operator
from tests.deliveries import ask, headers_of
from tests.test_strangers import API, OPERATORS, PUBLIC, SIGNED, STAFF, api_key
from tests.visits import ask_session, receiver, signed

CLOSED = "http://127.0.0.1:9"  # nobody answers there
HARD = [
    "",
    "0",
    "-1",
    "1e9",
    "9" * 40,
    "\x00",
    "ÿ",
    "𝕏",
    "'",
    '"><script>',
    "../../etc",
    "{{7*7}}",
    "%s%n",
    "true",
    "[]",
]
NAMES = """limit email updated_since
q orders last sort cursor tab period rate before kind value days note key reason tier language next state
way after against on order person look
queue shop host code hmac timestamp id_token embedded locale shopify-reload again action confirm count"""
text = st.one_of(st.sampled_from([*HARD, "a" * 3000]), st.text(max_size=40))
names = st.sampled_from(NAMES.split())
forms = st.dictionaries(st.one_of(names, text), text, max_size=6)
methods = st.sampled_from(["get", "post", "post", "head", "put", "patch", "delete", "options"])
numbers = st.one_of(st.sampled_from([0, 1, 2, 2**31, 2**63, 10**30]), st.integers(min_value=0))
fuzz = hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture(autouse=True)
def no_platform(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody answers, and who tries again doesn't wait for it."""
    settings.SHOPIFY_DEVSTORE_URL = CLOSED
    monkeypatch.setattr("retention_app.shopify.client.BACKOFF_SECONDS", 0)


def send(client: Client, method: str, path: str, query: dict[str, str], form: dict[str, str], **headers: str) -> int:
    """The answer's status. Only what a browser can put into an address is sent there."""
    url = f"{path}?{urlencode(query)}" if query else path
    if method in ("get", "head"):
        return int(getattr(client, method)(url, headers=headers).status_code)
    body = urlencode(form)
    content_type = "application/x-www-form-urlencoded"
    return int(getattr(client, method)(url, body, content_type=content_type, headers=headers).status_code)


def filled(path: str, number: int) -> str:
    for name in ("customer", "call", "request", "key", "staff", "asked"):
        path = path.replace(f"{{{name}}}", str(number))
    return path.replace("/1/", f"/{number}/")


@pytest.mark.parametrize("name", sorted(STAFF))
def test_staff_may_send_anything(alpha: Shop, name: str) -> None:
    @fuzz
    @given(methods, numbers, forms, forms, st.booleans())
    def check(method: str, number: int, query: dict[str, str], form: dict[str, str], htmx: bool) -> None:
        headers = {"Authorization": f"Bearer {id_token(alpha)}", **({"HX-Request": "true"} if htmx else {})}
        status = send(Client(), method, filled(STAFF[name], number), query, form, **headers)
        assert status < 500 or status == 503  # 503: the platform was needed and didn't answer

    check()


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_an_operator_may_send_anything(db: None, name: str) -> None:
    operator = make_operator()
    enroll(operator)
    client = enter(operator)

    @fuzz
    @given(methods, numbers, forms, forms)
    def check(method: str, number: int, query: dict[str, str], form: dict[str, str]) -> None:
        assert send(client, method, filled(OPERATORS[name], number), query, form) < 500

    check()


@pytest.mark.parametrize("name", sorted(API))
def test_a_program_may_send_anything(alpha: Shop, name: str) -> None:
    token = api_key(alpha)[1]

    @fuzz
    @given(methods, numbers, forms, forms)
    def check(method: str, number: int, query: dict[str, str], form: dict[str, str]) -> None:
        path = API[name].replace("8101", str(number))
        assert send(Client(), method, path, query, form, Authorization=f"Bearer {token}") < 500

    check()


@pytest.mark.parametrize("path", sorted(PUBLIC.values()))
def test_anybody_may_send_anything(alpha: Shop, path: str) -> None:
    @fuzz
    @given(methods, forms, forms, text)
    def check(method: str, query: dict[str, str], form: dict[str, str], bearer: str) -> None:
        headers = {"Authorization": f"Bearer {bearer}".encode("ascii", "replace").decode()}
        status = send(Client(), method, path, query, form, **headers)
        assert status < 500 or (path == "/readyz" and status == 503)

    check()


@pytest.mark.parametrize("path", sorted(SIGNED.values()))
def test_the_storefront_may_send_anything_signed(alpha: Shop, path: str) -> None:
    @fuzz
    @given(methods, forms, numbers)
    def check(method: str, more: dict[str, str], number: int) -> None:
        asked = signed(alpha, number, **{name: value for name, value in more.items() if "\x00" not in name})
        assert send(Client(), method, filled(path, number), asked, {}) < 500

    check()


def test_the_panel_may_ask_anything_signed(alpha: Shop) -> None:
    reads = receiver()

    @fuzz
    @given(methods, forms, numbers, st.sampled_from(["If-None-Match", "Accept-Language", "X-Forwarded-For"]), text)
    def check(method: str, more: dict[str, str], number: int, name: str, value: str) -> None:
        headers = [(name.lower().encode(), value.encode())]
        assert ask_session(signed(alpha, number, **more), reads, headers, method.upper()).status < 500

    check()


def test_the_intake_takes_any_body_and_header(transactional_db: None) -> None:
    checked: list[int] = []

    @fuzz
    @given(st.binary(max_size=300), st.sampled_from(sorted(headers_of())), st.binary(max_size=200))
    def check(body: bytes, name: str, value: bytes) -> None:
        headers: dict[str, Any] = {**headers_of(body), name: value.decode("latin-1")}
        answer = asyncio.run(ask(application, body, headers=headers))
        assert answer is not None
        assert answer.status in (200, 400, 401, 413)
        checked.append(answer.status)

    check()
    assert len(checked) >= fuzz.max_examples
