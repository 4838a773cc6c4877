"""Importing a shop's history: bulk operations → JSONL → mirror → events, in steps that survive a crash.

The `SyncRun` row says which phase is next and how far it has come; every step commits its rows together with the new
count, so a killed worker's successor goes on at the last committed batch. Orders' lines stand anywhere after their
order in the file, so lines are first staged as `SyncItem` rows, then put together order by order. Memory stays flat:
a step holds one batch.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import structlog
from django.db import connection, transaction

from retention_app import clock, mirror, setwise, work
from retention_app.models import DomainEvent, Order, SyncItem, SyncRun
from retention_app.shopify import client, documents, mapping, reads
from retention_app.shopify.errors import ShopifyError, Throttled, UnreadableAnswer
from retention_app.wake import wake

log = structlog.get_logger(__name__)

LINES_PER_BATCH = 2000
ORDERS_PER_BATCH = 500
POLL_SECONDS = 1.0
_BULK = {"customers": "BulkCustomers", "products": "BulkProducts", "orders": "BulkOrders"}
_ITEM: setwise.Columns = {"number": "bigint", "root_id": "bigint", "is_root": "boolean", "data": "text"}

Phase = SyncRun.Phase
Origin = DomainEvent.Origin


def sync_start(*, shop_id: int) -> SyncRun:
    """Begin an import, or answer the one that is running; wakes a worker on commit."""
    with transaction.atomic():
        run = SyncRun.objects.filter(shop_id=shop_id).exclude(phase__in=[Phase.DONE, Phase.FAILED]).first()
        if run is None:
            now = clock.now()
            run = SyncRun.objects.create(shop_id=shop_id, started_at=now, due_at=now)
        sync_wake(run)
    return run


def sync_wake(run: SyncRun) -> None:
    """Tell a worker, on commit, that an import has something to do."""
    from retention_app.tasks import sync_work

    wake(sync_work, shop_id=run.shop_id, run_id=run.id)


def sync_advance(*, run_id: int, until: dt.datetime) -> bool:
    """Take steps of an import until it is done, must wait, or `until` has come; answers whether more can be done now.

    Runs inside the shop's scope by whoever holds the run's lease.
    """
    run = SyncRun.objects.get(id=run_id)
    try:
        while run.running and clock.now() < until:
            work.sync_lease_renew(run)
            if not _STEPS[Phase(run.phase)](run):
                _release(run, wait_seconds=POLL_SECONDS)
                return False
            run.attempts = 0
    except Throttled as error:
        _release(run, wait_seconds=error.wait_seconds)
        return False
    except ShopifyError as error:
        log.warning("sync_step_failed", run_id=run.id, phase=run.phase, error=str(error))
        _failed(run, str(error))
        return False
    _release(run, wait_seconds=0)
    return run.running


def _release(run: SyncRun, *, wait_seconds: float) -> None:
    run.lease_until, run.due_at = None, clock.now() + dt.timedelta(seconds=wait_seconds)
    run.attempts = 0
    run.save(update_fields=["lease_until", "due_at", "attempts"])


def _failed(run: SyncRun, error: str) -> None:
    run.error, run.lease_until, run.due_at = error[:2000], None, work.retry_at(run.attempts)
    if run.attempts >= work.ATTEMPTS_MAX:
        run.phase, run.finished_at = Phase.FAILED, clock.now()
    run.save(update_fields=["error", "lease_until", "due_at", "phase", "finished_at"])


def _enter(run: SyncRun, phase: Phase) -> None:
    run.phase, run.lines_read = phase, 0
    run.save(update_fields=["phase", "lines_read", "finished_at"])


# --- steps: each does one batch, commits, and answers whether the next may follow at once ----------------------------


def _request(run: SyncRun) -> bool:
    """Ask the platform to write the three files. An operation asked for before a crash is asked for again: harmless."""
    operations = {}
    read_at = clock.now()
    for kind, name in _BULK.items():
        answer = client.graphql(
            run.shop_id, "BulkRunQuery", {"query": documents.bulk_query(name), "groupObjects": False}
        )["bulkOperationRunQuery"]
        if answer["userErrors"]:
            raise ShopifyError(f"The platform refused to list {kind}: {answer['userErrors'][0]['message']}")
        operations[kind] = {"id": answer["bulkOperation"]["id"], "url": None, "count": 0, "done": False}
    run.operations, run.read_at = operations, read_at
    run.save(update_fields=["operations", "read_at"])
    _enter(run, Phase.PREPARING)
    return True


def _poll(run: SyncRun) -> bool:
    """Wait for the files; once customers and products are ready they needn't wait for the orders."""
    for kind, operation in run.operations.items():
        if operation["done"]:
            continue
        answer = client.graphql(run.shop_id, "BulkPoll", {"id": operation["id"]})["bulkOperation"]
        if answer is None or answer["status"] in ("FAILED", "CANCELED", "EXPIRED"):
            run.operations = {}
            run.save(update_fields=["operations"])
            _enter(run, Phase.REQUESTED)
            raise ShopifyError(f"The platform's list of {kind} ended as {answer['status'] if answer else 'gone'}.")
        operation["count"] = int(answer["rootObjectCount"] or 0)
        operation["done"] = answer["status"] == "COMPLETED"
        operation["url"] = answer["url"]
    run.orders_total = run.operations["orders"]["count"] or None
    run.save(update_fields=["operations", "orders_total"])
    if run.operations["customers"]["done"] and run.operations["products"]["done"]:
        _enter(run, Phase.CUSTOMERS)
        return True
    return False


