"""Orders sent in whole and in part: what the Admin API and webhooks say of it, and what a refund changes."""

from typing import Any

import pytest

from tests.devstore.conftest import Devstore

READ = """
query ($id: ID!) {
  order(id: $id) {
    displayFulfillmentStatus fulfillable updatedAt
    fulfillmentsCount { count }
    fulfillments(first: 10) {
      id legacyResourceId name status displayStatus createdAt deliveredAt totalQuantity trackingInfo { number }
      fulfillmentLineItems(first: 10) { nodes { quantity originalTotalSet { shopMoney { amount } } lineItem { id } } }
    }
    lineItems(first: 10) { nodes { id unfulfilledQuantity fulfillableQuantity } }
  }
}
"""


def place(devstore: Devstore) -> Any:
    """Two lines, of 2 and of 1."""
    return devstore.place(
        {"title": "Beans", "price": "20.00", "quantity": 2}, {"title": "Mug", "price": "5.00"}, email="a@example.com"
    )


def read(devstore: Devstore, order: Any) -> Any:
    return devstore.query(READ, {"id": f"gid://shopify/Order/{order['id']}"})["order"]


def statuses(devstore: Devstore, order: Any) -> tuple[str, list[int]]:
    found = read(devstore, order)
    return found["displayFulfillmentStatus"], [each["unfulfilledQuantity"] for each in found["lineItems"]["nodes"]]


def test_placed_order_is_not_sent(devstore: Devstore) -> None:
    order = place(devstore)
    assert statuses(devstore, order) == ("UNFULFILLED", [2, 1])
    assert read(devstore, order)["fulfillments"] == []


def test_order_is_sent_in_parts(devstore: Devstore) -> None:
    order = place(devstore)
    beans, mug = (line["id"] for line in order["lines"])
    devstore.post("clock", advance=3600)
    devstore.post(f"orders/{order['id']}/fulfil", lines={beans: 1})
    assert statuses(devstore, order) == ("PARTIALLY_FULFILLED", [1, 1])
    devstore.post("clock", advance=3600)
    made = devstore.post(f"orders/{order['id']}/fulfil")
    assert statuses(devstore, order) == ("FULFILLED", [0, 0])
    found = read(devstore, order)
    assert found["updatedAt"] == made["created_at"] > order["updated_at"]
    first, second = found["fulfillments"]
    assert (second["id"], second["createdAt"]) == (f"gid://shopify/Fulfillment/{made['id']}", made["created_at"])
    assert first["createdAt"] < second["createdAt"]
    assert [each["name"] for each in (first, second)] == [f"{order['name']}-F1", f"{order['name']}-F2"]
    assert (second["status"], second["displayStatus"], second["deliveredAt"]) == ("SUCCESS", "FULFILLED", None)
    assert second["totalQuantity"] == 2
    assert second["fulfillmentLineItems"]["nodes"][1] == {
        "quantity": 1,
        "originalTotalSet": {"shopMoney": {"amount": "5.0"}},
        "lineItem": {"id": f"gid://shopify/LineItem/{mug}"},
    }


def test_cancelled_fulfilment_is_to_be_sent_again(devstore: Devstore) -> None:
    order = place(devstore)
    made = devstore.post(f"orders/{order['id']}/fulfil", lines="all")
    path = f"orders/{order['id']}/fulfilments/{made['id']}/cancel"
    devstore.post(path)
    assert statuses(devstore, order) == ("UNFULFILLED", [2, 1])
    assert [each["status"] for each in read(devstore, order)["fulfillments"]] == ["CANCELLED"]
    assert "cancelled already" in devstore.refused(path)
    assert "no fulfilment" in devstore.refused(f"orders/{order['id']}/fulfilments/1/cancel")
    devstore.post(f"orders/{order['id']}/fulfil")
    assert [each["status"] for each in read(devstore, order)["fulfillments"]] == ["CANCELLED", "SUCCESS"]


