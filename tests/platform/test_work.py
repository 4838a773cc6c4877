"""A claim holds its rows until its lease runs out and another worker claims them: from then on it touches nothing."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from django.db import connection, connections, transaction

from retention_app import clock, tasks, work
from retention_app.models import DomainEvent, EventRun, FailedTry, Shop, WebhookDelivery

LATER = dt.timedelta(seconds=work.LEASE_SECONDS + 1)
DOMAIN = "alpha.myshopify.com"


@pytest.fixture
def delivery(shop: Shop) -> WebhookDelivery:
    now = clock.now()
    return WebhookDelivery.objects.create(
        webhook_id="wh-1", topic="orders/create", shop_domain=DOMAIN, body=b"{}", received_at=now, due_at=now
    )


@pytest.fixture
def run(shop: Shop) -> EventRun:
    now = clock.now()
    event = DomainEvent.objects.create(
        shop=shop, type="order.placed", key="a", origin="live", occurred_at=now, recorded_at=now
    )
    return EventRun.objects.create(shop_id=shop.id, event=event, consumer="test", due_at=now)


@pytest.mark.parametrize(
    "finish",
    [
        lambda row: work.done([row]),
        lambda row: work.failed(row, ValueError("no"), permanent=True),
        lambda row: work.postponed(row, ValueError("no"), since=row.received_at),
        lambda row: work.wait([row], seconds=60),
        lambda row: work.lease_renew([row]),
    ],
)
def test_slow_worker_leaves_a_delivery_to_its_successor(
    delivery: WebhookDelivery, finish: Callable[[WebhookDelivery], None]
) -> None:
    (slow,) = work.claim(WebhookDelivery, shop_domain=DOMAIN, limit=200)
    with time_machine.travel(clock.now() + LATER):
        (successor,) = work.claim(WebhookDelivery, shop_domain=DOMAIN, limit=200)
        finish(slow)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts, delivery.lease_until) == ("waiting", 2, successor.lease_until)
    work.done([successor])
    finish(slow)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts, delivery.lease_until) == ("done", 2, None)


@pytest.mark.parametrize(
    "finish",
    [
        lambda run: work.done([run]),
        lambda run: work.failed(run, ValueError("no")),
        lambda run: work.run_advanced(run, 7),
        lambda run: work.run_handed_over(run),
    ],
)
def test_slow_worker_leaves_a_run_to_its_successor(run: EventRun, finish: Callable[[EventRun], None]) -> None:
    (slow,) = work.claim(EventRun, shop_id=run.shop_id, consumer="test", limit=9)
    with time_machine.travel(clock.now() + LATER):
        (successor,) = work.claim(EventRun, shop_id=run.shop_id, consumer="test", limit=9)
        finish(slow)
    run.refresh_from_db()
    assert (run.state, run.cursor, run.lease_until) == ("waiting", 0, successor.lease_until)


def test_slow_worker_of_a_long_run_is_told_that_it_was_overtaken(run: EventRun) -> None:
    (slow,) = work.claim(EventRun, shop_id=run.shop_id, consumer="test", limit=1)
    with time_machine.travel(clock.now() + LATER):
        (successor,) = work.claim(EventRun, shop_id=run.shop_id, consumer="test", limit=1)
        assert work.run_advanced(successor, 5)
        assert not work.run_advanced(slow, 4)
    run.refresh_from_db()
    assert run.cursor == 5


def test_put_back_delivery_gets_no_lease_anew(delivery: WebhookDelivery) -> None:
    (claimed,) = work.claim(WebhookDelivery, shop_domain=DOMAIN, limit=200)
    work.failed(claimed, ValueError("no"))
    work.lease_renew([claimed])
    delivery.refresh_from_db()
    assert delivery.lease_until is None


def test_claims_come_oldest_first_and_mixed_attempts_finish_together(delivery: WebhookDelivery) -> None:
    later = WebhookDelivery.objects.create(
        webhook_id="wh-2",
        topic="orders/create",
        shop_domain=DOMAIN,
        body=b"[]",
        received_at=delivery.received_at,
        due_at=delivery.due_at,
        attempts=3,
    )
    rows = work.claim(WebhookDelivery, shop_domain=DOMAIN, limit=200)
    assert [(row.id, row.attempts, bytes(row.body)) for row in rows] == [(delivery.id, 1, b"{}"), (later.id, 4, b"[]")]
    work.done(rows)
    assert set(WebhookDelivery.objects.values_list("state", flat=True)) == {"done"}


def test_shop_is_looked_up_after_each_claim(delivery: WebhookDelivery, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    Shop.objects.update(domain="other.myshopify.com")
    claim = work.claim

    def claim_and_install(model: type[WebhookDelivery], *, limit: int, shop_domain: str) -> list[WebhookDelivery]:
        rows = claim(model, limit=limit, shop_domain=shop_domain)
        Shop.objects.update(domain=DOMAIN)
        return rows

    def apply(shop: Shop, deliveries: list[WebhookDelivery]) -> None:
        seen.append(shop.domain)
        work.done(deliveries)

    monkeypatch.setattr(work, "claim", claim_and_install)
    monkeypatch.setattr("retention_app.intake.deliveries_apply", apply)
    tasks.deliveries_work(shop_domain=DOMAIN)
    assert seen == [DOMAIN]


def test_deliveries_of_nobody_take_their_slice_only(delivery: WebhookDelivery, monkeypatch: pytest.MonkeyPatch) -> None:
    woken: list[str] = []
    Shop.objects.update(domain="other.myshopify.com")
    monkeypatch.setattr(tasks, "_until", clock.now)
    monkeypatch.setattr(tasks.deliveries_work, "delay", lambda *, shop_domain: woken.append(shop_domain))
    tasks.deliveries_work(shop_domain=DOMAIN)
    delivery.refresh_from_db()
    assert (delivery.state, woken) == ("dead", [DOMAIN])


def test_every_failed_try_is_kept_for_the_operators(delivery: WebhookDelivery) -> None:
    for message in ("first", "second"):
        (claimed,) = work.claim(WebhookDelivery, shop_domain=DOMAIN, limit=1)
        try:
            raise ValueError(message)
        except ValueError as error:
            work.failed(claimed, error)
        WebhookDelivery.objects.update(due_at=clock.now())
    tries = list(FailedTry.objects.order_by("id"))
    assert [(each.queue, each.row_id, each.error_class, each.error) for each in tries] == [
        ("delivery", delivery.id, "ValueError", "first"),
        ("delivery", delivery.id, "ValueError", "second"),
    ]
    assert "test_every_failed_try_is_kept" in tries[0].traceback


def test_a_try_of_a_lost_claim_leaves_nothing(delivery: WebhookDelivery) -> None:
    (slow,) = work.claim(WebhookDelivery, shop_domain=DOMAIN, limit=1)
    WebhookDelivery.objects.update(attempts=2)
    work.failed(slow, ValueError("late"))
    assert not FailedTry.objects.exists()


# --- claims that nobody finishes --------------------------------------------------------------------------------------


def stored(*bodies: bytes, **fields: Any) -> list[WebhookDelivery]:
    now = clock.now()
    given = {"topic": "orders/create", "shop_domain": DOMAIN, "received_at": now, "due_at": now, **fields}
    number = WebhookDelivery.objects.count()
    return [
        WebhookDelivery.objects.create(webhook_id=f"wh-{number + each}", body=body, **given)
        for each, body in enumerate(bodies)
    ]


def test_a_claim_takes_bodies_up_to_its_bytes_and_at_least_one(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "BYTES_PER_CLAIM", 10)
    rows = stored(b"1" * 4, b"2" * 6, b"3", b"4" * 50, b"5")
    claims = [
        [row.id for row in work.claim(WebhookDelivery, shop_domain=DOMAIN, limit=limit)] for limit in (9, 9, 9, 9, 9)
    ]
    ids = [row.id for row in rows]
    assert claims == [ids[:2], ids[2:3], ids[3:4], ids[4:], []]
    assert set(WebhookDelivery.objects.values_list("attempts", flat=True)) == {1}


@pytest.mark.parametrize("kind", ["delivery", "run"])
def test_what_kills_its_workers_ends_alone_and_is_put_aside(run: EventRun, kind: str) -> None:
    rows: list[Any]
    claim: Callable[[], list[Any]]
    if kind == "delivery":
        rows = stored(b"{}", b"{}", b"{}")
        claim = functools.partial(work.claim, WebhookDelivery, shop_domain=DOMAIN, limit=200)
    else:
        others = [
            DomainEvent.objects.create(
                shop_id=run.shop_id, type="a", key=key, origin="live", occurred_at=run.due_at, recorded_at=run.due_at
            )
            for key in "bc"
        ]
        made = {"shop_id": run.shop_id, "consumer": "test", "due_at": run.due_at}
        rows = [run, *(EventRun.objects.create(event=event, **made) for event in others)]
        claim = functools.partial(work.claim, EventRun, shop_id=run.shop_id, consumer="test", limit=200)
    deadly, innocents = rows[1], [rows[0], rows[2]]
    seen: list[list[int]] = []
    with time_machine.travel(clock.now(), tick=False) as traveller:
        for _sweep in range(20):
            while claimed := claim():
                seen.append([row.pk for row in claimed])
                if deadly in claimed:
                    break  # and with it the worker
                for row in claimed:
                    assert work.tries(row) == 1
                    work.failed(row, ValueError("a slip, for the first time"))
                    type(row).objects.filter(id=row.id, state="waiting").update(state="done")
            traveller.shift(LATER)
    for row in rows:
        row.refresh_from_db()
    assert [row.state for row in rows] == ["done", "dead", "done"]
    assert (deadly.error_class, deadly.lapses) == ("WorkerDied", 0)
    assert "put aside" in deadly.error
    assert FailedTry.objects.filter(row_id=deadly.id, error_class="WorkerDied").count() == 1
    assert [row.lapses for row in innocents] == [work.SHARED_LAPSES_MAX] * 2
    assert seen.count([deadly.id]) == work.LAPSES_MAX - work.SHARED_LAPSES_MAX


def test_what_is_put_aside_holds_up_nothing_behind_it(shop: Shop) -> None:
    long_ago = clock.now() - LATER
    stored(b"{}", attempts=work.LAPSES_MAX, lapses=work.LAPSES_MAX - 1, lease_until=long_ago)
    (other,) = stored(b"{}")
    assert [row.id for row in work.claim(WebhookDelivery, shop_domain=DOMAIN, limit=200)] == [other.id]
    assert list(WebhookDelivery.objects.order_by("id").values_list("state", flat=True)) == ["dead", "waiting"]


def test_workers_that_died_do_not_bring_a_row_nearer_to_its_last_try(shop: Shop) -> None:
    (row,) = stored(b"{}", attempts=work.ATTEMPTS_MAX, lapses=2)
    work.failed(row, ValueError("no"))
    row.refresh_from_db()
    assert row.state == "waiting"


def test_long_run_that_gets_on_has_lost_no_worker(run: EventRun) -> None:
    EventRun.objects.update(attempts=4, lapses=3, lease_until=clock.now() - LATER)
    (claimed,) = work.claim(EventRun, shop_id=run.shop_id, consumer="test", limit=1)
    assert (claimed.attempts, claimed.lapses) == (5, 4)
    work.run_advanced(claimed, 9)
    run.refresh_from_db()
    assert (run.attempts, run.lapses, claimed.lapses) == (1, 0, 0)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL's planner")
@pytest.mark.django_db(transaction=True, databases=["default", "owner"])
def test_claim_takes_no_more_than_its_limit_whatever_the_plan() -> None:
    now = clock.now()
    for number in range(3):
        WebhookDelivery.objects.create(
            webhook_id=f"wh-{number}", topic="a", shop_domain=DOMAIN, body=b"{}", received_at=now, due_at=now
        )
    with connections["owner"].cursor() as cursor:  # a table known to be small gets another plan
        cursor.execute("ANALYZE retention_app_webhookdelivery")
    with transaction.atomic(), connection.cursor() as cursor:
        for way in ("material", "hashjoin", "mergejoin", "hashagg", "sort"):  # left: once for each row
            cursor.execute(f"SET LOCAL enable_{way} = off")
        assert len(work.claim(WebhookDelivery, shop_domain=DOMAIN, limit=1)) == 1
