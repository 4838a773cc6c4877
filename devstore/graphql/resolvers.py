"""Orders, customers and products: which of their fields devstore plays, and where the values come from."""

from typing import Any

from devstore import ids, orders
from devstore.graphql.errors import not_played
from devstore.graphql.fields import Fields, Info, bag, bag_of, constant, gid, key, of, text
from devstore.graphql.paging import memory_page
from devstore.money import fixed_amount, share
from devstore.records import products_in as products_of_collection

# --- orders ------------------------------------------------------------------------------------------------------


def full_name(person: Any) -> str | None:
    return " ".join(part for part in (person["first_name"], person["last_name"]) if part) or None


def order_tax_lines(order: Any) -> list[Any]:
    sums: dict[tuple[str, str], int] = {}
    for line in order["lines"]:
        for tax in line["tax_lines"]:
            pair = (tax["title"], tax["rate"])
            sums[pair] = sums.get(pair, 0) + tax["amount"]
    return [{"title": title, "rate": rate, "amount": amount} for (title, rate), amount in sums.items()]


def lines(order: Any, info: Info, **page: Any) -> Any:
    rows = order["lines"]
    for line in rows:
        line["applications"] = order["applications"]
    return memory_page(info.context, rows, **page)


def order_transactions(order: Any, info: Info, first: int | None = None, **filters: Any) -> list[Any]:
    if filters.get("capturable") or filters.get("manuallyResolvable"):
        return []
    return transactions_of(order, order["transactions"])[:first]


def transactions_of(order: Any, rows: list[Any]) -> list[Any]:
    by_id = {each["id"]: each for each in order["transactions"]}
    return [{**each, "order": order, "parent": by_id.get(each["parent_id"])} for each in rows]


def refunds(order: Any, info: Info, first: int | None = None, query: str | None = None) -> list[Any]:
    if query:
        raise not_played("refunds searched by a query")
    return [{**refund, "order": order} for refund in order["refunds"]][:first]


def lines_in(part: Any, info: Info, **page: Any) -> Any:
    """What of an order's lines was refunded or sent together."""
    by_id = {line["id"]: line for line in part["order"]["lines"]}
    applications = part["order"]["applications"]
    rows = [{**each, "line": {**by_id[each["line_id"]], "applications": applications}} for each in part["lines"]]
    return memory_page(info.context, rows, **page)


def refund_shipping(refund: Any, info: Info, **page: Any) -> Any:
    shipping = refund["order"]["shipping"]
    rows = [{"id": refund["id"], "amount": refund["shipping"], "line": shipping}] if refund["shipping"] else []
    return memory_page(info.context, rows, **page)


def refund_adjustments(refund: Any, info: Info, **page: Any) -> Any:
    rows = [{"id": refund["adjustment_id"], "amount": -refund["adjustment"]}] if refund["adjustment_id"] else []
    return memory_page(info.context, rows, **page)


def fulfilments(order: Any, info: Info, first: int | None = None, query: str | None = None) -> list[Any]:
    if query:
        raise not_played("fulfilments searched by a query")
    return [{**each, "order": order} for each in order["fulfilments"]][:first]


def shipping_lines(order: Any, info: Info, includeRemovals: bool = False, **page: Any) -> Any:
    return memory_page(info.context, [order["shipping"]] if order["shipping"] else [], **page)


def applications(order: Any) -> list[Any]:
    return [application(each, index) for index, each in enumerate(order["applications"])]


def application(each: Any, index: int) -> dict[str, Any]:
    return {**each, "index": index, "__typename": "DiscountCodeApplication"}


def application_value(each: Any, info: Info) -> Any:
    if each["kind"] == "percentage":
        return {"__typename": "PricingPercentageValue", "percentage": float(each["value"])}
    return Money(int(each["value"]), info.context.currency)


class Money(tuple[int, str]):
    """A money pair where the schema has a union: it also answers its type's name."""

    def __new__(cls, minor: int, currency: str) -> "Money":
        return super().__new__(cls, (minor, currency))

    def __getitem__(self, item: Any) -> Any:
        return "MoneyV2" if item == "__typename" else super().__getitem__(item)


def allocations(line: Any, info: Info) -> list[Any]:
    found = line["applications"]
    return [
        {"amount": each["amount"], "application": application(found[each["application"]], each["application"])}
        for each in line["allocations"]
    ]


