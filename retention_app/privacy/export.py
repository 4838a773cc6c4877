"""Everything we hold about a customer, as a file for the merchant to hand on."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection
from typing import Any

import orjson
from django.db.models import Q

from retention_app import clock
from retention_app.models import Customer, DiscountCode, Order, PrivacyExport, PrivacyRequest, Shop
from retention_app.privacy.engines import engines
from retention_app.privacy.person import family, orders_named

KEPT = dt.timedelta(days=30)  # how long the file waits to be fetched


def export_write(request: PrivacyRequest, body: bytes | None, *, keep: Callable[[], None]) -> dict[str, int]:
    """Write the file that answers a data request, in the caller's transaction; answers its proof. A customer we hold
    nothing about gets no file. `keep` is called now and then."""
    assert request.customer_shopify_id is not None  # emptied only when done
    shop = Shop.objects.get(id=request.shop_id)
    customers = family(request.customer_shopify_id)
    orders = _orders([customer.id for customer in customers], orders_named(body))
    if not customers and not orders:
        return {"customers": 0, "orders": 0}
    now = clock.now()
    content = {
        "shop": shop.domain,
        "written_at": now,
        "requested_at": request.received_at,
        "customers": [_customer(customer) for customer in customers],
        "orders": [_order(order) for order in orders],
        "discount_codes": _codes([customer.id for customer in customers]),
    }
    for engine in engines():
        keep()
        part = engine.customer_export(shop, [customer.id for customer in customers])
        if part is not None:
            content[engine.name] = part
    keep()
    PrivacyExport.objects.update_or_create(
        shop_id=shop.id,
        request=request,
        defaults={
            "created_at": now,
            "expires_at": now + KEPT,
            "content": orjson.dumps(content, option=orjson.OPT_INDENT_2).decode(),
        },
    )
    return {"customers": len(customers), "orders": len(orders)}


def people_of(export: PrivacyExport) -> list[dict[str, Any]]:
    """Whom a file is about: its customers, with `shopify_id`, name and e-mail address."""
    people: list[dict[str, Any]] = orjson.loads(export.content)["customers"]
    return people


def _customer(customer: Customer) -> dict[str, Any]:
    return _columns(
        customer,
        "shopify_id",
        "first_name",
        "last_name",
        "email",
        "locale",
        "account_state",
        "signed_in_at",
        "created_at",
        "updated_at",
        "gone_at",
        "orders_count",
        "spent_minor",
        "first_order_at",
        "last_order_at",
    )


def _orders(customer_ids: Collection[int], shopify_ids: Collection[int]) -> list[Order]:
    """The person's orders, and those the request names that are nobody's: placed without an account."""
    asked = Q(customer_id__in=customer_ids) | Q(customer=None, shopify_id__in=shopify_ids)
    related = ("discount_codes", "lines", "refunds__lines", "transactions")
    return list(Order.objects.filter(asked).prefetch_related(*related).order_by("processed_at", "id"))


def _order(order: Order) -> dict[str, Any]:
    return {
        **_columns(
            order,
            "shopify_id",
            "name",
            "currency",
            "processed_at",
            "paid_at",
            "fulfilled_at",
            "cancelled_at",
            "financial_status",
            "total_minor",
            "refunded_minor",
        ),
        "discount_codes": [row.code for row in order.discount_codes.all()],
        "lines": [
            _columns(line, "title", "sku", "quantity", "current_quantity", "net_minor") for line in order.lines.all()
        ],
        "refunds": [
            {
                **_columns(refund, "processed_at", "total_minor", "unlined_minor"),
                "lines": [_columns(line, "line_shopify_id", "quantity", "net_minor") for line in refund.lines.all()],
            }
            for refund in order.refunds.all()
        ],
        "transactions": [
            _columns(row, "kind", "status", "gateway", "amount_minor", "processed_at")
            for row in order.transactions.all()
        ],
    }


def _codes(customer_ids: Collection[int]) -> list[dict[str, Any]]:
    codes = DiscountCode.objects.filter(customer_id__in=customer_ids).order_by("id")
    return [
        _columns(code, "code", "kind", "value", "currency", "state", "given_at", "expires_at", "note") for code in codes
    ]


def _columns(row: Any, *names: str) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}
