"""After an erasure no table or log line has the person's particulars, nothing brings them back, all still adds up."""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client

from loyalty.selectors import balances
from loyalty.verification import ledger_verify
from retention_app import clock, mirror, reconcile, tasks, work
from retention_app.models import (
    AuditEntry,
    Customer,
    DiscountCode,
    DomainEvent,
    FailedTry,
    OperatorAction,
    Order,
    Outbound,
    PrivacyExport,
    PrivacyRequest,
    Shop,
    Tombstone,
    WebhookDelivery,
)
from retention_app.outbound import outbound_request
from retention_app.privacy import erasure, tombstones
from retention_app.privacy.person import Person
from retention_app.privacy.requests import request_work
from retention_app.removals import customers_merge
from retention_app.services.install import shop_reread
from retention_app.shopify.mapping import customer as mapped
from retention_app.tenancy import shop_scope
from tests.conftest import make_shop
from tests.orders import at, customer_row, order_row
from tests.platform.conftest import Platform, data
from tests.platform.nodes import CLASSIC_ACCOUNTS
from tests.privacy.conftest import (
    CUSTOMER,
    EMAIL,
    OTHER,
    PARTICULARS,
    PHONE,
    Store,
    an_order,
    asks,
    deliver,
    found,
    person,
    the_customer,
    the_row,
)
from tests.screens.conftest import sane, see
from tests.visits import session_of

Ask = Callable[..., PrivacyRequest]
REDACT = "customers/redact"


def traces(shop: Shop) -> None:
    """What people and machines may have written about the customer, in every free text we keep."""
    now = clock.now()
    row = Customer.objects.get(shopify_id=CUSTOMER)
    DiscountCode.objects.create(
        shop=shop,
        customer=row,
        code="ENC-1",
        kind="fixed",
        value=500,
        currency="USD",
        expires_at=now,
        given_by="42",
        given_at=now,
        note="for Zebulonia Quaxby",
    )
    AuditEntry.objects.create(shop=shop, code="x", actor="42", at=now, data={"to": EMAIL, "by": "Zebulonia Quaxby"})
    dead = deliver("orders/create", b'{"email": "' + EMAIL.encode() + b'", cut', state="dead")
    FailedTry.objects.create(
        queue="delivery", row_id=dead.id, at=now, error_class="X", error="Zebulonia Quaxby again", traceback=""
    )
    operator = get_user_model().objects.create(username="op")
    OperatorAction.objects.create(operator=operator, code="x", reason="Zebulonia Quaxby rang", at=now)


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    caplog.set_level(logging.DEBUG)
    return lambda: caplog.text


def test_nothing_of_ours_still_names_the_person(
    told: Shop, ask: Ask, store: Store, work_off: Callable[[], None], lines: Callable[[], str]
) -> None:
    with shop_scope(told.id):
        traces(told)
        before = list(balances())
    export = ask("customers/data_request", told)
    assert export.proof == {"customers": 1, "orders": 2}
    assert found() == PARTICULARS.keys()

    request = ask(REDACT, told)

    assert found() == set()
    said = lines()
    assert not [name for name, text in PARTICULARS.items() if text in said and name != "customer id"]
    assert (request.state, request.customer_shopify_id) == ("done", None)
    proof = request.proof
    assert (proof["customers"], proof["orders_kept"], proof["exports"], proof["texts"]) == (1, 2, 1, 4)
    assert proof["deliveries"] == 4
    assert proof["loyalty_entries_kept"] == 3
    with shop_scope(told.id):
        row = the_row()
        assert (row.name, row.email, row.locale, row.words.count()) == ("", "", "", 0)
        assert row.shopify_id < 0
        assert row.gone_at is not None
        assert Order.objects.filter(customer=row).count() == row.orders_count == 2
        after = list(balances())
        assert sorted(each["points_available"] for each in after) == sorted(each["points_available"] for each in before)
        assert not ledger_verify().findings
        assert Customer.objects.get(shopify_id=OTHER).first_name == "Otto"
    assert WebhookDelivery.objects.filter(topic="orders/paid").count() == 1  # the other customer's


