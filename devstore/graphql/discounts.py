"""Discount codes: basic ones (a percentage or an amount off the whole order), created, read and switched off."""

from decimal import Decimal
from typing import Any

from devstore import discounts, ids
from devstore.clock import normal
from devstore.documents import Discount, DiscountCode
from devstore.graphql.errors import bad_request, not_played, problem
from devstore.graphql.fields import Fields, Info, bag, constant, gid, itself, key, of, split_gid
from devstore.graphql.paging import memory_page
from devstore.money import exponent, fixed_amount, parse_amount
from devstore.records import by_ids
from devstore.shops import Shop

CODE_LENGTH_MAX = 255
INPUT = "basicCodeDiscount"


class Invalid(Exception):
    """What is wrong with a field of the input: the arguments of a user error."""

    def __init__(self, message: str, *path: str, code: str = "INVALID") -> None:
        super().__init__(message)
        self.answer = {"discount": None, "errors": [problem(message, *path, code=code)]}


# --- creating and ending -----------------------------------------------------------------------------------------


def create(source: Any, info: Info, basicCodeDiscount: Any) -> Any:
    shop: Shop = info.context.shop
    try:
        code, settings = code_of(shop, basicCodeDiscount), settings_of(info, basicCodeDiscount)
        with shop.database.write() as connection:
            made = discounts.create(connection, shop, code, **settings)
    except Invalid as invalid:
        return invalid.answer
    except discounts.CodeTaken:
        message = "Code must be unique. Please try a different code."
        return Invalid(message, INPUT, "code", code="TAKEN").answer
    info.context.created.append(made["code"])
    return {"discount": made, "errors": []}


def code_of(shop: Shop, given: Any) -> DiscountCode:
    """The code and what it takes off. Raises Invalid."""
    code = (given.get("code") or "").strip()
    if not code:
        raise Invalid("Code can't be blank", INPUT, "code", code="BLANK")
    if len(code) > CODE_LENGTH_MAX:
        message = f"Code is too long (maximum is {CODE_LENGTH_MAX} characters)"
        raise Invalid(message, INPUT, "code", code="TOO_LONG")
    gets = given.get("customerGets") or {}
    if not (gets.get("items") or {}).get("all"):
        raise not_played("discounts on some items only: ask for `items: {all: true}`")
    value, path = gets.get("value") or {}, (INPUT, "customerGets", "value")
    if value.get("percentage") is not None:
        percentage = Decimal(str(value["percentage"]))
        if not 0 < percentage <= 1:
            raise Invalid("Value must be between 0.0 and 1.0", *path, "percentage", code="VALUE_OUTSIDE_RANGE")
        return {"code": code, "kind": "percentage", "value": f"{(percentage * 100).normalize():f}"}
    if not value.get("discountAmount"):
        raise not_played("discounts that are neither a percentage nor an amount")
    if value["discountAmount"].get("appliesOnEachItem"):
        raise not_played("amounts off each item")
    amount = minor_units(shop, value["discountAmount"].get("amount"), *path, "discountAmount", "amount")
    return {"code": code, "kind": "fixed_amount", "value": str(amount)}


def settings_of(info: Info, given: Any) -> dict[str, Any]:
    """Everything else about a new code, as fields of Discount. Raises Invalid."""
    if not given.get("title"):
        raise Invalid("Title can't be blank", INPUT, "title", code="BLANK")
    if not given.get("startsAt"):
        raise Invalid("Starts at can't be blank", INPUT, "startsAt", code="BLANK")
    if given.get("recurringCycleLimit"):
        raise not_played("discounts on subscriptions")
    starts_at = instant(given["startsAt"])
    ends_at = instant(given["endsAt"]) if given.get("endsAt") else None
    if ends_at is not None and ends_at <= starts_at:
        message = "Ends at needs to be after starts_at"
        raise Invalid(message, INPUT, "endsAt", code="END_DATE_BEFORE_START_DATE")
    if given.get("usageLimit") is not None and given["usageLimit"] < 1:
        raise Invalid("Usage limit must be greater than 0", INPUT, "usageLimit", code="GREATER_THAN")
    together = given.get("combinesWith") or {}
    return {
        "title": given["title"],
        "starts_at": starts_at,
        "ends_at": ends_at,
        "usage_limit": given.get("usageLimit"),
        "once_per_customer": bool(given.get("appliesOncePerCustomer")),
        "customer_ids": owners_of(info, given),
        "minimum_subtotal": minimum_of(info.context.shop, given.get("minimumRequirement") or {}),
        "combines_with": [name for name in COMBINATIONS if together.get(name)],
        "tags": given.get("tags") or [],
    }


