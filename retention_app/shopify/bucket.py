"""Each shop's cost bucket (the platform's leaky bucket of query points) as all workers together see it.

Who calls reserves the points first, so that workers don't spend the same ones; the answer's cost block corrects the
figure. All of it is advice: what is lost costs an answer that says THROTTLED.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from django.core.cache import cache

from retention_app import clock

STAFF_SHARE = 0.2  # of a bucket, which background work leaves to people who wait for an answer
KEPT_SECONDS = 600  # a bucket is full again by then
RESERVED_SECONDS = 60  # a reservation whose worker died stops counting within this

_people_wait: ContextVar[bool] = ContextVar("people_wait", default=False)
_requested: dict[str, float] = {}  # operation → points it was last charged up front


@dataclass(frozen=True)
class _Level:
    """What an answer said. Never hard-coded: plans differ."""

    available: float
    maximum: float
    restore_rate: float  # points a second
    at: float  # seconds since the epoch


@dataclass(frozen=True)
class Reservation:
    """Points set aside for one call; `wait_seconds` above 0 means that they aren't there yet and none were."""

    key: str
    points: int
    wait_seconds: float = 0.0


@contextmanager
def people_waiting() -> Iterator[None]:
    """Calls made inside may use the part of the bucket that background work leaves alone."""
    token = _people_wait.set(True)
    try:
        yield
    finally:
        _people_wait.reset(token)


def reserve(domain: str, operation_name: str) -> Reservation:
    """Set aside what the operation was charged last, as far as the bucket is known to hold it."""
    now = clock.system_now().timestamp()
    points = math.ceil(_requested.get(operation_name, 0.0))
    key = f"reserved:{domain}:{int(now // RESERVED_SECONDS)}"
    level = cache.get(_key(domain))
    taken = _add(key, points)
    wait = _seconds_until(level, points, taken - points, now) if level else 0.0
    if wait > 0:
        _add(key, -points)
    return Reservation(key, points, wait)


def release(reservation: Reservation) -> None:
    """Give the points back: the call is over, its answer counts."""
    _add(reservation.key, -reservation.points)


def learn(domain: str, operation_name: str, cost: dict[str, Any]) -> None:
    """Take in the cost block of an answer; an incomplete one teaches nothing."""
    if cost.get("requestedQueryCost") is not None:
        _requested[operation_name] = float(cost["requestedQueryCost"])
    status = cost.get("throttleStatus") or {}
    if status.get("restoreRate"):
        level = _Level(
            available=float(status["currentlyAvailable"]),
            maximum=float(status["maximumAvailable"]),
            restore_rate=float(status["restoreRate"]),
            at=clock.system_now().timestamp(),
        )
        cache.set(_key(domain), level, KEPT_SECONDS)


def seconds_until(domain: str, operation_name: str) -> float:
    """How long until the operation's points are there, whoever else wants them; 0 when they are or nothing is known."""
    level = cache.get(_key(domain))
    points = _requested.get(operation_name, 0.0)
    return _seconds_until(level, points, 0, clock.system_now().timestamp()) if level else 0.0


def _seconds_until(level: _Level, points: float, taken: float, now: float) -> float:
    left_alone = 0.0 if _people_wait.get() else level.maximum * STAFF_SHARE
    needed = min(points + left_alone, level.maximum)
    there = min(level.available + max(0.0, now - level.at) * level.restore_rate, level.maximum) - taken
    return max(0.0, (needed - there) / level.restore_rate)


def _key(domain: str) -> str:
    return f"bucket:{domain}"


def _add(key: str, points: int) -> int:
    cache.add(key, 0, 2 * RESERVED_SECONDS)
    try:
        return cache.incr(key, points)
    except ValueError:  # flushed in between
        return max(points, 0)
