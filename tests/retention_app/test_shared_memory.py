"""The workers' common memory: Redis, and while that is out of reach each process's own."""

from __future__ import annotations

import socket
import time

import pytest
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings

from retention_app import shared_memory
from tests.conftest import redis_at


@pytest.mark.usefixtures("redis_gone")
def test_memory_out_of_reach_leaves_the_process_its_own() -> None:
    assert cache.add("once", "first")
    assert not cache.add("once", "second")
    assert cache.get("once") == "first"
    cache.set("count", 1, 60)
    assert cache.incr("count", 4) == 5
    assert cache.touch("count", 60)
    assert cache.get_many(["once", "count", "nothing"]) == {"once": "first", "count": 5}
    assert cache.delete("once")
    with pytest.raises(ValueError, match="nothing"):
        cache.incr("nothing")
    cache.clear()
    assert cache.get("count") is None


@pytest.mark.usefixtures("redis_gone")
def test_memory_out_of_reach_is_not_asked_again_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    connect = socket.socket.connect
    monkeypatch.setattr(socket.socket, "connect", lambda *to: (asked.append(0), connect(*to)))
    for _ in range(9):
        cache.set("key", 1)
    assert len(asked) == 1
    monkeypatch.setattr(shared_memory, "_avoided_until", 0.0)
    assert cache.get("key") == 1
    assert len(asked) == 2


def test_redis_is_never_waited_for_long(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something listens and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        redis_at(settings, monkeypatch, silent.getsockname()[1])
        began = time.monotonic()
        cache.set("key", 1)
        assert cache.get("key") == 1
        assert time.monotonic() - began < 2


@pytest.mark.usefixtures("redis_gone")
def test_readiness_asks_redis_itself(db: None, client: Client) -> None:
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"ready": False, "database": True, "redis": False})
