"""Guarantee 1: a balance depends on the facts only, never on the order, number or timing of what told them.

Five hundred order histories run through devstore while its deliveries come twice, late, in any order, and some reads
answer with an older state; the workers work all the time. The balances at the end equal those of a second installation
that imports the same store in business order, and those of an oracle written here from the rules' text.
"""

from __future__ import annotations

import random
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.stack import POLL_SECONDS, Stack

HISTORIES = 500
CUSTOMERS = 120
STEPS_MAX = 5
STORM = {"duplicate": 0.3, "reorder": 0.5, "delay_ms": 400, "stale": 0.15}
CALM = {"duplicate": 0, "reorder": 0, "delay_ms": 0, "stale": 0}


@dataclass
class Line:
    id: int
    cents: int  # a piece
    pieces: int


@dataclass
class History:
    """One order's life and what it should be worth in the end."""

    customer: int
    order: int = 0
    paid: bool = True
    test: bool = False
    cancelled: bool = False
    refunded: bool = False
    given_back: int = 0  # cents without a line
    overpaid: int = 0  # cents paid for pieces that an edit removed afterwards
    lines: list[Line] = field(default_factory=list)

    def value(self) -> int:
        return sum(line.cents * line.pieces for line in self.lines)

    def points(self) -> int:
        """One point per whole dollar of what is left; nothing for a test, an unpaid or a cancelled order."""
        if self.test or self.cancelled or not self.paid:
            return 0
        return max(0, self.value() - max(0, self.given_back - self.overpaid)) // 100


def price(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"


def place(stack: Stack, history: History, seed: random.Random) -> None:
    wanted = [(seed.randint(0, 6000), seed.randint(1, 3)) for _ in range(seed.randint(1, 3))]
    history.paid, history.test = seed.random() > 0.15, seed.random() < 0.05
    order = stack.devstore(
        "POST",
        "/devstore/orders",
        {
            "customer_id": history.customer,
            "lines": [{"title": "Thing", "price": price(cents), "quantity": n} for cents, n in wanted],
            "pay": history.paid,
            "test": history.test,
        },
    )
    history.order = order["id"]
    history.lines = [Line(line["id"], cents, n) for line, (cents, n) in zip(order["lines"], wanted, strict=True)]


def step(stack: Stack, history: History, seed: random.Random) -> None:
    """One more thing that happens to the order, if it can."""
    path = f"/devstore/orders/{history.order}"
    kind = seed.choice(["edit", "add", "refund", "amount", "cancel", "pay"])
    open_lines = [line for line in history.lines if line.pieces]
    if history.cancelled:
        return
    if kind == "pay" and not history.paid and history.value():
        stack.devstore("POST", f"{path}/pay")
        history.paid = True
    elif kind == "edit" and open_lines and not history.refunded:
        line = seed.choice(open_lines)
        kept = seed.randint(0, line.pieces - 1)
        if history.paid:
            history.overpaid += line.cents * (line.pieces - kept)
        line.pieces = kept
        stack.devstore("POST", f"{path}/edit", {"set_quantities": {str(line.id): line.pieces}})
    elif kind == "add" and not history.refunded and not history.paid:
        cents = seed.randint(1, 6000)
        order = stack.devstore(
            "POST", f"{path}/edit", {"add_lines": [{"title": "More", "price": price(cents), "quantity": 1}]}
        )
        history.lines.append(Line(order["lines"][-1]["id"], cents, 1))
    elif kind == "refund" and open_lines and history.paid:
        line = seed.choice(open_lines)
        pieces = seed.randint(1, line.pieces)
        if line.cents * pieces > history.value() - history.given_back:
            return  # more than is left of what was paid
        line.pieces -= pieces
        history.refunded = True
        stack.devstore("POST", f"{path}/refund", {"lines": {str(line.id): pieces}})
    elif kind == "amount" and history.paid and history.value() - history.given_back > 100:
        cents = seed.randint(1, (history.value() - history.given_back) // 2)
        history.given_back += cents
        history.refunded = True
        stack.devstore("POST", f"{path}/refund", {"amount": price(cents)})
    elif kind == "cancel" and seed.random() < 0.4:
        history.cancelled = True
        stack.devstore("POST", f"{path}/cancel", {"refund": True})


def settle(stack: Stack, expected: dict[int, int], seconds: float) -> dict[Any, int]:
    """Wait until nothing is on its way; answers the balances, at the latest when the time is over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        stack.devstore("POST", "/devstore/webhooks/flush")
        waiting = stack.devstore("GET", "/devstore/state")["counts"]["webhooks_waiting"]
        backlog = stack.manage_json("backlog")
        if not waiting and not backlog["deliveries"] and not backlog["event_runs"]:
            break
        time.sleep(POLL_SECONDS)
    return {customer: points for customer, points in stack.balances().items() if points or expected.get(customer)}


@pytest.mark.parametrize("database", ["postgresql", "sqlite"])
def test_shuffled_deliveries_end_at_the_balances_of_business_order(tmp_path: Path, database: str) -> None:
    seed = random.Random(20261121)
    (tmp_path / "orders.csv").write_text(
        "customer,order,processed_at,sku,title,quantity,amount,currency\n"
        + "".join(f"c{n},first-{n},2026-01-01T12:00:00Z,S,Thing,1,0.00,USD\n" for n in range(CUSTOMERS))
    )
    options: dict[str, Any] = {"scenario": "csv", "file": tmp_path / "orders.csv", "database": database}
    with Stack(tmp_path / "shuffled", **options) as stack:
        stack.install()
        stack.wait_done(60)
        customers = sorted(stack.balances())
        assert len(customers) == CUSTOMERS
        stack.devstore("POST", "/devstore/shop", {"plan": "plus"})  # fewer waits for cost points; the same rules
        stack.devstore("POST", "/devstore/knobs", STORM)
        histories = [History(seed.choice(customers)) for _ in range(HISTORIES)]
        for history in histories:
            place(stack, history, seed)
        for _ in range(STEPS_MAX):
            seed.shuffle(histories)
            for history in histories:
                if seed.random() < 0.6:
                    step(stack, history, seed)
        stack.devstore("POST", "/devstore/knobs", CALM)
        oracle: dict[int, int] = defaultdict(int)
        for history in histories:
            oracle[history.customer] += history.points()
        expected = {customer: points for customer, points in oracle.items() if points}
        shuffled = settle(stack, expected, 180)
        assert shuffled == expected
        assert stack.manage_json("backlog")["dead"] == 0
        assert "OK" in stack.manage("ledger_verify", "--shop", "csv")

    with Stack(tmp_path / "in-order", devstore_state=tmp_path / "shuffled" / "devstore", **options) as stack:
        stack.install()
        stack.devstore("POST", "/devstore/programme")
        stack.wait_done(120)
        assert settle(stack, expected, 60) == expected
