import pytest

from devstore import oauth
from tests.devstore.conftest import Devstore

ORDER = """
query ($id: ID!) {
  order(id: $id) {
    id name createdAt updatedAt displayFinancialStatus fullyPaid test taxesIncluded discountCodes
    customer { id displayName numberOfOrders amountSpent { amount currencyCode } lastOrder { id } }
    totalPriceSet { shopMoney { amount currencyCode } }
    totalRefundedSet { shopMoney { amount } }
    lineItems(first: 10) {
      nodes {
        id title quantity currentQuantity isGiftCard product { id title } variant { id price }
        originalTotalSet { shopMoney { amount } }
        discountAllocations { allocatedAmountSet { shopMoney { amount } } discountApplication { index __typename } }
        taxLines { rate priceSet { shopMoney { amount } } }
      }
    }
    discountApplications(first: 5) {
      nodes { __typename value { __typename ... on MoneyV2 { amount } ... on PricingPercentageValue { percentage } }
              ... on DiscountCodeApplication { code } }
    }
    transactions(first: 5) { id kind status amountSet { shopMoney { amount } } parentTransaction { id } }
    refunds(first: 5) {
      id createdAt totalRefundedSet { shopMoney { amount } }
      refundLineItems(first: 10) {
        nodes { quantity lineItem { id } subtotalSet { shopMoney { amount } } totalTaxSet { shopMoney { amount } } }
      }
      refundShippingLines(first: 2) { nodes { subtotalAmountSet { shopMoney { amount } } } }
    }
  }
}
"""
PAGE = """
query ($first: Int!, $after: String, $query: String, $reverse: Boolean) {
  orders(first: $first, after: $after, query: $query, sortKey: UPDATED_AT, reverse: $reverse) {
    nodes { name updatedAt }
    edges { cursor node { id } }
    pageInfo { hasNextPage hasPreviousPage endCursor }
  }
}
"""


def gid(order: dict[str, int]) -> str:
    return f"gid://shopify/Order/{order['id']}"


def errors(devstore: Devstore, query: str, variables: object = None) -> list[dict[str, object]]:
    answer = devstore.call(query, variables, token=devstore.token())
    assert answer.status_code == 200
    return answer.json()["errors"]


def test_order_with_everything_below_it(devstore: Devstore) -> None:
    variant = devstore.query("{ products(first: 5) { nodes { variants(first: 1) { nodes { id } } } } }")
    number = int(variant["products"]["nodes"][0]["variants"]["nodes"][0]["id"].rpartition("/")[2])
    line = {"variant_id": number, "quantity": 3}
    order = devstore.place(line, {"title": "Poster", "price": "1.00"}, email="customer-1@csv.example", discount=None)
    devstore.post(f"orders/{order['id']}/refund", lines={order["lines"][0]["id"]: 1})
    read = devstore.query(ORDER, {"id": gid(order)})["order"]
    assert read["displayFinancialStatus"] == "PARTIALLY_REFUNDED"
    assert read["customer"]["lastOrder"]["id"] == gid(order)
    assert read["customer"]["numberOfOrders"] == "3"
    beans, poster = read["lineItems"]["nodes"]
    assert (beans["quantity"], beans["currentQuantity"]) == (3, 2)
    assert beans["variant"]["id"] == f"gid://shopify/ProductVariant/{number}"
    assert (poster["product"], poster["originalTotalSet"]["shopMoney"]["amount"]) == (None, "1.0")
    sale, back = read["transactions"]
    assert (sale["kind"], back["kind"], back["parentTransaction"]["id"]) == ("SALE", "REFUND", sale["id"])
    (refund,) = read["refunds"]
    assert refund["refundLineItems"]["nodes"][0]["lineItem"]["id"] == beans["id"]
    assert refund["totalRefundedSet"]["shopMoney"] == read["totalRefundedSet"]["shopMoney"]


def test_rounding_discount_of_a_file_is_allocated(devstore: Devstore) -> None:
    ids = devstore.query("{ orders(first: 10, sortKey: PROCESSED_AT) { nodes { id name } } }")["orders"]["nodes"]
    number = next(each["id"] for each in ids if each["name"] == "#A-3")
    order = devstore.query(ORDER, {"id": number})["order"]
    (line,) = order["lineItems"]["nodes"]
    assert order["totalPriceSet"]["shopMoney"]["amount"] == "10.0"
    assert line["originalTotalSet"]["shopMoney"]["amount"] == "10.02"
    assert line["discountAllocations"][0]["allocatedAmountSet"]["shopMoney"]["amount"] == "0.02"
    assert order["discountApplications"]["nodes"][0] == {
        "__typename": "DiscountCodeApplication",
        "value": {"__typename": "MoneyV2", "amount": "0.02"},
        "code": "ROUNDING",
    }


