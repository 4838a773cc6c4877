"""Replay, replay all of a kind, drop: each asked for, confirmed, logged, and without touching what a worker holds."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from retention_app import clock, events, tasks, work
from retention_app.models import OperatorAction, Outbound, Shop, WebhookDelivery
from retention_app.operating import actions
from retention_app.operating.queues import QUEUES, Wanted, ages, stuck
from retention_app.selectors import backlog
from retention_app.services.storefront import ScriptTag
from retention_app.shopify.errors import TransientError
from tests.console.conftest import QUEUES as NAMES
from tests.console.conftest import make_row
from tests.screens.conftest import sane, see

DROPPABLE = [name for name in NAMES if name != "privacy"]


@pytest.fixture
def swept(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts how often workers were woken."""
    woken: list[int] = []
    monkeypatch.setattr(actions, "wake", lambda task, **given: woken.append(1) if task is tasks.sweep else None)
    return woken


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("state", ["dead", "waiting"])
def test_a_row_is_replayed_now(
    operator: Client, user: User, alpha: Shop, swept: list[int], name: str, state: str
) -> None:
    row = make_row(name, alpha, state=state, due_at=clock.now() + dt.timedelta(hours=1))
    path = f"/console/queues/{name}/{row.pk}/"
    asked = operator.get(f"{path}replay/")
    sane(see(asked.content.decode()))
    assert not OperatorAction.objects.exists()
    answer = operator.post(f"{path}replay/", {"reason": "the outage is over"})
    assert answer.headers["Location"] == path
    row.refresh_from_db()
    assert (row.state, row.error_class, row.lease_until) == ("waiting", "", None)
    assert row.attempts == (0 if state == "dead" and name != "outbound" else 8)  # what else is a slow worker's token
    assert row.due_at <= clock.now()
    action = OperatorAction.objects.get()
    assert (action.operator, action.code) == (user, f"console.{name}.replayed")
    assert (action.target, action.reason) == (f"{name}:{row.pk}", "the outage is over")
    assert swept == [1]
    assert len(work.claim(QUEUES[name].model, limit=9)) == 1
    assert "It is tried again now." in see(operator.get(path).content.decode()).text


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("act", ["replay", "drop"])
@pytest.mark.parametrize("why", ["done", "in hand"])
def test_what_is_done_or_in_hand_is_left_alone(
    operator: Client, alpha: Shop, swept: list[int], name: str, act: str, why: str
) -> None:
    given = {"state": "done"} if why == "done" else {"state": "waiting", "lease_until": clock.now() + dt.timedelta(9)}
    row = make_row(name, alpha, **given)
    answer = operator.post(f"/console/queues/{name}/{row.pk}/{act}/", {"reason": "x"}, follow=True)
    if (name, act) == ("privacy", "drop"):
        assert answer.status_code == 404
    else:
        assert "Nothing was done" in see(answer.content.decode()).text
    before = row.__dict__.copy()
    row.refresh_from_db()
    assert (row.state, row.attempts, row.lease_until) == (before["state"], before["attempts"], before["lease_until"])
    assert not OperatorAction.objects.exists()
    assert not swept


@pytest.mark.parametrize("name", DROPPABLE)
@pytest.mark.parametrize("state", ["dead", "waiting"])
def test_a_row_is_dropped_for_a_reason_only(operator: Client, alpha: Shop, name: str, state: str) -> None:
    row = make_row(name, alpha, state=state)
    path = f"/console/queues/{name}/{row.pk}/drop/"
    sane(see(operator.get(path).content.decode()))
    refused = operator.post(path, {"reason": "  "})
    assert refused.status_code == 422
    assert "Say why" in see(refused.content.decode()).text
    assert operator.post(path, {"reason": "x" * 256}).status_code == 422
    row.refresh_from_db()
    assert row.state == state
    operator.post(path, {"reason": "a test shop of ours"})
    row.refresh_from_db()
    assert row.state == ("skipped" if name == "outbound" else "dropped")
    assert row.done_at
    action = OperatorAction.objects.get()
    assert (action.code, action.target) == (f"console.{name}.dropped", f"{name}:{row.pk}")
    assert action.reason == "a test shop of ours"
    assert not stuck(QUEUES[name], Wanted()).exists()
    assert list(stuck(QUEUES[name], Wanted(state="dropped"))) == [row]
    assert "Dropped" in see(operator.get(f"/console/queues/{name}/?state=dropped").content.decode()).text


