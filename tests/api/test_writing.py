"""Writing: an adjustment happens once, whatever is sent again, at the same time, or after a crash."""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loyalty import rest_points, staff
from loyalty.models import Adjustment
from loyalty.programme import draft_save, programme_publish
from retention_app.api import view
from retention_app.models import ApiWrite, AuditEntry, Customer, Shop
from retention_app.privacy.erasure import customer_erase
from retention_app.privacy.retention import retention_enforce
from retention_app.tenancy import shop_scope
from tests.api.conftest import V1, Program
from tests.loyalty.conftest import TIERED, Tiered, days
from tests.loyalty.ground import customers, points_of
from tests.platform.conftest import alpha_for_threads

__all__ = ["alpha_for_threads"]  # the fixture

PATH = "/customers/1/adjustments"
SAID = {"points": 40, "reason": "late", "note": "Parcel 7"}


def test_an_adjustment_shows_at_once_and_is_the_keys_in_the_audit(program: Program, tiered: Tiered) -> None:
    answer = program.post(PATH, SAID)
    made = Adjustment.objects.get()
    assert (answer.status_code, answer.json()) == (
        201,
        {
            "id": made.id,
            "at": "2026-01-01T12:00:00Z",
            "customer": 1,
            "points": 40,
            "reason": "late",
            "note": "Parcel 7",
            "counts_towards_tiers": False,
            "expires_at": None,
        },
    )
    assert program.get("/customers/1/balance").json()["points_available"] == 40
    newest = program.get("/customers/1/ledger").json()["items"][-1]
    assert (newest["points"], newest["what"]) == (40, "Adjusted by the store: Late parcel")
    (audit,) = AuditEntry.objects.filter(code="loyalty.points.adjusted")
    assert audit.actor == made.actor == f"api:{program.key.id}"


def test_everything_an_adjustment_can_say(program: Program) -> None:
    said = {**SAID, "counts_towards_tiers": True, "expires_at": "2026-03-01T00:00:00+08:00"}
    answer = program.post(PATH, said).json()
    assert (answer["counts_towards_tiers"], answer["expires_at"]) == (True, "2026-02-28T16:00:00Z")
    assert program.post(PATH, {"points": -5, "reason": "misuse"}, "two").json()["points"] == -5


def test_the_same_key_and_body_answer_the_first_result(program: Program, tiered: Tiered) -> None:
    said = {**SAID, "expires_at": "2026-01-05T00:00:00Z"}
    first = program.post(PATH, said)
    assert "Idempotency-Replayed" not in first.headers
    tiered.clock.move_to(days(9))  # the points have expired meanwhile
    again = program.post(PATH, dict(reversed(said.items())))
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["Idempotency-Replayed"] == "true"
    assert Adjustment.objects.count() == 1


@pytest.mark.parametrize(
    ("path", "said"), [(PATH, {**SAID, "points": 41}), ("/customers/2/adjustments", SAID), (PATH, {**SAID, "x": 1})]
)
def test_the_same_key_stands_for_one_request(program: Program, path: str, said: dict[str, Any]) -> None:
    program.post(PATH, SAID)
    answer = program.post(path, said)
    assert (answer.status_code, answer.json()["type"]) == (422, "/api/docs/#problem-idempotency-key-reused")
    assert Adjustment.objects.count() == 1


def test_keys_are_the_programs_own(program: Program, tiered: Tiered, key_to: Callable[..., Program]) -> None:
    other = key_to(tiered.shop)
    assert program.post(PATH, SAID).json()["id"] != other.post(PATH, SAID).json()["id"]
    assert points_of(tiered.shop)[1] == 80


@pytest.mark.parametrize("key", ["", "two words", "ключ".encode().decode("latin-1"), "x" * 256])
def test_a_write_needs_a_key_of_its_own(program: Program, key: str) -> None:
    answer = program.post(PATH, SAID, key)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "Idempotency-Key")
    assert not Adjustment.objects.exists()


