"""Calls to the outside: each effect once, whatever fails, dies or comes twice."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
import time_machine
from django.db import connection, transaction

from retention_app import clock, outbound, tasks, work
from retention_app.models import AuditEntry, FailedTry, Outbound, Shop
from retention_app.outbound import Kind, MayBeDone, NotStuck, Refused, outbound_request, outbound_retry, outbound_skip
from retention_app.selectors import backlog
from retention_app.shopify.client import Session
from retention_app.shopify.errors import (
    AccessDenied,
    ScopesMissing,
    ShopUnavailable,
    Throttled,
    TransientError,
    Unauthorized,
    UnreadableAnswer,
)
from retention_app.tenancy import shop_scope
from tests.conftest import make_shop


class Probe(Kind):
    """An outside that lives in this process: `there` is what was done, `before` and `after` fail around it."""

    name = "probe"

    def __init__(self) -> None:
        self.there: dict[str, int] = {}
        self.did: list[str] = []
        self.looked: list[str] = []
        self.settled: list[tuple[str, int | None]] = []
        self.before: list[BaseException] = []
        self.after: list[BaseException] = []

    def look_up(self, call: Outbound, session: Session) -> int | None:
        self.looked.append(call.key)
        return self.there.get(call.key)

    def act(self, call: Outbound, session: Session) -> int:
        assert Outbound.objects.get(id=call.id).called_at is not None
        if self.before:
            raise self.before.pop(0)
        self.did.append(call.key)
        self.there[call.key] = len(self.did)
        if self.after:
            raise self.after.pop(0)
        return self.there[call.key]

    def settle(self, call: Outbound, effect: int | None) -> None:
        self.settled.append((call.state, effect))

    def titles(self, calls: Sequence[Outbound]) -> Mapping[int, str]:
        return {call.id: call.key for call in calls}

    def meaning(self, call: Outbound) -> str:
        return "Something."

    def skipping(self, call: Outbound) -> str:
        return "Nothing."


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Probe]:
    probe = Probe()
    monkeypatch.setitem(outbound._kinds, "probe", probe)
    monkeypatch.setattr("retention_app.tasks.outbound_work.apply_async", lambda *_args, **_given: None)
    return probe


@pytest.fixture
def call(shop: Shop, probe: Probe) -> Outbound:
    return outbound_request(kind="probe", key="one")


def worked(call: Outbound, *, later: float = 0) -> Outbound:
    """The row after a worker's turn, so many seconds later."""
    with time_machine.travel(clock.now() + dt.timedelta(seconds=later), tick=False):
        tasks.outbound_work(shop_id=call.shop_id)
    call.refresh_from_db()
    return call


def test_same_key_answers_the_row_there_is(call: Outbound) -> None:
    assert outbound_request(kind="probe", key="one", subject_id=7).id == call.id
    assert outbound_request(kind="probe", key="two").id != call.id
    assert Outbound.objects.count() == 2


def test_nothing_is_wanted_when_the_decision_is_undone(shop: Shop, probe: Probe) -> None:
    with transaction.atomic():
        outbound_request(kind="probe", key="one")
        transaction.set_rollback(True)
    assert not Outbound.objects.exists()


def test_an_unknown_kind_is_refused(shop: Shop) -> None:
    with pytest.raises(KeyError):
        outbound_request(kind="nonsense", key="one")


def test_call_is_made_once(call: Outbound, probe: Probe) -> None:
    assert worked(call).state == "done"
    assert worked(call, later=3600).state == "done"
    assert (probe.did, probe.looked, probe.settled) == (["one"], [], [("done", 1)])
    assert backlog()["outbound"] == 0


def test_call_that_worked_and_timed_out_is_found_and_not_repeated(call: Outbound, probe: Probe) -> None:
    probe.after = [TransientError("timed out")]
    first = worked(call)
    assert (first.state, first.attempts, first.error_class) == ("waiting", 0, "TransientError")
    assert FailedTry.objects.get(queue="outbound").row_id == call.id
    assert worked(call).state == "waiting"  # not due yet
    assert worked(call, later=5).state == "done"
    assert (probe.did, probe.looked, probe.settled) == (["one"], ["one"], [("done", 1)])


