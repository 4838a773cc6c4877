"""Importing a shop's history: bulk operations → JSONL → mirror → events, in steps that survive a crash.

The `SyncRun` row says which phase is next and how far it has come; every step commits its rows together with the new
count, so a killed worker's successor goes on at the last committed batch. Orders' lines and products' collections stand
anywhere after theirs in the file, so lines are first staged as `SyncItem` rows, then put together one by one. Memory
stays flat: a step holds one batch.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar

import orjson
import structlog
from django.db import connection, transaction

from retention_app import clock, mirror, setwise, work
from retention_app.models import DomainEvent, Order, Shop, SyncItem, SyncRun
from retention_app.observability import redacted
from retention_app.shopify import client, documents, mapping, reads
from retention_app.shopify.errors import ShopClosed, ShopifyError, Throttled, TransientError, UnreadableAnswer
from retention_app.shopify.mapping import Node, Row
from retention_app.wake import wake

log = structlog.get_logger(__name__)

LINES_PER_BATCH = 2000
ROOTS_PER_BATCH = 500  # products or orders, each with its children
POLL_SECONDS_MIN, POLL_SECONDS_MAX = 1.0, 30.0  # between two looks whether a file is written
BUSY_SECONDS = 30.0  # until the platform is asked again for a file while it writes as many as it may at a time
_BUSY = {"LIMIT_REACHED", "OPERATION_IN_PROGRESS"}
_BULK = {"customers": "BulkCustomers", "products": "BulkProducts", "orders": "BulkOrders"}
_ITEM: setwise.Columns = {"number": "bigint", "root_id": "bigint", "is_root": "boolean", "data": "text"}

P = ParamSpec("P")
T = TypeVar("T")
Phase = SyncRun.Phase
Origin = DomainEvent.Origin


def sync_start(*, shop_id: int) -> SyncRun:
    """Begin an import, or answer the one that is running; wakes a worker on commit."""
    with transaction.atomic():
        Shop.objects.select_for_update().get(id=shop_id)
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


def sync_repeat(*, shop_id: int) -> None:
    """Begin the shop's import anew where the latest one was given up."""
    latest = SyncRun.objects.filter(shop_id=shop_id).order_by("-id").first()
    if latest and latest.phase == Phase.FAILED:
        sync_start(shop_id=shop_id)


class ClaimLost(Exception):
    """Another worker claimed the import meanwhile; what this one was about to write is its successor's to do."""


def sync_advance(*, run_id: int, until: dt.datetime) -> bool:
    """Take steps of an import until it is done, must wait, or `until` has come; answers whether more can be done now.

    Runs inside the shop's scope by whoever claimed the run last: every write is refused to a former claimant.
    """
    run = SyncRun.objects.get(id=run_id)
    try:
        while run.running and clock.now() < until:
            _renew(run)
            more = _STEPS[Phase(run.phase)](run, until)
            if run.failing_since:
                _save(run, failing_since=None)
            if not more:
                _release(run, wait_seconds=_poll_seconds(run))
                return False
    except ClaimLost:
        log.warning("sync_claim_lost", run_id=run.id)
        return False
    except Throttled as error:
        _release(run, wait_seconds=error.wait_seconds)
        return False
    except ShopClosed as error:
        log.warning("import_waits_for_shop", run_id=run.id, reason=str(error))
        _release(run, wait_seconds=work.CLOSED_SHOP_SECONDS)
        return False
    except TransientError as error:
        log.warning("import_waits_for_platform", run_id=run.id, phase=run.phase, reason=str(error))
        _postponed(run, str(error))
        return False
    except Exception as error:
        log.exception("sync_step_failed", run_id=run.id, phase=run.phase)
        _failed(run, str(error) if isinstance(error, ShopifyError) else type(error).__name__)
        return False
    _release(run, wait_seconds=0)
    return run.running


def _save(run: SyncRun, **changes: Any) -> None:
    """Write progress. Raises `ClaimLost` when another worker has claimed the run since."""
    if not SyncRun.objects.filter(id=run.id, attempts=run.attempts).update(**changes):
        raise ClaimLost
    for name, value in changes.items():
        setattr(run, name, value)


def _renew(run: SyncRun) -> None:
    _save(run, lease_until=work.lease_end())


