"""What an order is and what may happen to it: pure functions on order documents, no database and no clock.

Every function that changes an order takes the document, changes it in place and leaves its totals settled.
`take(kind, count)` hands out ids; `at` is the instant it happens."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from devstore import ids
from devstore.documents import (
    Address,
    Application,
    DiscountCode,
    FinancialStatus,
    Fulfilment,
    FulfilmentLine,
    FulfilmentStatus,
    Line,
    Order,
    Product,
    Refund,
    RefundLine,
    ShopDocument,
    TaxLine,
    Transaction,
    Variant,
)
from devstore.money import percent_of, share, split

Take = Callable[[str, int], int]
GATEWAY = "devstore_payments"
CANCEL_REASONS = frozenset({"CUSTOMER", "DECLINED", "FRAUD", "INVENTORY", "OTHER", "STAFF"})


class CommerceError(Exception):
    """Something the shop refuses; the message is for the person who asked."""


@dataclass(frozen=True, slots=True)
class Item:
    """What to put into an order: a variant, or a custom line by `title` and unit `price` (minor units)."""

    quantity: int
    variant_id: int | None = None
    title: str = ""
    price: int = 0
    sku: str = ""


@dataclass(frozen=True, slots=True)
class Ware:
    """An item with what it is made of: its product and variant, both None for a custom line."""

    item: Item
    product: Product | None
    variant: Variant | None

    @property
    def price(self) -> int:
        return self.variant["price"] if self.variant else self.item.price


@dataclass(frozen=True, slots=True)
class Quote:
    """What a cart comes to before it is ordered; `discounts` has one amount for each ware."""

    subtotal: int
    discounts: list[int]
    shipping: int
    tax: int
    total: int


def worth(wares: Sequence[Ware]) -> int:
    """What wares come to before discounts."""
    return sum(ware.price * ware.item.quantity for ware in wares)


def quote(
    shop: ShopDocument, wares: Sequence[Ware], discount: DiscountCode | None, shipping: int | None = None
) -> Quote:
    """Prices, discount shares, shipping and tax of a cart, as checkout shows them and `compose` books them."""
    prices = [ware.price * ware.item.quantity for ware in wares]
    discounts = discount_shares(prices, discount)
    nets = [price - off for price, off in zip(prices, discounts, strict=True)]
    subtotal = sum(nets)
    if shipping is None:
        free_from = shop["shipping_free_from"]
        shipping = 0 if free_from is not None and subtotal >= free_from else shop["shipping_price"]
    tax = sum(tax_of(net, shop["tax_rate"], shop["taxes_included"]) for net in nets)
    return Quote(subtotal, discounts, shipping, tax, subtotal + shipping + (0 if shop["taxes_included"] else tax))


def discount_shares(prices: Sequence[int], discount: DiscountCode | None) -> list[int]:
    """What a code takes off each line; the shares add up to the discount to the last cent."""
    whole = sum(prices)
    if discount is None or whole == 0:
        return [0] * len(prices)
    value = discount["value"]
    off = percent_of(whole, value) if discount["kind"] == "percentage" else int(value)
    return split(min(off, whole), prices)


def tax_of(net: int, rate: str, included: bool) -> int:
    """Tax in (included) or on top of an amount, in minor units; `rate` like `"0.19"`."""
    whole, _, part = rate.partition(".")
    scale = 10 ** len(part)
    parts = int(whole + part)
    return share(net, parts, scale + parts) if included else share(net, parts, scale)


def compose(
    shop: ShopDocument,
    wares: Sequence[Ware],
    take: Take,
    at: str,
    *,
    number: int,
    customer_id: int | None,
    email: str | None,
    discount: DiscountCode | None = None,
    processed_at: str | None = None,
    test: bool = False,
    pay: bool = True,
    shipping: int | None = None,
    address: Address | None = None,
    source: str = "web",
) -> Order:
    """A new order. `shipping` None means the shop's own tariff."""
    if not wares:
        raise CommerceError("an order needs at least one line")
    if any(ware.item.quantity < 1 or ware.price < 0 for ware in wares):
        raise CommerceError("a line needs a quantity of at least 1 and a price of at least 0")
    offer = quote(shop, wares, discount, shipping)
    first = take("LineItem", len(wares))
    lines = [
        new_line(shop, ware, first + index, off)
        for index, (ware, off) in enumerate(zip(wares, offer.discounts, strict=True))
    ]
    order: Order = {
        "id": take("Order", 1),
        "number": number,
        "name": f"#{number}",
        "token": ids.token(),
        "email": email,
        "customer_id": customer_id,
        "test": test,
        "source": source,
        "currency": shop["currency"],
        "locale": shop["locale"],
        "taxes_included": shop["taxes_included"],
        "tags": [],
        "note": None,
        "created_at": at,
        "processed_at": processed_at or at,
        "updated_at": at,
        "cancelled_at": None,
        "cancel_reason": None,
        "lines": lines,
        "shipping": {"id": take("ShippingLine", 1), "title": "Standard", "price": offer.shipping, "refunded": 0}
        if offer.shipping
        else None,
        "applications": [application(discount)] if discount else [],
        "transactions": [],
        "refunds": [],
        "fulfilments": [],
        "shipping_address": address,
        "financial_status": "PENDING",
        "fully_paid": False,
        "line_total": 0,
        "subtotal": 0,
        "discounts": 0,
        "tax": 0,
        "total": 0,
        "current_subtotal": 0,
        "current_discounts": 0,
        "current_tax": 0,
        "current_total": 0,
        "received": 0,
        "refunded": 0,
        "outstanding": 0,
    }
    settle(order)
    if pay and order["outstanding"] > 0:
        pay_order(order, take, order["processed_at"])
        order["updated_at"] = at
    return order