def test_pages_follow_their_cursor(devstore: Devstore) -> None:
    first = devstore.query(PAGE, {"first": 3})["orders"]
    assert [each["name"] for each in first["nodes"]] == ["#A-1", "#A-2", "#A-3"]
    assert first["pageInfo"]["hasNextPage"] is True
    rest = devstore.query(PAGE, {"first": 3, "after": first["pageInfo"]["endCursor"]})["orders"]
    assert [each["name"] for each in rest["nodes"]] == ["#A-4"]
    assert (rest["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasPreviousPage"]) == (False, True)
    back = devstore.query(PAGE, {"first": 2, "reverse": True})["orders"]
    assert [each["name"] for each in back["nodes"]] == ["#A-4", "#A-3"]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("updated_at:>='2026-02-01T00:00:00Z'", ["#A-3", "#A-4"]),
        ("updated_at:>2026-01-05T10:00:00Z updated_at:<'2026-03-01'", ["#A-2", "#A-3"]),
        ("processed_at:>=2026-01-06T00:00:00Z AND created_at:<=2026-01-06T00:00:00Z", ["#A-2"]),
    ],
)
def test_query_filters_by_time(devstore: Devstore, query: str, names: list[str]) -> None:
    found = devstore.query(PAGE, {"first": 10, "query": query})["orders"]["nodes"]
    assert [each["name"] for each in found] == names


def test_unknown_filter_is_an_error_and_not_ignored(devstore: Devstore) -> None:
    (error,) = errors(devstore, PAGE, {"first": 10, "query": "tag:vip"})
    assert "searched by tag" in str(error["message"])


def test_nodes_answer_in_order_with_null_for_the_unknown(devstore: Devstore) -> None:
    order = devstore.place()
    ids = ["gid://shopify/Customer/1", gid(order), gid(order)]
    nodes = devstore.query("query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }", {"ids": ids})["nodes"]
    assert nodes == [None, {"__typename": "Order", "id": gid(order)}, {"__typename": "Order", "id": gid(order)}]


def test_field_without_data_says_so_and_spares_the_rest(devstore: Devstore) -> None:
    body = devstore.call("{ shop { name analyticsToken } }", token=devstore.token()).json()
    assert body["errors"][0]["message"] == "devstore has no data for Shop.analyticsToken"
    body = devstore.call(
        "{ orders(first: 2) { nodes { name riskLevel: publication { id } } } }", token=devstore.token()
    ).json()
    assert [each["path"] for each in body["errors"]] == [
        ["orders", "nodes", 0, "riskLevel"],
        ["orders", "nodes", 1, "riskLevel"],
    ]
    assert body["data"]["orders"]["nodes"][0] == {"name": "#A-1", "riskLevel": None}


def test_unknown_field_is_refused_before_it_runs(devstore: Devstore) -> None:
    (error,) = errors(devstore, "{ shop { nonsense } }")
    assert "nonsense" in str(error["message"])


def test_connection_wants_a_page_size(devstore: Devstore) -> None:
    (error,) = errors(devstore, "{ orders { nodes { id } } }")
    assert error["message"] == "you must provide one of first or last"


def test_missing_scope_is_access_denied(devstore: Devstore) -> None:
    devstore.shop.update(scopes=["read_orders", "read_all_orders"])
    body = devstore.call("{ orders(first: 1) { nodes { id customer { id } } } }", token=devstore.token()).json()
    assert body["errors"][0]["extensions"]["code"] == "ACCESS_DENIED"
    assert "`read_customers` access scope" in body["errors"][0]["message"]


def test_orders_older_than_sixty_days_need_read_all_orders(devstore: Devstore) -> None:
    devstore.shop.update(scopes=["read_orders"])
    new = devstore.place()
    nodes = devstore.query("{ orders(first: 10) { nodes { id } } }")["orders"]["nodes"]
    assert nodes == [{"id": gid(new)}]


