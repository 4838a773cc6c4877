"""Comparing the mirror with the platform: what was missed comes back, what is gone leaves, nothing else is touched."""

from __future__ import annotations

import contextvars
import datetime as dt
from typing import Any

import pytest
import time_machine

from retention_app import clock, mirror, reconcile, tasks, work
from retention_app.models import Customer, DomainEvent, Order, Product, Reconciliation, Shop, ShopToken, SyncRun
from retention_app.shopify.mapping import instant, numeric_id
from tests.platform.conftest import Answer, Call, Platform, data, errors
from tests.platform.nodes import customer_node, line_node, order_node, product_node
from tests.workers import work_off

NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
CHANGED = "2026-11-21T10:02:07Z"
Kind = Reconciliation.Kind


class Listing:
    """A platform that lists, counts and answers by id."""

    def __init__(self, platform: Platform) -> None:
        self.nodes: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.page = 250
        platform.answer = self.answer

    def add(self, *nodes: dict[str, Any]) -> None:
        self.nodes |= {node["id"]: node for node in nodes}

    def of(self, kind: str) -> list[dict[str, Any]]:
        found = [node for id_, node in self.nodes.items() if f"/{kind}/" in id_]
        return sorted(found, key=lambda node: numeric_id(node["id"]))

    def answer(self, call: Call) -> Answer:
        self.asked.append(call.operation)
        if call.operation == "ResourceCounts":
            return data(
                customersCount={"count": len(self.of("Customer"))},
                ordersCount={"count": len(self.of("Order"))},
                productsCount={"count": len(self.of("Product"))},
            )
        variables = call.body["variables"]
        if call.operation.endswith("IdsPage"):
            kind = call.operation.removesuffix("IdsPage")
            query = variables["query"]
            since = instant(query.split("'")[1]) if query else dt.datetime.min.replace(tzinfo=dt.UTC)
            found = [node for node in self.of(kind) if instant(node["updatedAt"]) >= since]
            if variables["sortKey"] == "UPDATED_AT":
                found.sort(key=lambda node: node["updatedAt"])
            start = int(variables["after"] or 0)
            end = start + self.page
            page = {"hasNextPage": end < len(found), "endCursor": str(end)}
            return data(**{f"{kind.lower()}s": {"nodes": found[start:end], "pageInfo": page}})
        return data(nodes=[self.nodes.get(id_) for id_ in variables["ids"]])