def application(discount: DiscountCode) -> Application:
    return {"code": discount["code"], "kind": discount["kind"], "value": discount["value"]}


def new_line(shop: ShopDocument, ware: Ware, number: int, off: int) -> Line:
    item, product, variant = ware.item, ware.product, ware.variant
    net = ware.price * item.quantity - off
    tax: list[TaxLine] = []
    if float(shop["tax_rate"]) and not (product and product["gift_card"]):
        amount = tax_of(net, shop["tax_rate"], shop["taxes_included"])
        tax = [{"title": shop["tax_title"], "rate": shop["tax_rate"], "amount": amount}]
    variant_title = variant["title"] if variant and variant["title"] != "Default Title" else None
    return {
        "id": number,
        "product_id": product["id"] if product else None,
        "variant_id": variant["id"] if variant else None,
        "title": product["title"] if product else item.title,
        "variant_title": variant_title,
        "sku": variant["sku"] if variant else item.sku,
        "vendor": product["vendor"] if product else shop["name"],
        "quantity": item.quantity,
        "removed": 0,
        "refunded": 0,
        "fulfilled": 0,
        "price": ware.price,
        "gift_card": bool(product and product["gift_card"]),
        "allocations": [{"application": 0, "amount": off}] if off else [],
        "tax_lines": tax,
    }


def pay_order(order: Order, take: Take, at: str) -> None:
    """Take the outstanding amount from the buyer."""
    if order["cancelled_at"]:
        raise CommerceError(f"{order['name']} is cancelled")
    if order["outstanding"] <= 0:
        raise CommerceError(f"{order['name']} has nothing left to pay")
    order["transactions"].append(transaction(take, "SALE", order["outstanding"], None, at))
    touch(order, at)


