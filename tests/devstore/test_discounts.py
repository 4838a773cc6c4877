"""Discount codes: made and read through the Admin API, counted and refused at checkout."""

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from devstore import commerce
from devstore.commerce import Item
from devstore.discounts import CodeRefused
from tests.devstore.conftest import Devstore, Start

CREATE = """
mutation Create($basicCodeDiscount: DiscountCodeBasicInput!) {
  discountCodeBasicCreate(basicCodeDiscount: $basicCodeDiscount) {
    codeDiscountNode {
      id
      codeDiscount {
        ... on DiscountCodeBasic {
          title status startsAt endsAt usageLimit appliesOncePerCustomer asyncUsageCount
          codes(first: 1) { nodes { id code } }
          combinesWith { orderDiscounts shippingDiscounts }
          context {
            __typename
            ... on DiscountBuyerSelectionAll { all }
            ... on DiscountCustomers { customers { id } }
          }
          customerGets {
            items { __typename ... on AllDiscountItems { allItems } }
            value {
              __typename
              ... on DiscountPercentage { percentage }
              ... on DiscountAmount { amount { amount currencyCode } appliesOnEachItem }
            }
          }
          minimumRequirement { ... on DiscountMinimumSubtotal { greaterThanOrEqualToSubtotal { amount } } }
        }
      }
    }
    userErrors { field message code extraInfo }
  }
}
"""
BY_CODE = """
query ($code: String!) {
  codeDiscountNodeByCode(code: $code) { id codeDiscount { ... on DiscountCodeBasic { status asyncUsageCount } } }
}
"""
DEACTIVATE = """
mutation Deactivate($id: ID!) {
  discountCodeDeactivate(id: $id) {
    codeDiscountNode { id codeDiscount { ... on DiscountCodeBasic { status endsAt } } }
    userErrors { field message code extraInfo }
  }
}
"""
NODE = "query ($id: ID!) { node(id: $id) { __typename id } }"


def draft(code: str = "RW-7K2Q9F", **changes: Any) -> dict[str, Any]:
    return {
        "title": "Reward 10%",
        "code": code,
        "startsAt": "2026-01-01T00:00:00Z",
        "context": {"all": "ALL"},
        "customerGets": {"items": {"all": True}, "value": {"percentage": 0.1}},
        **changes,
    }


def amount_off(amount: str) -> dict[str, Any]:
    return {"items": {"all": True}, "value": {"discountAmount": {"amount": amount, "appliesOnEachItem": False}}}


def create(devstore: Devstore, code: str = "RW-7K2Q9F", **changes: Any) -> Any:
    answer = devstore.query(CREATE, {"basicCodeDiscount": draft(code, **changes)})["discountCodeBasicCreate"]
    assert answer["userErrors"] == []
    return answer["codeDiscountNode"]


def problem(devstore: Devstore, **changes: Any) -> tuple[str, list[str]]:
    """Code and field of the one user error of a create that is refused."""
    answer = devstore.query(CREATE, {"basicCodeDiscount": draft(**changes)})["discountCodeBasicCreate"]
    assert answer["codeDiscountNode"] is None
    (error,) = answer["userErrors"]
    return error["code"], error["field"]


def customer(devstore: Devstore, number: int) -> dict[str, Any]:
    listed = devstore.get("customers")["customers"]
    return next(each for each in listed if each["email"] == f"customer-{number}@csv.example")


def test_percentage_for_one_customer_is_read_back_as_given(devstore: Devstore) -> None:
    owner = f"gid://shopify/Customer/{customer(devstore, 1)['id']}"
    node = create(
        devstore,
        endsAt="2027-01-21T00:00:00Z",
        context={"customers": {"add": [owner]}},
        usageLimit=1,
        appliesOncePerCustomer=True,
        combinesWith={"shippingDiscounts": True},
        tags=["retention"],
    )
    assert re.fullmatch(r"gid://shopify/DiscountCodeNode/\d+", node["id"])
    discount = node["codeDiscount"]
    assert discount["codes"]["nodes"][0]["code"] == "RW-7K2Q9F"
    assert (discount["status"], discount["endsAt"]) == ("ACTIVE", "2027-01-21T00:00:00Z")
    assert (discount["usageLimit"], discount["appliesOncePerCustomer"]) == (1, True)
    assert discount["context"] == {"__typename": "DiscountCustomers", "customers": [{"id": owner}]}
    assert discount["customerGets"]["value"] == {"__typename": "DiscountPercentage", "percentage": 0.1}
    assert discount["combinesWith"] == {"orderDiscounts": False, "shippingDiscounts": True}
    assert devstore.query(NODE, {"id": node["id"]})["node"] == {"__typename": "DiscountCodeNode", "id": node["id"]}


