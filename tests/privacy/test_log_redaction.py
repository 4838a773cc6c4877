"""What logs and stored errors never say: secrets and people."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from retention_app import observability, work
from retention_app.models import FailedTry, Shop, WebhookDelivery
from retention_app.observability import redacted
from tests.platform.test_intake import delivery

WITHHELD = [
    "ana.petrova@example.com",
    "ana+shop@mail.example.co.uk",
    "ana%40example.com",
    "ana\\u0040example.com",
    '"ana petrova"@example.com',
    "ána@exämple.com",
    "+4930123456",
    "+49 30 123456",
    "+1 (202) 555-0143",
    "202-555-0143",
    "(030) 1234567",
    "shpat_0123456789abcdef",
    f"enc_{'ab' * 8}_{'cd' * 4}_{'ef' * 32}",
    "shprt_0123456789abcdef",
    "shpua_0123456789abcdef",
    "shpss_0123456789abcdef",
    "sk_live_0123456789abcdef",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJl",
]


@pytest.mark.parametrize("secret", WITHHELD)
@pytest.mark.parametrize(
    "around", ["{}", "mail to {} failed", "('{}',)", '{{"note": "{}"}}', "<{}>", "a={}&b=1", "{},x"]
)
def test_a_secret_is_withheld_wherever_it_stands(secret: str, around: str) -> None:
    assert secret not in redacted(around.format(secret))


@pytest.mark.parametrize(
    "text",
    [
        '{"email": "x", "first_name":"Ana\\"Petrova", "n": 1}',
        '{\\"first_name\\":\\"Petrova\\",\\"n\\":1}',
        "Customer(first_name='Petrova', n=1)",
        "{'last_name': b'Petrova'}",
        'first_name": "Petrova cut off',
        "password='Petrova' wrong",
        "Authorization: Bearer Petrova-abc",
        "DETAIL:  Failing row contains (5, 8101, Ana, Petrova, Street 1).",
        'CONTEXT:  JSON data, line 1: [{"first":"Petrova"',
        "redis://user:Petrova@redis:6379/0",
        "/app/?id_token=Petrova&shop=alpha",
    ],
)
def test_what_a_key_or_a_database_names_is_withheld(text: str) -> None:
    assert "Petrova" not in redacted(text)


@pytest.mark.parametrize(
    "text",
    [
        "order 6001000000001 (#1042) of gid://shopify/Customer/8101000000001",
        "2026-11-21T10:02:09.123456+00:00",
        "2026-11-21 10:02:09+0000",
        "http://127.0.0.1:8700/admin/api/2026-10/graphql.json",
        "alpha.myshopify.com: 69,659 orders in 31.4 s (+12 -3)",
        "Traceback (most recent call last):",
        "sync_step_failed",
    ],
)
def test_what_things_are_numbered_with_stays(text: str) -> None:
    assert redacted(text) == text


@given(
    before=st.text(max_size=40),
    local=st.from_regex(r"[A-Za-z0-9._+%-]{1,80}", fullmatch=True),
    domain=st.from_regex(r"[A-Za-z0-9-]{1,20}(\.[a-z]{2,6}){1,2}", fullmatch=True),
    after=st.text(max_size=40),
)
def test_no_e_mail_address_comes_through(before: str, local: str, domain: str, after: str) -> None:
    assert f"{local}@{domain}" not in redacted(f"{before}{local}@{domain}{after}")


@given(
    digits=st.text("0123456789", min_size=8, max_size=14),
    gap=st.sampled_from(["", " ", "-", "."]),
    cut=st.integers(1, 7),
)
def test_no_international_number_comes_through(digits: str, gap: str, cut: int) -> None:
    number = f"+{digits[:cut]}{gap}{digits[cut:]}"
    assert number not in redacted(f"call {number} now")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=10,
)


@given(JSON)
def test_any_value_can_be_logged(value: Any) -> None:
    line = observability._redact(None, "info", {"event": "x", "value": value})
    structlog.processors.JSONRenderer()(None, "info", line)


@given(st.text(max_size=200))
def test_redacting_twice_is_redacting_once(text: str) -> None:
    once = redacted(text)
    assert redacted(once) == once


@pytest.mark.parametrize(
    "piece", ["a", "@", '"', "\\", "+1 ", "a.", "!a", "1", "token", "eyJ", "://", "(12", 'token:"', "-"]
)
def test_a_hostile_text_costs_no_more_than_its_length(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    began = time.perf_counter()
    redacted(text)
    assert time.perf_counter() - began < 2  # a tenth of a second where nobody else works


# --- through the logging that runs ------------------------------------------------------------------------------------


@pytest.fixture
def written() -> Iterator[Any]:
    """Logs as in production; answers what was written so far, parsed line by line."""
    former, handlers = structlog.get_config(), list(logging.getLogger().handlers)
    observability.logging_configure({"format": "json"})
    handler = next(each for each in logging.getLogger().handlers if each not in handlers)
    texts: list[str] = []

    class Kept:
        def write(self, text: str) -> None:
            texts.append(text)

        def flush(self) -> None:
            """Nothing waits."""

    handler.setStream(Kept())  # type: ignore[attr-defined]
    yield lambda: [json.loads(line) for line in "".join(texts).splitlines()]
    logging.getLogger().handlers[:] = handlers
    structlog.configure(**former)


def fail(person: dict[str, str]) -> None:
    raise ValueError(f"can't mail {person!r}")


PERSON = {"first_name": "Zebulonia", "email": "zebulonia@example.com", "phone": "+49 30 7654321"}


@pytest.mark.parametrize("logger", [structlog.get_logger("ours"), logging.getLogger("a.librarys")])
def test_messages_values_and_tracebacks_name_nobody(written: Any, logger: Any) -> None:
    try:
        fail(PERSON)
    except ValueError:
        logger.exception("failed for zebulonia@example.com")
    if isinstance(logger, logging.Logger):
        logger.warning("could not reach %s or %s", PERSON["email"], PERSON)
    else:
        logger.warning("nested", body=[{"customer": PERSON}], token="x-y-z", error=ValueError("zebulonia@example.com"))
    lines = written()
    assert len(lines) == 2
    assert "ValueError" in lines[0]["exception"]
    for word in ("zebulonia", "Zebulonia", "7654321", "x-y-z"):
        assert word not in json.dumps(lines)


def test_the_error_a_queue_keeps_names_nobody(shop: Shop) -> None:
    row = delivery("orders/create", {"id": 1})
    try:
        fail(PERSON)
    except ValueError as error:
        work.failed(row, error)
    row = WebhookDelivery.objects.get()
    tried = FailedTry.objects.get()
    assert tried.error == row.error
    assert "can't mail" in row.error
    assert "fail(PERSON)" in tried.traceback
    assert "ebulonia" not in row.error + tried.traceback


def test_our_settings_are_withheld_by_their_key() -> None:
    line = {"SECRET_KEY": settings.SECRET_KEY, "SHOPIFY_API_SECRET": settings.SHOPIFY_API_SECRET, "cookie": "a=b"}
    assert set(observability._redact(None, "info", dict(line)).values()) == {observability.REDACTED}
