"""Erasing a shop leaves counts and sums, and nobody else notices."""

from __future__ import annotations

import datetime as dt
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, models, transaction

from loyalty.models import Entry, LedgerTransaction, ProgrammeVersion
from loyalty.verification import ledger_verify
from retention_app import clock, mirror, work
from retention_app.api.keys import api_key_create
from retention_app.models import (
    ApiWrite,
    Customer,
    DomainEvent,
    EventRun,
    FailedTry,
    Order,
    PrivacyRequest,
    Shop,
    ShopToken,
    StaffMember,
    SyncRun,
    WebhookDelivery,
)
from retention_app.privacy import shop_erasure
from retention_app.privacy.requests import request_work
from retention_app.services.install import shop_installed
from retention_app.shopify.auth import staff_from
from retention_app.shopify.client import Session
from retention_app.shopify.errors import ShopUnavailable
from retention_app.tenancy import shop_scope
from tests.conftest import id_token
from tests.loyalty.ground import publish
from tests.orders import at, customer_row, order_row
from tests.platform.conftest import Answer, Call, Platform, data, pair
from tests.platform.nodes import CLASSIC_ACCOUNTS
from tests.privacy.conftest import asks, deliver, found

Ask = Callable[..., PrivacyRequest]
REDACT = "shop/redact"


def uninstall(shop: Shop) -> None:
    Shop.objects.filter(id=shop.id).update(state=Shop.State.UNINSTALLED, uninstalled_at=clock.now())


def rows_of(shop: Shop) -> dict[str, int]:
    """Every table's rows of a shop, however it names the shop."""
    counts: dict[str, int] = {}
    for model in apps.get_models():
        columns = {field.column for field in model._meta.concrete_fields}
        manager: models.Manager[Any] = model._default_manager
        with shop_scope(shop.id):
            if "shop_id" in columns:
                counts[model.__name__] = manager.filter(shop_id=shop.id).count()
            elif "shop_domain" in columns:
                counts[model.__name__] = manager.filter(shop_domain=shop.domain).count()
    return {name: rows for name, rows in counts.items() if rows}


@pytest.fixture
def left(told: Shop, beta: Shop, work_off: Callable[[], None]) -> Shop:
    """Our shop with data in many tables, uninstalled; another one beside it."""
    with shop_scope(told.id):
        StaffMember.objects.filter(actor="42").update(language="en")
        key, _token = api_key_create(shop=told, name="ERP", scopes=[], actor="42")
        SyncRun.objects.create(shop=told, phase="done", started_at=clock.now(), due_at=clock.now())
        dead = deliver("orders/create", b"{", told.domain, state="dead")
        run = EventRun.objects.filter(shop_id=told.id).latest("id")
        for queue, row_id in (("delivery", dead.id), ("run", run.id), ("outbound", 999_999)):
            FailedTry.objects.create(queue=queue, row_id=row_id, at=clock.now(), error_class="X", error="x")
        one, other = Customer.objects.order_by("id")
        Customer.objects.filter(id=one.id).update(merged_into=other)
        ApiWrite.objects.create(shop=told, api_key=key, key="1", input_hash="x", customer=one, begun_at=clock.now())
    with shop_scope(beta.id):
        publish(beta)
        mirror.customers_upsert([customer_row(1)], read_at=at(1), origin=DomainEvent.Origin.LIVE)
        mirror.orders_upsert([order_row(5)], read_at=at(9), origin=DomainEvent.Origin.LIVE)
    deliver("orders/create", {"id": 5}, beta.domain, state="done")
    work_off()
    uninstall(told)
    return told


def test_aggregates_are_all_that_is_left(left: Shop, beta: Shop, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shop_erasure, "ROWS_PER_BATCH", 2)
    former_id, theirs = left.public_id, rows_of(beta)
    assert len(rows_of(left)) > 12
    request = ask(REDACT, left)
    assert request.state == "done", request.error
    assert request.proof["rows"] > 30
    assert rows_of(left) == {"PrivacyRequest": 1}
    assert rows_of(beta) == theirs
    with shop_scope(beta.id):
        assert not ledger_verify().findings
    assert FailedTry.objects.get().row_id == 999_999  # nobody's
    left.refresh_from_db()
    assert (left.state, left.domain, left.name, left.shopify_id) == ("redacted", "alpha.myshopify.com", "", None)
    assert left.redacted_at is not None
    assert left.public_id != former_id
    counted = {name: left.aggregates[name] for name in ("customers", "orders", "revenue_minor", "points_issued")}
    assert counted == {"customers": 2, "orders": 3, "revenue_minor": 10_000, "points_issued": 150}
    assert left.aggregates["currency"] == left.currency == "USD"
    assert found() == set()