def variant_of(line: Any, info: Info) -> Any:
    product = info.context.loader.get("Product", line["product_id"])
    return with_product(product, line["variant_id"]) if product else None


def with_product(product: Any, variant_id: int) -> Any:
    found = next((each for each in product["variants"] if each["id"] == variant_id), None)
    return {**found, "product": product, "__typename": "ProductVariant"} if found else None


SETS: Fields = {
    "currentShippingPriceSet": bag_of(lambda order: shipping_price(order) - shipping_refunded(order)),
    "currentSubtotalPriceSet": bag("current_subtotal"),
    "currentTotalDiscountsSet": bag("current_discounts"),
    "currentTotalPriceSet": bag("current_total"),
    "currentTotalTaxSet": bag("current_tax"),
    "netPaymentSet": bag_of(lambda order: order["received"] - order["refunded"]),
    "subtotalPriceSet": bag("subtotal"),
    "totalDiscountsSet": bag("discounts"),
    "totalOutstandingSet": bag("outstanding"),
    "totalPriceSet": bag("total"),
    "totalReceivedSet": bag("received"),
    "totalRefundedSet": bag("refunded"),
    "totalRefundedShippingSet": bag_of(lambda order: shipping_refunded(order)),
    "totalShippingPriceSet": bag_of(lambda order: shipping_price(order)),
    "totalTaxSet": bag("tax"),
}


def shipping_price(order: Any) -> int:
    return int(order["shipping"]["price"]) if order["shipping"] else 0


def shipping_refunded(order: Any) -> int:
    return int(order["shipping"]["refunded"]) if order["shipping"] else 0


ORDER: Fields = {
    **SETS,
    "app": constant({"id": ids.gid("App", 580111), "name": "Online Store"}),
    "billingAddress": key("shipping_address"),
    "cancelReason": key("cancel_reason"),
    "cancelledAt": key("cancelled_at"),
    "cartToken": constant(None),
    "checkoutToken": constant(None),
    "closed": of(lambda order: order["cancelled_at"] is not None),
    "closedAt": key("cancelled_at"),
    "confirmationNumber": of(lambda order: order["token"][:9].upper()),
    "confirmed": constant(True),
    "createdAt": key("created_at"),
    "currencyCode": key("currency"),
    "currentSubtotalLineItemsQuantity": of(lambda order: sum(map(orders.current_quantity, order["lines"]))),
    "customAttributes": constant([]),
    "customer": lambda order, info: info.context.loader.get("Customer", order["customer_id"]),
    "customerLocale": key("locale"),
    "discountApplications": lambda order, info, **page: memory_page(info.context, applications(order), **page),
    "discountCode": of(lambda order: order["applications"][0]["code"] if order["applications"] else None),
    "discountCodes": of(lambda order: [each["code"] for each in order["applications"]]),
    "displayFinancialStatus": key("financial_status"),
    "displayFulfillmentStatus": of(lambda order: orders.fulfilment_status(order["lines"])),
    "edited": of(lambda order: any(line["removed"] for line in order["lines"])),
    "email": key("email"),
    "fulfillable": of(lambda order: any(map(orders.unfulfilled_quantity, order["lines"]))),
    "fulfillments": fulfilments,
    "fulfillmentsCount": of(lambda order: {"count": len(order["fulfilments"]), "precision": "EXACT"}),
    "fullyPaid": key("fully_paid"),
    "id": gid("Order"),
    "legacyResourceId": text(),
    "lineItems": lines,
    "name": key("name"),
    "note": key("note"),
    "number": key("number"),
    "paymentGatewayNames": of(lambda order: sorted({each["gateway"] for each in order["transactions"]})),
    "phone": constant(None),
    "presentmentCurrencyCode": key("currency"),
    "processedAt": key("processed_at"),
    "refundable": of(lambda order: order["received"] > order["refunded"]),
    "refunds": refunds,
    "returnStatus": constant("NO_RETURN"),
    "shippingAddress": key("shipping_address"),
    "shippingLine": key("shipping"),
    "shippingLines": shipping_lines,
    "sourceName": key("source"),
    "statusPageUrl": lambda order, info: f"https://{info.context.shop.domain}/orders/{order['token']}",
    "subtotalLineItemsQuantity": of(lambda order: sum(line["quantity"] - line["removed"] for line in order["lines"])),
    "tags": key("tags"),
    "taxLines": of(order_tax_lines),
    "taxesIncluded": key("taxes_included"),
    "test": key("test"),
    "transactions": order_transactions,
    "unpaid": of(lambda order: order["financial_status"] == "PENDING"),
    "updatedAt": key("updated_at"),
}

