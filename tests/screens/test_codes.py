"""Giving a code from a customer's profile: the form, its refusals, and the list of what was given."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.test import Client

from retention_app import clock
from retention_app.models import Customer, DiscountCode, Outbound, Shop
from retention_app.tenancy import shop_scope
from tests.screens.conftest import sane, see
from tests.screens.test_pages import queries_of


@pytest.fixture
def ana(storied: Shop) -> Customer:
    with shop_scope(storied.id):
        found = Customer.objects.filter(first_name="Ana").order_by("id").first()
    assert found
    return found


@pytest.fixture
def filled(ana: Customer, staff: Client) -> dict[str, str]:
    """The form as a person opens and fills it."""
    html = staff.get(f"/app/customers/{ana.id}/code/").content.decode()
    key = re.search(r'name="key" value="([\w-]+)"', html)
    assert key
    return {"kind": "percentage", "value": "10", "days": "30", "note": "", "key": key[1]}


def post(staff: Client, person: Customer, filled: dict[str, str], **headers: str) -> Any:
    return staff.post(f"/app/customers/{person.id}/code/", filled, headers=headers)


def codes(shop: Shop) -> list[DiscountCode]:
    with shop_scope(shop.id):
        return list(DiscountCode.objects.order_by("id"))


def test_profile_offers_a_code_and_lists_what_was_given(
    storied: Shop, ana: Customer, staff: Client, filled: dict[str, str]
) -> None:
    profile = f"/app/customers/{ana.id}/"
    assert f'href="{profile}code/"' in staff.get(profile).content.decode()
    assert "Codes you give this customer appear here" in see(staff.get(f"{profile}?tab=codes").content.decode()).text
    answer = post(staff, ana, filled)
    assert (answer.status_code, answer["Location"]) == (303, f"{profile}?tab=codes")
    (given,) = codes(storied)
    assert (given.kind, given.value, given.given_by) == ("percentage", 1000, "42")
    seen = see(staff.get(answer["Location"]).content.decode())
    sane(seen)
    for said in (given.code, "10% off", "Waiting for Shopify"):
        assert said in seen.text
    with shop_scope(storied.id):
        DiscountCode.objects.update(state="active")
    assert "Active" in see(staff.get(answer["Location"]).content.decode()).text


@pytest.mark.parametrize(
    ("state", "call", "said"),
    [("refused", "dead", "Needs attention"), ("refused", "skipped", "Skipped"), ("active", "done", "Active")],
)
def test_list_says_what_became_of_a_code(
    storied: Shop, ana: Customer, staff: Client, filled: dict[str, str], state: str, call: str, said: str
) -> None:
    post(staff, ana, filled)
    with shop_scope(storied.id):
        DiscountCode.objects.update(state=state)
    Outbound.objects.update(state=call)
    html = staff.get(f"/app/customers/{ana.id}/?tab=codes").content.decode()
    assert said in see(html).text
    assert f"/app/activity/call-{Outbound.objects.get().id}/" in html


def test_success_is_a_toast(ana: Customer, staff: Client, filled: dict[str, str]) -> None:
    answer = post(staff, ana, filled, **{"HX-Request": "true"})
    assert re.fullmatch(r"Code ENC-\w{4}-\w{4} given", json.loads(answer["HX-Trigger"])["toast"])


def test_pressing_twice_gives_one_code(storied: Shop, ana: Customer, staff: Client, filled: dict[str, str]) -> None:
    assert post(staff, ana, filled)["Location"] == post(staff, ana, filled)["Location"]
    assert len(codes(storied)) == 1


def test_going_back_and_changing_the_form_gives_nothing_more(
    storied: Shop, ana: Customer, staff: Client, filled: dict[str, str]
) -> None:
    post(staff, ana, filled)
    answer = post(staff, ana, {**filled, "value": "50"})
    assert answer.status_code == 409
    assert f"This form has already given the code {codes(storied)[0].code}." in see(answer.content.decode()).text
    assert len(codes(storied)) == 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"value": ""}, "Enter a number."),
        ({"value": "0"}, "Enter a whole number from 1 to 100."),
        ({"value": "101"}, "Enter a whole number from 1 to 100."),
        ({"value": "12.5"}, "Enter a whole number from 1 to 100."),
        ({"value": "²"}, "Enter a whole number from 1 to 100."),
        ({"days": "366"}, "Enter a whole number from 1 to 365."),
        ({"days": "soon"}, "Enter a whole number from 1 to 365."),
        ({"kind": "free"}, "Choose one."),
        ({"key": "short"}, "Open this form again."),
        ({"kind": "fixed", "value": "lots"}, "Enter an amount like 1.00."),
        ({"kind": "fixed", "value": "1,000"}, "Enter an amount like 1.00."),
        ({"kind": "fixed", "value": "999999"}, "Enter an amount up to $"),
        ({"kind": "fixed", "value": "-1"}, "Enter an amount up to $"),
    ],
)
def test_what_cannot_be_given_is_said_at_its_field(
    storied: Shop, ana: Customer, staff: Client, filled: dict[str, str], wrong: dict[str, str], said: str
) -> None:
    answer = post(staff, ana, {**filled, **wrong})
    assert answer.status_code == 422
    seen = see(answer.content.decode())
    sane(seen)
    assert said in seen.text
    assert "problem" in seen.ids
    assert not codes(storied)


def test_amount_is_given_in_the_shops_currency(
    storied: Shop, ana: Customer, staff: Client, filled: dict[str, str]
) -> None:
    assert post(staff, ana, {**filled, "kind": "fixed", "value": "5,50"}).status_code == 303
    assert [(given.kind, given.value, given.currency) for given in codes(storied)] == [("fixed", 550, "USD")]
    assert "$5.50 off" in see(staff.get(f"/app/customers/{ana.id}/?tab=codes").content.decode()).text


def test_shop_without_orders_is_offered_percentages_only(alpha: Shop, staff: Client) -> None:
    with shop_scope(alpha.id):
        now = clock.now()
        person = Customer.objects.create(
            shop=alpha, shopify_id=1, first_name="Ana", created_at=now, updated_at=now, read_at=now
        )
    html = staff.get(f"/app/customers/{person.id}/code/").content.decode()
    assert 'value="fixed"' not in html
    assert 'value="percentage"' in html


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"first_name": "", "last_name": "", "email": ""}, "share who this is"),
        ({"gone_at": True, "first_name": "", "last_name": "", "email": ""}, "in your store any more"),
        ({"merged_into": True}, "merged into another one"),
    ],
)
def test_nobody_to_give_to_is_said_instead_of_a_button(
    storied: Shop, ana: Customer, staff: Client, filled: dict[str, str], fields: dict[str, Any], said: str
) -> None:
    with shop_scope(storied.id):
        other = Customer.objects.exclude(id=ana.id).first()
        values = {"gone_at": clock.now(), "merged_into": other}
        Customer.objects.filter(id=ana.id).update(**{k: values[k] if v is True else v for k, v in fields.items()})
    profile = staff.get(f"/app/customers/{ana.id}/").content.decode()
    assert f"/app/customers/{ana.id}/code/" not in profile
    assert said in see(profile).text
    page = see(staff.get(f"/app/customers/{ana.id}/code/").content.decode())
    sane(page)
    assert said in page.text
    assert post(staff, ana, filled).status_code == 422
    assert not codes(storied)


def test_another_shops_customer_is_404(ana: Customer, beta: Shop, merchant: Any, filled: dict[str, str]) -> None:
    stranger = merchant(beta)
    assert stranger.get(f"/app/customers/{ana.id}/code/").status_code == 404
    assert post(stranger, ana, filled).status_code == 404


def test_pages_cost_their_queries(ana: Customer, staff: Client, filled: dict[str, str]) -> None:
    path = f"/app/customers/{ana.id}/?tab=codes"
    staff.get(path)
    before = queries_of(staff, path)
    for number in range(3):
        post(staff, ana, {**filled, "key": f"{filled['key']}{number}"})
    assert queries_of(staff, path) <= before + 1 <= 9
    assert queries_of(staff, f"/app/customers/{ana.id}/code/") <= 10
