"""Posting: orders that become points per second, through the ledger one by one and in batches, against the plain ORM.

Ours reads the member's facts, folds the whole statement and posts the difference under the member's revision. The peer
does what one would write first: lock the account, look whether the order was posted, add up its lines, create the
transaction, its two entries and the lot, and save the balance. Both work on members who have posted before; the ledger
is verified at the end.

`given`: the same without reading and folding, both are handed what to post. `hot`: orders of one member; ours folds at
once what waited, the peer posts them one after another.
"""

from __future__ import annotations

import datetime as dt
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from typing import Any

import psycopg

ONE_BY_ONE = 300  # orders posted by single calls a repetition
BATCH = 500
BATCHES = 8
REPETITIONS = 3
HOT_WAVES = 4  # a repetition
HOT_WAVE = 50  # orders that wait for one member
_START = dt.datetime(2025, 1, 1, 12, tzinfo=dt.UTC)

_orders = count(1)


def run(
    one_by_one: int = ONE_BY_ONE, batches: int = BATCHES, waves: int = HOT_WAVES, repetitions: int = REPETITIONS
) -> dict[str, Any]:
    from loyalty.ledger import members_bring_up_to_date
    from loyalty.programme import draft_save, programme_publish
    from loyalty.verification import ledger_verify
    from retention_app import clock
    from retention_app.models import Shop
    from retention_app.tenancy import shop_scope

    shop = Shop.objects.create(domain="posting.myshopify.com", installed_at=clock.now(), customer_accounts="CLASSIC")
    results: dict[str, list[float]] = defaultdict(list)
    with shop_scope(shop.id):
        draft_save(shop.id, {"earn": {"points": 1, "per_minor": 100}, "worth": {"points": 100, "minor": 500}}, "1")
        programme_publish(shop.id, "1", "all")
        ours, in_batches, peers, (hot, hot_peer) = (
            _customers(number, first)
            for number, first in ((one_by_one, 0), (BATCH * batches, 10**6), (one_by_one, 2 * 10**6), (2, 3 * 10**6))
        )
        everybody = [*ours, *in_batches, *peers, hot, hot_peer]
        _order_each(everybody)
        for start in range(0, len(everybody), BATCH):
            members_bring_up_to_date(everybody[start : start + BATCH])
        _analyze()
        for _ in range(repetitions):
            _order_each(ours)
            seconds = _timed(members_bring_up_to_date, ([customer] for customer in ours))
            results["call"].append(len(seconds) / sum(seconds))
            results["call_p99"].append(_p99(seconds))
            _order_each(in_batches)
            seconds = _timed(members_bring_up_to_date, _slices(in_batches, BATCH))
            results["batch"].append(len(in_batches) / sum(seconds))
            seconds = _timed(_peer_post, _order_each(peers))
            results["orm"].append(len(seconds) / sum(seconds))
            results["orm_p99"].append(_p99(seconds))
            seconds = _timed(_post, _slices(_judged(ours), 1))
            results["given"].append(len(ours) / sum(seconds))
            seconds = _timed(_post, _slices(_judged(in_batches), BATCH))
            results["given_batch"].append(len(in_batches) / sum(seconds))
            seconds = _timed(_peer_post_given, _judged(peers))
            results["given_orm"].append(len(peers) / sum(seconds))
            seconds, peer_seconds = [], []
            for _ in range(waves):
                _order_each([hot] * HOT_WAVE)
                seconds += _timed(members_bring_up_to_date, [[hot]])
                peer_seconds += _timed(_peer_post, _order_each([hot_peer] * HOT_WAVE))
            results["hot"].append(waves * HOT_WAVE / sum(seconds))
            results["hot_orm"].append(waves * HOT_WAVE / sum(peer_seconds))
        findings = ledger_verify().findings
    if findings:
        raise RuntimeError(f"The ledger is wrong: {findings[:3]}")
    return {
        "postings_per_second": round(statistics.median(results["call"])),
        "postings_p99_ms": round(statistics.median(results["call_p99"]), 1),
        "batched_postings_per_second": round(statistics.median(results["batch"])),
        "orm_postings_per_second": round(statistics.median(results["orm"])),
        "orm_p99_ms": round(statistics.median(results["orm_p99"]), 1),
        "ratio": _ratio(results["call"], results["orm"]),
        "ratio_batched": _ratio(results["batch"], results["orm"]),
        "given_per_second": round(statistics.median(results["given"])),
        "ratio_given": _ratio(results["given"], results["given_orm"]),
        "ratio_given_batched": _ratio(results["given_batch"], results["given_orm"]),
        "hot_facts_per_second": round(statistics.median(results["hot"])),
        "ratio_hot": _ratio(results["hot"], results["hot_orm"]),
        "accounts_off": len(findings),
    }


def _analyze() -> None:
    """Give the planner its statistics, as autovacuum does after a while: the peer's joins need them most."""
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as owner:
        owner.execute("ANALYZE")


