"""The platform's GraphQL nodes → plain rows for the mirror. One mapper for webhook, import and reconciliation.

Amounts become integer minor units of the order's currency, instants aware UTC datetimes, ids integers. Text the
platform withholds is empty, a withheld customer is None. Raises `UnreadableAnswer` for a node that can't be taken
exactly.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any, Literal, cast

from retention_app import labels
from retention_app.money import minor_units
from retention_app.shopify.errors import UnreadableAnswer

Node = dict[str, Any]
Row = dict[str, Any]
Kind = Literal["Customer", "Order", "Product", "ScriptTag", "BulkOperation"]

_RECEIVED = frozenset({"SALE", "CAPTURE"})  # kinds of transactions that bring money in
_RETURNED = frozenset({"PARTIALLY_REFUNDED", "REFUNDED"})  # statuses that hide whether all was paid before


def gid(kind: Kind, shopify_id: int) -> str:
    """6001000000001 → `gid://shopify/Order/6001000000001`."""
    return f"gid://shopify/{kind}/{shopify_id}"


def numeric_id(global_id: str) -> int:
    """`gid://shopify/Order/6001000000001` → 6001000000001. Raises ValueError for anything else."""
    return int(global_id.rpartition("/")[2])


def instant(text: str) -> dt.datetime:
    """RFC 3339, up to nanoseconds → aware UTC. Raises ValueError without an offset."""
    value = dt.datetime.fromisoformat(text)
    if value.tzinfo is None:
        raise ValueError(f"{text} has no offset.")
    return value.astimezone(dt.UTC)


def _text(value: str | None, limit: int = 255) -> str:
    """Text that fits its column: no NUL (PostgreSQL refuses it), cut at `limit` characters, empty for none."""
    return (value or "").replace("\0", "")[:limit]


def _names_its_node(mapper: Callable[..., Row]) -> Callable[..., Row]:
    @wraps(mapper)
    def mapped(node: Node, *args: Any) -> Row:
        try:
            return mapper(node, *args)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            name = node.get("id") if isinstance(node, dict) else None
            raise UnreadableAnswer(f"{name or 'A node without id'}: {type(error).__name__}: {error}") from error

    return mapped


@_names_its_node
def customer(node: Node) -> Row:
    """A customer; names and e-mail are empty until the platform approves reading them. `account_state` as the platform
    says it (`ENABLED`); it means something with classic customer accounts only."""
    return {
        "shopify_id": numeric_id(node["id"]),
        "first_name": _text(node.get("firstName")),
        "last_name": _text(node.get("lastName")),
        "email": _text((node.get("defaultEmailAddress") or {}).get("emailAddress"), 320),
        "locale": _text(node.get("locale"), 16),
        "account_state": _text(node["state"], 16),
        "verified_email": bool(node["verifiedEmail"]),
        "created_at": instant(node["createdAt"]),
        "updated_at": instant(node["updatedAt"]),
    }


@_names_its_node
def product(node: Node, collections: Iterable[Node]) -> Row:
    """A product with its labels; `status` as the platform says it (`ACTIVE`), `collections` are all it is in."""
    tags = {labels.of_tag(_text(tag)) for tag in node["tags"]}
    return {
        "shopify_id": numeric_id(node["id"]),
        "title": _text(node["title"], 512),
        "handle": _text(node.get("handle")),
        "status": _text(node["status"], 16),
        "product_type": _text(node.get("productType")),
        "is_gift_card": bool(node.get("isGiftCard")),
        "updated_at": instant(node["updatedAt"]),
        "labels": sorted(tags | {labels.of_collection(numeric_id(each["id"])) for each in collections}),
    }


def order_needs_refunds(node: Node) -> bool:
    """Whether a bulk node's refunds must be completed by `reads.read_orders` (bulk gives their ids only)."""
    return any("totalRefundedSet" not in refund for refund in node.get("refunds") or ())