LINE: Fields = {
    "currentQuantity": of(orders.current_quantity),
    "customAttributes": constant([]),
    "discountAllocations": allocations,
    # Codes apply to the whole order, so a line's own discounted price knows of them only when asked to.
    "discountedTotalSet": lambda line, info, withCodeDiscounts=False: (
        orders.net_of(line) if withCodeDiscounts else line["price"] * line["quantity"],
        info.context.currency,
    ),
    "discountedUnitPriceAfterAllDiscountsSet": bag_of(lambda line: share(orders.net_of(line), 1, line["quantity"])),
    "fulfillableQuantity": of(orders.unfulfilled_quantity),
    "id": gid("LineItem"),
    "isGiftCard": key("gift_card"),
    "name": of(lambda line: " - ".join(part for part in (line["title"], line["variant_title"]) if part)),
    "originalTotalSet": bag_of(lambda line: line["price"] * line["quantity"]),
    "originalUnitPriceSet": bag("price"),
    "product": lambda line, info: info.context.loader.get("Product", line["product_id"]),
    "quantity": key("quantity"),
    "refundableQuantity": of(orders.current_quantity),
    "requiresShipping": of(lambda line: not line["gift_card"]),
    "sellingPlan": constant(None),
    "sku": key("sku"),
    "taxLines": key("tax_lines"),
    "taxable": of(lambda line: bool(line["tax_lines"])),
    "title": key("title"),
    "unfulfilledQuantity": of(orders.unfulfilled_quantity),
    "variant": variant_of,
    "variantTitle": key("variant_title"),
    "vendor": key("vendor"),
}

REFUND: Fields = {
    "createdAt": key("created_at"),
    "id": gid("Refund"),
    "legacyResourceId": text(),
    "note": key("note"),
    "order": key("order"),
    "processedAt": key("created_at"),
    "orderAdjustments": refund_adjustments,
    "refundLineItems": lines_in,
    "refundShippingLines": refund_shipping,
    "totalRefundedSet": bag("amount"),
    "transactions": lambda refund, info, **page: memory_page(
        info.context, transactions_of(refund["order"], refund["transactions"]), **page
    ),
    "updatedAt": key("created_at"),
}

FULFILMENT: Fields = {
    "createdAt": key("created_at"),
    "deliveredAt": constant(None),
    "displayStatus": of(lambda each: "FULFILLED" if each["status"] == "SUCCESS" else "CANCELED"),
    "estimatedDeliveryAt": constant(None),
    "fulfillmentLineItems": lines_in,
    "id": gid("Fulfillment"),
    "inTransitAt": constant(None),
    "legacyResourceId": text(),
    "name": of(lambda each: f"{each['order']['name']}-F{each['number']}"),
    "order": key("order"),
    "requiresShipping": constant(True),
    "status": key("status"),
    "totalQuantity": of(lambda each: sum(line["quantity"] for line in each["lines"])),
    "trackingInfo": constant([]),
    "updatedAt": key("updated_at"),
}