def test_version_that_is_gone_falls_forward(devstore: Devstore) -> None:
    for asked, served in {"2026-10": "2026-10", "2023-01": "2026-01"}.items():
        answer = devstore.call("{ shop { name } }", token=devstore.token(), version=asked)
        assert answer.status_code == 200
        assert answer.headers["x-shopify-api-version"] == served
        assert answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("query", "variables", "points"),
    [
        ("{ shop { name primaryDomain { host } } }", {}, 2),
        ("{ orders(first: 9) { nodes { totalPriceSet { shopMoney { amount } } } pageInfo { hasNextPage } } }", {}, 29),
        ("{ orders(first: 25) { edges { cursor node { id customer { id } } } } }", {}, 52),
        ("query ($n: Int = 5) { orders(first: $n) { nodes { lineItems(first: 10) { nodes { id } } } } }", {}, 67),
        ("query ($n: Int = 5) { orders(first: $n) { nodes { id } } }", {"n": 7}, 9),
        ("query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Order { refunds(first: 3) { id } } ... on Shop { id } } }",
         {"ids": ["a", "b"]}, 8),
        ("mutation { scriptTagDelete(id: 1) { deletedScriptTagId userErrors { message } } }", {}, 12),
    ],
)  # fmt: skip
def test_requested_cost_follows_the_classic_formula(
    devstore: Devstore, query: str, variables: dict[str, object], points: int
) -> None:
    answer = devstore.call(query, variables, token=devstore.token()).json()
    assert answer["extensions"]["cost"]["requestedQueryCost"] == points


def test_actual_cost_is_what_was_found(devstore: Devstore) -> None:
    body = devstore.call("{ orders(first: 50) { nodes { id customer { id } } } }", token=devstore.token()).json()
    # Two for the connection, four orders, three of them with a customer.
    assert body["extensions"]["cost"]["actualQueryCost"] == 9
    assert body["extensions"]["cost"]["throttleStatus"]["maximumAvailable"] == 2000
    assert body["extensions"]["cost"]["throttleStatus"]["restoreRate"] == 100


def test_query_over_a_thousand_points_is_refused(devstore: Devstore) -> None:
    (error,) = errors(devstore, "{ orders(first: 250) { nodes { customer { id } app { id } shippingLine { id } } } }")
    assert error["extensions"]["code"] == "MAX_COST_EXCEEDED"  # type: ignore[index]
    assert error["message"] == "Query cost is 1002, which exceeds the single query max cost limit (1000)."


def test_empty_bucket_throttles_and_refills(devstore: Devstore) -> None:
    token, query = devstore.token(), "{ orders(first: 100) { nodes { id } } }"
    assert "errors" not in devstore.call(query, token=token).json()
    bucket = devstore.http.app.state.admin_api._buckets[devstore.shop.id]  # type: ignore[attr-defined]
    bucket.restored, bucket.available = 0.0, 101.0
    body = devstore.call(query, token=token).json()
    assert body["errors"][0]["message"] == "Throttled"
    assert body["errors"][0]["extensions"]["code"] == "THROTTLED"
    assert "data" not in body
    assert body["extensions"]["cost"]["requestedQueryCost"] == 102
    assert body["extensions"]["cost"]["throttleStatus"]["currentlyAvailable"] == 101
    bucket.restored = 1e9
    assert "errors" not in devstore.call(query, token=token).json()


def test_a_larger_plan_has_a_larger_bucket(devstore: Devstore) -> None:
    def status() -> dict[str, float]:
        answer = devstore.call("{ shop { id } }", token=devstore.token()).json()
        return answer["extensions"]["cost"]["throttleStatus"]

    assert (status()["maximumAvailable"], status()["restoreRate"]) == (2000, 100)
    assert devstore.http.post("/devstore/shop", json={"plan": "gold"}).status_code == 422
    assert devstore.http.post("/devstore/shop", json={"plan": "plus"}).status_code == 200
    assert (status()["maximumAvailable"], status()["restoreRate"]) == (20000, 1000)


def test_throttle_and_fail_knobs(devstore: Devstore) -> None:
    token = devstore.token()
    knobs = {"X-Devstore-Knobs": '{"throttle": 1}'}
    assert (
        devstore.call("{ shop { id } }", token=token, **knobs).json()["errors"][0]["extensions"]["code"] == "THROTTLED"
    )
    assert devstore.call("{ shop { id } }", token=token, **{"X-Devstore-Knobs": '{"fail": 1}'}).status_code == 503
    assert devstore.call("{ shop { id } }", token=token).status_code == 200


