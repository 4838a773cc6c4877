"""Writing and publishing a shop's programme."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Literal, cast

from django.db import IntegrityError, transaction
from django.db.models import F, Max

from loyalty.documents import DocumentProblem, document_known, document_problems
from loyalty.models import Account, Backfill, Launch, Programme, ProgrammeDraft, ProgrammeVersion, ProgrammeWithdrawal
from loyalty.rules.programme import Document, completed
from retention_app import clock
from retention_app.events import Fact, events_record
from retention_app.models import AuditEntry, DomainEvent, Shop

CountPast = Literal["all", "year", "none"]

_ALL_HISTORY = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)  # before any order
_YEAR = dt.timedelta(days=365)


class DocumentRefused(ValueError):
    """A draft can't be saved as it is; `problems` says why."""

    def __init__(self, problems: Sequence[DocumentProblem]) -> None:
        super().__init__(", ".join(f"{problem.field}: {problem.code}" for problem in problems))
        self.problems = problems


class DraftConflict(RuntimeError):
    """The draft was changed or published by somebody else meanwhile (HTTP 409)."""


class NothingToPublish(DraftConflict):
    """There is no draft that differs from what was published last."""


class AlreadyScheduled(DraftConflict):
    """A version waits for its start: it has to be withdrawn before another one is published."""


class TooLate(RuntimeError):
    """A version that has started can't be withdrawn any more; an instant that has passed is no start."""


class NothingToCount(ValueError):
    """A back-fill has to begin before the orders that count already, and needs a programme."""


def _checked(document: Any) -> Document:
    """The document, complete and without anything we don't know. Raises `DocumentRefused`."""
    if problems := document_problems(document):
        raise DocumentRefused(problems)
    return document_known(document)


def version_latest() -> ProgrammeVersion | None:
    """The version published last and not withdrawn, whether it has started or not."""
    return ProgrammeVersion.objects.filter(withdrawal=None).order_by("-number").first()


def draft_save(shop_id: int, document: Any, actor: str, *, draft_revision: int | None = None) -> ProgrammeDraft:
    """Keep the document as the shop's draft.

    `draft_revision` is the revision the actor began with, 0 when there was none. Raises `DocumentRefused`, and
    `DraftConflict` when the draft isn't that any more.
    """
    checked = _checked(document)
    with transaction.atomic():
        draft, created = ProgrammeDraft.objects.select_for_update().get_or_create(
            shop_id=shop_id, defaults={"document": checked, "edited_by": actor, "edited_at": clock.now()}
        )
        if draft_revision is not None and draft_revision != (0 if created else draft.revision):
            raise DraftConflict(f"The draft has revision {draft.revision}, not {draft_revision}.")
        if not created:
            draft.document, draft.edited_by, draft.edited_at = cast(Any, checked), actor, clock.now()
            draft.revision += 1
            draft.save()
    return draft


def draft_discard(shop_id: int, actor: str, *, draft_revision: int | None = None) -> None:
    """Take the draft back to what was published last, or waits to be the first; without either, away.

    `draft_revision` is the revision the actor saw. Raises `DraftConflict` when the draft isn't that any more.
    """
    decided = version_latest() or Launch.objects.first()
    if decided:
        draft_save(shop_id, decided.document, actor, draft_revision=draft_revision)
        return
    drafts = ProgrammeDraft.objects.all()
    seen = drafts if draft_revision is None else drafts.filter(revision=draft_revision)
    if not seen.delete()[0] and drafts.exists():
        raise DraftConflict(f"The draft has another revision than {draft_revision}.")


def version_bring_back(shop_id: int, number: int, actor: str, *, draft_revision: int | None = None) -> ProgrammeDraft:
    """Make a version's rules the draft.

    `draft_revision` is the revision the actor saw, 0 when there was no draft. Raises `ProgrammeVersion.DoesNotExist`,
    and `DraftConflict` when the draft isn't that any more.
    """
    document = ProgrammeVersion.objects.get(number=number).document
    return draft_save(shop_id, document, actor, draft_revision=draft_revision)


