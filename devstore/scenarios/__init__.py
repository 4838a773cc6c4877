"""Seeded shops by name. A state folder holds one scenario; another one (or another file) starts from an empty
folder."""

from collections.abc import Callable

from devstore.scenarios import aurora, cdnow, csv, harbor
from devstore.scenarios.base import ScenarioError
from devstore.shops import Store

__all__ = ["NAMES", "ScenarioError", "load"]


def load_aurora(store: Store) -> None:
    """The scenario's shop and, beside it, a second one."""
    aurora.load(store)
    harbor.load(store)


NAMES: dict[str, Callable[[Store], None]] = {"aurora": load_aurora, "cdnow": cdnow.load, "csv": csv.load}


def load(store: Store) -> None:
    """Fill an empty store with its scenario; leave a filled one as it is. Raises ScenarioError."""
    name = store.config.scenario
    if not store.shops:
        with store.database.write():
            NAMES[name](store)
    elif store.default_shop.document["scenario"] != name:
        raise ScenarioError(
            f"{store.config.state_dir} holds scenario {store.default_shop.document['scenario']}, not {name}:"
            " empty it first"
        )