def test_told_twice_changes_nothing(left: Shop, ask: Ask) -> None:
    ask(REDACT, left)
    once = Shop.objects.values().get(id=left.id)
    again = ask(REDACT, left)
    assert (again.state, again.proof) == ("done", {"rows": 1})  # what asked for it
    assert Shop.objects.values().get(id=left.id) == once


@pytest.fixture
def untold(told: Shop) -> Shop:
    """Our shop, installed long ago as far as we know: if it took the app off, the notice was lost."""
    Shop.objects.filter(id=told.id).update(installed_at=clock.now() - dt.timedelta(days=90))
    SyncRun.objects.create(shop=told, phase="orders", started_at=clock.now(), due_at=clock.now() + dt.timedelta(days=1))
    return told


@pytest.mark.parametrize("installed", [dt.timedelta(hours=47), dt.timedelta(days=90)])
def test_a_shop_that_has_the_app_again_is_left_alone(
    untold: Shop, ask: Ask, platform: Platform, installed: dt.timedelta
) -> None:
    """It came back within the platform's 48 hours, or its token still opens it."""
    young = installed < dt.timedelta(hours=48)
    Shop.objects.filter(id=untold.id).update(installed_at=clock.now() - installed)
    platform.script(Answer(status=401) if young else data(shop={"id": "gid://shopify/Shop/548380014"}))
    before = rows_of(untold)
    request = ask(REDACT, untold)
    assert (request.state, request.proof) == ("done", {"ignored": "installed again"})
    after = rows_of(untold)
    assert after.pop("PrivacyRequest") == 1
    assert after == before
    untold.refresh_from_db()
    assert untold.state == "installed"


@pytest.mark.parametrize(
    "answers",
    [
        [Answer(status=401), Answer({"error": "invalid_grant"}, status=400)],  # uninstalled
        [Answer(status=402)],
        [Answer(status=404)],
    ],
    ids=["refused", "frozen", "unknown"],
)
def test_a_shop_whose_notice_of_uninstalling_was_lost_is_erased(
    untold: Shop, ask: Ask, platform: Platform, answers: list[Answer]
) -> None:
    platform.script(*answers)
    request = ask(REDACT, untold)
    assert (request.state, request.error) == ("done", "")
    assert request.proof["rows"] > 20
    assert rows_of(untold) == {"PrivacyRequest": 1}
    untold.refresh_from_db()
    assert (untold.state, found()) == ("redacted", set())


def test_a_shop_closed_a_moment_ago_is_asked_all_the_same(untold: Shop, ask: Ask, platform: Platform) -> None:
    Shop.objects.filter(id=untold.id).update(trouble="frozen", trouble_since=clock.now(), trouble_met_at=clock.now())
    platform.script(data(shop={"id": "gid://shopify/Shop/548380014"}))
    assert ask(REDACT, untold).proof == {"ignored": "installed again"}


@pytest.mark.parametrize(
    "answers",
    [[Answer(status=503)], [Answer(status=401), Answer({"error": "invalid_client"}, status=400)]],
    ids=["failing", "our_keys_refused"],
)
def test_nothing_is_erased_before_the_platform_has_said_whether_the_app_is_installed(
    untold: Shop, ask: Ask, platform: Platform, monkeypatch: pytest.MonkeyPatch, answers: list[Answer]
) -> None:
    monkeypatch.setattr("retention_app.shopify.client.BACKOFF_SECONDS", 0)
    before = rows_of(untold)
    platform.script(*answers)
    request = ask(REDACT, untold)
    assert (request.state, request.proof) == ("waiting", {})
    after = rows_of(untold)
    assert (after.pop("PrivacyRequest"), after.pop("WebhookDelivery")) == (1, before.pop("WebhookDelivery") + 1)
    assert after == before


