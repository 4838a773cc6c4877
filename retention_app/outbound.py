"""Doing things outside, each of them once (DESIGN 4).

Whoever decides writes an `Outbound` row in the transaction of the decision; a worker makes the call. That a call leaves
is committed before it does (`called_at`), so every later try reads first whether its effect is already there. While a
worker calls it holds the row's lease, renewed right before the call that has the effect, for longer than that can take.
Nothing is called inside a transaction, nor for a shop that took the app off or whose calls are paused.
"""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence

import structlog
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from retention_app import clock, work
from retention_app.models import AuditEntry, Outbound, Shop
from retention_app.observability import OUTBOUND
from retention_app.shopify.bucket import people_waiting
from retention_app.shopify.client import Session
from retention_app.shopify.errors import ScopesMissing, ShopClosed, ShopifyError, Throttled, TransientError
from retention_app.tenancy import current_shop_id, shop_scope
from retention_app.wake import wake

log = structlog.get_logger(__name__)

CALL_SECONDS_MAX = 90  # longer than waiting for points and one call of the client can take


class Refused(Exception):
    """The outside names a reason not to do it; the message says it, for the merchant."""


class Expired(Refused):
    """It is too late: what was wanted would be of no use any more."""


class NotStuck(Exception):
    """Only what needs attention can be tried again, only what isn't done yet or under way be given up."""


class MayBeDone(NotStuck):
    """It was asked for, and whether it was done isn't known yet; the message says what to do, for who gives it up."""


class Kind(ABC):
    """One kind of effect outside. Its methods run in the shop's scope; `name` is permanent."""

    name: str
    looks_first = False  # whether the effect may be there although we never asked for it

    @abstractmethod
    def look_up(self, call: Outbound, session: Session) -> int | None:
        """The platform's id of the effect, None when it isn't there. Raises `ShopifyError` or `Refused`."""

    @abstractmethod
    def act(self, call: Outbound, session: Session) -> int:
        """Do it, once, and answer the platform's id. Raises `ShopifyError` or `Refused`."""

    @abstractmethod
    def settle(self, call: Outbound, effect: int | None) -> None:
        """Bring the rows that depend on the call in line with its state, in the transaction that changed it."""

    @abstractmethod
    def titles(self, calls: Sequence[Outbound]) -> Mapping[int, str]:
        """What each call is about, by its id, in the reader's language; a fixed number of queries."""

    @abstractmethod
    def meaning(self, call: Outbound) -> str:
        """What the call's present state means for the shop and its customers."""

    @abstractmethod
    def skipping(self, call: Outbound) -> str:
        """What follows from giving it up."""


_kinds: dict[str, Kind] = {}


def kind_register(kind: Kind) -> None:
    """Add a kind. Raises `ImproperlyConfigured` for a name taken."""
    if type(_kinds.setdefault(kind.name, kind)) is not type(kind):
        raise ImproperlyConfigured(f"Two kinds of outbound calls are called {kind.name}.")


def kinds() -> Mapping[str, Kind]:
    """All registered kinds by name."""
    return dict(_kinds)


def outbound_request(
    *, kind: str, key: str, subject_id: int | None = None, customer_id: int | None = None, actor: str = ""
) -> Outbound:
    """Want an effect of the shop in scope, in the transaction of the decision; wakes a worker on commit.

    The same key answers the row there is, whatever else is given.
    """
    shop_id, now = current_shop_id(), clock.now()
    call, created = Outbound.objects.get_or_create(
        shop_id=shop_id,
        kind=_kinds[kind].name,
        key=key,
        defaults={
            "subject_id": subject_id,
            "customer_id": customer_id,
            "actor": actor,
            "created_at": now,
            "due_at": now,
        },
    )
    if created:
        _wake(shop_id)
    return call


def _wake(shop_id: int) -> None:
    from retention_app.tasks import outbound_work

    wake(outbound_work, shop_id=shop_id)


# --- the worker's part ------------------------------------------------------------------------------------------------


def due_calls() -> QuerySet[Outbound]:
    """Calls that are due, of shops that may be called."""
    now = clock.now()
    return Outbound.objects.filter(
        work.unleased(),
        Q(shop__calls_paused_until=None) | Q(shop__calls_paused_until__lte=now),
        state=Outbound.State.WAITING,
        due_at__lte=now,
        shop__state=Shop.State.INSTALLED,
    )


def calls_make(*, shop_id: int, until: dt.datetime) -> float | None:
    """Make the due calls of the shop in scope one after another. Answers None once none is left, else after how many
    seconds to go on: `until` has come, or the platform is slowing us down."""
    session = Session(shop_id)
    while _may_be_called(shop_id):
        if clock.now() >= until:
            return 0.0
        claimed = work.claim(Outbound, shop_id=shop_id, limit=1)
        if not claimed:
            return None
        try:
            _make(claimed[0], session)
        except Throttled as error:
            return error.wait_seconds
    return None


def _may_be_called(shop_id: int) -> bool:
    now = clock.now()
    free = Q(calls_paused_until=None) | Q(calls_paused_until__lte=now)
    return Shop.objects.filter(free, id=shop_id, state=Shop.State.INSTALLED).exists()


class _Overtaken(Exception):
    """The lease ran out and another worker has the row."""


