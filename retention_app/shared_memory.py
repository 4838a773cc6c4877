"""The default cache: what processes tell each other in passing, and how often somebody tried at a door.

Redis flushed costs what was in it; Redis out of reach costs a moment, then each process goes on with a memory of its
own, so that limits hold for each process alone. Nothing that must be true is kept here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import structlog
from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

log = structlog.get_logger(__name__)

AVOIDED_SECONDS = 10.0  # how long Redis isn't asked after it was out of reach
REDIS_OPTIONS = {  # nobody waits long for what is only advice; seconds
    "socket_connect_timeout": 0.3,
    "socket_timeout": 0.3,
    "retry": Retry(NoBackoff(), 0),
}

T = TypeVar("T")

_avoided_until = 0.0


class SharedMemory(BaseCache):
    """Redis, and while it is out of reach this process's own memory. LOCATION is Redis's address."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        self._redis = RedisCache(server, {**params, "OPTIONS": REDIS_OPTIONS})
        self._own = LocMemCache("shared_memory", params)

    def _either(self, work: Callable[[BaseCache], T]) -> T:
        global _avoided_until
        if time.monotonic() >= _avoided_until:
            try:
                return work(self._redis)
            except (RedisError, OSError) as error:
                _avoided_until = time.monotonic() + AVOIDED_SECONDS
                log.warning("cache_out_of_reach", reason=type(error).__name__)
        return work(self._own)

    def add(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return self._either(lambda memory: memory.add(key, value, timeout, version))

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        return self._either(lambda memory: memory.get(key, default, version))

    def set(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        self._either(lambda memory: memory.set(key, value, timeout, version))

    def touch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return self._either(lambda memory: memory.touch(key, timeout, version))

    def delete(self, key: Any, version: int | None = None) -> bool:
        return self._either(lambda memory: memory.delete(key, version))

    def incr(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        return self._either(lambda memory: memory.incr(key, delta, version))

    def clear(self) -> None:
        self._own.clear()
        self._either(lambda memory: memory.clear())