def programme_publish(
    shop_id: int,
    actor: str,
    count_past: CountPast = "none",
    note: str = "",
    *,
    draft_revision: int | None = None,
    starts_at: dt.datetime | None = None,
) -> ProgrammeVersion:
    """Make the draft the next version, in force from `starts_at` (now), and tell it as an event. Now is its whole
    second: the platform dates orders by those, so who orders once it is published is judged by it.

    `count_past` decides with version 1, for good, which earlier orders count; version 1 starts at once, or by
    `launch_schedule`. `draft_revision` is the revision the actor saw. Raises `DraftConflict` when the draft isn't that
    any more, `NothingToPublish` when nothing would change, `AlreadyScheduled` while another version waits for its
    start, `TooLate` for a start that has passed.
    """
    latest = version_latest()
    draft, now = _draft_reviewed(latest, draft_revision), clock.now()
    if latest and latest.effective_from > now and latest.published_at < latest.effective_from:
        raise AlreadyScheduled(f"Version {latest.number} waits for its start.")
    if latest is None and Launch.objects.exists():
        raise AlreadyScheduled("Version 1 waits for its start.")
    if starts_at is not None and (latest is None or starts_at <= now):
        raise TooLate("A start lies in the future, and version 1 starts at once.")
    effective_from = starts_at or now.replace(microsecond=0)
    if latest:
        effective_from = max(effective_from, latest.effective_from + dt.timedelta(microseconds=1))
    try:
        with transaction.atomic():
            _draft_take(draft)
            version = _version_create(
                shop_id, draft.document, effective_from, actor, note, now, None if latest else count_past, starts_at
            )
    except IntegrityError as error:
        raise DraftConflict("Another version was published meanwhile.") from error
    return version


def _draft_reviewed(latest: ProgrammeVersion | None, draft_revision: int | None) -> ProgrammeDraft:
    """The draft that is to be published. Raises `DraftConflict`, `NothingToPublish`."""
    draft = ProgrammeDraft.objects.first()
    if draft and draft_revision is not None and draft.revision != draft_revision:
        raise DraftConflict(f"The draft has revision {draft.revision}, not {draft_revision}.")
    if draft is None or (latest and completed(latest.document) == completed(draft.document)):
        raise NothingToPublish("The draft doesn't differ from what was published last.")
    return draft


def _draft_take(draft: ProgrammeDraft) -> None:
    """Count the draft's publication: of two at once only one finds it as it was."""
    mine = ProgrammeDraft.objects.filter(id=draft.id, revision=draft.revision)
    if not mine.update(revision=F("revision") + 1):
        raise DraftConflict("The draft was changed or published meanwhile.")


def _version_create(
    shop_id: int,
    document: Any,
    effective_from: dt.datetime,
    actor: str,
    note: str,
    now: dt.datetime,
    count_past: CountPast | None,
    starts_at: dt.datetime | None,
) -> ProgrammeVersion:
    """The next version, told as an event; with `count_past` the programme begins with it."""
    number = (ProgrammeVersion.objects.aggregate(last=Max("number"))["last"] or 0) + 1
    if count_past is not None:
        _programme_start(shop_id, effective_from, count_past)
    version = ProgrammeVersion.objects.create(
        shop_id=shop_id,
        number=number,
        effective_from=effective_from,
        document=_checked(document),
        note=note,
        published_by=actor,
        published_at=now,
    )
    told: dict[str, Any] = {"version": number, "document": version.document, "note": note}
    if count_past is not None:
        told["count_past"] = count_past
    if starts_at is not None:
        told["starts_at"] = starts_at.isoformat()
    _tell(shop_id, "published", version.id, f"{number}", now, actor, told)
    return version


def launch_schedule(
    shop_id: int,
    actor: str,
    count_past: CountPast,
    note: str = "",
    *,
    draft_revision: int | None = None,
    starts_at: dt.datetime,
) -> Launch:
    """Decide that the draft, as it is, becomes version 1 at `starts_at`. Later changes of the draft don't touch it.

    Raises `DraftConflict` when the draft isn't the one the actor saw or a version is live by now, `NothingToPublish`
    without a draft, `AlreadyScheduled` when a start is decided, `TooLate` for one that has passed.
    """
    if Launch.objects.exists():
        raise AlreadyScheduled("Version 1 waits for its start.")
    draft, now = _draft_reviewed(None, draft_revision), clock.now()
    if starts_at <= now:
        raise TooLate("A start lies in the future.")
    try:
        with transaction.atomic():
            _draft_take(draft)
            if version_latest():
                raise DraftConflict("The programme was published meanwhile.")
            launch = Launch.objects.create(
                shop_id=shop_id,
                starts_at=starts_at,
                document=_checked(draft.document),
                count_past=count_past,
                note=note,
                decided_by=actor,
                decided_at=now,
            )
            _launch_tell(launch, "scheduled", actor)
    except IntegrityError as error:
        raise AlreadyScheduled("Version 1 waits for its start.") from error
    return launch


