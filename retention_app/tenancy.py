"""The shop scope: which tenant the running code acts for.

Inside `shop_scope(shop)` every `ShopOwned` query is filtered by that shop, every write of another shop's row is
refused, and on PostgreSQL each transaction tells the row-level policies which shop it serves
(`retention_app.postgresql`). Outside a scope a query on a `ShopOwned` table raises instead of
returning every shop's rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from django.db import models

from retention_app.scope import ShopScopeMissing, WrongShop, current_shop_id, scoped_shop_id, shop_scope

__all__ = [
    "ShopManager",
    "ShopOwned",
    "ShopQuerySet",
    "ShopScopeMissing",
    "WrongShop",
    "current_shop_id",
    "scoped_shop_id",
    "shop_scope",
]

M = TypeVar("M", bound=models.Model)


class ShopQuerySet(models.QuerySet[M]):
    """A queryset that refuses to write rows of another shop in bulk."""

    def bulk_create(self, objs: Iterable[M], *args: Any, **kwargs: Any) -> list[M]:
        rows = list(objs)
        for row in rows:
            check_shop(row)
        return super().bulk_create(rows, *args, **kwargs)

    def update(self, **kwargs: Any) -> int:
        if kwargs.get("shop_id", kwargs.get("shop")) is not None:
            raise WrongShop("A row never moves to another shop.")
        return super().update(**kwargs)


class ShopManager(models.Manager[M]):
    """Filters by the shop in scope; raises `ShopScopeMissing` without one."""

    def get_queryset(self) -> ShopQuerySet[M]:
        return ShopQuerySet(self.model, using=self._db).filter(shop_id=current_shop_id())

    def unscoped(self) -> models.QuerySet[M]:
        """Every shop's rows: the only exit. `tests/invariants` lists who may use it."""
        return ShopQuerySet(self.model, using=self._db)


class ShopOwned(models.Model):
    """A tenant's row: carries its shop, is read and written inside that shop's scope only."""

    shop = models.ForeignKey("retention_app.Shop", on_delete=models.CASCADE, related_name="+", db_index=False)

    objects = ShopManager()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        check_shop(self)
        super().save(*args, **kwargs)


def check_shop(row: models.Model) -> None:
    """Raises `WrongShop` unless the row belongs to the shop in scope."""
    shop_id = getattr(row, "shop_id", None)
    if shop_id != current_shop_id():
        raise WrongShop(f"{type(row).__name__} of shop {shop_id} written in the scope of shop {current_shop_id()}.")