def edit_order(
    shop: ShopDocument, order: Order, set_quantities: Mapping[int, int], wares: Sequence[Ware], take: Take, at: str
) -> dict[int, int]:
    """Set what is left of lines, and add lines. More units of a line become a line of their own at the same price, as
    discounts are not extended to them. Returns the change in units for each line id touched."""
    if order["cancelled_at"]:
        raise CommerceError(f"{order['name']} is cancelled")
    lines = {line["id"]: line for line in order["lines"]}
    changes: dict[int, int] = {}
    added: list[Line] = []
    for line_id, quantity in set_quantities.items():
        line = lines.get(line_id)
        if line is None:
            raise CommerceError(f"{order['name']} has no line {line_id}")
        if quantity < 0:
            raise CommerceError("a line cannot keep fewer than 0 units")
        change = quantity - current_quantity(line)
        if -change > unfulfilled_quantity(line):
            raise CommerceError(f"{line['title']}: {line['fulfilled']} were sent and can only be refunded")
        if change < 0:
            line["removed"] -= change
            changes[line_id] = change
        elif change > 0:
            more: Line = {
                **line,
                "id": take("LineItem", 1),
                "quantity": change,
                "removed": 0,
                "refunded": 0,
                "fulfilled": 0,
                "allocations": [],
            }
            amount = [tax_of(more["price"] * change, tax["rate"], order["taxes_included"]) for tax in line["tax_lines"]]
            more["tax_lines"] = [{**tax, "amount": each} for tax, each in zip(line["tax_lines"], amount, strict=True)]
            added.append(more)
    for ware in wares:
        if ware.item.quantity < 1:
            raise CommerceError("a line needs a quantity of at least 1")
        added.append(new_line(shop, ware, take("LineItem", 1), 0))
    if not changes and not added:
        raise CommerceError("the edit changes nothing")
    order["lines"] += added
    changes.update({line["id"]: line["quantity"] for line in added})
    touch(order, at)
    return changes


def refund_order(
    order: Order,
    quantities: Mapping[int, int],
    take: Take,
    at: str,
    *,
    amount: int | None = None,
    shipping: bool = False,
    note: str | None = None,
) -> Refund:
    """Refund units of lines, the shipping, or just an amount. `amount` None pays back what the lines and the shipping
    come to, as far as it was received; another amount leaves the difference as an adjustment."""
    lines = {line["id"]: line for line in order["lines"]}
    refunded: list[RefundLine] = []
    for line_id, quantity in quantities.items():
        line = lines.get(line_id)
        if line is None:
            raise CommerceError(f"{order['name']} has no line {line_id}")
        if not 1 <= quantity <= current_quantity(line):
            raise CommerceError(f"{current_quantity(line)} of {line['title']} can be refunded, not {quantity}")
        refunded.append(refund_line(line, quantity, take))
        line["refunded"] += quantity
    shipped = 0
    if shipping and order["shipping"]:
        shipped = order["shipping"]["price"] - order["shipping"]["refunded"]
        order["shipping"]["refunded"] += shipped
    worth = shipped + sum(line["subtotal"] + (0 if order["taxes_included"] else line["tax"]) for line in refunded)
    left = order["received"] - order["refunded"]
    if amount is None:
        amount = min(worth, left)
    if not 0 <= amount <= left:
        raise CommerceError("the refund is more than was received and is left to refund")
    if not refunded and amount == 0:
        raise CommerceError("the refund is empty")
    paid = sum(each["amount"] for each in order["transactions"] if each["kind"] == "SALE")
    adjustment = amount - min(worth, left)
    back = [transaction(take, "REFUND", amount, parent(order), at)] if amount and paid else []
    refund: Refund = {
        "id": take("Refund", 1),
        "created_at": at,
        "note": note,
        "lines": refunded,
        "shipping": shipped,
        "amount": amount,
        "adjustment": adjustment,
        "adjustment_id": take("OrderAdjustment", 1) if adjustment else None,
        "transactions": back,
    }
    order["refunds"].append(refund)
    order["transactions"] += back
    touch(order, at)
    return refund


