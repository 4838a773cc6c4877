"""Facts, their runs, and the workers that act on them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import structlog
import time_machine
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from retention_app import clock, events, tasks, work
from retention_app.events import Consumer, Fact, events_record
from retention_app.models import DomainEvent, EventRun, Shop
from retention_app.observability import ids_said
from tests.orders import at

LIVE = DomainEvent.Origin.LIVE


@pytest.fixture
def consume() -> Iterator[Callable[..., None]]:
    """Register a consumer for this test only, in place of the real ones."""
    former = events.consumers()
    events._consumers.clear()
    yield lambda **fields: events.register(Consumer(types=frozenset({"order.placed"}), **fields))
    events._consumers.clear()
    events._consumers.update(former)


def record(*keys: str) -> int:
    facts = [Fact(type="order.placed", key=key, occurred_at=at(n)) for n, key in enumerate(keys)]
    with transaction.atomic():
        return events_record(facts, origin=LIVE)


def work_runs(shop: Shop, consumer: str = "test") -> None:
    tasks.event_runs_work(shop_id=shop.id, consumer=consumer)


def nothing(_: Sequence[DomainEvent]) -> None:
    pass


def test_a_fact_told_twice_is_recorded_once(shop: Shop, consume: Any) -> None:
    consume(name="test", batch=nothing)
    assert record("a", "b") == 2
    assert record("a", "b", "c") == 1
    assert EventRun.objects.count() == DomainEvent.objects.count() == 3


def test_event_ids_follow_the_order_of_the_facts(shop: Shop, consume: Any) -> None:
    record(*(f"{n:03}" for n in range(200, 0, -1)))
    keys = list(DomainEvent.objects.order_by("id").values_list("key", flat=True))
    assert keys == sorted(keys, reverse=True)


def test_no_facts_are_no_statement(shop: Shop, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert events_record([], origin=LIVE) == 0


def test_each_run_is_done_once_in_event_order(shop: Shop, consume: Any) -> None:
    seen: list[str] = []
    consume(name="test", batch=lambda batch: seen.extend(event.key for event in batch))
    record("a", "b", "c")
    work_runs(shop)
    work_runs(shop)
    assert seen == ["a", "b", "c"]
    assert set(EventRun.objects.values_list("state", flat=True)) == {"done"}


def test_log_lines_tell_which_events_a_worker_has_in_hand(shop: Shop, consume: Any) -> None:
    log = structlog.get_logger()
    consume(name="test", batch=lambda batch: log.info("in_hand"))
    record("a", "b", "c")
    first, *_, last = DomainEvent.objects.order_by("id").values_list("id", flat=True)
    with capture_logs(processors=[merge_contextvars]) as lines:
        work_runs(shop)
    assert [(line["event"], line["event_ids"]) for line in lines] == [
        ("in_hand", f"{first}..{last}"),
        ("events_worked", f"{first}..{last}"),
    ]


def test_ids_are_said_as_ranges() -> None:
    assert ids_said([9, 7, 8, 12, 12, 14, 15]) == "7..9,12,14..15"
    assert ids_said([]) == ""


def test_a_failing_batch_is_split_until_the_bad_event_is_alone(shop: Shop, consume: Any) -> None:
    done: list[str] = []

    def picky(batch: Sequence[DomainEvent]) -> None:
        keys = [event.key for event in batch]
        if "bad" in keys:
            raise ValueError("no good")
        done.extend(keys)

    consume(name="test", batch=picky)
    record("a", "b", "bad", "c", "d")
    work_runs(shop)
    assert sorted(done) == ["a", "b", "c", "d"]
    bad = EventRun.objects.get(state="waiting")
    assert bad.error == "no good"
    assert bad.due_at > clock.now()


def test_a_run_that_keeps_failing_is_put_aside(shop: Shop, consume: Any) -> None:
    def never(batch: Sequence[DomainEvent]) -> None:
        raise ValueError("never")

    consume(name="test", batch=never)
    record("a")
    for day in range(work.ATTEMPTS_MAX):
        with time_machine.travel(dt.datetime.now(dt.UTC) + dt.timedelta(days=day)):
            work_runs(shop)
    run = EventRun.objects.get()
    assert (run.state, run.attempts) == ("dead", work.ATTEMPTS_MAX)


def test_a_dead_workers_lease_runs_out(shop: Shop, consume: Any) -> None:
    seen: list[str] = []
    consume(name="test", batch=lambda batch: seen.extend(event.key for event in batch))
    record("a")
    assert len(work.claim(EventRun, shop_id=shop.id, consumer="test", limit=9)) == 1  # and then it was killed
    work_runs(shop)
    assert seen == []
    with time_machine.travel(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=work.LEASE_SECONDS + 1)):
        work_runs(shop)
    assert seen == ["a"]


def test_a_long_run_goes_on_at_its_cursor(shop: Shop, consume: Any) -> None:
    cursors: list[int] = []

    def step(event: DomainEvent, cursor: int) -> int | None:
        cursors.append(cursor)
        if cursor == 2 and cursors.count(2) == 1:
            raise ValueError("power cut")
        return cursor + 1 if cursor < 4 else None

    consume(name="test", step=step)
    record("a")
    work_runs(shop)
    assert EventRun.objects.get().cursor == 2
    with time_machine.travel(dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)):
        work_runs(shop)
    assert cursors == [0, 1, 2, 2, 3, 4]
    assert EventRun.objects.get().state == "done"


def test_bad_registrations_stop_start_up(consume: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match="either batch or step"):
        consume(name="neither")
    with pytest.raises(ImproperlyConfigured, match="unknown event types"):
        events.register(Consumer(name="x", types=frozenset({"order.plaecd"}), batch=nothing))
    consume(name="twice", batch=nothing)
    with pytest.raises(ImproperlyConfigured, match="called twice"):
        consume(name="twice", batch=lambda batch: None)


def test_the_sweep_wakes_each_shop_and_consumer_with_due_work(shop: Shop, consume: Any, monkeypatch: Any) -> None:
    woken: list[dict[str, Any]] = []
    consume(name="test", batch=nothing)
    record("a", "b")
    monkeypatch.setattr(tasks.event_runs_work, "delay", lambda **kwargs: woken.append(kwargs))
    tasks.sweep()
    assert woken == [{"shop_id": shop.id, "consumer": "test"}]
