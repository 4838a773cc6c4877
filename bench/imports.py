"""Import: lines per second through the product's own import, against a plain ORM import of the same file.

The product reads the file over HTTP, stages, maps, upserts whole aggregates with summaries, and tells events with runs.
The peer parses each line and writes orders and lines with `bulk_create(update_conflicts=True)`, 500 at a time; it keeps
no summaries, tells no events and can't resume. Both write into empty tables, then over existing rows.
"""

from __future__ import annotations

import datetime as dt
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from typing import Any

ORDERS = 10_000
CUSTOMERS = 3_000
REPETITIONS = 3
_START = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


def run() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        lines = _write_files(Path(folder))
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=folder))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            from django.conf import settings

            settings.SHOPIFY_DEVSTORE_URL = f"http://127.0.0.1:{server.server_address[1]}"
            ours, peer, ours_again, peer_again = [], [], [], []
            for repetition in range(REPETITIONS):
                shop_id = _shop(f"ours{repetition}")
                ours.append(lines / _seconds(_ours, shop_id, settings.SHOPIFY_DEVSTORE_URL))
                ours_again.append(lines / _seconds(_ours, shop_id, settings.SHOPIFY_DEVSTORE_URL))
                shop_id = _shop(f"peer{repetition}")
                peer.append(lines / _seconds(_peer, shop_id, Path(folder)))
                peer_again.append(lines / _seconds(_peer, shop_id, Path(folder)))
        finally:
            server.shutdown()
    return {
        "lines": lines,
        "lines_per_second": round(statistics.median(ours)),
        "lines_per_second_again": round(statistics.median(ours_again)),
        "orm_lines_per_second": round(statistics.median(peer)),
        "orm_lines_per_second_again": round(statistics.median(peer_again)),
        "ratio": round(statistics.median(a / b for a, b in zip(ours, peer, strict=True)), 2),
        "ratio_again": round(statistics.median(a / b for a, b in zip(ours_again, peer_again, strict=True)), 2),
    }


def _seconds(call: Any, *args: Any) -> float:
    began = time.perf_counter()
    call(*args)
    return time.perf_counter() - began


def _write_files(folder: Path) -> int:
    """A bulk file as the platform writes it: lines of a page after all its orders. Answers how many lines."""
    count = 0
    with (folder / "orders.jsonl").open("w") as out:
        for start in range(0, ORDERS, 500):
            page = range(start, min(start + 500, ORDERS))
            for row in [*map(_order, page), *(line for n in page for line in _lines(n))]:
                out.write(json.dumps(row) + "\n")
                count += 1
    with (folder / "customers.jsonl").open("w") as out:
        for n in range(CUSTOMERS):
            out.write(json.dumps(_customer(n)) + "\n")
    return count


def _money(amount: str) -> dict[str, Any]:
    return {"shopMoney": {"amount": amount, "currencyCode": "USD"}}


def _at(n: int) -> str:
    return (_START + dt.timedelta(minutes=n)).isoformat()


def _customer(n: int) -> dict[str, Any]:
    return {
        "id": f"gid://shopify/Customer/{n + 1}",
        "firstName": f"First{n}",
        "lastName": f"Last{n}",
        "locale": "en",
        "state": "ENABLED",
        "verifiedEmail": True,
        "defaultEmailAddress": {"emailAddress": f"c{n}@example.com"},
        "createdAt": _at(0),
        "updatedAt": _at(0),
    }


def _order(n: int) -> dict[str, Any]:
    return {
        "id": f"gid://shopify/Order/{n + 1}",
        "name": f"#{n + 1}",
        "createdAt": _at(n),
        "processedAt": _at(n),
        "updatedAt": _at(n),
        "cancelledAt": None,
        "test": False,
        "currencyCode": "USD",
        "displayFinancialStatus": "PAID",
        "fullyPaid": True,
        "displayFulfillmentStatus": "FULFILLED",
        "discountCodes": [],
        "fulfillments": [{"createdAt": _at(n), "status": "SUCCESS"}],
        "taxesIncluded": False,
        "customer": {"id": f"gid://shopify/Customer/{n * 7919 % CUSTOMERS + 1}"},
        "totalPriceSet": _money("36.00"),
        "currentTotalPriceSet": _money("36.00"),
        "totalRefundedSet": _money("0.00"),
        "refunds": [],
        "transactions": [
            {
                "id": f"gid://shopify/OrderTransaction/{n + 1}",
                "kind": "SALE",
                "status": "SUCCESS",
                "gateway": "bogus",
                "processedAt": _at(n),
                "amountSet": _money("36.00"),
            }
        ],
    }