def cancel_order(order: Order, take: Take, at: str, *, reason: str, refund: bool) -> Refund | None:
    """Cancel; a paid order is refunded in full, with its lines and its shipping, when `refund` asks for it."""
    if order["cancelled_at"]:
        raise CommerceError(f"{order['name']} is cancelled already")
    if reason not in CANCEL_REASONS:
        raise CommerceError(f"{reason!r} is no reason; there are {', '.join(sorted(CANCEL_REASONS))}")
    left = order["received"] - order["refunded"]
    made = None
    if refund and left > 0:
        rest = {line["id"]: current_quantity(line) for line in order["lines"] if current_quantity(line)}
        made = refund_order(order, rest, take, at, amount=left, shipping=True, note="Order cancelled")
    elif not order["received"] and order["total"]:
        order["transactions"].append(transaction(take, "VOID", order["total"], None, at))
    order["cancelled_at"], order["cancel_reason"] = at, reason
    touch(order, at)
    return made


def fulfil_order(order: Order, quantities: Mapping[int, int] | None, take: Take, at: str) -> Fulfilment:
    """Send units of lines, whatever is left to send when None are named."""
    if order["cancelled_at"]:
        raise CommerceError(f"{order['name']} is cancelled")
    lines = {line["id"]: line for line in order["lines"]}
    if quantities is None:
        quantities = {line["id"]: left for line in order["lines"] if (left := unfulfilled_quantity(line))}
    if not quantities:
        raise CommerceError(f"{order['name']} has nothing to send")
    for line_id, quantity in quantities.items():
        if line_id not in lines:
            raise CommerceError(f"{order['name']} has no line {line_id}")
        left = unfulfilled_quantity(lines[line_id])
        if not 1 <= quantity <= left:
            raise CommerceError(f"{left} of {lines[line_id]['title']} can be sent, not {quantity}")
    first = take("FulfillmentLineItem", len(quantities))
    sent: list[FulfilmentLine] = []
    for number, (line_id, quantity) in enumerate(quantities.items(), first):
        lines[line_id]["fulfilled"] += quantity
        sent.append({"id": number, "line_id": line_id, "quantity": quantity})
    fulfilment: Fulfilment = {
        "id": take("Fulfillment", 1),
        "number": len(order["fulfilments"]) + 1,
        "status": "SUCCESS",
        "lines": sent,
        "created_at": at,
        "updated_at": at,
    }
    order["fulfilments"].append(fulfilment)
    touch(order, at)
    return fulfilment


def cancel_fulfilment(order: Order, fulfilment_id: int, at: str) -> Fulfilment:
    """Nothing of it was sent after all: its units are to be sent again."""
    found = next((each for each in order["fulfilments"] if each["id"] == fulfilment_id), None)
    if found is None:
        raise CommerceError(f"{order['name']} has no fulfilment {fulfilment_id}")
    if found["status"] == "CANCELLED":
        raise CommerceError(f"fulfilment {found['number']} of {order['name']} is cancelled already")
    lines = {line["id"]: line for line in order["lines"]}
    for each in found["lines"]:
        lines[each["line_id"]]["fulfilled"] -= each["quantity"]
    found["status"], found["updated_at"] = "CANCELLED", at
    touch(order, at)
    return found


def current_quantity(line: Line) -> int:
    return line["quantity"] - line["removed"] - line["refunded"]


def unfulfilled_quantity(line: Line) -> int:
    """Units still to send. A refund takes those that weren't sent first."""
    return max(0, current_quantity(line) - line["fulfilled"])


def fulfilment_status(lines: Sequence[Line]) -> FulfilmentStatus:
    """Of a line or of all lines of an order. A refund of everything that wasn't sent leaves the rest fulfilled, as in
    Shopify."""
    if not any(line["fulfilled"] for line in lines):
        return "UNFULFILLED"
    return "PARTIALLY_FULFILLED" if any(map(unfulfilled_quantity, lines)) else "FULFILLED"


def net_of(line: Line) -> int:
    """The whole line after its discounts."""
    return line["price"] * line["quantity"] - sum(each["amount"] for each in line["allocations"])


