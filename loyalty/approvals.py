"""Points above somebody's limit: asked for, then approved or refused once by somebody who may."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction

from loyalty.models import Adjustment, AdjustmentRequest
from loyalty.staff import Points, StaffRefused, adjustment_book, bring_up_to_date, former_of, points_check
from retention_app import clock
from retention_app.models import AuditEntry, Customer, Shop
from retention_app.rights import POINTS_MAX

State = AdjustmentRequest.State


class AlreadyDecided(Exception):
    """Somebody has approved or refused it before."""


class ApprovalRefused(StaffRefused):
    """Nobody approves what they asked for themselves, or what is above their own limit."""


def adjustment_ask(*, shop: Shop, customer: Customer, wanted: Points, actor: str, key: str) -> AdjustmentRequest:
    """Ask for points above one's limit. The same key answers the request there is.

    Raises `StaffRefused`, and `KeyReused` when the key asked for something else.
    """
    asked = AdjustmentRequest.objects.filter(key=key)
    if former := former_of(asked, customer, vars(wanted)):
        return former
    points_check(shop, customer, wanted, most=POINTS_MAX)
    try:
        with transaction.atomic():
            made = AdjustmentRequest.objects.create(
                shop=shop, customer=customer, at=clock.now(), actor=actor, key=key, **vars(wanted)
            )
            _audit(made, "asked", actor)
    except IntegrityError:
        if former := former_of(asked, customer, vars(wanted)):  # made meanwhile
            return former
        raise
    return made


def adjustment_approve(*, shop: Shop, asked: AdjustmentRequest, actor: str, most: int, answer: str = "") -> Adjustment:
    """Book what was asked for, in the name of the one who asked and of `actor`, who may decide up to `most` points.

    Raises `AlreadyDecided`, `ApprovalRefused`, and `StaffRefused` when it can't be booked any more.
    """
    if asked.actor == actor or abs(asked.points) > most:
        raise ApprovalRefused
    wanted = Points(asked.points, asked.reason, asked.note, asked.counts, asked.expires_at)
    if asked.state == State.WAITING:
        points_check(shop, asked.customer, wanted, most=POINTS_MAX)
    with transaction.atomic():
        _decide(asked, State.APPROVED, actor, answer)
        made = adjustment_book(asked.customer, wanted, asked.actor, key=f"approval:{asked.id}", approved_by=actor)
        _audit(asked, "approved", actor, adjustment=made.id)
    bring_up_to_date(asked.customer)
    return made


def adjustment_refuse(*, asked: AdjustmentRequest, actor: str, answer: str = "") -> None:
    """Leave the points as they are. Raises `AlreadyDecided`."""
    with transaction.atomic():
        _decide(asked, State.REFUSED, actor, answer)
        _audit(asked, "refused", actor)


def _decide(asked: AdjustmentRequest, state: State, actor: str, answer: str) -> None:
    waiting = AdjustmentRequest.objects.filter(id=asked.id, state=State.WAITING)
    if not waiting.update(state=state, decided_at=clock.now(), decided_by=actor, answer=answer.strip()):
        raise AlreadyDecided


def _audit(asked: AdjustmentRequest, what: str, actor: str, **more: Any) -> None:
    data = {
        "request": asked.id,
        "customer": asked.customer_id,
        "points": asked.points,
        "why": asked.reason,
        "staff": asked.actor,
        **more,
    }
    AuditEntry.objects.create(
        shop_id=asked.shop_id, code=f"loyalty.points.{what}", actor=actor, at=clock.now(), data=data
    )