def launch_cancel(launch_id: int, actor: str) -> None:
    """Take this decision back; twice is once. Raises `TooLate` once the programme has started."""
    with transaction.atomic():
        launch = Launch.objects.select_for_update().filter(id=launch_id).first()
        if launch is None:
            if version_latest():
                raise TooLate("The programme has started.")
            return
        _launch_tell(launch, "cancelled", actor)
        launch.delete()


def launch_start(shop: Shop) -> ProgrammeVersion | None:
    """Publish version 1 in the name of who decided it, in force from the instant they named, if that has come. A
    worker that comes late changes nothing by it. A start that came while the app wasn't installed is cancelled: who
    installs it again decides anew."""
    with transaction.atomic():
        launch = Launch.objects.select_for_update().filter(starts_at__lte=clock.now()).first()
        if launch is None:
            return None
        launch.delete()
        if launch.starts_at < shop.installed_at:
            _launch_tell(launch, "cancelled", "")
            return None
        ProgrammeDraft.objects.update(revision=F("revision") + 1)
        return _version_create(
            shop.id,
            launch.document,
            launch.starts_at,
            launch.decided_by,
            launch.note,
            clock.now(),
            cast(CountPast, launch.count_past),
            launch.starts_at,
        )


def _launch_tell(launch: Launch, what: str, actor: str) -> None:
    data = {"starts_at": launch.starts_at.isoformat(), "count_past": launch.count_past, "document": launch.document}
    AuditEntry.objects.create(
        shop_id=launch.shop_id, code=f"loyalty.programme.launch_{what}", actor=actor, at=clock.now(), data=data
    )


def version_withdraw(shop_id: int, number: int, actor: str) -> None:
    """Take a version back before it starts; doing it twice is once.

    Raises `ProgrammeVersion.DoesNotExist`, and `TooLate` once it has started.
    """
    with transaction.atomic():
        version, now = ProgrammeVersion.objects.get(number=number), clock.now()
        if version.effective_from <= now:
            raise TooLate(f"Version {number} has started.")
        _, created = ProgrammeWithdrawal.objects.get_or_create(
            shop_id=shop_id, version=version, defaults={"at": now, "actor": actor}
        )
        if created:
            _tell(shop_id, "withdrawn", version.id, f"{number}", now, actor, {"version": number})


def backfill_decide(shop_id: int, starts: dt.datetime, actor: str) -> Backfill:
    """Count orders from `starts` on after all, by the rules in force now, and tell it as an event.

    Raises `NothingToCount` unless that counts orders that don't count yet.
    """
    with transaction.atomic():
        counting, now = counting_from(), clock.now()
        version = ProgrammeVersion.objects.filter(withdrawal=None, effective_from__lte=now).order_by("-number").first()
        if counting is None or version is None or starts >= counting:
            raise NothingToCount("Orders count from then on already.")
        backfill = Backfill.objects.create(
            shop_id=shop_id, starts=starts, version=version.number, decided_at=now, actor=actor
        )
        told = {"starts": starts.isoformat(), "version": version.number}
        _tell(shop_id, "backfilled", backfill.id, f"{backfill.id}", now, actor, told)
    return backfill


def counting_from() -> dt.datetime | None:
    """The instant from which orders count, back-fills included; None without a programme."""
    begun = Programme.objects.values_list("earn_from", flat=True).first()
    return begun and min([begun, *Backfill.objects.values_list("starts", flat=True)])


def _tell(
    shop_id: int, what: str, subject_id: int, key: str, now: dt.datetime, actor: str, data: dict[str, Any]
) -> None:
    """Write the audit entry and the event `programme.<what>`, for which everybody is judged anew."""
    AuditEntry.objects.create(shop_id=shop_id, code=f"loyalty.programme.{what}", actor=actor, at=now, data=data)
    fact = Fact(type=f"programme.{what}", key=f"programme.{what}:{key}", subject_id=subject_id, occurred_at=now)
    events_record([fact], origin=DomainEvent.Origin.LIVE)


def _programme_start(shop_id: int, now: dt.datetime, count_past: CountPast) -> None:
    """The programme row with where its history begins, and the shop's counter accounts."""
    earn_from = {"all": _ALL_HISTORY, "year": now - _YEAR, "none": now}[count_past]
    Programme.objects.create(shop_id=shop_id, earn_from=earn_from)
    counters_open(shop_id)


def counters_open(shop_id: int) -> None:
    """Open the accounts that the other legs of members' entries go to."""
    Account.objects.bulk_create(
        Account(shop_id=shop_id, kind=kind, asset=Account.POINTS)
        for kind in Account.Kind
        if kind != Account.Kind.MEMBER
    )
