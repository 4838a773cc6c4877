"""Reading: customers, balances, ledgers and programmes, page by page."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from loyalty.programme import draft_save, programme_publish, version_withdraw
from retention_app.api import customers as customers_api
from retention_app.models import Customer, Shop
from retention_app.privacy import erasure
from tests.api.conftest import V1, Program
from tests.loyalty.conftest import TIERED, Tiered, days, go
from tests.loyalty.ground import bring, customers, mirrored
from tests.orders import at, order_row, refund_row

LISTS = ["/customers", "/balances", "/customers/1/ledger", "/programme/versions"]


def test_a_customer_is_what_the_mirror_knows(program: Program) -> None:
    assert program.get("/customers/1").json() == {
        "id": 1,
        "first_name": "First1",
        "last_name": "Last1",
        "email": "c1@example.com",
        "locale": "en",
        "created_at": "2026-01-01T12:00:00Z",
        "updated_at": "2026-01-01T12:00:00Z",
        "orders_count": 2,
        "spent": {"minor": 8000, "currency": "USD"},
        "first_order_at": "2026-01-01T12:05:00Z",
        "last_order_at": "2026-01-01T12:06:00Z",
    }


def test_customers_are_found_by_address_and_by_change(program: Program) -> None:
    Customer.objects.filter(shopify_id=2).update(updated_at=days(3))

    def found(**query: str) -> list[int]:
        return [customer["id"] for customer in program.all("/customers", **query)]

    assert found() == [1, 2]
    assert found(email="C2@Example.com") == [2]
    assert found(email="c2@example") == []
    assert found(updated_since="2026-01-04T12:00:00Z") == [2]
    assert found(updated_since="2026-01-04T12:00:01Z") == []


@pytest.mark.parametrize("path", ["/customers/1", "/customers/1/balance", "/customers/1/ledger"])
def test_who_is_not_in_the_store_is_nobody(program: Program, path: str) -> None:
    program.get(path)
    other = Customer.objects.get(shopify_id=2)
    here: dict[str, Any] = {"gone_at": None, "merged_into": None}
    for fields in ({"gone_at": days(0)}, {"merged_into": other}):
        Customer.objects.filter(shopify_id=1).update(**{**here, **fields})
        assert program.get(path).status_code == 404
        for every in ("/customers", "/balances"):
            assert 1 not in [one.get("id", one.get("customer")) for one in program.all(every)]
    Customer.objects.filter(shopify_id=1).update(**here)
    assert program.get(path).status_code == 200


def test_an_erased_customer_shows_nothing_personal(program: Program) -> None:
    said = {"points": 5, "reason": "other", "note": "First1 moved"}
    assert program.post("/customers/1/adjustments", said).status_code == 201
    erasure.customer_erase(1, body=None, keep=lambda: None, finish=lambda proof: None)
    row = Customer.objects.get(shopify_id__lt=0)
    seen = [
        program.get(f"/customers/{id_}{more}") for id_ in (1, row.shopify_id) for more in ("", "/balance", "/ledger")
    ]
    assert {answer.status_code for answer in seen} == {404}
    everything = program.get("/customers").content + program.get("/balances").content
    assert b"First1" not in everything
    assert b"c1@example.com" not in everything
    replayed = program.post("/customers/1/adjustments", said)
    assert (replayed.status_code, b"First1" in replayed.content) == (404, False)


def test_a_balance_says_what_there_is_and_what_comes(program: Program, tiered: Tiered) -> None:
    mirrored(order_row(7, net_minor=4000, processed_at=days(1)))
    go(tiered, 15.5)
    said = program.get("/customers/1/balance").json()
    assert said == {
        "customer": 1,
        "points_available": 120,
        "points_pending": 0,
        "points_unclaimed": 0,
        "points_held": 0,
        "debt": 0,
        "worth": {"minor": 600, "currency": "USD"},
        "tier": {"key": "silver", "name": "Silver"},
        "pending": [],
        "expiring": said["expiring"],
        "tier_progress": {
            "since": "2026-01-01T12:06:00Z",
            "counted_by": "spend",
            "counted": 12000,
            "next": {"name": "Gold", "threshold": 20000, "lacking": 8000},
            "move_down": None,
        },
    }
    assert sum(part["points"] for part in said["expiring"]) == 120
    (listed,) = program.all("/balances")
    assert listed == {name: said[name] for name in listed}


def test_balances_are_of_members_and_zeros_of_others(program: Program) -> None:
    customers(3)
    assert [one["customer"] for one in program.all("/balances")] == [1]
    nobody = program.get("/customers/3/balance").json()
    assert (nobody["points_available"], nobody["tier"], nobody["worth"]["minor"]) == (0, None, 0)


def test_without_a_programme_points_are_worth_nothing_yet(shop: Shop, key_to: Callable[..., Program]) -> None:
    customers(1)
    program = key_to(shop)
    assert program.get("/customers/1/balance").json()["worth"] is None
    assert program.all("/balances") == program.all("/programme/versions") == []
    assert program.get("/programme").status_code == 404


def test_a_ledger_explains_itself_as_data_and_in_the_asked_language(program: Program) -> None:
    mirrored(order_row(5, net_minor=5000, refunds=[refund_row(55, 7, [(50, 1, 2500)])]))
    bring(1)
    entries = program.get("/customers/1/ledger").json()["items"]
    assert [(e["kind"], e["points"], e["source"]) for e in entries][-1] == ("earned", 50, "order:5")
    assert sum(e["points"] for e in entries) == entries[0]["balance"]
    earned = entries[-1]
    assert (earned["order"], earned["programme_version"]) == ({"id": 5, "name": "#5"}, 1)
    assert earned["explanation"]["per_minor"] == 100
    assert earned["what"] == "Order #5"
    assert "50.00 × 1 point per $1.00 = 50" in earned["why"]
    chinese = program.get("/customers/1/ledger", **{"Accept-Language": "zh-Hant"})
    assert chinese.headers["Content-Language"] == "zh-hant"
    assert chinese.json()["items"][-1]["what"] == "訂單 #5"
    refused = program.get("/customers/1/ledger", {"limit": "x"}, **{"Accept-Language": "zh-Hant"})
    assert refused.json()["errors"] == [{"field": "limit", "code": "invalid", "detail": "A valid integer is required."}]


def test_versions_come_newest_first_with_their_state(program: Program, tiered: Tiered) -> None:
    for number in (2, 3):
        rules = {**TIERED, "earn": {"points": number, "per_minor": 100}}
        draft_save(tiered.shop.id, rules, "42")
        programme_publish(tiered.shop.id, "42", starts_at=days(number))
        if number == 2:
            tiered.clock.move_to(days(2))
    versions = program.all("/programme/versions", limit=2)
    assert [(one["number"], one["state"]) for one in versions] == [(3, "scheduled"), (2, "live"), (1, "past")]
    version_withdraw(tiered.shop.id, 3, "42")
    assert program.all("/programme/versions")[0]["state"] == "withdrawn"
    live = program.get("/programme").json()
    assert (live["number"], live["effective_from"], live["document"]["earn"]["points"]) == (
        2,
        "2026-01-03T12:00:00Z",
        2,
    )
    assert live["document"]["tiers"]["levels"][0]["from"] == 7000
    assert live == versions[1]


@pytest.fixture
def many(program: Program, tiered: Tiered) -> Program:
    """A day later, with 23 customers who have two orders or more."""
    tiered.clock.move_to(days(1))
    customers(*range(3, 24))
    mirrored(*(order_row(100 + n, customer=1 + n % 23, processed_at=at(100 + n // 30)) for n in range(46)))
    bring(*range(1, 24))
    return program


@pytest.mark.parametrize(
    ("path", "place"), [("/customers", "id"), ("/balances", "customer"), ("/customers/1/ledger", "id")]
)
@pytest.mark.parametrize("limit", [1, 2, 100])
def test_a_walk_meets_everything_once_in_order(many: Program, path: str, place: str, limit: int) -> None:
    whole = many.get(path, {"limit": 100}).json()
    assert whole["next_cursor"] is None
    walked = many.all(path, limit=limit)
    assert walked == whole["items"]
    assert len({item[place] for item in walked}) == len(walked) > 2


def test_what_is_added_during_a_walk_moves_nothing(many: Program) -> None:
    first = many.get("/customers/1/ledger", {"limit": 2}).json()
    before = many.all("/customers/1/ledger")
    mirrored(order_row(900, processed_at=days(0) + dt.timedelta(hours=9)))
    bring(1)
    rest = many.get("/customers/1/ledger", {"cursor": first["next_cursor"]}).json()["items"]
    assert first["items"] + rest == before


@pytest.mark.parametrize("path", LISTS)
def test_a_cursor_from_elsewhere_is_refused(many: Program, path: str) -> None:
    good = many.get("/customers", {"limit": 1}).json()["next_cursor"]
    for cursor in ("x", "\x00", "9" * 299, "1:2:3", good + "x", *([good] if path != "/customers" else [])):
        answer = many.get(path, {"cursor": cursor})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "cursor")
    for limit in (0, -1, 101, 10**30, "\x00"):
        assert many.get(path, {"limit": limit}).json()["errors"][0]["field"] == "limit"


@pytest.mark.parametrize("path", LISTS)
def test_a_page_costs_the_same_whatever_is_on_it(many: Program, path: str) -> None:
    counts = set()
    many.get(path)  # the key's use is noted
    for limit in (2, 20):
        with CaptureQueriesContext(connection) as captured:
            many.get(path, {"limit": limit})
        counts.add(len([each for each in captured if "set_config(" not in each["sql"]]))
    assert len(counts) == 1
    assert counts.pop() <= 14


def test_what_nobody_expected_is_a_problem_too(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(customers_api, "customers_present", None)
    answer = Client(raise_request_exception=False, headers=program.headers).get(f"{V1}/customers")
    assert (answer.status_code, answer.headers["Content-Type"]) == (500, "application/problem+json")
    assert answer.json()["type"] == "/api/docs/#problem-failed"


def test_the_worst_paths_are_answered(program: Program) -> None:
    for path in (
        f"/customers/{10**30}",
        "/customers/0",
        "/customers/1/",
        "/customers/x",
        "/customers/1/%00",
        "/",
        "//",
    ):
        answer = program.get(path)
        assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")
    assert program.post("/customers", {}).headers["Allow"] == "GET, HEAD"