def test_refund_takes_what_was_not_sent_first(devstore: Devstore) -> None:
    order = place(devstore)
    beans, mug = (line["id"] for line in order["lines"])
    devstore.post(f"orders/{order['id']}/fulfil", lines={beans: 1})
    devstore.post(f"orders/{order['id']}/refund", lines={beans: 1, mug: 1})
    assert statuses(devstore, order) == ("FULFILLED", [0, 0])
    assert "nothing to send" in devstore.refused(f"orders/{order['id']}/fulfil")
    devstore.post(f"orders/{order['id']}/refund", lines={beans: 1})
    assert statuses(devstore, order) == ("FULFILLED", [0, 0])


def test_what_was_sent_cannot_be_edited_away(devstore: Devstore) -> None:
    order = place(devstore)
    beans = order["lines"][0]["id"]
    devstore.post(f"orders/{order['id']}/fulfil", lines={beans: 1})
    assert "were sent" in devstore.refused(f"orders/{order['id']}/edit", set_quantities={beans: 0})
    more = [{"title": "Tea", "price": "9.00"}]
    devstore.post(f"orders/{order['id']}/edit", set_quantities={beans: 1}, add_lines=more)
    assert statuses(devstore, order) == ("PARTIALLY_FULFILLED", [0, 1, 1])


@pytest.mark.parametrize(
    ("lines", "reason"),
    [({}, "nothing to send"), ({0: 3}, "2 of Beans can be sent"), ({0: 0}, "can be sent"), ({7: 1}, "no line 7")],
)
def test_senseless_fulfilment_is_refused(devstore: Devstore, lines: dict[int, int], reason: str) -> None:
    order = place(devstore)
    wanted = {order["lines"][0]["id"] if line == 0 else line: units for line, units in lines.items()}
    assert reason in devstore.refused(f"orders/{order['id']}/fulfil", lines=wanted)
    assert statuses(devstore, order) == ("UNFULFILLED", [2, 1])


def test_cancelled_order_is_not_sent(devstore: Devstore) -> None:
    order = place(devstore)
    devstore.post(f"orders/{order['id']}/cancel")
    assert "is cancelled" in devstore.refused(f"orders/{order['id']}/fulfil")


def test_fulfilment_is_told_by_its_topics(devstore: Devstore) -> None:
    order = place(devstore)
    devstore.flush()
    devstore.app.requests.clear()
    made = devstore.post(f"orders/{order['id']}/fulfil", lines={order["lines"][0]["id"]: 2})
    devstore.post(f"orders/{order['id']}/fulfil")
    devstore.flush()
    topics = sorted(request.headers["x-shopify-topic"] for request, _ in devstore.app.webhooks())
    assert topics == [
        "fulfillments/create", "fulfillments/create", "orders/fulfilled", "orders/updated", "orders/updated",
    ]  # fmt: skip
    ((_, whole),) = devstore.app.webhooks("orders/fulfilled")
    assert whole["fulfillment_status"] == "fulfilled"
    assert [each["fulfillment_status"] for each in whole["line_items"]] == ["fulfilled", "fulfilled"]
    assert [each["fulfillable_quantity"] for each in whole["line_items"]] == [0, 0]
    bodies = [body for _, body in devstore.app.webhooks("fulfillments/create")]
    body = next(each for each in bodies if each["id"] == made["id"])
    assert (body["order_id"], body["status"], body["name"]) == (order["id"], "success", f"{order['name']}.1")
    assert [(each["title"], each["quantity"]) for each in body["line_items"]] == [("Beans", 2)]
    assert (body["email"], body["destination"]) == ("a@example.com", None)
    assert whole["fulfillments"][0]["id"] == made["id"]
    assert "email" not in whole["fulfillments"][0]
    parts = [body["fulfillment_status"] for _, body in devstore.app.webhooks("orders/updated")]
    assert sorted(parts) == ["fulfilled", "partial"]