@pytest.fixture
def listing(shop: Shop, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Listing:
    """A platform with a customer, an order and a product, all of them imported an hour ago."""
    monkeypatch.setattr(reconcile, "PAUSE_SECONDS", 0)
    listing = Listing(platform)
    listing.add(customer_node(8101), product_node(7001), order_node(6001, line_node(1, "40.90")))
    ShopToken.objects.update(expires_at=NOW + dt.timedelta(days=1))
    SyncRun.objects.create(
        shop=shop, phase="done", started_at=NOW, due_at=NOW, read_at=instant(CHANGED) + dt.timedelta(minutes=1)
    )
    return listing


def compare(shop: Shop, kind: Reconciliation.Kind = Kind.CHANGES, at: dt.datetime = NOW) -> Reconciliation:
    with time_machine.travel(at, tick=True):
        row = reconcile.reconciliation_start(shop_id=shop.id, kind=kind)
        work_off()
    row.refresh_from_db()
    return row


def test_what_no_webhook_told_comes_in(shop: Shop, listing: Listing) -> None:
    row = compare(shop)
    order = Order.objects.select_related("customer").get()
    assert order.customer is not None
    assert (order.shopify_id, order.customer.shopify_id, Product.objects.get().shopify_id) == (6001, 8101, 7001)
    assert (row.state, row.checked, row.repaired) == (
        "done",
        {"customers": 1, "products": 1, "orders": 1},
        {"customers": 1, "products": 1, "orders": 1},
    )
    assert set(DomainEvent.objects.values_list("origin", flat=True)) == {"reconcile"}
    shop.refresh_from_db()
    assert shop.reconciled_to is not None
    assert shop.reconciled_to >= NOW


def test_a_second_comparison_finds_nothing_to_repair(shop: Shop, listing: Listing) -> None:
    compare(shop)
    events = DomainEvent.objects.count()
    row = compare(shop, Kind.WHOLE)
    assert row.repaired == {"customers": 0, "products": 0, "orders": 0}
    assert DomainEvent.objects.count() == events


def test_what_is_older_here_is_read_again(shop: Shop, listing: Listing) -> None:
    compare(shop)
    later = "2026-11-21T11:30:00Z"
    listing.add(customer_node(8101, firstName="Maria", updatedAt=later))
    listing.asked.clear()
    assert compare(shop).repaired["customers"] == 1
    assert Customer.objects.get().first_name == "Maria"
    assert "OrdersByIds" not in listing.asked  # nothing else changed since, or was read too soon


@pytest.mark.parametrize("minutes", [0, 50])
def test_a_change_of_the_same_second_is_not_missed(shop: Shop, listing: Listing, minutes: int) -> None:
    """The platform's `updated_at` has seconds: two changes of one second look alike, also where a slow copy of the
    platform's data answers with the first of them much later."""
    with time_machine.travel(instant(CHANGED) + dt.timedelta(minutes=minutes), tick=False):
        mirror.customers_upsert(
            [
                {
                    "shopify_id": 8101,
                    "first_name": "Old",
                    "last_name": "",
                    "email": "",
                    "locale": "",
                    "account_state": "",
                    "verified_email": False,
                    "created_at": instant(CHANGED),
                    "updated_at": instant(CHANGED),
                }
            ],
            read_at=clock.now(),
            origin=DomainEvent.Origin.LIVE,
        )
    compare(shop)
    assert Customer.objects.get().first_name == "Ana"


def test_counts_alike_are_not_swept(shop: Shop, listing: Listing) -> None:
    compare(shop)
    listing.asked.clear()
    compare(shop, Kind.WHOLE)
    assert listing.asked.count("ResourceCounts") == 3
    assert listing.asked.count("OrderIdsPage") == 1


@pytest.mark.parametrize("page", [1, 2, 250])
def test_what_the_platform_has_no_more_leaves(shop: Shop, listing: Listing, page: int) -> None:
    listing.page = page
    listing.add(
        *(order_node(6000 + n, line_node(n, "5.00")) for n in range(2, 7)), customer_node(8103), product_node(7002)
    )
    compare(shop)
    for gone in ("Order/6001", "Order/6004", "Order/6006", "Customer/8103", "Product/7001"):
        del listing.nodes[f"gid://shopify/{gone}"]
    assert compare(shop).repaired["orders"] == 0  # a change list can't show it
    row = compare(shop, Kind.ASKED)
    assert row.repaired == {"customers": 1, "products": 1, "orders": 3}
    assert set(Order.objects.values_list("shopify_id", flat=True)) == {6002, 6003, 6005}
    assert set(Customer.objects.filter(gone_at=None).values_list("shopify_id", flat=True)) == {8101}
    assert set(Product.objects.values_list("shopify_id", flat=True)) == {7002}


def test_what_was_changed_long_ago_and_lost_is_found_by_its_id(shop: Shop, listing: Listing) -> None:
    compare(shop)
    Order.objects.all().delete()
    Shop.objects.update(reconciled_to=NOW)
    assert compare(shop).repaired["orders"] == 0
    assert compare(shop, Kind.WHOLE).repaired["orders"] == 1
    assert Order.objects.get().shopify_id == 6001


def test_a_deletion_the_list_forgot_is_checked_by_id(shop: Shop, listing: Listing) -> None:
    """A list may lag; only null in answer to the id counts as gone."""
    listing.add(order_node(6002, line_node(2, "5.00")))
    compare(shop)
    hidden = listing.nodes["gid://shopify/Order/6001"]
    listing.of = lambda kind: [  # type: ignore[method-assign]
        node for node in Listing.of(listing, kind) if node is not hidden
    ]
    compare(shop, Kind.ASKED)
    assert set(Order.objects.values_list("shopify_id", flat=True)) == {6001, 6002}


class Killed(BaseException):
    """As SIGKILL: nothing catches it."""


def test_a_killed_comparison_goes_on_at_its_page(shop: Shop, listing: Listing, monkeypatch: pytest.MonkeyPatch) -> None:
    listing.page = 1
    listing.add(*(order_node(6000 + n, line_node(n, "5.00")) for n in range(2, 7)))
    page, pages = reconcile.Comparison._page, []

    def dying(self: reconcile.Comparison, *args: Any) -> Any:
        pages.append(args)
        if len(pages) == 5:
            raise Killed
        return page(self, *args)

    monkeypatch.setattr(reconcile.Comparison, "_page", dying)
    with pytest.raises(Killed):
        compare(shop)
    asked = listing.asked.count("OrderIdsPage")
    assert 0 < asked < 6
    Reconciliation.objects.update(lease_until=NOW - dt.timedelta(seconds=1))
    with time_machine.travel(NOW, tick=True):
        tasks.reconcile_work(shop_id=shop.id)
    row = Reconciliation.objects.get()
    assert (row.state, row.checked["orders"], row.repaired["orders"]) == ("done", 6, 6)
    assert listing.asked.count("OrderIdsPage") == 6


def test_a_slice_that_ends_hands_over(shop: Shop, listing: Listing) -> None:
    with time_machine.travel(NOW, tick=True):
        row = reconcile.reconciliation_start(shop_id=shop.id, kind=Kind.CHANGES)
        (claimed,) = work.claim(Reconciliation, shop_id=shop.id, limit=1)
        reconcile.reconcile(claimed, until=NOW)
    row.refresh_from_db()
    assert (row.state, row.lease_until, row.attempts) == ("waiting", None, 0)
    with time_machine.travel(NOW + dt.timedelta(minutes=1), tick=True):
        work_off()
    row.refresh_from_db()
    assert row.state == "done"


def test_a_worker_that_was_overtaken_writes_nothing(shop: Shop, listing: Listing) -> None:
    with time_machine.travel(NOW, tick=True):
        row = reconcile.reconciliation_start(shop_id=shop.id, kind=Kind.CHANGES)
        (slow,) = work.claim(Reconciliation, shop_id=shop.id, limit=1)
        Reconciliation.objects.update(attempts=2)
        reconcile.reconcile(slow, until=NOW + dt.timedelta(hours=1))
    row.refresh_from_db()
    assert (row.state, row.progress, row.attempts) == ("waiting", {}, 2)


def test_no_import_nothing_to_compare(shop: Shop, listing: Listing) -> None:
    SyncRun.objects.all().delete()
    assert compare(shop).state == "done"
    assert listing.asked == []
    with time_machine.travel(NOW):
        reconcile.reconciliation_due(shop, Kind.CHANGES)
    assert Reconciliation.objects.filter(state="waiting").count() == 0


def test_asking_twice_is_one_comparison_and_the_lesser_is_included(shop: Shop, listing: Listing) -> None:
    whole = reconcile.reconciliation_start(shop_id=shop.id, kind=Kind.WHOLE)
    assert reconcile.reconciliation_start(shop_id=shop.id, kind=Kind.ASKED).id == whole.id
    changes = reconcile.reconciliation_start(shop_id=shop.id, kind=Kind.CHANGES)
    assert changes.id != whole.id
    assert reconcile.reconciliation_start(shop_id=shop.id, kind=Kind.CHANGES).id == changes.id


@pytest.mark.parametrize(
    ("answer", "state", "attempts"),
    [
        (Answer(status=402), "waiting", 0),
        (Answer(b"", status=429, headers={"Retry-After": "30"}), "waiting", 0),
    ],
)
def test_a_platform_that_refuses_puts_it_back(
    shop: Shop, listing: Listing, platform: Platform, answer: Answer, state: str, attempts: int
) -> None:
    platform.script(answer)
    with time_machine.travel(NOW, tick=True):
        row = reconcile.reconciliation_start(shop_id=shop.id, kind=Kind.CHANGES)
        (claimed,) = work.claim(Reconciliation, shop_id=shop.id, limit=1)
        reconcile.reconcile(claimed, until=NOW + dt.timedelta(hours=1))
    row.refresh_from_db()
    assert (row.state, row.attempts) == (state, attempts)
    shop.refresh_from_db()
    assert shop.reconciled_to is None


def refusing(listing: Listing, operation: str) -> Any:
    def answer(call: Call) -> Answer:
        if call.operation == operation:
            return errors("ACCESS_DENIED", path=[operation])
        return listing.answer(call)

    return answer


def test_what_we_may_not_see_keeps_nothing_else_from_being_compared(
    shop: Shop, listing: Listing, platform: Platform
) -> None:
    platform.answer = refusing(listing, "ProductIdsPage")
    row = compare(shop, Kind.WHOLE)
    assert (row.state, row.repaired) == ("done", {"customers": 1, "products": 0, "orders": 1})
    shop.refresh_from_db()
    assert shop.reconciled_to is None  # the next one lists from the same instant
    platform.answer = listing.answer
    assert compare(shop).repaired["products"] == 1


def test_comparisons_of_a_closed_shop_do_not_pile_up(shop: Shop, listing: Listing, platform: Platform) -> None:
    platform.script(Answer(status=402))
    for hour in range(3):
        with time_machine.travel(NOW + dt.timedelta(hours=hour), tick=True):
            reconcile.reconciliation_due(shop, Kind.CHANGES)
            reconcile.reconciliation_due(shop, Kind.WHOLE)
            tasks.reconcile_work(shop_id=shop.id)
    assert Reconciliation.objects.count() == 2


def test_without_read_all_orders_old_orders_are_none_of_its_business(shop: Shop, listing: Listing) -> None:
    ShopToken.objects.update(scope="read_customers,read_orders,read_products")
    old = order_node(6002, line_node(2, "5.00"), createdAt="2026-08-01T10:00:00Z", processedAt="2026-08-01T10:00:00Z")
    listing.add(old)
    compare(shop)
    assert Order.objects.count() == 2
    del listing.nodes[old["id"]]  # sixty days are over: the platform shows it to us no more
    assert compare(shop, Kind.WHOLE).repaired["orders"] == 0
    assert Order.objects.count() == 2
    del listing.nodes["gid://shopify/Order/6001"]  # a young one that is gone is really gone
    assert compare(shop, Kind.WHOLE).repaired["orders"] == 1
    assert Order.objects.get().shopify_id == 6002


def test_one_null_is_not_believed(shop: Shop, listing: Listing, platform: Platform) -> None:
    compare(shop)
    hidden = listing.nodes.pop("gid://shopify/Order/6001")
    reads: list[int] = []

    def lagging(call: Call) -> Answer:
        if call.operation == "OrdersByIds":
            reads.append(1)
            if len(reads) > 1:
                listing.add(hidden)
        return listing.answer(call)

    platform.answer = lagging
    compare(shop, Kind.WHOLE)
    assert Order.objects.get().shopify_id == 6001


def test_orders_of_a_customer_merged_unheard_go_to_whoever_has_them(shop: Shop, listing: Listing) -> None:
    listing.add(customer_node(8102))
    compare(shop)
    del listing.nodes["gid://shopify/Customer/8101"]
    moved = order_node(6001, line_node(1, "40.90"), customer={"id": "gid://shopify/Customer/8102"})
    listing.add(moved)  # with the `updated_at` it had
    compare(shop, Kind.WHOLE, at=NOW + dt.timedelta(minutes=5))
    order = Order.objects.select_related("customer").get()
    assert order.customer is not None
    assert order.customer.shopify_id == 8102
    assert Customer.objects.get(shopify_id=8101).merged_into == order.customer


def test_a_stale_answer_is_not_taken_for_the_listed_state(shop: Shop, listing: Listing, platform: Platform) -> None:
    compare(shop)
    old = dict(listing.nodes["gid://shopify/Customer/8101"])
    newer = customer_node(8101, updatedAt="2026-11-21T11:30:00Z")
    listing.add(newer)
    reads: list[int] = []

    def stale(call: Call) -> Answer:
        if call.operation == "CustomersByIds" and len(reads) < 2:
            reads.append(1)
            return data(nodes=[old])
        return listing.answer(call)

    platform.answer = stale
    assert compare(shop).state == "done"
    assert Customer.objects.get().updated_at == instant("2026-11-21T11:30:00Z")
    assert len(reads) == 2


def test_the_schedule_asks_every_imported_shop(shop: Shop, listing: Listing, beta: Shop) -> None:
    contextvars.Context().run(tasks.reconcile_changes)
    contextvars.Context().run(tasks.reconcile_whole)
    assert set(Reconciliation.objects.values_list("shop_id", "kind")) == {(shop.id, "changes"), (shop.id, "whole")}