def _commit(run: SyncRun, **changes: Any) -> None:
    """Write what a batch brought, in its transaction; something went well, so failures start at none again."""
    _save(run, failures=0, lease_until=work.lease_end(), **changes)


def _release(run: SyncRun, *, wait_seconds: float) -> None:
    with suppress(ClaimLost):
        _save(run, lease_until=None, due_at=clock.now() + dt.timedelta(seconds=wait_seconds))


def _postponed(run: SyncRun, error: str) -> None:
    """Wait for a platform that fails, as long again as it has been failing; give up after `work.AGE_MAX` of it."""
    since = run.failing_since or clock.now()
    over = clock.now() - since > work.AGE_MAX
    _put_back(run, error, over=over, due_at=work.retry_since(since), failing_since=since)


def _failed(run: SyncRun, error: str) -> None:
    failures = run.failures + 1
    over = failures >= work.ATTEMPTS_MAX
    _put_back(run, error, over=over, due_at=work.retry_at(failures), failures=failures)


def _put_back(run: SyncRun, error: str, *, over: bool, **changes: Any) -> None:
    ended = {"phase": Phase.FAILED, "finished_at": clock.now()} if over else {}
    with suppress(ClaimLost):
        _save(run, error=redacted(error)[:2000], lease_until=None, **changes, **ended)


# --- steps: each does one batch, commits, and answers whether the next may follow at once ----------------------------


def _request(run: SyncRun, until: dt.datetime) -> bool:
    """Ask the platform to write the three files. Each is kept as soon as it is known, so that a lost answer has one
    file alone asked for again: the platform writes only so many at a time."""
    if not run.operations:
        _save(run, read_at=clock.now())
    for kind in _BULK:
        if kind not in run.operations:
            operation = {"id": _asked_for(run, kind), "url": None, "count": 0, "done": False}
            _save(run, operations={**run.operations, kind: operation})
    _save(run, phase=Phase.PREPARING, lines_read=0)
    return True


def _asked_for(run: SyncRun, kind: str) -> str:
    """The id of the bulk operation that writes a file from now on. Raises `Throttled` while there are too many."""
    query = {"query": documents.bulk_query(_BULK[kind]), "groupObjects": False}
    answer = client.graphql(run.shop_id, "BulkRunQuery", query)["bulkOperationRunQuery"]
    for error in answer["userErrors"]:
        if error["code"] in _BUSY:
            raise Throttled(BUSY_SECONDS)
        raise ShopifyError(f"The platform refused to list {kind}: {error['message']}")
    return str(answer["bulkOperation"]["id"])


def _poll_seconds(run: SyncRun) -> float:
    """A tenth of the time the platform has been writing for, within bounds."""
    return min(max((clock.now() - _read_at(run)).total_seconds() / 10, POLL_SECONDS_MIN), POLL_SECONDS_MAX)


def _ask(run: SyncRun, kind: str) -> bool:
    """Look whether the platform has written a file; what it says is kept. Begins anew when it gave up."""
    operation = run.operations[kind]
    if operation["done"]:
        return True
    answer = client.graphql(run.shop_id, "BulkPoll", {"id": operation["id"]})["bulkOperation"]
    if answer is None or answer["status"] in ("FAILED", "CANCELED", "EXPIRED"):
        _save(run, operations={}, phase=Phase.REQUESTED, lines_read=0)
        raise ShopifyError(f"The platform's list of {kind} ended as {answer['status'] if answer else 'gone'}.")
    told = {"count": int(answer["rootObjectCount"] or 0), "done": answer["status"] == "COMPLETED", "url": answer["url"]}
    operations = {**run.operations, kind: {**operation, **told}}
    _save(run, operations=operations, orders_total=operations["orders"]["count"] or None)
    return bool(told["done"])


def _poll(run: SyncRun, until: dt.datetime) -> bool:
    """Wait for the files; once customers and products are ready they needn't wait for the orders."""
    ready = [kind for kind in _BULK if _ask(run, kind)]
    if {"customers", "products"} <= set(ready):
        _save(run, phase=Phase.CUSTOMERS, lines_read=0)
        return True
    return False


