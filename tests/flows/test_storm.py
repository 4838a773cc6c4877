"""Nothing lost, nothing twice: a store in a storm ends where the platform says it is (issue 3).

Order histories and merges run through devstore while deliveries come twice, late, in any order or never, calls fail,
are throttled, answered with older states or worked off without an answer; worker and web are killed every few seconds,
Redis is flushed and restarted, PostgreSQL crashes once. Of some orders, of customers who are new and of a merge not one
delivery is sent. After one reconciliation mirror, balances and statistics equal an oracle of devstore's final state,
and every code that staff gave was made exactly once.

`make test` runs a short one on PostgreSQL; `STORM=full` (`make storm`) the whole on both databases.
"""

from __future__ import annotations

import json
import os
import random
import re
import secrets
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.flows import final_state
from tests.flows.conftest import BOTH_DATABASES
from tests.flows.histories import History, place, step
from tests.flows.storm import Chaos, Servers
from tests.stack import MAKE_DUE_SECONDS, Stack

FULL = os.environ.get("STORM") == "full"
SIZES = {  # histories, customers, codes
    ("postgresql", True): (2000, 300, 1000),
    ("sqlite", True): (300, 60, 150),
    ("postgresql", False): (50, 14, 15),
}
STEPS_MAX = 5
MERGE_SHARE = 0.1  # of customers
AT_ONCE_SHARE = 0.2  # of steps; another follows in the same second, which `updated_at` can't tell apart
UNHEARD_SHARE = 0.1  # of histories; as many customers are new that nobody tells of
STORM = {
    "duplicate": 0.2,
    "reorder": 0.4,
    "delay_ms": 300,
    "drop": 0.05,
    "stale": 0.1,
    "fail": 0.05,
    "throttle": 0.05,
    "timeout_after_work": 0.05,
}
SETTLE_SECONDS = 600 if FULL else 240