def _read_rows(
    run: SyncRun, kind: str, counter: str, write: Callable[[list[dict[str, Any]]], object], following: Phase
) -> bool:
    """Stream a file of single objects into the mirror, from the last committed line on."""
    for batch in _batches(_lines(run, kind)):
        with transaction.atomic():
            write([orjson.loads(line) for line in batch])
            run.lines_read += len(batch)
            setattr(run, counter, run.lines_read)
            run.lease_until = clock.now() + dt.timedelta(seconds=work.LEASE_SECONDS)
            run.save(update_fields=["lines_read", counter, "lease_until"])
    _enter(run, following)
    return True


def _customers(run: SyncRun) -> bool:
    def write(nodes: list[dict[str, Any]]) -> None:
        mirror.customers_upsert(map(mapping.customer, nodes), read_at=_read_at(run), origin=Origin.BACKFILL)

    return _read_rows(run, "customers", "customers_done", write, Phase.PRODUCTS)


def _products(run: SyncRun) -> bool:
    def write(nodes: list[dict[str, Any]]) -> None:
        mirror.products_upsert(map(mapping.product, nodes), read_at=_read_at(run))

    return _read_rows(run, "products", "products_done", write, Phase.STAGING)


def _stage(run: SyncRun) -> bool:
    """Copy the lines of the orders file into SyncItem."""
    if not run.operations["orders"]["done"]:
        answer = client.graphql(run.shop_id, "BulkPoll", {"id": run.operations["orders"]["id"]})["bulkOperation"]
        if answer is None or answer["status"] in ("FAILED", "CANCELED", "EXPIRED"):
            run.operations = {}
            run.save(update_fields=["operations"])
            _enter(run, Phase.REQUESTED)
            raise ShopifyError("The platform's list of orders didn't finish.")
        run.orders_total = int(answer["rootObjectCount"] or 0) or None
        run.operations["orders"].update(done=answer["status"] == "COMPLETED", url=answer["url"])
        run.save(update_fields=["operations", "orders_total"])
        if not run.operations["orders"]["done"]:
            return False
    for batch in _batches(_lines(run, "orders")):
        rows = []
        for number, line in enumerate(batch, run.lines_read + 1):
            node = orjson.loads(line)
            root = node.get("__parentId")
            rows.append(
                {
                    "number": number,
                    "root_id": mapping.numeric_id(root or node["id"]),
                    "is_root": root is None,
                    "data": line.decode(),
                }
            )
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(
                    "INSERT INTO retention_app_syncitem (shop_id, run_id, number, root_id, is_root, data)"
                    f" SELECT %s, %s, number, root_id, is_root, data FROM {setwise.rows_from(_ITEM)} WHERE true"
                    " ON CONFLICT (shop_id, run_id, number) DO NOTHING",
                    [run.shop_id, run.id, setwise.rows_json(rows, _ITEM)],
                )
            run.lines_read += len(batch)
            run.lease_until = clock.now() + dt.timedelta(seconds=work.LEASE_SECONDS)
            run.save(update_fields=["lines_read", "lease_until"])
    run.orders_total = SyncItem.objects.filter(run=run, is_root=True).count()
    run.orders_done = 0
    run.save(update_fields=["orders_total", "orders_done"])
    _enter(run, Phase.ORDERS)
    return True