ORDER_TYPES: dict[str, Fields] = {
    "Order": ORDER,
    "LineItem": LINE,
    "OrderApp": {"id": key("id"), "name": key("name")},
    "TaxLine": {
        "channelLiable": constant(False),
        "priceSet": bag("amount"),
        "rate": of(lambda tax: float(tax["rate"])),
        "ratePercentage": of(lambda tax: float(tax["rate"]) * 100),
        "title": key("title"),
    },
    "DiscountAllocation": {"allocatedAmountSet": bag("amount"), "discountApplication": key("application")},
    "DiscountCodeApplication": {
        "allocationMethod": constant("ACROSS"),
        "code": key("code"),
        "index": key("index"),
        "targetSelection": constant("ALL"),
        "targetType": constant("LINE_ITEM"),
        "value": application_value,
    },
    "ShippingLine": {
        "currentDiscountedPriceSet": bag_of(lambda line: line["price"] - line["refunded"]),
        "discountedPriceSet": bag("price"),
        "id": gid("ShippingLine"),
        "originalPriceSet": bag("price"),
        "taxLines": constant([]),
        "title": key("title"),
    },
    "OrderTransaction": {
        "amountSet": bag("amount"),
        "createdAt": key("processed_at"),
        "gateway": key("gateway"),
        "id": gid("OrderTransaction"),
        "kind": key("kind"),
        "order": key("order"),
        "parentTransaction": key("parent"),
        "processedAt": key("processed_at"),
        "status": key("status"),
        "test": lambda each, info: each["order"]["test"],
    },
    "Fulfillment": FULFILMENT,
    "FulfillmentLineItem": {
        "id": gid("FulfillmentLineItem"),
        "lineItem": key("line"),
        "originalTotalSet": bag_of(lambda each: each["line"]["price"] * each["quantity"]),
        "quantity": key("quantity"),
    },
    "Refund": REFUND,
    "RefundLineItem": {
        "id": gid("RefundLineItem"),
        "lineItem": key("line"),
        "priceSet": lambda each, info: (each["line"]["price"], info.context.currency),
        "quantity": key("quantity"),
        "restockType": constant("RETURN"),
        "restocked": constant(True),
        "subtotalSet": bag("subtotal"),
        "totalTaxSet": bag("tax"),
    },
    "RefundShippingLine": {
        "id": gid("RefundShippingLine"),
        "shippingLine": key("line"),
        "subtotalAmountSet": bag("amount"),
        "taxAmountSet": bag_of(lambda each: 0),
    },
    "OrderAdjustment": {
        "amountSet": bag("amount"),
        "id": gid("OrderAdjustment"),
        "reason": constant("REFUND_DISCREPANCY"),
        "taxAmountSet": bag_of(lambda each: 0),
    },
    "MailingAddress": {
        "address1": key("address1"),
        "address2": constant(None),
        "city": key("city"),
        "company": constant(None),
        "country": key("country"),
        "countryCodeV2": key("country_code"),
        "firstName": key("first_name"),
        "lastName": key("last_name"),
        "name": of(full_name),
        "phone": constant(None),
        "province": key("province"),
        "provinceCode": key("province_code"),
        "zip": key("zip"),
    },
}

# --- customers ---------------------------------------------------------------------------------------------------


def display_name(customer: Any, info: Info) -> str:
    """May not be null, so that nothing is left of it where names and addresses are withheld."""
    return "" if info.context.withheld else full_name(customer) or customer["email"]


def email_address(customer: Any, info: Info) -> Any:
    return {
        "address": customer["email"],
        "state": "SUBSCRIBED" if customer["accepts_marketing"] else "NOT_SUBSCRIBED",
        "at": customer["marketing_at"],
    }


def orders_of_customer(
    customer: Any,
    info: Info,
    sortKey: str = "ID",
    query: str | None = None,
    savedSearchId: str | None = None,
    **page: Any,
) -> Any:
    if query or savedSearchId:
        raise not_played("a customer's orders searched by a query")
    column = {"ID": "id", "PROCESSED_AT": "processed_at", "CREATED_AT": "created_at", "UPDATED_AT": "updated_at"}.get(
        sortKey
    )
    if column is None:
        raise not_played(f"a customer's orders sorted by {sortKey}")
    rows = sorted(info.context.loader.orders_of(customer["id"]), key=lambda order: (order[column], order["id"]))
    return memory_page(info.context, rows, **page)


CUSTOMER_TYPES: dict[str, Fields] = {
    "Customer": {
        "addresses": lambda customer, info, first=None: [customer["address"]] if customer["address"] else [],
        "amountSpent": bag("spent"),
        "createdAt": key("created_at"),
        "dataSaleOptOut": constant(False),
        "defaultAddress": key("address"),
        "defaultEmailAddress": email_address,
        "defaultPhoneNumber": constant(None),
        "displayName": display_name,
        "email": key("email"),
        "firstName": key("first_name"),
        "id": gid("Customer"),
        "lastName": key("last_name"),
        "lastOrder": lambda customer, info: info.context.loader.get("Order", customer["last_order_id"]),
        "legacyResourceId": text(),
        "locale": key("locale"),
        "note": constant(None),
        "numberOfOrders": text("orders_count"),
        "orders": orders_of_customer,
        "phone": constant(None),
        "state": key("state"),
        "tags": key("tags"),
        "taxExempt": constant(False),
        "updatedAt": key("updated_at"),
        "verifiedEmail": constant(True),
    },
    "CustomerEmailAddress": {
        "emailAddress": key("address"),
        "marketingOptInLevel": of(lambda each: "SINGLE_OPT_IN" if each["at"] else None),
        "marketingState": key("state"),
        "marketingUpdatedAt": key("at"),
        "validFormat": constant(True),
    },
}

