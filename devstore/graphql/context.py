"""What the resolvers of one call know: the shop, the token's scopes, and the documents read for it so far."""

import random
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from devstore import records
from devstore.knobs import happens
from devstore.records import Kind
from devstore.shops import Shop
from devstore.state import ids_json, load


class Loader:
    """Documents by id, read a whole set at a time: who loads a page says which other documents the page mentions, and
    the first of them asked for brings them all."""

    def __init__(self, shop: Shop, connection: sqlite3.Connection, stale: float) -> None:
        self.shop = shop
        self.connection = connection
        self.stale = stale
        self._read: dict[Kind, dict[int, Any]] = {"Customer": {}, "Order": {}, "Product": {}}
        self._mentioned: dict[Kind, set[int]] = {"Customer": set(), "Order": set(), "Product": set()}
        self._orders_of: dict[int, list[Any]] = {}
        self._collections: dict[int, Any] | None = None

    def get(self, kind: Kind, number: int | None) -> Any:
        """The document, or None when the shop has none of that id."""
        if number is None:
            return None
        read = self._read[kind]
        if number not in read:
            wanted = self._mentioned[kind] | {number}
            self._mentioned[kind] = set()
            found = self.arrive(kind, records.by_ids(self.connection, self.shop.id, kind, wanted))
            read.update({each: found.get(each) for each in wanted})
        return read[number]

    def orders_of(self, customer_id: int) -> list[Any]:
        """A customer's orders, oldest first; those of all customers read so far come in one query."""
        if customer_id not in self._orders_of:
            wanted = {customer_id, *self._read["Customer"]} - self._orders_of.keys()
            self._orders_of.update({each: [] for each in wanted})
            rows = self.connection.execute(
                "SELECT id, document FROM orders WHERE shop_id = ? AND customer_id IN (SELECT value FROM json_each(?))"
                " ORDER BY processed_at, id",
                (self.shop.id, ids_json(wanted)),
            )
            for order in self.arrive("Order", {number: load(document) for number, document in rows}).values():
                self._orders_of[order["customer_id"]].append(order)
        return self._orders_of[customer_id]

    def collections(self) -> dict[int, Any]:
        """All collections of the shop by id, oldest first."""
        if self._collections is None:
            found = records.collections(self.connection, self.shop.id)
            self._collections = {each["id"]: {**each, "__typename": "Collection"} for each in found}
        return self._collections

    def arrive(self, kind: Kind, documents: dict[int, Any]) -> dict[int, Any]:
        """Take note of documents just read: name their type, let some be stale, and note whom they mention."""
        if self.stale and documents:
            for number, earlier in records.earlier_states(self.connection, kind, list(documents)).items():
                if happens(self.stale):
                    documents[number] = random.choice(earlier)
        for document in documents.values():
            document["__typename"] = kind
            if kind == "Order":
                self.mention("Customer", (document["customer_id"],))
                self.mention("Product", (line["product_id"] for line in document["lines"]))
            elif kind == "Customer":
                self.mention("Order", (document["last_order_id"],))
        self._read[kind].update(documents)
        return documents

    def mention(self, kind: Kind, numbers: Iterable[int | None]) -> None:
        """These will be asked for: read them together when the first one is."""
        read = self._read[kind]
        self._mentioned[kind].update(number for number in numbers if number is not None and number not in read)


@dataclass
class BulkPage:
    """The part of a bulk query's top-level connection being read: the executor's resolvers take `first` and `after`
    from here and leave the cursor of what follows, None at the end."""

    first: int
    after: str | None = None
    next: str | None = None


@dataclass
class Context:
    """`withheld`: the app may not see who customers are. `created` names what a mutation has made, for the call
    log."""

    shop: Shop
    scopes: frozenset[str]
    loader: Loader
    version: str
    offline: bool = True
    bulk: BulkPage | None = None
    withheld: bool = False
    created: list[str] = field(default_factory=list)
    currency: str = field(init=False)

    def __post_init__(self) -> None:
        self.currency = self.shop.currency

    @property
    def connection(self) -> sqlite3.Connection:
        return self.loader.connection