def test_amount_with_a_minimum_is_read_back_as_given(devstore: Devstore) -> None:
    least = {"subtotal": {"greaterThanOrEqualToSubtotal": "20.00"}}
    discount = create(devstore, customerGets=amount_off("5.00"), minimumRequirement=least)["codeDiscount"]
    assert discount["customerGets"]["value"] == {
        "__typename": "DiscountAmount",
        "amount": {"amount": "5.0", "currencyCode": "EUR"},
        "appliesOnEachItem": False,
    }
    assert discount["minimumRequirement"]["greaterThanOrEqualToSubtotal"]["amount"] == "20.0"
    assert discount["context"] == {"__typename": "DiscountBuyerSelectionAll", "all": "ALL"}


def test_code_is_unique_whatever_its_case_and_found_by_any(devstore: Devstore) -> None:
    node = create(devstore, "Summer")
    assert problem(devstore, code="SUMMER") == ("TAKEN", ["basicCodeDiscount", "code"])
    assert devstore.query(BY_CODE, {"code": "sUMMER"})["codeDiscountNodeByCode"]["id"] == node["id"]
    assert devstore.query(BY_CODE, {"code": "winter"})["codeDiscountNodeByCode"] is None


@pytest.mark.parametrize(
    ("changes", "code", "last"),
    [
        ({"code": ""}, "BLANK", "code"),
        ({"code": "x" * 256}, "TOO_LONG", "code"),
        ({"title": ""}, "BLANK", "title"),
        ({"startsAt": None}, "BLANK", "startsAt"),
        ({"endsAt": "2026-01-01T00:00:00Z"}, "END_DATE_BEFORE_START_DATE", "endsAt"),
        ({"usageLimit": 0}, "GREATER_THAN", "usageLimit"),
        ({"context": None}, "BLANK", "context"),
        ({"customerSelection": {"all": True}}, "TOO_MANY_ARGUMENTS", "context"),
        ({"context": {"customers": {"add": ["gid://shopify/Customer/1"]}}}, "INVALID", "customers"),
        ({"context": {"customers": {"add": []}}}, "INVALID", "customers"),
        ({"customerGets": {"items": {"all": True}, "value": {"percentage": 10}}}, "VALUE_OUTSIDE_RANGE", "percentage"),
        ({"customerGets": amount_off("0.00")}, "VALUE_OUTSIDE_RANGE", "amount"),
        ({"customerGets": amount_off("5.001")}, "VALUE_OUTSIDE_RANGE", "amount"),
    ],
)
def test_senseless_input_is_a_user_error(devstore: Devstore, changes: dict[str, Any], code: str, last: str) -> None:
    found, field = problem(devstore, **changes)
    assert (found, field[-1]) == (code, last)
    assert devstore.get("discounts")["discounts"] == []


def test_what_is_not_played_is_said_so(devstore: Devstore) -> None:
    gets = {"items": {"products": {"productsToAdd": ["gid://shopify/Product/1"]}}, "value": {"percentage": 1.0}}
    body = devstore.call(CREATE, {"basicCodeDiscount": draft(customerGets=gets)}, token=devstore.token()).json()
    assert body["errors"][0]["extensions"]["code"] == "NOT_PLAYED_BY_DEVSTORE"


def test_two_audiences_at_once_are_no_valid_input(devstore: Devstore) -> None:
    both = {"all": "ALL", "customers": {"add": []}}
    body = devstore.call(CREATE, {"basicCodeDiscount": draft(context=both)}, token=devstore.token()).json()
    assert body["errors"]
    assert devstore.get("discounts")["discounts"] == []


def test_deactivated_code_ends_now_and_only_once(devstore: Devstore) -> None:
    node = create(devstore)
    ended = devstore.query(DEACTIVATE, {"id": node["id"]})["discountCodeDeactivate"]
    assert ended["codeDiscountNode"]["codeDiscount"]["status"] == "EXPIRED"
    devstore.post("clock", advance=3600)
    assert devstore.query(DEACTIVATE, {"id": node["id"]})["discountCodeDeactivate"] == ended
    assert "no longer valid" in devstore.refused(
        "orders", lines=[{"title": "Tea", "price": "9.00"}], discount="RW-7K2Q9F"
    )
    (error,) = devstore.query(DEACTIVATE, {"id": "gid://shopify/DiscountCodeNode/1"})["discountCodeDeactivate"][
        "userErrors"
    ]
    assert (error["field"], error["code"]) == (["id"], "INVALID")


def test_code_counts_between_its_dates(devstore: Devstore) -> None:
    now = devstore.get("clock")["now"]
    create(devstore, "LATER", startsAt="2099-01-01T00:00:00Z")
    create(devstore, "SOON-OVER", endsAt=f"{int(now[:4]) + 1}{now[4:]}")
    lines = [{"title": "Tea", "price": "9.00"}]
    assert "not count yet" in devstore.refused("orders", lines=lines, discount="LATER")
    assert devstore.place(discount="soon-over")["applications"][0]["code"] == "SOON-OVER"
    devstore.post("clock", advance=400 * 86400)
    assert "no longer valid" in devstore.refused("orders", lines=lines, discount="SOON-OVER")


