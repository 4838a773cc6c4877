"""The one read behind the session: what it costs, what it says of generated members, and a database that is away."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import orjson
import psycopg
import pytest
import time_machine
from django.db import connection, transaction
from django.utils import translation
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bench.session_baseline import told
from loyalty.announcements import announcements_make
from loyalty.ledger import members_bring_up_to_date
from loyalty.session.application import SessionReceiver
from loyalty.session.statement import asked, found_in, statement
from retention_app import clock
from retention_app.models import Customer, Shop
from retention_app.receiving.connections import reading_connection
from retention_app.receiving.shop_reader import ShopReader
from retention_app.tenancy import shop_scope
from tests.deliveries import ask
from tests.loyalty import histories
from tests.loyalty.ground import customers
from tests.loyalty.test_arrival import Case, partly_known, programme_write, tell
from tests.visits import ask_session, session_of, signed

on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="about the server")


# --- what it says -----------------------------------------------------------------------------------------------------


@settings(
    max_examples=15, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(histories.cases(), st.randoms(use_true_random=False), st.sampled_from(["en", "zh-hant"]))
def test_what_is_told_of_any_member_is_what_the_statement_says(
    alpha: Shop, case: Case, rng: Any, language: str
) -> None:
    history, plain, as_of = case
    with shop_scope(alpha.id), transaction.atomic():
        alpha.timezone, alpha.currency = plain["timezone"], plain["currency"]
        alpha.save()
        programme_write(alpha, plain)
        (customer_id,) = customers(1)
        for state in [*partly_known(history, rng), history]:
            tell(state, customer_id, alpha)
            with time_machine.travel(as_of, tick=False):
                members_bring_up_to_date([customer_id])
                announcements_make(alpha, Customer.objects.get(), "panel")
        now = as_of + dt.timedelta(days=rng.choice([0, 3, 200]))
        with time_machine.travel(now, tick=False):
            with translation.override(language):
                expected = told(alpha, 1)
            assert session_of(alpha, 1, locale=language) == orjson.loads(
                orjson.dumps(expected, option=orjson.OPT_UTC_Z)
            )
        transaction.set_rollback(True)


# --- what it costs ----------------------------------------------------------------------------------------------------


@pytest.fixture
def reader() -> Iterator[ShopReader]:
    """Reads as a web process does, on a connection of its own."""
    reader = ShopReader(statement, reading_connection)
    yield reader
    reader.close()


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_a_read_is_one_round_trip_in_a_transaction_of_the_shop(alpha: Shop, reader: ShopReader) -> None:
    question = asked(alpha.domain, 8101, clock.now())
    for _ in range(2):
        reader.read(alpha.domain, question)  # connects, learns the shop's id, prepares the statement
    driver = reader._connection.connection  # type: ignore[union-attr]
    with tempfile.TemporaryFile("w+") as trace:
        driver.pgconn.trace(trace.fileno())
        driver.pgconn.set_trace_flags(psycopg.pq.Trace.SUPPRESS_TIMESTAMPS)
        text = reader.read(alpha.domain, question)
        driver.pgconn.untrace()
        trace.seek(0)
        messages = [line.split("\t") for line in trace.read().splitlines()]
    assert found_in(text).name == "Alpha"
    assert [way for way, _ in groupby(message[0] for message in messages)] == ["F", "B"]
    asked_for = [message[2].split()[0] for message in messages if message[0] == "F"]
    assert [what for what in asked_for if what != "Flush"] == [
        *("Bind", "Describe", "Execute"),  # the scope
        *("Bind", "Describe", "Execute"),  # the statement
        "Sync",
    ]


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_a_reading_connection_can_not_write_and_carries_no_scope_on(alpha: Shop, reader: ShopReader) -> None:
    reader.read(alpha.domain, asked(alpha.domain, 8101, clock.now()))
    driver = reader._connection.connection  # type: ignore[union-attr]
    assert driver.execute("SELECT current_setting('app.shop_id', true)").fetchone()[0] in ("", None)
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        driver.execute("UPDATE retention_app_shop SET name = ''")
    assert driver.execute("SHOW statement_timeout").fetchone()[0] == "1500ms"


# --- a database that is away ------------------------------------------------------------------------------------------


def status_of(reader: ShopReader, shop: Shop) -> tuple[int, float]:
    """The answer's status, and the seconds it took until it was given and the receiver could be stopped."""

    async def scenario() -> int:
        receiver = SessionReceiver(reader)
        answer = await ask(receiver, method="GET", query="&".join(f"{k}={v}" for k, v in signed(shop, 1).items()))
        await receiver.stop()
        assert answer
        return answer.status

    began = time.monotonic()
    return asyncio.run(scenario()), time.monotonic() - began


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_a_connection_the_server_ended_is_replaced(alpha: Shop, reader: ShopReader) -> None:
    assert status_of(reader, alpha)[0] == 200
    reader.read(alpha.domain, asked(alpha.domain, 1, clock.now()))
    pid = reader._connection.connection.info.backend_pid  # type: ignore[union-attr]
    with psycopg.connect(os.environ["TEST_DATABASE_ADMIN_URL"], autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(%s)", [pid])
    assert status_of(reader, alpha)[0] == 200


@on_postgresql
@pytest.mark.parametrize("listens", [False, True])
def test_a_server_that_is_gone_or_says_nothing_is_a_503_at_once(
    db: None, listens: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loyalty.session.application.READ_SECONDS_MAX", 0.3)

    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        if not listens:
            silent.close()

        def connect() -> Any:
            connection = reading_connection()
            connection.settings_dict = {**connection.settings_dict, "HOST": "127.0.0.1", "PORT": str(port)}
            return connection

        status, seconds = status_of(ShopReader(statement, connect), Shop(domain="alpha.myshopify.com"))
    assert status == 503
    assert seconds < 3


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_a_read_that_is_kept_waiting_is_given_up(
    alpha: Shop, reader: ShopReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loyalty.session.application.READ_SECONDS_MAX", 0.3)
    reader.read(alpha.domain, asked(alpha.domain, 1, clock.now()))
    with psycopg.connect(_as_owner(), autocommit=False) as owner:
        owner.execute("LOCK TABLE retention_app_shop IN ACCESS EXCLUSIVE MODE")
        status, seconds = status_of(reader, alpha)
        assert status == 503
        assert seconds < 3
        owner.rollback()
    assert status_of(reader, alpha)[0] == 200


def _as_owner() -> str:
    name = connection.settings_dict["NAME"]
    return f"{os.environ['DATABASE_OWNER_URL'].rsplit('/', 1)[0]}/{name}"


def test_what_can_not_be_read_is_a_503_and_logged_without_its_text(db: None, caplog: pytest.LogCaptureFixture) -> None:
    application = SessionReceiver(ShopReader(lambda vendor: "", lambda: 1 / 0))  # type: ignore[arg-type, return-value]
    answer = ask_session(signed(Shop(domain="alpha.myshopify.com"), 1), application)
    assert (answer.status, answer.headers[b"retry-after"], answer.body) == (503, b"2", b"")
