"""The first version on a day to come: decided once, started once, in force from the instant that was named."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.db import connection

from loyalty import selectors, tasks
from loyalty.models import Launch, Programme, ProgrammeDraft, ProgrammeVersion
from loyalty.programme import (
    AlreadyScheduled,
    CountPast,
    DraftConflict,
    NothingToPublish,
    TooLate,
    draft_discard,
    draft_save,
    launch_cancel,
    launch_schedule,
    launch_start,
    programme_publish,
)
from loyalty.rules.programme import completed
from retention_app import clock
from retention_app.models import AuditEntry, DomainEvent, Shop, SyncRun
from retention_app.tenancy import shop_scope
from tests.loyalty.conftest import days
from tests.loyalty.ground import bring, customers, mirrored, points_of
from tests.loyalty.test_ledger import on_postgresql
from tests.orders import order_row

RULES: dict[str, Any] = {"earn": {"points": 1, "per_minor": 100}, "worth": {"points": 100, "minor": 500}}
OTHER = {**RULES, "order_max": 5}
START = days(30)


@pytest.fixture
def drafted(alpha: Shop) -> Iterator[time_machine.Coordinates]:
    """A shop with a draft and the tests' clock."""
    alpha.installed_at = days(-1)
    alpha.save()
    with shop_scope(alpha.id), time_machine.travel(days(0), tick=False) as moved:
        draft_save(alpha.id, RULES, "42")
        yield moved


def schedule(shop: Shop, count_past: CountPast = "none", starts_at: dt.datetime = START) -> Launch:
    return launch_schedule(shop.id, "42", count_past, "for the spring", starts_at=starts_at)


def test_nothing_starts_before_its_instant(alpha: Shop, drafted: time_machine.Coordinates) -> None:
    schedule(alpha)
    drafted.move_to(START - dt.timedelta(seconds=1))
    assert launch_start(alpha) is None
    assert (selectors.programme_live(alpha.id), Programme.objects.count()) == (None, 0)
    assert not DomainEvent.objects.filter(type="programme.published").exists()


def test_it_is_in_force_from_its_instant_however_late_the_worker_comes(
    alpha: Shop, drafted: time_machine.Coordinates
) -> None:
    customers(1, 2)
    schedule(alpha)
    drafted.move_to(START + dt.timedelta(hours=3))
    mirrored(
        order_row(5, 1, processed_at=START - dt.timedelta(minutes=1)),
        order_row(6, 2, processed_at=START + dt.timedelta(minutes=1)),
    )
    version = launch_start(alpha)
    assert version is not None
    assert (version.number, version.effective_from, version.published_by, version.note) == (
        1,
        START,
        "42",
        "for the spring",
    )
    assert Programme.objects.get().earn_from == START
    assert not Launch.objects.exists()
    bring(1, 2)
    assert points_of(alpha) == {1: 0, 2: 50}
    assert launch_start(alpha) is None
    assert ProgrammeVersion.objects.count() == 1
    assert DomainEvent.objects.filter(type="programme.published").count() == 1


@pytest.mark.parametrize(
    ("count_past", "earn_from"),
    [("all", dt.datetime(1970, 1, 1, tzinfo=dt.UTC)), ("year", START - dt.timedelta(days=365)), ("none", START)],
)
def test_earlier_orders_count_as_it_was_decided(
    alpha: Shop, drafted: time_machine.Coordinates, count_past: CountPast, earn_from: dt.datetime
) -> None:
    schedule(alpha, count_past)
    drafted.move_to(START + dt.timedelta(days=2))
    launch_start(alpha)
    assert Programme.objects.get().earn_from == earn_from


def test_what_was_reviewed_starts_whatever_the_draft_says_by_then(
    alpha: Shop, drafted: time_machine.Coordinates
) -> None:
    schedule(alpha)
    draft_save(alpha.id, OTHER, "7")
    drafted.move_to(START)
    version = launch_start(alpha)
    assert version is not None
    assert completed(version.document) == completed(RULES)  # type: ignore[arg-type]
    waiting = selectors.draft_current(alpha.id)
    assert waiting is not None
    assert waiting.document["order_max"] == 5


def test_a_discarded_draft_is_what_waits_again(alpha: Shop, drafted: time_machine.Coordinates) -> None:
    schedule(alpha)
    draft_save(alpha.id, OTHER, "7")
    draft_discard(alpha.id, "7")
    assert selectors.draft_current(alpha.id) is None
    launch_cancel(Launch.objects.get().id, "7")
    assert ProgrammeDraft.objects.get().document["order_max"] is None
    assert selectors.draft_current(alpha.id) is not None


