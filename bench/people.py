"""A big shop's screens: the customer list in every order, filtered, searched and paged, a profile, Home.

A million customers with five million orders by default, made in the tables (`bench.crowd`) and analysed. Each request
goes through Django's test client as the serving role, under row-level security, and is repeated; counted are the time
the database takes (every statement, to its last row) and the whole answer. The baseline in the same run is the search
one would write first with the ORM: `icontains` on name and e-mail, counted and sorted.
"""

from __future__ import annotations

import logging
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import psycopg

from bench import crowd

CUSTOMERS = 1_000_000
ORDERS = 5_000_000
REPETITIONS = 5
DATABASE_MS_MAX = 100

LEVELS = [
    {"key": key, "name": key.title(), "from": spent, "percent": 100}
    for key, spent in (("silver", 20_000), ("gold", 60_000), ("vip", 200_000))
]
RULES = {
    "earn": {"points": 1, "per_minor": 100},
    "worth": {"points": 100, "minor": 500},
    "tiers": {
        "by": "spend",
        "period": "lifetime",
        "grace_days": 0,
        "hold_days": 0,
        "protect_until": None,
        "levels": LEVELS,
    },
}
LISTS: dict[str, dict[str, str]] = {
    "first page": {},
    "by spent": {"sort": "spent"},
    "by orders": {"sort": "orders"},
    "by points": {"sort": "points"},
    "tier": {"tier": "gold"},
    "rare tier": {"tier": "vip"},
    "no tier by spent": {"tier": "none", "sort": "spent"},
    "with points": {"points": "some"},
    "without points": {"points": "none"},
    "last 30 days": {"last": "30"},
    "last 12 months by points": {"last": "365", "sort": "points"},
    "ordered once": {"orders": "once"},
    "never ordered": {"orders": "none"},
    "gone": {"status": "gone"},
    "tier, last 90 days": {"tier": "silver", "last": "90"},
    "tier, last 30 days by spent": {"tier": "vip", "last": "30", "sort": "spent"},
    "nobody: once and gold by points": {"tier": "gold", "orders": "once", "sort": "points"},
    "rare word": {"q": "silsilra77"},
    "frequent word": {"q": "maria"},
    "one letter": {"q": "m"},
    "frequent word by spent": {"q": "maria", "sort": "spent"},
    "frequent word in a tier": {"q": "maria", "tier": "gold"},
    "e-mail": {"q": "maria.silsilva5@mail.example"},
    "beginning of an e-mail": {"q": "maria.silsil"},
    "order number": {"q": "#1234567"},
    "beginning of an order number": {"q": "9999"},
    "two words": {"q": "joao silsil"},
    "two frequent words": {"q": "maria silsan"},
    "two letters": {"q": "m s"},
    "nobody": {"q": "zzzzz"},
    "everybody's domain": {"q": "mail.example"},
}


def run(customers: int = CUSTOMERS, orders: int = ORDERS, repetitions: int = REPETITIONS) -> dict[str, Any]:
    from django.conf import settings
    from django.test import Client

    from loyalty.programme import draft_save, programme_publish
    from retention_app import clock, counts
    from retention_app.models import Customer, Role, Shop, StaffMember
    from retention_app.tenancy import shop_scope

    settings.ALLOWED_HOSTS = ["testserver"]
    logging.disable(logging.INFO)  # two lines a request
    shop = Shop.objects.create(
        domain="people.myshopify.com", name="People", installed_at=clock.now(), customer_accounts="CLASSIC"
    )
    with shop_scope(shop.id):
        draft_save(shop.id, RULES, "1")
        programme_publish(shop.id, "1")
        now = clock.now()
        StaffMember.objects.create(shop=shop, actor="42", role=Role.OWNER, told_at=now, last_seen_at=now)
    made = _seconds(lambda: _fill(shop.id, customers, orders))
    client = Client(headers={"Authorization": f"Bearer {_id_token(shop)}"})
    with shop_scope(shop.id):
        regular = Customer.objects.filter(orders_count=50).first()
    counted = _counted(shop, orders > counts.LIVE_ORDERS_MAX)
    paths = {name: f"/app/customers/?{urlencode(query)}" for name, query in LISTS.items()}
    paths |= _pages(client)
    if regular:
        paths["profile of 50 orders"] = f"/app/customers/{regular.id}/"
        paths["its orders"] = f"/app/customers/{regular.id}/?tab=orders"
    charts = {"HX-Request": "true", "HX-Target": "div#charts"}
    figures = {name: _measured(client, path, {}, repetitions) for name, path in paths.items()}
    figures["Home"] = _measured(client, "/app/", {}, repetitions)
    figures["Home's charts"] = _measured(client, "/app/", charts, repetitions)
    baseline = _measured_call(lambda: _baseline(shop.id), 1)
    slowest = max(figures, key=lambda name: figures[name]["database_ms"])
    return {
        "customers": customers,
        "orders": orders,
        "made_seconds": round(made),
        "counted_seconds": round(counted),
        "slowest": slowest,
        "slowest_database_ms": figures[slowest]["database_ms"],
        "median_database_ms": statistics.median(figure["database_ms"] for figure in figures.values()),
        "median_answer_ms": statistics.median(figure["answer_ms"] for figure in figures.values()),
        "over": [name for name, figure in figures.items() if figure["database_ms"] > DATABASE_MS_MAX],
        "icontains_ms": baseline["database_ms"],
        "ratio": round(baseline["database_ms"] / figures["frequent word"]["database_ms"], 1),
        "figures": figures,
    }


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _fill(shop_id: int, customers: int, orders: int) -> None:
    """As a superuser, without checking foreign keys row by row."""
    from django.db import connection

    address = f"{os.environ['TEST_DATABASE_ADMIN_URL'].rsplit('/', 1)[0]}/{connection.settings_dict['NAME']}"
    with psycopg.connect(address, autocommit=True, cursor_factory=psycopg.ClientCursor) as admin:
        admin.execute("SET session_replication_role = replica")
        crowd.fill(lambda statement, params: admin.cursor().execute(statement, params), shop_id, customers, orders)
        for table in crowd.TABLES:
            admin.execute(f"VACUUM ANALYZE {table}")


