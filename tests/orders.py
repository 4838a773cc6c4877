"""Mapped rows for tests that go past the platform: what `retention_app.shopify.mapping` would answer."""

from __future__ import annotations

import datetime as dt
from typing import Any

EPOCH = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)


def at(minutes: float) -> dt.datetime:
    """An instant so many minutes after the tests' epoch."""
    return EPOCH + dt.timedelta(minutes=minutes)


def customer_row(shopify_id: int, **fields: Any) -> dict[str, Any]:
    return {
        "shopify_id": shopify_id,
        "first_name": f"First{shopify_id}",
        "last_name": f"Last{shopify_id}",
        "email": f"c{shopify_id}@example.com",
        "locale": "en",
        "account_state": "ENABLED",
        "verified_email": True,
        "created_at": at(0),
        "updated_at": at(0),
        **fields,
    }


def product_row(shopify_id: int, *labels: str, **fields: Any) -> dict[str, Any]:
    return {
        "shopify_id": shopify_id,
        "title": "Mug",
        "handle": "mug",
        "status": "ACTIVE",
        "product_type": "Mugs",
        "is_gift_card": False,
        "updated_at": at(1),
        "labels": sorted(labels),
        **fields,
    }


def line_row(shopify_id: int, net_minor: int, quantity: int = 1, **fields: Any) -> dict[str, Any]:
    return {
        "shopify_id": shopify_id,
        "product_shopify_id": 70,
        "title": f"Thing {shopify_id}",
        "sku": f"SKU-{shopify_id}",
        "quantity": quantity,
        "current_quantity": quantity,
        "gift_card": False,
        "net_minor": net_minor,
        **fields,
    }


def order_row(shopify_id: int, customer: int | None = 1, net_minor: int = 5000, **fields: Any) -> dict[str, Any]:
    """A paid order of one line; `lines`, `refunds` and any column can be given."""
    lines = fields.pop("lines", None) or [line_row(shopify_id * 10, net_minor)]
    processed_at = fields.get("processed_at", at(shopify_id))
    return {
        "shopify_id": shopify_id,
        "customer_shopify_id": customer,
        "name": f"#{shopify_id}",
        "currency": "USD",
        "processed_at": processed_at,
        "created_at": at(shopify_id),
        "updated_at": at(shopify_id),
        "cancelled_at": None,
        "test": False,
        "financial_status": "PAID",
        "paid": True,
        "paid_at": processed_at if fields.get("paid", True) else None,
        "fulfilled_at": None,
        "taxes_included": False,
        "total_minor": sum(line["net_minor"] for line in lines),
        "refunded_minor": 0,
        "lines": lines,
        "refunds": [],
        "transactions": [
            {
                "shopify_id": shopify_id * 10 + 1,
                "kind": "SALE",
                "status": "SUCCESS",
                "gateway": "bogus",
                "amount_minor": sum(line["net_minor"] for line in lines),
                "processed_at": processed_at,
            }
        ],
        "discount_codes": [],
        **fields,
    }


def refund_row(shopify_id: int, minutes: float, lines: list[tuple[int, int, int]], **fields: Any) -> dict[str, Any]:
    """A refund; `lines` are (line's Shopify id, quantity, net minor)."""
    return {
        "shopify_id": shopify_id,
        "processed_at": at(minutes),
        "total_minor": sum(net for _, _, net in lines),
        "unlined_minor": 0,
        "lines": [{"line_shopify_id": line, "quantity": n, "net_minor": net} for line, n, net in lines],
        **fields,
    }
