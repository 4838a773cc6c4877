"""A customer who has ordered ten thousand times orders again: from the stored order to the posted points.

The baseline is the same code without snapshots: it goes through all the orders each time.
"""

from __future__ import annotations

import statistics
from typing import Any
from unittest import mock

from bench.posting import _customers, _order_each, _timed

ORDERS = 10_000
AGAIN = 20  # orders settled one by one, by either


def run(orders: int = ORDERS, again: int = AGAIN) -> dict[str, Any]:
    from loyalty import snapshots
    from loyalty.ledger import members_bring_up_to_date
    from loyalty.models import MemberSnapshot
    from loyalty.programme import draft_save, programme_publish
    from loyalty.verification import ledger_verify
    from retention_app import clock
    from retention_app.models import Shop
    from retention_app.tenancy import shop_scope

    def settle(customer_id: int) -> None:
        members_bring_up_to_date([customer_id])

    shop = Shop.objects.create(domain="regular.myshopify.com", installed_at=clock.now(), customer_accounts="CLASSIC")
    with shop_scope(shop.id):
        draft_save(shop.id, {"earn": {"points": 1, "per_minor": 100}, "worth": {"points": 100, "minor": 500}}, "1")
        programme_publish(shop.id, "1", "all")
        customers = dict(zip(("snapshot", "whole"), _customers(2, 0), strict=True))
        seconds: dict[str, list[float]] = {way: [] for way in customers}
        for number in range(1 + again):
            for way, customer_id in customers.items():
                _order_each([customer_id] * (1 if number else orders))
                most = snapshots.ORDERS_AGAIN if way == "snapshot" else orders + again
                with mock.patch.object(snapshots, "ORDERS_AGAIN", most):
                    seconds[way] += _timed(settle, [customer_id])
        [size] = [len(str(data)) for data in MemberSnapshot.objects.values_list("data", flat=True)]
        if findings := ledger_verify().findings:
            raise RuntimeError(findings)
    medians = {way: statistics.median(found[1:]) for way, found in seconds.items()}
    return {
        "orders": orders,
        "snapshot_kb": round(size / 1000),
        **{f"{way}_ms": round(median * 1000) for way, median in medians.items()},
        "ratio": round(medians["whole"] / medians["snapshot"], 1),
    }
