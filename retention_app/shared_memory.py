"""What workers tell each other in passing, through the cache: advice that may be lost at any time.

Redis flushed costs what was in it; Redis out of reach costs a moment, then each process goes on with a memory of its
own. Nothing that must be true is kept here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import structlog
from django.core.cache import cache
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.locmem import LocMemCache
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

AVOIDED_SECONDS = 10.0  # how long the cache isn't asked after it was out of reach

T = TypeVar("T")

_own = LocMemCache("shared_memory", {})
_avoided_until = 0.0


def shared(work: Callable[[BaseCache], T]) -> T:
    """Do something with the workers' common cache, or with this process's own while that one is out of reach."""
    global _avoided_until
    if time.monotonic() >= _avoided_until:
        try:
            return work(cache)
        except (RedisError, OSError) as error:
            _avoided_until = time.monotonic() + AVOIDED_SECONDS
            log.warning("cache_out_of_reach", reason=type(error).__name__)
    return work(_own)


def forget() -> None:
    """Begin with nothing known."""
    global _avoided_until
    _avoided_until = 0.0
    _own.clear()
    shared(lambda memory: memory.clear())
