"""The GraphQL wrapper and the reads against a platform that throttles, fails, withholds and changes its mind."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest
from django.core.cache import cache
from prometheus_client import REGISTRY
from pytest_django import Settings
from structlog.testing import capture_logs
from time_machine import TimeMachineFixture

from retention_app.models import Shop, ShopToken
from retention_app.shopify import bucket, client, reads
from retention_app.shopify.errors import (
    AccessDenied,
    FileUnavailable,
    QueryRefused,
    QueryTooCostly,
    ShopifyError,
    ShopUnavailable,
    Throttled,
    TransientError,
    Unauthorized,
    UnreadableAnswer,
)
from retention_app.shopify.transport import DevstoreTransport, http
from tests.platform.conftest import Answer, Call, Platform, cost, data, errors, pair
from tests.platform.nodes import (
    collection_node,
    customer_node,
    line_node,
    order_node,
    page,
    product_node,
    refund_line,
    refund_node,
    refund_shipping,
)

SHOP_INFO = {"id": "gid://shopify/Shop/1"}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "BACKOFF_SECONDS", 0.01)
    monkeypatch.setattr(client, "THROTTLE_SECONDS_MAX", 2.0)


def test_call_goes_to_the_shop_with_its_token_and_our_document(shop: Shop, platform: Platform) -> None:
    platform.script(data(shop=SHOP_INFO))
    assert client.graphql(shop.id, "ShopInfo") == {"shop": SHOP_INFO}
    (call,) = platform.calls
    assert call.path == "/admin/api/2026-10/graphql.json"
    assert call.headers["Host"] == "alpha.myshopify.com"
    assert call.headers["X-Shopify-Access-Token"] == "shpat_alpha"
    assert call.body["operationName"] == "ShopInfo"
    assert call.body["query"].startswith("query ShopInfo {")


def test_throttled_call_waits_and_goes_through(shop: Shop, platform: Platform) -> None:
    throttled = errors("THROTTLED", **cost(requested=110, available=80))
    platform.script(throttled, data(shop=SHOP_INFO))
    began = time.monotonic()
    with bucket.people_waiting():
        assert client.graphql(shop.id, "ShopInfo")["shop"] == SHOP_INFO
    assert time.monotonic() - began >= 0.3


def test_throttled_mutation_waits_too(shop: Shop, platform: Platform) -> None:
    platform.script(errors("THROTTLED"), data(scriptTagDelete={"userErrors": []}))
    client.graphql(shop.id, "ScriptTagDelete", {"id": "gid://shopify/ScriptTag/1"})
    assert len(platform.calls) == 2


def test_wait_beyond_the_deadline_is_the_callers_choice(shop: Shop, platform: Platform) -> None:
    platform.script(errors("THROTTLED", **cost(requested=900, available=0)))
    with pytest.raises(Throttled) as throttled:
        client.graphql(shop.id, "ShopInfo")
    assert throttled.value.wait_seconds >= 9
    assert len(platform.calls) == 1


def test_known_shortage_is_waited_for_before_asking(shop: Shop, platform: Platform) -> None:
    platform.script(Answer({"data": {"shop": SHOP_INFO}, "extensions": cost(requested=500, available=100)}))
    client.graphql(shop.id, "ShopInfo")
    with pytest.raises(Throttled):
        client.graphql(shop.id, "ShopInfo")
    assert len(platform.calls) == 1


# --- the bucket -------------------------------------------------------------------------------------------------------


def known(available: float, requested: float = 100, maximum: float = 2000) -> None:
    """What some worker learnt from an answer."""
    bucket.learn("alpha.myshopify.com", "ShopInfo", cost(requested, available, maximum=maximum)["cost"])


@pytest.fixture
def _empty_memory() -> None:
    cache.clear()


@pytest.mark.usefixtures("_empty_memory", "_stopped_clock")
def test_points_are_reserved_for_one_worker_at_a_time() -> None:
    known(available=650)
    first = bucket.reserve("alpha.myshopify.com", "ShopInfo")
    second = bucket.reserve("alpha.myshopify.com", "ShopInfo")
    third = bucket.reserve("alpha.myshopify.com", "ShopInfo")
    assert [first.wait_seconds, second.wait_seconds] == [0, 0]
    assert third.wait_seconds == 0.5  # 650 less 200 reserved, and 400 stay for staff: 50 of 100 points are there
    assert bucket.reserve("beta.myshopify.com", "ShopInfo").wait_seconds == 0
    bucket.release(first)
    assert bucket.reserve("alpha.myshopify.com", "ShopInfo").wait_seconds == 0


@pytest.mark.usefixtures("_empty_memory", "_stopped_clock")
def test_background_work_leaves_part_of_the_bucket_to_people() -> None:
    known(available=300)
    assert bucket.reserve("alpha.myshopify.com", "ShopInfo").wait_seconds == 2
    with bucket.people_waiting():
        assert bucket.reserve("alpha.myshopify.com", "ShopInfo").wait_seconds == 0


@pytest.mark.usefixtures("_empty_memory", "_stopped_clock")
def test_operation_as_large_as_the_bucket_goes_when_it_is_full() -> None:
    known(available=50, requested=90, maximum=100)
    assert bucket.reserve("alpha.myshopify.com", "ShopInfo").wait_seconds == 0.5


@pytest.fixture
def _stopped_clock(time_machine: TimeMachineFixture) -> None:
    time_machine.move_to("2026-11-21T10:00:30Z", tick=False)


@pytest.mark.usefixtures("_empty_memory")
def test_reservation_of_a_dead_worker_runs_out(time_machine: TimeMachineFixture) -> None:
    time_machine.move_to("2026-11-21T10:00:30Z", tick=False)
    known(available=500, requested=100)
    bucket.reserve("alpha.myshopify.com", "ShopInfo")
    assert bucket.reserve("alpha.myshopify.com", "ShopInfo").wait_seconds > 0
    time_machine.move_to("2026-11-21T10:01:00Z", tick=False)
    known(available=500, requested=100)
    assert bucket.reserve("alpha.myshopify.com", "ShopInfo").wait_seconds == 0


def test_reservation_ends_with_its_call_also_when_that_fails(shop: Shop, platform: Platform) -> None:
    known(available=500)
    platform.script(Answer(status=404))
    with pytest.raises(ShopUnavailable):
        client.graphql(shop.id, "ShopInfo")
    assert bucket.reserve("alpha.myshopify.com", "ShopInfo").wait_seconds == 0


def test_flushed_memory_costs_an_answer_that_says_throttled(shop: Shop, platform: Platform) -> None:
    known(available=0)
    cache.clear()
    platform.script(errors("THROTTLED", **cost(requested=100, available=450)), data(shop=SHOP_INFO))
    assert client.graphql(shop.id, "ShopInfo")["shop"] == SHOP_INFO
    assert len(platform.calls) == 2


@pytest.mark.usefixtures("redis_gone")
def test_memory_out_of_reach_leaves_each_process_its_own(shop: Shop, platform: Platform) -> None:
    platform.script(Answer({"data": {"shop": SHOP_INFO}, "extensions": cost(requested=500, available=100)}))
    client.graphql(shop.id, "ShopInfo")
    with pytest.raises(Throttled):
        client.graphql(shop.id, "ShopInfo")
    assert len(platform.calls) == 1


# --- what the platform refuses ----------------------------------------------------------------------------------------


def test_too_many_requests_are_honoured(shop: Shop, platform: Platform) -> None:
    platform.script(Answer(status=429, headers={"Retry-After": "0.2"}), data(shop=SHOP_INFO))
    assert client.graphql(shop.id, "ShopInfo")["shop"] == SHOP_INFO


def test_strange_retry_after_counts_as_a_second(shop: Shop, platform: Platform) -> None:
    platform.script(Answer(status=429, headers={"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}), data(shop=SHOP_INFO))
    began = time.monotonic()
    client.graphql(shop.id, "ShopInfo")
    assert time.monotonic() - began >= 1


@pytest.mark.parametrize(
    "failure",
    [
        Answer(status=502),
        errors("INTERNAL_SERVER_ERROR"),
        Answer(b"<html>"),
        Answer([1]),
        Answer(b"", headers={"Connection": "close", "Content-Length": "9"}),
    ],
)
def test_failing_query_is_repeated(shop: Shop, platform: Platform, failure: Answer) -> None:
    platform.script(failure, failure, data(shop=SHOP_INFO))
    assert client.graphql(shop.id, "ShopInfo")["shop"] == SHOP_INFO


def test_repeats_of_a_query_are_bounded(shop: Shop, platform: Platform) -> None:
    platform.script(Answer(status=503))
    with pytest.raises(TransientError):
        client.graphql(shop.id, "ShopInfo")
    assert len(platform.calls) == client.ATTEMPTS_MAX


def test_failing_mutation_is_not_repeated(shop: Shop, platform: Platform) -> None:
    platform.script(Answer(status=502))
    with pytest.raises(TransientError):
        client.graphql(shop.id, "ScriptTagCreate", {"input": {}})
    assert len(platform.calls) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (errors("MAX_COST_EXCEEDED"), QueryTooCostly),
        (errors("ACCESS_DENIED"), AccessDenied),
        (errors("ACCESS_DENIED", body={"shop": None}, path=["shop"]), AccessDenied),
        (errors("ACCESS_DENIED", body={"shop": None}, path=["shop", "name"]), AccessDenied),
        (errors("undefinedField"), QueryRefused),
        (Answer({"errors": "[API] not so"}), QueryRefused),
        (Answer({"data": None}), UnreadableAnswer),
        (Answer(status=402), ShopUnavailable),
        (Answer(status=403), ShopUnavailable),
        (Answer(status=404), ShopUnavailable),
        (Answer(status=423), ShopUnavailable),
        (Answer(status=400), QueryRefused),
        (Answer(status=302, headers={"Location": "/"}), QueryRefused),
    ],
)
def test_refusal_has_a_type_and_is_not_repeated(
    shop: Shop, platform: Platform, answer: Answer, error: type[ShopifyError]
) -> None:
    platform.script(answer)
    with pytest.raises(error):
        client.graphql(shop.id, "ShopInfo")
    assert len(platform.calls) == 1


def test_withheld_fields_come_as_null(shop: Shop, platform: Platform) -> None:
    node = customer_node(8101, firstName=None, lastName=None, defaultEmailAddress=None)
    platform.script(errors("ACCESS_DENIED", body={"nodes": [node]}, path=["nodes", 0, "firstName"]))
    row = reads.read_customers(shop.id, [8101])[8101]
    assert row is not None
    assert row["first_name"] == ""


def test_rejected_token_is_refreshed_once(shop: Shop, platform: Platform) -> None:
    platform.script(Answer(status=401), pair(2), data(shop=SHOP_INFO))
    assert client.graphql(shop.id, "ShopInfo")["shop"] == SHOP_INFO
    assert platform.operations == ["ShopInfo", "refresh_token", "ShopInfo"]
    assert platform.calls[-1].headers["X-Shopify-Access-Token"] == "shpat_2"
    assert ShopToken.objects.get().access_token == "shpat_2"


def test_second_rejection_ends_it(shop: Shop, platform: Platform) -> None:
    platform.script(Answer(status=401), pair(2), Answer(status=401))
    with pytest.raises(Unauthorized):
        client.graphql(shop.id, "ShopInfo")
    assert len(platform.calls) == 3


def test_uninstalled_shop_is_never_called(shop: Shop, platform: Platform) -> None:
    Shop.objects.update(state=Shop.State.UNINSTALLED)
    with pytest.raises(ShopUnavailable):
        client.graphql(shop.id, "ShopInfo")
    assert platform.calls == []


def test_log_tells_cost_and_neither_token_nor_variables(shop: Shop, platform: Platform) -> None:
    platform.script(Answer({"data": {"nodes": []}, "extensions": cost(7, 1990)}, headers={"X-Request-Id": "r-1"}))
    with capture_logs() as lines:
        client.graphql(shop.id, "CustomersByIds", {"ids": ["gid://shopify/Customer/81"]})
    (line,) = [line for line in lines if line["event"] == "shopify_call"]
    assert (line["operation"], line["requested"], line["available"], line["shopify_request_id"]) == (
        "CustomersByIds",
        7,
        1990,
        "r-1",
    )
    assert "shpat" not in str(lines)
    assert "Customer/81" not in str(lines)


def test_other_version_and_deprecation_are_told(shop: Shop, platform: Platform) -> None:
    headers = {"X-Shopify-API-Version": "2027-01", "X-Shopify-API-Deprecated-Reason": "https://shopify.dev/x"}
    platform.script(Answer({"data": {"shop": SHOP_INFO}}, headers=headers))
    before = drift()
    with capture_logs() as lines:
        client.graphql(shop.id, "ShopInfo")
    assert {line["event"] for line in lines if line["log_level"] == "warning"} == {
        "shopify_version_differs",
        "shopify_deprecated",
    }
    assert drift() == before + 1
    platform.script(Answer({"data": {"shop": SHOP_INFO}}, headers={"X-Shopify-API-Version": "2026-10"}))
    client.graphql(shop.id, "ShopInfo")
    assert drift() == before + 1


def drift() -> float:
    labels = {"asked": "2026-10", "served": "2027-01"}
    return REGISTRY.get_sample_value("encore_platform_version_drift_total", labels) or 0.0


# --- reads ------------------------------------------------------------------------------------------------------------


def serve_orders(platform: Platform, orders: dict[int, Any], **others: Any) -> None:
    def answer(call: Call) -> Answer:
        if call.operation == "OrdersByIds":
            ids = [int(each.rpartition("/")[2]) for each in call.body["variables"]["ids"]]
            return data(nodes=[orders.get(id_) for id_ in ids])
        found = others[call.operation]
        return data(**(found(call) if callable(found) else found))

    platform.answer = answer


def test_orders_are_read_in_as_few_calls_as_fit(shop: Shop, platform: Platform) -> None:
    serve_orders(platform, {number: order_node(number) for number in range(1, 21)})
    found = reads.read_orders(shop.id, [*range(1, 21), 3, 3])
    assert list(found) == list(range(1, 21))
    assert len(platform.calls) == -(-20 // reads.ORDERS_PER_READ)


def test_gone_orders_and_other_kinds_are_none(shop: Shop, platform: Platform) -> None:
    serve_orders(platform, {1: order_node(1), 2: None, 3: {}})
    found = reads.read_orders(shop.id, [1, 2, 3])
    assert found[1] is not None
    assert (found[2], found[3]) == (None, None)


def test_nothing_asked_for_is_nothing_sent(shop: Shop, platform: Platform) -> None:
    assert reads.read_orders(shop.id, []) == {}
    assert platform.calls == []


def test_no_call_is_made_once_the_app_is_uninstalled(shop: Shop, platform: Platform) -> None:
    """Not even in the middle of a read of many calls."""
    serve_orders(platform, {number: order_node(number) for number in range(1, 41)})
    with pytest.raises(ShopUnavailable):
        reads.read_orders(shop.id, range(1, 41), after_each=lambda: Shop.objects.update(state=Shop.State.UNINSTALLED))
    assert len(platform.calls) == 1


def test_costly_read_is_halved(shop: Shop, platform: Platform) -> None:
    def answer(call: Call) -> Answer:
        ids = call.body["variables"]["ids"]
        if len(ids) > 2:
            return errors("MAX_COST_EXCEEDED")
        return data(nodes=[product_node(int(each.rpartition("/")[2])) for each in ids])

    platform.answer = answer
    assert list(reads.read_products(shop.id, range(1, 8))) == list(range(1, 8))


def test_single_read_that_costs_too_much_is_told(shop: Shop, platform: Platform) -> None:
    platform.script(errors("MAX_COST_EXCEEDED"))
    with pytest.raises(QueryTooCostly):
        reads.read_products(shop.id, [1])


def test_long_order_is_read_page_by_page(shop: Shop, platform: Platform) -> None:
    first = order_node(1, lineItems=page(line_node(1, "1.00"), more="c1"))
    pages = {
        "c1": page(line_node(2, "2.00"), more="c2"),
        "c2": page(line_node(3, "3.00")),
    }
    serve_orders(
        platform,
        {1: first},
        OrderLinesPage=lambda call: {
            "order": {"updatedAt": first["updatedAt"], "lineItems": pages[call.body["variables"]["after"]]}
        },
    )
    order = reads.read_orders(shop.id, [1])[1]
    assert order is not None
    assert [line["net_minor"] for line in order["lines"]] == [100, 200, 300]


def test_order_that_moves_between_its_pages_is_read_again(shop: Shop, platform: Platform) -> None:
    versions = iter(["2026-11-21T10:00:00Z", "2026-11-21T10:05:00Z", "2026-11-21T10:05:00Z"])

    def moving(call: Call) -> Answer:
        if call.operation == "OrdersByIds":
            lines = page(line_node(1, "1.00"), more="c1")
            return data(nodes=[order_node(1, updatedAt=next(versions), lineItems=lines)])
        return data(order={"updatedAt": "2026-11-21T10:05:00Z", "lineItems": page(line_node(2, "2.00"))})

    platform.answer = moving
    order = reads.read_orders(shop.id, [1])[1]
    assert order is not None
    assert (order["updated_at"].minute, len(order["lines"])) == (5, 2)


def test_product_in_many_collections_is_read_page_by_page(shop: Shop, platform: Platform) -> None:
    first = product_node(1, collections=page(collection_node(91), more="c1"))
    pages = {"c1": page(collection_node(92), more="c2"), "c2": page(collection_node(93))}

    def answer(call: Call) -> Answer:
        if call.operation == "ProductsByIds":
            return data(nodes=[first])
        after = call.body["variables"]["after"]
        return data(product={"updatedAt": first["updatedAt"], "collections": pages[after]})

    platform.answer = answer
    product = reads.read_products(shop.id, [1])[1]
    assert product is not None
    assert product["labels"] == ["collection:91", "collection:92", "collection:93", "tag:tea"]


def test_order_that_never_rests_is_tried_later(shop: Shop, platform: Platform) -> None:
    serve_orders(
        platform,
        {1: order_node(1, lineItems=page(line_node(1, "1.00"), more="c1"))},
        OrderLinesPage={"order": {"updatedAt": "2027-01-01T00:00:00Z", "lineItems": page()}},
    )
    with pytest.raises(TransientError, match="kept changing"):
        reads.read_orders(shop.id, [1])


def test_order_that_goes_away_between_its_pages_is_none(shop: Shop, platform: Platform) -> None:
    platform.script(
        data(nodes=[order_node(1, lineItems=page(line_node(1, "1.00"), more="c1"))]),
        data(order=None),
        data(nodes=[None]),
    )
    assert reads.read_orders(shop.id, [1]) == {1: None}


def test_long_refund_is_completed(shop: Shop, platform: Platform) -> None:
    refund = refund_node(9, "30.00")
    refund["refundLineItems"] = page(refund_line(1, "10.00"), more="l1")
    refund["refundShippingLines"] = page(refund_shipping("1.00"), more="s1")
    more = {
        "refundLineItems": page(refund_line(2, "10.00")),
        "refundShippingLines": page(refund_shipping("2.00")),
    }
    serve_orders(platform, {1: order_node(1, refunds=[refund])}, RefundLinesPage={"refund": more})
    order = reads.read_orders(shop.id, [1])[1]
    assert order is not None
    (row,) = order["refunds"]
    assert ([line["line_shopify_id"] for line in row["lines"]], row["unlined_minor"]) == ([1, 2], 700)


def test_refund_that_disappears_is_tried_later(shop: Shop, platform: Platform) -> None:
    refund = refund_node(9, "30.00")
    refund["refundLineItems"] = page(more="l1")
    serve_orders(platform, {1: order_node(1, refunds=[refund])}, RefundLinesPage={"refund": None})
    with pytest.raises(TransientError, match="disappeared"):
        reads.read_orders(shop.id, [1])


# --- bulk files -------------------------------------------------------------------------------------------------------


def lines(platform: Platform, raw: bytes, skip: int = 0, **headers: str) -> list[bytes]:
    platform.script(Answer(raw, headers=headers))
    return list(client.stream_lines(f"{platform.url}/devstore/bulk/1.jsonl?signature=x", skip))


def test_file_is_split_at_line_feeds_only(platform: Platform) -> None:
    raw = '{"a":"\u2028"}\n{"b":"x\\r"}\n\n{"c":1}'.encode()
    assert lines(platform, raw) == ['{"a":"\u2028"}'.encode(), b'{"b":"x\\r"}', b'{"c":1}']


def test_file_is_read_from_a_line_on(platform: Platform) -> None:
    assert lines(platform, b"1\n2\n3\n", skip=2) == [b"3"]


def test_line_longer_than_a_chunk_stays_whole(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "CHUNK_BYTES", 7)
    assert lines(platform, b"x" * 30 + b"\ny\n") == [b"x" * 30, b"y"]


def test_broken_download_is_taken_up_where_it_broke(platform: Platform) -> None:
    platform.script(
        Answer(status=503),
        Answer(b"1\n2\n", headers={"Content-Length": "6", "Connection": "close"}),
        Answer(b"1\n2\n3\n"),
    )
    assert list(client.stream_lines(f"{platform.url}/x")) == [b"1", b"2", b"3"]


def test_download_that_keeps_breaking_is_given_up(platform: Platform) -> None:
    platform.script(Answer(status=500))
    with pytest.raises(TransientError):
        list(client.stream_lines(f"{platform.url}/x"))
    assert len(platform.calls) == client.FILE_ATTEMPTS_MAX


def test_link_that_ran_out_is_told(platform: Platform) -> None:
    platform.script(Answer(status=403))
    with pytest.raises(FileUnavailable):
        list(client.stream_lines(f"{platform.url}/x"))


@pytest.fixture
def _no_devstore(settings: Settings) -> None:
    settings.SHOPIFY_DEVSTORE_URL = ""


@pytest.mark.usefixtures("_no_devstore")
@pytest.mark.parametrize(
    "url",
    [
        "http://storage.googleapis.com/x",
        "https://storage.googleapis.com.example.com/x",
        "https://storage.googleapis.com:8443/x",
        "https://169.254.169.254/x",
        "http://127.0.0.1:8700/devstore/bulk/1.jsonl",
        "file:///etc/passwd",
        "",
    ],
)
def test_file_elsewhere_is_never_fetched(url: str) -> None:
    with pytest.raises(FileUnavailable):
        list(client.stream_lines(url))


# --- the way out ------------------------------------------------------------------------------------------------------


def test_only_shops_are_led_to_devstore(platform: Platform) -> None:
    with DevstoreTransport(platform.url) as transport:
        led = httpx.Request("GET", "https://alpha.myshopify.com/a?b=1")
        assert transport.handle_request(led).status_code == 200
        assert (platform.calls[0].path, platform.calls[0].headers["Host"]) == ("/a?b=1", "alpha.myshopify.com")
        elsewhere = httpx.Request("GET", "http://127.0.0.1:1/")
        with pytest.raises(httpx.ConnectError):
            transport.handle_request(elsewhere)


@pytest.mark.usefixtures("_no_devstore")
def test_without_devstore_nothing_is_led_astray() -> None:
    assert not isinstance(http()._transport, DevstoreTransport)
    assert http() is http()
