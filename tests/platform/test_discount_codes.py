"""A code given by staff: written once, made once on the platform, whoever fails in between."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest
import time_machine
from graphql import parse, validate

from retention_app import clock, mirror, removals, tasks
from retention_app.models import AuditEntry, Customer, DiscountCode, DomainEvent, Outbound, Shop
from retention_app.offers import codes
from retention_app.offers.codes import KeyReused, LimitExceeded, discount_code_give, new_code
from retention_app.outbound import outbound_retry, outbound_skip
from retention_app.shopify import documents
from tests.orders import order_row
from tests.platform.conftest import Answer, Call, Platform, data, errors

pytestmark = pytest.mark.django_db


@pytest.fixture
def ana(shop: Shop) -> Customer:
    now = clock.now()
    return Customer.objects.create(
        shop=shop, shopify_id=7001, first_name="Ana", created_at=now, updated_at=now, read_at=now
    )


def give(ana: Customer, key: str = "form-1", **fields: Any) -> DiscountCode:
    given = {"kind": "percentage", "value": 1000, "days": 30, "note": "", **fields}
    return discount_code_give(shop=ana.shop, customer=ana, actor="42", key=key, **given)


class Discounts:
    """The platform's discounts by code. `fate` says what becomes of the next creations: done, lost or unanswered."""

    def __init__(self, platform: Platform) -> None:
        self.by_code: dict[str, dict[str, Any]] = {}
        self.fate: list[str] = []
        self.refusal: list[dict[str, Any]] = []
        platform.answer = self.answer

    def answer(self, call: Call) -> Answer:
        if call.operation == "DiscountByCode":
            found = self.by_code.get(call.body["variables"]["code"])
            node = found and {"id": "gid://shopify/DiscountCodeNode/91", "codeDiscount": {"title": found["title"]}}
            return data(codeDiscountNodeByCode=node)
        wanted = call.body["variables"]["basicCodeDiscount"]
        fate = self.fate.pop(0) if self.fate else "done"
        if fate == "lost":
            return Answer(status=502)
        if self.refusal:
            return self.made(None, self.refusal)
        if wanted["code"] in self.by_code:
            return self.made(None, [{"field": ["code"], "message": "Code must be unique.", "code": "TAKEN"}])
        self.by_code[wanted["code"]] = wanted
        if fate == "unanswered":
            return Answer(status=504)
        return self.made("gid://shopify/DiscountCodeNode/91", [])

    def made(self, id_: str | None, problems: list[dict[str, Any]]) -> Answer:
        return data(discountCodeBasicCreate={"codeDiscountNode": id_ and {"id": id_}, "userErrors": problems})


@pytest.fixture
def discounts(platform: Platform) -> Discounts:
    return Discounts(platform)


def worked(given: DiscountCode, *, later: float = 0) -> tuple[str, str]:
    """States of the code and of its call after a worker's turn."""
    with time_machine.travel(clock.now() + dt.timedelta(seconds=later), tick=False):
        tasks.outbound_work(shop_id=given.shop_id)
    given.refresh_from_db()
    return given.state, Outbound.objects.get(subject_id=given.id).state


def test_code_is_unguessable_and_can_be_read_out() -> None:
    many = {new_code() for _ in range(1000)}
    assert len(many) == 1000
    assert all(re.fullmatch(r"ENC-[2-9A-HJKMNP-TV-Z]{4}-[2-9A-HJKMNP-TV-Z]{4}", code) for code in many)


def test_code_call_and_audit_entry_are_written_together(ana: Customer) -> None:
    given = give(ana, note="Late parcel")
    call = Outbound.objects.get()
    assert (call.kind, call.key, call.subject_id, call.customer_id) == ("discount_code", "form-1", given.id, ana.id)
    entry = AuditEntry.objects.get()
    assert (entry.code, entry.actor, entry.data["discount_code"]) == ("offers.code.given", "42", given.id)
    assert (given.state, given.currency, given.note) == ("requested", "USD", "Late parcel")
    assert given.expires_at - given.given_at == dt.timedelta(days=30)


