"""Generated order histories, lived in devstore one step at a time, and what each should be worth in the end."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from tests.stack import Stack


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
