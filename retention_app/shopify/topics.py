"""The topics we subscribe to and what each one hints at. A test compares the table with `shopify.app.toml`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What is done about deliveries. The first three are read again by id, the others acted on from the body."""

    CUSTOMERS = "customers"
    PRODUCTS = "products"
    ORDERS = "orders"
    BULK_FINISHED = "bulk_finished"
    UNINSTALLED = "uninstalled"


@dataclass(frozen=True)
class Handling:
    """`id_at` is where the body keeps the id of the resource to read."""

    kind: Kind
    id_at: tuple[str, ...] = ("id",)


_ORDER = Handling(Kind.ORDERS)
_CUSTOMER = Handling(Kind.CUSTOMERS)
_PRODUCT = Handling(Kind.PRODUCTS)

TOPIC_HANDLERS: dict[str, Handling] = {
    "orders/create": _ORDER,
    "orders/updated": _ORDER,
    "orders/paid": _ORDER,
    "orders/edited": Handling(Kind.ORDERS, ("order_edit", "order_id")),
    "orders/cancelled": _ORDER,
    "refunds/create": Handling(Kind.ORDERS, ("order_id",)),
    "customers/create": _CUSTOMER,
    "customers/update": _CUSTOMER,
    "products/create": _PRODUCT,
    "products/update": _PRODUCT,
    "bulk_operations/finish": Handling(Kind.BULK_FINISHED, ("admin_graphql_api_id",)),
    "app/uninstalled": Handling(Kind.UNINSTALLED),
}
