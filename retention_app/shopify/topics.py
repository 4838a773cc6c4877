"""The topics we subscribe to and what each one hints at. A test compares the table with `shopify.app.toml`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What is done about deliveries. The shop comes first, for it may have moved; its accounts have it read again as
    well. The next four are read again by id, a merge's two customers before one of them is found missing; the others
    are acted on from the body."""

    SHOP = "shop"
    ACCOUNTS = "accounts"
    MERGED = "merged"
    CUSTOMERS = "customers"
    PRODUCTS = "products"
    ORDERS = "orders"
    THEME = "theme"
    BULK_FINISHED = "bulk_finished"
    UNINSTALLED = "uninstalled"
    DATA_REQUEST = "data_request"
    CUSTOMER_REDACT = "customer_redact"
    SHOP_REDACT = "shop_redact"


@dataclass(frozen=True)
class Handling:
    """`id_at` is where the body keeps the id of the resource to read; `deletes`: it tells that the resource is gone."""

    kind: Kind
    id_at: tuple[str, ...] = ("id",)
    deletes: bool = False


_ORDER = Handling(Kind.ORDERS)
_CUSTOMER = Handling(Kind.CUSTOMERS)
_PRODUCT = Handling(Kind.PRODUCTS)

TOPIC_HANDLERS: dict[str, Handling] = {
    "orders/create": _ORDER,
    "orders/updated": _ORDER,
    "orders/paid": _ORDER,
    "orders/edited": Handling(Kind.ORDERS, ("order_edit", "order_id")),
    "orders/cancelled": _ORDER,
    "orders/delete": Handling(Kind.ORDERS, deletes=True),
    "refunds/create": Handling(Kind.ORDERS, ("order_id",)),
    "customers/create": _CUSTOMER,
    "customers/update": _CUSTOMER,
    "customers/delete": Handling(Kind.CUSTOMERS, deletes=True),
    "customers/merge": Handling(Kind.MERGED, ("admin_graphql_api_customer_deleted_id",)),
    "customers_email_marketing_consent/update": Handling(Kind.CUSTOMERS, ("customer_id",)),
    "products/create": _PRODUCT,
    "products/update": _PRODUCT,
    "products/delete": Handling(Kind.PRODUCTS, deletes=True),
    "themes/publish": Handling(Kind.THEME),
    "bulk_operations/finish": Handling(Kind.BULK_FINISHED, ("admin_graphql_api_id",)),
    "app/uninstalled": Handling(Kind.UNINSTALLED),
    "customers/data_request": Handling(Kind.DATA_REQUEST, ("customer", "id")),
    "customers/redact": Handling(Kind.CUSTOMER_REDACT, ("customer", "id")),
    "shop/redact": Handling(Kind.SHOP_REDACT, ("shop_id",)),
    "app/scopes_update": Handling(Kind.SHOP, ("shop_id",)),
    "shop/update": Handling(Kind.SHOP),
    "customer_account_settings/update": Handling(Kind.ACCOUNTS, ("customer_accounts_version",)),
}