def test_usage_limit_holds_and_is_counted(devstore: Devstore) -> None:
    create(devstore, usageLimit=2)
    for _ in range(2):
        devstore.place(discount="RW-7K2Q9F")
    lines = [{"title": "Tea", "price": "9.00"}]
    assert "as often" in devstore.refused("orders", lines=lines, discount="RW-7K2Q9F")
    read = devstore.query(BY_CODE, {"code": "RW-7K2Q9F"})["codeDiscountNodeByCode"]["codeDiscount"]
    assert read == {"status": "ACTIVE", "asyncUsageCount": 2}


def test_refused_order_uses_nothing(devstore: Devstore) -> None:
    create(devstore, usageLimit=1)
    assert "at least 1" in devstore.refused(
        "orders", lines=[{"title": "Tea", "price": "9.00", "quantity": 0}], discount="RW-7K2Q9F"
    )
    assert devstore.get("discounts")["discounts"][0]["used"] == 0


def test_customers_code_is_nobody_elses_and_follows_a_merge(devstore: Devstore) -> None:
    one, two = customer(devstore, 1), customer(devstore, 2)
    create(devstore, context={"customers": {"add": [f"gid://shopify/Customer/{one['id']}"]}})
    body = {"lines": [{"title": "Tea", "price": "9.00"}], "discount": "RW-7K2Q9F"}
    assert "somebody else" in devstore.refused("orders", **body, customer_id=two["id"])
    assert "somebody else" in devstore.refused("orders", **body)
    devstore.post("customers/merge", keep=two["id"], delete=one["id"])
    assert devstore.post("orders", **body, customer_id=two["id"])["discounts"] == 90


def test_once_per_customer_is_once(devstore: Devstore) -> None:
    create(devstore, appliesOncePerCustomer=True)
    body = {"lines": [{"title": "Tea", "price": "9.00"}], "discount": "rw-7k2q9f"}
    devstore.post("orders", **body, email="a@example.com")
    assert "once for each" in devstore.refused("orders", **body, email="A@example.com")
    devstore.post("orders", **body, email="b@example.com")


def test_last_use_of_a_code_goes_to_one_of_many_who_pay_at_once(devstore: Devstore) -> None:
    create(devstore, usageLimit=1)
    shop, item, buyers = devstore.shop, Item(1, title="Tea", price=900), [f"{n}@example.com" for n in range(8)]

    def pay(email: str) -> bool:
        try:
            return bool(commerce.order_place(shop, items=[item], email=email, discount_code="RW-7K2Q9F"))
        except CodeRefused:
            return False

    with ThreadPoolExecutor(len(buyers)) as threads:
        assert sum(threads.map(pay, buyers)) == 1
    assert devstore.get("discounts")["discounts"][0]["used"] == 1


def test_minimum_is_of_the_goods_before_the_discount(devstore: Devstore) -> None:
    least = {"subtotal": {"greaterThanOrEqualToSubtotal": "20.00"}}
    create(devstore, customerGets=amount_off("5.00"), minimumRequirement=least)
    assert "at least 20.00 EUR" in devstore.refused(
        "orders", lines=[{"title": "Tea", "price": "19.99"}], discount="RW-7K2Q9F"
    )
    assert devstore.place({"title": "Tea", "price": "20.00"}, discount="RW-7K2Q9F")["subtotal"] == 1500


def test_log_names_what_each_mutation_created(devstore: Devstore) -> None:
    create(devstore, "ONE")
    problem(devstore, code="one")
    devstore.query(BY_CODE, {"code": "ONE"})
    assert [each["created"] for each in devstore.log("graphql") if "created" in each] == [["ONE"], []]


def test_code_is_on_the_order_and_in_its_webhook(devstore: Devstore) -> None:
    create(devstore, customerGets=amount_off("5.00"))
    order = devstore.place({"title": "Tea", "price": "20.00"}, discount="RW-7K2Q9F")
    devstore.flush()
    body = devstore.app.webhooks("orders/create")[0][1]
    assert body["discount_codes"] == [{"code": "RW-7K2Q9F", "amount": "5.00", "type": "fixed_amount"}]
    read = devstore.query(
        "query ($id: ID!) { order(id: $id) { discountCodes totalPriceSet { shopMoney { amount } } } }",
        {"id": f"gid://shopify/Order/{order['id']}"},
    )
    assert read["order"] == {"discountCodes": ["RW-7K2Q9F"], "totalPriceSet": {"shopMoney": {"amount": "15.0"}}}


def test_orders_are_found_by_their_code(devstore: Devstore) -> None:
    create(devstore)
    order = devstore.place(discount="rw-7k2q9f")
    search = "query ($query: String) { orders(first: 5, query: $query) { nodes { name } } }"
    for code, names in (("RW-7k2q9f", [order["name"]]), ("RW-OTHER", [])):
        found = devstore.query(search, {"query": f"discount_code:'{code}'"})["orders"]["nodes"]
        assert [each["name"] for each in found] == names


def test_codes_of_aurora_are_counted_from_its_history(start: Start) -> None:
    devstore = start("aurora", install=False)
    codes = {each["code"]: each for each in devstore.get("discounts")["discounts"]}
    assert codes.keys() == {"BEMVINDO10", "CAFE15"}
    assert all(each["status"] == "ACTIVE" and each["used"] > 20 for each in codes.values())