def owners_of(info: Info, given: Any) -> list[int] | None:
    """The ids of the customers who may use it, None for everybody. Raises Invalid."""
    names = [name for name in ("context", "customerSelection") if given.get(name)]
    if len(names) != 1:
        message = "Exactly one of context and customerSelection is needed"
        raise Invalid(message, INPUT, "context", code="TOO_MANY_ARGUMENTS" if names else "BLANK")
    selection = given[names[0]]
    if selection.get("all"):
        return None
    if not selection.get("customers"):
        raise not_played("discounts for segments or markets")
    pairs = [split_gid(each) for each in selection["customers"].get("add") or ()]
    wanted = [number for kind, number in pairs if kind == "Customer"]
    found = by_ids(info.context.connection, info.context.shop.id, "Customer", wanted)
    if not pairs or len(found) != len(set(pairs)):
        raise Invalid("Customers are missing or do not exist", INPUT, names[0], "customers")
    return wanted


def minimum_of(shop: Shop, requirement: Any) -> int | None:
    if requirement.get("quantity"):
        raise not_played("discounts from a quantity on")
    least = (requirement.get("subtotal") or {}).get("greaterThanOrEqualToSubtotal")
    return None if least is None else minor_units(shop, least, INPUT, "minimumRequirement", "subtotal")


def minor_units(shop: Shop, amount: Any, *path: str) -> int:
    try:
        minor = parse_amount(str(amount), shop.currency)
    except ValueError:
        minor = 0
    if minor <= 0:
        message = f"Value must be above 0 with at most {exponent(shop.currency)} decimal places"
        raise Invalid(message, *path, code="VALUE_OUTSIDE_RANGE")
    return minor


def instant(text: str) -> str:
    try:
        return normal(text)
    except ValueError:
        raise bad_request(f"Invalid DateTime '{text}'") from None


def deactivate(source: Any, info: Info, id: str) -> Any:
    kind, number = split_gid(id)
    shop: Shop = info.context.shop
    with shop.database.write() as connection:
        discount = discounts.by_id(connection, shop, number) if kind == "DiscountCodeNode" else None
        if discount is None:
            return Invalid("Code discount does not exist.", "id").answer
        discounts.deactivate(connection, discount, shop.clock.now())
    return {"discount": discount, "errors": []}


# --- reading -----------------------------------------------------------------------------------------------------

COMBINATIONS = ("orderDiscounts", "productDiscounts", "shippingDiscounts")


def by_code(source: Any, info: Info, code: str) -> Any:
    return discounts.find(info.context.connection, info.context.shop, code)


def node(source: Any, info: Info, id: str) -> Any:
    kind, number = split_gid(id)
    return by_number(info, number) if kind == "DiscountCodeNode" else None


def by_number(info: Info, number: int) -> Any:
    found = discounts.by_id(info.context.connection, info.context.shop, number)
    return {**found, "__typename": "DiscountCodeNode"} if found else None


def nodes(source: Any, info: Info, query: str | None = None, sortKey: str = "ID", **page: Any) -> Any:
    if query or page.pop("savedSearchId", None):
        raise not_played("discounts searched by a query")
    return memory_page(info.context, discounts.all_of(info.context.shop), **page)


def value(discount: Discount, info: Info) -> Any:
    if discount["kind"] == "percentage":
        return {"__typename": "DiscountPercentage", "percentage": float(Decimal(discount["value"]) / 100)}
    return {"__typename": "DiscountAmount", "amount": int(discount["value"])}