def test_percentage_is_made_for_one_customer_and_one_use(
    ana: Customer, platform: Platform, discounts: Discounts
) -> None:
    given = give(ana)
    assert worked(given) == ("active", "done")
    assert given.shopify_id == 91
    assert platform.operations == ["DiscountCodeBasicCreate"]
    wanted = discounts.by_code[given.code]
    assert wanted["customerGets"] == {"items": {"all": True}, "value": {"percentage": 0.1}}
    assert wanted["context"] == {"customers": {"add": ["gid://shopify/Customer/7001"]}}
    assert (wanted["usageLimit"], wanted["appliesOncePerCustomer"]) == (1, True)
    assert dt.datetime.fromisoformat(wanted["endsAt"]) == given.expires_at


def test_what_is_asked_for_fits_the_platforms_schemas(ana: Customer) -> None:
    from graphql import coerce_input_value

    from tests.platform.test_documents import VERSIONS, schema

    for version in VERSIONS:
        kind = schema(version).type_map["DiscountCodeBasicInput"]
        for given in (give(ana), DiscountCode(kind="fixed", value=550, currency="JPY", code="A", given_at=clock.now())):
            given.expires_at = given.given_at
            coerce_input_value(codes._input(given, ana), kind)  # type: ignore[arg-type]  # raises
        assert not validate(schema(version), parse(documents.document("DiscountCodeBasicCreate")))


@pytest.mark.parametrize(("currency", "amount"), [("BRL", "5.50"), ("JPY", "550"), ("KWD", "0.550")])
def test_amount_is_written_with_the_currencys_decimals(ana: Customer, currency: str, amount: str) -> None:
    now = clock.now()
    given = DiscountCode(kind="fixed", value=550, currency=currency, code="A", given_at=now, expires_at=now)
    assert codes._input(given, ana)["customerGets"]["value"] == {
        "discountAmount": {"amount": amount, "appliesOnEachItem": False}
    }


def test_code_that_was_made_and_not_answered_is_found(ana: Customer, platform: Platform, discounts: Discounts) -> None:
    discounts.fate = ["unanswered"]
    given = give(ana)
    assert worked(given) == ("requested", "waiting")
    assert worked(given, later=9) == ("active", "done")
    assert platform.operations == ["DiscountCodeBasicCreate", "DiscountByCode"]


def test_code_that_was_never_made_is_made_after_looking(
    ana: Customer, platform: Platform, discounts: Discounts
) -> None:
    discounts.fate = ["lost"]
    given = give(ana)
    worked(given)
    assert worked(given, later=9) == ("active", "done")
    assert platform.operations == ["DiscountCodeBasicCreate", "DiscountByCode", "DiscountCodeBasicCreate"]


def test_look_up_that_lags_behind_is_told_by_the_platform_that_the_code_is_taken(
    ana: Customer, platform: Platform, discounts: Discounts
) -> None:
    discounts.fate = ["unanswered"]
    given = give(ana)
    worked(given)
    lagging = [True, False]

    def answer(call: Call) -> Answer:
        if call.operation == "DiscountByCode" and lagging.pop(0):
            return data(codeDiscountNodeByCode=None)
        return discounts.answer(call)

    platform.answer = answer
    assert worked(given, later=9) == ("active", "done")
    assert len(discounts.by_code) == 1


def test_code_the_platform_took_but_does_not_find_yet_waits(ana: Customer, platform: Platform) -> None:
    taken = [{"field": ["code"], "message": "Code must be unique.", "code": "TAKEN"}]

    def answer(call: Call) -> Answer:
        if call.operation == "DiscountByCode":
            return data(codeDiscountNodeByCode=None)
        return data(discountCodeBasicCreate={"codeDiscountNode": None, "userErrors": taken})

    platform.answer = answer
    assert worked(give(ana)) == ("requested", "waiting")


