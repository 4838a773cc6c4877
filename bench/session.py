"""The storefront's read: sessions a second that one uvicorn answers, against a Django view on the ORM.

Both are asked by 16 connections that each send the next question once the last one is answered, for customers in turn:
signed as the app proxy signs, members of a shop with tiers and waiting points, ten entries each. Server, PostgreSQL and
client share the machine. The peer is served as its server's manual recommends for two cores (2 n + 1 gunicorn workers,
kept connections) under the same row-level policies. Besides: the same questions by who already has the answer (304),
and by the anonymous. Every answer's body is compared with what the peer's view says of that customer.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import secrets
import select
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson

from bench.served import gunicorn_install, served

CONNECTIONS = 16
SECONDS = 4.0  # of load, a server and repetition
WARM_UP_SECONDS = 1.0
REPETITIONS = 3
ORDERS_EACH = 12
PEER_PROCESSES = 5
SECRET = "bench-client-secret"
SHOP = "bench.myshopify.com"
DOCUMENT: dict[str, Any] = {
    "earn": {"points": 1, "per_minor": 100},
    "worth": {"points": 100, "minor": 500},
    "waiting": {"days": 14, "after": "payment"},
    "expiry_months": 12,
    "tiers": {
        "by": "spend",
        "period": "rolling_year",
        "grace_days": 10,
        "hold_days": 0,
        "protect_until": None,
        "levels": [
            {"key": "silver", "name": "Silver", "from": 20_000, "percent": 100},
            {"key": "gold", "name": "Gold", "from": 100_000, "percent": 150},
        ],
    },
}

Question = Callable[[int], bytes]  # a request's bytes, for the number of a question


@dataclass
class Load:
    """What a server answered."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)  # seconds, of every answer
    statuses: dict[int, int] = field(default_factory=dict)
    bodies: dict[int, bytes] = field(default_factory=dict)  # the last to each customer

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    @property
    def p99_ms(self) -> float:
        return sorted(self.latencies)[int(len(self.latencies) * 0.99)] * 1000


def run(members: int = 1_000) -> dict[str, Any]:
    _shop_make(members)
    expected = _expected(members)
    loads: dict[str, list[Load]] = {name: [] for name in ("ours", "peer", "unchanged", "anonymous", "peer_anonymous")}
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        gunicorn_install(Path(folder))
        ours_command = ["uvicorn", "config.asgi:application", "--host", "127.0.0.1", "--no-access-log"]
        peer_command = ["gunicorn", "django.core.wsgi:get_wsgi_application()", "-k", "sync", "-w", str(PEER_PROCESSES)]
        environment = {"SHOPIFY_API_SECRET": SECRET}
        peer_environment = {**environment, "DJANGO_SETTINGS_MODULE": "bench.session_settings"}
        with (
            served([*peer_command, "--log-level", "error", "-b"], folder, peer_environment) as peer,
            served([*ours_command, "--log-level", "warning", "--port"], folder, environment) as ours,
        ):
            tags = _tags(ours, members)
            asked: dict[str, tuple[int, Question]] = {
                "peer": (peer, _by_members(members)),
                "ours": (ours, _by_members(members)),
                "unchanged": (ours, _by_members(members, tags)),
                "anonymous": (ours, _by_the_anonymous()),
                "peer_anonymous": (peer, _by_the_anonymous()),
            }
            for port, question in asked.values():
                _load(port, question, WARM_UP_SECONDS, members)
            for _ in range(REPETITIONS):
                for name, (port, question) in asked.items():
                    load = _load(port, question, SECONDS, members)
                    loads[name].append(load)
                    wrong += _wrong(name, load, expected)
    return {
        **{f"{name}_per_second": round(_median(load.per_second for load in each)) for name, each in loads.items()},
        **{f"{name}_p99_ms": round(_median(load.p99_ms for load in each), 1) for name, each in loads.items()},
        "ratio": _ratio(loads, "ours", "peer", "per_second"),
        "ratio_p99": _ratio(loads, "ours", "peer", "p99_ms"),
        "ratio_unchanged": _ratio(loads, "unchanged", "peer", "per_second"),
        "ratio_anonymous": _ratio(loads, "anonymous", "peer_anonymous", "per_second"),
        "ratio_p99_anonymous": _ratio(loads, "anonymous", "peer_anonymous", "p99_ms"),
        "wrong": wrong,
        "body_bytes": round(_median(len(body) for body in expected.values())),
        "processes": {"ours": 1, "peer": PEER_PROCESSES},
    }


def _median(values: Iterator[float]) -> float:
    return statistics.median(values)


def _ratio(loads: dict[str, list[Load]], ours: str, peer: str, figure: str) -> float:
    pairs = zip(loads[ours], loads[peer], strict=True)
    return round(statistics.median(getattr(a, figure) / getattr(b, figure) for a, b in pairs), 2)


def _wrong(name: str, load: Load, expected: dict[int, bytes]) -> int:
    """How many answers had another status than they should, and how many customers were told something else."""
    status = 304 if name == "unchanged" else 200
    others = sum(count for each, count in load.statuses.items() if each != status)
    if status == 304:
        return others
    told = dict.fromkeys(expected, expected[0]) if name.endswith("anonymous") else expected
    return others + sum(orjson.loads(body) != orjson.loads(told[number]) for number, body in load.bodies.items())


# --- what is asked about ----------------------------------------------------------------------------------------------


