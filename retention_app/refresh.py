"""Bringing resources of the mirror up to date by reading them again: the same way for webhooks and reconciliation."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from retention_app import clock, mirror, removals
from retention_app.models import Customer, DomainEvent
from retention_app.privacy import tombstones
from retention_app.shopify import reads
from retention_app.shopify.mapping import Row
from retention_app.shopify.topics import Kind
from retention_app.work import Keep

Origin = DomainEvent.Origin

READS_OF_MISSING = 3  # before null is believed: it may come from a slow copy of the platform's data


@dataclass(frozen=True)
class Refreshed:
    """What a read brought. `states`: Shopify id → row, None for what can't be taken yet; `gone`: the ids the platform
    doesn't know; `written`: the ids whose row in the mirror was written."""

    states: dict[int, Row | None]
    gone: frozenset[int]
    written: list[int]


def refresh(shop_id: int, kind: Kind, ids: Sequence[int], *, origin: Origin, keep: Keep) -> Refreshed:
    """Read resources and upsert them. `keep` is called now and then, to keep a lease. Raises as `Session.graphql`."""
    return _REFRESH[kind](shop_id, ids, origin, keep)


def forget(kind: Kind, ids: Collection[int], *, origin: Origin) -> int:
    """Take resources the platform has deleted out of the mirror; answers how many were there."""
    if not ids:
        return 0
    if kind is Kind.PRODUCTS:
        return removals.products_gone(ids)
    if kind is Kind.CUSTOMERS:
        gone = removals.customers_gone(ids, origin=origin)
        removals.merges_conclude(origin=origin)
        return gone
    return removals.orders_gone(ids, origin=origin)


AT_A_TIME = {
    Kind.CUSTOMERS: reads.CUSTOMERS_PER_READ,
    Kind.PRODUCTS: reads.PRODUCTS_PER_READ,
    Kind.ORDERS: reads.ORDERS_PER_READ,
}


def _gone(rows: dict[int, Row | None]) -> frozenset[int]:
    return frozenset(id_ for id_, row in rows.items() if row is None)


def _customers(shop_id: int, ids: Sequence[int], origin: Origin, keep: Keep) -> Refreshed:
    read_at = clock.now()
    rows = reads.read_customers(shop_id, ids)
    written = mirror.customers_upsert((row for row in rows.values() if row), read_at=read_at, origin=origin)
    return Refreshed(rows, _gone(rows), written)


def _products(shop_id: int, ids: Sequence[int], origin: Origin, keep: Keep) -> Refreshed:
    read_at = clock.now()
    rows = reads.read_products(shop_id, ids)
    written = mirror.products_upsert((row for row in rows.values() if row), read_at=read_at, origin=origin)
    return Refreshed(rows, _gone(rows), written)


def _orders(shop_id: int, ids: Sequence[int], origin: Origin, keep: Keep) -> Refreshed:
    """Orders, and before them their customers where the mirror doesn't know them yet. An order whose customer can't be
    found is written without one and answered as missing, so that both are read once more."""
    read_at = clock.now()
    rows = reads.read_orders(shop_id, ids, after_each=keep)
    orders = [order for order in rows.values() if order]
    buyers = {order["customer_shopify_id"] for order in orders} - {None}
    unknown = buyers - set(Customer.objects.filter(shopify_id__in=buyers).values_list("shopify_id", flat=True))
    unknown -= tombstones.erased(unknown).keys()
    if unknown:
        found = _customers(shop_id, sorted(unknown), origin, keep).states
        unknown -= {id_ for id_, customer in found.items() if customer}
    written = mirror.orders_upsert(orders, read_at=read_at, origin=origin)
    if written:
        removals.merges_conclude(origin=origin)
    states = {id_: None if order and order["customer_shopify_id"] in unknown else order for id_, order in rows.items()}
    return Refreshed(states, _gone(rows), written)


_REFRESH: dict[Kind, Callable[[int, Sequence[int], Origin, Keep], Refreshed]] = {
    Kind.CUSTOMERS: _customers,
    Kind.PRODUCTS: _products,
    Kind.ORDERS: _orders,
}
