"""Erasing a shop: counts and sums are all that is left of it.

Every table with a shop's rows is emptied, found through the models, so that a new one can't be forgotten. It happens in
batches; meanwhile the shop is REDACTED without a date, and nobody can install it. Killed, doing it again goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import structlog
from django.apps import apps
from django.db import connection, models, transaction

from retention_app import clock, statistics
from retention_app.models import (
    EventRun,
    FailedTry,
    Outbound,
    PrivacyRequest,
    Reconciliation,
    Shop,
    ShopToken,
    WebhookDelivery,
)
from retention_app.models.shop import new_public_id
from retention_app.tenancy import current_shop_id
from retention_app.work import QUEUES, Keep

log = structlog.get_logger(__name__)

ROWS_PER_BATCH = 5_000

KEPT = frozenset({PrivacyRequest})  # the proof: kinds, dates and numbers


class StillWritten(Exception):
    """Somebody wrote rows of a shop that is being erased; erasing it again takes them too."""


def shop_models() -> list[type[models.Model]]:
    """Every table with rows of shops, those that refer to others first."""
    left = {
        model
        for model in apps.get_models()
        if any(field.column == "shop_id" for field in model._meta.concrete_fields) and model not in KEPT
    }
    ordered: list[type[models.Model]] = []
    while left:
        free = {model for model in left if not any(model in _referred(other) for other in left if other is not model)}
        if not free:
            raise RuntimeError(f"Tables that refer to each other: {sorted(model.__name__ for model in left)}.")
        ordered += sorted(free, key=lambda model: model._meta.db_table)
        left -= free
    return ordered


def _referred(model: type[models.Model]) -> set[Any]:
    return {field.related_model for field in model._meta.concrete_fields if field.is_relation}


def shop_counts() -> dict[str, int]:
    """How many rows the shop in scope has, by table."""
    shop = Shop.objects.get(id=current_shop_id())
    counts = {model._meta.db_table: model._default_manager.filter(shop_id=shop.id).count() for model in shop_models()}
    return {**counts, WebhookDelivery._meta.db_table: WebhookDelivery.objects.filter(shop_domain=shop.domain).count()}


def shop_erase(shop: Shop, *, keep: Keep, even_installed: bool = False) -> dict[str, Any]:
    """Erase the shop in scope; answers the proof: rows deleted. `keep` is called after each batch.

    A shop that has the app again is left alone, unless `even_installed`: then its staff start from nothing when they
    open the app the next time. Outside a transaction.
    """
    aggregates = _aggregates(shop) if shop.state != Shop.State.REDACTED else {}
    with transaction.atomic():
        shop.refresh_from_db(from_queryset=Shop.objects.select_for_update())
        if shop.state == Shop.State.INSTALLED and not even_installed:
            return {"ignored": "installed again"}
        if shop.state != Shop.State.REDACTED:
            shop.state, shop.redacted_at, shop.aggregates = Shop.State.REDACTED, None, aggregates
            shop.uninstalled_at = shop.uninstalled_at or clock.now()
            shop.save(update_fields=["state", "redacted_at", "aggregates", "uninstalled_at"])
            ShopToken.objects.all().delete()
    deleted = sum(_tries_delete(shop, keep), sum(_deliveries_delete(shop, keep)))
    for model in shop_models():
        for field in model._meta.concrete_fields:
            if field.related_model is model:  # rows of a table that refer to each other
                model._default_manager.exclude(**{field.name: None}).update(**{field.name: None})
        for rows in _rows_delete(model):
            deleted += rows
            keep()
    if left := {table: rows for table, rows in shop_counts().items() if rows}:
        raise StillWritten(f"Rows were written while the shop was erased: {left}.")
    _forget(shop)
    log.info("shop_erased", shop=shop.domain, rows=deleted)
    return {"rows": deleted}


def _aggregates(shop: Shop) -> dict[str, Any]:
    numbers = statistics.shop_numbers(shop)
    return {
        "at": clock.now().isoformat(),
        "customers": numbers.customers,
        "orders": numbers.orders,
        "revenue_minor": numbers.revenue_minor,
        "currency": numbers.currency,
        "repeat_customers": numbers.repeat_customers,
        **statistics.extra_stats(),
    }


def _rows_delete(model: type[models.Model]) -> Iterator[int]:
    """Delete the shop's rows of a table, a batch a transaction; each answers how many.

    Tables that refuse to lose rows let them go for the shop this transaction says it erases (`loyalty.append_only`).
    """
    table, key, shop_id = model._meta.db_table, model._meta.pk.column, current_shop_id()
    batch = f"SELECT {key} FROM {table} WHERE shop_id = %s LIMIT {ROWS_PER_BATCH}"
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("SELECT set_config('app.redacting_shop', %s, true)", [str(shop_id)])
            cursor.execute(f"DELETE FROM {table} WHERE shop_id = %s AND {key} IN ({batch})", [shop_id, shop_id])
            rows = cursor.rowcount
        if rows:
            yield rows
        if rows < ROWS_PER_BATCH:
            return


def _deliveries_delete(shop: Shop, keep: Keep) -> Iterator[int]:
    of_shop = WebhookDelivery.objects.filter(shop_domain=shop.domain)
    while ids := list(of_shop.values_list("id", flat=True)[:ROWS_PER_BATCH]):
        with transaction.atomic():
            FailedTry.objects.filter(queue=FailedTry.Queue.DELIVERY, row_id__in=ids).delete()
            rows, _ = WebhookDelivery.objects.filter(id__in=ids).delete()
        yield rows
        keep()


def _tries_delete(shop: Shop, keep: Keep) -> Iterator[int]:
    """The failed tries of the shop's queued rows, which know the shop only through them."""
    for queue in (EventRun, Outbound, Reconciliation):
        of_shop: models.QuerySet[Any, Any] = queue._default_manager.filter(shop_id=shop.id).values("id")
        rows, _ = FailedTry.objects.filter(queue=QUEUES[queue], row_id__in=of_shop).delete()
        yield rows
        keep()


def _forget(shop: Shop) -> None:
    """Leave domain, dates and aggregates of the shop's own row; its currency says what the sums are in."""
    blank = Shop(domain=shop.domain, installed_at=shop.installed_at)
    kept = ("id", "domain", "public_id", "currency", "state", "installed_at", "uninstalled_at", "aggregates")
    emptied = {
        field.attname: getattr(blank, field.attname)
        for field in Shop._meta.concrete_fields
        if field.attname not in kept
    }
    Shop.objects.filter(id=shop.id, state=Shop.State.REDACTED, redacted_at=None).update(
        **{**emptied, "public_id": new_public_id(), "redacted_at": clock.now()}
    )
