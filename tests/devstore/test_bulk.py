import time
from typing import Any

import orjson
import pytest

from tests.devstore.conftest import Devstore

RUN = """mutation ($query: String!) {
  bulkOperationRunQuery(query: $query) { bulkOperation { id status } userErrors { field message code } }
}"""
POLL = """query ($id: ID!) {
  bulkOperation(id: $id) { status errorCode objectCount rootObjectCount fileSize url partialDataUrl completedAt }
}"""
ORDERS = "{ orders { edges { node { id name refunds { id } lineItems { edges { node { id title } } } } } } }"


def run(devstore: Devstore, query: str) -> Any:
    started = devstore.query(RUN, {"query": query})["bulkOperationRunQuery"]
    assert started["userErrors"] == []
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        operation = devstore.query(POLL, {"id": started["bulkOperation"]["id"]})["bulkOperation"]
        if operation["status"] not in ("CREATED", "RUNNING"):
            return operation
        time.sleep(0.02)
    raise AssertionError("the operation does not end")


def lines(devstore: Devstore, operation: Any) -> list[Any]:
    answer = devstore.http.get(operation["url"])
    assert answer.status_code == 200
    assert len(answer.content) == int(operation["fileSize"])
    return [orjson.loads(line) for line in answer.content.splitlines()]


def test_children_come_after_all_parents_of_their_page(devstore: Devstore) -> None:
    operation = run(devstore, ORDERS)
    rows = lines(devstore, operation)
    assert (operation["status"], operation["objectCount"], operation["rootObjectCount"]) == ("COMPLETED", "9", "4")
    parents, children = rows[:4], rows[4:]
    assert [each["name"] for each in parents] == ["#A-1", "#A-2", "#A-3", "#A-4"]
    assert all("lineItems" not in each and "__parentId" not in each for each in parents)
    assert {each["__parentId"] for each in children} == {each["id"] for each in parents}
    assert all(each["id"].startswith("gid://shopify/LineItem/") for each in children)


def test_pages_of_a_bulk_query_join_up(devstore: Devstore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devstore.bulk.PAGE", 3)
    rows = lines(devstore, run(devstore, "{ orders { nodes { id name lineItems { nodes { id } } } } }"))
    assert [each.get("name") for each in rows] == ["#A-1", "#A-2", "#A-3", None, None, None, None, "#A-4", None]


def test_finish_is_told_by_webhook(devstore: Devstore) -> None:
    run(devstore, "{ customers { edges { node { id } } } }")
    devstore.flush()
    ((_, body),) = devstore.app.webhooks("bulk_operations/finish")
    assert (body["status"], body["type"], body["error_code"]) == ("completed", "query", None)
    assert body["admin_graphql_api_id"].startswith("gid://shopify/BulkOperation/")


def test_empty_result_has_no_url(devstore: Devstore) -> None:
    operation = run(devstore, "{ orders(query: \"updated_at:>'2030-01-01'\") { edges { node { id } } } }")
    assert (operation["status"], operation["url"], operation["fileSize"], operation["objectCount"]) == (
        "COMPLETED",
        None,
        None,
        "0",
    )


def test_link_needs_its_signature(devstore: Devstore) -> None:
    operation = run(devstore, "{ products { edges { node { id } } } }")
    link = operation["url"].partition("?")[0]
    assert devstore.http.get(link).status_code == 403
    assert devstore.http.get(f"{link}?signature=00").status_code == 403


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("{ orders { nodes { id refunds { id refundLineItems { edges { node { id } } } } } } }", "within a list field"),
        ("{ orders { nodes { id customer { id orders { nodes { id lineItems { nodes { id } } } } } } } }", "nesting"),
        ("{ orders { nodes { id a: lineItems { nodes { id } } b: lineItems { nodes { id } }"
         " c: lineItems { nodes { id } } d: lineItems { nodes { id } } e: lineItems { nodes { id } } } } }", "than 5"),
        ("{ shop { name } }", "top level"),
        ("{ order(id: 1) { lineItems { nodes { id } } } }", "top level"),
        ("{ orders { nodes { id } } customers { nodes { id } } }", "one top-level field"),
        ("query ($q: String) { orders(query: $q) { nodes { id } } }", "variables"),
        ("mutation { scriptTagDelete(id: 1) { deletedScriptTagId } }", "exactly one query"),
        ("{ orders { nodes { id", "Invalid bulk query"),
        ("{ orders { nodes { nonsense } } }", "Invalid bulk query"),
        ("{ orders { nodes { name lineItems { nodes { id } } } } }", "must select `id`"),
    ],
)  # fmt: skip
def test_query_outside_the_rules_is_refused(devstore: Devstore, query: str, reason: str) -> None:
    payload = devstore.query(RUN, {"query": query})["bulkOperationRunQuery"]
    assert payload["bulkOperation"] is None
    ((error),) = payload["userErrors"]
    assert (error["field"], error["code"]) == (["query"], "INVALID")
    assert reason in error["message"]


def test_sixth_operation_at_a_time_is_refused(devstore: Devstore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devstore.shop.store.bulk, "_run", lambda *arguments: None)
    for _ in range(5):
        assert devstore.query(RUN, {"query": ORDERS})["bulkOperationRunQuery"]["userErrors"] == []
    payload = devstore.query(RUN, {"query": ORDERS})["bulkOperationRunQuery"]
    assert payload["userErrors"][0]["code"] == "LIMIT_REACHED"


def test_missing_scope_fails_the_operation(devstore: Devstore) -> None:
    devstore.shop.update(scopes=["read_orders", "read_all_orders"])
    operation = run(devstore, "{ customers { edges { node { id } } } }")
    assert (operation["status"], operation["errorCode"], operation["url"]) == ("FAILED", "ACCESS_DENIED", None)


def test_field_without_data_fails_the_operation(devstore: Devstore) -> None:
    operation = run(devstore, "{ orders { edges { node { id publication { id } } } } }")
    assert (operation["status"], operation["errorCode"]) == ("FAILED", "INTERNAL_SERVER_ERROR")


def test_operations_are_listed_newest_first(devstore: Devstore) -> None:
    run(devstore, "{ products { edges { node { id } } } }")
    run(devstore, "{ customers { edges { node { id } } } }")
    listed = devstore.query("{ bulkOperations(first: 5, sortKey: CREATED_AT, reverse: true) { nodes { query } } }")
    assert [each["query"].split()[1] for each in listed["bulkOperations"]["nodes"]] == ["customers", "products"]


def test_interrupted_operation_is_failed_on_the_next_start(start) -> None:  # type: ignore[no-untyped-def]
    first = start()
    first.shop.store.bulk._run = lambda *arguments: None
    number = first.query(RUN, {"query": ORDERS})["bulkOperationRunQuery"]["bulkOperation"]["id"]
    second = start()
    operation = second.query(POLL, {"id": number})["bulkOperation"]
    assert (operation["status"], operation["errorCode"]) == ("FAILED", "INTERNAL_SERVER_ERROR")
