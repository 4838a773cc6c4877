"""Documents as pages show them: plain dicts with the URLs, sums and permissions that templates need."""

from typing import Any
from urllib.parse import quote

from devstore import orders
from devstore.documents import Collection, Customer, FinancialStatus, FulfilmentStatus, Line, Order, Product, Variant

STATES: dict[FinancialStatus, tuple[str, str]] = {
    "PENDING": ("Payment pending", "warning"),
    "PARTIALLY_PAID": ("Partly paid", "warning"),
    "PAID": ("Paid", "good"),
    "PARTIALLY_REFUNDED": ("Partly refunded", ""),
    "REFUNDED": ("Refunded", ""),
    "VOIDED": ("Voided", "bad"),
}
SENDING: dict[FulfilmentStatus, tuple[str, str]] = {
    "UNFULFILLED": ("Not sent", ""),
    "PARTIALLY_FULFILLED": ("Partly sent", "warning"),
    "FULFILLED": ("Sent", "good"),
}
PRODUCT_STATES: dict[str, str] = {"ACTIVE": "Active", "DRAFT": "Draft", "ARCHIVED": "Archived"}
DEFAULT_VARIANT = "Default Title"


def product_url(product: Product) -> str:
    return f"/products/{quote(product['handle'])}"


def picture_url(product: Product) -> str:
    return f"/devstore/pictures/{quote(product['handle'])}.svg"


def variant_title(variant: Variant) -> str | None:
    """The variant's own name; None for a product's only variant."""
    return None if variant["title"] == DEFAULT_VARIANT else variant["title"]


def full_title(title: str, variant: str | None) -> str:
    return f"{title} - {variant}" if variant else title


def product_shown(product: Product) -> dict[str, Any]:
    prices = [variant["price"] for variant in product["variants"]]
    return {
        "title": product["title"],
        "description": product["description"],
        "url": product_url(product),
        "picture": picture_url(product),
        "option_name": None if product["option"] == "Title" else product["option"],
        "price": min(prices),
        "price_varies": min(prices) != max(prices),
        "variants": product["variants"],
    }


def variants_shown(products: list[Product]) -> list[dict[str, Any]]:
    """Every variant of these products with its full title."""
    return [
        {"id": variant["id"], "price": variant["price"], "title": full_title(product["title"], variant_title(variant))}
        for product in products
        for variant in product["variants"]
    ]


def order_url(order: Order) -> str:
    return f"/orders/{order['token']}"


def staff_order_url(order_id: int) -> str:
    return f"/devstore/staff/orders/{order_id}"


def product_labels_shown(product: Product, collections: list[Collection]) -> dict[str, Any]:
    """A product with its tags and the titles of its collections, for staff."""
    held = product["collection_ids"]
    return {
        "id": product["id"],
        "title": product["title"],
        "state": PRODUCT_STATES[product["status"]],
        "url": product_url(product),
        "staff_url": f"/devstore/staff/products/{product['id']}",
        "updated_at": product["updated_at"],
        "tags": ", ".join(product["tags"]),
        "collections": [each["title"] for each in collections if each["id"] in held],
    }


def line_shown(line: Line) -> dict[str, Any]:
    """`quantity` is what was ordered in the end (edits counted), `left` what of it was not refunded, `to_send` what was
    neither refunded nor sent, `total` its price before discounts."""
    return {
        "id": line["id"],
        "title": full_title(line["title"], line["variant_title"]),
        "price": line["price"],
        "quantity": line["quantity"] - line["removed"],
        "left": orders.current_quantity(line),
        "refunded": line["refunded"],
        "to_send": orders.unfulfilled_quantity(line),
        "total": line["price"] * (line["quantity"] - line["removed"]),
    }


def fulfilments_shown(order: Order) -> list[dict[str, Any]]:
    """What was sent and when, with the number of units."""
    return [
        {
            "id": each["id"],
            "name": f"{order['name']}.{each['number']}",
            "created_at": each["created_at"],
            "units": sum(line["quantity"] for line in each["lines"]),
            "cancelled": each["status"] == "CANCELLED",
        }
        for each in order["fulfilments"]
    ]


def order_shown(order: Order) -> dict[str, Any]:
    """An order with its lines, for customers and staff alike; `state` and `sending` are English, to be translated."""
    state, tone = ("Cancelled", "bad") if order["cancelled_at"] else STATES[order["financial_status"]]
    sending, sending_tone = SENDING[orders.fulfilment_status(order["lines"])]
    shipping = order["shipping"] or {"price": 0, "refunded": 0}
    refundable = order["received"] - order["refunded"]
    address = order["shipping_address"]
    return {
        "id": order["id"],
        "name": order["name"],
        "url": order_url(order),
        "staff_url": staff_order_url(order["id"]),
        "email": order["email"],
        "first_name": address["first_name"] if address else None,
        "processed_at": order["processed_at"],
        "cancelled_at": order["cancelled_at"],
        "test": order["test"],
        "state": state,
        "tone": tone,
        "sending": sending,
        "sending_tone": sending_tone,
        "fulfilments": fulfilments_shown(order),
        "lines": [line_shown(line) for line in order["lines"]],
        "line_total": order["line_total"],
        "discount": order["discounts"],
        "shipping": shipping["price"],
        "shipping_left": shipping["price"] - shipping["refunded"],
        "tax": order["tax"],
        "taxes_included": order["taxes_included"],
        "total": order["total"],
        "received": order["received"],
        "refunded": order["refunded"],
        "refundable": refundable,
        "refunds": order["refunds"],
        "outstanding": order["outstanding"],
        "can_refund": refundable > 0,
        "can_fulfil": not order["cancelled_at"] and any(map(orders.unfulfilled_quantity, order["lines"])),
        "can_edit": not order["cancelled_at"],
        "can_pay": order["outstanding"] > 0 and not order["cancelled_at"],
        "can_cancel": not order["cancelled_at"],
    }


def customer_name(customer: Customer) -> str:
    """First and last name, or the e-mail address of somebody who gave none."""
    return " ".join(name for name in (customer["first_name"], customer["last_name"]) if name) or customer["email"]