class Staff:
    """Staff that give codes from customers' profiles, and press the button again until it worked."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.keys: list[str] = []
        self.tries = 0

    def rows(self, customers: list[dict[str, Any]]) -> dict[int, int]:
        """Customer (the platform's id) → their number in the app's addresses."""
        found = {}
        for customer in customers:
            page = self._request("GET", "/app/customers/", params={"q": customer["email"]})
            found[customer["id"]] = int(re.findall(r"/app/customers/(\d+)/", page.text)[0])
        return found

    def give(self, row_id: int) -> bool:
        """Answers whether the code was given; False when the customer can't have one (merged away meanwhile)."""
        key = secrets.token_hex(16)
        form = {"kind": "percentage", "value": "10", "days": "30", "note": "", "key": key}
        while True:
            self.tries += 1
            answer = self._request("POST", f"/app/customers/{row_id}/code/", data=form)
            if answer.status_code in (200, 302, 303):
                self.keys.append(key)
                return True
            if answer.status_code in (404, 409, 422):
                return False
            time.sleep(0.3)

    def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """An answer other than 5xx, however often the web process dies on the way."""
        while True:
            try:
                answer = self.stack.staff(method, path, **options)
                if answer.status_code < 500:
                    return answer
            except httpx.TransportError:
                pass
            time.sleep(0.2)


def listed(stack: Stack, name: str) -> list[dict[str, Any]]:
    """All customers or orders as devstore has them."""
    rows: list[dict[str, Any]] = []
    before = None
    while True:
        page = stack.devstore("GET", f"/devstore/{name}", limit=1000, **({"before": before} if before else {}))
        rows += page[name]
        before = page["next"]
        if not before or not page[name]:
            return rows


@contextmanager
def unheard(stack: Stack, wanted: bool = True) -> Iterator[None]:
    """If wanted, what happens inside is told to nobody."""
    if wanted:
        stack.devstore("POST", "/devstore/knobs", {"drop": 1})
    yield
    if wanted:
        stack.devstore("POST", "/devstore/knobs", {"drop": STORM["drop"]})


def merge(stack: Stack, keep: int, delete: int, lives: list[History]) -> None:
    stack.devstore("POST", "/devstore/customers/merge", {"keep": keep, "delete": delete})
    for life in lives:
        life.customer = keep if life.customer == delete else life.customer


def blow(stack: Stack, staff: Staff, seed: random.Random, histories: int, codes: int) -> Counter[str]:
    """Live the histories, with merges and codes between their steps; answers how often each happened."""
    customers = listed(stack, "customers")
    kept, deleted, *alive = [customer["id"] for customer in customers]
    rows = staff.rows(customers)
    stack.devstore("POST", "/devstore/knobs", STORM)
    happened: Counter[str] = Counter()
    with unheard(stack):
        newcomers = [
            stack.devstore("POST", "/devstore/customers", {"email": f"new-{n}@csv.example", "password": "csv"})["id"]
            for n in range(max(1, int(len(alive) * UNHEARD_SHARE)))
        ]
    lives = [History(seed.choice([deleted, *alive])) for _ in range(histories)]
    secret = [History(seed.choice([*newcomers, *alive])) for _ in range(int(histories * UNHEARD_SHARE))]
    secret += [History(newcomer) for newcomer in newcomers]
    lives += secret
    steps: list[tuple[str, Any]] = [("place", life) for life in lives]
    steps += [("step", life) for life in lives for _ in range(STEPS_MAX) if seed.random() < 0.6]
    steps += [("code", None)] * codes + [("merge", None)] * int(len(alive) * MERGE_SHARE)
    seed.shuffle(steps)
    for kind, life in steps:
        if kind == "merge":
            keep, delete = seed.sample(alive, 2)
            merge(stack, keep, delete, lives)
            alive.remove(delete)
        elif kind == "code":
            happened["codes"] += staff.give(rows[seed.choice(alive)])
            continue
        else:
            with unheard(stack, life in secret):
                (step if life.order else place)(stack, life, seed)
                if seed.random() < AT_ONCE_SHARE:
                    step(stack, life, seed)
        happened[kind] += 1
    with unheard(stack):
        merge(stack, kept, deleted, lives)
    return happened + Counter(unheard_orders=len(secret), unheard_customers=len(newcomers) + 1)


def settle(stack: Stack, *queues: str) -> None:
    """Calm weather, everything that waits in these queues (all, if none is named) tried now; until nothing does."""
    stack.devstore("POST", "/devstore/knobs", dict.fromkeys(STORM, 0))
    deadline = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < deadline:
        stack.devstore("POST", "/devstore/webhooks/flush")
        stack.make_due()
        if not stack.at_work(*queues):
            return
        time.sleep(MAKE_DUE_SECONDS)
    raise TimeoutError(f"The storm never settled: {stack.at_work()}")


@pytest.mark.parametrize("database", BOTH_DATABASES)
def test_a_storm_ends_where_the_platform_is(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    histories, people, codes = SIZES[database, FULL]
    seed = random.Random(20261122)
    (tmp_path / "orders.csv").write_text(
        "customer,order,processed_at,sku,title,quantity,amount,currency\n"
        + "".join(f"c{n},first-{n},2026-01-01T12:00:00Z,S,Thing,1,{n}.00,USD\n" for n in range(people))
    )
    with Servers(tmp_path / "servers") as servers:
        for name, value in servers.environment.items():
            monkeypatch.setenv(name, value)
        with Stack(tmp_path / "stack", scenario="csv", file=tmp_path / "orders.csv", database=database) as stack:
            stack.install()
            stack.wait_done(180)
            stack.devstore("POST", "/devstore/shop", {"plan": "plus"})  # fewer waits for points; the same rules
            staff = Staff(stack)
            every = 5.0 if FULL else 4.0
            chaos = Chaos(stack, servers, seed=1, every_seconds=every, postgres=database == "postgresql")
            began = time.monotonic()
            chaos.start()
            try:
                happened = blow(stack, staff, seed, histories, codes)
            finally:
                chaos.end()
            blown = time.monotonic() - began
            settle(stack, "webhookdelivery", "eventrun")  # a call may wait for what only the comparison finds
            before = differences(stack)
            stack.manage("reconcile", "--shop", "csv")
            settle(stack)
            settled = time.monotonic() - began - blown
            repaired = stack.repaired()
            assert repaired["orders"] >= happened["unheard_orders"]
            assert repaired["customers"] >= happened["unheard_customers"]

            orders = listed(stack, "orders")
            left = differences(stack)
            assert not left, left
            assert {c: points for c, points in stack.balances().items() if points} == final_state.balances(orders)
            stats = stack.stats()
            expected = final_state.statistics(orders)
            assert {name: stats[name] for name in expected} == expected
            assert stack.dead() == []
            assert stack.manage_json("backlog") == {"deliveries": 0, "event_runs": 0, "outbound": 0, "dead": 0}
            assert "OK" in stack.manage("ledger_verify", "--shop", "csv")
            made = codes_made(stack)
            assert happened["codes"] == len(staff.keys) == len(made)
            assert happened["codes"] >= codes * 0.9
            assert set(made.values()) == {1}
    figures = {
        "storm": database,
        **happened,
        **chaos.done,
        "code_tries": staff.tries,
        "orders_behind": len(before),
        **{f"{name}_repaired": count for name, count in repaired.items()},
        "seconds": round(blown),
        "settled_after": round(settled),
    }
    with capsys.disabled():
        print(f"\n{json.dumps(figures)}")


def differences(stack: Stack) -> dict[int, Any]:
    """Orders of which the mirror says something else than devstore."""
    expected = final_state.mirrored_orders(listed(stack, "orders"))
    mirrored = stack.mirrored_orders()
    return {
        order: (expected.get(order), mirrored.get(order))
        for order in expected.keys() | mirrored.keys()
        if expected.get(order) != mirrored.get(order)
    }


def codes_made(stack: Stack) -> Counter[str]:
    """How often devstore says it made each code."""
    made: Counter[str] = Counter()
    since: int | None = 0
    while since is not None:
        page = stack.devstore("GET", "/devstore/log", since=since, kind="graphql")
        for entry in page["entries"]:
            made.update(entry.get("created", []))
        since = page["next"]
    return made
