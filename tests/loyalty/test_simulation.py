"""What a programme comes to over a shop's own history, and what another document would change."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from loyalty import simulation
from loyalty.models import SimulatedMove, Simulation, TierMove
from loyalty.programme import draft_save, programme_publish
from loyalty.rules.programme import Document, completed
from loyalty.simulation import simulation_advance, simulation_request
from retention_app import clock
from retention_app.models import Customer, DomainEvent, Shop
from tests.loyalty.ground import bring, customers, mirrored
from tests.orders import line_row, order_row

NOW = clock.now()


def document(*levels: tuple[str, int, int], **more: Any) -> Document:
    """A point a dollar, a hundred worth five; with levels (name, from, percent) by lifetime spend."""
    tiers = {
        "by": "spend",
        "period": "lifetime",
        "grace_days": 30,
        "hold_days": 0,
        "protect_until": None,
        "levels": [
            {"key": name.lower(), "name": name, "from": asks, "percent": percent} for name, asks, percent in levels
        ],
    }
    base = {"earn": {"points": 1, "per_minor": 100}, "worth": {"points": 100, "minor": 500}}
    return completed({**base, "tiers": tiers if levels else None, **more})


@pytest.fixture
def members(shop: Shop) -> Shop:
    """Version 1 with Silver from $50 and Gold from $100; customers 1 to 4 spent $40, $60, $120 and $120."""
    draft_save(shop.id, document(("Silver", 5000, 100), ("Gold", 10000, 150)), "42")
    programme_publish(shop.id, "42", "all")
    customers(1, 2, 3, 4)
    spent = {1: [4000], 2: [6000], 3: [6000, 6000], 4: [12000]}
    days = iter(range(1, 100))
    mirrored(
        *(
            order_row(
                customer * 10 + number,
                customer=customer,
                lines=[line_row(customer * 10 + number, minor)],
                processed_at=NOW - dt.timedelta(days=next(days)),
            )
            for customer, amounts in spent.items()
            for number, minor in enumerate(amounts)
        )
    )
    bring(1, 2, 3, 4)
    return shop


def simulated(*arguments: str) -> tuple[dict[str, Any], str]:
    """(the JSON, the progress)"""
    stdout, stderr = StringIO(), StringIO()
    call_command("programme_simulate", "--shop", "alpha", "--json", *arguments, stdout=stdout, stderr=stderr)
    return json.loads(stdout.getvalue()), stderr.getvalue()


def test_the_live_programme_simulated_equals_the_ledger(members: Shop) -> None:
    found, progress = simulated()
    assert found["equals_ledger"]
    assert (found["points"], found["ledger"], found["members"], found["orders"]) == (340, 340, 4, 5)
    assert found["tiers"] == {"": 1, "Silver": 1, "Gold": 2}
    assert "Replayed 5 of 5 orders: 100%" in progress


def test_a_ledger_that_lacks_points_is_said(members: Shop) -> None:
    mirrored(order_row(99, customer=1))
    with pytest.raises(SystemExit):
        simulated()


def test_a_draft_says_who_moves_and_what_the_year_would_have_cost(members: Shop) -> None:
    draft_save(members.id, document(("Silver", 4000, 100), ("Gold", 20000, 200)), "42")
    found, _ = simulated("--draft")
    assert (found["up"], found["down"], found["stay"]) == (1, 2, 1)
    assert found["tiers"] == {"": 1, "Silver": 1, "Gold": 2}
    assert found["tiers_then"] == {"": 0, "Silver": 4, "Gold": 0}
    assert found["points"] == found["points_then"] == 340
    assert found["year"]["orders"] == 5
    assert found["year"]["revenue_minor"] == 34000
    assert found["share_of_revenue"] == 0.05


def test_tiers_multiply_the_years_points(members: Shop) -> None:
    draft_save(members.id, document(("Silver", 5000, 200), ("Gold", 10000, 300)), "42")
    found, _ = simulated("--draft")
    assert (found["up"], found["down"]) == (0, 0)
    assert found["points_then"] == 340 + 60  # the third customer's second order
    assert found["worth_minor_then"] == 2000


def test_levels_that_are_gone_let_members_down_and_new_ones_up(members: Shop) -> None:
    draft_save(members.id, document(("Bronze", 1000, 100), ("Silver", 5000, 100)), "42")
    found, _ = simulated("--draft")
    assert found["tiers_then"] == {"": 0, "Bronze": 1, "Silver": 3}
    assert (found["up"], found["down"], found["stay"]) == (1, 2, 1)


def test_a_tier_given_by_staff_stays(members: Shop) -> None:
    TierMove.objects.create(
        shop=members, customer=Customer.objects.get(shopify_id=1), at=NOW, level="gold", note="", actor="42", key="1"
    )
    draft_save(members.id, document(("Silver", 50000, 100), ("Gold", 90000, 100)), "42")
    found, _ = simulated("--draft")
    assert found["tiers_then"] == {"": 3, "Silver": 0, "Gold": 1}
    assert (found["up"], found["down"], found["stay"]) == (0, 3, 1)


def test_a_file_and_a_version_can_be_asked_about(members: Shop, tmp_path: Path) -> None:
    (tmp_path / "double.json").write_text(json.dumps(document() | {"earn": {"points": 2, "per_minor": 100}}))
    found, _ = simulated("--document", str(tmp_path / "double.json"))
    assert (found["points"], found["points_then"]) == (340, 680)
    assert found["down"] == 3
    assert simulated("--version", "1")[0]["stay"] == 4


def test_what_cannot_be_asked_is_refused_in_one_line(members: Shop, tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text('{"earn": {"points": 0}}')
    for arguments, said in (
        (["--version", "9"], "no version 9"),
        (["--document", str(tmp_path / "none.json")], "can't be read"),
        (["--document", str(tmp_path / "broken.json")], "earn_points: Enter more than zero."),
    ):
        with pytest.raises(CommandError, match=said):
            simulated(*arguments)


def test_before_version_1_everybody_starts_without_a_tier(shop: Shop) -> None:
    with pytest.raises(CommandError, match="no draft"):
        simulated("--draft")
    customers(1)
    mirrored(order_row(1, customer=1))
    draft_save(shop.id, document(("Silver", 1000, 150)), "42")
    found, _ = simulated("--draft")
    assert (found["up"], found["points"], found["tiers_then"]) == (1, 0, {"": 0, "Silver": 1})


def test_a_simulation_is_asked_once_a_day_and_worked_off_in_steps(
    members: Shop, work_off: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulation, "SLICE", 2)
    changed = document(("Silver", 4000, 100), ("Gold", 20000, 200))
    asked = simulation_request(members.id, changed)
    assert simulation_request(members.id, changed) == asked
    assert DomainEvent.objects.filter(type="programme.simulation_asked").count() == 1
    assert simulation_advance(asked.id)
    asked.refresh_from_db()
    assert (asked.orders, asked.orders_total, asked.finished_at) == (2, 5, None)
    work_off()
    asked.refresh_from_db()
    assert asked.finished_at
    assert (asked.totals["up"], asked.totals["down"], asked.totals["members"], asked.orders) == (1, 2, 4, 5)
    moves = SimulatedMove.objects.order_by("customer__shopify_id").values_list(
        "customer__shopify_id", "before", "after"
    )
    assert list(moves) == [(1, "", "silver"), (3, "gold", "silver"), (4, "gold", "silver")]
    assert simulation_advance(asked.id) is None
    assert SimulatedMove.objects.count() == 3


def test_a_new_question_takes_the_place_of_the_former(members: Shop, work_off: Callable[[], None]) -> None:
    simulation_request(members.id, document())
    asked = simulation_request(members.id, document(order_max=10))
    work_off()
    assert Simulation.objects.get() == asked
    assert SimulatedMove.objects.count() == 3


def test_a_simulation_whose_programme_has_changed_is_dropped(members: Shop) -> None:
    asked = simulation_request(members.id, document())
    draft_save(members.id, document(order_max=10), "42")
    programme_publish(members.id, "42")
    assert simulation_advance(asked.id) is None
    assert not Simulation.objects.exists()