class Killed(BaseException):
    """The process is gone from one statement to the next."""


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_crash_in_the_middle_changes_nothing_about_the_result(
    program: Program, tiered: Tiered, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    said = {**SAID, "expires_at": "2026-01-05T00:00:00Z"}

    def crash(**given: Any) -> Any:
        if where == "after":
            staff.points_adjust(**given)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(rest_points, "points_adjust", crash)
        with pytest.raises(Killed):
            program.post(PATH, said)
    assert ApiWrite.objects.get().answer is None
    assert program.post(PATH, {**said, "points": 1}).status_code == 422
    tiered.clock.move_to(days(1) if where == "before" else days(9))
    answers = [program.post(PATH, said) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert Adjustment.objects.count() == 1


def test_two_at_the_same_time_are_one(alpha_for_threads: Shop) -> None:
    with shop_scope(alpha_for_threads.id):
        draft_save(alpha_for_threads.id, TIERED, "42")
        programme_publish(alpha_for_threads.id, "42", "all")
        customers(1)
    program = Program(alpha_for_threads, "points:write")
    barrier, answers = threading.Barrier(4), []

    def ask() -> None:
        barrier.wait()
        try:
            answers.append(program.post(PATH, SAID))
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    with shop_scope(alpha_for_threads.id):
        assert Adjustment.objects.count() == ApiWrite.objects.count() == 1
        assert points_of(alpha_for_threads) == {1: 40}


@pytest.mark.parametrize(
    ("said", "field", "code"),
    [
        ({**SAID, "points": 501}, "points", "over_limit"),
        ({**SAID, "points": -501}, "points", "over_limit"),
        ({**SAID, "points": 0}, "points", "over_limit"),
        ({**SAID, "points": 10**30}, "points", "over_limit"),
        ({**SAID, "points": 10**400}, "points", "over_limit"),
        ({**SAID, "points": 1.5}, "points", "invalid"),
        ({**SAID, "points": "40"}, "points", "invalid"),
        ({**SAID, "points": True}, "points", "invalid"),
        ({**SAID, "points": None}, "points", "null"),
        ({"reason": "late"}, "points", "required"),
        ({**SAID, "reason": "because"}, "reason", "invalid_choice"),
        ({**SAID, "reason": ["late"]}, "reason", "invalid_choice"),
        ({**SAID, "reason": "other", "note": " "}, "note", "required"),
        ({**SAID, "note": "\x00"}, "note", "null_characters_not_allowed"),
        ({**SAID, "note": "x" * 501}, "note", "max_length"),
        ({**SAID, "note": {"deep": [1]}}, "note", "invalid"),
        ({**SAID, "expires_at": "tomorrow"}, "expires_at", "invalid"),
        ({**SAID, "expires_at": "9999-12-31T23:59:59-12:00"}, "expires_at", "overflow"),
        ({**SAID, "expires_at": "9999-12-31T23:59:59Z"}, "expires_at", "invalid"),
        ({**SAID, "points": -1, "expires_at": "2026-02-01T00:00:00Z"}, "expires_at", "invalid"),
        ([SAID], "", "invalid"),
        ("late", "", "invalid"),
        (None, "", "null"),
    ],
)
def test_what_is_wrong_is_said_by_field(program: Program, said: Any, field: str, code: str) -> None:
    answer = program.post(PATH, json.dumps(said))
    assert (answer.status_code, answer.json()["type"]) == (422, "/api/docs/#problem-invalid")
    assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == [(field, code)]
    assert not Adjustment.objects.exists()
    assert not ApiWrite.objects.exists()  # the same key may be sent again with what is right
    assert program.post(PATH, SAID).status_code == 201


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"", "application/json", 422),
        (b"{", "application/json", 400),
        (b'{"points": NaN}', "application/json", 400),
        (b'{"points": %s}' % (b"9" * 5000), "application/json", 400),
        (b"[" * 60_000, "application/json", 400),
        (b'{"note": "\xff"}', "application/json", 400),
        (b'{"note": "\\ud800"}', "application/json", 400),
        (b"points=5", "application/x-www-form-urlencoded", 415),
        (b"{}", "text/plain", 415),
        (b"{}", "", 415),
        (b'"%s"' % (b"x" * view.BODY_BYTES_MAX), "application/json", 413),
    ],
)
def test_bodies_that_are_no_json_object_are_refused(
    program: Program, body: bytes, content_type: str, status: int
) -> None:
    client = Client(headers={**program.headers, "Idempotency-Key": "one"})
    answer = client.generic("POST", V1 + PATH, body, content_type)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")


