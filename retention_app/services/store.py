"""What staff say of their store because its orders can't: how soon its goods are bought again, and what is left of its
revenue."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from retention_app import clock
from retention_app.models import AuditEntry, Shop

USED_UP_DAYS_MAX = 30  # customers who come back this soon have used up what they bought
AGAIN_DAYS_MAX = 180
MARGIN_MAX = 99

Goods = Shop.Goods


def goods_proposed(gap_days: int | None) -> Goods:
    """What the days between two orders of a customer (the median; None: too few orders) say of the goods."""
    if gap_days is None or USED_UP_DAYS_MAX < gap_days <= AGAIN_DAYS_MAX:
        return Goods.AGAIN
    return Goods.USED_UP if gap_days <= USED_UP_DAYS_MAX else Goods.RARELY


def store_change(*, shop: Shop, goods: str, margin_percent: int | None, actor: str) -> None:
    """Keep both, in the row and in `shop`; who changed what is in the audit."""
    if goods not in Goods.values or not (margin_percent is None or 1 <= margin_percent <= MARGIN_MAX):
        raise ValueError(f"No store: {goods}, {margin_percent}.")
    with transaction.atomic():
        fresh = Shop.objects.select_for_update().get(id=shop.id)
        before = _told(fresh)
        fresh.goods, fresh.margin_percent = goods, margin_percent
        after = _told(fresh)
        if after != before:
            fresh.save(update_fields=["goods", "margin_percent"])
            data = {"before": before, "after": after}
            AuditEntry.objects.create(shop=shop, code="store.changed", actor=actor, at=clock.now(), data=data)
    shop.goods, shop.margin_percent = goods, margin_percent


def _told(shop: Shop) -> dict[str, Any]:
    return {"goods": shop.goods, "margin": shop.margin_percent}