def test_late_deliveries_and_syncs_bring_nobody_back(
    told: Shop, ask: Ask, store: Store, work_off: Callable[[], None], lines: Callable[[], str]
) -> None:
    ask(REDACT, told)
    with shop_scope(told.id):
        row = the_row()
    store.add(an_order(6004))
    deliver("customers/update", person())
    deliver("orders/paid", {"id": 6004, "email": EMAIL, "customer": person()})
    deliver("orders/updated", {"id": 6001, "customer": person()})
    deliver("customers_email_marketing_consent/update", {"customer_id": CUSTOMER, "email_address": EMAIL})
    work_off()
    with shop_scope(told.id):
        mirror.customers_upsert([mapped(the_customer())], read_at=clock.now(), origin=DomainEvent.Origin.BACKFILL)
        assert set(Customer.objects.values_list("id", flat=True)) == {
            row.id,
            Customer.objects.get(shopify_id=OTHER).id,
        }
        assert Order.objects.get(shopify_id=6004).customer_id == row.id  # so that numbers keep adding up
        assert Order.objects.get(shopify_id=6001).customer_id == row.id
        assert not ledger_verify().findings
    assert found() == set()
    assert EMAIL not in lines()


def test_order_whose_customer_the_platform_forgot_stays_with_the_row(
    told: Shop, ask: Ask, store: Store, work_off: Callable[[], None]
) -> None:
    ask(REDACT, told)
    anonymous = {**an_order(6001), "customer": None, "updatedAt": "2027-01-01T00:00:00Z"}
    store.add(anonymous)
    deliver("orders/updated", {"id": 6001})
    work_off()
    with shop_scope(told.id):
        order = Order.objects.get(shopify_id=6001)
        assert order.updated_at.year == 2027
        assert order.customer == the_row()


def test_the_same_state_read_again_is_no_news(told: Shop, ask: Ask, work_off: Callable[[], None]) -> None:
    ask(REDACT, told)
    with shop_scope(told.id):
        events = DomainEvent.objects.count()
    deliver("orders/updated", {"id": 6001})
    work_off()
    with shop_scope(told.id):
        assert DomainEvent.objects.count() == events


def test_erasing_twice_is_erasing_once(told: Shop, ask: Ask) -> None:
    ask(REDACT, told)
    with shop_scope(told.id):
        first = the_row()
    again = ask(REDACT, told)
    assert (again.state, again.proof["customers"]) == ("done", 0)
    with shop_scope(told.id):
        assert the_row().shopify_id == first.shopify_id
        assert Tombstone.objects.count() == 1
    assert found() == set()


def test_one_delivery_told_twice_is_one_request(told: Shop, work_off: Callable[[], None]) -> None:
    delivery = deliver(REDACT, asks(REDACT, told))
    work_off()
    deliver(REDACT, asks(REDACT, told), webhook_id=delivery.webhook_id)  # ours was forgotten, so it is stored anew
    work_off()
    assert PrivacyRequest.objects.count() == 1
    assert found() == set()


def test_erased_before_we_ever_knew_them(alpha: Shop, store: Store, ask: Ask, work_off: Callable[[], None]) -> None:
    request = ask(REDACT, alpha)
    assert (request.state, request.proof["customers"]) == ("done", 0)
    deliver("customers/create", person())
    deliver("orders/paid", {"id": 6001, "customer": person()})
    work_off()
    with shop_scope(alpha.id):
        assert not Customer.objects.exists()
        assert Order.objects.get().customer is None
        assert not Tombstone.objects.get().customer_id
    assert found() == set()


def test_a_killed_erasure_is_finished_by_the_next_try(
    told: Shop, ask: Ask, monkeypatch: pytest.MonkeyPatch, work_off: Callable[[], None]
) -> None:
    def broken(*args: Any) -> int:
        raise RuntimeError(f"can't reach {EMAIL}")

    with monkeypatch.context() as patch:
        patch.setattr(erasure, "_texts_clear", broken)
        request = ask(REDACT, told)
    assert (request.state, request.error) == ("waiting", "can't reach [redacted]")
    PrivacyRequest.objects.update(due_at=clock.now())
    work_off()
    request.refresh_from_db()
    assert (request.state, request.proof["customers"], request.customer_shopify_id) == ("done", 1, None)
    assert found() == set()


