"""Working off deliveries: ids are read again, bodies are believed only where there is nothing to read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries
from structlog.contextvars import get_contextvars, merge_contextvars
from structlog.testing import capture_logs

from retention_app import clock, intake, work
from retention_app.models import (
    Customer,
    DomainEvent,
    FailedTry,
    Order,
    Product,
    Shop,
    ShopToken,
    SyncRun,
    WebhookDelivery,
)
from retention_app.shopify import reads
from tests.platform.conftest import Answer, Platform, Store, cost, delivery, errors, states
from tests.platform.nodes import customer_node, line_node, order_node


def test_order_comes_with_the_customer_the_mirror_does_not_know(store: Store, apply: Callable[..., None]) -> None:
    apply(delivery("orders/create", {"id": 6001, "total_price": "999.00"}))
    order = Order.objects.select_related("customer").get()
    assert (order.shopify_id, order.total_minor) == (6001, 4090)  # the platform's figure, not the body's
    assert order.customer is not None
    assert order.customer.shopify_id == 8101
    assert states() == ["done"]
    assert set(DomainEvent.objects.values_list("origin", flat=True)) == {"live"}


def test_known_customer_is_not_read_again(store: Store, apply: Callable[..., None]) -> None:
    apply(delivery("customers/create", {"id": 8101}))
    store.asked.clear()
    apply(delivery("orders/paid", {"id": 6001}))
    assert store.asked == [["gid://shopify/Order/6001"]]


@pytest.mark.parametrize(
    ("topic", "body"),
    [
        ("orders/create", {"id": 6001}),
        ("orders/updated", {"id": 6001}),
        ("orders/paid", {"id": 6001}),
        ("orders/cancelled", {"id": 6001}),
        ("orders/edited", {"order_edit": {"id": 5, "order_id": 6001}}),
        ("refunds/create", {"id": 9301, "order_id": 6001}),
    ],
)
def test_every_order_topic_reads_its_order(store: Store, apply: Callable[..., None], topic: str, body: Any) -> None:
    apply(delivery(topic, body))
    assert Order.objects.get().shopify_id == 6001


@pytest.mark.parametrize("topic", ["products/create", "products/update"])
def test_product_topics_read_their_product(apply: Callable[..., None], topic: str) -> None:
    apply(delivery(topic, {"id": 7001}))
    assert Product.objects.get().title == "Coffee beans"


def test_many_hints_at_one_order_read_it_once(store: Store, apply: Callable[..., None]) -> None:
    apply(*(delivery("orders/updated", {"id": 6001}) for _ in range(5)))
    assert store.asked.count(["gid://shopify/Order/6001"]) == 1
    assert states() == ["done"] * 5


def test_log_lines_tell_which_deliveries_a_worker_has_in_hand(apply: Callable[..., None]) -> None:
    orders = [delivery("orders/updated", {"id": 6001}) for _ in range(3)]
    product = delivery("products/update", {"id": 9001})
    with capture_logs(processors=[merge_contextvars]) as lines:
        apply(*orders, product)
    worked = {line["kind"]: line["delivery_ids"] for line in lines if line["event"] == "deliveries_worked"}
    assert worked == {"orders": f"{orders[0].id}..{orders[2].id}", "products": str(product.id)}
    assert "delivery_ids" not in get_contextvars()


def test_applied_twice_changes_nothing(apply: Callable[..., None]) -> None:
    apply(delivery("orders/create", {"id": 6001}))
    before = (list(Order.objects.values("id", "updated_at")), DomainEvent.objects.count())
    apply(delivery("orders/create", {"id": 6001}))
    assert (list(Order.objects.values("id", "updated_at")), DomainEvent.objects.count()) == before


def test_what_stays_missing_is_gone(apply: Callable[..., None]) -> None:
    topics = ("orders/updated", "customers/update", "products/update")
    apply(*(delivery(topic, {"id": 1}, attempts=intake.READS_OF_MISSING) for topic in topics))
    assert states() == ["done"] * 3
    assert not Order.objects.exists()


def test_what_is_missing_may_only_be_too_new(store: Store, apply: Callable[..., None]) -> None:
    early = delivery("orders/create", {"id": 6002})
    apply(early)
    assert states() == ["waiting"]
    store.add(order_node(6002, line_node(2, "5.00")))
    apply(early)
    assert states() == ["done"]
    assert Order.objects.get().shopify_id == 6002


def test_order_waits_for_its_customer_to_show(store: Store, apply: Callable[..., None]) -> None:
    store.add(order_node(6002, line_node(2, "5.00"), customer={"id": "gid://shopify/Customer/8102"}))
    early = delivery("orders/create", {"id": 6002})
    apply(early)
    assert (Order.objects.get().customer, states()) == (None, ["waiting"])
    store.add(customer_node(8102))
    apply(early)
    customer = Order.objects.select_related("customer").get().customer
    assert customer is not None
    assert (customer.shopify_id, states()) == (8102, ["done"])


@pytest.mark.parametrize(("told", "state"), [("10:02:09", "done"), ("10:02:10", "waiting")])
def test_read_older_than_what_was_told_is_no_answer(apply: Callable[..., None], told: str, state: str) -> None:
    apply(delivery("orders/updated", {"id": 6001, "updated_at": f"2026-11-21T{told}+00:00"}))
    assert states() == [state]


def test_order_of_nobody_is_kept_without_a_customer(store: Store, apply: Callable[..., None]) -> None:
    store.add(order_node(6002, line_node(2, "5.00"), customer=None))
    apply(delivery("orders/create", {"id": 6002}))
    assert Order.objects.get().customer is None


def test_withheld_names_break_nothing(store: Store, apply: Callable[..., None]) -> None:
    store.add(customer_node(8101, firstName=None, lastName=None, defaultEmailAddress=None))
    apply(delivery("orders/create", {"id": 6001}))
    assert Customer.objects.get().name == ""


@pytest.mark.parametrize(
    ("topic", "body", "reason"),
    [
        ("orders/create", b"{", "no JSON"),
        ("orders/create", b"\xff", "no JSON"),
        ("orders/create", b"[1]", "no JSON object"),
        ("orders/create", {}, "no id at id"),
        ("orders/create", {"id": "6001"}, "no id at id"),
        ("orders/create", {"id": True}, "no id at id"),
        ("orders/create", {"id": -1}, "no id at id"),
        ("orders/create", {"id": 2**64}, "no id at id"),
        ("orders/edited", {"order_edit": [6001]}, "no id at order_edit.order_id"),
        ("refunds/create", {"id": 9301}, "no id at order_id"),
        ("bulk_operations/finish", {"admin_graphql_api_id": "gid://shopify/BulkOperation/x"}, "no id"),
        ("themes/delete", {"id": 1}, "themes/delete"),
        ("orders/create", {"id": 6001, "shop_id": 1}, "another shop"),
        ("orders/create", {"id": 6001, "shop_domain": "beta.myshopify.com"}, "another shop"),
        ("app/uninstalled", {"id": 1, "myshopify_domain": "alpha.myshopify.com"}, "another shop"),
        ("app/uninstalled", {"myshopify_domain": "beta.myshopify.com"}, "another shop"),
        ("app/uninstalled", {"id": 548380014}, "names no shop"),
    ],
)
def test_body_that_says_nothing_is_put_aside_and_its_neighbours_go_through(
    shop: Shop, apply: Callable[..., None], topic: str, body: Any, reason: str
) -> None:
    before, bad = delivery("orders/create", {"id": 6001}), delivery(topic, body)
    apply(before, bad, delivery("products/update", {"id": 7001}))
    bad.refresh_from_db()
    assert (bad.state, reason in bad.error) == ("dead", True), bad.error
    assert states() == ["done", "dead", "done"]
    shop.refresh_from_db()
    assert shop.state == Shop.State.INSTALLED


def test_body_that_trips_us_is_alone_put_aside(apply: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    check = intake._check_shop

    def trip(shop: Shop, body: dict[str, Any], handling: Any) -> None:
        if "odd" in body:
            raise RecursionError("too deep")
        check(shop, body, handling)

    monkeypatch.setattr(intake, "_check_shop", trip)
    apply(delivery("orders/create", {"id": 6001, "odd": 1}), delivery("orders/create", {"id": 6001}))
    assert states() == ["dead", "done"]
    row = WebhookDelivery.objects.get(state="dead")
    assert (row.error_class, row.error) == ("RecursionError", "too deep")


def test_instant_beyond_the_calendar_says_nothing(shop: Shop, apply: Callable[..., None]) -> None:
    beyond = "0001-01-01T00:00:00+14:00"
    apply(
        delivery("orders/create", {"id": 6001, "updated_at": beyond}),
        delivery("app/uninstalled", UNINSTALLED, triggered_at=beyond),
    )
    shop.refresh_from_db()
    assert (shop.state, states()) == (Shop.State.UNINSTALLED, ["done", "done"])


def test_order_that_cannot_be_taken_is_alone_put_aside(store: Store, apply: Callable[..., None]) -> None:
    store.add(*(order_node(number, line_node(number, "1.00")) for number in range(1, 6)))
    store.add(order_node(3, total="1.005"))
    apply(*(delivery("orders/create", {"id": number}) for number in range(1, 6)))
    assert states() == ["done", "done", "dead", "done", "done"]
    assert "gid://shopify/Order/3" in WebhookDelivery.objects.get(state="dead").error
    assert Order.objects.count() == 4


def test_fault_of_ours_is_tried_again(apply: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("a slip")

    monkeypatch.setattr(reads, "read_orders", broken)
    apply(delivery("orders/create", {"id": 6001}))
    row = WebhookDelivery.objects.get()
    assert (row.state, row.error_class, row.error) == ("waiting", "RuntimeError", "a slip")
    assert row.due_at > clock.now()


@pytest.mark.parametrize(
    ("what", "topic", "body"),
    [
        ("shop_uninstalled", "app/uninstalled", {"id": 548380014, "myshopify_domain": "alpha.myshopify.com"}),
        ("request_record", "customers/redact", {"shop_domain": "alpha.myshopify.com", "customer": {"id": 1}}),
        ("_sync_wake", "bulk_operations/finish", {"admin_graphql_api_id": "gid://shopify/BulkOperation/1"}),
        (
            "customers_merge",
            "customers/merge",
            {
                "admin_graphql_api_customer_deleted_id": "gid://shopify/Customer/1",
                "admin_graphql_api_customer_kept_id": "gid://shopify/Customer/8101",
                "status": "completed",
            },
        ),
    ],
)
def test_fault_of_ours_while_acting_is_tried_again_and_holds_up_no_other(
    apply: Callable[..., None], monkeypatch: pytest.MonkeyPatch, what: str, topic: str, body: Any
) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("a slip")

    monkeypatch.setattr(intake, what, broken)
    apply(delivery(topic, body), delivery("orders/create", {"id": 6001}))
    assert list(WebhookDelivery.objects.order_by("id").values_list("state", "error_class")) == [
        ("waiting", "RuntimeError"),
        ("done", ""),
    ]
    assert FailedTry.objects.count() == 1


def test_fault_of_one_deletion_is_its_own(apply: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    forget = intake.forget

    def trip(kind: Any, ids: set[int], **given: Any) -> None:
        if 2 in ids:
            raise RuntimeError("a slip")
        forget(kind, ids, **given)

    monkeypatch.setattr(intake, "forget", trip)
    apply(*(delivery("customers/delete", {"id": number}) for number in (1, 2, 3)))
    assert states() == ["done", "waiting", "done"]


def test_workers_that_died_are_no_reads_of_what_is_missing(apply: Callable[..., None]) -> None:
    apply(delivery("orders/updated", {"id": 1}, attempts=intake.READS_OF_MISSING, lapses=1))
    assert states() == ["waiting"]


def test_throttled_deliveries_wait_without_counting(platform: Platform, apply: Callable[..., None]) -> None:
    platform.script(errors("THROTTLED", **cost(requested=999, available=-9000)))
    apply(delivery("orders/create", {"id": 6001}))
    row = WebhookDelivery.objects.get()
    assert (row.state, row.attempts, row.lease_until) == ("waiting", 0, None)
    assert row.due_at > clock.now() + dt.timedelta(seconds=60)


def test_failing_platform_is_tried_again_later(platform: Platform, apply: Callable[..., None]) -> None:
    platform.script(Answer(status=503))
    apply(delivery("products/update", {"id": 7001}))
    row = WebhookDelivery.objects.get()
    assert (row.state, row.lease_until) == ("waiting", None)
    assert "503" in row.error


@pytest.mark.parametrize(("hours", "state", "wait"), [(0, "waiting", 2), (1, "waiting", 900), (49, "dead", 900)])
def test_outage_is_sat_out_for_two_days_whatever_the_attempts(
    platform: Platform, apply: Callable[..., None], hours: int, state: str, wait: int
) -> None:
    platform.script(Answer(status=503))
    received_at = clock.now() - dt.timedelta(hours=hours)
    apply(delivery("products/update", {"id": 7001}, received_at=received_at, attempts=work.ATTEMPTS_MAX))
    row = WebhookDelivery.objects.get()
    assert (row.state, row.attempts) == (state, work.ATTEMPTS_MAX - 1)
    assert 0.6 * wait < (row.due_at - clock.now()).total_seconds() < 1.3 * max(wait, 20)


@pytest.mark.parametrize("status", [401, 402, 423])
def test_closed_shop_keeps_its_deliveries(platform: Platform, apply: Callable[..., None], status: int) -> None:
    ShopToken.objects.update(refresh_token="")
    platform.script(Answer(status=status))
    apply(delivery("orders/create", {"id": 6001}))
    row = WebhookDelivery.objects.get()
    assert (row.state, row.attempts) == ("waiting", 0)
    assert row.due_at > clock.now() + dt.timedelta(minutes=10)


def test_missing_permission_is_told(platform: Platform, apply: Callable[..., None]) -> None:
    platform.script(errors("ACCESS_DENIED"))
    apply(delivery("products/update", {"id": 7001}))
    row = WebhookDelivery.objects.get()
    assert row.state == "dead"
    assert row.error_class == "AccessDenied"


UNINSTALLED = {"id": 548380014, "myshopify_domain": "alpha.myshopify.com", "name": "Alpha"}


def test_uninstall_ends_all_access(shop: Shop, platform: Platform, apply: Callable[..., None]) -> None:
    Shop.objects.update(script_tag_id=5)
    apply(delivery("orders/updated", {"id": 6001}), delivery("app/uninstalled", UNINSTALLED))
    shop.refresh_from_db()
    assert (shop.state, shop.script_tag_id) == (Shop.State.UNINSTALLED, None)
    assert shop.uninstalled_at is not None
    assert not ShopToken.objects.exists()
    assert states() == ["done", "done"]
    assert platform.calls == []


@pytest.mark.parametrize("triggered_at", ["before", ""])
def test_late_uninstall_of_an_earlier_installation_is_ignored(
    shop: Shop, apply: Callable[..., None], triggered_at: str
) -> None:
    before = shop.installed_at - dt.timedelta(minutes=1)
    late = {"triggered_at": before.isoformat() if triggered_at else "", "received_at": before}
    apply(delivery("app/uninstalled", UNINSTALLED, **late))
    shop.refresh_from_db()
    assert shop.state == Shop.State.INSTALLED
    assert ShopToken.objects.exists()
    assert states() == ["done"]


def test_uninstall_told_twice_changes_nothing(shop: Shop, apply: Callable[..., None]) -> None:
    apply(delivery("app/uninstalled", UNINSTALLED))
    shop.refresh_from_db()
    at = shop.uninstalled_at
    apply(delivery("app/uninstalled", UNINSTALLED))
    shop.refresh_from_db()
    assert shop.uninstalled_at == at


def test_finished_bulk_operation_wakes_its_import(
    shop: Shop, apply: Callable[..., None], monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    woken: list[int] = []
    monkeypatch.setattr("retention_app.tasks.sync_work.delay", lambda *, shop_id, run_id: woken.append(run_id))
    later = clock.now() + dt.timedelta(minutes=5)
    operations = {"orders": {"id": "gid://shopify/BulkOperation/147595010"}}
    run = SyncRun.objects.create(shop=shop, operations=operations, started_at=later, due_at=later)
    for number in (1, 147595010):
        body = {"admin_graphql_api_id": f"gid://shopify/BulkOperation/{number}", "status": "completed"}
        with django_capture_on_commit_callbacks(execute=True):
            apply(delivery("bulk_operations/finish", body))
    run.refresh_from_db()
    assert woken == [run.id]
    assert run.due_at <= clock.now()
    assert states() == ["done", "done"]


def test_finished_bulk_operation_without_an_import_is_done(apply: Callable[..., None]) -> None:
    apply(delivery("bulk_operations/finish", {"admin_graphql_api_id": "gid://shopify/BulkOperation/1"}))
    assert states() == ["done"]


@pytest.mark.parametrize("number", [2, reads.ORDERS_PER_READ])
def test_batch_costs_the_same_statements_whatever_its_size(
    store: Store, apply: Callable[..., None], number: int, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    store.add(*(order_node(each, line_node(each, "1.00")) for each in range(1, number + 1)))
    deliveries = [delivery("orders/create", {"id": each}) for each in range(1, number + 1)]
    with django_assert_max_num_queries(40):
        apply(*deliveries)
    assert Order.objects.count() == number


def test_orders_that_were_read_stay_when_the_platform_fails_later(
    store: Store, platform: Platform, apply: Callable[..., None]
) -> None:
    numbers = range(1, 3 * reads.ORDERS_PER_READ)
    store.add(*(order_node(each, line_node(each, "1.00"), customer=None) for each in numbers))
    platform.answer = lambda call: store.answer(call) if len(store.asked) < 1 else errors("THROTTLED", **throttled)
    throttled = cost(requested=999, available=-9000)
    apply(*(delivery("orders/create", {"id": each}) for each in numbers))
    assert Order.objects.count() == states().count("done") == reads.ORDERS_PER_READ
    assert set(WebhookDelivery.objects.filter(state="waiting").values_list("attempts", flat=True)) == {0}


def test_lease_is_kept_while_many_orders_are_read(
    store: Store, apply: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retention_app.work.LEASE_SECONDS", 0.001)
    renewed: list[Any] = []
    monkeypatch.setattr("retention_app.work.lease_renew", renewed.append)
    rows = [delivery("customers/update", {"id": 8101}), delivery("orders/create", {"id": 6001})]
    apply(*rows)
    assert renewed
    assert all(each == rows for each in renewed)  # the whole claim, whatever is being read
