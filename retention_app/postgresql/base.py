"""Django's PostgreSQL backend, with the shop in scope told to every transaction.

The row-level policies compare `shop_id` with the setting `app.shop_id`. It is always transaction-local
(`set_config(…, true)`), so a pooled connection never carries one tenant's scope to the next: inside a transaction it
is set before the first query that needs it and again after a rolled-back savepoint (which takes the setting back);
a lone query inside a scope gets a short transaction of its own.
https://www.postgresql.org/docs/15/functions-admin.html#FUNCTIONS-ADMIN-SET
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.backends.postgresql import base

from retention_app.scope import scoped_shop_id

_UNKNOWN = -1  # after a rolled-back savepoint: the setting is what it was at the savepoint


class DatabaseWrapper(base.DatabaseWrapper):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._announced: int | None = None  # the shop this transaction's policies were told
        self.execute_wrappers.append(self._execute_in_scope)

    def _execute_in_scope(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
    ) -> Any:
        shop_id = scoped_shop_id()
        if not self.get_autocommit():
            if shop_id != self._announced:
                self._announce(shop_id)
            return execute(sql, params, many, context)
        if shop_id is None:
            return execute(sql, params, many, context)
        with self.connection.transaction():
            self._announce(shop_id)
            result = execute(sql, params, many, context)
        self._announced = None
        return result

    def _announce(self, shop_id: int | None) -> None:
        self.connection.execute("SELECT set_config('app.shop_id', %s, true)", ["" if shop_id is None else str(shop_id)])
        self._announced = shop_id

    def _set_autocommit(self, autocommit: bool) -> None:
        self._announced = None
        super()._set_autocommit(autocommit)  # type: ignore[misc]  # the stubs leave out what backends override

    def _commit(self) -> None:
        self._announced = None
        super()._commit()  # type: ignore[misc]  # the stubs leave out what backends override

    def _rollback(self) -> None:
        self._announced = None
        super()._rollback()  # type: ignore[misc]  # the stubs leave out what backends override

    def _savepoint_rollback(self, sid: str) -> None:
        super()._savepoint_rollback(sid)  # type: ignore[misc]  # the stubs leave out what backends override
        self._announced = _UNKNOWN

    def _close(self) -> Any:
        self._announced = None
        return super()._close()  # type: ignore[misc]  # the stubs leave out what backends override
