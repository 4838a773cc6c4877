"""Guests over real HTTP: their points wait until they sign in, by a password or, once the shop has new customer
accounts, by a code; then they are told once what is theirs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tests.stack import Stack

SECONDS_MAX = 120  # until the app has heard of something and done it
ORDERS = """customer,order,processed_at,sku,title,quantity,amount,currency
otto@mail.example,a,2026-01-01T12:00:00Z,S,Thing,1,70.00,USD
"""
PASSWORD = "a-long-password"


def test_a_guests_points_are_theirs_from_their_first_sign_in(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text(ORDERS)
    with Stack(tmp_path / "stack", scenario="csv", file=tmp_path / "orders.csv", database="sqlite") as stack:
        stack.install()
        stack.wait_done(SECONDS_MAX)
        lia = buys(stack, "lia@mail.example", "108.00", "132.00")
        until(lambda: points(stack).get(lia) == (0, 240))
        becomes_theirs(stack, "lia@mail.example", by_password)
        assert (points(stack)[lia], 70 in dict(points(stack).values())) == ((240, 0), True)

        stack.devstore("POST", "/devstore/shop", {"customer_accounts": "NEW_CUSTOMER_ACCOUNTS"})
        until(lambda: stack.execute("SELECT customer_accounts FROM retention_app_shop") == [("NEW_CUSTOMER_ACCOUNTS",)])
        ana = buys(stack, "ana@mail.example", "240.00")
        stack.devstore(
            "POST", "/devstore/customers", {"email": "ana@mail.example", "password": PASSWORD}
        )  # says nothing
        until(lambda: points(stack).get(ana) == (0, 240) and not stack.at_work())
        assert points(stack)[ana] == (0, 240)
        becomes_theirs(stack, "ana@mail.example", by_code, orders=1)
        assert points(stack)[ana] == (240, 0)
        assert "OK" in stack.manage("ledger_verify", "--shop", "csv")
        assert stack.dead() == []


def buys(stack: Stack, email: str, *prices: str) -> int:
    """Orders of a guest; answers who the store takes them for."""
    wanted = [{"email": email, "lines": [{"title": "Thing", "price": price, "quantity": 1}]} for price in prices]
    (customer,) = {stack.devstore("POST", "/devstore/orders", one)["customer_id"] for one in wanted}
    return int(customer)


def becomes_theirs(
    stack: Stack, email: str, sign_in: Callable[[httpx.Client, Stack, str], None], orders: int = 2
) -> None:
    """Nobody is told of the points before the guest signs in; then the panel says what became theirs."""

    def member() -> Any:
        return visitor.get("/apps/encore/v1/session").json()["member"]

    with httpx.Client(base_url=stack.devstore_url, follow_redirects=True, timeout=20) as visitor:
        assert member() is None
        sign_in(visitor, stack, email)
        until(lambda: member()["claimed"] is not None)
        told = member()
    assert (told["points"], told["claimed"]) == (240, {"points": 240, "orders": orders})


def by_password(visitor: httpx.Client, stack: Stack, email: str) -> None:
    person = {"first_name": "Lia", "last_name": "Prado", "email": email, "password": PASSWORD}
    assert "Hello, Lia" in visitor.post("/account/register", data=person).text


def by_code(visitor: httpx.Client, stack: Stack, email: str) -> None:
    visitor.post("/customer_authentication/login", data={"email": email})
    (mail, *_) = stack.devstore("GET", "/devstore/mails")["mails"]
    assert visitor.post("/customer_authentication/code", data={"code": mail["code"]}).status_code == 200


def points(stack: Stack) -> dict[int, tuple[int, int]]:
    """(available, unclaimed) by customer."""
    rows = map(json.loads, stack.manage("balances", "--shop", stack.scenario, "--json").splitlines())
    return {row["customer"]: (row["points_available"], row["points_unclaimed"]) for row in rows}


def until(happened: Callable[[], bool]) -> None:
    """Raises TimeoutError when it never does."""
    deadline = time.monotonic() + SECONDS_MAX
    while not happened():
        if time.monotonic() > deadline:
            raise TimeoutError("It never happened.")
        time.sleep(0.2)
