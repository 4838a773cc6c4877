"""Group commit: what arrives together is committed together, and nobody pays for a neighbour, a lost connection or a
stop; and the wake-ups that follow."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.models import NOT_PROVIDED

from retention_app import clock
from retention_app.models import WebhookDelivery
from retention_app.receiving import delivery_table, group_writer, wake_ups
from retention_app.receiving.application import WebhookReceiver, in_front_of
from retention_app.receiving.connections import own_connection
from retention_app.receiving.delivery_table import DeliveryTable, Outcome
from retention_app.receiving.group_writer import GroupWriter
from retention_app.receiving.headers import Delivery
from retention_app.receiving.wake_ups import WakeUps
from tests.deliveries import BODY, PATH, Answer, ask, headers_of

STORED, REFUSED, UNAVAILABLE = Outcome.STORED, Outcome.REFUSED, Outcome.UNAVAILABLE
on_the_database = pytest.mark.django_db(transaction=True)
on_postgresql = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has no server")


def delivery(number: int, **replaced: Any) -> Delivery:
    plain = Delivery(f"wh-{number}", "", "alpha.myshopify.com", "orders/updated", "", "", b"{}", clock.now())
    return plain._replace(**replaced)


def bad(number: int) -> Delivery:
    """One no database takes, as if the headers' bounds had a hole."""
    return delivery(number, topic=None)


def signed(number: int) -> dict[str, Any]:
    return headers_of(**{"X-Shopify-Webhook-Id": f"wh-{number}"})


def stored() -> set[str]:
    return set(WebhookDelivery.objects.values_list("webhook_id", flat=True))


@pytest.fixture
def table(transactional_db: None) -> Iterator[DeliveryTable]:
    table = DeliveryTable()
    yield table
    table.close()


