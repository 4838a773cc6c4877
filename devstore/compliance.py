"""What privacy law makes Shopify ask of an app: a customer's data, their redaction, and a shop's after it left. These
topics go out whether the app is installed or not."""

import sqlite3
from collections.abc import Sequence
from typing import Any

from devstore import clock, ids, records, webhooks
from devstore.orders import CommerceError
from devstore.payloads import Payload
from devstore.shops import Shop, Store

TOPICS = ("customers/data_request", "customers/redact", "shop/redact")
REDACT_AFTER_SECONDS = 48 * 3600  # from uninstalling to `shop/redact`


def request(shop: Shop, topic: str, customer_id: int | None = None, orders: Sequence[int] | None = None) -> Payload:
    """Send one of the topics and return its body. `orders` None means all of the customer's. A customer who is
    deleted already has no e-mail address any more. Raises CommerceError."""
    if topic not in TOPICS or not webhooks.subscribed(shop, topic):
        raise CommerceError(f"the app does not subscribe to {topic!r}; compliance topics are {', '.join(TOPICS)}")
    if topic != "shop/redact" and customer_id is None:
        raise CommerceError(f"{topic} is about a customer: customer_id")
    with shop.database.write() as connection:
        payload: Payload = {"shop_id": shop.id, "shop_domain": shop.domain}
        if customer_id is not None and topic != "shop/redact":
            payload |= _about(connection, shop, topic, customer_id, orders)
        webhooks.queue(connection, shop, topic, payload)
    return payload


def _about(
    connection: sqlite3.Connection, shop: Shop, topic: str, customer_id: int, orders: Sequence[int] | None
) -> dict[str, Any]:
    known = records.customer(connection, shop.id, customer_id)
    customer = {"id": customer_id, "email": known["email"] if known else None, "phone": None}
    concerned = list(orders) if orders is not None else records.order_ids_of(connection, shop.id, customer_id)
    if topic == "customers/redact":
        return {"customer": customer, "orders_to_redact": concerned}
    number = ids.take(connection, "DataRequest")
    return {"orders_requested": concerned, "customer": customer, "data_request": {"id": number}}


def redact_shops_that_left(store: Store) -> None:
    """Send `shop/redact` for shops that uninstalled the app 48 hours ago and have not come back."""
    for shop in store.shops.values():
        left = shop.document["uninstalled_at"]
        if left is None or clock.parse(left).timestamp() + REDACT_AFTER_SECONDS > store.clock.seconds():
            continue
        with store.database.write():
            if shop.document["uninstalled_at"] != left:  # another thread was here first
                continue
            shop.update(uninstalled_at=None)
            if webhooks.subscribed(shop, "shop/redact"):
                request(shop, "shop/redact")
