"""Erasing a customer. What adds up stays: orders and points belong to a row that names nobody.

First a tombstone keeps every later delivery and sync from bringing anything back, then what was said about the person
is searched and deleted while the row still knows how they were called, and last the row forgets it, together with the
proof. Killed anywhere, doing it again finishes it; doing it twice changes nothing.
"""

from __future__ import annotations

import functools
import operator
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress

import structlog
from django.db import OperationalError, connection, models, transaction
from django.db.models import Q

from retention_app import clock
from retention_app.models import (
    ApiKey,
    ApiWrite,
    AuditEntry,
    Customer,
    DiscountCode,
    DomainEvent,
    EventRun,
    FailedTry,
    OperatorAction,
    Order,
    Outbound,
    PrivacyExport,
    PrivacyRequest,
    Reconciliation,
    Shop,
    SyncItem,
    SyncRun,
    Tombstone,
    WebhookDelivery,
)
from retention_app.outbound import NotStuck, outbound_skip
from retention_app.privacy import tombstones
from retention_app.privacy.deliveries import deliveries_forget, deliveries_naming
from retention_app.privacy.engines import engines
from retention_app.privacy.export import people_of
from retention_app.privacy.person import Person, family, person_of
from retention_app.search import words_forget
from retention_app.tenancy import current_shop_id
from retention_app.work import Keep

log = structlog.get_logger(__name__)


ERASED = "[erased]"  # stands for a text that named an erased person

_NOBODY = {"first_name": "", "last_name": "", "email": "", "locale": ""}
# Where people or machines write freely: table, column, how its rows name their shop. Errors are withheld from by
# pattern already, but a name has none.
_FREE_TEXTS: tuple[tuple[type[models.Model], str, str], ...] = (
    (FailedTry, "error", ""),
    (FailedTry, "traceback", ""),
    (OperatorAction, "reason", ""),
    (ApiKey, "name", "shop__domain"),
    (DiscountCode, "note", "shop__domain"),
    (EventRun, "error", "event__shop__domain"),
    (Outbound, "error", "shop__domain"),
    (Outbound, "reason", "shop__domain"),
    (PrivacyRequest, "error", "shop__domain"),
    (Reconciliation, "error", "shop__domain"),
    (SyncRun, "error", "shop__domain"),
    (WebhookDelivery, "error", "shop_domain"),
)


def customer_erase(
    shopify_id: int,
    *,
    body: bytes | None,
    keep: Keep,
    finish: Callable[[Mapping[str, int]], None],
) -> None:
    """Erase a customer of the shop in scope, with whoever was merged into them. `body` is the request's, `keep` is
    called now and then, `finish` with the proof (numbers, naming nobody) in the transaction that ends it."""
    shop = Shop.objects.get(id=current_shop_id())
    with transaction.atomic():
        tombstones.erasure_lock()
        rows = family(shopify_id)
        _tombstones_set({shopify_id: None} | {row.shopify_id: row for row in rows if row.shopify_id > 0})
    person = person_of(shopify_id, rows, body)
    proof: Counter[str] = Counter()
    for named in deliveries_naming(shop, person, keep):
        proof["deliveries"] += deliveries_forget(named)
    proof["exports"] = _exports_delete(person, keep)
    proof["texts"] = _texts_clear(shop, person, keep)
    SyncItem.objects.filter(run__phase=SyncRun.Phase.FAILED).delete()  # nobody reads what a given-up import staged
    with transaction.atomic():
        tombstones.erasure_lock()
        ids = [row.id for row in rows]
        words_forget(ids)
        for row in rows:
            _row_erase(row)
        proof["customers"] = len(rows)
        proof["orders_kept"] = Order.objects.filter(customer_id__in=ids).count()
        proof["calls_skipped"] = _calls_skip(ids)
        DiscountCode.objects.filter(customer_id__in=ids).update(note="")
        ApiWrite.objects.filter(customer_id__in=ids).delete()
        for engine in engines():
            proof.update({f"{engine.name}_{name}": count for name, count in engine.customer_erase(ids).items()})
        finish(dict(proof))
    _pages_clear()


def _tombstones_set(whom: Mapping[int, Customer | None]) -> None:
    now, shop_id = clock.now(), current_shop_id()
    for shopify_id, row in whom.items():
        Tombstone.objects.get_or_create(
            shop_id=shop_id, digest=tombstones.digest_of(shopify_id), defaults={"customer": row, "at": now}
        )


def _row_erase(row: Customer) -> None:
    """Put the row under a random id that no platform gives; what is said of it by the former id follows."""
    random_id = row.shopify_id if row.shopify_id < 0 else -secrets.randbelow(2**62) - 1
    told = DomainEvent.objects.filter(type__startswith="customer.", key__contains=str(row.shopify_id))
    for event in told if row.shopify_id > 0 else ():
        parts = [str(random_id) if part == str(row.shopify_id) else part for part in event.key.split(":")]
        DomainEvent.objects.filter(id=event.id).update(key=":".join(parts))
    Customer.objects.filter(id=row.id).update(shopify_id=random_id, gone_at=row.gone_at or clock.now(), **_NOBODY)


def _exports_delete(person: Person, keep: Keep) -> int:
    """Delete earlier files about the person; answers how many."""
    about = []
    for export in PrivacyExport.objects.all():
        if any(each["shopify_id"] in person.ids for each in people_of(export)):
            about.append(export.id)
        keep()
    PrivacyExport.objects.filter(id__in=about).delete()
    return len(about)


def _texts_clear(shop: Shop, person: Person, keep: Keep) -> int:
    """Take away the free texts that name the person; answers how many."""
    cleared = 0
    words = sorted({*person.emails, *person.phones, *person.names})
    for model, column, of_shop in _FREE_TEXTS if words else ():
        rows = model._default_manager.exclude(**{column: ""})
        if of_shop:
            rows = rows.filter(**{of_shop: shop.domain})
        named: Q = functools.reduce(operator.or_, (Q(**{f"{column}__icontains": word}) for word in words))
        cleared += rows.filter(named).update(**{column: ERASED})
        keep()
    for entry in AuditEntry.objects.exclude(data={}):
        if person.is_named_in(entry.data) or any(name in str(entry.data) for name in person.names):
            cleared += AuditEntry.objects.filter(id=entry.id).update(data={"erased": True})
        keep()
    return cleared


def _calls_skip(customer_ids: list[int]) -> int:
    """Give up what was wanted outside for the person and nobody has begun to ask for; answers how many."""
    wanted = Outbound.objects.filter(
        shop_id=current_shop_id(), customer_id__in=customer_ids, state=Outbound.State.WAITING, called_at=None
    )
    skipped = 0
    for call in wanted:
        with suppress(NotStuck):  # a worker has it in hand
            outbound_skip(call=call, reason="The customer was erased.")
            skipped += 1
    return skipped


def _pages_clear() -> None:
    """Have SQLite write its file anew without the pages it freed, and empty its journal. (PostgreSQL's autovacuum does
    as much in its own time.)"""
    if connection.vendor == "sqlite" and not connection.in_atomic_block:
        try:
            with connection.cursor() as cursor:
                cursor.execute("VACUUM")
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except OperationalError:  # somebody kept it busy; the next erasure does it
            log.warning("pages_not_cleared")
