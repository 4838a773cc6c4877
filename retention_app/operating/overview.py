"""What operators watch besides the queues: the law's deadlines, the shops, each other's acts."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TypeVar

from django.db.models import Count, F, Min, Model, OuterRef, Q, QuerySet, Subquery

from retention_app import clock
from retention_app.models import OperatorAction, PrivacyRequest, Shop, WebhookDelivery

PAGE_SIZE = 50

_M = TypeVar("_M", bound=Model)


@dataclass(frozen=True)
class Deadlines:
    """Privacy requests that aren't answered yet: how many, how many of them late, when the next is due."""

    open: int
    overdue: int
    next: dt.datetime | None


@dataclass(frozen=True)
class Shops:
    installed: int
    troubled: int
    last_delivery_at: dt.datetime | None


def open_requests() -> QuerySet[PrivacyRequest]:
    """Not answered yet. The older, the nearer the deadline: it is the same number of days after each came."""
    return PrivacyRequest.objects.exclude(state=PrivacyRequest.State.DONE).select_related("shop")


def answered_requests() -> QuerySet[PrivacyRequest]:
    return PrivacyRequest.objects.filter(state=PrivacyRequest.State.DONE).select_related("shop")


def deadlines() -> Deadlines:
    counted = PrivacyRequest.objects.exclude(state=PrivacyRequest.State.DONE).aggregate(
        open=Count("id"), overdue=Count("id", filter=Q(deadline_at__lt=clock.now())), next=Min("deadline_at")
    )
    return Deadlines(**counted)


def shops(*, troubled: bool, name: str) -> QuerySet[Shop]:
    """Shops, each with `last_delivery_at`; only those with a trouble, or whose domain begins so."""
    latest = WebhookDelivery.objects.filter(shop_domain=OuterRef("domain")).order_by("-received_at")
    found = Shop.objects.annotate(last_delivery_at=Subquery(latest.values("received_at")[:1]))
    if troubled:
        found = found.exclude(trouble="")
    return found.filter(domain__startswith=name.lower()) if name else found


def shops_counted() -> Shops:
    installed = Q(state=Shop.State.INSTALLED)
    counted = Shop.objects.aggregate(
        installed=Count("id", filter=installed), troubled=Count("id", filter=installed & ~Q(trouble=""))
    )
    latest = WebhookDelivery.objects.order_by("-id").values_list("received_at", flat=True).first()
    return Shops(**counted, last_delivery_at=latest)


def operator_actions() -> QuerySet[OperatorAction]:
    """What operators did, each with its operator's `email`."""
    return OperatorAction.objects.annotate(email=F("operator__email"))


def page_after(rows: QuerySet[_M], after: int, *, newest_first: bool) -> tuple[list[_M], int]:
    """A page of rows by id, behind the id `after`; and what to continue after, 0 at the end."""
    if after:
        rows = rows.filter(**{"id__lt" if newest_first else "id__gt": after})
    found = list(rows.order_by("-id" if newest_first else "id")[: PAGE_SIZE + 1])
    return found[:PAGE_SIZE], found[PAGE_SIZE - 1].pk if len(found) > PAGE_SIZE else 0
