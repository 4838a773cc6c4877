"""Webhooks: queued in the transaction of the change they tell about, delivered by the courier."""

import asyncio
import base64
import hashlib
import hmac
import random
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import httpx

from devstore import calllog, ids, payloads, records
from devstore.documents import Collection, Customer, Fulfilment, Order, Product, Refund
from devstore.knobs import happens
from devstore.payloads import Payload, Writer
from devstore.shops import Shop, Store
from devstore.state import Database, dump, ids_json

ANSWER_SECONDS = 5.0  # for one attempt in all
CONNECT_SECONDS = 1.0
# The waits between the eight attempts, just under four hours in all. The first are short, so that an app that was
# restarted hears soon.
RETRY_SECONDS = (2, 10, 60, 300, 1200, 3600, 9000)
AT_ONCE = 8
KEPT = 10_000  # deliveries that are over, for replays and the staff page
PRUNE_SECONDS = 60.0
OVERTAKEN_SECONDS = 2.0
CLAIM = 64
INSERT = (
    "INSERT INTO deliveries (shop_id, topic, uri, webhook_id, event_id, triggered_at, body, status, due_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def queue_order(connection: sqlite3.Connection, shop: Shop, order: Order, topics: Iterable[str]) -> None:
    topics = [topic for topic in topics if wanted(shop, topic)]
    if topics:
        buyer = records.customer(connection, shop.id, order["customer_id"]) if order["customer_id"] else None
        payload = shown(shop, Writer(shop.document).order(order, buyer))
        for topic in topics:
            queue(connection, shop, topic, payload)


def queue_edit(connection: sqlite3.Connection, shop: Shop, order: Order, changes: dict[int, int]) -> None:
    if wanted(shop, "orders/edited"):
        payload = Writer(shop.document).edit(order, changes, ids.take(connection, "OrderEdit"))
        queue(connection, shop, "orders/edited", payload)


def queue_refund(connection: sqlite3.Connection, shop: Shop, order: Order, refund: Refund) -> None:
    if wanted(shop, "refunds/create"):
        queue(connection, shop, "refunds/create", Writer(shop.document).refund(order, refund))


def queue_fulfilment(connection: sqlite3.Connection, shop: Shop, order: Order, made: Fulfilment, topic: str) -> None:
    if wanted(shop, topic):
        queue(connection, shop, topic, shown(shop, Writer(shop.document).fulfilment_itself(order, made)))


def queue_customer(connection: sqlite3.Connection, shop: Shop, customer: Customer, topics: Iterable[str]) -> None:
    topics = [topic for topic in topics if wanted(shop, topic)]
    if topics:
        payload = shown(shop, Writer(shop.document).customer(customer))
        for topic in topics:
            queue(connection, shop, topic, payload)


def queue_customer_deleted(connection: sqlite3.Connection, shop: Shop, customer_id: int) -> None:
    queue_wanted(connection, shop, "customers/delete", payloads.deleted_customer(customer_id))


def queue_merge(connection: sqlite3.Connection, shop: Shop, kept_id: int, deleted_id: int) -> None:
    queue_wanted(connection, shop, "customers/merge", payloads.merge(kept_id, deleted_id))


def queue_order_deleted(connection: sqlite3.Connection, shop: Shop, order_id: int) -> None:
    queue_wanted(connection, shop, "orders/delete", {"id": order_id})


def queue_product(connection: sqlite3.Connection, shop: Shop, product: Product, topic: str) -> None:
    if wanted(shop, topic):
        queue(connection, shop, topic, Writer(shop.document).product(product))


def queue_collection(connection: sqlite3.Connection, shop: Shop, collection: Collection, topic: str) -> None:
    queue_wanted(connection, shop, topic, Writer(shop.document).collection(collection))


def shown(shop: Shop, payload: Payload) -> Payload:
    """What the app may see of a payload about a customer."""
    return cast(Payload, payloads.withheld(payload)) if happens(shop.knobs.withheld) else payload


def queue_wanted(connection: sqlite3.Connection, shop: Shop, topic: str, payload: Payload) -> None:
    if wanted(shop, topic):
        queue(connection, shop, topic, payload)


def wanted(shop: Shop, topic: str) -> bool:
    """Whether the shop has the app and the app subscribed to the topic."""
    return shop.installed and subscribed(shop, topic)


def subscribed(shop: Shop, topic: str) -> bool:
    return any(each.topic == topic for each in shop.store.app.subscriptions)


def queue(connection: sqlite3.Connection, shop: Shop, topic: str, payload: Payload) -> None:
    """Queue one event's payload for every subscription of the topic. The shop's knobs decide each delivery's fate
    now."""
    knobs = shop.knobs
    event_id = str(uuid.uuid4())
    triggered_at = nanoseconds(shop.clock.seconds())
    for subscription in shop.store.app.subscriptions:
        if subscription.topic != topic:
            continue
        fields = subscription.include_fields
        body = dump({name: payload[name] for name in payload if name in fields} if fields else payload)
        webhook_id = str(uuid.uuid4())
        for _ in range(2 if happens(knobs.duplicate) else 1):
            due = shop.clock.seconds() + knobs.delay_ms / 1000
            if happens(knobs.reorder):
                due += random.uniform(0, OVERTAKEN_SECONDS)
            status = "dropped" if happens(knobs.drop) else "queued"
            row = (shop.id, topic, subscription.uri, webhook_id, event_id, triggered_at, body, status, due)
            connection.execute(INSERT, row)


def replay(shop: Shop, topic: str, *, limit: int, new_ids: bool) -> int:
    """Queue the topic's last deliveries, delivered or given up, once more, as they were or as new ones of new events.
    Returns how many."""
    with shop.database.write() as connection:
        rows = connection.execute(
            "SELECT uri, webhook_id, event_id, triggered_at, body FROM deliveries"
            " WHERE shop_id = ? AND topic = ? AND status IN ('delivered', 'failed')"
            " GROUP BY webhook_id ORDER BY max(id) DESC LIMIT ?",
            (shop.id, topic, limit),
        ).fetchall()
        for uri, webhook_id, event_id, triggered_at, body in reversed(rows):
            own = (str(uuid.uuid4()), str(uuid.uuid4())) if new_ids else (webhook_id, event_id)
            connection.execute(INSERT, (shop.id, topic, uri, *own, triggered_at, body, "queued", shop.clock.seconds()))
    return len(rows)


def prune(database: Database) -> None:
    """Forget the oldest deliveries that are over."""
    with database.write() as connection:
        connection.execute(
            "DELETE FROM deliveries WHERE status NOT IN ('queued', 'sending')"
            " AND id <= (SELECT max(id) FROM deliveries) - ?",
            (KEPT,),
        )


def nanoseconds(seconds: float) -> str:
    """RFC 3339 with nanoseconds, as in `X-Shopify-Triggered-At`."""
    whole = datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{int(seconds % 1 * 1e9):09d}Z"


def signature(secret: str, body: bytes) -> str:
    """`X-Shopify-Hmac-Sha256`: base64 of HMAC-SHA256 over the raw body."""
    return base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()


class Courier:
    """Delivers what is queued when it is due on devstore's clock: a few at once, 5 seconds each, eight attempts."""

    def __init__(
        self,
        store: Store,
        transport: httpx.AsyncBaseTransport | None = None,
        chores: Sequence[Callable[[Store], None]] = (),
    ) -> None:
        """`chores` are done before deliveries are looked for: they may queue some."""
        self.store = store
        self._chores = chores
        self._shops = {shop.id: shop for shop in store.shops.values()}
        timeout = httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
        self._client = httpx.AsyncClient(timeout=timeout, transport=transport, trust_env=False)
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._alarm = asyncio.Event()
        self._taking = asyncio.Lock()
        self._on_the_way = 0
        self._dropped_seen = 0
        self._pruned_at = 0.0

    async def run(self) -> None:
        """Deliver until cancelled. What was on its way when the process died is queued again first."""
        loop = asyncio.get_running_loop()
        self.store.database.after_write(lambda: loop.call_soon_threadsafe(self._alarm.set))
        await asyncio.to_thread(self._put_back)
        async with self._client, asyncio.TaskGroup() as group:
            while True:
                self._alarm.clear()
                claimed = await self._take(self._due)
                for row in claimed:
                    group.create_task(self._deliver(row))
                while self._on_the_way >= CLAIM:
                    await asyncio.sleep(0.02)
                if not claimed:
                    await self._sleep()

    async def flush(self) -> dict[str, int]:
        """One attempt now for everything queued, delayed or waiting for a retry; waits for what is on its way.
        Answers what this flush delivered, what failed, and what the `drop` knob lost since the last flush."""
        await asyncio.to_thread(self._tend)
        counts = {"delivered": 0, "failed": 0, "dropped": await asyncio.to_thread(self._newly_dropped)}
        waiting = await asyncio.to_thread(self._queued)
        for start in range(0, len(waiting), CLAIM):
            some = waiting[start : start + CLAIM]
            claimed = await self._take(lambda some=some: some)  # type: ignore[misc]
            for good in await asyncio.gather(*(self._deliver(row) for row in claimed)):
                counts["delivered" if good else "failed"] += 1
        while self._taking.locked() or self._on_the_way:  # what is being taken isn't counted yet
            await asyncio.sleep(0.01)
        return counts

    async def _take(self, choose: Callable[[], list[int]]) -> list[tuple[Any, ...]]:
        async with self._taking:
            claimed = await asyncio.to_thread(self._claim, choose)
            self._on_the_way += len(claimed)
        return claimed

    async def _sleep(self) -> None:
        """Until something is written (the clock is turned, too), the next delivery is due, or it is time to prune."""
        due = await asyncio.to_thread(self._next_due)
        wait = PRUNE_SECONDS if due is None else max(0.005, due - self.store.clock.seconds())
        try:
            # Not wait_for: in Python 3.11 it forgets a cancellation that comes together with the alarm.
            async with asyncio.timeout(min(wait, PRUNE_SECONDS)):
                await self._alarm.wait()
        except TimeoutError:
            return

    async def _deliver(self, row: tuple[Any, ...]) -> bool:
        number, shop_id, topic, uri, webhook_id, event_id, triggered_at, body, attempts = row
        shop = self._shops[shop_id]
        started = time.monotonic()
        async with self._at_once:
            status = await self._post(shop, uri, topic, webhook_id, event_id, triggered_at, body)
        good = status is not None and 200 <= status < 300
        spent = int((time.monotonic() - started) * 1000)
        await asyncio.to_thread(
            calllog.record,
            shop,
            "webhook",
            topic=topic,
            uri=uri,
            webhook_id=webhook_id,
            event_id=event_id,
            attempt=attempts + 1,
            status=status,
            ms=spent,
        )
        await asyncio.to_thread(self._settle, number, attempts + 1, status, good)
        self._on_the_way -= 1
        return good

    async def _post(
        self, shop: Shop, uri: str, topic: str, webhook_id: str, event_id: str, triggered_at: str, body: bytes
    ) -> int | None:
        """The app's status, or None when it could not be reached in time."""
        if happens(shop.knobs.fail):
            return None
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Shopify-Captain-Hook",
            "X-Shopify-Topic": topic,
            "X-Shopify-Hmac-Sha256": signature(self.store.config.api_secret, body),
            "X-Shopify-Shop-Domain": shop.domain,
            "X-Shopify-API-Version": self.store.app.webhook_version,
            "X-Shopify-Webhook-Id": webhook_id,
            "X-Shopify-Event-Id": event_id,
            "X-Shopify-Triggered-At": triggered_at,
        }
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return (await self._client.post(uri, content=body, headers=headers)).status_code
        except (httpx.HTTPError, TimeoutError):
            return None

    def _claim(self, choose: Callable[[], list[int]]) -> list[tuple[Any, ...]]:
        """Mark the chosen deliveries that are still queued as on their way and return them in the chosen order."""
        numbers = choose()
        if not numbers:
            return []
        with self.store.database.write() as connection:
            rows = connection.execute(
                "SELECT id, shop_id, topic, uri, webhook_id, event_id, triggered_at, body, attempts FROM deliveries"
                " WHERE status = 'queued' AND id IN (SELECT value FROM json_each(?))",
                (ids_json(numbers),),
            ).fetchall()
            connection.execute(
                "UPDATE deliveries SET status = 'sending'"
                " WHERE status = 'queued' AND id IN (SELECT value FROM json_each(?))",
                (ids_json(numbers),),
            )
        place = {number: index for index, number in enumerate(numbers)}
        return sorted(rows, key=lambda row: place[row[0]])

    def _due(self) -> list[int]:
        self._tend()
        rows = self.store.database.connection().execute(
            "SELECT id FROM deliveries WHERE status = 'queued' AND due_at <= ? ORDER BY due_at, id LIMIT ?",
            (self.store.clock.seconds(), CLAIM),
        )
        return [number for (number,) in rows]

    def _queued(self) -> list[int]:
        rows = self.store.database.connection().execute(
            "SELECT id FROM deliveries WHERE status = 'queued' ORDER BY due_at, id"
        )
        return [number for (number,) in rows]

    def _settle(self, number: int, attempts: int, status: int | None, good: bool) -> None:
        wait = None if good or attempts > len(RETRY_SECONDS) else RETRY_SECONDS[attempts - 1]
        state = "queued" if wait is not None else "delivered" if good else "failed"
        with self.store.database.write() as connection:
            connection.execute(
                "UPDATE deliveries SET status = ?, attempts = ?, answer = ?, due_at = ? WHERE id = ?",
                (state, attempts, status, self.store.clock.seconds() + (wait or 0), number),
            )

    def _next_due(self) -> float | None:
        row = (
            self.store.database.connection()
            .execute("SELECT min(due_at) FROM deliveries WHERE status = 'queued'")
            .fetchone()
        )
        due: float | None = row[0]
        return due

    def _newly_dropped(self) -> int:
        """How many deliveries were dropped since this was last asked."""
        count, last = (
            self.store.database.connection()
            .execute(
                "SELECT count(*), max(id) FROM deliveries WHERE status = 'dropped' AND id > ?", (self._dropped_seen,)
            )
            .fetchone()
        )
        self._dropped_seen = last or self._dropped_seen
        return int(count)

    def _tend(self) -> None:
        """What is to be done now and then."""
        for chore in self._chores:
            chore(self.store)
        if time.monotonic() - self._pruned_at >= PRUNE_SECONDS:
            self._pruned_at = time.monotonic()
            prune(self.store.database)
            calllog.prune(self.store.database)

    def _put_back(self) -> None:
        with self.store.database.write() as connection:
            connection.execute("UPDATE deliveries SET status = 'queued' WHERE status = 'sending'")