def _slices(items: list[Any], size: int) -> Iterator[list[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _judged(customer_ids: list[int]) -> list[Any]:
    """A new order for each customer, judged: what is left to post."""
    from loyalty import facts
    from loyalty.ledger import members_judge

    _order_each(customer_ids)
    programme, judgements = facts.programme(), []
    for some in _slices(customer_ids, BATCH):
        judgements += members_judge(facts.keepers(some), programme)
    return judgements


def _post(judgements: list[Any]) -> None:
    from loyalty.posting import Posted, post

    written = post(judgements, {one.customer_id: one.customer_id for one in judgements}, Posted())
    assert len(written) == len(judgements)


def _ratio(ours: list[float], peer: list[float]) -> float:
    return round(statistics.median(a / b for a, b in zip(ours, peer, strict=True)), 2)


def _timed(post: Callable[[Any], object], items: Iterable[Any]) -> list[float]:
    """Seconds each call took."""
    seconds = []
    for item in items:
        began = time.perf_counter()
        post(item)
        seconds.append(time.perf_counter() - began)
    return seconds


def _p99(seconds: list[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.99)] * 1000


def _customers(number: int, first: int) -> list[int]:
    """New customers; answers the mirror's ids."""
    from retention_app.mirror import customers_upsert
    from retention_app.models import Customer, DomainEvent

    rows = [
        {
            "shopify_id": first + n + 1,
            "first_name": "",
            "last_name": "",
            "email": "",
            "locale": "",
            "account_state": "ENABLED",
            "verified_email": True,
            "created_at": _START,
            "updated_at": _START,
        }
        for n in range(number)
    ]
    customers_upsert(rows, read_at=_START, origin=DomainEvent.Origin.BACKFILL)
    return list(
        Customer.objects.filter(shopify_id__gt=first, shopify_id__lte=first + number).values_list("id", flat=True)
    )


def _order_each(customer_ids: list[int]) -> list[int]:
    """A new order of two lines for each customer (one may be named more than once); answers the orders' Shopify ids."""
    from retention_app.mirror import orders_upsert
    from retention_app.models import Customer, DomainEvent

    rows = []
    customers = Customer.objects.in_bulk(customer_ids)
    for customer_id in customer_ids:
        customer, number = customers[customer_id], next(_orders)
        at = _START + dt.timedelta(minutes=number)
        rows.append(
            {
                "shopify_id": number,
                "customer_shopify_id": customer.shopify_id,
                "name": f"#{number}",
                "currency": "USD",
                "processed_at": at,
                "created_at": at,
                "updated_at": at,
                "cancelled_at": None,
                "test": False,
                "financial_status": "PAID",
                "paid": True,
                "paid_at": at,
                "fulfilled_at": None,
                "taxes_included": False,
                "total_minor": 3600,
                "refunded_minor": 0,
                "lines": [
                    {
                        "shopify_id": number * 10 + k,
                        "product_shopify_id": None,
                        "title": "Coffee 250 g",
                        "sku": f"COF-{k}",
                        "quantity": 1,
                        "current_quantity": 1,
                        "gift_card": False,
                        "net_minor": 1800,
                    }
                    for k in range(2)
                ],
                "refunds": [],
                "transactions": [],
                "discount_codes": [],
            }
        )
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        orders_upsert(batch, read_at=_START, origin=DomainEvent.Origin.BACKFILL, defer_events=True)
    return [row["shopify_id"] for row in rows]


def _peer_post(order_shopify_id: int) -> None:
    from django.db import transaction
    from django.db.models import Sum

    from retention_app.models import Order

    with transaction.atomic():
        order = Order.objects.get(shopify_id=order_shopify_id)
        base = order.lines.filter(gift_card=False).aggregate(sum=Sum("net_minor"))["sum"]
        _peer_book(order.customer_id, order.shopify_id, base // 100, order.processed_at)


def _peer_post_given(judgement: Any) -> None:
    from django.db import transaction

    [difference] = judgement.differences
    with transaction.atomic():
        _peer_book(judgement.customer_id, difference.order_id, difference.points, difference.occurred_at)


def _peer_book(customer_id: int, order_shopify_id: int, points: int, occurred_at: dt.datetime) -> None:
    """Lock the account and book an order's points, unless that was done."""
    from loyalty.models import Account, Entry, LedgerTransaction, Lot
    from retention_app import clock

    account = (
        Account.objects.select_for_update(of=["self"])
        .select_related("member")
        .get(member__customer_id=customer_id, asset="points")
    )
    source, now, shop_id = f"order:{order_shopify_id}", clock.now(), account.shop_id
    if Entry.objects.filter(account=account, source=source).exists():
        return
    member = account.member
    member.revision += 1
    posting = LedgerTransaction.objects.create(
        shop_id=shop_id, member=member, revision=member.revision, occurred_at=occurred_at, recorded_at=now
    )
    issued = Account.objects.get(kind="issued", asset="points")
    for entry_account, amount in ((account, points), (issued, -points)):
        Entry.objects.create(
            shop_id=shop_id,
            transaction=posting,
            account=entry_account,
            amount=amount,
            source=source,
            order_shopify_id=order_shopify_id,
            version=1,
            explanation={"kind": "earned", "result": amount},
            occurred_at=occurred_at,
            recorded_at=now,
            usable_from=occurred_at if entry_account is account else None,
        )
    Lot.objects.create(shop_id=shop_id, account=account, source=source, points=points, usable_from=occurred_at)
    account.balance += points
    account.save(update_fields=["balance"])
    member.save(update_fields=["revision"])
