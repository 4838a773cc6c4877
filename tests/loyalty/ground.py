"""What ledger tests stand on: a published programme, mirrored customers and orders, members brought up to date."""

from __future__ import annotations

import datetime as dt
from itertools import count
from typing import Any

from loyalty import selectors
from loyalty.ledger import Posted, members_bring_up_to_date
from loyalty.models import ProgrammeVersion
from loyalty.programme import CountPast, draft_save, programme_publish
from retention_app import mirror
from retention_app.models import Customer, DomainEvent, Shop
from tests.orders import at, customer_row

LIVE = DomainEvent.Origin.LIVE

_reads = count(1)


def publish(shop: Shop, points: int = 1, per_minor: int = 100, count_past: CountPast = "all") -> ProgrammeVersion:
    document = {"earn": {"points": points, "per_minor": per_minor}, "worth": {"points": 1000, "minor": 1}}
    draft_save(shop.id, document, "42")
    return programme_publish(shop.id, "42", count_past)


def customers(*shopify_ids: int) -> list[int]:
    """Mirror customers; answers the mirror's ids."""
    mirror.customers_upsert([customer_row(id_) for id_ in shopify_ids], read_at=_read(), origin=LIVE)
    return [Customer.objects.get(shopify_id=id_).id for id_ in shopify_ids]


def mirrored(*rows: dict[str, Any]) -> None:
    """Write orders as a newer read of the platform than any before."""
    read_at = _read()
    mirror.orders_upsert([{**row, "updated_at": read_at} for row in rows], read_at=read_at, origin=LIVE)


def _read() -> dt.datetime:
    return at(100_000 + next(_reads))


def bring(*shopify_ids: int) -> Posted:
    return members_bring_up_to_date(
        Customer.objects.filter(shopify_id__in=shopify_ids).values_list("id", flat=True),
    )


def points_of(shop: Shop) -> dict[int, int]:
    """Balances by the platform's customer id."""
    return {row["customer"]: row["points_available"] for row in selectors.balances()}
