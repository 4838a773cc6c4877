"""The shop in scope, as a context variable. `retention_app.tenancy` builds the models' side on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

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
