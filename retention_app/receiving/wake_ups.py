"""Wakes workers for shops that have new deliveries: soon, not too often, and never in the way of an answer.

The first delivery of a shop wakes a worker at once, those of the next moments together once that is over, the last one
always. A broker out of reach is tried again later; what a stopping process can't send any more, the sweep finds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import structlog

from retention_app.tasks import deliveries_work

log = structlog.get_logger(__name__)

INTERVAL_SECONDS = 0.05  # between two wake-ups for the same shop
BROKER_PAUSE_SECONDS = 2.0  # after a broker that could not be reached
STOP_SECONDS_MAX = 2.0
SHOPS_MAX = 10_000  # with a wake-up due; beyond, the sweep has to do


def wake_worker(shop_domain: str) -> None:
    """Ask for the shop's deliveries to be worked off. Raises what the broker raises."""
    deliveries_work.apply_async(kwargs={"shop_domain": shop_domain}, retry=False)


class WakeUps:
    """Belongs to one event loop; `wake` is called in a single thread of its own."""

    def __init__(self, wake: Callable[[str], None] = wake_worker) -> None:
        self._wake = wake
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="wake-ups")
        self._due: set[str] = set()
        self._sending: asyncio.Task[None] | None = None
        self._stopped = False

    def add(self, shop_domain: str) -> None:
        """A shop has deliveries. Returns at once."""
        if self._stopped or len(self._due) >= SHOPS_MAX:
            return
        self._due.add(shop_domain)
        if self._sending is None:
            self._sending = asyncio.get_running_loop().create_task(self._send_due())

    async def stop(self) -> None:
        """Send what is due, as far as the broker answers soon."""
        self._stopped = True
        sending = self._sending
        if sending is not None:
            await asyncio.wait([sending], timeout=STOP_SECONDS_MAX)
            sending.cancel()
        self._thread.shutdown(wait=False)

    async def _send_due(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._due:
                shops, self._due = self._due, set()
                if await loop.run_in_executor(self._thread, self._send, shops):
                    await asyncio.sleep(INTERVAL_SECONDS)
                else:
                    self._due |= shops
                    await asyncio.sleep(BROKER_PAUSE_SECONDS)
        finally:
            self._sending = None

    def _send(self, shops: set[str]) -> bool:
        """Wake a worker for each shop, taking it off the set; False when the broker can't be reached."""
        while shops:
            shop_domain = shops.pop()
            try:
                self._wake(shop_domain)
            except Exception as error:
                shops.add(shop_domain)
                log.warning("wake_ups_delayed", error=type(error).__name__, shops=len(shops))
                return False
        return True