def test_a_dropped_row_is_neither_dead_nor_due(alpha: Shop, operator: Client, work_off: Callable[[], None]) -> None:
    for name in DROPPABLE:
        row = make_row(name, alpha)
        operator.post(f"/console/queues/{name}/{row.pk}/drop/", {"reason": "x"})
        assert not work.claim(QUEUES[name].model, limit=9)
    assert set(backlog().values()) == {0}
    assert {(age.waiting, age.dead) for age in ages()} == {(0, 0)}
    work_off()


def test_a_privacy_request_is_never_dropped(operator: Client, alpha: Shop) -> None:
    row = make_row("privacy", alpha)
    assert operator.get(f"/console/queues/privacy/{row.pk}/drop/").status_code == 404
    assert operator.post(f"/console/queues/privacy/{row.pk}/drop/", {"reason": "x"}).status_code == 404
    assert "Drop" not in see(operator.get(f"/console/queues/privacy/{row.pk}/").content.decode()).text


# --- all of a kind ----------------------------------------------------------------------------------------------------


def kind_path(name: str, row: Any, **more: str) -> str:
    kind = getattr(row, QUEUES[name].kind)
    rest = "".join(f"&{key}={value}" for key, value in more.items())
    return f"/console/queues/{name}/replay/?kind={kind}&error=Malformed{rest}"


@pytest.mark.parametrize("name", NAMES)
def test_all_of_a_kind_are_replayed_at_a_rate(
    operator: Client, alpha: Shop, beta: Shop, swept: list[int], name: str
) -> None:
    queue = QUEUES[name]
    rows = [make_row(name, shop) for shop in (alpha, beta) * 5]
    other = make_row(name, alpha, error_class="Throttled")
    waiting = make_row(name, alpha, state="waiting")
    path = kind_path(name, rows[0])
    asked = operator.get(path)
    seen = see(asked.content.decode())
    sane(seen)
    assert "Replay 10 rows?" in seen.text
    newest = asked.context["form"]["newest"].value()
    assert newest == rows[-1].pk
    since = make_row(name, alpha)  # put aside after the page was shown

    began = clock.now()
    answer = operator.post(path, {"newest": newest, "per_second": 4, "reason": "fixed in 2.1"})
    assert answer.headers["Location"] == f"/console/queues/{name}/"
    put_back = list(queue.rows.filter(id__in=[row.pk for row in rows]).order_by("id"))
    assert {(row.state, row.error_class, row.lease_until) for row in put_back} == {("waiting", "", None)}
    assert {row.attempts for row in put_back} == {8 if name == "outbound" else 0}
    steps = [(row.due_at - put_back[0].due_at).total_seconds() for row in put_back]
    assert steps == pytest.approx([number / 4 for number in range(10)], abs=0.002)
    assert -1 < (put_back[0].due_at - began).total_seconds() < 30
    assert queue.rows.get(id=other.pk).state == "dead"
    assert queue.rows.get(id=since.pk).state == "dead"
    assert queue.rows.get(id=waiting.pk).attempts == 8
    action = OperatorAction.objects.get()
    assert (action.code, action.reason) == (f"console.{name}.kind_replayed", "fixed in 2.1")
    assert action.data["count"] == 10
    assert action.data["per_second"] == 4
    assert swept == [1]
    again = operator.post(path, {"newest": newest, "per_second": 4}, follow=True)  # the button pressed twice
    assert "0 rows wait again." in see(again.content.decode()).text


def test_only_one_shops_rows_are_replayed_where_a_shop_is_named(operator: Client, alpha: Shop, beta: Shop) -> None:
    rows = [make_row("delivery", shop) for shop in (alpha, beta)]
    path = kind_path("delivery", rows[0], shop="beta")
    assert "Replay 1 row?" in see(operator.get(path).content.decode()).text
    operator.post(path, {"newest": rows[1].pk, "per_second": 1})
    assert list(WebhookDelivery.objects.order_by("id").values_list("state", flat=True)) == ["dead", "waiting"]


