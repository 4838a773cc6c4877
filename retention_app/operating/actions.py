"""What operators do about stuck rows. Each act is an `OperatorAction`, written in the transaction of the act."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, replace
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import connection, transaction
from django.db.models import Case, Count, F, Max, PositiveIntegerField, Q, QuerySet, When, Window
from django.db.models.functions import RowNumber

from retention_app import clock, outbound, setwise, tasks, work
from retention_app.models import OperatorAction, Outbound, WebhookDelivery
from retention_app.operating.queues import Queue, Wanted, stuck
from retention_app.outbound import NotStuck
from retention_app.tenancy import shop_scope
from retention_app.wake import wake

REPLAY_MAX = 5_000  # rows put back by one act
RATE_MAX = 1_000  # rows a second
_LARGEST_ID = 2**63 - 1
BODY_SHOWN_MAX = 262_144  # characters

# A waiting row keeps its count, an outbound call always does: it is the claim's token, which a slow worker may hold.
_ATTEMPTS = Case(When(state="dead", then=0), default=F("attempts"), output_field=PositiveIntegerField())


@dataclass(frozen=True)
class Batch:
    """Rows put aside of one kind for one reason, up to the newest that was seen when they were counted."""

    queue: Queue
    kind: str
    error_class: str
    shop: str
    newest: int

    @classmethod
    def counted(cls, queue: Queue, *, kind: str, error_class: str, shop: str) -> tuple[Batch, int]:
        """The oldest `REPLAY_MAX` of these rows, and how many they are."""
        all_ = cls(queue, kind, error_class, shop, newest=_LARGEST_ID)
        counted = all_.rows().aggregate(count=Count("id"), newest=Max("id"))
        return replace(all_, newest=counted["newest"] or 0), counted["count"]

    def rows(self) -> QuerySet[Any]:
        wanted = Wanted(state="dead", kind=self.kind, error_class=self.error_class, shop=self.shop)
        return stuck(self.queue, wanted).filter(id__lte=self.newest).order_by("id")[:REPLAY_MAX]


@dataclass(frozen=True)
class Body:
    """A delivery's body made safe to look at. `size` is in bytes; `cut` when more of it isn't shown."""

    text: str
    size: int
    is_json: bool
    is_utf8: bool
    cut: bool


def row_replay(*, queue: Queue, row_id: int, operator: AbstractBaseUser, reason: str) -> None:
    """Have a row tried again now, one put aside with all its tries before it. Raises `NotStuck`."""
    with transaction.atomic():
        call = queue.rows.filter(id=row_id, state="dead").first() if queue.model is Outbound else None
        if call is not None:
            outbound.outbound_retry(call=call)
        elif not queue.rows.filter(_free(), id=row_id).update(
            state="waiting", attempts=_ATTEMPTS, due_at=clock.now(), lease_until=None, **_AS_NEW
        ):
            raise NotStuck
        _acted(operator, f"console.{queue.key}.replayed", target=f"{queue.key}:{row_id}", reason=reason)
        wake(tasks.sweep)


def batch_replay(*, batch: Batch, per_second: int, operator: AbstractBaseUser, reason: str) -> int:
    """Put the rows back, due one after another at this rate; answers how many. One statement, whatever their number
    (outbound calls besides let what depends on them follow). Workers find them as they come due, once a minute."""
    queue, table = batch.queue, batch.queue.model._meta.db_table
    now = setwise.instant(clock.now())
    numbered, parameters = (
        batch.rows().annotate(position=Window(RowNumber(), order_by="id")).values("id", "position").query
    ).sql_with_params()
    also: dict[str, int | str] = {**_AS_NEW, **({"retried_at": now} if queue.model is Outbound else {"attempts": 0})}
    with transaction.atomic():
        rows = queue.model._default_manager.raw(
            f"UPDATE {table} SET state = 'waiting', lease_until = NULL, due_at = {_spread()}"
            f"{''.join(f', {column} = %s' for column in also)}"
            f" FROM ({numbered}) AS numbered WHERE {table}.id = numbered.id AND {table}.state = 'dead'"
            f" RETURNING {table}.id",
            [now, per_second, *also.values(), *parameters],
        )
        ids = [row.pk for row in rows]
        if queue.model is Outbound:
            _calls_settle(ids)
        _acted(
            operator,
            f"console.{queue.key}.kind_replayed",
            reason=reason,
            kind=batch.kind,
            error_class=batch.error_class,
            shop=batch.shop,
            count=len(ids),
            per_second=per_second,
        )
        wake(tasks.sweep)
    return len(ids)


def row_drop(*, queue: Queue, row_id: int, operator: AbstractBaseUser, reason: str) -> bool:
    """Give a row up for good; answers False for a call that the platform turns out to have done: then it is done.
    Raises `NotStuck`, and `MayBeDone` for a call of which nobody can tell."""
    assert queue.given_up, "Privacy requests are answered, never dropped."
    target = f"{queue.key}:{row_id}"
    call = queue.rows.filter(id=row_id).first() if queue.model is Outbound else None
    if call is not None:

        def note() -> None:
            act = "dropped" if call.state == Outbound.State.SKIPPED else "found"
            _acted(operator, f"console.{queue.key}.{act}", target=target, reason=reason)

        outbound.outbound_skip(call=call, reason=reason, also=note)
        return bool(call.state == Outbound.State.SKIPPED)
    with transaction.atomic():
        if not queue.rows.filter(_free(), id=row_id).update(
            state=queue.given_up, done_at=clock.now(), lease_until=None
        ):
            raise NotStuck
        _acted(operator, f"console.{queue.key}.dropped", target=target, reason=reason)
    return True


def body_reveal(*, delivery_id: int, operator: AbstractBaseUser, reason: str) -> Body:
    """A delivery's body, once it is noted down who asked for it. Raises `WebhookDelivery.DoesNotExist`."""
    raw = bytes(WebhookDelivery.objects.values_list("body", flat=True).get(id=delivery_id))
    _acted(operator, "console.delivery.revealed", target=f"delivery:{delivery_id}", reason=reason)
    return _body(raw)


