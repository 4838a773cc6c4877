"""Writing and publishing a shop's programme."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Literal, cast

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils.translation import gettext

from loyalty.models import Account, Programme, ProgrammeDraft, ProgrammeVersion
from loyalty.rules.programme import Document, completed
from retention_app import clock
from retention_app.events import Fact, events_record
from retention_app.models import AuditEntry, DomainEvent

CountPast = Literal["all", "year", "none"]

EARN_POINTS_MAX = 1_000
WORTH_POINTS_MAX = 1_000_000
MINOR_MAX = 100_000_000  # R$1,000,000.00
_ALL_HISTORY = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)  # before any order
_YEAR = dt.timedelta(days=365)


@dataclass(frozen=True)
class DocumentProblem:
    """What is wrong with a draft. `field` is the form's: earn_points, earn_per, worth_points or worth_amount."""

    field: str
    code: Literal["missing", "too_small", "too_large", "gives_back_too_much"]
    limit: int | None = None

    def message(self) -> str:
        """The problem in a merchant's words, in the active language."""
        if self.code == "missing":
            return gettext("Enter a number.")
        if self.code == "too_small":
            return gettext("Enter more than zero.")
        if self.code == "too_large":
            if self.field in ("earn_points", "worth_points"):
                return gettext("Enter at most %(limit)s points.") % {"limit": f"{self.limit:,}"}
            return gettext("Enter a smaller amount.")
        return gettext("Points would be worth more than what was spent to earn them. Make points worth less.")


class DocumentRefused(ValueError):
    """A draft can't be saved as it is; `problems` says why."""

    def __init__(self, problems: list[DocumentProblem]) -> None:
        super().__init__(", ".join(f"{problem.field}: {problem.code}" for problem in problems))
        self.problems = problems


class DraftConflict(RuntimeError):
    """The draft was changed or published by somebody else meanwhile (HTTP 409)."""


class NothingToPublish(DraftConflict):
    """There is no draft that differs from what is live."""


def document_problems(document: Any) -> list[DocumentProblem]:
    """What keeps a document from being a programme; empty when it may be published."""
    bounds = {
        "earn_points": ("earn", "points", EARN_POINTS_MAX),
        "earn_per": ("earn", "per_minor", MINOR_MAX),
        "worth_points": ("worth", "points", WORTH_POINTS_MAX),
        "worth_amount": ("worth", "minor", MINOR_MAX),
    }
    problems: list[DocumentProblem] = []
    values: dict[str, int] = {}
    for name, (group, key, largest) in bounds.items():
        section = document.get(group) if isinstance(document, dict) else None
        value = section.get(key) if isinstance(section, dict) else None
        if not isinstance(value, int) or isinstance(value, bool):
            problems.append(DocumentProblem(name, "missing"))
        elif value < 1:
            problems.append(DocumentProblem(name, "too_small"))
        elif value > largest:
            problems.append(DocumentProblem(name, "too_large", largest))
        else:
            values[name] = value
    if not problems and values["earn_points"] * values["worth_amount"] > values["earn_per"] * values["worth_points"]:
        problems.append(DocumentProblem("worth_amount", "gives_back_too_much"))
    return problems


def _checked(document: Any) -> Document:
    """The document without anything we don't know. Raises `DocumentRefused`."""
    if problems := document_problems(document):
        raise DocumentRefused(problems)
    earn, worth = document["earn"], document["worth"]
    return completed(
        {
            "earn": {"points": earn["points"], "per_minor": earn["per_minor"]},
            "worth": {"points": worth["points"], "minor": worth["minor"]},
        }
    )


def draft_save(shop_id: int, document: Any, actor: str) -> ProgrammeDraft:
    """Keep the document as the shop's draft. Raises `DocumentRefused`."""
    checked = _checked(document)
    with transaction.atomic():
        draft, created = ProgrammeDraft.objects.select_for_update().get_or_create(
            shop_id=shop_id, defaults={"document": checked, "edited_by": actor, "edited_at": clock.now()}
        )
        if not created:
            draft.document, draft.edited_by, draft.edited_at = cast(Any, checked), actor, clock.now()
            draft.revision += 1
            draft.save()
    return draft


def draft_discard(shop_id: int, actor: str) -> None:
    """Take the draft back to what is live; without a programme, away."""
    live = ProgrammeVersion.objects.order_by("-number").first()
    if live:
        draft_save(shop_id, live.document, actor)
    else:
        ProgrammeDraft.objects.all().delete()


def programme_publish(
    shop_id: int, actor: str, count_past: CountPast = "none", note: str = "", *, draft_revision: int | None = None
) -> ProgrammeVersion:
    """Make the draft the next version, in force from now on, and tell it as an event.

    `count_past` decides with version 1, for good, which earlier orders count. `draft_revision` is the revision the
    actor saw. Raises `DraftConflict` when the draft isn't that any more, `NothingToPublish` when nothing would change.
    """
    draft = ProgrammeDraft.objects.first()
    live = ProgrammeVersion.objects.order_by("-number").first()
    if draft and draft_revision is not None and draft.revision != draft_revision:
        raise DraftConflict(f"The draft has revision {draft.revision}, not {draft_revision}.")
    if draft is None or (live and live.document == draft.document):
        raise NothingToPublish("The draft doesn't differ from what is live.")
    now = clock.now()
    if live:
        now = max(now, live.effective_from + dt.timedelta(microseconds=1))
    number = live.number + 1 if live else 1
    try:
        with transaction.atomic():
            mine = ProgrammeDraft.objects.filter(id=draft.id, revision=draft.revision)
            if not mine.update(revision=F("revision") + 1):
                raise DraftConflict("The draft was changed or published meanwhile.")
            if live is None:
                _programme_start(shop_id, now, count_past)
            version = ProgrammeVersion.objects.create(
                shop_id=shop_id,
                number=number,
                effective_from=now,
                document=_checked(draft.document),
                note=note,
                published_by=actor,
                published_at=now,
            )
            AuditEntry.objects.create(
                shop_id=shop_id,
                code="loyalty.programme.published",
                actor=actor,
                at=now,
                data={"version": number, "document": version.document, "note": note}
                | ({"count_past": count_past} if live is None else {}),
            )
            events_record(
                [
                    Fact(
                        type="programme.published",
                        key=f"programme.published:{number}",
                        subject_id=version.id,
                        occurred_at=now,
                    )
                ],
                origin=DomainEvent.Origin.LIVE,
            )
    except IntegrityError as error:
        raise DraftConflict("Another version was published meanwhile.") from error
    return version


def _programme_start(shop_id: int, now: dt.datetime, count_past: CountPast) -> None:
    """The programme row with where its history begins, and the shop's counter accounts."""
    earn_from = {"all": _ALL_HISTORY, "year": now - _YEAR, "none": now}[count_past]
    Programme.objects.create(shop_id=shop_id, earn_from=earn_from)
    Account.objects.bulk_create(
        Account(shop_id=shop_id, kind=kind, asset=Account.POINTS)
        for kind in (Account.Kind.ISSUED, Account.Kind.REVERSED)
    )
