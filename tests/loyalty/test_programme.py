"""Writing, checking and publishing a programme."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any

import pytest
import time_machine
from django.db import connection

from loyalty import programme as services
from loyalty import selectors
from loyalty.documents import DocumentProblem, document_problems
from loyalty.models import Account, Programme, ProgrammeDraft, ProgrammeVersion
from loyalty.programme import (
    DocumentRefused,
    DraftConflict,
    NothingToPublish,
    draft_discard,
    draft_save,
    programme_publish,
)
from loyalty.rules.programme import completed
from retention_app import clock
from retention_app.models import AuditEntry, DomainEvent, EventRun, Shop
from retention_app.tenancy import shop_scope
from tests.loyalty.ground import bring, customers, mirrored, points_of
from tests.orders import order_row


def document(points: int = 1, per_minor: int = 100, worth_points: int = 100, minor: int = 500) -> Any:
    return completed(
        {"earn": {"points": points, "per_minor": per_minor}, "worth": {"points": worth_points, "minor": minor}}
    )


def test_a_draft_is_kept_once_and_counts_its_saves(shop: Shop) -> None:
    first = draft_save(shop.id, document(), "42")
    second = draft_save(shop.id, document(points=2), "43")
    assert (first.revision, second.revision) == (1, 2)
    draft = ProgrammeDraft.objects.get()
    assert (draft.document, draft.edited_by, draft.revision) == (document(points=2), "43", 2)


def test_a_draft_keeps_only_what_we_know(shop: Shop) -> None:
    assert draft_save(shop.id, document() | {"secret": 1}, "42").document == document()


@pytest.mark.parametrize(
    ("given", "problems"),
    [
        (document(), []),
        (document(points=1000, per_minor=1, worth_points=1_000_000, minor=1000), []),
        (document(minor=10_000), []),
        (document(points=0), [DocumentProblem("earn_points", "too_small")]),
        (document(points=1001), [DocumentProblem("earn_points", "too_large", 1000)]),
        (document(per_minor=-1), [DocumentProblem("earn_per", "too_small")]),
        (document(minor=100_000_001), [DocumentProblem("worth_amount", "too_large", 100_000_000)]),
        (document(minor=10_001), [DocumentProblem("worth_amount", "gives_back_too_much")]),
        (document(points=True), [DocumentProblem("earn_points", "missing")]),
        ({"earn": {"points": 1, "per_minor": "100"}, "worth": None}, None),
        ([], None),
    ],
)
def test_a_document_is_checked(given: Any, problems: list[DocumentProblem] | None) -> None:
    found = document_problems(given)
    if problems is None:
        assert {problem.code for problem in found} == {"missing"}
    else:
        assert found == problems


def test_problems_speak_to_the_merchant() -> None:
    assert DocumentProblem("earn_points", "missing").message() == "Enter a number."
    assert DocumentProblem("earn_points", "too_small").message() == "Enter more than zero."
    assert DocumentProblem("earn_points", "too_large", 1000).message() == "Enter at most 1,000 points."
    assert DocumentProblem("earn_per", "too_large", 9).message() == "Enter a smaller amount."
    assert DocumentProblem("worth_amount", "gives_back_too_much").message().startswith("Points would be worth more")


def test_a_refused_document_is_not_kept(shop: Shop) -> None:
    with pytest.raises(DocumentRefused, match="earn_points: too_small") as refused:
        draft_save(shop.id, document(points=0), "42")
    assert [problem.field for problem in refused.value.problems] == ["earn_points"]
    assert not ProgrammeDraft.objects.exists()


def test_publishing_makes_the_version_the_audit_entry_and_the_event(shop: Shop) -> None:
    draft_save(shop.id, document(), "42")
    version = programme_publish(shop.id, "43", "none", "Opening")
    assert (version.number, version.document, version.note, version.published_by) == (1, document(), "Opening", "43")
    assert selectors.programme_live(shop.id) == version
    audit = AuditEntry.objects.get()
    assert (audit.code, audit.actor, audit.at) == ("loyalty.programme.published", "43", version.published_at)
    assert audit.data == {"version": 1, "document": document(), "note": "Opening", "count_past": "none"}
    event = DomainEvent.objects.get()
    assert (event.type, event.subject_id, event.occurred_at) == (
        "programme.published",
        version.id,
        version.published_at,
    )
    assert version.effective_from == version.published_at.replace(microsecond=0)
    assert list(EventRun.objects.values_list("consumer", flat=True)) == ["loyalty.catch_up"]
    assert set(Account.objects.values_list("kind", flat=True)) == {"issued", "reversed", "held", "redeemed", "expired"}


@pytest.mark.parametrize(
    ("count_past", "back"), [("none", dt.timedelta(0)), ("year", dt.timedelta(days=365)), ("all", None)]
)
def test_version_1_decides_which_earlier_orders_count(
    shop: Shop, count_past: services.CountPast, back: dt.timedelta | None
) -> None:
    draft_save(shop.id, document(), "42")
    version = programme_publish(shop.id, "42", count_past)
    draft_save(shop.id, document(points=2), "42")
    programme_publish(shop.id, "42", "none")
    expected = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) if back is None else version.effective_from - back
    assert Programme.objects.get().earn_from == expected


def test_versions_follow_one_another_even_when_the_clock_stands_still(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now)
    for points in (1, 2):
        draft_save(shop.id, document(points=points), "42")
        programme_publish(shop.id, "42")
    newest, first = selectors.versions(shop.id)
    assert (newest.number, first.number) == (2, 1)
    assert newest.effective_from > first.effective_from


def test_nothing_is_published_twice(shop: Shop) -> None:
    with pytest.raises(NothingToPublish):
        programme_publish(shop.id, "42")
    draft_save(shop.id, document(), "42")
    programme_publish(shop.id, "42")
    with pytest.raises(NothingToPublish):
        programme_publish(shop.id, "42")
    assert ProgrammeVersion.objects.count() == 1


def test_a_draft_that_changed_meanwhile_is_not_published(shop: Shop) -> None:
    read = draft_save(shop.id, document(), "42").revision
    draft_save(shop.id, document(points=5), "43")
    with pytest.raises(DraftConflict, match="revision 2, not 1"):
        programme_publish(shop.id, "42", draft_revision=read)
    assert not ProgrammeVersion.objects.exists()


def test_an_order_after_the_publication_is_judged_by_it_though_orders_are_dated_by_whole_seconds(shop: Shop) -> None:
    published = dt.datetime(2026, 5, 1, 12, 0, 5, 300_000, tzinfo=dt.UTC)
    customers(1)
    with time_machine.travel(published, tick=False) as moved:
        draft_save(shop.id, document(), "42")
        programme_publish(shop.id, "42", "none")
        moved.shift(60)
        draft_save(shop.id, document(points=3), "42")
        programme_publish(shop.id, "42")
        second = published.replace(microsecond=0)
        mirrored(order_row(5, processed_at=second), order_row(6, processed_at=second + dt.timedelta(seconds=60)))
        bring(1)
    assert points_of(shop) == {1: 50 + 3 * 50}


def test_a_draft_that_changes_during_publication_is_not_published(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    draft_save(shop.id, document(), "42")
    tell_time = clock.now

    def now_with_interruption() -> dt.datetime:
        monkeypatch.setattr(clock, "now", tell_time)
        draft_save(shop.id, document(points=5), "43")
        return tell_time()

    monkeypatch.setattr(clock, "now", now_with_interruption)
    with pytest.raises(DraftConflict, match="meanwhile"):
        programme_publish(shop.id, "42")
    assert not ProgrammeVersion.objects.exists()


def test_a_number_taken_meanwhile_is_a_conflict(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    draft_save(shop.id, document(), "42")
    start = services._programme_start

    def started_by_somebody_else(*args: Any) -> None:
        start(*args)
        start(*args)

    monkeypatch.setattr(services, "_programme_start", started_by_somebody_else)
    with pytest.raises(DraftConflict):
        programme_publish(shop.id, "42")


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="needs a second connection to the test database")
@pytest.mark.django_db(transaction=True)
def test_of_many_who_publish_at_once_one_succeeds(alpha: Shop) -> None:
    with shop_scope(alpha.id):
        revision = draft_save(alpha.id, document(), "42").revision
    outcomes: list[str] = []
    barrier = threading.Barrier(6)

    def publish(actor: str) -> None:
        try:
            with shop_scope(alpha.id):
                barrier.wait(timeout=30)
                programme_publish(alpha.id, actor, draft_revision=revision)
                outcomes.append("published")
        except DraftConflict:
            outcomes.append("conflict")
        finally:
            connection.close()

    threads = [threading.Thread(target=publish, args=(str(n),)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["conflict"] * 5 + ["published"]
    with shop_scope(alpha.id):
        assert ProgrammeVersion.objects.count() == AuditEntry.objects.count() == DomainEvent.objects.count() == 1


def test_a_discarded_draft_is_what_is_live(shop: Shop) -> None:
    draft_save(shop.id, document(), "42")
    assert selectors.draft_current(shop.id)
    draft_discard(shop.id, "42")
    assert not ProgrammeDraft.objects.exists()
    assert selectors.draft_current(shop.id) is None
    draft_save(shop.id, document(), "42")
    programme_publish(shop.id, "42")
    assert selectors.draft_current(shop.id) is None
    draft_save(shop.id, document(points=2), "42")
    assert selectors.draft_current(shop.id)
    draft_discard(shop.id, "42")
    assert selectors.draft_current(shop.id) is None
    assert ProgrammeDraft.objects.get().document == document()