def test_a_killed_erasure_still_knows_the_phone_number(
    told: Shop, ask: Ask, monkeypatch: pytest.MonkeyPatch, work_off: Callable[[], None]
) -> None:
    """Only the request says it, so the request is deleted last, whoever comes across it before."""
    with monkeypatch.context() as patch:
        patch.setattr(erasure, "_texts_clear", lambda *args: 1 / 0)
        request = ask(REDACT, told)
    asked = WebhookDelivery.objects.filter(webhook_id=request.key)
    asked.update(state="waiting")  # as if its worker was killed too
    unsearched = deliver("orders/paid", {"tel": PHONE}, state="done")
    FailedTry.objects.create(queue="run", row_id=1, at=clock.now(), error_class="X", error="no answer at 4930555017788")
    PrivacyRequest.objects.update(due_at=clock.now())
    work_off()
    request.refresh_from_db()
    assert (request.state, request.error) == ("done", "")
    assert not WebhookDelivery.objects.filter(id=unsearched.id).exists()
    assert not asked.exists()
    assert found() == set()


def test_a_request_that_waits_keeps_its_words_while_another_is_done(
    told: Shop, ask: Ask, work_off: Callable[[], None]
) -> None:
    later = clock.now() + dt.timedelta(days=1)
    waiting = deliver(REDACT, asks(REDACT, told))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tasks, "privacy_work", lambda **kwargs: None)
        tasks.deliveries_work(shop_domain=told.domain)
    PrivacyRequest.objects.filter(key=waiting.webhook_id).update(due_at=later)
    body = bytes(waiting.body)
    assert ask(REDACT, told).state == "done"
    waiting.refresh_from_db()
    assert bytes(waiting.body) == body
    PrivacyRequest.objects.update(due_at=clock.now())
    work_off()
    assert found() == set()


@pytest.mark.parametrize("topic", ["customers/data_request", REDACT])
def test_an_overtaken_worker_leaves_everything_to_its_successor(
    told: Shop, work_off: Callable[[], None], topic: str
) -> None:
    delivery = deliver(topic, asks(topic, told), state="done")
    now = clock.now()
    request = PrivacyRequest.objects.create(
        shop=told,
        kind="customer_redact" if topic == REDACT else "data_request",
        key=delivery.webhook_id,
        customer_shopify_id=CUSTOMER,
        received_at=now,
        deadline_at=now,
        due_at=now,
        attempts=2,
    )
    request.attempts = 1  # as the slow worker knows it
    with shop_scope(told.id):
        request_work(request)
        assert Customer.objects.filter(shopify_id=CUSTOMER, first_name="Zebulonia").exists()
        assert not PrivacyExport.objects.exists()
    request.refresh_from_db()
    assert (request.state, request.customer_shopify_id, request.proof, request.attempts) == ("waiting", CUSTOMER, {}, 2)
    assert not FailedTry.objects.exists()
    work_off()
    request.refresh_from_db()
    assert (request.state, request.customer_shopify_id, request.proof["customers"]) == ("done", None, 1)


