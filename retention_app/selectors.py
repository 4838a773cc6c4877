"""Reads of the kernel's tables."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from django.db.models import Exists, OuterRef, QuerySet

from retention_app.models import (
    Customer,
    EventRun,
    OrderDiscountCode,
    Outbound,
    PrivacyRequest,
    ProductLabel,
    Shop,
    SyncRun,
    WebhookDelivery,
)
from retention_app.search import with_email
from retention_app.work import Queued


def shop_named(name: str) -> Shop:
    """The shop called `aurora` or `aurora.myshopify.com`. Raises `Shop.DoesNotExist`."""
    return Shop.objects.get(domain=name if "." in name else f"{name}.myshopify.com")


def installed_shops() -> QuerySet[Shop]:
    return Shop.objects.filter(state=Shop.State.INSTALLED).order_by("id")


def customers_present(*, email: str = "", updated_since: dt.datetime | None = None) -> QuerySet[Customer]:
    """The customers of the shop in scope whom the platform knows now, by its id: neither gone, nor merged into somebody
    else, nor erased. With `email` who has this address, with `updated_since` who changed since."""
    found = Customer.objects.filter(merged_into=None, gone_at=None, shopify_id__gt=0).order_by("shopify_id")
    if email:
        found = found.filter(with_email(email))
    return found.filter(updated_at__gte=updated_since) if updated_since else found


Label = tuple[str, dt.datetime | None, dt.datetime | None]  # text, since, until (exclusive); None is for ever


def labels_of(product_shopify_ids: Iterable[int]) -> dict[int, list[Label]]:
    """What products of the shop in scope are and were called, in one look; those of deleted products too."""
    found: dict[int, list[Label]] = {id_: [] for id_ in product_shopify_ids}
    rows = ProductLabel.objects.filter(product_shopify_id__in=found).order_by("id")
    for shopify_id, label, since, until in rows.values_list("product_shopify_id", "label", "since", "until"):
        found[shopify_id].append((label, since, until))
    return found


def orders_with_codes(codes: Iterable[str]) -> dict[str, list[int]]:
    """The orders (ids of the mirror) of the shop in scope that were placed with each of these discount codes."""
    found: dict[str, list[int]] = {code: [] for code in codes}
    wanted = {code.upper(): code for code in found}
    rows = OrderDiscountCode.objects.filter(code__in=wanted).order_by("order_id")
    for code, order_id in rows.values_list("code", "order_id"):
        found[wanted[code]].append(order_id)
    return found


def backlog() -> dict[str, int]:
    """What is not yet done over all shops: `deliveries`, `event_runs` (imports and privacy requests under way count
    as one each), `outbound` calls, and `dead` rows put aside, with the imports that installed shops' last ended by."""
    queues = (WebhookDelivery, EventRun, PrivacyRequest, Outbound)
    deliveries, runs, asked, calls = (_counted(queue, "waiting") for queue in queues)
    imports = SyncRun.objects.exclude(phase__in=[SyncRun.Phase.DONE, SyncRun.Phase.FAILED]).count()
    later = SyncRun.objects.filter(shop=OuterRef("shop"), id__gt=OuterRef("id"))
    given_up = SyncRun.objects.filter(~Exists(later), phase=SyncRun.Phase.FAILED, shop__state=Shop.State.INSTALLED)
    return {
        "deliveries": deliveries,
        "event_runs": runs + imports + asked,
        "outbound": calls,
        "dead": sum(_counted(queue, "dead") for queue in queues) + given_up.count(),
    }


def _counted(model: type[Queued], state: str) -> int:
    """Rows in this state alone: a partial index holds them, whatever else the table keeps."""
    return model._default_manager.filter(state=state).count()