def _id_token(shop: Any) -> str:
    import jwt
    from django.conf import settings

    now = int(time.time())
    payload = {
        "iss": f"https://{shop.domain}/admin",
        "dest": f"https://{shop.domain}",
        "aud": settings.SHOPIFY_API_KEY,
        "sub": "42",
        "exp": now + 24 * 3600,
        "nbf": now - 1,
        "iat": now - 1,
        "jti": "bench",
        "sid": "bench",
    }
    return jwt.encode(payload, settings.SHOPIFY_API_SECRET, algorithm="HS256")


def _counted(shop: Any, in_background: bool) -> float:
    """Seconds in which a worker counts what Home shows; 0 where Home counts itself."""
    from retention_app.counts import count_and_keep
    from retention_app.tenancy import shop_scope

    with shop_scope(shop.id):
        return _seconds(lambda: count_and_keep(shop)) if in_background else 0.0


def _pages(client: Any) -> dict[str, str]:
    """A page far down the list, and the one before it."""
    path = "/app/customers/?sort=orders"
    for _ in range(20):
        path = f"/app/customers/{_link(client.get(path).content.decode(), 'next')}"
    return {"page 21 by orders": path, "page 20 backwards": f"/app/customers/{_link(_text(client, path), 'prev')}"}


def _text(client: Any, path: str) -> str:
    return str(client.get(path).content.decode())


def _link(html: str, rel: str) -> str:
    return html.split(f'rel="{rel}" href="')[1].split('"')[0].replace("&amp;", "&")


def _baseline(shop_id: int) -> None:
    from django.db.models import Q

    from retention_app.models import Customer
    from retention_app.tenancy import shop_scope

    with shop_scope(shop_id):
        like = Q(first_name__icontains="maria") | Q(last_name__icontains="maria") | Q(email__icontains="maria")
        found = Customer.objects.filter(like, merged_into=None)
        found.count()
        list(found.order_by("-last_order_at")[:50])


def _measured(client: Any, path: str, headers: dict[str, str], repetitions: int) -> dict[str, float]:
    def ask() -> None:
        answer = client.get(path, headers=headers)
        if answer.status_code != 200:
            raise RuntimeError(f"{path} was answered {answer.status_code}.")

    ask()  # once for caches
    return _measured_call(ask, repetitions)


def _measured_call(call: Callable[[], object], repetitions: int) -> dict[str, float]:
    """Medians in milliseconds: the database's and everything, and how many statements."""
    database, answers, statements = [], [], 0
    for _ in range(repetitions):
        with _database_time() as times:
            answers.append(_seconds(call))
        database.append(sum(times))
        statements = len(times)
    return {
        "database_ms": round(statistics.median(database) * 1000, 1),
        "answer_ms": round(statistics.median(answers) * 1000, 1),
        "statements": statements,
    }


@contextmanager
def _database_time() -> Iterator[list[float]]:
    """Seconds of each statement, as its caller waits for it: psycopg has fetched all rows by then."""
    from django.db import connection

    times: list[float] = []

    def timed(execute: Callable[..., Any], *args: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(*args)
        finally:
            times.append(time.perf_counter() - began)

    with connection.execute_wrapper(timed):
        yield times