def test_call_that_never_arrived_is_made_after_looking(call: Outbound, probe: Probe) -> None:
    probe.before = [TransientError("unreachable"), TransientError("still")]
    worked(call)
    worked(call, later=5)
    assert worked(call, later=60).state == "done"
    assert (probe.did, probe.looked) == (["one"], ["one", "one"])


@pytest.mark.parametrize("did", [True, False])
def test_worker_killed_while_it_called_leaves_the_row_to_a_successor_who_looks(
    call: Outbound, probe: Probe, did: bool
) -> None:
    (probe.after if did else probe.before).append(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        worked(call)
    assert worked(call).lease_until is not None  # nobody takes it over while the call may be under way
    assert worked(call, later=outbound.CALL_SECONDS_MAX + 1).state == "done"
    assert (probe.did, probe.looked) == (["one"], ["one"])


def test_kind_that_looks_first_asks_nothing_twice(
    call: Outbound, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Probe, "looks_first", True)
    probe.there["one"] = 5
    assert worked(call).state == "done"
    assert (probe.did, probe.settled) == ([], [("done", 5)])


def test_platform_that_stays_away_puts_the_call_aside_in_the_end(call: Outbound, probe: Probe) -> None:
    probe.before = [TransientError("down") for _ in range(500)]
    began, later = clock.now(), 0.0
    while worked(call, later=later).state == "waiting":
        later = (call.due_at - clock.now()).total_seconds() + 1
    assert clock.now() - began + dt.timedelta(seconds=later) > work.AGE_MAX
    assert (call.state, call.attempts, probe.settled) == ("dead", 0, [("dead", None)])
    assert backlog()["dead"] == 1


@pytest.mark.parametrize(
    "error",
    [AccessDenied("no scope"), Refused("no"), UnreadableAnswer("what?")],
    ids=lambda error: type(error).__name__,
)
def test_refusal_needs_attention_at_once(call: Outbound, probe: Probe, error: Exception) -> None:
    probe.before = [error]
    row = worked(call)
    assert (row.state, row.error_class, row.error) == ("dead", type(error).__name__, str(error))
    assert probe.settled == [("dead", None)]


def test_mistake_of_ours_is_tried_again_and_then_put_aside(call: Outbound, probe: Probe) -> None:
    probe.before = [ZeroDivisionError("oops") for _ in range(20)]
    for number in range(1, work.ATTEMPTS_MAX + 1):
        assert worked(call, later=number * 1000).attempts == number
    assert call.state == "dead"
    assert FailedTry.objects.count() == work.ATTEMPTS_MAX


def test_throttled_call_waits_as_long_as_it_is_told(
    call: Outbound, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[float] = []
    monkeypatch.setattr(
        "retention_app.tasks.outbound_work.apply_async", lambda **given: woken.append(given["countdown"])
    )
    probe.before = [Throttled(33)]
    row = worked(call)
    assert (row.state, row.attempts, woken) == ("waiting", 0, [33])
    assert 30 < (row.due_at - clock.now()).total_seconds() < 34
    assert not FailedTry.objects.exists()
    assert worked(call, later=34).state == "done"


@pytest.mark.parametrize("error", [ShopUnavailable("frozen"), Unauthorized("no token")], ids=["frozen", "unauthorized"])
def test_closed_shop_pauses_all_its_calls(call: Outbound, probe: Probe, error: Exception) -> None:
    other = outbound_request(kind="probe", key="two")
    probe.before = [error]
    assert (worked(call).state, call.attempts) == ("waiting", 0)
    assert (worked(other).attempts, probe.did) == (0, [])
    assert not outbound.due_calls().exists()
    assert worked(call, later=work.CLOSED_SHOP_SECONDS + 1).state == "done"
    other.refresh_from_db()
    assert other.state == "done"


def test_call_that_lacks_a_permission_waits_for_it_and_holds_up_no_other(call: Outbound, probe: Probe) -> None:
    other = outbound_request(kind="probe", key="two")
    probe.before = [ScopesMissing(["write_discounts"])]
    assert (worked(call).state, call.attempts, probe.did) == ("waiting", 0, ["two"])
    other.refresh_from_db()
    assert other.state == "done"
    work.due_now(call.shop)
    assert worked(call).state == "done"


def test_shop_that_took_the_app_off_is_not_called_and_its_calls_wait(call: Outbound, probe: Probe) -> None:
    Shop.objects.update(state=Shop.State.UNINSTALLED)
    assert worked(call, later=3600).attempts == 0
    assert not outbound.due_calls().exists()
    assert backlog()["outbound"] == 1
    Shop.objects.update(state=Shop.State.INSTALLED)
    assert worked(call).state == "done"


def test_shop_that_leaves_between_two_calls_gets_no_second(call: Outbound, probe: Probe) -> None:
    outbound_request(kind="probe", key="two")
    act = probe.act

    def leave(call: Outbound, session: Session) -> int:
        Shop.objects.update(state=Shop.State.UNINSTALLED)
        return act(call, session)

    probe.act = leave  # type: ignore[method-assign]
    worked(call)
    assert probe.did == ["one"]


def test_time_away_does_not_count_as_the_platforms_failing(call: Outbound, probe: Probe) -> None:
    back = clock.now() + dt.timedelta(days=9)
    Shop.objects.update(installed_at=back)
    probe.before = [TransientError("down")]
    with time_machine.travel(back + dt.timedelta(seconds=9), tick=False):
        tasks.outbound_work(shop_id=call.shop_id)
    call.refresh_from_db()
    assert call.state == "waiting"


def test_overtaken_worker_does_nothing(call: Outbound, probe: Probe) -> None:
    (slow,) = work.claim(Outbound, shop_id=call.shop_id, limit=1)
    assert worked(call, later=work.LEASE_SECONDS + 1).state == "done"
    outbound._make(slow, Session(call.shop_id))
    assert (probe.did, probe.settled) == (["one"], [("done", 1)])


def test_lost_wake_up_is_found_by_the_sweep(call: Outbound, monkeypatch: pytest.MonkeyPatch) -> None:
    woken: list[int] = []
    monkeypatch.setattr("retention_app.tasks.outbound_work.delay", lambda shop_id: woken.append(shop_id))
    tasks.sweep()
    assert woken == [call.shop_id]


# --- people -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def stuck(call: Outbound, probe: Probe) -> Outbound:
    probe.before = [AccessDenied("no scope")]
    return worked(call)


def test_retry_looks_and_then_acts(stuck: Outbound, probe: Probe) -> None:
    outbound_retry(call=stuck, actor="42")
    assert (stuck.state, probe.settled[-1]) == ("waiting", ("waiting", None))
    assert worked(stuck).state == "done"
    assert (probe.did, probe.looked) == (["one"], ["one"])
    entry = AuditEntry.objects.get()
    assert (entry.code, entry.actor, entry.data) == ("outbound.retried", "42", {"outbound": stuck.id})


def test_retry_of_an_old_call_gets_all_its_time_anew(stuck: Outbound, probe: Probe) -> None:
    with time_machine.travel(clock.now() + dt.timedelta(days=9), tick=False):
        outbound_retry(call=stuck)
        probe.before = [TransientError("down")]
        assert worked(stuck).state == "waiting"


def test_skip_gives_up_with_a_reason(stuck: Outbound, probe: Probe) -> None:
    outbound_skip(call=stuck, reason="The customer was called", actor="42")
    assert (stuck.state, stuck.reason, probe.settled[-1]) == ("skipped", "The customer was called", ("skipped", None))
    assert worked(stuck, later=9999).state == "skipped"
    assert probe.did == []
    assert AuditEntry.objects.get().data == {"outbound": stuck.id, "reason": "The customer was called"}


def test_operators_acts_are_not_the_shops(stuck: Outbound) -> None:
    outbound_skip(call=stuck, reason="no longer wanted")
    assert not AuditEntry.objects.exists()


def test_call_that_may_be_under_way_outside_is_not_given_up(call: Outbound, probe: Probe) -> None:
    probe.after = [TransientError("timed out")]
    worked(call)
    with pytest.raises(MayBeDone, match="The next try finds out"):
        outbound_skip(call=call, reason="no", actor="42")
    assert (worked(call, later=5).state, call.reason) == ("done", "")
    assert not AuditEntry.objects.exists()


def test_call_that_worked_is_found_instead_of_given_up(stuck: Outbound, probe: Probe) -> None:
    probe.there["one"] = 7
    outbound_skip(call=stuck, reason="The customer was called", actor="42")
    assert (stuck.state, stuck.reason, stuck.error, probe.settled[-1]) == ("done", "", "", ("done", 7))
    assert probe.did == []
    entry = AuditEntry.objects.get()
    assert (entry.code, entry.data) == ("outbound.found", {"outbound": stuck.id, "reason": "The customer was called"})


def test_what_is_there_and_not_ours_does_not_keep_a_call_from_being_given_up(
    stuck: Outbound, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(call: Outbound, session: Session) -> int:
        raise Refused("another's")

    monkeypatch.setattr(probe, "look_up", refuse)
    outbound_skip(call=stuck, reason="no")
    assert stuck.state == "skipped"


@pytest.mark.parametrize("error", [TransientError("down"), Throttled(9), ShopUnavailable("frozen"), AccessDenied("no")])
def test_call_is_not_given_up_while_the_platform_can_not_be_asked(
    stuck: Outbound, probe: Probe, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(call: Outbound, session: Session) -> int:
        raise error

    monkeypatch.setattr(probe, "look_up", fail)
    with pytest.raises(MayBeDone, match="can't be asked now"):
        outbound_skip(call=stuck, reason="no", actor="42")
    stuck.refresh_from_db()
    assert (stuck.state, stuck.reason) == ("dead", "")
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(
    "closed", [{"state": "uninstalled"}, {"calls_paused_until": dt.datetime(2222, 1, 1, tzinfo=dt.UTC)}]
)
def test_shop_that_may_not_be_called_is_not_asked_either(
    stuck: Outbound, probe: Probe, closed: dict[str, object]
) -> None:
    Shop.objects.update(**closed)
    with pytest.raises(MayBeDone):
        outbound_skip(call=stuck, reason="no")
    assert probe.looked == []


def test_call_that_was_never_made_is_given_up_without_asking(call: Outbound, probe: Probe) -> None:
    Shop.objects.update(state=Shop.State.UNINSTALLED)
    outbound_skip(call=call, reason="no")
    assert (call.state, probe.looked) == ("skipped", [])


def test_call_somebody_tries_again_meanwhile_is_not_given_up(
    stuck: Outbound, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def try_again(call: Outbound, session: Session) -> None:
        assert not connection.in_atomic_block or connection.savepoint_ids == outer
        outbound_retry(call=Outbound.objects.get())
        Outbound.objects.update(state=Outbound.State.DEAD)  # and it fails again

    outer = list(connection.savepoint_ids)
    monkeypatch.setattr(probe, "look_up", try_again)
    with pytest.raises(NotStuck):
        outbound_skip(call=stuck, reason="no")
    assert Outbound.objects.get().state == "dead"


def test_only_what_is_stuck_is_tried_again(call: Outbound) -> None:
    with pytest.raises(NotStuck):
        outbound_retry(call=call)
    worked(call)
    for act in (lambda: outbound_retry(call=call), lambda: outbound_skip(call=call, reason="no")):
        with pytest.raises(NotStuck):
            act()
    assert call.state == "done"


def test_what_a_worker_has_in_hand_is_not_given_up(call: Outbound, probe: Probe) -> None:
    work.claim(Outbound, shop_id=call.shop_id, limit=1)
    with pytest.raises(NotStuck):
        outbound_skip(call=call, reason="no")
    with time_machine.travel(clock.now() + dt.timedelta(seconds=work.LEASE_SECONDS + 1)):
        outbound_skip(call=call, reason="no")
    assert call.state == "skipped"


# --- many workers ---------------------------------------------------------------------------------------------------


@pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite's in-memory database locks whole tables between threads"
)
@pytest.mark.django_db(transaction=True)
def test_eight_workers_make_each_call_once(probe: Probe) -> None:
    shop = make_shop("alpha")
    with shop_scope(shop.id):
        for number in range(3):
            outbound_request(kind="probe", key=f"call-{number}")

    def worker(_number: int) -> None:
        try:
            tasks.outbound_work(shop_id=shop.id)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(worker, range(8)))
    assert sorted(probe.did) == ["call-0", "call-1", "call-2"]
    assert set(Outbound.objects.values_list("state", "attempts")) == {("done", 1)}


@pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite's in-memory database locks whole tables between threads"
)
@pytest.mark.django_db(transaction=True)
def test_eight_decisions_with_one_key_are_one_row(probe: Probe) -> None:
    shop = make_shop("alpha")

    def decide(_number: int) -> int:
        try:
            with shop_scope(shop.id), transaction.atomic():
                return outbound_request(kind="probe", key="same").id
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(decide, range(8)))) == 1
    assert Outbound.objects.count() == 1