def owners(everybody: str) -> Any:
    """A union of everybody and the customers named."""

    def resolve(discount: Discount, info: Info) -> Any:
        numbers = discount["customer_ids"]
        if numbers is None:
            return {"__typename": everybody}
        info.context.loader.mention("Customer", numbers)
        return {"__typename": "DiscountCustomers", "ids": numbers}

    return resolve


def customers(source: Any, info: Info) -> list[Any]:
    found = (info.context.loader.get("Customer", number) for number in source["ids"])
    return [each for each in found if each is not None]


def minimum(discount: Discount, info: Info) -> Any:
    least = discount["minimum_subtotal"]
    return None if least is None else {"__typename": "DiscountMinimumSubtotal", "least": least}


def summary(discount: Discount, info: Info) -> str:
    percentage = discount["kind"] == "percentage"
    off = f"{discount['value']}%" if percentage else fixed_amount(int(discount["value"]), info.context.currency)
    return f"{off} off entire order"


DISCOUNT_TYPES: dict[str, Fields] = {
    "DiscountCodeNode": {
        "codeDiscount": of(lambda discount: {**discount, "__typename": "DiscountCodeBasic"}),
        "id": gid("DiscountCodeNode"),
    },
    "DiscountCodeBasic": {
        "appliesOncePerCustomer": key("once_per_customer"),
        "asyncUsageCount": key("used"),
        "codes": lambda discount, info, query=None, savedSearchId=None, sortKey="ID", **page: memory_page(
            info.context, [discount], **page
        ),
        "codesCount": constant({"count": 1, "precision": "EXACT"}),
        "combinesWith": of(lambda discount: {name: name in discount["combines_with"] for name in COMBINATIONS}),
        "context": owners("DiscountBuyerSelectionAll"),
        "createdAt": key("created_at"),
        "customerGets": itself,
        "customerSelection": owners("DiscountCustomerAll"),
        "discountClass": constant("ORDER"),
        "discountClasses": constant(["ORDER"]),
        "endsAt": key("ends_at"),
        "hasTimelineComment": constant(False),
        "minimumRequirement": minimum,
        "recurringCycleLimit": constant(None),
        "shortSummary": summary,
        "startsAt": key("starts_at"),
        "status": lambda discount, info: discounts.status(discount, info.context.shop.clock.now()),
        "summary": summary,
        "tags": key("tags"),
        "title": key("title"),
        "updatedAt": key("updated_at"),
        "usageLimit": key("usage_limit"),
    },
    "DiscountRedeemCode": {
        "asyncUsageCount": key("used"),
        "code": key("code"),
        "id": lambda discount, info: ids.gid("DiscountRedeemCode", discount["redeem_code_id"]),
    },
    "DiscountCombinesWith": {name: key(name) for name in COMBINATIONS},
    "DiscountBuyerSelectionAll": {"all": constant("ALL")},
    "DiscountCustomerAll": {"allCustomers": constant(True)},
    "DiscountCustomers": {"customers": customers},
    "DiscountCustomerGets": {
        "appliesOnOneTimePurchase": constant(True),
        "appliesOnSubscription": constant(False),
        "items": constant({"__typename": "AllDiscountItems"}),
        "value": value,
    },
    "AllDiscountItems": {"allItems": constant(True)},
    "DiscountPercentage": {"percentage": key("percentage")},
    "DiscountAmount": {"amount": bag("amount"), "appliesOnEachItem": constant(False)},
    "DiscountMinimumSubtotal": {"greaterThanOrEqualToSubtotal": bag("least")},
    "DiscountCodeBasicCreatePayload": {"codeDiscountNode": key("discount"), "userErrors": key("errors")},
    "DiscountCodeDeactivatePayload": {"codeDiscountNode": key("discount"), "userErrors": key("errors")},
    "DiscountUserError": {
        "code": key("code"),
        "extraInfo": constant(None),
        "field": key("field"),
        "message": key("message"),
    },
}

DISCOUNT_QUERIES: Fields = {"codeDiscountNode": node, "codeDiscountNodeByCode": by_code, "codeDiscountNodes": nodes}
DISCOUNT_MUTATIONS: Fields = {"discountCodeBasicCreate": create, "discountCodeDeactivate": deactivate}