# --- products ----------------------------------------------------------------------------------------------------


def plain_amount(minor: int | None, info: Info) -> str | None:
    """The scalar `Money`: a fixed decimal without a currency."""
    return None if minor is None else fixed_amount(minor, info.context.currency)


def variants(product: Any, info: Info, sortKey: str = "POSITION", query: str | None = None, **page: Any) -> Any:
    rows = [{**each, "product": product, "__typename": "ProductVariant"} for each in product["variants"]]
    return memory_page(info.context, rows, **page)


def collections(product: Any, info: Info, **page: Any) -> Any:
    known = info.context.loader.collections()
    return collections_page([known[number] for number in product["collection_ids"]], info, **page)


def collections_page(rows: list[Any], info: Info, sortKey: str = "ID", query: str | None = None, **page: Any) -> Any:
    if query or page.pop("savedSearchId", None):
        raise not_played("collections searched by a query")
    column = {"ID": "id", "TITLE": "title", "UPDATED_AT": "updated_at"}.get(sortKey)
    if column is None:
        raise not_played(f"collections sorted by {sortKey}")
    return memory_page(info.context, sorted(rows, key=lambda each: (each[column], each["id"])), **page)


def products_in(collection: Any, info: Info) -> list[Any]:
    context = info.context
    found = products_of_collection(context.connection, context.shop.id, collection["id"])
    return list(context.loader.arrive("Product", found).values())


def collection_products(collection: Any, info: Info, sortKey: str = "COLLECTION_DEFAULT", **page: Any) -> Any:
    if sortKey not in ("COLLECTION_DEFAULT", "MANUAL", "CREATED", "ID"):
        raise not_played(f"a collection's products sorted by {sortKey}")
    return memory_page(info.context, products_in(collection, info), **page)


def has_product(collection: Any, info: Info, id: str) -> bool:
    return id in (ids.gid("Product", each["id"]) for each in products_in(collection, info))


PRODUCT_TYPES: dict[str, Fields] = {
    "Product": {
        "collections": collections,
        "createdAt": key("created_at"),
        "description": key("description"),
        "descriptionHtml": key("description"),
        "featuredMedia": constant(None),
        "handle": key("handle"),
        "id": gid("Product"),
        "inCollection": lambda product, info, id: (
            id in (ids.gid("Collection", number) for number in product["collection_ids"])
        ),
        "isGiftCard": key("gift_card"),
        "legacyResourceId": text(),
        "onlineStoreUrl": lambda product, info: f"https://{info.context.shop.domain}/products/{product['handle']}",
        "productType": key("product_type"),
        "publishedAt": of(lambda product: product["created_at"] if product["status"] == "ACTIVE" else None),
        "requiresSellingPlan": constant(False),
        "status": key("status"),
        "tags": key("tags"),
        "title": key("title"),
        "totalInventory": of(lambda product: sum(each["inventory"] for each in product["variants"])),
        "updatedAt": key("updated_at"),
        "variants": variants,
        "variantsCount": of(lambda product: {"count": len(product["variants"]), "precision": "EXACT"}),
        "vendor": key("vendor"),
    },
    "ProductVariant": {
        "availableForSale": of(lambda variant: variant["inventory"] > 0),
        "compareAtPrice": lambda variant, info: plain_amount(variant["compare_at_price"], info),
        "displayName": of(lambda variant: f"{variant['product']['title']} - {variant['title']}"),
        "id": gid("ProductVariant"),
        "inventoryQuantity": key("inventory"),
        "legacyResourceId": text(),
        "price": lambda variant, info: plain_amount(variant["price"], info),
        "product": key("product"),
        "sku": key("sku"),
        "title": key("title"),
    },
    "Collection": {
        "description": constant(""),
        "descriptionHtml": constant(""),
        "handle": key("handle"),
        "hasProduct": has_product,
        "id": gid("Collection"),
        "legacyResourceId": text(),
        "products": collection_products,
        "productsCount": lambda each, info: {"count": len(products_in(each, info)), "precision": "EXACT"},
        "title": key("title"),
        "updatedAt": key("updated_at"),
    },
    "Count": {"count": key("count"), "precision": key("precision")},
}
