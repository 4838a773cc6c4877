"""The shop scope: which tenant the running code acts for.

Inside `shop_scope(shop)` every `ShopOwned` query is filtered by that shop, every write of another shop's row is refused,
and on PostgreSQL each transaction tells the row-level policies which shop it serves (`retention_app.postgresql`).
Outside a scope a query on a `ShopOwned` table raises instead of returning every shop's rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from django.db import models

M = TypeVar("M", bound=models.Model)

_current_shop_id: ContextVar[int | None] = ContextVar("current_shop_id", default=None)


class ShopScopeMissing(RuntimeError):
    """A tenant's table was queried while no shop was in scope."""


class WrongShop(RuntimeError):
    """A row of one shop was written, or another shop's scope opened, while a different shop was in scope."""


def current_shop_id() -> int:
    """The shop in scope. Raises `ShopScopeMissing` when there is none."""
    shop_id = _current_shop_id.get()
    if shop_id is None:
        raise ShopScopeMissing("No shop in scope: open one with shop_scope(shop).")
    return shop_id


def scoped_shop_id() -> int | None:
    """The shop in scope, or None: for what must work in both cases (the database backend, log processors)."""
    return _current_shop_id.get()


@contextmanager
def shop_scope(shop_id: int) -> Iterator[int]:
    """Act for one shop until the block ends.

    Raises `ShopScopeMissing` for None and `WrongShop` when another shop's scope is open.
    """
    if shop_id is None:
        raise ShopScopeMissing("shop_scope() needs a shop's id, got None.")
    outer = _current_shop_id.get()
    if outer is not None and outer != shop_id:
        raise WrongShop(f"Shop {shop_id} can't be opened inside the scope of shop {outer}.")
    token = _current_shop_id.set(shop_id)
    try:
        yield shop_id
    finally:
        _current_shop_id.reset(token)


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