@_names_its_node
def order(node: Node, lines: Sequence[Node]) -> Row:
    """An order aggregate with its lines, refunds and transactions.

    `node` is an order as `OrdersByIds` gives it, its refunds' pages already whole; `lines` are all its line items.
    Line: `net_minor` is the price of `quantity` pieces after all discounts, without tax.
    Refund: `unlined_minor` is what was given back beyond the lines, their tax and shipping, and beyond what was owed
    anyway: money taken for pieces that an edit removed, or for lines returned without money. `refunded_minor` leaves
    out what was only overpaid. An order is paid while what came in covers its total, items added later included;
    `paid_at` is when that came in which covers it, None where the platform doesn't say. `fulfilled_at` is when the last
    of a wholly fulfilled order was sent.
    """
    if order_needs_refunds(node):
        raise ValueError("its refunds are not complete")
    currency = node["currencyCode"]
    taxes_included = node["taxesIncluded"]

    def money(bag: Node) -> int:
        return minor_units(bag["shopMoney"]["amount"], currency)

    total, status = money(node["totalPriceSet"]), node["displayFinancialStatus"]
    transactions = [_transaction(transaction, money) for transaction in node["transactions"]]
    received = sum(row["amount_minor"] for row in transactions if _is_received(row))
    overpaid = max(0, received - total)
    paid = status == "PAID" or (status in _RETURNED and (not received or received >= total))
    processed_at = instant(node["processedAt"])
    return {
        "shopify_id": numeric_id(node["id"]),
        "customer_shopify_id": numeric_id(node["customer"]["id"]) if node.get("customer") else None,
        "customer_withheld": "customer" in node.get("withheld", ()),
        "name": _text(node["name"], 64),
        "currency": currency,
        "processed_at": processed_at,
        "created_at": instant(node["createdAt"]),
        "updated_at": instant(node["updatedAt"]),
        "cancelled_at": instant(node["cancelledAt"]) if node["cancelledAt"] else None,
        "test": node["test"],
        "financial_status": _text(status, 24),
        "paid": paid,
        "paid_at": _paid_at(transactions, total, processed_at) if paid else None,
        "fulfilled_at": _fulfilled_at(node),
        "taxes_included": taxes_included,
        "total_minor": total,
        "refunded_minor": max(0, money(node["totalRefundedSet"]) - overpaid),
        "lines": [_line(line, money, taxes_included) for line in lines],
        "refunds": _refunds([_refund(refund, money, taxes_included) for refund in node["refunds"]], overpaid),
        "transactions": transactions,
        "discount_codes": sorted({_text(code).strip().upper() for code in node["discountCodes"]}),
    }


def _paid_at(transactions: Iterable[Row], total: int, placed_at: dt.datetime) -> dt.datetime | None:
    """When what came in covered the total; an order for nothing is paid as it is placed."""
    if total <= 0:
        return placed_at
    incoming = [row for row in transactions if _is_received(row) and row["processed_at"]]
    for row in sorted(incoming, key=lambda row: (row["processed_at"], row["shopify_id"])):
        total -= row["amount_minor"]
        if total <= 0:
            return cast(dt.datetime, row["processed_at"])
    return None


def _is_received(transaction: Row) -> bool:
    return transaction["kind"] in _RECEIVED and transaction["status"] == "SUCCESS"


def _fulfilled_at(node: Node) -> dt.datetime | None:
    if node["displayFulfillmentStatus"] != "FULFILLED":
        return None
    sent = (instant(each["createdAt"]) for each in node["fulfillments"] if each["status"] == "SUCCESS")
    return max(sent, default=None)


def _refunds(refunds: list[Row], owed: int) -> list[Row]:
    """The refunds, their amounts without lines settling first what was owed anyway, in the order they were made."""
    for refund in sorted(refunds, key=lambda row: (row["processed_at"], row["shopify_id"])):
        beyond = refund["unlined_minor"]
        refund["unlined_minor"] = max(0, beyond - owed)
        owed = max(0, owed - beyond)
    return refunds


def _line(node: Node, money: Callable[[Node], int], taxes_included: bool) -> Row:
    net = money(node["originalTotalSet"]) - sum(
        money(allocation["allocatedAmountSet"]) for allocation in node["discountAllocations"]
    )
    if taxes_included:
        net -= sum(money(tax["priceSet"]) for tax in node["taxLines"])
    return {
        "shopify_id": numeric_id(node["id"]),
        "product_shopify_id": numeric_id(node["product"]["id"]) if node.get("product") else None,
        "title": _text(node["title"], 512),
        "sku": _text(node.get("sku")),
        "quantity": node["quantity"],
        "current_quantity": node["currentQuantity"],
        "gift_card": node["isGiftCard"],
        "net_minor": net,
    }


def _refund(node: Node, money: Callable[[Node], int], taxes_included: bool) -> Row:
    """One refund; `unlined_minor` is negative where lines came back for less money than they had cost."""
    total = money(node["totalRefundedSet"])
    explained = 0
    lines = []
    for part in node["refundLineItems"]["nodes"]:
        subtotal, tax = money(part["subtotalSet"]), money(part["totalTaxSet"])
        explained += subtotal if taxes_included else subtotal + tax
        lines.append(
            {
                "line_shopify_id": numeric_id(part["lineItem"]["id"]),
                "quantity": part["quantity"],
                "net_minor": subtotal - tax if taxes_included else subtotal,
            }
        )
    explained += _shipping(node["refundShippingLines"]["nodes"], money, taxes_included)
    return {
        "shopify_id": numeric_id(node["id"]),
        "processed_at": instant(node["processedAt"]),
        "total_minor": total,
        "unlined_minor": total - explained,
        "lines": lines,
    }


def _shipping(parts: Iterable[Node], money: Callable[[Node], int], taxes_included: bool) -> int:
    return sum(
        money(part["subtotalAmountSet"]) + (0 if taxes_included else money(part["taxAmountSet"])) for part in parts
    )


def _transaction(node: Node, money: Callable[[Node], int]) -> Row:
    return {
        "shopify_id": numeric_id(node["id"]),
        "kind": _text(node["kind"], 24),
        "status": _text(node["status"], 24),
        "gateway": _text(node.get("gateway"), 64),
        "amount_minor": money(node["amountSet"]),
        "processed_at": instant(node["processedAt"]) if node.get("processedAt") else None,
    }
