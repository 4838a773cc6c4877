"""Activity: everything that came in, went out and changed, in the shop's words, with a way out of what failed."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from retention_app import clock
from retention_app.activity.listing import PAGE_SIZE
from retention_app.models import (
    AuditEntry,
    Customer,
    FailedTry,
    Order,
    Outbound,
    Reconciliation,
    Shop,
    SyncRun,
    WebhookDelivery,
)
from retention_app.offers.codes import DiscountCodeCall, discount_code_give
from retention_app.shopify.errors import TransientError
from retention_app.tenancy import shop_scope
from tests.screens.conftest import sane, see
from tests.screens.test_pages import queries_of

NUMBER = iter(range(10**9))


def delivery(shop: Shop, *, minutes: float = 5, topic: str = "orders/paid", **fields: Any) -> WebhookDelivery:
    """A delivery that came in so many minutes ago and is done, unless said otherwise."""
    at = clock.now() - dt.timedelta(minutes=minutes)
    given = {"state": "done", "done_at": at + dt.timedelta(seconds=0.84), "body": b'{"id": 1}', **fields}
    return WebhookDelivery.objects.create(
        webhook_id=f"wh-{next(NUMBER)}", shop_domain=shop.domain, topic=topic, received_at=at, due_at=at, **given
    )


def give_code(shop: Shop, **state: Any) -> Outbound:
    with shop_scope(shop.id):
        person = Customer.objects.exclude(first_name="").order_by("id").first()
        assert person
        discount_code_give(
            shop=shop, customer=person, kind="percentage", value=1000, days=30, actor="42", key=f"k-{next(NUMBER)}"
        )
        call = Outbound.objects.latest("id")
        Outbound.objects.filter(id=call.id).update(**state)
        call.refresh_from_db()
    return call


def refused(shop: Shop) -> Outbound:
    call = give_code(
        shop, state="dead", error_class="AccessDenied", error="DiscountCodeBasicCreate: denied", called_at=clock.now()
    )
    FailedTry.objects.create(queue="outbound", row_id=call.id, at=clock.now(), error_class="AccessDenied", error="x")
    return call


@pytest.fixture
def busy(storied: Shop) -> Shop:
    """A shop with something of every kind."""
    with shop_scope(storied.id):
        order = Order.objects.exclude(customer=None).order_by("-processed_at").first()
        assert order
        AuditEntry.objects.create(
            shop=storied, code="loyalty.programme.published", actor="7", at=clock.now(), data={"version": 3}
        )
    delivery(storied, body=json.dumps({"id": order.shopify_id, "email": "hidden@example.com"}).encode())
    delivery(storied, topic="customers/update", body=b'{"id": 7000000000}', minutes=7)
    delivery(storied, topic="products/update", state="dead", error_class="Malformed", error="no JSON", body=b"\xff")
    refused(storied)
    now = clock.now()
    SyncRun.objects.create(shop=storied, phase="orders", orders_done=40, orders_total=90, started_at=now, due_at=now)
    Reconciliation.objects.create(
        shop=storied,
        kind="whole",
        state="done",
        requested_at=now,
        due_at=now,
        done_at=now,
        checked={"orders": 1204},
        repaired={"orders": 3},
    )
    return storied


def listed(staff: Client, query: str = "") -> str:
    answer = staff.get(f"/app/activity/{query}")
    assert answer.status_code == 200
    seen = see(answer.content.decode())
    sane(seen)
    return seen.text


def test_everything_is_told_in_the_shops_words(busy: Shop, staff: Client) -> None:
    text = listed(staff)
    with shop_scope(busy.id):
        newest = Order.objects.exclude(customer=None).order_by("-processed_at").first()
        assert newest
    for said in (
        f"Order {newest.name} paid",
        "Done in 0.8 s",
        "Customer changed",
        "Ana Souza",
        "Product changed",
        "Needs attention 2",
        "10% off",
        "40 of 90 orders",
        "Nightly check of everything",
        "1,204 compared, 3 repaired",
        "Discount code given",
        "By you",
        "Version 3 of the programme published",
        "By somebody whose name isn't shared yet (7)",
        "Retry",
    ):
        assert said in text
    for hidden in ("hidden@example.com", "dead letter", "DiscountCodeBasicCreate"):
        assert hidden not in text


@pytest.mark.parametrize(
    ("tab", "there", "missing"),
    [
        ("attention", ["Product changed", "10% off"], ["Customer changed", "Nightly"]),
        ("from", ["Product changed", "Customer changed"], ["10% off", "Nightly"]),
        ("to", ["10% off"], ["Product changed", "By you"]),
        ("imports", ["Import of your history", "Nightly"], ["10% off", "Product changed"]),
        ("staff", ["Discount code given"], ["Nightly", "Product changed"]),
    ],
)
def test_tab_shows_its_own(busy: Shop, staff: Client, tab: str, there: list[str], missing: list[str]) -> None:
    text = listed(staff, f"?tab={tab}")
    assert not [said for said in there if said not in text]
    assert not [said for said in missing if said in text]


def test_old_things_are_left_out_unless_they_need_attention(storied: Shop, staff: Client) -> None:
    delivery(storied, minutes=60 * 24 * 8, topic="orders/create")
    delivery(storied, minutes=60 * 24 * 8, topic="orders/edited", state="dead")
    assert "New order" not in listed(staff)
    assert "New order" in listed(staff, "?period=30")
    assert "Order edited" in listed(staff, "?tab=attention")


def test_pages_follow_a_cursor_through_all_sources(storied: Shop, staff: Client) -> None:
    same = clock.now() - dt.timedelta(minutes=9)
    rows = [delivery(storied, topic="shop/update") for _ in range(PAGE_SIZE + 20)]
    WebhookDelivery.objects.update(received_at=same)
    with shop_scope(storied.id):
        for _ in range(PAGE_SIZE):
            AuditEntry.objects.create(shop=storied, code="offers.code.given", actor="42", at=same)
    seen: list[str] = []
    path = "/app/activity/"
    while path:
        html = staff.get(path).content.decode()
        seen += [part.split('"')[0] for part in html.split('href="/app/activity/')[1:] if "-" in part.split('"')[0]]
        older = html.partition('rel="next" href="')[2].partition('"')[0]
        path = older.replace("&amp;", "&")
    assert len(seen) == len(set(seen)) == len(rows) + PAGE_SIZE


@pytest.mark.parametrize("query", ["?tab=shoes", "?period=400", "?before=nonsense", "?before=WyIyMDI2LTAxLTAxIiwwLDBd"])
def test_what_the_list_never_wrote_is_404(alpha: Shop, staff: Client, query: str) -> None:
    assert staff.get(f"/app/activity/{query}").status_code == 404


def test_page_costs_the_same_whatever_the_rows(busy: Shop, staff: Client) -> None:
    staff.get("/app/activity/")
    before = queries_of(staff, "/app/activity/")
    for number in range(12):
        delivery(busy, body=b'{"id": 9}')
        delivery(busy, topic="customers/update", body=b'{"id": %d}' % (7_000_000_000 + number))
        refused(busy)
    assert queries_of(staff, "/app/activity/") == before <= 22


def test_quiet_shop_is_told_so(storied: Shop, staff: Client) -> None:
    assert "All quiet. The last order was placed at" in listed(staff)
    assert "Nothing needs attention." in listed(staff, "?tab=attention")
    assert "See everything" in listed(staff, "?tab=to")


def test_shop_without_orders_is_told_what_this_is_for(alpha: Shop, staff: Client) -> None:
    assert "Here you see what comes in from Shopify" in listed(staff)


@pytest.mark.parametrize(("minutes", "banner"), [(7.5, "Orders arrive 7 minutes late."), (1, "")])
def test_late_queue_is_told(alpha: Shop, staff: Client, minutes: float, banner: str) -> None:
    delivery(alpha, minutes=minutes, state="waiting", done_at=None)
    assert ("minutes late" in listed(staff)) is bool(banner)
    assert banner in listed(staff)


def test_row_that_fails_alone_makes_nothing_late(alpha: Shop, staff: Client) -> None:
    delivery(alpha, minutes=60, state="waiting", attempts=3, done_at=None)
    assert "late" not in listed(staff)


# --- one thing told in full -------------------------------------------------------------------------------------------


def told(staff: Client, path: str) -> str:
    seen = see(staff.get(path).content.decode())
    sane(seen)
    return seen.text


def test_refused_call_says_what_it_means_and_what_to_do(busy: Shop, staff: Client) -> None:
    call = Outbound.objects.get()
    text = told(staff, f"/app/activity/call-{call.id}/")
    for said in (
        "What happened Shopify refused: Encore doesn't have the permission for this.",
        "What it means The customer can't use the code yet. Nothing was given twice.",
        "accept the permissions it asks for, then Retry",
        "Tries",
        "refused",
        f"call-{call.id}",
        "Why you skip it",
    ):
        assert said in text


@pytest.mark.parametrize("source", ["received", "call", "import", "check", "change"])
def test_every_kind_can_be_told_and_costs_its_queries(busy: Shop, staff: Client, source: str) -> None:
    html = staff.get("/app/activity/").content.decode()
    paths = {part.split('"')[0] for part in html.split('href="')[1:] if part.startswith(f"/app/activity/{source}-")}
    assert paths
    for path in paths:
        assert "What to do" in told(staff, path)
        assert queries_of(staff, path) <= 10


@pytest.mark.parametrize("state", ["waiting", "done", "skipped"])
def test_call_in_each_state_is_told(storied: Shop, staff: Client, state: str) -> None:
    call = give_code(storied, state=state, done_at=clock.now(), reason="changed my mind")
    text = told(staff, f"/app/activity/call-{call.id}/")
    assert "What it means" in text
    assert ("changed my mind" in text) is (state == "skipped")


@pytest.mark.parametrize("phase", ["failed", "done"])
def test_import_in_each_phase_is_told(storied: Shop, staff: Client, phase: str) -> None:
    now = clock.now()
    run = SyncRun.objects.create(shop=storied, phase=phase, started_at=now, finished_at=now, due_at=now, unreadable=2)
    assert "What it means" in told(staff, f"/app/activity/import-{run.id}/")
    assert ("Needs attention 1" in listed(staff)) is (phase == "failed")


# --- acting -----------------------------------------------------------------------------------------------------------


def test_retry_puts_a_call_back_and_is_audited(busy: Shop, staff: Client) -> None:
    call = Outbound.objects.get()
    answer = staff.post(f"/app/activity/call-{call.id}/retry/")
    assert (answer.status_code, answer["Location"]) == (303, f"/app/activity/call-{call.id}/")
    call.refresh_from_db()
    assert call.state == "waiting"
    assert "Retried a change in Shopify" in listed(staff, "?tab=staff")
    assert staff.post(f"/app/activity/call-{call.id}/retry/").status_code == 303  # pressed twice: nothing more


def test_retry_puts_a_message_back(busy: Shop, staff: Client) -> None:
    row = WebhookDelivery.objects.get(state="dead")
    answer = staff.post(f"/app/activity/received-{row.id}/retry/", headers={"HX-Request": "true"})
    assert json.loads(answer["HX-Trigger"]) == {"toast": "Trying again"}
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("waiting", 0)


@pytest.mark.parametrize("kind", ["call", "received"])
def test_skip_asks_for_a_reason_and_keeps_it(
    busy: Shop, staff: Client, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(DiscountCodeCall, "look_up", lambda *_given: None)
    row: Any = Outbound.objects.get() if kind == "call" else WebhookDelivery.objects.get(state="dead")
    path = f"/app/activity/{kind}-{row.id}/skip/"
    unsaid = staff.post(path, {"reason": " "})
    assert unsaid.status_code == 422
    assert "Say why in a few words." in unsaid.content.decode()
    sane(see(unsaid.content.decode()))
    assert staff.post(path, {"reason": "Called the customer"}).status_code == 303
    row.refresh_from_db()
    assert row.state in ("skipped", "dropped")
    with shop_scope(busy.id):
        assert AuditEntry.objects.latest("id").data["reason"] == "Called the customer"
    assert "Skipped" in listed(staff)


@pytest.mark.parametrize(
    ("found", "state", "said"), [(91, "done", ""), (None, "skipped", ""), ("down", "dead", "can't be asked now")]
)
def test_skip_looks_in_shopify_for_what_was_asked_for(
    busy: Shop, staff: Client, monkeypatch: pytest.MonkeyPatch, found: Any, state: str, said: str
) -> None:
    def look_up(*_given: Any) -> Any:
        if found == "down":
            raise TransientError("down")
        return found

    monkeypatch.setattr(DiscountCodeCall, "look_up", look_up)
    row = Outbound.objects.get()
    assert "We look in Shopify first" in told(staff, f"/app/activity/call-{row.id}/")
    answer = staff.post(f"/app/activity/call-{row.id}/skip/", {"reason": "x"}, headers={"HX-Request": "true"})
    if said:
        assert answer.status_code == 422
        seen = see(answer.content.decode())
        sane(seen)
        assert said in seen.text
    else:
        toast = "Already done in Shopify" if state == "done" else "Skipped"
        assert json.loads(answer["HX-Trigger"]) == {"toast": toast}
        assert ("Found a change done" in listed(staff, "?tab=staff")) is (state == "done")
    row.refresh_from_db()
    assert row.state == state


@pytest.mark.parametrize("source", ["import", "check", "change"])
def test_other_things_are_neither_retried_nor_skipped(busy: Shop, staff: Client, source: str) -> None:
    rows: dict[str, Callable[[], Any]] = {
        "import": lambda: SyncRun.objects.get(),
        "check": lambda: Reconciliation.objects.get(),
        "change": lambda: AuditEntry.objects.latest("id"),
    }
    with shop_scope(busy.id):
        row_id = rows[source]().id
    assert staff.post(f"/app/activity/{source}-{row_id}/retry/").status_code == 404
    assert staff.post(f"/app/activity/{source}-{row_id}/skip/", {"reason": "no"}).status_code == 404


def test_check_with_shopify_is_asked_for_once(alpha: Shop, staff: Client) -> None:
    first, second = staff.post("/app/activity/check/"), staff.post("/app/activity/check/")
    assert first["Location"] == second["Location"]
    assert Reconciliation.objects.get().actor == "42"
    assert "Check with Shopify" in told(staff, first["Location"])


@pytest.mark.parametrize("act", ["", "retry/", "skip/"])
def test_another_shops_rows_are_nowhere(busy: Shop, beta: Shop, merchant: Callable[[Shop], Client], act: str) -> None:
    stranger = merchant(beta)
    assert "10% off" not in stranger.get("/app/activity/?period=30").content.decode()
    with shop_scope(busy.id):
        entry = AuditEntry.objects.latest("id").id
    rows = {
        "call": Outbound.objects.get().id,
        "received": WebhookDelivery.objects.get(state="dead").id,
        "import": SyncRun.objects.get().id,
        "check": Reconciliation.objects.get().id,
        "change": entry,
    }
    for source, row_id in rows.items():
        path = f"/app/activity/{source}-{row_id}/{act}"
        answer = stranger.post(path, {"reason": "mine"}) if act else stranger.get(path)
        assert answer.status_code == 404
    assert Outbound.objects.get().state == "dead"
    assert stranger.get("/app/activity/nonsense-1/").status_code == 404
