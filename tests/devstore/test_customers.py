"""Customers merged and deleted, orders deleted, and the lists that show what is left."""

from typing import Any

from tests.devstore.conftest import Devstore

NODES = (
    "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename ... on Customer { numberOfOrders amountSpent { amount } } } }"
)


def customers(devstore: Devstore) -> dict[str, Any]:
    return {each["email"]: each for each in devstore.get("customers")["customers"]}


def gid(customer: dict[str, Any]) -> str:
    return f"gid://shopify/Customer/{customer['id']}"


def test_merging_moves_the_orders_and_forgets_the_other(devstore: Devstore) -> None:
    kept, gone = customers(devstore)["customer-2@csv.example"], customers(devstore)["customer-1@csv.example"]
    merged = devstore.post("customers/merge", keep=kept["id"], delete=gone["id"])
    assert (merged["id"], merged["orders_count"], merged["spent"]) == (kept["id"], 3, 7500)
    assert merged["updated_at"] > kept["updated_at"]
    assert list(customers(devstore)) == ["customer-2@csv.example"]
    orders = devstore.get("orders")["orders"]
    moved = [order for order in orders if order["name"] in ("#A-1", "#A-3")]
    assert {order["customer_id"] for order in orders} == {kept["id"], None}
    assert all(order["updated_at"] >= merged["updated_at"] for order in moved)
    read = devstore.query(NODES, {"ids": [gid(kept), gid(gone)]})["nodes"]
    assert read == [{"__typename": "Customer", "numberOfOrders": "3", "amountSpent": {"amount": "75.0"}}, None]


def test_merging_is_told_by_every_topic_it_touches(devstore: Devstore) -> None:
    kept, gone = customers(devstore)["customer-2@csv.example"], customers(devstore)["customer-1@csv.example"]
    devstore.post("customers/merge", keep=kept["id"], delete=gone["id"])
    devstore.flush()
    ((_, merge),) = devstore.app.webhooks("customers/merge")
    assert merge.pop("admin_graphql_api_job_id").startswith("gid://shopify/Job/")
    assert merge == {
        "admin_graphql_api_customer_kept_id": gid(kept),
        "admin_graphql_api_customer_deleted_id": gid(gone),
        "status": "completed",
        "errors": [],
    }
    ((_, deleted),) = devstore.app.webhooks("customers/delete")
    assert deleted == {"id": gone["id"], "tax_exemptions": [], "admin_graphql_api_id": gid(gone)}
    updated = devstore.app.webhooks("orders/updated")
    assert sorted((body["name"], body["customer"]["id"]) for _, body in updated) == [
        ("#A-1", kept["id"]), ("#A-3", kept["id"]),
    ]  # fmt: skip
    assert [body["id"] for _, body in devstore.app.webhooks("customers/update")] == [kept["id"]]


def test_merging_fills_gaps_and_overwrites_nothing(devstore: Devstore) -> None:
    keep = devstore.post("customers", email="keep@example.com", password="secret", last_name="Petrova")
    gone = devstore.post("customers", email="gone@example.com", password="secret", first_name="Ana", last_name="P.")
    merged = devstore.post("customers/merge", keep=keep["id"], delete=gone["id"])
    assert (merged["first_name"], merged["last_name"], merged["email"]) == ("Ana", "Petrova", "keep@example.com")


def test_senseless_merges_are_refused(devstore: Devstore) -> None:
    known = customers(devstore)["customer-1@csv.example"]["id"]
    assert "themselves" in devstore.refused("customers/merge", keep=known, delete=known)
    assert "no customer 7" in devstore.refused("customers/merge", keep=known, delete=7)
    assert "delete is missing" in devstore.refused("customers/merge", keep=known)
    assert len(customers(devstore)) == 2


def test_only_a_customer_without_orders_is_deleted(devstore: Devstore) -> None:
    assert "has orders" in devstore.refused(f"customers/{customers(devstore)['customer-1@csv.example']['id']}/delete")
    new = devstore.post("customers", email="new@example.com", password="secret")
    devstore.post(f"customers/{new['id']}/delete")
    devstore.flush()
    assert [body["id"] for _, body in devstore.app.webhooks("customers/delete")] == [new["id"]]
    assert devstore.query(NODES, {"ids": [gid(new)]})["nodes"] == [None]
    assert "no customer" in devstore.refused(f"customers/{new['id']}/delete")


def test_deleted_order_leaves_its_customer_with_the_rest(devstore: Devstore) -> None:
    order = next(each for each in devstore.get("orders")["orders"] if each["name"] == "#A-3")
    devstore.post(f"orders/{order['id']}/delete")
    devstore.flush()
    assert [body for _, body in devstore.app.webhooks("orders/delete")] == [{"id": order["id"]}]
    buyer = customers(devstore)["customer-1@csv.example"]
    assert (buyer["orders_count"], buyer["spent"]) == (1, 5250)
    assert devstore.query(NODES, {"ids": [f"gid://shopify/Order/{order['id']}"]})["nodes"] == [None]


def test_a_merged_customer_is_not_read_in_an_earlier_state(devstore: Devstore) -> None:
    devstore.post("knobs", stale=1)
    kept, gone = customers(devstore)["customer-2@csv.example"], customers(devstore)["customer-1@csv.example"]
    devstore.post("customers/merge", keep=kept["id"], delete=gone["id"])
    assert devstore.query(NODES, {"ids": [gid(gone)]})["nodes"] == [None]


def test_lists_are_paged_to_the_end(devstore: Devstore) -> None:
    for number in range(3):
        devstore.post("customers", email=f"{number}@example.com", password="secret")
    seen: list[str] = []
    page = devstore.get("customers", limit=2)
    while True:
        seen += [each["email"] for each in page["customers"]]
        if page["next"] is None:
            break
        page = devstore.get("customers", limit=2, before=page["next"])
    assert seen == sorted(seen, key=lambda email: customers(devstore)[email]["id"], reverse=True)
    assert len(seen) == len(set(seen)) == 5
    assert devstore.http.get("/devstore/orders", params={"limit": 0}).status_code == 422
