"""Discount codes as a shopper meets them: by link, in the cart, at checkout."""

import html
import re
from typing import Any

import httpx
import pytest

from tests.devstore.conftest import Devstore
from tests.devstore.test_discounts import DEACTIVATE, amount_off, create, customer

ADDRESS = {"first_name": "Ana", "last_name": "Lima", "address1": "Rua 1", "city": "Berlin", "zip": "10115", "card": "4"}


@pytest.fixture
def filled(devstore: Devstore) -> Devstore:
    """A visitor with two bags of beans in the cart."""
    beans = next(each for each in devstore.get("products")["products"] if each["title"] == "Beans")
    devstore.http.post("/cart/add.js", json={"id": beans["variants"][0]["id"], "quantity": 2})
    return devstore


def words(answer: httpx.Response) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", answer.text)))


def pay(devstore: Devstore, email: str = "ana@example.com", **fields: str) -> httpx.Response:
    return devstore.http.post("/checkout", data={**ADDRESS, "email": email, **fields}, follow_redirects=False)


def latest(devstore: Devstore) -> Any:
    return devstore.get("orders", limit=1)["orders"][0]


def test_link_puts_the_code_into_the_cart_and_the_order_names_it(filled: Devstore) -> None:
    create(filled)
    answer = filled.http.get("/discount/rw-7k2q9f?redirect=/cart", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/cart")
    cart = filled.http.get("/cart.js").json()
    assert cart["total_discount"] == round(cart["original_total_price"] / 10) > 0
    assert cart["discount_codes"] == [{"code": "rw-7k2q9f", "applicable": True}]
    assert pay(filled).status_code == 303
    order = latest(filled)
    assert order["applications"] == [{"code": "RW-7K2Q9F", "kind": "percentage", "value": "10"}]
    assert order["discounts"] == sum(each["amount"] for each in order["lines"][0]["allocations"])
    assert filled.get("discounts")["discounts"][0]["used"] == 1
    assert filled.http.get("/cart.js").json()["discount_codes"] == []


def test_link_never_leads_to_another_site(filled: Devstore) -> None:
    for elsewhere in ("https://evil.example/", "//evil.example/", "/\\evil.example"):
        answer = filled.http.get("/discount/X", params={"redirect": elsewhere}, follow_redirects=False)
        assert answer.headers["location"] == "/"


def test_code_is_given_and_taken_off_in_the_cart(filled: Devstore) -> None:
    create(filled)
    assert "Discount RW-7K2Q9F" in words(filled.http.post("/cart/discount", data={"discount": " RW-7K2Q9F "}))
    assert "Discount RW-7K2Q9F" not in words(filled.http.post("/cart/discount", data={"remove": "1"}))
    assert "There is no discount code NOPE." in words(filled.http.post("/cart/discount", data={"discount": "NOPE"}))


def test_code_that_was_typed_and_not_applied_is_shown_before_anything_is_paid(filled: Devstore) -> None:
    create(filled)
    before = latest(filled)["id"]
    answer = pay(filled, discount="RW-7K2Q9F")
    assert (answer.status_code, latest(filled)["id"]) == (200, before)
    assert "Discount RW-7K2Q9F" in words(answer)
    assert pay(filled, discount="RW-7K2Q9F").status_code == 303
    assert latest(filled)["discounts"] > 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"startsAt": "2036-01-01T00:00:00Z"}, "does not count yet"),
        ({"endsAt": "2026-01-02T00:00:00Z"}, "is no longer valid"),
        (
            {"minimumRequirement": {"subtotal": {"greaterThanOrEqualToSubtotal": "500.00"}}},
            "for orders of at least €500.00",
        ),
    ],
)
def test_refused_code_says_why_and_nothing_is_paid(filled: Devstore, changes: dict[str, Any], reason: str) -> None:
    create(filled, customerGets=amount_off("5.00"), **changes)
    before = latest(filled)["id"]
    filled.http.get("/discount/RW-7K2Q9F")
    assert reason in words(filled.http.get("/cart"))
    assert reason in words(filled.http.get("/checkout"))
    answer = pay(filled, discount="RW-7K2Q9F")
    assert (answer.status_code, latest(filled)["id"]) == (422, before)
    assert reason in words(answer)
    assert pay(filled, remove="1").status_code == 200
    assert pay(filled, discount="").status_code == 303
    assert latest(filled)["applications"] == []


def test_deactivated_code_is_refused(filled: Devstore) -> None:
    node = create(filled)
    filled.http.get("/discount/RW-7K2Q9F")
    filled.query(DEACTIVATE, {"id": node["id"]})
    assert "is no longer valid" in words(pay(filled))


def test_code_of_another_customer_is_refused_when_paying(filled: Devstore) -> None:
    owner = customer(filled, 1)
    create(filled, context={"customers": {"add": [f"gid://shopify/Customer/{owner['id']}"]}})
    filled.http.get("/discount/RW-7K2Q9F")
    assert filled.http.get("/cart.js").json()["discount_codes"][0]["applicable"]
    assert "belongs to somebody else" in words(pay(filled))
    assert pay(filled, email=owner["email"]).status_code == 303
    assert latest(filled)["customer_id"] == owner["id"]


def test_code_counts_once_for_each_customer(filled: Devstore) -> None:
    create(filled, appliesOncePerCustomer=True)
    filled.place(email="ana@example.com", discount="RW-7K2Q9F")
    filled.http.get("/discount/RW-7K2Q9F")
    assert "you have used it" in words(pay(filled))
    assert pay(filled, email="bea@example.com").status_code == 303
