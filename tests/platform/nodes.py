"""GraphQL nodes as the platform answers them."""

from __future__ import annotations

import json
from typing import Any

Node = dict[str, Any]


def bag(amount: str) -> Node:
    return {"shopMoney": {"amount": amount}}


def page(*nodes: Node, more: str | None = None) -> Node:
    """A connection; `more` is the cursor behind which it goes on."""
    return {"pageInfo": {"hasNextPage": more is not None, "endCursor": more or "end"}, "nodes": list(nodes)}


def line_node(number: int, total: str, *, quantity: int = 1, **fields: Any) -> Node:
    return {
        "id": f"gid://shopify/LineItem/{number}",
        "title": "Coffee beans",
        "sku": "COF-250",
        "quantity": quantity,
        "currentQuantity": quantity,
        "isGiftCard": False,
        "product": {"id": "gid://shopify/Product/7001"},
        "originalTotalSet": bag(total),
        "discountAllocations": [],
        "taxLines": [],
        **fields,
    }


def discounts(*amounts: str) -> list[Node]:
    return [{"allocatedAmountSet": bag(amount)} for amount in amounts]


def taxes(*amounts: str) -> list[Node]:
    return [{"priceSet": bag(amount)} for amount in amounts]


def refund_line(line: int, subtotal: str, tax: str = "0.00", *, quantity: int = 1) -> Node:
    return {
        "quantity": quantity,
        "subtotalSet": bag(subtotal),
        "totalTaxSet": bag(tax),
        "lineItem": {"id": f"gid://shopify/LineItem/{line}"},
    }


def refund_shipping(subtotal: str, tax: str = "0.00") -> Node:
    return {"subtotalAmountSet": bag(subtotal), "taxAmountSet": bag(tax)}


def refund_node(number: int, total: str, *lines: Node, shipping: tuple[Node, ...] = ()) -> Node:
    return {
        "id": f"gid://shopify/Refund/{number}",
        "processedAt": "2026-11-21T14:00:00Z",
        "totalRefundedSet": bag(total),
        "refundLineItems": page(*lines),
        "refundShippingLines": page(*shipping),
    }


def fulfilment_node(created_at: str, status: str = "SUCCESS") -> Node:
    return {"createdAt": created_at, "status": status}


def order_node(number: int = 6001, *lines: Node, total: str = "40.90", **fields: Any) -> Node:
    return {
        "id": f"gid://shopify/Order/{number}",
        "name": f"#{number}",
        "processedAt": "2026-11-21T10:02:07Z",
        "createdAt": "2026-11-21T10:02:07Z",
        "updatedAt": "2026-11-21T10:02:09Z",
        "cancelledAt": None,
        "test": False,
        "currencyCode": "EUR",
        "displayFinancialStatus": "PAID",
        "fullyPaid": True,
        "displayFulfillmentStatus": "UNFULFILLED",
        "discountCodes": [],
        "taxesIncluded": False,
        "customer": {"id": "gid://shopify/Customer/8101"},
        "totalPriceSet": bag(total),
        "totalRefundedSet": bag("0.00"),
        "lineItems": page(*lines),
        "transactions": [],
        "fulfillments": [],
        "refunds": [],
        **fields,
    }


CLASSIC_ACCOUNTS = {"customerAccountsV2": {"customerAccountsVersion": "CLASSIC"}}  # of a shop


def customer_node(number: int = 8101, **fields: Any) -> Node:
    return {
        "id": f"gid://shopify/Customer/{number}",
        "firstName": "Ana",
        "lastName": "Petrova",
        "locale": "de",
        "state": "ENABLED",
        "verifiedEmail": True,
        "createdAt": "2026-01-12T08:00:00Z",
        "updatedAt": "2026-11-21T10:02:07Z",
        "defaultEmailAddress": {"emailAddress": "ana@example.com"},
        **fields,
    }


def collection_node(number: int) -> Node:
    return {"id": f"gid://shopify/Collection/{number}"}


def product_node(number: int = 7001, *collections: int, **fields: Any) -> Node:
    return {
        "id": f"gid://shopify/Product/{number}",
        "title": "Coffee beans",
        "handle": "coffee-beans",
        "status": "ACTIVE",
        "productType": "Coffee",
        "isGiftCard": False,
        "updatedAt": "2026-11-21T10:02:07Z",
        "tags": ["Tea"],
        "collections": page(*map(collection_node, collections)),
        **fields,
    }


def theme_node(*blocks: Node, content: str | None = None, name: str = "Dawn") -> Node:
    """A theme whose settings have these app embeds, or say `content`."""
    settings = {"current": {"blocks": {str(number): block for number, block in enumerate(blocks)}}, "presets": {}}
    body = {"content": "/* Written by the platform. */\n" + json.dumps(settings) if content is None else content}
    return {"id": "gid://shopify/OnlineStoreTheme/5", "name": name, "files": {"nodes": [{"body": body}]}}


def embed(block: str = "encore-rewards", **fields: Any) -> Node:
    return {"type": f"shopify://apps/encore/blocks/{block}/0192", "disabled": False, "settings": {}, **fields}