def _customers(run: SyncRun, until: dt.datetime) -> bool:
    """Stream customers into the mirror, from the last committed line on."""
    for batch in _batches(run, "customers"):
        rows = [row for line in batch if (row := _left_out(run, _customer, line))]
        with transaction.atomic():
            mirror.customers_upsert(rows, read_at=_read_at(run), origin=Origin.BACKFILL)
            read = run.lines_read + len(batch)
            _commit(run, lines_read=read, customers_done=read, unreadable=run.unreadable)
        if clock.now() >= until:
            return True
    _save(run, phase=Phase.LISTING, lines_read=0)
    return True


def _customer(line: bytes) -> Row:
    return mapping.customer(orjson.loads(line))


def _list(run: SyncRun, until: dt.datetime) -> bool:
    """Copy the lines of the products file into SyncItem."""
    if _copied(run, "products", until):
        _save(run, phase=Phase.PRODUCTS, lines_read=0)
    return True


def _products(run: SyncRun, until: dt.datetime) -> bool:
    """Put one batch of staged products together and write them; what is written leaves the stage."""
    nodes, collections = _staged(run)
    if not nodes:
        return _next_phase(run, Phase.STAGING)
    products = [row for id_, node in nodes.items() if (row := _left_out(run, mapping.product, node, collections[id_]))]
    with transaction.atomic():
        mirror.products_upsert(products, read_at=_read_at(run), origin=Origin.BACKFILL)
        SyncItem.objects.filter(run=run, root_id__in=nodes).delete()
        _commit(run, products_done=run.products_done + len(nodes), unreadable=run.unreadable)
    return True


def _stage(run: SyncRun, until: dt.datetime) -> bool:
    """Copy the lines of the orders file into SyncItem."""
    if not _ask(run, "orders"):
        return False
    if _copied(run, "orders", until):
        total = SyncItem.objects.filter(run=run, is_root=True).count()
        _save(run, orders_total=total, orders_done=0, phase=Phase.ORDERS, lines_read=0)
    return True


def _copied(run: SyncRun, kind: str, until: dt.datetime) -> bool:
    """Copy lines of a file into SyncItem, from the last committed line on; answers whether its end is reached."""
    for batch in _batches(run, kind):
        rows = [
            row for number, line in enumerate(batch, run.lines_read + 1) if (row := _left_out(run, _item, number, line))
        ]
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(
                    "INSERT INTO retention_app_syncitem (shop_id, run_id, number, root_id, is_root, data)"
                    f" SELECT %s, %s, number, root_id, is_root, data FROM {setwise.rows_from(_ITEM)} WHERE true"
                    " ON CONFLICT (shop_id, run_id, number) DO NOTHING",
                    [run.shop_id, run.id, setwise.rows_json(rows, _ITEM)],
                )
            _commit(run, lines_read=run.lines_read + len(batch), unreadable=run.unreadable)
        if clock.now() >= until:
            return False
    return True


def _staged(run: SyncRun) -> tuple[dict[int, Node], dict[int, list[Node]]]:
    """A batch of staged resources by Shopify id, and the children of each; nothing when none is left."""
    roots = list(
        SyncItem.objects.filter(run=run, is_root=True)
        .order_by("root_id")
        .values_list("root_id", flat=True)[:ROOTS_PER_BATCH]
    )
    nodes: dict[int, Node] = {}
    children: dict[int, list[Node]] = {root: [] for root in roots}
    staged = SyncItem.objects.filter(run=run, root_id__in=roots).order_by("number")
    for root_id, is_root, data in staged.values_list("root_id", "is_root", "data"):
        if is_root:
            nodes[root_id] = orjson.loads(data)
        else:
            children[root_id].append(orjson.loads(data))
    return nodes, children


def _next_phase(run: SyncRun, phase: Phase) -> bool:
    """Nothing that makes a resource is left on the stage: clear it for what follows."""
    with transaction.atomic():
        SyncItem.objects.filter(run=run).delete()
        _save(run, phase=phase)
    return True


def _item(number: int, line: bytes) -> Row:
    node = orjson.loads(line)
    root = node.get("__parentId")
    return {
        "number": number,
        "root_id": mapping.numeric_id(root or node["id"]),
        "is_root": root is None,
        "data": line.decode(),
    }