def test_code_of_the_merchants_own_is_left_alone(ana: Customer, discounts: Discounts) -> None:
    given = give(ana)
    discounts.by_code[given.code] = {"title": "Summer sale"}
    assert worked(given) == ("refused", "dead")
    assert discounts.by_code[given.code] == {"title": "Summer sale"}
    assert "another discount of yours" in Outbound.objects.get().error


def test_refusal_is_kept_and_a_retry_makes_the_code(ana: Customer, discounts: Discounts) -> None:
    discounts.refusal = [{"field": ["context"], "message": "Customers do not exist", "code": "INVALID"}]
    given = give(ana)
    assert worked(given) == ("refused", "dead")
    assert Outbound.objects.get().error == "Customers do not exist"
    discounts.refusal = []
    outbound_retry(call=Outbound.objects.get(), actor="42")
    given.refresh_from_db()
    assert given.state == "requested"
    assert worked(given) == ("active", "done")


def test_missing_permission_needs_attention_and_a_skip_settles_it(
    ana: Customer, platform: Platform, discounts: Discounts
) -> None:
    denied = errors("ACCESS_DENIED")
    platform.answer = lambda call: denied if call.operation == "DiscountCodeBasicCreate" else discounts.answer(call)
    given = give(ana)
    assert worked(given) == ("refused", "dead")
    outbound_skip(call=Outbound.objects.get(), reason="Gave a gift instead", actor="42")
    assert worked(given) == ("refused", "skipped")


def test_code_that_was_made_without_our_knowing_is_kept_instead_of_skipped(ana: Customer, discounts: Discounts) -> None:
    discounts.fate = ["unanswered"]
    given = give(ana)
    assert worked(given) == ("requested", "waiting")
    Outbound.objects.update(state="dead")
    DiscountCode.objects.update(state="refused")
    outbound_skip(call=Outbound.objects.get(), reason="Gave a gift instead", actor="42")
    assert worked(given) == ("active", "done")
    assert given.shopify_id == 91


def test_code_whose_last_day_is_over_is_not_made(ana: Customer, platform: Platform) -> None:
    given = give(ana, days=1)
    Shop.objects.update(state=Shop.State.UNINSTALLED)
    assert worked(given, later=90000) == ("requested", "waiting")
    Shop.objects.update(state=Shop.State.INSTALLED)
    assert worked(given, later=90000) == ("refused", "dead")
    assert platform.calls == []


def test_code_goes_to_the_survivor_of_a_merge_and_to_nobody_who_is_gone(ana: Customer, discounts: Discounts) -> None:
    now = clock.now()
    survivor = Customer.objects.create(shop=ana.shop, shopify_id=8, created_at=now, updated_at=now, read_at=now)
    first, second = give(ana), give(ana, key="form-2")
    Customer.objects.filter(id=ana.id).update(merged_into=survivor)
    (_first_call, other) = Outbound.objects.order_by("id")
    Outbound.objects.filter(id=other.id).update(due_at=now + dt.timedelta(hours=1))
    worked(first)
    assert discounts.by_code[first.code]["context"] == {"customers": {"add": ["gid://shopify/Customer/8"]}}
    Customer.objects.filter(id=survivor.id).update(gone_at=now)
    assert worked(second, later=3601) == ("refused", "dead")


# --- giving -----------------------------------------------------------------------------------------------------------


def test_form_sent_twice_gives_one_code(ana: Customer) -> None:
    assert give(ana).id == give(ana).id
    assert (DiscountCode.objects.count(), AuditEntry.objects.count(), Outbound.objects.count()) == (1, 1, 1)


