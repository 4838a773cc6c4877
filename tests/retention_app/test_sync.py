"""An import in steps: staged, put together, told last; interrupted anywhere, it goes on where it was."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.db.models import F
from time_machine import TimeMachineFixture

from retention_app import clock, sync, work
from retention_app.models import (
    Customer,
    DomainEvent,
    Order,
    OrderLine,
    Product,
    ProductLabel,
    Reconciliation,
    Shop,
    SyncItem,
    SyncRun,
)
from retention_app.reconcile import reconciliation_due
from retention_app.selectors import backlog, labels_of
from retention_app.services.install import shop_opened
from retention_app.shopify import client, reads
from retention_app.shopify.auth import staff_from
from retention_app.shopify.errors import ShopifyError, Throttled, TransientError, UnreadableAnswer
from tests.conftest import id_token, make_shop
from tests.platform.nodes import collection_node, customer_node, line_node, order_node, product_node

ORDERS = 7


class FakePlatform:
    """Three bulk files and the operations that make them. Stands where HTTP would; devstore plays it for real."""

    def __init__(self) -> None:
        self.status = dict.fromkeys(("customers", "products", "orders"), "COMPLETED")
        self.broken_after: int | None = None
        self.calls: list[str] = []
        orders = [self._order(n) for n in range(1, ORDERS + 1)]
        products = [{**product_node(n), "collections": None} for n in (7, 8)]
        collections = [{**collection_node(91), "__parentId": product["id"]} for product in products]
        self.lines = {
            "customers": [customer_node(1), customer_node(2)],
            # children stand anywhere after their parent
            "products": [*products, {**collection_node(92), "__parentId": products[1]["id"]}, *collections],
            "orders": [*(order for order, _ in orders), *(line for _, line in reversed(orders))],
        }

    def _order(self, n: int) -> tuple[dict[str, Any], dict[str, Any]]:
        node = order_node(n, line_node(n * 10, "5.00"))
        line = {**node.pop("lineItems")["nodes"][0], "__parentId": node["id"]}
        return {**node, "processedAt": f"2026-01-{20 - n:02}T12:00:00Z", "refunds": []}, line

    def graphql(self, shop_id: int, name: str, variables: dict[str, Any]) -> dict[str, Any]:
        self.calls.append(name)
        if name == "BulkRunQuery":
            kind = next(kind for kind in self.status if f"{kind} {{" in variables["query"])
            operation = {"id": f"gid://shopify/BulkOperation/{list(self.status).index(kind) + 1}"}
            return {"bulkOperationRunQuery": {"bulkOperation": operation, "userErrors": []}}
        kind = list(self.status)[int(variables["id"][-1]) - 1]
        return {
            "bulkOperation": {
                "status": self.status[kind],
                "rootObjectCount": str(len([row for row in self.lines[kind] if "__parentId" not in row])),
                "url": kind if self.status[kind] == "COMPLETED" and self.lines[kind] else None,
            }
        }

    def stream_lines(self, url: str, skip: int = 0, after_chunk: Any = None) -> Iterator[bytes]:
        for number, row in enumerate(self.lines[url][skip:], skip):
            if self.broken_after is not None and number >= self.broken_after:
                raise TransientError("The connection broke.")
            yield json.dumps(row).encode()


@pytest.fixture
def platform(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> FakePlatform:
    platform = FakePlatform()
    monkeypatch.setattr(client, "graphql", platform.graphql)
    monkeypatch.setattr(client, "stream_lines", platform.stream_lines)
    return platform


def advance(run: SyncRun) -> SyncRun:
    while sync.sync_advance(run_id=run.id, until=clock.now() + dt.timedelta(minutes=1)):
        pass
    run.refresh_from_db()
    return run


def test_a_history_arrives_whole_and_is_told_in_business_order(shop: Shop, platform: FakePlatform) -> None:
    run = advance(sync.sync_start(shop_id=shop.id))
    assert (run.phase, run.orders_done, run.orders_total) == ("done", ORDERS, ORDERS)
    assert (Customer.objects.count(), Product.objects.count(), OrderLine.objects.count()) == (2, 2, ORDERS)
    assert {id_: [label for label, _, _ in labels] for id_, labels in labels_of([7, 8]).items()} == {
        7: ["collection:91", "tag:tea"],
        8: ["collection:91", "collection:92", "tag:tea"],
    }
    assert SyncItem.objects.count() == 0
    told = DomainEvent.objects.filter(type="order.placed").order_by("id").values_list("occurred_at", flat=True)
    assert list(told) == sorted(told)
    assert set(DomainEvent.objects.values_list("origin", flat=True)) == {"backfill"}


def test_a_running_import_is_not_started_twice(shop: Shop, platform: FakePlatform) -> None:
    run = sync.sync_start(shop_id=shop.id)
    assert sync.sync_start(shop_id=shop.id) == run
    advance(run)
    assert sync.sync_start(shop_id=shop.id) != run


def test_an_import_repeated_changes_and_tells_nothing(shop: Shop, platform: FakePlatform) -> None:
    advance(sync.sync_start(shop_id=shop.id))
    before = DomainEvent.objects.count()
    assert advance(sync.sync_start(shop_id=shop.id)).phase == "done"
    assert (DomainEvent.objects.count(), Order.objects.count()) == (before, ORDERS)


@pytest.mark.parametrize("broken_after", range(2 * ORDERS))
def test_a_broken_download_goes_on_at_the_last_committed_batch(
    shop: Shop, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch, broken_after: int
) -> None:
    monkeypatch.setattr(sync, "LINES_PER_BATCH", 3)
    monkeypatch.setattr(sync, "ROOTS_PER_BATCH", 2)
    platform.broken_after = broken_after
    run = advance(sync.sync_start(shop_id=shop.id))
    assert run.phase != "done"
    assert run.error == "The connection broke."
    assert run.lines_read % 3 == 0
    platform.broken_after = None
    run = advance(run)
    assert (run.phase, run.error, run.orders_done) == ("done", "", ORDERS)
    assert (OrderLine.objects.count(), ProductLabel.objects.count()) == (ORDERS, 5)


def test_customers_do_not_wait_for_the_orders_file(shop: Shop, platform: FakePlatform) -> None:
    platform.status["orders"] = "RUNNING"
    run = advance(sync.sync_start(shop_id=shop.id))
    assert run.phase == "staging"
    assert Customer.objects.count() == 2
    platform.status["orders"] = "COMPLETED"
    assert advance(run).phase == "done"


@pytest.mark.parametrize("status", ["FAILED", "CANCELED", "EXPIRED"])
@pytest.mark.parametrize("kind", ["customers", "orders"])
def test_a_failed_operation_is_asked_for_again(shop: Shop, platform: FakePlatform, kind: str, status: str) -> None:
    platform.status[kind] = status
    run = advance(sync.sync_start(shop_id=shop.id))
    assert run.phase == "requested"
    assert kind in run.error
    platform.status[kind] = "COMPLETED"
    assert advance(run).phase == "done"


def test_a_refused_operation_says_what_the_platform_said(
    shop: Shop, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = {
        "bulkOperationRunQuery": {"bulkOperation": None, "userErrors": [{"message": "Not now", "code": "INVALID"}]}
    }
    monkeypatch.setattr(client, "graphql", lambda *call: refusal)
    assert "Not now" in advance(sync.sync_start(shop_id=shop.id)).error


def test_an_empty_store_is_imported_too(shop: Shop, platform: FakePlatform) -> None:
    platform.lines = {"customers": [], "products": [], "orders": []}
    run = advance(sync.sync_start(shop_id=shop.id))
    assert (run.phase, run.orders_total) == ("done", 0)


def test_an_order_that_makes_no_sense_keeps_no_other_out(
    shop: Shop, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.lines["orders"][2]["totalPriceSet"] = None
    refunded = platform.lines["orders"][3], platform.lines["orders"][4]
    for order in refunded:
        order["refunds"] = [{"id": "gid://shopify/Refund/1"}]

    def read_orders(shop_id: int, ids: list[int]) -> dict[int, Any]:
        if 4 in ids:
            raise UnreadableAnswer("Order 4 makes no sense.")
        return dict.fromkeys(ids)

    monkeypatch.setattr(reads, "read_orders", read_orders)
    run = advance(sync.sync_start(shop_id=shop.id))
    assert (run.phase, run.unreadable) == ("done", 2)
    assert set(Order.objects.values_list("shopify_id", flat=True)) == {1, 2, 6, 7}


def test_a_line_that_is_no_json_keeps_no_other_out(
    shop: Shop, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = platform.stream_lines

    def stream_lines(url: str, skip: int = 0, after_chunk: Any = None) -> Iterator[bytes]:
        for number, line in enumerate(lines(url, skip), skip):
            yield b'{"id": "\\ud83d"}' if number == 0 else line

    monkeypatch.setattr(client, "stream_lines", stream_lines)
    run = advance(sync.sync_start(shop_id=shop.id))
    assert run.phase == "done"
    assert (Customer.objects.count(), Product.objects.count(), Order.objects.count()) == (1, 1, ORDERS - 1)


def test_a_worker_that_lost_its_claim_writes_nothing_more(
    shop: Shop, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "LINES_PER_BATCH", 1)
    run = sync.sync_start(shop_id=shop.id)
    lines = platform.stream_lines

    def stream_lines(url: str, skip: int = 0, after_chunk: Any = None) -> Iterator[bytes]:
        for number, line in enumerate(lines(url, skip)):
            if url == "customers" and number == 1:  # the lease ran out: another worker takes the run over
                SyncRun.objects.filter(id=run.id).update(attempts=F("attempts") + 1)
            yield line

    monkeypatch.setattr(client, "stream_lines", stream_lines)
    assert not sync.sync_advance(run_id=run.id, until=clock.now() + dt.timedelta(minutes=1))
    run.refresh_from_db()
    assert (run.phase, run.lines_read, Customer.objects.count()) == ("customers", 1, 1)
    monkeypatch.setattr(client, "stream_lines", lines)
    assert advance(run).customers_done == 2


def test_a_slice_of_time_ends_between_two_batches(
    shop: Shop, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "LINES_PER_BATCH", 1)
    run = sync.sync_start(shop_id=shop.id)
    sync.sync_advance(run_id=run.id, until=clock.now() + dt.timedelta(minutes=1))
    run = sync.sync_start(shop_id=shop.id)
    SyncRun.objects.filter(id=run.id).update(
        phase="customers", read_at=clock.now(), operations={"customers": {"url": "customers", "done": True}}
    )
    run.refresh_from_db()
    assert sync._customers(run, clock.now())
    assert (run.phase, run.lines_read) == ("customers", 1)


def test_operations_that_always_fail_end_the_import(shop: Shop, platform: FakePlatform) -> None:
    platform.status["customers"] = "FAILED"
    run = sync.sync_start(shop_id=shop.id)
    for _ in range(work.ATTEMPTS_MAX):
        assert run.phase != "failed"
        run = advance(run)
    assert run.phase == "failed"


def test_a_throttled_import_waits_as_long_as_it_is_told(
    shop: Shop, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def throttled(*call: Any) -> None:
        raise Throttled(90)

    monkeypatch.setattr(client, "graphql", throttled)
    run = advance(sync.sync_start(shop_id=shop.id))
    assert run.due_at > clock.now() + dt.timedelta(seconds=80)
    assert not work.sync_claim(run_id=run.id)


def test_an_import_that_keeps_failing_ends_and_can_be_started_again(
    shop: Shop, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*call: Any) -> None:
        raise ShopifyError("broken")

    run = sync.sync_start(shop_id=shop.id)
    SyncRun.objects.filter(id=run.id).update(failures=work.ATTEMPTS_MAX - 1)
    monkeypatch.setattr(client, "graphql", broken)
    assert advance(run).phase == "failed"
    assert sync.sync_start(shop_id=shop.id) != run


def test_an_outage_of_the_platform_is_waited_for_however_often_it_is_met(
    shop: Shop, platform: FakePlatform, time_machine: TimeMachineFixture
) -> None:
    platform.broken_after = 1
    run = sync.sync_start(shop_id=shop.id)
    waited = []
    for _ in range(3 * work.ATTEMPTS_MAX):
        met_at = clock.now()
        run = advance(run)
        assert (run.running, run.failures) == (True, 0)
        waited.append(run.due_at - met_at)
        time_machine.move_to(run.due_at + dt.timedelta(seconds=1), tick=False)
    assert waited[0] < dt.timedelta(seconds=5) < waited[5] < max(waited) < dt.timedelta(minutes=20)
    platform.broken_after = None
    run = advance(run)
    assert (run.phase, run.failing_since) == ("done", None)


def test_outages_apart_are_not_added_up(
    shop: Shop, platform: FakePlatform, time_machine: TimeMachineFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.status["customers"] = "RUNNING"
    run = advance(sync.sync_start(shop_id=shop.id))
    for _ in range(3):
        with monkeypatch.context() as outage:
            outage.setattr(client, "graphql", raising(TransientError("503")))
            run = advance(run)
            assert run.failing_since is not None
        run = advance(run)
        assert (run.phase, run.failing_since) == ("preparing", None)
        time_machine.move_to(clock.now() + work.AGE_MAX, tick=False)
    platform.status["customers"] = "COMPLETED"
    assert advance(run).phase == "done"


def test_an_outage_that_does_not_end_gives_the_import_up(
    shop: Shop, platform: FakePlatform, time_machine: TimeMachineFixture
) -> None:
    platform.broken_after = 1
    run = advance(sync.sync_start(shop_id=shop.id))
    time_machine.move_to(clock.now() + work.AGE_MAX + dt.timedelta(seconds=1), tick=False)
    run = advance(run)
    assert (run.phase, run.error) == ("failed", "The connection broke.")
    assert backlog()["dead"] == 1


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_lost_answer_has_one_file_asked_for_again(
    shop: Shop, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    """Whatever the platform began before stays its only one."""

    def graphql(shop_id: int, name: str, variables: dict[str, Any]) -> dict[str, Any]:
        answer = platform.graphql(shop_id, name, variables)
        if platform.calls.count("BulkRunQuery") == lost:
            monkeypatch.setattr(client, "graphql", platform.graphql)
            raise TransientError("The answer was lost.")
        return answer

    monkeypatch.setattr(client, "graphql", graphql)
    run = advance(sync.sync_start(shop_id=shop.id))
    assert (run.phase, len(run.operations)) == ("requested", lost - 1)
    assert advance(run).phase == "done"
    assert platform.calls.count("BulkRunQuery") == 4


@pytest.mark.parametrize("code", ["LIMIT_REACHED", "OPERATION_IN_PROGRESS"])
def test_a_platform_that_writes_enough_files_is_waited_for(
    shop: Shop, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    refusal = {"bulkOperation": None, "userErrors": [{"message": "Too many at a time", "code": code}]}
    run = sync.sync_start(shop_id=shop.id)
    with monkeypatch.context() as busy:
        busy.setattr(client, "graphql", lambda *call: {"bulkOperationRunQuery": refusal})
        for _ in range(work.ATTEMPTS_MAX + 1):
            run = advance(run)
    assert (run.phase, run.failures) == ("requested", 0)
    assert run.due_at > clock.now() + dt.timedelta(seconds=sync.BUSY_SECONDS - 5)
    assert advance(run).phase == "done"


def test_the_longer_files_are_written_the_rarer_they_are_asked_for(
    shop: Shop, platform: FakePlatform, time_machine: TimeMachineFixture
) -> None:
    platform.status["customers"] = "RUNNING"
    time_machine.move_to(clock.now(), tick=False)
    run = sync.sync_start(shop_id=shop.id)
    waits = []
    for _ in range(4):
        run = advance(run)
        waits.append((run.due_at - clock.now()).total_seconds())
        time_machine.move_to(clock.now() + dt.timedelta(seconds=120), tick=False)
    assert waits == [1, 12, 24, 30]


def given_up(shop: Shop) -> SyncRun:
    now = clock.now()
    return SyncRun.objects.create(shop=shop, phase="failed", started_at=now, due_at=now, finished_at=now, error="Long")


def newest(shop: Shop) -> SyncRun:
    return SyncRun.objects.filter(shop=shop).order_by("-id")[0]


@pytest.mark.parametrize("kind", list(Reconciliation.Kind))
def test_an_import_that_was_given_up_begins_anew_with_the_next_comparison(
    shop: Shop, platform: FakePlatform, kind: Reconciliation.Kind
) -> None:
    failed = given_up(shop)
    reconciliation_due(shop, kind)
    run = newest(shop)
    assert (run.phase, run.id > failed.id) == ("requested", True)
    assert backlog()["dead"] == 0
    assert advance(run).phase == "done"
    reconciliation_due(shop, kind)
    assert newest(shop) == run


def test_an_import_that_was_given_up_begins_anew_when_the_app_is_opened(shop: Shop, platform: FakePlatform) -> None:
    given_up(shop)
    token = id_token(shop)
    shop_opened(staff=staff_from(token))
    assert newest(shop).phase == "requested"


def raising(error: Exception) -> Callable[..., Any]:
    def graphql(*call: Any) -> None:
        raise error

    return graphql


def test_progress_says_how_many_of_how_many(shop: Shop, platform: FakePlatform) -> None:
    assert sync.import_progress(shop_id=shop.id) is None
    advance(sync.sync_start(shop_id=shop.id))
    progress = sync.import_progress(shop_id=shop.id)
    assert progress is not None
    assert (progress["running"], progress["orders"], progress["orders_total"]) == (False, ORDERS, ORDERS)


def test_shops_imported_before_rules_needed_more_are_imported_once_more(alpha: Shop, beta: Shop, gone: Shop) -> None:
    now = clock.now()
    for shop, phase in ((alpha, "done"), (beta, "staging"), (gone, "done")):
        SyncRun.objects.create(shop=shop, phase=phase, started_at=now, due_at=now)
    make_shop("fresh")
    migration = import_module("retention_app.migrations.0004_what_rules_judge_by")
    migration.import_once_more(apps, SimpleNamespace(connection=connection))
    phases = SyncRun.objects.order_by("shop__domain", "id").values_list("shop__domain", "phase")
    assert list(phases) == [
        ("alpha.myshopify.com", "done"),
        ("alpha.myshopify.com", "requested"),
        ("beta.myshopify.com", "failed"),
        ("beta.myshopify.com", "requested"),
        ("gone.myshopify.com", "done"),
    ]
