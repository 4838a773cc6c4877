"""What engines add to a customer's export and to an erasure. The kernel imports no engine.

An engine subclasses `EnginePrivacy` and registers one instance when its app is ready.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

from retention_app.models import Shop


class EnginePrivacy:
    """An engine's part, called inside the shop's scope. `customer_ids` are the mirror's, of one person."""

    name: ClassVar[str]  # its key in exports and proofs

    def customer_export(self, shop: Shop, customer_ids: Collection[int]) -> Any:
        """What the engine holds about the person, as data that JSON can write; None for nothing."""
        return None

    def customer_erase(self, customer_ids: Collection[int]) -> Mapping[str, int]:
        """Delete what says who the person is, in the caller's transaction; answers what was deleted and what was kept,
        in numbers. Safe to repeat."""
        return {}


_engines: list[EnginePrivacy] = []


def engine_register(engine: EnginePrivacy) -> None:
    """Add an engine's part, once for each class."""
    if not any(type(known) is type(engine) for known in _engines):
        _engines.append(engine)


def engines() -> Sequence[EnginePrivacy]:
    return tuple(_engines)