def test_the_lease_is_kept_while_texts_and_files_are_searched(told: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[str] = []
    monkeypatch.setattr(erasure, "deliveries_naming", lambda *args: [])
    whom = Person(ids=frozenset({CUSTOMER}), emails=frozenset({EMAIL}))
    with shop_scope(told.id):
        AuditEntry.objects.create(shop=told, code="x", actor="42", at=clock.now(), data={"to": EMAIL})
        erasure._texts_clear(told, whom, lambda: kept.append("texts"))
        erasure._exports_delete(whom, lambda: kept.append("files"))
    assert kept.count("texts") > len(erasure._FREE_TEXTS)


class Killed(BaseException):
    """The worker is gone from one statement to the next."""


@pytest.mark.parametrize(
    ("topic", "body"),
    [
        ("customers/update", person()),
        ("orders/updated", {"id": 6001, "email": EMAIL, "customer": person()}),
        ("customers/redact", {}),
    ],
)
def test_a_late_delivery_is_forgotten_wherever_its_worker_is_killed(
    told: Shop, ask: Ask, monkeypatch: pytest.MonkeyPatch, work_off: Callable[[], None], topic: str, body: Any
) -> None:
    ask(REDACT, told)
    late = deliver(topic, body or asks(topic, told))
    finish = work.done

    def finish_and_die(rows: Any) -> int:
        finish(rows)
        if any(row.id == late.id for row in rows if isinstance(row, WebhookDelivery)):
            raise Killed
        return len(rows)

    monkeypatch.setattr(work, "done", finish_and_die)
    with pytest.raises(Killed):
        tasks.deliveries_work(shop_domain=told.domain)
    monkeypatch.setattr(work, "done", finish)
    WebhookDelivery.objects.update(lease_until=None)
    work_off()
    assert found() == set()


# --- a shop that was renamed ------------------------------------------------------------------------------------------


def test_what_came_under_a_former_name_is_erased_too(
    told: Shop, ask: Ask, platform: Platform, store: Store, work_off: Callable[[], None]
) -> None:
    deliver("orders/create", b'{"email": "' + EMAIL.encode() + b'", cut', state="dead")
    deliver("customers/update", person(), state="dropped")
    done = WebhookDelivery.objects.filter(state="done")
    due = set(done.values_list("due_at", flat=True))
    moved(told, "renamed.myshopify.com", platform)
    assert set(done.values_list("due_at", flat=True)) == due
    platform.answer = store.answer
    request = ask(REDACT, told)
    assert request.proof["deliveries"] >= 5
    assert found() == set()


def test_a_name_that_went_to_another_shop_leaves_the_former_owners_deliveries_theirs(
    told: Shop, ask: Ask, platform: Platform, store: Store, work_off: Callable[[], None]
) -> None:
    """Alpha was renamed unnoticed; another shop has its name. What waits may be either's and says whose."""
    newcomer = make_shop("newcomer")
    moved(newcomer, told.domain, platform)
    assert newcomer.domain == "alpha.myshopify.com"
    assert not WebhookDelivery.objects.filter(shop_domain=newcomer.domain).exists()
    told.refresh_from_db()
    platform.answer = store.answer
    deliver(REDACT, {**asks(REDACT, told), "shop_domain": "elsewhere.myshopify.com"}, "elsewhere.myshopify.com")
    work_off()
    assert found() == set()


def moved(shop: Shop, domain: str, platform: Platform) -> None:
    """The platform calls the shop otherwise, and we notice."""
    about = {
        "id": f"gid://shopify/Shop/{shop.shopify_id}",
        "name": "Alpha",
        "myshopifyDomain": domain,
        "currencyCode": "USD",
        "ianaTimezone": "UTC",
        **CLASSIC_ACCOUNTS,
    }
    scopes = [{"handle": handle} for handle in settings.SHOPIFY_SCOPES]
    platform.answer = lambda call: data(shop=about, currentAppInstallation={"accessScopes": scopes})
    with shop_scope(shop.id):
        shop_reread(shop_id=shop.id, domain=domain)
    shop.refresh_from_db()
    assert shop.domain == domain


# --- odd requests -----------------------------------------------------------------------------------------------------


def test_who_was_merged_is_erased_with_the_survivor(told: Shop, ask: Ask, store: Store) -> None:
    away = 8101000000077
    with shop_scope(told.id):
        mirror.customers_upsert([customer_row(away)], read_at=at(1), origin=DomainEvent.Origin.LIVE)
        assert customers_merge(kept_id=CUSTOMER, deleted_id=away, origin=DomainEvent.Origin.LIVE)
    request = ask(REDACT, told)
    assert request.proof["customers"] == 2
    with shop_scope(told.id):
        assert set(tombstones.erased([CUSTOMER, away, OTHER])) == {CUSTOMER, away}
        mirror.orders_upsert([order_row(50, away)], read_at=at(99), origin=DomainEvent.Origin.LIVE)
        survivor = Customer.objects.get(shopify_id__lt=0, merged_into=None)
        assert Order.objects.get(shopify_id=50).customer == survivor
        assert not DomainEvent.objects.filter(key__contains=str(away)).exists()
    assert found() == set()


def test_who_was_merged_away_takes_the_survivor_along(told: Shop, ask: Ask) -> None:
    kept = 8101000000077
    with shop_scope(told.id):
        mirror.customers_upsert([customer_row(kept)], read_at=at(1), origin=DomainEvent.Origin.LIVE)
        assert customers_merge(kept_id=kept, deleted_id=CUSTOMER, origin=DomainEvent.Origin.LIVE)
    assert ask(REDACT, told).proof["customers"] == 2
    with shop_scope(told.id):
        assert not Customer.objects.filter(shopify_id=kept).exists()


def test_what_waits_keeps_its_hint_and_nothing_else(told: Shop, ask: Ask, work_off: Callable[[], None]) -> None:
    later = clock.now() + 10 * reconcile.LAG
    order = deliver("orders/updated", {"id": 6001, "updated_at": "x", "customer": person()}, due_at=later)
    customer = deliver("customers/update", person(), due_at=later)
    ask(REDACT, told)
    order.refresh_from_db()
    assert json.loads(bytes(order.body)) == {"id": 6001, "updated_at": "x"}
    assert order.state == "waiting"
    assert not WebhookDelivery.objects.filter(id=customer.id).exists()
    assert found() == set()


def test_escaped_and_unreadable_bodies_are_found(told: Shop, ask: Ask) -> None:
    escaped = json.dumps({"note": EMAIL}).replace("@", "\\u0040").encode()
    kept = deliver("orders/paid", {"id": 6003, "note": "someone.else@mail.example"}, state="done")
    rows = [
        deliver("orders/paid", escaped, state="done"),
        deliver("orders/paid", {"to": EMAIL.upper()}, state="done"),
        deliver("orders/paid", {"tel": "+49 (30) 5550-17788"}, state="done"),
        deliver("orders/paid", {EMAIL: 1}, state="done"),
        deliver("orders/paid", {"gid": f"gid://shopify/Customer/{CUSTOMER}"}, state="done"),
        deliver("orders/paid", [[[{"id": CUSTOMER}]]], state="done"),
        deliver("orders/paid", b"\xff" + EMAIL.encode(), state="dead"),
        deliver("orders/paid", b"[" * 3000 + str(CUSTOMER).encode(), state="dead"),
    ]
    ask(REDACT, told)
    assert not WebhookDelivery.objects.filter(id__in=[row.id for row in rows]).exists()
    assert WebhookDelivery.objects.filter(id=kept.id).exists()


def test_what_is_another_shops_stays(told: Shop, ask: Ask) -> None:
    other = make_shop("delta")
    theirs = deliver("customers/update", person(), other.domain, state="done")
    with shop_scope(other.id):
        mirror.customers_upsert([customer_row(CUSTOMER)], read_at=at(1), origin=DomainEvent.Origin.LIVE)
    ask(REDACT, told)
    assert WebhookDelivery.objects.filter(id=theirs.id).exists()
    with shop_scope(other.id):
        assert Customer.objects.get().shopify_id == CUSTOMER
        assert not tombstones.erased([CUSTOMER])


def test_calls_for_the_person_are_given_up(told: Shop, ask: Ask) -> None:
    later = clock.now() + 10 * reconcile.LAG
    with shop_scope(told.id):
        traces(told)
        row = Customer.objects.get(shopify_id=CUSTOMER)
        code = DiscountCode.objects.get()
        call = outbound_request(kind="discount_code", key="k", subject_id=code.id, customer_id=row.id)
        Outbound.objects.update(due_at=later)
    assert ask(REDACT, told).proof["calls_skipped"] == 1
    call.refresh_from_db()
    assert call.state == "skipped"


def test_staff_see_an_erased_customer_by_no_name(told: Shop, ask: Ask, merchant: Callable[[Shop], Client]) -> None:
    ask(REDACT, told)
    with shop_scope(told.id):
        row = the_row()
    page = see(merchant(told).get(f"/app/customers/{row.id}/").content.decode())
    sane(page)
    assert page.headings == ["Erased customer"]
    assert "Shopify no longer has this customer." in page.text
    assert "Erased customer" in see(merchant(told).get("/app/customers/").content.decode()).text
    found_by = see(merchant(told).get("/app/customers/?q=zebulonia").content.decode())
    assert "No customers match." in found_by.text


def test_the_storefront_takes_an_erased_visitor_for_nobody(told: Shop, ask: Ask) -> None:
    assert session_of(told, CUSTOMER)["member"]["first_name"] == "Zebulonia"
    ask(REDACT, told)
    assert session_of(told, CUSTOMER)["member"] is None


def test_the_digest_depends_on_shop_and_pepper(told: Shop, beta: Shop, settings: Any) -> None:
    with shop_scope(told.id):
        ours = tombstones.digest_of(CUSTOMER)
        settings.PRIVACY_PEPPER = "another"
        assert tombstones.digest_of(CUSTOMER) != ours
    settings.PRIVACY_PEPPER = "test-secret-key"
    with shop_scope(beta.id):
        assert tombstones.digest_of(CUSTOMER) != ours
    assert str(CUSTOMER) not in ours


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ({"id": CUSTOMER}, True),
        ([{"a": {"b": str(CUSTOMER)}}], True),
        ("see Zebulonia.Quaxby@mail.example!", True),
        ({"x": "gid://shopify/Customer/8101000000001"}, True),
        ({"x": "gid://shopify/Order/8101000000001"}, False),
        ({"id": CUSTOMER * 10, "n": True, "x": None, "f": 8.1}, False),
        ({"tel": "030 5550"}, False),
    ],
)
def test_a_person_is_found_by_id_address_and_number(value: Any, named: bool) -> None:
    whom = Person(ids=frozenset({CUSTOMER}), emails=frozenset({EMAIL}), phones=frozenset({"4930555017788"}))
    assert whom.is_named_in(value) is named