def _lines(n: int) -> Iterator[dict[str, Any]]:
    for k in range(1 + n % 3):
        yield {
            "id": f"gid://shopify/LineItem/{n * 10 + k + 1}",
            "__parentId": f"gid://shopify/Order/{n + 1}",
            "title": "Coffee 250 g",
            "sku": f"COF-{k}",
            "quantity": 1,
            "currentQuantity": 1,
            "isGiftCard": False,
            "product": {"id": "gid://shopify/Product/1"},
            "originalTotalSet": _money("12.00"),
            "discountAllocations": [],
            "taxLines": [],
        }


def _shop(name: str) -> int:
    from retention_app import clock
    from retention_app.models import Shop

    return Shop.objects.create(domain=f"{name}.myshopify.com", installed_at=clock.now(), customer_accounts="CLASSIC").id


def _ours(shop_id: int, base_url: str) -> None:
    from retention_app import clock, sync
    from retention_app.models import SyncRun
    from retention_app.tenancy import shop_scope

    now = clock.now()
    operation = {"id": "", "count": 0, "done": True}
    operations = {kind: {**operation, "url": f"{base_url}/{kind}.jsonl"} for kind in ("customers", "orders")} | {
        "products": {**operation, "url": None}
    }
    run = SyncRun.objects.create(
        shop_id=shop_id,
        phase=SyncRun.Phase.CUSTOMERS,
        operations=operations,
        read_at=now,
        started_at=now,
        due_at=now,
    )
    with shop_scope(shop_id):
        while sync.sync_advance(run_id=run.id, until=clock.now() + dt.timedelta(minutes=10)):
            pass
    run.refresh_from_db()
    if run.phase != SyncRun.Phase.DONE:
        raise RuntimeError(f"The import ended as {run.phase}: {run.error}")


def _peer(shop_id: int, folder: Path) -> None:
    from retention_app.models import Customer, Order, OrderLine
    from retention_app.tenancy import shop_scope

    now = dt.datetime.now(dt.UTC)
    with shop_scope(shop_id):
        with (folder / "customers.jsonl").open() as lines:
            for batch in iter(lambda: [json.loads(line) for line in islice(lines, 500)], []):
                Customer.objects.bulk_create(
                    [
                        Customer(
                            shop_id=shop_id,
                            shopify_id=int(row["id"].rpartition("/")[2]),
                            first_name=row["firstName"],
                            last_name=row["lastName"],
                            email=row["defaultEmailAddress"]["emailAddress"],
                            created_at=row["createdAt"],
                            updated_at=row["updatedAt"],
                            read_at=now,
                        )
                        for row in batch
                    ],
                    update_conflicts=True,
                    unique_fields=["shop", "shopify_id"],
                    update_fields=["first_name", "last_name", "email", "updated_at", "read_at"],
                )
        customers = dict(Customer.objects.values_list("shopify_id", "id"))
        orders: dict[int, int] = {}
        with (folder / "orders.jsonl").open() as lines:
            for batch in iter(lambda: [json.loads(line) for line in islice(lines, 500)], []):
                written = Order.objects.bulk_create(
                    [_peer_order(shop_id, row, customers, now) for row in batch if "__parentId" not in row],
                    update_conflicts=True,
                    unique_fields=["shop", "shopify_id"],
                    update_fields=["customer", "name", "updated_at", "read_at", "total_minor", "financial_status"],
                )
                orders |= {order.shopify_id: order.pk for order in written}
                OrderLine.objects.bulk_create(
                    [_peer_line(shop_id, row, orders) for row in batch if "__parentId" in row],
                    update_conflicts=True,
                    unique_fields=["shop", "shopify_id"],
                    update_fields=["title", "sku", "quantity", "current_quantity", "net_minor"],
                )


def _peer_order(shop_id: int, row: dict[str, Any], customers: dict[int, int], now: dt.datetime) -> Any:
    from retention_app.models import Order

    return Order(
        shop_id=shop_id,
        shopify_id=int(row["id"].rpartition("/")[2]),
        customer_id=customers[int(row["customer"]["id"].rpartition("/")[2])],
        name=row["name"],
        currency=row["currencyCode"],
        processed_at=row["processedAt"],
        created_at=row["createdAt"],
        updated_at=row["updatedAt"],
        read_at=now,
        financial_status=row["displayFinancialStatus"],
        paid=True,
        total_minor=round(float(row["totalPriceSet"]["shopMoney"]["amount"]) * 100),
    )


def _peer_line(shop_id: int, row: dict[str, Any], orders: dict[int, int]) -> Any:
    from retention_app.models import OrderLine

    return OrderLine(
        shop_id=shop_id,
        order_id=orders[int(row["__parentId"].rpartition("/")[2])],
        shopify_id=int(row["id"].rpartition("/")[2]),
        title=row["title"],
        sku=row["sku"],
        quantity=row["quantity"],
        current_quantity=row["currentQuantity"],
        net_minor=round(float(row["originalTotalSet"]["shopMoney"]["amount"]) * 100),
    )