class GatedTable:
    """Notes the groups it is given; writes none before `gate` is open."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.groups: list[list[str]] = []
        self.closed = False

    def store(self, group: Sequence[Delivery]) -> list[Outcome]:
        self.groups.append([delivery.webhook_id for delivery in group])
        assert self.gate.wait(10)
        return [STORED] * len(group)

    def close(self) -> None:
        self.closed = True


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


# --- the table --------------------------------------------------------------------------------------------------------


def test_statement_names_every_column_the_table_needs() -> None:
    needed = {
        field.column
        for field in WebhookDelivery._meta.concrete_fields
        if not field.null and not field.primary_key and field.db_default is NOT_PROVIDED
    }
    assert needed <= set(delivery_table.COLUMNS)


def test_group_costs_one_statement(table: DeliveryTable, monkeypatch: pytest.MonkeyPatch) -> None:
    insert, sizes = delivery_table._insert, []
    monkeypatch.setattr(delivery_table, "_insert", lambda c, group: (sizes.append(len(group)), insert(c, group)))
    assert table.store([delivery(number) for number in range(100)]) == [STORED] * 100
    assert sizes == [100]
    assert len(stored()) == 100


@on_postgresql
def test_group_is_one_transaction_and_its_bodies_are_compressed_fast(table: DeliveryTable) -> None:
    table.store([delivery(number, body=b"lorem ipsum " * 1000) for number in range(10)])
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT xmin::text, pg_column_compression(body) FROM retention_app_webhookdelivery")
        found = cursor.fetchall()
    assert [compression for _, compression in found] == ["lz4"]


def test_row_the_database_cannot_take_fails_alone(table: DeliveryTable) -> None:
    assert table.store([delivery(1), bad(2), delivery(3)]) == [STORED, REFUSED, STORED]
    assert stored() == {"wh-1", "wh-3"}


@on_postgresql
@pytest.mark.parametrize("hostile", [{"topic": "t" * 65}, {"topic": "\x00"}, {"event_id": "\ud800"}])
def test_text_postgresql_cannot_take_fails_alone(table: DeliveryTable, hostile: dict[str, str]) -> None:
    assert table.store([delivery(1), delivery(2, **hostile), delivery(3)]) == [STORED, REFUSED, STORED]


def test_row_that_makes_the_database_fail_fails_alone(table: DeliveryTable, monkeypatch: pytest.MonkeyPatch) -> None:
    insert = delivery_table._insert

    def cursed(connected: Any, group: Sequence[Delivery]) -> None:
        if any(row.topic == "cursed" for row in group):
            raise OperationalError("the server ran out of something")
        insert(connected, group)

    monkeypatch.setattr(delivery_table, "_insert", cursed)
    assert table.store([delivery(1), delivery(2, topic="cursed"), delivery(3)]) == [STORED, UNAVAILABLE, STORED]
    assert stored() == {"wh-1", "wh-3"}


@on_postgresql
def test_connection_the_server_closed_is_replaced(table: DeliveryTable) -> None:
    assert table.store([delivery(1)]) == [STORED]
    with connection.cursor() as cursor:
        pid = table._connected().connection.info.backend_pid
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    assert table.store([delivery(2), delivery(3)]) == [STORED, STORED]
    assert stored() == {"wh-1", "wh-2", "wh-3"}


@on_postgresql
def test_connection_is_beside_the_pool_and_gives_up_soon(table: DeliveryTable) -> None:
    options = own_connection().settings_dict["OPTIONS"]
    assert "pool" not in options
    assert (options["connect_timeout"], options["tcp_user_timeout"]) == (2, 4_000)


def test_database_out_of_reach_is_asked_once_and_again_when_it_is_back(transactional_db: None) -> None:
    tries: list[int] = []
    down = True

    def connect() -> Any:
        tries.append(1)
        if down:
            raise OperationalError("connection refused")
        return own_connection()

    table = DeliveryTable(connect)
    assert table.store([delivery(1), delivery(2)]) == [UNAVAILABLE] * 2
    assert len(tries) == 1
    down = False
    assert table.store([delivery(1), delivery(2)]) == [STORED] * 2
    table.close()


@on_postgresql
def test_two_processes_with_the_same_deliveries_never_wait_in_a_circle(transactional_db: None) -> None:
    tables = [DeliveryTable(), DeliveryTable()]
    outcomes: list[Outcome] = []

    def store(table: DeliveryTable, order: int) -> None:
        for first in range(0, 1000, 50):
            outcomes.extend(table.store([delivery(first + number) for number in range(50)][::order]))
        table.close()

    threads = [threading.Thread(target=store, args=pair) for pair in zip(tables, (1, -1), strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [STORED] * 2000
    assert len(stored()) == 1000


# --- groups -----------------------------------------------------------------------------------------------------------


def grouped(count: int, body: bytes = BODY) -> list[list[str]]:
    """The groups that `count` deliveries form which arrive while a first one is being written."""
    table = GatedTable()

    async def scenario() -> None:
        writer = GroupWriter(table)
        first = asyncio.create_task(writer.store(delivery(0)))
        while not table.groups:
            await asyncio.sleep(0.001)
        others = [asyncio.create_task(writer.store(delivery(n, body=body))) for n in range(1, count + 1)]
        await turns()
        table.gate.set()
        assert await asyncio.gather(first, *others) == [STORED] * (count + 1)
        await writer.stop()

    asyncio.run(scenario())
    assert table.closed
    return table.groups


def test_what_arrives_while_a_group_is_written_becomes_the_next() -> None:
    assert grouped(3) == [["wh-0"], ["wh-1", "wh-2", "wh-3"]]


def test_group_is_bounded_in_rows_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_writer, "GROUP_ROWS_MAX", 2)
    assert [len(group) for group in grouped(5)] == [1, 2, 2, 1]
    monkeypatch.setattr(group_writer, "GROUP_BYTES_MAX", 10)
    assert [len(group) for group in grouped(3, b"x" * 6)] == [1, 1, 1, 1]


def test_too_many_waiting_are_turned_away_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_writer, "WAITING_ROWS_MAX", 2)
    table = GatedTable()

    async def scenario() -> list[int]:
        receiver = WebhookReceiver(table, WakeUps(lambda shop_domain: None))
        tasks = [asyncio.create_task(ask(receiver, BODY, headers=signed(0)))]
        while not table.groups:
            await asyncio.sleep(0.001)
        tasks += [asyncio.create_task(ask(receiver, BODY, headers=signed(number))) for number in (1, 2, 3)]
        turned_away = await asyncio.wait_for(tasks[3], 1)
        assert turned_away is not None
        assert turned_away.status == 503
        table.gate.set()
        answers = await asyncio.gather(*tasks)
        await receiver.stop()
        return [answer.status for answer in answers if answer]

    assert asyncio.run(scenario()) == [200, 200, 200, 503]


def test_request_given_up_while_it_waits_disturbs_nobody() -> None:
    table = GatedTable()

    async def scenario() -> Outcome:
        writer = GroupWriter(table)
        tasks = [asyncio.create_task(writer.store(delivery(number))) for number in range(2)]
        while not table.groups:
            await asyncio.sleep(0.001)
        tasks[0].cancel()
        await turns()
        table.gate.set()
        outcome = await tasks[1]
        await writer.stop()
        return outcome

    assert asyncio.run(scenario()) is STORED


def test_table_that_breaks_is_503_and_the_writer_goes_on() -> None:
    class Broken(GatedTable):
        def store(self, group: Sequence[Delivery]) -> list[Outcome]:
            if group[0].webhook_id == "wh-0":
                raise RuntimeError("a bug")
            return [STORED] * len(group)

    async def scenario() -> list[int]:
        receiver = WebhookReceiver(Broken(), WakeUps(lambda shop_domain: None))
        answers = [await ask(receiver, BODY, headers=signed(number)) for number in (0, 1)]
        await receiver.stop()
        return [answer.status for answer in answers if answer]

    assert asyncio.run(scenario()) == [503, 200]


# --- the database goes, the process ends ------------------------------------------------------------------------------


@on_the_database
def test_database_out_of_reach_is_503_until_it_is_back() -> None:
    down = False

    def connect() -> Any:
        if down:
            raise OperationalError("connection refused")
        return own_connection()

    table = DeliveryTable(connect)

    async def scenario() -> list[int]:
        nonlocal down
        receiver = WebhookReceiver(table, WakeUps(lambda shop_domain: None))
        statuses = []
        for number, down in enumerate((False, True, True, False)):
            if down:
                receiver._writer._thread.submit(table.close).result()
            answer = await ask(receiver, BODY, headers=signed(number))
            assert answer is not None
            statuses.append(answer.status)
        await receiver.stop()
        return statuses

    assert asyncio.run(scenario()) == [200, 503, 503, 200]
    assert stored() == {"wh-0", "wh-3"}


@on_the_database
def test_stop_answers_what_was_accepted_and_refuses_what_comes_later() -> None:
    table = DeliveryTable()
    gate = threading.Event()
    store = table.store

    def slow(group: Sequence[Delivery]) -> list[Outcome]:
        assert gate.wait(10)
        return store(group)

    table.store = slow  # type: ignore[method-assign]
    told: list[str] = []

    async def told_of(message: Any) -> None:
        told.append(message["type"])

    async def scenario() -> list[Answer | None]:
        inbox: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        receiver = WebhookReceiver(table, WakeUps(lambda shop_domain: None))
        front = in_front_of(None, {PATH: receiver})  # type: ignore[arg-type]
        life = asyncio.create_task(front({"type": "lifespan"}, inbox.get, told_of))
        await inbox.put({"type": "lifespan.startup"})
        accepted = [asyncio.create_task(ask(front, BODY, headers=signed(number))) for number in range(5)]
        await turns()
        await inbox.put({"type": "lifespan.shutdown"})
        await turns()
        late = await ask(front, BODY, headers=signed(9))
        assert told == ["lifespan.startup.complete"]  # the shutdown waits for those five
        gate.set()
        answers = await asyncio.gather(*accepted)
        await life
        return [*answers, late]

    answers = asyncio.run(scenario())
    assert [answer.status for answer in answers if answer] == [200] * 5 + [503]
    assert told == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert stored() == {f"wh-{number}" for number in range(5)}


# --- wake-ups ---------------------------------------------------------------------------------------------------------


def test_worker_is_woken_after_the_answer() -> None:
    order: list[str] = []
    table = GatedTable()
    table.gate.set()

    async def scenario() -> None:
        receiver = WebhookReceiver(table, WakeUps(lambda shop_domain: order.append(shop_domain)))
        sent = ask(receiver, BODY, headers=signed(1))
        order.append(f"{(await sent).status}")  # type: ignore[union-attr]
        await receiver.stop()

    asyncio.run(scenario())
    assert order == ["200", "alpha.myshopify.com"]


def woken(times: Sequence[tuple[float, str]], wake: Callable[[str], None] | None = None) -> list[tuple[float, str]]:
    """When each shop's workers were woken, for deliveries at these seconds."""
    calls: list[tuple[float, str]] = []

    async def scenario() -> None:
        began = time.monotonic()

        def noted(shop_domain: str) -> None:
            calls.append((time.monotonic() - began, shop_domain))
            if wake:
                wake(shop_domain)

        ups = WakeUps(noted)
        for at, shop_domain in times:
            await asyncio.sleep(max(0.0, at - (time.monotonic() - began)))
            ups.add(shop_domain)
        await ups.stop()

    asyncio.run(scenario())
    return calls