def test_a_body_in_pieces_is_refused_because_nobody_knows_where_it_ends(program: Program) -> None:
    client = Client(headers={**program.headers, "Transfer-Encoding": "chunked"})
    assert client.generic("POST", V1 + PATH, b"", "application/json").status_code == 411


def test_any_json_gets_an_answer(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "REQUESTS_PER_MINUTE", 10**9)
    values = st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9), st.just("late")),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
        max_leaves=6,
    )
    fields = st.sampled_from(["points", "reason", "note", "counts_towards_tiers", "expires_at"])

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.dictionaries(fields, values) | values, st.text(max_size=20))
    def check(said: Any, key: str) -> None:
        sent = key.encode("ascii", "replace").decode().translate({10: "x", 13: "x"})
        assert program.post(PATH, json.dumps(said), sent).status_code in (201, 400, 409, 422)

    check()


def test_what_is_not_possible_now_is_told_and_forgotten(
    tiered: Tiered, shop: Shop, key_to: Callable[..., Program]
) -> None:
    program = key_to(tiered.shop)
    past = {**SAID, "expires_at": "2026-01-01T11:59:59Z"}
    answer = program.post(PATH, past)
    assert (answer.status_code, answer.json()["detail"]) == (
        409,
        "Only points that are given expire, and not in the past. Nothing was changed.",
    )
    assert program.post(PATH, SAID).status_code == 201


def test_points_start_with_the_programme(shop: Shop, key_to: Callable[..., Program]) -> None:
    customers(1)
    answer = key_to(shop).post(PATH, SAID)
    assert (answer.status_code, answer.json()["type"]) == (409, "/api/docs/#problem-not-now")
    assert "There is no programme" in answer.json()["detail"]


def test_answers_are_kept_for_a_month_and_never_given_twice(program: Program, tiered: Tiered) -> None:
    first = program.post(PATH, SAID)
    tiered.clock.move_to(days(29))
    assert retention_enforce()["api_writes"] == 0
    tiered.clock.move_to(days(31))
    assert retention_enforce()["api_writes"] == 1
    again = program.post(PATH, SAID)
    assert (again.status_code, again.json()) == (201, first.json())
    assert program.post(PATH, {**SAID, "points": 1}).status_code == 422
    assert Adjustment.objects.count() == 1


def test_what_was_written_about_the_erased_is_forgotten(program: Program) -> None:
    program.post(PATH, SAID)
    program.post("/customers/2/adjustments", SAID, "two")
    customer_erase(1, body=None, keep=lambda: None, finish=lambda proof: None)
    assert [write.customer.shopify_id for write in ApiWrite.objects.select_related("customer")] == [2]
    assert Customer.objects.get(shopify_id__lt=0).email == ""


def test_an_instant_is_read_with_its_offset(program: Program) -> None:
    soon = dt.datetime(2026, 1, 1, 20, 0, 1, tzinfo=dt.timezone(dt.timedelta(hours=8)))
    assert program.post(PATH, {**SAID, "expires_at": soon.isoformat()}).json()["expires_at"] == "2026-01-01T12:00:01Z"