def test_stale_reads_answer_an_earlier_state(devstore: Devstore) -> None:
    order = devstore.place({"title": "Beans", "price": "20.00", "quantity": 2})
    query = "query ($id: ID!) { order(id: $id) { lineItems(first: 1) { nodes { currentQuantity } } } }"

    def left(**headers: str) -> int:
        body = devstore.call(query, {"id": gid(order)}, token=devstore.token(), **headers).json()
        return int(body["data"]["order"]["lineItems"]["nodes"][0]["currentQuantity"])

    stale = {"X-Devstore-Knobs": '{"stale": 1}'}
    assert left(**stale) == 2
    devstore.post(f"orders/{order['id']}/refund", lines={order["lines"][0]["id"]: 1})
    assert left() == 1
    assert left(**stale) == 2
    nodes = "query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Order { totalRefundedSet { shopMoney { amount } } } } }"
    body = devstore.call(nodes, {"ids": [gid(order)]}, token=devstore.token(), **stale).json()
    assert body["data"]["nodes"][0]["totalRefundedSet"]["shopMoney"]["amount"] == "0.0"


def test_script_tags_come_and_go(devstore: Devstore) -> None:
    create = "mutation ($input: ScriptTagInput!) { scriptTagCreate(input: $input) { scriptTag { id src } userErrors { field message } } }"  # noqa: E501
    made = devstore.query(
        create, {"input": {"src": "http://localhost:8000/storefront/x.js", "displayScope": "ONLINE_STORE"}}
    )
    number = made["scriptTagCreate"]["scriptTag"]["id"]
    tags = devstore.query("{ scriptTags(first: 5) { nodes { id src displayScope } } }")["scriptTags"]["nodes"]
    assert tags == [{"id": number, "src": "http://localhost:8000/storefront/x.js", "displayScope": "ONLINE_STORE"}]
    delete = "mutation ($id: ID!) { scriptTagDelete(id: $id) { deletedScriptTagId userErrors { message } } }"
    assert devstore.query(delete, {"id": number})["scriptTagDelete"] == {"deletedScriptTagId": number, "userErrors": []}
    bad = devstore.query(create, {"input": {"src": "http://elsewhere.example/x.js"}})["scriptTagCreate"]
    assert bad["scriptTag"] is None
    assert bad["userErrors"][0]["field"] == ["input", "src"]


def test_shop_may_refuse_script_tags(devstore: Devstore) -> None:
    devstore.post("shop", accepts_script_tags=False)
    tag = 'input: {src: "https://a.example/x.js"}'
    create = f"mutation {{ scriptTagCreate({tag}) {{ scriptTag {{ id }} userErrors {{ message }} }} }}"
    made = devstore.query(create)["scriptTagCreate"]
    assert made["scriptTag"] is None
    assert made["userErrors"]


def test_installation_and_empty_subscriptions(devstore: Devstore) -> None:
    data = devstore.query(
        "{ currentAppInstallation { id accessScopes { handle } app { handle title } }"
        "  webhookSubscriptions(first: 5) { nodes { id } } }"
    )
    assert {"handle": "read_all_orders"} in data["currentAppInstallation"]["accessScopes"]
    assert data["webhookSubscriptions"]["nodes"] == []


def test_log_keeps_each_document_once(devstore: Devstore) -> None:
    query = "query Named { shop { name } }"
    for _ in range(2):
        devstore.call(query, token=devstore.token())
    log = devstore.http.get("/devstore/log", params={"kind": "graphql"}).json()
    named = [each for each in log["entries"] if each["operation"] == "Named"]
    assert len(named) == 2
    assert {log["documents"][each["document"]] for each in named} == {query}
    assert (named[0]["status"], named[0]["requested_cost"], named[0]["shop"]) == (200, 1, "csv.myshopify.com")


def test_write_scope_includes_reading(devstore: Devstore) -> None:
    assert "read_script_tags" not in oauth.access(devstore.shop, devstore.token()).scopes  # type: ignore[union-attr]
    assert devstore.query("{ scriptTags(first: 1) { nodes { id } } }")["scriptTags"]["nodes"] == []
