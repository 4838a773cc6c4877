"""Celery tasks of loyalty: what time alone changes. Losing one loses nothing, the next minute finds it again."""

from __future__ import annotations

import datetime as dt

from celery import shared_task

from loyalty.ledger import members_bring_up_to_date, members_due
from retention_app import clock
from retention_app.doors import for_each_shop
from retention_app.models import Shop
from retention_app.tasks import SLICE_SECONDS, ShopTask

MEMBERS_A_SLICE = 500


@shared_task
def time_passes() -> None:
    """Wake a worker for each shop where time alone changed somebody's statement."""

    def look(shop: Shop) -> None:
        if members_due(limit=1):
            members_time_passes.delay(shop_id=shop.id)

    for_each_shop(look)


@shared_task(base=ShopTask)
def members_time_passes(*, shop_id: int) -> None:
    """Bring members up to date whose points expire, tier falls or debt can be settled by now."""
    until = clock.now() + dt.timedelta(seconds=SLICE_SECONDS)
    while due := members_due(limit=MEMBERS_A_SLICE):
        members_bring_up_to_date(due)
        if clock.now() >= until:
            members_time_passes.delay(shop_id=shop_id)
            return