def _orders(run: SyncRun, until: dt.datetime) -> bool:
    """Put one batch of staged orders together and write them; what is written leaves the stage."""
    nodes, lines = _staged(run)
    if not nodes:
        return _next_phase(run, Phase.EVENTS)
    with_refunds = [root for root, node in nodes.items() if mapping.order_needs_refunds(node)]
    whole = nodes.keys() - set(with_refunds)
    orders = [order for root in whole if (order := _left_out(run, mapping.order, nodes[root], lines[root]))]
    completed_at = clock.now()
    completed = []
    for start in range(0, len(with_refunds), reads.ORDERS_PER_READ):  # each read may have to wait for cost points
        completed += _complete(run, with_refunds[start : start + reads.ORDERS_PER_READ])
        _renew(run)
    with transaction.atomic():
        mirror.orders_upsert(orders, read_at=_read_at(run), origin=Origin.BACKFILL, defer_events=True)
        mirror.orders_upsert(completed, read_at=completed_at, origin=Origin.BACKFILL, defer_events=True)
        SyncItem.objects.filter(run=run, root_id__in=nodes).delete()
        _commit(run, orders_done=run.orders_done + len(nodes), unreadable=run.unreadable)
    return True


def _complete(run: SyncRun, ids: list[int]) -> list[Row]:
    """Orders read again with their refunds' lines; a read that fails is split until the bad order is alone."""
    if len(ids) == 1:
        read = _left_out(run, reads.read_orders, run.shop_id, ids) or {}
        return [order for order in read.values() if order is not None]
    try:
        return [order for order in reads.read_orders(run.shop_id, ids).values() if order is not None]
    except UnreadableAnswer:
        middle = len(ids) // 2
        return _complete(run, ids[:middle]) + _complete(run, ids[middle:])


def _left_out(run: SyncRun, make: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
    """What `make` makes of something the platform said; None, counted, when that makes no sense."""
    try:
        return make(*args, **kwargs)
    except (UnreadableAnswer, ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("import_left_out", run_id=run.id, phase=run.phase, error=str(error))
        run.unreadable += 1
        return None


def _events(run: SyncRun, until: dt.datetime) -> bool:
    """Tell the facts of written orders, oldest first; the last batch ends the import."""
    if not mirror.due_events_tell(origin=Origin.BACKFILL, limit=ROOTS_PER_BATCH):
        _save(run, phase=Phase.DONE, finished_at=clock.now(), error="", failures=0)
    return True


_STEPS: dict[Phase, Callable[[SyncRun, dt.datetime], bool]] = {
    Phase.REQUESTED: _request,
    Phase.PREPARING: _poll,
    Phase.CUSTOMERS: _customers,
    Phase.LISTING: _list,
    Phase.PRODUCTS: _products,
    Phase.STAGING: _stage,
    Phase.ORDERS: _orders,
    Phase.EVENTS: _events,
}


def _read_at(run: SyncRun) -> dt.datetime:
    assert run.read_at is not None  # set before the first file is asked for
    return run.read_at


def _batches(run: SyncRun, kind: str) -> Iterator[list[bytes]]:
    """The file's lines after those already committed, by the batch; none when the platform found nothing."""
    url = run.operations[kind]["url"]
    if not url:
        return
    renewed_at = clock.now()

    def keep() -> None:
        """Keep the lease while lines already committed are passed over."""
        nonlocal renewed_at
        if (clock.now() - renewed_at).total_seconds() > work.LEASE_SECONDS / 4:
            _renew(run)
            renewed_at = clock.now()

    lines = client.stream_lines(url, skip=run.lines_read, after_chunk=keep)
    while batch := list(itertools.islice(lines, LINES_PER_BATCH)):
        yield batch


def import_progress(*, shop_id: int) -> dict[str, Any] | None:
    """The latest import as people see it: phase, counts, whether the platform fails; None before the first."""
    run = SyncRun.objects.filter(shop_id=shop_id).order_by("-id").first()
    if run is None:
        return None
    due = Order.objects.filter(event_due=True).count() if run.phase == Phase.EVENTS else 0
    return {
        "phase": run.phase,
        "running": run.running,
        "failing": run.running and run.failing_since is not None,
        "customers": run.customers_done,
        "orders": run.orders_done,
        "orders_total": run.orders_total,
        "unreadable": run.unreadable,
        "events_left": due,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "error": run.error,
    }
