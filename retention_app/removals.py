"""What leaves the mirror: resources the platform deleted, and customers it merged into others.

Like `retention_app.mirror`, every function takes a batch, runs inside the shop's scope, and is one short transaction.
Each may be told again, late, or of something the mirror never had: then it changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from django.db import transaction

from retention_app import clock
from retention_app.events import Fact, events_record
from retention_app.mirror import summaries_refresh
from retention_app.models import Customer, DiscountCode, DomainEvent, Order, Product
from retention_app.search import words_forget

_NOBODY = {"first_name": "", "last_name": "", "email": "", "locale": ""}


def products_gone(shopify_ids: Collection[int]) -> int:
    """Delete products; answers how many the mirror had. Their labels stay: past orders are judged by them."""
    gone, _ = Product.objects.filter(shopify_id__in=shopify_ids).delete()
    return gone


def customers_gone(shopify_ids: Collection[int], *, origin: DomainEvent.Origin) -> int:
    """Take the personal data off customers the platform deleted; answers how many the mirror had.

    The row stays for its ledger and, should the platform tell of one again, comes back.
    """
    now = clock.now()
    with transaction.atomic():
        found = [customer for customer in _locked(shopify_ids) if customer.gone_at is None]
        ids = [customer.id for customer in found]
        Customer.objects.filter(id__in=ids).update(gone_at=now, **_NOBODY)
        words_forget(ids)
        events_record(
            [
                Fact(
                    type="customer.deleted",
                    key=f"customer.deleted:{customer.shopify_id}:{now.isoformat()}",
                    subject_id=customer.id,
                    customer_id=customer.id,
                    occurred_at=now,
                )
                for customer in found
            ],
            origin=origin,
        )
    return len(found)


def orders_gone(shopify_ids: Collection[int], *, origin: DomainEvent.Origin) -> int:
    """Delete orders with all that belongs to them; answers how many the mirror had. What they earned is taken back by
    those who hear of it: `order.deleted` names the customer."""
    now = clock.now()
    with transaction.atomic():
        of_orders = Order.objects.filter(shopify_id__in=shopify_ids)
        _locked(of_orders.exclude(customer=None).values_list("customer__shopify_id", flat=True))
        orders = list(of_orders.values_list("id", "shopify_id", "customer_id"))
        Order.objects.filter(id__in=[order_id for order_id, _, _ in orders]).delete()
        customer_ids = {customer_id for _, _, customer_id in orders if customer_id is not None}
        summaries_refresh(customer_ids)
        events_record(
            [
                Fact(
                    type="order.deleted",
                    key=f"order.deleted:{shopify_id}:{order_id}",
                    subject_id=order_id,
                    customer_id=customer_id,
                    occurred_at=now,
                )
                for order_id, shopify_id, customer_id in orders
            ],
            origin=origin,
        )
    return len(orders)


def deleted_order(event: DomainEvent) -> int:
    """The platform's id of the order that an `order.deleted` tells of; the mirror has it no more."""
    return int(event.key.split(":")[1])


def customers_merge(*, kept_id: int, deleted_id: int, origin: DomainEvent.Origin) -> bool:
    """Fold a customer the platform merged away into the survivor (Shopify ids): orders and codes move, chains of merges
    end at the last survivor. Answers whether anything changed; False too when the mirror doesn't know either."""
    with transaction.atomic():
        rows = {row.shopify_id: row for row in _locked([kept_id, deleted_id])}
        kept, away = rows.get(kept_id), rows.get(deleted_id)
        return kept is not None and away is not None and _merge(kept, away, origin)


def _merge(kept: Customer, away: Customer, origin: DomainEvent.Origin) -> bool:
    """Merge locked customers. Who was taken for the survivor before is told of it too: they keep nothing of it."""
    now, former_id = clock.now(), away.merged_into_id
    survivor_id = kept.merged_into_id or kept.id
    if survivor_id in (away.id, former_id):
        return False
    Customer.objects.filter(id=away.id).update(merged_into=survivor_id, gone_at=now, **_NOBODY)
    words_forget([away.id])
    Customer.objects.filter(merged_into=away).update(merged_into=survivor_id)
    Order.objects.filter(customer=away).update(customer=survivor_id)
    DiscountCode.objects.filter(customer=away).update(customer=survivor_id)
    summaries_refresh([survivor_id, away.id])
    told = {survivor_id: "", **({former_id: ":former"} if former_id else {})}
    events_record(
        [
            Fact(
                type="customer.merged",
                key=f"customer.merged:{away.shopify_id}:{kept.shopify_id}{which}",
                subject_id=away.id,
                customer_id=customer_id,
                occurred_at=now,
            )
            for customer_id, which in told.items()
        ],
        origin=origin,
    )
    return True


def merges_conclude(*, origin: DomainEvent.Origin) -> int:
    """Merge whom the platform merged without our hearing of it; answers how many that were.

    Nobody deletes a customer who has orders. So one who is gone and whose orders all became others' was merged, into
    who got the last of them. A notice that comes after all is believed instead.
    """
    unexplained = Customer.objects.filter(gone_at__isnull=False, merged_into=None, orders_went_to__isnull=False)
    known = unexplained.filter(shopify_id__gt=0, orders_went_to__shopify_id__gt=0)  # the others were erased
    pairs = list(known.order_by("id").values_list("orders_went_to__shopify_id", "shopify_id"))
    return sum(_conclude(kept_id, away_id, origin) for kept_id, away_id in pairs)


def _conclude(kept_id: int, away_id: int, origin: DomainEvent.Origin) -> bool:
    """Merge the two, if all that was seen still stands once they are locked."""
    with transaction.atomic():
        rows = {row.shopify_id: row for row in _locked([kept_id, away_id])}
        kept, away = rows.get(kept_id), rows.get(away_id)
        if kept is None or away is None or away.gone_at is None or away.merged_into_id is not None:
            return False
        if away.orders_went_to_id != kept.id or Order.objects.filter(customer=away).exists():
            return False
        return _merge(kept, away, origin)


def survivor_unknown(customer: Customer) -> bool:
    """Whether a customer was merged and we haven't concluded yet into whom: the platform knows them no more, but has
    their orders."""
    if customer.gone_at is None or customer.merged_into_id is not None or customer.shopify_id < 0:
        return False
    return customer.orders_went_to_id is not None or Order.objects.filter(customer=customer).exists()


def _locked(shopify_ids: Iterable[int]) -> list[Customer]:
    """Customers, locked in one order, so that batches can't deadlock (SQLite has one writer)."""
    return list(Customer.objects.select_for_update().filter(shopify_id__in=list(shopify_ids)).order_by("id"))