def test_cancelled_it_never_starts_and_can_be_decided_anew(alpha: Shop, drafted: time_machine.Coordinates) -> None:
    launch = schedule(alpha)
    for _ in range(2):
        launch_cancel(launch.id, "7")
    drafted.move_to(START)
    assert launch_start(alpha) is None
    codes = list(AuditEntry.objects.order_by("id").values_list("code", "actor"))
    assert codes == [("loyalty.programme.launch_scheduled", "42"), ("loyalty.programme.launch_cancelled", "7")]
    schedule(alpha, starts_at=START + dt.timedelta(days=1))
    assert Launch.objects.get().starts_at == START + dt.timedelta(days=1)


def test_one_start_is_decided_at_a_time(alpha: Shop, drafted: time_machine.Coordinates) -> None:
    schedule(alpha)
    with pytest.raises(AlreadyScheduled):
        schedule(alpha)
    with pytest.raises(AlreadyScheduled):
        programme_publish(alpha.id, "42", "all")
    assert (Launch.objects.count(), ProgrammeVersion.objects.count()) == (1, 0)


def test_what_can_not_be_decided_changes_nothing(alpha: Shop, drafted: time_machine.Coordinates) -> None:
    with pytest.raises(TooLate):
        schedule(alpha, starts_at=clock.now())
    with pytest.raises(DraftConflict):
        launch_schedule(alpha.id, "42", "all", draft_revision=9, starts_at=START)
    ProgrammeDraft.objects.all().delete()
    with pytest.raises(NothingToPublish):
        schedule(alpha)
    assert not Launch.objects.exists()
    draft_save(alpha.id, RULES, "42")
    programme_publish(alpha.id, "42", "all")
    with pytest.raises(DraftConflict):
        schedule(alpha)
    with pytest.raises(TooLate):
        launch_cancel(1, "42")


def test_it_waits_for_a_history_that_still_arrives(alpha: Shop, drafted: time_machine.Coordinates) -> None:
    schedule(alpha)
    run = SyncRun.objects.create(shop=alpha, phase=SyncRun.Phase.ORDERS, started_at=clock.now(), due_at=clock.now())
    drafted.move_to(START + dt.timedelta(hours=1))
    tasks.programme_starts(shop_id=alpha.id)
    assert not ProgrammeVersion.objects.exists()
    run.phase = SyncRun.Phase.DONE
    run.save()
    tasks.programme_starts(shop_id=alpha.id)
    assert ProgrammeVersion.objects.get().effective_from == START


def test_a_start_that_came_while_the_app_was_away_is_cancelled(alpha: Shop, drafted: time_machine.Coordinates) -> None:
    schedule(alpha)
    drafted.move_to(START + dt.timedelta(days=1))
    alpha.installed_at = clock.now()
    assert launch_start(alpha) is None
    assert (Launch.objects.count(), ProgrammeVersion.objects.count()) == (0, 0)
    assert AuditEntry.objects.latest("id").code == "loyalty.programme.launch_cancelled"


def test_a_later_decision_is_not_cancelled_by_a_page_that_showed_the_former(
    alpha: Shop, drafted: time_machine.Coordinates
) -> None:
    former = schedule(alpha).id
    launch_cancel(former, "7")
    schedule(alpha)
    launch_cancel(former, "7")
    assert Launch.objects.exists()


def test_time_passing_starts_it(
    alpha: Shop, drafted: time_machine.Coordinates, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[int] = []
    monkeypatch.setattr(tasks.programme_starts, "delay", lambda *, shop_id: woken.append(shop_id))
    schedule(alpha)
    tasks.time_passes()
    assert woken == []
    drafted.move_to(START)
    tasks.time_passes()
    assert woken == [alpha.id]


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_two_workers_start_it_once(alpha: Shop) -> None:
    with shop_scope(alpha.id):
        draft_save(alpha.id, RULES, "42")
        launch_schedule(alpha.id, "42", "all", starts_at=clock.now() + dt.timedelta(hours=1))
        Launch.objects.update(starts_at=clock.now())
    started: list[ProgrammeVersion | None] = []
    ready = threading.Barrier(4)

    def start() -> None:
        ready.wait()
        try:
            with shop_scope(alpha.id):
                started.append(launch_start(alpha))
        finally:
            connection.close()

    workers = [threading.Thread(target=start) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert len(started) == len(workers)
    assert [version is not None for version in started].count(True) == 1
    with shop_scope(alpha.id):
        assert ProgrammeVersion.objects.count() == 1
