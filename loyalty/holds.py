"""Holds: points set aside while the outside world decides (DESIGN 5).

`hold` writes what is asked for, has the ledger grant it, and asks the outside for what the points buy. Each step is
committed and safe to take again; whoever dies in between, the consumer of `spending.asked` goes on. What decides is the
call that makes the purchase, in the transaction that settles it: done, the points are redeemed; given up, they are
released. A refused call is given up only after a look whether its purchase is there after all. So there is one purchase
and one booking, or none and the points back.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, cast

import structlog
from django.db import transaction

from loyalty.ledger import MembersBusy, spending_grant
from loyalty.models import Spending
from retention_app import clock
from retention_app.events import Fact, events_record
from retention_app.models import Customer, DomainEvent, Outbound
from retention_app.outbound import MayBeDone, NotStuck, kinds, outbound_request, outbound_skip
from retention_app.tenancy import current_shop_id

log = structlog.get_logger(__name__)

State = Spending.State
POINTS_MAX = 10**9  # of one spending


class HoldRefused(ValueError):
    """Nobody can spend so: no points, terms its purchase doesn't have, or a customer who isn't in the store."""


class KeyReused(Exception):
    """This key asked for something else before; it is `asked`."""

    def __init__(self, asked: Spending) -> None:
        super().__init__(str(asked.pk))
        self.asked = asked


class NotRedeemed(Exception):
    """Only points that were redeemed can be given back."""


class Purchase(Protocol):
    """What points buy outside: a kind of outbound call that makes it, with `call_key` as its key, and whose `settle`
    hands the call to `purchase_settle`."""

    name: str
    ended_by: str  # the kind of call that ends it again, whose `settle` hands it to `ending_settle`

    def named(self, terms: Mapping[str, Any]) -> dict[str, Any]:
        """What it will be called outside, chosen before anything is asked for. Raises `HoldRefused` for bad terms."""

    def write(self, spending: Spending) -> int:
        """Write what is wanted, once, in the transaction that asks for it; answers the call's subject."""


def call_key(spending_id: int) -> str:
    """The key of the call that makes a spending's purchase; that of a call to end it goes on with a colon."""
    return f"spending:{spending_id}"


# --- asking -----------------------------------------------------------------------------------------------------------


def hold(
    *, customer: Customer, points: int, purchase: str, terms: Mapping[str, Any], key: str, actor: str = ""
) -> Spending:
    """Spend a customer's points on a purchase (the name of its kind of call) with these terms. Answers the spending:
    refused when they lack points, held from when they are granted, asked while the member is too busy to say. The same
    key answers the spending there is, and goes on with it.

    Raises `HoldRefused`, and `KeyReused` when the key asked for something else.
    """
    if not 0 < points <= POINTS_MAX:
        raise HoldRefused(f"A spending is of 1 to {POINTS_MAX} points.")
    if customer.gone_at is not None or customer.merged_into_id is not None:
        raise HoldRefused("The customer isn't in the store any more.")
    now, said = clock.now(), {"kind": purchase, "terms": dict(terms)}
    with transaction.atomic():
        asked, created = Spending.objects.get_or_create(
            shop_id=current_shop_id(),
            key=key,
            defaults={
                "customer": customer,
                "at": now,
                "points": points,
                "purpose": {**said, **_purchase(purchase).named(terms)},
                "actor": actor,
            },
        )
        if created:
            _tell("spending.asked", f"spending.asked:{asked.id}", asked, now)
    if (asked.customer_id, asked.points) != (customer.id, points) or not said.items() <= asked.purpose.items():
        raise KeyReused(asked)
    try:
        hold_resume(asked.id)
    except MembersBusy:
        log.info("member_busy", customer=customer.id)  # the event's consumer goes on
    asked.refresh_from_db()
    return asked


def hold_resume(spending_id: int) -> None:
    """Take the steps that are left of a spending that was asked for, up to asking the outside. Raises `MembersBusy`."""
    if not spending_grant(spending_id):
        return
    spending = Spending.objects.select_related("customer__merged_into").get(id=spending_id)
    if spending.state != State.HELD:
        return
    kind = _purchase(spending.purpose["kind"])
    with transaction.atomic():
        outbound_request(
            kind=kind.name,
            key=call_key(spending.id),
            subject_id=kind.write(spending),
            customer_id=spending.customer.merged_into_id or spending.customer_id,
            actor=spending.actor,
        )


def _purchase(name: str) -> Purchase:
    kind = kinds().get(name)
    if not hasattr(kind, "ended_by"):
        raise HoldRefused(f"Points can't buy {name!r}.")
    return cast(Purchase, kind)