def _shop_make(members: int) -> None:
    """A shop whose members have bought every five weeks, the last time a few days ago."""
    from loyalty.ledger import members_bring_up_to_date
    from loyalty.programme import draft_save, programme_publish
    from retention_app import clock, mirror
    from retention_app.models import Customer, DomainEvent, Shop
    from retention_app.tenancy import shop_scope
    from tests.orders import customer_row, line_row, order_row

    now = clock.now()
    shop = Shop.objects.create(domain=SHOP, name="Bench", currency="USD", installed_at=now, customer_accounts="CLASSIC")
    with shop_scope(shop.id):
        draft_save(shop.id, DOCUMENT, "1")
        programme_publish(shop.id, "1", "all")
        batch = 100
        for first in range(1, members + 1, batch):
            numbers = range(first, min(first + batch, members + 1))
            rows = [customer_row(number, first_name=f"Ana {number}") for number in numbers]
            mirror.customers_upsert(rows, read_at=now, origin=DomainEvent.Origin.BACKFILL)
            orders = [
                order_row(
                    number * 100 + turn,
                    number,
                    processed_at=now - dt.timedelta(days=3 + 35 * turn, minutes=number),
                    lines=[line_row(number * 1000 + turn * 10 + line, 1_000 + 37 * number + line) for line in (1, 2)],
                )
                for number in numbers
                for turn in range(ORDERS_EACH)
            ]
            mirror.orders_upsert(orders, read_at=now, origin=DomainEvent.Origin.BACKFILL)
            ids = Customer.objects.filter(shopify_id__in=numbers).values_list("id", flat=True)
            members_bring_up_to_date(list(ids))


def _expected(members: int) -> dict[int, bytes]:
    """What each customer is to be told, and under 0 the anonymous, by the peer's view."""
    from django.utils import translation

    from bench.session_baseline import told
    from retention_app.models import Shop
    from retention_app.tenancy import shop_scope

    shop = Shop.objects.get(domain=SHOP)
    with shop_scope(shop.id), translation.override("en"):
        return {
            number: orjson.dumps(told(shop, number or None), option=orjson.OPT_UTC_Z) for number in range(members + 1)
        }


# --- client -----------------------------------------------------------------------------------------------------------


def _request(customer: int, more: str = "") -> bytes:
    """A signed question; customer 0 is anonymous."""
    query = {
        "locale": "en",
        "logged_in_customer_id": str(customer or ""),
        "path_prefix": "/apps/encore",
        "shop": SHOP,
        "timestamp": str(int(time.time())),
    }
    message = "".join(f"{name}={value}" for name, value in sorted(query.items()))
    query["signature"] = hmac.new(SECRET.encode(), message.encode(), hashlib.sha256).hexdigest()
    head = f"GET /proxy/v1/session?{urlencode(query)} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n"
    return f"{head}{more}\r\n".encode()


def _by_members(members: int, tags: dict[int, str] | None = None) -> Question:
    """Members in turn; with tags each has the answer already."""

    def question(number: int) -> bytes:
        customer = number % members + 1
        return _request(customer, f"If-None-Match: {tags[customer]}\r\n" if tags else "")

    return question


def _by_the_anonymous() -> Question:
    """From addresses in turn."""
    return lambda number: _request(0, f"X-Forwarded-For: 203.0.{number // 250 % 250}.{number % 250}\r\n")


def _tags(port: int, members: int) -> dict[int, str]:
    tags = {}
    with socket.create_connection(("127.0.0.1", port)) as line:
        for customer in range(1, members + 1):
            line.sendall(_request(customer))
            head, _ = _answer(line)
            tags[customer] = head.split(b"etag: ")[1].split(b"\r\n")[0].decode()
    return tags


def _answer(line: socket.socket) -> tuple[bytes, bytes]:
    received = b""
    while (parted := _parted(received)) is None:
        received += line.recv(65536)
    return parted


def _parted(received: bytes) -> tuple[bytes, bytes] | None:
    """An answer's head in lower case, and its body; None before it is complete."""
    head, ended, body = received.partition(b"\r\n\r\n")
    head = head.lower()
    length = int(head.split(b"content-length:")[1].split(b"\r\n")[0]) if b"content-length:" in head else 0
    return (head, body) if ended and len(body) >= length else None


def _load(port: int, question: Question, seconds: float, members: int) -> Load:
    """Keep `CONNECTIONS` connections busy; every question sent is waited for."""
    load, number = Load(), secrets.randbelow(members)
    began = time.perf_counter()
    asked: dict[int, tuple[socket.socket, int, float, bytes]] = {}
    with select.epoll() as poll:

        def send(line: socket.socket) -> None:
            nonlocal number
            number += 1
            request = question(number)
            asked[line.fileno()] = (line, number, time.perf_counter(), b"")
            line.sendall(request)

        def connect() -> socket.socket:
            line = socket.create_connection(("127.0.0.1", port))
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            poll.register(line, select.EPOLLIN)
            return line

        for _ in range(CONNECTIONS):
            send(connect())
        while asked:
            for descriptor, _event in poll.poll():
                line, which, sent, before = asked.pop(descriptor)
                received = before + line.recv(65536)
                parted = _parted(received)
                if parted is None:
                    asked[descriptor] = (line, which, sent, received)
                    continue
                now = time.perf_counter()
                load.latencies.append(now - sent)
                head, body = parted
                status = int(head.split(b" ", 2)[1])
                load.statuses[status] = load.statuses.get(status, 0) + 1
                if body:
                    load.bodies[which % members + 1] = body
                closes = b"connection: close" in head
                if closes or now - began >= seconds:
                    poll.unregister(line)
                    line.close()
                if now - began < seconds:
                    send(connect() if closes else line)
    load.seconds = time.perf_counter() - began
    return load