def test_no_more_than_a_bounded_number_is_put_back_at_once(
    operator: Client, alpha: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "REPLAY_MAX", 3)
    rows = [make_row("delivery", alpha) for _ in range(5)]
    path = kind_path("delivery", rows[0])
    assert "Replay 3 rows?" in see(operator.get(path).content.decode()).text
    operator.post(path, {"newest": rows[-1].pk, "per_second": 1000})
    assert (
        list(WebhookDelivery.objects.order_by("id").values_list("state", flat=True)) == ["waiting"] * 3 + ["dead"] * 2
    )


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"newest": "1", "per_second": "0"},
        {"newest": "1", "per_second": "1001"},
        {"newest": "1", "per_second": "9" * 30},
        {"newest": "9" * 30, "per_second": "1"},
        {"newest": "x", "per_second": "x"},
        {"newest": "1", "per_second": "1", "reason": "x" * 256},
        {"newest": "1", "per_second": "1", "reason": "\0"},
    ],
)
def test_a_senseless_rate_changes_nothing(operator: Client, alpha: Shop, form: dict[str, str]) -> None:
    row = make_row("delivery", alpha)
    assert operator.post(kind_path("delivery", row), form).status_code == 422
    assert WebhookDelivery.objects.get().state == "dead"
    assert not OperatorAction.objects.exists()


def test_a_replayed_run_is_worked_off(shop: Shop, operator: Client, work_off: Callable[[], None]) -> None:
    row = make_row("run", shop, consumer=next(iter(events.consumers())))
    operator.post(f"/console/queues/run/{row.pk}/replay/")
    work_off()
    row.refresh_from_db()
    assert row.state == "done"


def test_a_replayed_call_reads_before_it_is_made_again(operator: Client, alpha: Shop) -> None:
    called = clock.now() - dt.timedelta(hours=1)
    row = make_row("outbound", alpha, called_at=called)
    operator.post(kind_path("outbound", row), {"newest": row.pk, "per_second": 10})
    call = Outbound.objects.get()
    assert call.called_at == called
    assert call.retried_at is not None


# --- calls that may have been made ------------------------------------------------------------------------------------


@pytest.fixture
def made(alpha: Shop, monkeypatch: pytest.MonkeyPatch) -> Outbound:
    """A call that was asked for, got no answer and was put aside."""
    monkeypatch.setattr(ScriptTag, "look_up", lambda *_given: 5)
    row: Outbound = make_row("outbound", alpha, called_at=clock.now())
    return row


def test_a_call_that_the_platform_has_done_is_done_and_not_dropped(operator: Client, made: Outbound) -> None:
    path = f"/console/queues/outbound/{made.pk}/"
    assert "we look there first" in see(operator.get(f"{path}drop/").content.decode()).text
    answer = operator.post(f"{path}drop/", {"reason": "x"}, follow=True)
    assert "Shopify has done it already" in see(answer.content.decode()).text
    made.refresh_from_db()
    assert (made.state, made.reason, made.shop.script_tag_id) == ("done", "", 5)
    assert OperatorAction.objects.get().code == "console.outbound.found"


def test_a_call_of_which_nobody_can_tell_is_not_dropped(
    operator: Client, made: Outbound, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_given: Any) -> None:
        raise TransientError("down")

    monkeypatch.setattr(ScriptTag, "look_up", down)
    path = f"/console/queues/outbound/{made.pk}/drop/"
    for state, said in (("dead", "can't be asked now"), ("waiting", "The next try finds out")):
        Outbound.objects.update(state=state)
        answer = operator.post(path, {"reason": "x"}, follow=True)
        assert said in see(answer.content.decode()).text
        made.refresh_from_db()
        assert made.state == state
    assert not OperatorAction.objects.exists()


def test_a_call_that_the_platform_has_not_done_is_dropped(
    operator: Client, made: Outbound, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ScriptTag, "look_up", lambda *_given: None)
    operator.post(f"/console/queues/outbound/{made.pk}/drop/", {"reason": "x"})
    made.refresh_from_db()
    assert made.state == "skipped"
    assert OperatorAction.objects.get().code == "console.outbound.dropped"