def test_busy_shop_is_woken_a_bounded_number_of_times_and_once_after_its_last_delivery() -> None:
    calls = woken([(number / 1000, "a") for number in range(300)])
    assert calls[0][0] < 0.2
    assert 2 <= len(calls) <= 300 / 1000 / wake_ups.INTERVAL_SECONDS + 3
    assert calls[-1][0] >= 0.299


def test_each_shop_is_woken() -> None:
    assert {shop for _, shop in woken([(0, "a"), (0, "b"), (0.01, "c"), (0.2, "a")])} == {"a", "b", "c"}


def test_broker_out_of_reach_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wake_ups, "BROKER_PAUSE_SECONDS", 0.01)
    tries = 0

    def unreachable_at_first(shop_domain: str) -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise ConnectionError("no broker")

    calls = woken([(0, "a"), (0, "b")], unreachable_at_first)
    assert len(calls) == 4
    assert {shop for _, shop in calls[2:]} == {"a", "b"}


def test_broker_that_hangs_delays_no_answer_and_no_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wake_ups, "STOP_SECONDS_MAX", 0.05)
    release = threading.Event()
    table = GatedTable()
    table.gate.set()

    async def scenario() -> float:
        began = time.monotonic()
        receiver = WebhookReceiver(table, WakeUps(lambda shop_domain: release.wait(10) and None))
        for number in range(3):
            answer = await ask(receiver, BODY, headers=signed(number))
            assert answer is not None
            assert answer.status == 200
        await receiver.stop()
        seconds = time.monotonic() - began
        release.set()
        return seconds

    assert asyncio.run(scenario()) < 5


def test_wake_up_is_the_shops_task(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(wake_ups.deliveries_work, "apply_async", lambda **given: sent.append(given))
    wake_ups.wake_worker("alpha.myshopify.com")
    assert sent == [{"kwargs": {"shop_domain": "alpha.myshopify.com"}, "retry": False}]
