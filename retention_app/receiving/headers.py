"""A delivery's headers: read in one pass, bounded to what their columns take. Pure."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from retention_app.shopify.auth import is_shop_domain


class Delivery(NamedTuple):
    """What is stored of a delivery; the fields are columns of `WebhookDelivery`."""

    webhook_id: str
    event_id: str
    shop_domain: str
    topic: str
    api_version: str
    triggered_at: str
    body: bytes
    received_at: dt.datetime


# The column a header goes into, the fewest and the most characters it may have.
_COLUMNS = {
    b"x-shopify-webhook-id": ("webhook_id", 1, 128),
    b"x-shopify-event-id": ("event_id", 0, 128),
    b"x-shopify-shop-domain": ("shop_domain", 1, 255),
    b"x-shopify-topic": ("topic", 1, 64),
    b"x-shopify-api-version": ("api_version", 0, 16),
    b"x-shopify-triggered-at": ("triggered_at", 0, 64),
}
_FIELDS = {name: column for name, (column, _, _) in _COLUMNS.items()} | {b"x-shopify-hmac-sha256": "signature"}
# Printable ASCII without the space.
_BOUNDS = [(column, re.compile(rf"[\x21-\x7e]{{{least},{most}}}")) for column, least, most in _COLUMNS.values()]


def fields_from(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """The headers we read, by the name of their column, and the `signature`. What appears twice is joined by a comma,
    so it never passes for one value where that matters: no signature and no shop has a comma."""
    fields: dict[str, str] = {}
    for name, value in headers:
        field = _FIELDS.get(name)
        if field is not None:
            text = value.decode("latin-1")
            fields[field] = f"{fields[field]},{text}" if field in fields else text
    return fields


def delivery_from(fields: Mapping[str, str], body: bytes, received_at: dt.datetime) -> Delivery | None:
    """The delivery; None when a required header is missing or one can't be what it says."""
    values = []
    for column, bounds in _BOUNDS:
        value = fields.get(column, "")
        if not bounds.fullmatch(value):
            return None
        values.append(value)
    delivery = Delivery._make((*values, body, received_at))
    return delivery if is_shop_domain(delivery.shop_domain) else None