def tax_in(line: Line) -> int:
    return sum(tax["amount"] for tax in line["tax_lines"])


def refund_line(line: Line, quantity: int, take: Take) -> RefundLine:
    """The units' share of the line. Shares are differences of running totals, so that all units together give back
    exactly what the line cost, however it is cut."""
    gone = line["removed"] + line["refunded"]

    def part(whole: int) -> int:
        return share(whole, gone + quantity, line["quantity"]) - share(whole, gone, line["quantity"])

    return {
        "id": take("RefundLineItem", 1),
        "line_id": line["id"],
        "quantity": quantity,
        "subtotal": part(net_of(line)),
        "tax": part(tax_in(line)),
    }


def transaction(take: Take, kind: str, amount: int, parent_id: int | None, at: str) -> Transaction:
    return {
        "id": take("OrderTransaction", 1),
        "kind": kind,  # type: ignore[typeddict-item]
        "status": "SUCCESS",
        "gateway": GATEWAY,
        "amount": amount,
        "parent_id": parent_id,
        "processed_at": at,
    }


def parent(order: Order) -> int | None:
    """The sale a refund belongs to: the last one."""
    return next((each["id"] for each in reversed(order["transactions"]) if each["kind"] == "SALE"), None)


def touch(order: Order, at: str) -> None:
    order["updated_at"] = max(order["updated_at"], at)
    settle(order)


def settle(order: Order) -> None:
    """Bring the totals, the money in and out and the financial status up to date with lines, refunds and
    transactions."""
    subtotal = discounts = tax = line_total = given = 0
    for line in order["lines"]:
        whole, gone = line["quantity"], line["removed"] + line["refunded"]
        off = sum(each["amount"] for each in line["allocations"])
        net, tax_amount = net_of(line), tax_in(line)
        subtotal += net - share(net, gone, whole)
        discounts += off - share(off, gone, whole)
        given += off - share(off, line["removed"], whole)
        tax += tax_amount - share(tax_amount, gone, whole)
        line_total += line["price"] * (whole - line["removed"])
    shipping, shipped_back = (
        (order["shipping"]["price"], order["shipping"]["refunded"]) if order["shipping"] else (0, 0)
    )
    back_net = sum(line["subtotal"] for refund in order["refunds"] for line in refund["lines"])
    back_tax = sum(line["tax"] for refund in order["refunds"] for line in refund["lines"])
    on_top = 0 if order["taxes_included"] else 1
    order["line_total"] = line_total
    order["current_subtotal"], order["subtotal"] = subtotal, subtotal + back_net
    order["current_discounts"], order["discounts"] = discounts, given
    order["current_tax"], order["tax"] = tax, tax + back_tax
    order["current_total"] = subtotal + on_top * tax + shipping - shipped_back
    order["total"] = order["current_total"] + back_net + on_top * back_tax + shipped_back
    order["received"] = sum(each["amount"] for each in order["transactions"] if each["kind"] == "SALE")
    order["refunded"] = sum(each["amount"] for each in order["transactions"] if each["kind"] == "REFUND")
    adjusted = sum(refund["adjustment"] for refund in order["refunds"])
    order["outstanding"] = order["current_total"] - (order["received"] - order["refunded"] + adjusted)
    if order["cancelled_at"] and not order["received"]:
        order["outstanding"] = 0
    order["financial_status"] = financial_status(order)
    order["fully_paid"] = order["outstanding"] <= 0 and order["financial_status"] not in ("PENDING", "VOIDED")


def financial_status(order: Order) -> FinancialStatus:
    if order["refunded"]:
        return "REFUNDED" if order["refunded"] >= order["received"] else "PARTIALLY_REFUNDED"
    if order["cancelled_at"] and not order["received"] and order["total"]:
        return "VOIDED"
    if order["outstanding"] <= 0:
        return "PAID"
    return "PARTIALLY_PAID" if order["received"] else "PENDING"
