"""Reads of the kernel's tables."""

from __future__ import annotations

from django.db.models import Count, QuerySet

from retention_app.models import EventRun, Outbound, PrivacyRequest, Shop, SyncRun, WebhookDelivery


def shop_named(name: str) -> Shop:
    """The shop called `aurora` or `aurora.myshopify.com`. Raises `Shop.DoesNotExist`."""
    return Shop.objects.get(domain=name if "." in name else f"{name}.myshopify.com")


def installed_shops() -> QuerySet[Shop]:
    return Shop.objects.filter(state=Shop.State.INSTALLED).order_by("id")


def backlog() -> dict[str, int]:
    """What is not yet done over all shops: `deliveries`, `event_runs` (imports and privacy requests under way count
    as one each), `outbound` calls, and `dead` rows put aside."""
    deliveries = dict(WebhookDelivery.objects.values_list("state").annotate(Count("id")))
    runs = dict(EventRun.objects.values_list("state").annotate(Count("id")))
    calls = dict(Outbound.objects.values_list("state").annotate(Count("id")))
    asked = dict(PrivacyRequest.objects.values_list("state").annotate(Count("id")))
    imports = SyncRun.objects.exclude(phase__in=[SyncRun.Phase.DONE, SyncRun.Phase.FAILED]).count()
    return {
        "deliveries": deliveries.get("waiting", 0),
        "event_runs": runs.get("waiting", 0) + imports + asked.get("waiting", 0),
        "outbound": calls.get("waiting", 0),
        "dead": sum(queue.get("dead", 0) for queue in (deliveries, runs, calls, asked)),
    }