def _body(raw: bytes) -> Body:
    try:
        text, is_utf8 = raw.decode(), True
    except UnicodeDecodeError:
        text, is_utf8 = raw.decode(errors="backslashreplace"), False
    is_json = False
    if is_utf8 and len(text) <= BODY_SHOWN_MAX:
        with contextlib.suppress(ValueError, RecursionError):
            text, is_json = json.dumps(json.loads(text), indent=2, ensure_ascii=False), True
    shown = "".join(each if each.isprintable() or each in "\n\t" else _escaped(each) for each in text[:BODY_SHOWN_MAX])
    return Body(shown, len(raw), is_json, is_utf8, cut=len(text) > BODY_SHOWN_MAX)


def _escaped(character: str) -> str:
    """Control characters, and those that turn the direction of what is read, as their numbers."""
    return character.encode("unicode_escape").decode()


def _free() -> Q:
    """Put aside, or waiting without a worker that has it in hand."""
    return Q(state="dead") | Q(state="waiting") & work.unleased()


_AS_NEW = {"error_class": "", "error": ""}  # forgotten of failures; each stays in `FailedTry`


def _spread() -> str:
    """The nth row's due instant: now and the number of rows a second are its parameters."""
    if connection.vendor == "postgresql":
        return "%s::timestamptz + (numbered.position - 1)::float / %s * interval '1 second'"
    return "strftime('%%Y-%%m-%%d %%H:%%M:%%f', %s, printf('%%.3f seconds', (numbered.position - 1) * 1.0 / %s))"


def _calls_settle(ids: list[int]) -> None:
    """Bring what depends on these calls in line with their waiting again."""
    kinds = outbound.kinds()
    for call in Outbound.objects.filter(id__in=ids, kind__in=kinds).order_by("shop_id", "id"):
        with shop_scope(call.shop_id):
            kinds[call.kind].settle(call, None)


def _acted(operator: AbstractBaseUser, code: str, *, target: str = "", reason: str = "", **data: Any) -> None:
    OperatorAction.objects.create(
        operator_id=operator.pk, code=code, target=target, reason=reason, data=data, at=clock.now()
    )