def test_a_platform_that_fails_for_hours_costs_the_request_no_attempt(
    untold: Shop, ask: Ask, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retention_app.shopify.client.BACKOFF_SECONDS", 0)
    platform.script(Answer(status=503))
    request = ask(REDACT, untold)
    assert (request.attempts, request.error_class) == (0, "TransientError")


def test_a_shop_that_comes_back_while_we_ask_is_left_alone(
    untold: Shop, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def comes_back(*args: Any) -> None:
        Shop.objects.filter(id=untold.id).update(installed_at=clock.now())
        raise ShopUnavailable("The token of before is refused.")

    monkeypatch.setattr(Session, "graphql", comes_back)
    assert ask(REDACT, untold).proof == {"ignored": "installed again"}


def test_an_overtaken_worker_deletes_no_more(left: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its successor may be done and the shop installed again."""
    delivery = deliver(REDACT, asks(REDACT, left), state="done")
    now = clock.now()
    request = PrivacyRequest.objects.create(
        shop=left, kind="shop_redact", key=delivery.webhook_id, received_at=now, deadline_at=now, due_at=now, attempts=2
    )
    request.attempts = 1  # as the slow worker knows it
    monkeypatch.setattr(work, "LEASE_SECONDS", 0)
    orders = rows_of(left)["Order"]
    with shop_scope(left.id):
        request_work(request)
    assert rows_of(left)["Order"] == orders
    request.refresh_from_db()
    assert (request.state, request.attempts, request.error) == ("waiting", 2, "")


def test_what_comes_later_is_not_kept(left: Shop, ask: Ask, work_off: Callable[[], None]) -> None:
    ask(REDACT, left)
    deliver("orders/create", {"id": 6001, "email": "zebulonia.quaxby@mail.example"})
    deliver("customers/redact", {**asks("customers/redact", left), "shop_id": 548380014})
    work_off()
    assert rows_of(left) == {"PrivacyRequest": 2, "Tombstone": 1}
    assert found() == set()


def test_a_killed_erasure_goes_on_and_nobody_installs_meanwhile(
    left: Shop, ask: Ask, monkeypatch: pytest.MonkeyPatch, work_off: Callable[[], None], platform: Platform
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(shop_erasure, "_forget", lambda shop: 1 / 0)
        request = ask(REDACT, left)
    assert request.state == "waiting"
    left.refresh_from_db()
    assert (left.state, left.redacted_at) == ("redacted", None)
    with pytest.raises(ShopUnavailable, match="being erased"):
        install(left, platform)
    PrivacyRequest.objects.update(due_at=clock.now())
    work_off()
    left.refresh_from_db()
    assert install(left, platform).state == "installed"
    assert left.aggregates["orders"] == 3  # counted once, before anything was deleted
    assert left.redacted_at is not None


def test_rows_written_meanwhile_are_deleted_by_the_next_try(
    left: Shop, ask: Ask, monkeypatch: pytest.MonkeyPatch, work_off: Callable[[], None]
) -> None:
    deleted = shop_erasure._rows_delete

    def late(model: Any) -> Any:
        yield from deleted(model)
        if model is Customer:
            mirror.customers_upsert([customer_row(1)], read_at=at(1), origin=DomainEvent.Origin.LIVE)

    with monkeypatch.context() as patch:
        patch.setattr(shop_erasure, "_rows_delete", late)
        assert ask(REDACT, left).error_class == "StillWritten"
    PrivacyRequest.objects.update(due_at=clock.now())
    work_off()
    assert rows_of(left) == {"PrivacyRequest": 1}


def install(shop: Shop, platform: Platform) -> Shop:
    about = {
        "id": "gid://shopify/Shop/548380014",
        "name": "Alpha anew",
        "myshopifyDomain": shop.domain,
        "currencyCode": "USD",
        "ianaTimezone": "UTC",
        **CLASSIC_ACCOUNTS,
    }

    def answer(call: Call) -> Answer:
        return pair() if "grant_type" in call.body else data(shop=about)

    platform.answer = answer
    return shop_installed(staff=staff_from(id_token(shop)))


@pytest.mark.parametrize("model", [Entry, LedgerTransaction, ProgrammeVersion])
@pytest.mark.parametrize(
    ("erased", "statement"), [("", "DELETE FROM"), ("another", "DELETE FROM"), ("ours", "UPDATE")], ids=str
)
def test_ordinary_changes_of_the_ledger_are_still_refused(
    told: Shop, model: type[models.Model], erased: str, statement: str
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no such trigger")
    table = f"{statement} {model._meta.db_table}" + (" SET shop_id = shop_id" if statement == "UPDATE" else "")
    named = {"": "", "another": str(told.id + 1), "ours": str(told.id)}[erased]
    with shop_scope(told.id), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('app.redacting_shop', %s, true)", [named])
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            cursor.execute(f"{table} WHERE shop_id = %s", [told.id])


def test_every_table_of_shops_is_erased_after_those_that_refer_to_it() -> None:
    ordered = shop_erasure.shop_models()
    place = {model: number for number, model in enumerate(ordered)}
    for model in ordered:
        for field in model._meta.concrete_fields:
            if field.related_model in place and field.related_model is not model:
                assert place[model] < place[field.related_model], (model, field)
    with_shop = {m for m in apps.get_models() if "shop_id" in {field.column for field in m._meta.concrete_fields}}
    assert with_shop - set(ordered) == {PrivacyRequest}


# --- the commands -----------------------------------------------------------------------------------------------------


def test_export_writes_every_row_and_no_token(left: Shop, beta: Shop, tmp_path: Path) -> None:
    target = tmp_path / "shop.jsonl"
    call_command("shop_export", shop="alpha", out=str(target), stdout=io.StringIO(), stderr=io.StringIO())
    lines = [json.loads(line) for line in target.read_text().splitlines()]
    assert lines[0]["table"] == "shop"
    tables = {line["table"] for line in lines}
    assert {"customer", "order", "orderline", "entry", "programmeversion", "webhookdelivery"} <= tables
    assert "apiwrite" in tables
    assert not {"shptoken", "shoptoken", "apikey"} & tables
    assert "shpat_" not in target.read_text()
    assert len([line for line in lines if line["table"] == "customer"]) == 2
    assert not target.stat().st_mode & 0o077  # it is full of personal data


def test_export_can_only_count(left: Shop, tmp_path: Path) -> None:
    target, out = tmp_path / "shop.jsonl", io.StringIO()
    call_command("shop_export", shop="alpha", out=str(target), dry_run=True, stdout=out)
    assert not target.exists()
    assert "retention_app_customer" in out.getvalue()


def test_export_never_overwrites_a_file(left: Shop, tmp_path: Path) -> None:
    target = tmp_path / "shop.jsonl"
    target.write_text("precious")
    with pytest.raises(CommandError, match="exists"):
        call_command("shop_export", shop="alpha", out=str(target))
    assert target.read_text() == "precious"


def test_redact_command_asks_first(left: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda *args: "no")
    with pytest.raises(CommandError, match="Nothing was changed"):
        call_command("shop_redact", shop="alpha", stdout=io.StringIO())
    with shop_scope(left.id):
        assert Order.objects.exists()


def test_redact_command_can_only_count(left: Shop) -> None:
    out = io.StringIO()
    call_command("shop_redact", shop="alpha", dry_run=True, stdout=out)
    assert "retention_app_order " in out.getvalue()
    with shop_scope(left.id):
        assert Order.objects.exists()


@pytest.mark.parametrize("state", [Shop.State.INSTALLED, Shop.State.UNINSTALLED])
def test_redact_command_erases_an_installed_shop_too(
    left: Shop, monkeypatch: pytest.MonkeyPatch, state: Shop.State
) -> None:
    Shop.objects.filter(id=left.id).update(state=state)
    monkeypatch.setattr("builtins.input", lambda *args: "alpha")
    call_command("shop_redact", shop="alpha", stdout=io.StringIO(), stderr=io.StringIO())
    assert rows_of(left) == {}
    assert not WebhookDelivery.objects.filter(shop_domain=left.domain).exists()
    left.refresh_from_db()
    assert left.state == "redacted"
    with shop_scope(left.id):
        assert not ShopToken.objects.exists()


def test_unknown_shop_is_an_error(db: None) -> None:
    for command in ("shop_export", "shop_redact"):
        with pytest.raises(CommandError, match="nowhere"):
            call_command(command, shop="nowhere", **({"out": "/nowhere/x"} if command == "shop_export" else {}))