# --- deciding ---------------------------------------------------------------------------------------------------------


def purchase_settle(call: Outbound) -> None:
    """Decide the spending whose purchase was made or given up, in the transaction that settled its call. A refused one
    is to be looked up first: `hold_give_up`, by the consumer of `spending.stuck`."""
    now, held = clock.now(), Spending.objects.filter(id=spending_of(call.key), state=State.HELD)
    match call.state:
        case Outbound.State.DONE:
            if held.update(state=State.REDEEMED, decided_at=now):
                _decided("points.spent", spending_of(call.key), now)
        case Outbound.State.SKIPPED:
            if held.update(state=State.RELEASED, decided_at=now, undone_at=now):
                _decided("points.returned", spending_of(call.key), now)
        case Outbound.State.DEAD:
            _decided("spending.stuck", spending_of(call.key), now)


def hold_give_up(spending_id: int) -> None:
    """Release the points of a spending whose purchase was refused, unless a look finds it there after all: then they
    are redeemed. Changes nothing for others. Outside transactions. Raises `MayBeDone` when the platform can't be asked
    now."""
    calls = Outbound.objects.filter(shop_id=current_shop_id(), key=call_key(spending_id), state=Outbound.State.DEAD)
    for call in calls:
        try:
            outbound_skip(call=call, reason="The points went back to the customer.")
        except MayBeDone:
            raise
        except NotStuck:  # somebody tried it again meanwhile
            log.info("hold_not_given_up", spending=spending_id)


def holds_left(since: dt.datetime, *, after: int = 0) -> list[int]:
    """Spendings asked for before an instant that nobody decided, those after an id: refused or asked for while nobody
    could be asked."""
    states = [State.ASKED, State.HELD]
    open_ = Spending.objects.filter(state__in=states, at__lt=since, id__gt=after).order_by("id")
    return list(open_.values_list("id", flat=True))


# --- giving back ------------------------------------------------------------------------------------------------------


def undo(*, spending: Spending, key: str, actor: str = "") -> None:
    """Want a spending undone: its purchase is ended outside, and the points go back once it is known that nobody used
    it. The same key wants it once. Raises `NotRedeemed`."""
    made = Outbound.objects.filter(shop_id=current_shop_id(), key=call_key(spending.id), state=Outbound.State.DONE)
    with transaction.atomic():
        call = made.first()
        if call is None or not Spending.objects.filter(id=spending.id, state=State.REDEEMED).exists():
            raise NotRedeemed
        outbound_request(
            kind=_purchase(call.kind).ended_by,
            key=f"{call.key}:{key}",
            subject_id=call.subject_id,
            customer_id=call.customer_id,
            actor=actor,
        )


def ending_settle(call: Outbound, used: Callable[[], bool]) -> None:
    """Give the points back once their purchase was ended, unless it was used, in the transaction that settled the call.
    `used` is asked with the spending locked: a use that is known later finds it undone (`spend_again`)."""
    if call.state != Outbound.State.DONE:
        return
    now, spending_id = clock.now(), spending_of(call.key)
    locked = Spending.objects.select_for_update().filter(id=spending_id, state=State.REDEEMED)
    if locked.exists() and not used():
        locked.update(state=State.UNDONE, undone_at=now)
        _decided("points.returned", spending_id, now)


def spend_again(spending_ids: Iterable[int]) -> None:
    """What these bought was used: points that went back are spent again, as if they never had. Changes nothing for
    others."""
    now = clock.now()
    with transaction.atomic():
        for spending in Spending.objects.select_for_update().filter(id__in=spending_ids).order_by("id"):
            if spending.state in (State.RELEASED, State.UNDONE):
                again = Spending.objects.filter(id=spending.id)
                again.update(state=State.REDEEMED, decided_at=now, undone_at=None)
                _decided("points.spent", spending.id, now)


# --- telling ----------------------------------------------------------------------------------------------------------


def spending_of(key: str) -> int:
    """The spending that the key of a call names."""
    return int(key.split(":")[1])


def _decided(type_: str, spending_id: int, now: dt.datetime) -> None:
    _tell(type_, f"{type_}:{spending_id}:{now.isoformat()}", Spending.objects.get(id=spending_id), now)


def _tell(type_: str, key: str, spending: Spending, now: dt.datetime) -> None:
    fact = Fact(type=type_, key=key, subject_id=spending.id, customer_id=spending.customer_id, occurred_at=now)
    events_record([fact], origin=DomainEvent.Origin.LIVE)