@pytest.mark.parametrize("installed", [False, True])
def test_uninstalled_shops_are_answered_too(
    told: Shop, ask: Ask, work_off: Callable[[], None], installed: bool
) -> None:
    if not installed:
        Shop.objects.filter(id=told.id).update(state=Shop.State.UNINSTALLED, uninstalled_at=clock.now())
    assert ask(REDACT, told).state == "done"
    assert found() == set()


def test_a_shop_we_never_had_leaves_a_dead_letter(db: None, work_off: Callable[[], None]) -> None:
    row = deliver(REDACT, {"shop_id": 1, "shop_domain": "no.myshopify.com", "customer": {"id": 1}}, "no.myshopify.com")
    work_off()
    row.refresh_from_db()
    assert (row.state, PrivacyRequest.objects.count()) == ("dead", 0)


@pytest.mark.parametrize(
    ("topic", "body"),
    [
        (topic, body)
        for topic in ("customers/data_request", REDACT, "shop/redact")
        for body in (
            b"{",
            b"\xff",
            b"[]",
            {},
            {"shop_id": 1, "shop_domain": "alpha.myshopify.com", "customer": {"id": 1}},
            {"shop_id": 548380014, "customer": {"id": 1}},
            {"shop_domain": "beta.myshopify.com", "customer": {"id": 1}},
        )
    ]
    + [
        (topic, {"shop_id": 548380014, "shop_domain": "alpha.myshopify.com", "customer": customer})
        for topic in ("customers/data_request", REDACT)
        for customer in (None, {}, {"id": None}, {"id": -1}, {"id": "x"}, [1])
    ],
)
def test_a_body_that_says_nothing_is_put_aside(
    alpha: Shop, work_off: Callable[[], None], topic: str, body: Any
) -> None:
    row = deliver(topic, body)
    work_off()
    row.refresh_from_db()
    alpha.refresh_from_db()
    assert (row.state, PrivacyRequest.objects.count(), alpha.state) == ("dead", 0, "installed")


def test_ledger_verify_finds_nothing_wrong(told: Shop, ask: Ask, capsys: pytest.CaptureFixture[str]) -> None:
    ask(REDACT, told)
    call_command("ledger_verify")
    assert "ledger OK" in capsys.readouterr().out


def test_a_lost_wake_up_is_found_by_the_sweep(told: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    now = clock.now()
    PrivacyRequest.objects.create(shop=told, kind="shop_redact", key="k", received_at=now, deadline_at=now, due_at=now)
    woken: list[int] = []
    monkeypatch.setattr(tasks.privacy_work, "delay", lambda *, shop_id: woken.append(shop_id))
    tasks.sweep()
    assert woken == [told.id]


def test_batch_costs_the_same_statements_whoever_was_erased(
    told: Shop, ask: Ask, django_assert_max_num_queries: Any
) -> None:
    ask(REDACT, told)
    with shop_scope(told.id), django_assert_max_num_queries(30):
        rows = [order_row(number, CUSTOMER if number % 2 else None) for number in range(1, 200)]
        mirror.orders_upsert(rows, read_at=at(500), origin=DomainEvent.Origin.LIVE)
    with shop_scope(told.id):
        assert Order.objects.filter(customer=the_row()).count() == 102