@pytest.mark.parametrize("other", [{"value": 2000}, {"days": 7}, {"note": "other"}])
def test_form_sent_again_with_other_content_gives_nothing(ana: Customer, other: dict[str, Any]) -> None:
    given = give(ana)
    with pytest.raises(KeyReused) as refused:
        give(ana, **other)
    assert refused.value.given == given
    assert DiscountCode.objects.count() == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"value": 0},
        {"value": 10_001},
        {"value": -5},
        {"days": 0},
        {"days": 366},
        {"kind": "fixed", "value": 1},  # no order yet, so nothing to measure by
        {"kind": "free"},
    ],
)
def test_limits_hold(ana: Customer, fields: dict[str, Any]) -> None:
    with pytest.raises(LimitExceeded):
        give(ana, **fields)
    assert not DiscountCode.objects.exists()


def test_amount_is_at_most_the_average_order(ana: Customer) -> None:
    orders = [order_row(1, 7001, 5000), order_row(2, 7001, 7000)]
    mirror.orders_upsert(orders, read_at=clock.now(), origin=DomainEvent.Origin.BACKFILL)
    assert codes.fixed_minor_max(ana.shop) == 6000
    with pytest.raises(LimitExceeded):
        give(ana, kind="fixed", value=6001)
    assert give(ana, kind="fixed", value=6000).value == 6000


@pytest.mark.parametrize(
    ("fields", "may"),
    [
        ({}, True),
        ({"first_name": "", "email": "a@example.com"}, True),
        ({"first_name": ""}, False),
        ({"gone_at": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)}, False),
    ],
)
def test_nobody_unknown_or_gone_is_given_a_code(ana: Customer, fields: dict[str, Any], may: bool) -> None:
    for name, value in fields.items():
        setattr(ana, name, value)
    assert codes.may_have_code(ana) is may
    if not may:
        with pytest.raises(LimitExceeded):
            give(ana)


def test_who_is_gone_with_orders_waits_for_the_survivor(ana: Customer, discounts: Discounts) -> None:
    now = clock.now()
    mirror.orders_upsert([order_row(1, customer=7001)], read_at=now, origin=DomainEvent.Origin.LIVE)
    given = give(ana)
    removals.customers_gone([7001], origin=DomainEvent.Origin.LIVE)
    assert worked(given) == ("requested", "waiting")
    assert not discounts.by_code
    Customer.objects.create(shop=ana.shop, shopify_id=7002, created_at=now, updated_at=now, read_at=now)
    moved = order_row(1, customer=7002, updated_at=now)
    mirror.orders_upsert([moved], read_at=now, origin=DomainEvent.Origin.LIVE)
    removals.merges_conclude(origin=DomainEvent.Origin.LIVE)
    assert worked(given, later=60) == ("active", "done")
    (made,) = discounts.by_code.values()
    assert "gid://shopify/Customer/7002" in str(made)


def test_who_is_gone_without_orders_gets_no_code(ana: Customer, discounts: Discounts) -> None:
    given = give(ana)
    removals.customers_gone([7001], origin=DomainEvent.Origin.LIVE)
    assert worked(given) == ("refused", "dead")
    assert not discounts.by_code


def test_a_customer_merged_before_we_heard_of_it_gets_the_code_under_the_survivor(
    ana: Customer, discounts: Discounts
) -> None:
    field = ["basicCodeDiscount", "context", "customers", "add"]
    discounts.refusal = [{"field": field, "message": "Customers do not exist", "code": "INVALID"}]
    given = give(ana)
    assert worked(given) == ("requested", "waiting")
    now = clock.now()
    Customer.objects.create(shop=ana.shop, shopify_id=7002, created_at=now, updated_at=now, read_at=now)
    removals.customers_merge(kept_id=7002, deleted_id=7001, origin=DomainEvent.Origin.LIVE)
    discounts.refusal = []
    assert worked(given, later=60) == ("active", "done")
    (made,) = discounts.by_code.values()
    assert "gid://shopify/Customer/7002" in str(made)
