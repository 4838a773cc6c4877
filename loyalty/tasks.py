"""Celery tasks of loyalty: what time alone changes. Losing one loses nothing, the next minute finds it again."""

from __future__ import annotations

import datetime as dt

import structlog
from celery import shared_task

from loyalty.holds import hold_give_up, hold_resume, holds_left
from loyalty.ledger import MembersBusy, members_bring_along, members_due
from loyalty.models import Launch, Programme
from loyalty.programme import launch_start
from retention_app import clock, sync, work
from retention_app.doors import for_each_shop
from retention_app.models import Shop
from retention_app.outbound import MayBeDone
from retention_app.tasks import SLICE_SECONDS, ShopTask

log = structlog.get_logger(__name__)

MEMBERS_A_SLICE = 500
HELD_LONG = dt.timedelta(hours=1)  # after which a spending that nobody decided is looked at again


@shared_task
def time_passes() -> None:
    """Wake a worker for each shop whose programme is to start, or where time alone changed somebody's statement."""

    def look(shop: Shop) -> None:
        if Launch.objects.filter(starts_at__lte=clock.now()).exists():
            programme_starts.delay(shop_id=shop.id)
        if members_due(limit=1):
            members_time_passes.delay(shop_id=shop.id)

    for_each_shop(look)


@shared_task(base=ShopTask)
def programme_starts(*, shop_id: int) -> None:
    """Start the programme that waits for its day, once no history is arriving any more."""
    progress = sync.import_progress(shop_id=shop_id)
    if not (progress and progress["running"]):
        launch_start(Shop.objects.get(id=shop_id))


@shared_task(base=ShopTask)
def members_time_passes(*, shop_id: int) -> None:
    """Bring members up to date whose points expire, tier falls or debt can be settled by now: one worker at a time."""
    if not Programme.objects.filter(work.unleased()).update(lease_until=work.lease_end()):
        return
    until = clock.now() + dt.timedelta(seconds=SLICE_SECONDS)
    try:
        while (due := members_due(limit=MEMBERS_A_SLICE)) and clock.now() < until:
            members_bring_along(due)
            Programme.objects.update(lease_until=work.lease_end())
    finally:
        Programme.objects.update(lease_until=None)
    if due:
        members_time_passes.delay(shop_id=shop_id)


@shared_task
def holds_look_again() -> None:
    """Wake a worker for each shop where points are set aside for long because the platform could not be asked."""

    def look(shop: Shop) -> None:
        if holds_left(clock.now() - HELD_LONG):
            holds_go_on.delay(shop_id=shop.id)

    for_each_shop(look)


@shared_task(base=ShopTask)
def holds_go_on(*, shop_id: int, after: int = 0) -> None:
    """Take the steps that are left of spendings that nobody decided for long, from the one `after` this id on. What
    fails is logged and left for the next hour."""
    until = clock.now() + dt.timedelta(seconds=SLICE_SECONDS)
    for spending_id in holds_left(clock.now() - HELD_LONG, after=after):
        try:
            hold_resume(spending_id)
            hold_give_up(spending_id)
        except (MembersBusy, MayBeDone) as error:
            log.info("hold_left", spending=spending_id, reason=str(error))
        except Exception:
            log.exception("hold_failed", spending=spending_id)
        if clock.now() >= until:
            holds_go_on.delay(shop_id=shop_id, after=spending_id)
            return