def _make(call: Outbound, session: Session) -> None:
    """Try a claimed call and finish it, put it back or aside. Raises `Throttled` once it is put back."""
    try:
        effect = _effect(_kinds[call.kind], call, session)
    except _Overtaken:
        return
    except Throttled as error:
        work.wait([call], seconds=error.wait_seconds)
        raise
    except ScopesMissing as error:
        log.warning("outbound_waits_for_scopes", reason=str(error), kind=call.kind, outbound_id=call.id)
        work.wait([call], seconds=work.CLOSED_SHOP_SECONDS)
    except ShopClosed as error:
        log.warning("outbound_paused", reason=str(error), kind=call.kind, outbound_id=call.id)
        work.wait([call], seconds=0)
        until = clock.now() + dt.timedelta(seconds=work.CLOSED_SHOP_SECONDS)
        Shop.objects.filter(id=call.shop_id).update(calls_paused_until=until)
    except Exception as error:
        _put_back(call, error)
    else:
        with transaction.atomic():
            work.done([call])
            _settle(call, effect)
        OUTBOUND.labels(call.kind, "done").inc()


def _effect(kind: Kind, call: Outbound, session: Session) -> int:
    """The effect, found or made. Raises `_Overtaken`, and what the kind raises."""
    called_before = call.called_at is not None
    _hold(call)
    if called_before or kind.looks_first:
        effect = kind.look_up(call, session)
        if effect is not None:
            return effect
        _hold(call)
    return kind.act(call, session)


def _hold(call: Outbound) -> None:
    """Note down, committed, that a call leaves, and keep the row for as long as it may take. Raises `_Overtaken`."""
    held = Outbound.objects.filter(
        id=call.id, state=Outbound.State.WAITING, attempts=call.attempts, lease_until__isnull=False
    ).update(called_at=Coalesce("called_at", clock.now()), lease_until=work.lease_end(CALL_SECONDS_MAX))
    if not held:
        raise _Overtaken


def _put_back(call: Outbound, error: Exception) -> None:
    known = isinstance(error, (ShopifyError, Refused))
    if not known:
        log.exception("outbound_failed", kind=call.kind, outbound_id=call.id)
    with transaction.atomic():
        if isinstance(error, TransientError):
            work.postponed(call, error, since=_waiting_since(call))
        else:
            work.failed(call, error, permanent=known)
        _settle(call, None)
    OUTBOUND.labels(call.kind, type(error).__name__).inc()


def _waiting_since(call: Outbound) -> dt.datetime:
    """Since when the platform could have done it: while the app was uninstalled nobody asked it."""
    installed_at = Shop.objects.values_list("installed_at", flat=True).get(id=call.shop_id)
    return max(call.retried_at or call.created_at, installed_at)


def _settle(call: Outbound, effect: int | None) -> None:
    """Let the kind follow the row, unless it simply waits on, or is done by a worker that overtook us."""
    call.refresh_from_db()
    if call.state == Outbound.State.DEAD or (call.state == Outbound.State.DONE and effect is not None):
        _kinds[call.kind].settle(call, effect)


# --- what people do about it ------------------------------------------------------------------------------------------


def outbound_retry(*, call: Outbound, actor: str = "") -> None:
    """Try a call that needs attention again; the outside is read first. `actor` is staff of the shop, whose act is
    audited. Raises `NotStuck`."""
    now = clock.now()
    with shop_scope(call.shop_id), transaction.atomic():
        touched = Outbound.objects.filter(id=call.id, state=Outbound.State.DEAD).update(
            state=Outbound.State.WAITING, due_at=now, retried_at=now, lease_until=None, error_class="", error=""
        )
        _people_did(call, touched, actor, "outbound.retried")
        _wake(call.shop_id)


def outbound_skip(*, call: Outbound, reason: str, actor: str = "", also: Callable[[], None] | None = None) -> None:
    """Give up a call as it was read, unless the outside has done it: then it is done. `actor` as above; `also` runs in
    the transaction. Asks the platform about what was asked of it, so call it outside transactions then.

    Raises `NotStuck` when it is finished, in a worker's hand or changed meanwhile, `MayBeDone` when nobody can tell.
    """
    now = clock.now()
    with shop_scope(call.shop_id):
        effect = _found(call) if call.called_at else None
        if effect is None:
            outcome = {"state": Outbound.State.SKIPPED, "reason": reason}
        else:
            outcome = {"state": Outbound.State.DONE, "error_class": "", "error": ""}
        as_read = Outbound.objects.filter(
            work.unleased(),
            id=call.id,
            state__in=[Outbound.State.WAITING, Outbound.State.DEAD],
            called_at=call.called_at,
            retried_at=call.retried_at,
        )
        with transaction.atomic():
            touched = as_read.update(done_at=now, lease_until=None, **outcome)
            code = "outbound.skipped" if effect is None else "outbound.found"
            _people_did(call, touched, actor, code, effect, reason=reason)
            if also:
                also()


def _found(call: Outbound) -> int | None:
    """The platform's id of what was asked for, None when it isn't there. Raises `MayBeDone`."""
    if call.state == Outbound.State.WAITING:
        raise MayBeDone(_("It was asked for already and may be done, so it isn't given up. The next try finds out."))
    if call.state != Outbound.State.DEAD:
        raise NotStuck
    try:
        if not _may_be_called(call.shop_id):
            raise ShopClosed
        with people_waiting():
            return _kinds[call.kind].look_up(call, Session(call.shop_id))
    except Refused:  # what is there isn't ours
        return None
    except ShopifyError as error:
        raise MayBeDone(
            _(
                "It was asked for already and may be done, and Shopify can't be asked now, so it isn't given up. "
                "Try again later."
            )
        ) from error


def _people_did(call: Outbound, touched: int, actor: str, code: str, effect: int | None = None, **data: str) -> None:
    if not touched:
        raise NotStuck
    call.refresh_from_db()
    _kinds[call.kind].settle(call, effect)
    if actor:
        AuditEntry.objects.create(
            shop_id=call.shop_id, code=code, actor=actor, at=clock.now(), data={"outbound": call.id, **data}
        )
