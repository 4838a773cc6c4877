"""What staff decide about one member: points given or taken, a tier given or ended.

Each decision is a fact with its audit entry and event in one transaction. The member is brought up to date right after
the commit, so that the screen shows it; where that fails, the event's consumer does it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from loyalty import selectors
from loyalty.ledger import MembersBusy, members_bring_up_to_date
from loyalty.models import Adjustment, AdjustmentRequest, ProgrammeVersion, TierMove
from loyalty.rules.programme import completed
from retention_app import clock
from retention_app.events import Fact, events_record
from retention_app.models import AuditEntry, Customer, DomainEvent, Shop

log = structlog.get_logger(__name__)

REASONS = ("goodwill", "late", "mistake", "gift", "moved", "misuse", "other")  # words: loyalty.explain.reason_text
ADJUST_MAX = 500  # points at once that a program gives or takes; people's limits are `retention_app.rights`
NOTE_MAX = 500  # characters


class StaffRefused(ValueError):
    """A decision nobody may make: above the limit, about nobody who earns points, or one that says nothing."""


class KeyReused(Exception):
    """This key made another decision before; it is `made`."""

    def __init__(self, made: Adjustment | AdjustmentRequest | TierMove) -> None:
        super().__init__(str(made.pk))
        self.made = made


@dataclass(frozen=True)
class Points:
    """Points given to a customer, or taken (negative), and why. `counts`: towards tiers that go by points;
    `expires_at`: of points given."""

    points: int
    reason: str
    note: str = ""
    counts: bool = False
    expires_at: dt.datetime | None = None


def may_be_decided(customer: Customer) -> bool:
    """Whether staff can decide about this customer: in the store, and not merged into another one."""
    return customer.gone_at is None and customer.merged_into_id is None


def points_adjust(
    *,
    shop: Shop,
    customer: Customer,
    points: int,
    reason: str,
    note: str = "",
    counts: bool = False,
    expires_at: dt.datetime | None = None,
    actor: str,
    key: str,
    most: int = ADJUST_MAX,
) -> Adjustment:
    """Give a customer points, or take some (negative), `most` at once. `counts`: towards tiers that go by points;
    `expires_at`: of points given. The same key answers the adjustment there is.

    Raises `StaffRefused`, and `KeyReused` when the key made another adjustment.
    """
    wanted = Points(points, reason, note.strip(), counts, expires_at)
    if former := former_of(Adjustment.objects.filter(key=key), customer, vars(wanted)):
        return former
    points_check(shop, customer, wanted, most=most)
    try:
        with transaction.atomic():
            made = adjustment_book(customer, wanted, actor, key=key)
            data = {"adjustment": made.id, "customer": customer.id, "points": points, "why": reason}
            _audit(made, "points.adjusted", data)
    except IntegrityError:
        if former := former_of(Adjustment.objects.filter(key=key), customer, vars(wanted)):  # made meanwhile
            return former
        raise
    bring_up_to_date(customer)
    return made


def points_check(shop: Shop, customer: Customer, wanted: Points, *, most: int) -> None:
    """Raises `StaffRefused` when nobody may adjust these points now, or not so many at once."""
    _check(shop, customer)
    if not 0 < abs(wanted.points) <= most:
        raise StaffRefused(f"An adjustment is up to {most} points.")
    if wanted.reason not in REASONS or (wanted.reason == "other" and not wanted.note.strip()):
        raise StaffRefused("An adjustment has a reason.")
    if wanted.expires_at is not None and (wanted.points < 0 or wanted.expires_at <= clock.now()):
        raise StaffRefused("Only points that are given expire, and not in the past.")


def adjustment_book(customer: Customer, wanted: Points, actor: str, *, key: str, approved_by: str = "") -> Adjustment:
    """Write the adjustment and its event, in the caller's transaction."""
    made = Adjustment.objects.create(
        shop_id=customer.shop_id,
        customer=customer,
        at=clock.now(),
        actor=actor,
        approved_by=approved_by,
        key=key,
        **vars(wanted),
    )
    _event(made, "points.adjusted")
    return made


def tier_move(
    *,
    shop: Shop,
    customer: Customer,
    level: str | None,
    until: dt.datetime | None = None,
    note: str,
    actor: str,
    key: str,
) -> TierMove:
    """Give a customer a tier (a level's key, "" for none) until an instant, or take them back to the automatic one
    (None). The same key answers the move there is.

    Raises `StaffRefused`, and `KeyReused` when the key made another move.
    """
    said = {"level": level, "until": until, "note": note.strip()}
    if former := former_of(TierMove.objects.filter(key=key), customer, said):
        return former
    live = _check(shop, customer)
    now, tiers = clock.now(), completed(live.document)["tiers"]
    known = {"", *(one["key"] for one in tiers["levels"])} if tiers else set()
    if level is not None and level not in known:
        raise StaffRefused("The programme has no such tier.")
    if until is not None and (level is None or until <= now):
        raise StaffRefused("Only a tier that is given ends, and not in the past.")
    if not note.strip():
        raise StaffRefused("A move has a reason.")
    try:
        with transaction.atomic():
            made = TierMove.objects.create(shop=shop, customer=customer, at=now, actor=actor, key=key, **said)
            names = {one["key"]: one["name"] for one in tiers["levels"]} if tiers else {}
            data = {
                "move": made.id,
                "customer": customer.id,
                "level": level,
                "name": names.get(level or "", ""),
                "before": names.get(customer.tier, ""),
            }
            _audit(made, "tier.moved", data)
            _event(made, "tier.moved")
    except IntegrityError:
        if former := former_of(TierMove.objects.filter(key=key), customer, said):  # made meanwhile
            return former
        raise
    bring_up_to_date(customer)
    return made


def _check(shop: Shop, customer: Customer) -> ProgrammeVersion:
    """The live version, in which staff may decide about this customer."""
    live = selectors.programme_live(shop.id)
    if live is None or not may_be_decided(customer):
        raise StaffRefused("There is no programme, or the customer isn't in the store any more.")
    return live


def _audit(made: Adjustment | TierMove, type_: str, data: dict[str, Any]) -> None:
    AuditEntry.objects.create(shop_id=made.shop_id, code=f"loyalty.{type_}", actor=made.actor, at=made.at, data=data)


def _event(made: Adjustment | TierMove, type_: str) -> None:
    fact = Fact(
        type=type_,
        key=f"{type_}:{made.id}",
        subject_id=made.id,
        customer_id=made.customer_id,
        occurred_at=made.at,
    )
    events_record([fact], origin=DomainEvent.Origin.LIVE)


_Made = TypeVar("_Made", Adjustment, AdjustmentRequest, TierMove)


def former_of(made: QuerySet[_Made], customer: Customer, said: Mapping[str, Any]) -> _Made | None:
    """What the same key made before, if anything. Raises `KeyReused` when it said something else."""
    former = made.first()
    if former is None:
        return None
    if former.customer_id != customer.id or any(getattr(former, name) != value for name, value in said.items()):
        raise KeyReused(former)
    return former


def bring_up_to_date(customer: Customer) -> None:
    """Post what was decided, so that the screen shows it."""
    try:
        members_bring_up_to_date([customer.id])
    except MembersBusy:
        log.info("member_busy", customer=customer.id)