def _orders(run: SyncRun) -> bool:
    """Put one batch of staged orders together and write them; what is written leaves the stage."""
    roots = list(
        SyncItem.objects.filter(run=run, is_root=True)
        .order_by("root_id")
        .values_list("root_id", flat=True)[:ORDERS_PER_BATCH]
    )
    if not roots:
        SyncItem.objects.filter(run=run).delete()
        _enter(run, Phase.EVENTS)
        return True
    nodes: dict[int, dict[str, Any]] = {}
    lines: dict[int, list[dict[str, Any]]] = {root: [] for root in roots}
    staged = SyncItem.objects.filter(run=run, root_id__in=roots).order_by("number")
    for root_id, is_root, data in staged.values_list("root_id", "is_root", "data"):
        if is_root:
            nodes[root_id] = orjson.loads(data)
        else:
            lines[root_id].append(orjson.loads(data))
    with_refunds = [root for root, node in nodes.items() if mapping.order_needs_refunds(node)]
    orders = []
    for root in nodes.keys() - set(with_refunds):
        try:
            orders.append(mapping.order(nodes[root], lines[root]))
        except UnreadableAnswer as error:  # its neighbours go through
            _leave_out(run, error)
    completed_at = clock.now()
    completed = []
    for start in range(0, len(with_refunds), reads.ORDERS_PER_READ):  # each read may have to wait for cost points
        completed += _complete(run, with_refunds[start : start + reads.ORDERS_PER_READ])
        work.sync_lease_renew(run)
    with transaction.atomic():
        mirror.orders_upsert(orders, read_at=_read_at(run), origin=Origin.BACKFILL, defer_events=True)
        mirror.orders_upsert(completed, read_at=completed_at, origin=Origin.BACKFILL, defer_events=True)
        SyncItem.objects.filter(run=run, root_id__in=roots).delete()
        run.orders_done += len(roots)
        run.lease_until = clock.now() + dt.timedelta(seconds=work.LEASE_SECONDS)
        run.save(update_fields=["orders_done", "orders_unreadable", "lease_until"])
    return True


def _complete(run: SyncRun, ids: list[int]) -> list[dict[str, Any]]:
    """Orders read again with their refunds' lines; a read that fails is split until the bad order is alone."""
    try:
        return [order for order in reads.read_orders(run.shop_id, ids).values() if order is not None]
    except UnreadableAnswer as error:
        if len(ids) == 1:
            _leave_out(run, error)
            return []
        middle = len(ids) // 2
        return _complete(run, ids[:middle]) + _complete(run, ids[middle:])


def _leave_out(run: SyncRun, error: UnreadableAnswer) -> None:
    log.warning("order_unreadable", run_id=run.id, error=str(error))
    run.orders_unreadable += 1


def _events(run: SyncRun) -> bool:
    """Tell the facts of written orders, oldest first; the last batch ends the import."""
    if mirror.due_events_tell(origin=Origin.BACKFILL, limit=ORDERS_PER_BATCH):
        return True
    run.finished_at = clock.now()
    run.error = ""
    run.save(update_fields=["error"])
    _enter(run, Phase.DONE)
    return True


_STEPS: dict[Phase, Callable[[SyncRun], bool]] = {
    Phase.REQUESTED: _request,
    Phase.PREPARING: _poll,
    Phase.CUSTOMERS: _customers,
    Phase.PRODUCTS: _products,
    Phase.STAGING: _stage,
    Phase.ORDERS: _orders,
    Phase.EVENTS: _events,
}


def _read_at(run: SyncRun) -> dt.datetime:
    assert run.read_at is not None  # set before the first file is asked for
    return run.read_at


def _lines(run: SyncRun, kind: str) -> Iterator[bytes]:
    """The file's lines after those already committed; none when the platform found nothing."""
    url = run.operations[kind]["url"]
    return client.stream_lines(url, skip=run.lines_read) if url else iter(())


def _batches(lines: Iterator[bytes]) -> Iterator[list[bytes]]:
    while batch := list(itertools.islice(lines, LINES_PER_BATCH)):
        yield batch


def import_progress(*, shop_id: int) -> dict[str, Any] | None:
    """The latest import as people see it: phase, counts, newest order's day; None before the first."""
    run = SyncRun.objects.filter(shop_id=shop_id).order_by("-id").first()
    if run is None:
        return None
    due = Order.objects.filter(event_due=True).count() if run.phase == Phase.EVENTS else 0
    return {
        "phase": run.phase,
        "running": run.running,
        "customers": run.customers_done,
        "orders": run.orders_done,
        "orders_total": run.orders_total,
        "orders_unreadable": run.orders_unreadable,
        "events_left": due,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "error": run.error,
    }
