"""The planning executor gives what graphql-core's own gives, errors included."""

import pytest
from graphql import execute_sync, parse, validate
from graphql.execution.executor import Executor

from devstore.graphql.context import Context, Loader
from devstore.graphql.execution import PlanningExecutor
from tests.devstore.conftest import Devstore
from tests.devstore.test_graphql import ORDER, PAGE

LISTED = """
fragment Money on MoneyBag { shopMoney { ...Amount } }
fragment Amount on MoneyV2 { amount currencyCode }
query ($shop: Boolean!) {
  orders(first: 50) { nodes {
    id
    total: totalPriceSet { ...Money }
    customer { ... on Node { id } ... on Customer { email } }
    lineItems(first: 5) { edges { node { __typename title } } }
    totalPriceSet @include(if: $shop) { presentmentMoney { amount } }
  } }
  customers(first: 50) { nodes { displayName orders(first: 3) { nodes { name } } lastOrder { name } } }
}
"""
BROKEN = "{ orders(first: 50) { nodes { id lineItems { nodes { id } } customer { id statistics { rfmGroup } } } } }"
NULL_IN_REQUIRED = "{ customers(first: 50) { nodes { id tags } } }"


@pytest.mark.parametrize(
    ("query", "variables"),
    [(PAGE, {"first": 50}), (LISTED, {"shop": True}), (LISTED, {"shop": False}), (BROKEN, {}), (NULL_IN_REQUIRED, {})],
)
def test_same_answer_by_both_executors(devstore: Devstore, query: str, variables: dict[str, object]) -> None:
    order = devstore.place(email="customer-1@csv.example")
    devstore.post(f"orders/{order['id']}/refund", lines={order["lines"][0]["id"]: 1})
    if query is NULL_IN_REQUIRED:
        shop = devstore.shop
        shop.database.connection().execute(
            "UPDATE customers SET document = json_set(document, '$.tags', json('[\"a\", null]'))"
        )
    api = devstore.http.app.state.admin_api  # type: ignore[attr-defined]
    document = parse(query)
    assert validate(api.schema, document) == []
    answers = []
    for executor in (Executor, PlanningExecutor):
        loader = Loader(devstore.shop, devstore.shop.database.connection(), 0)
        context = Context(devstore.shop, frozenset(devstore.shop.document["scopes"]), loader, "2026-10")
        result = execute_sync(api.schema, document, None, context, variables, executor_class=executor)
        answers.append((result.data, sorted(str(each.formatted) for each in result.errors or ())))
    ours, theirs = answers[1], answers[0]
    assert ours[0] == theirs[0]
    assert [each.partition("'path'")[2] for each in ours[1]] == [each.partition("'path'")[2] for each in theirs[1]]


def test_single_order_is_the_same_too(devstore: Devstore) -> None:
    order = devstore.place()
    assert devstore.query(ORDER, {"id": f"gid://shopify/Order/{order['id']}"})["order"]["id"].endswith(str(order["id"]))
