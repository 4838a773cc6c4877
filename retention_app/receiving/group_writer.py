"""Group commit: while one group is being written, what arrives meanwhile becomes the next one.

An idle writer writes a lone delivery at once, a busy one many for the price of one commit. It needs no start; a stop
waits until everything accepted has its outcome, and takes nothing after that.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import structlog

from retention_app.receiving.delivery_table import Outcome
from retention_app.receiving.headers import Delivery

log = structlog.get_logger(__name__)

GROUP_ROWS_MAX = 256
GROUP_BYTES_MAX = 4 * 1024 * 1024  # a larger body makes a group of its own
WAITING_ROWS_MAX = 4_096


class Table(Protocol):
    def store(self, group: Sequence[Delivery]) -> list[Outcome]: ...

    def close(self) -> None: ...


class GroupWriter:
    """Belongs to one event loop; the table is used in a single thread of its own."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="deliveries")
        self._waiting: deque[tuple[Delivery, asyncio.Future[Outcome]]] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._stopped = False

    async def store(self, delivery: Delivery) -> Outcome:
        """What became of the delivery; UNAVAILABLE at once when too many wait or the writer was stopped."""
        if self._stopped or len(self._waiting) >= WAITING_ROWS_MAX:
            return Outcome.UNAVAILABLE
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[Outcome] = loop.create_future()
        self._waiting.append((delivery, outcome))
        if self._writing is None:
            self._writing = loop.create_task(self._write_waiting())
        return await outcome

    async def stop(self) -> None:
        """Write what waits, then close the table. What comes later is UNAVAILABLE."""
        self._stopped = True
        if self._writing is not None:
            await self._writing
        await asyncio.get_running_loop().run_in_executor(self._thread, self._table.close)
        self._thread.shutdown()

    async def _write_waiting(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                group = self._next_group()
                deliveries = [delivery for delivery, _ in group]
                try:
                    outcomes = await loop.run_in_executor(self._thread, self._table.store, deliveries)
                except Exception:
                    log.exception("group_failed", rows=len(group))
                    outcomes = [Outcome.UNAVAILABLE] * len(group)
                for (_, waiter), outcome in zip(group, outcomes, strict=True):
                    if not waiter.done():  # its request was given up
                        waiter.set_result(outcome)
        finally:
            self._writing = None

    def _next_group(self) -> list[tuple[Delivery, asyncio.Future[Outcome]]]:
        group = [self._waiting.popleft()]
        size = len(group[0][0].body)
        while self._waiting and len(group) < GROUP_ROWS_MAX:
            size += len(self._waiting[0][0].body)
            if size > GROUP_BYTES_MAX:
                break
            group.append(self._waiting.popleft())
        return group
