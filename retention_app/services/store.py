"""What staff say of their store because its orders can't: how soon its goods are bought again, and what is left of its
revenue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import transaction

from retention_app import clock
from retention_app.models import AuditEntry, Shop
from retention_app.statistics import ShopNumbers, days_between_orders

USED_UP_DAYS_MAX = 30  # customers who come back this soon have used up what they bought
AGAIN_DAYS_MAX = 180
FEW_CUSTOMERS = 100  # below, the share of those who came back says nothing
RARELY_SHARE_MAX = 0.1
MARGIN_MAX = 99

Goods = Shop.Goods


@dataclass(frozen=True)
class ComingBack:
    """How customers come back: the median of days between two orders of one (None below some orders), and the share of
    them who did (None below some customers)."""

    days: int | None
    share: float | None

    @property
    def few_do(self) -> bool:
        return self.share is not None and self.share < RARELY_SHARE_MAX

    @property
    def goods(self) -> Goods:
        """What it says of the goods."""
        if self.few_do:
            return Goods.RARELY
        if self.days is None or USED_UP_DAYS_MAX < self.days <= AGAIN_DAYS_MAX:
            return Goods.AGAIN
        return Goods.USED_UP if self.days <= USED_UP_DAYS_MAX else Goods.RARELY


def coming_back(numbers: ShopNumbers | None) -> ComingBack:
    """By the orders of the shop in scope; `numbers`: its all-time ones, None while they are counted. One query."""
    many = numbers is not None and numbers.customers >= FEW_CUSTOMERS
    return ComingBack(days_between_orders(), numbers.repeat_customers / numbers.customers if numbers and many else None)


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
