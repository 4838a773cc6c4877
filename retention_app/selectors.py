"""Reads of the kernel's tables."""

from __future__ import annotations

from django.db.models import QuerySet

from retention_app.models import EventRun, Outbound, PrivacyRequest, Shop, SyncRun, WebhookDelivery
from retention_app.work import Queued


def shop_named(name: str) -> Shop:
    """The shop called `aurora` or `aurora.myshopify.com`. Raises `Shop.DoesNotExist`."""
    return Shop.objects.get(domain=name if "." in name else f"{name}.myshopify.com")


def installed_shops() -> QuerySet[Shop]:
    return Shop.objects.filter(state=Shop.State.INSTALLED).order_by("id")


def backlog() -> dict[str, int]:
    """What is not yet done over all shops: `deliveries`, `event_runs` (imports and privacy requests under way count
    as one each), `outbound` calls, and `dead` rows put aside."""
    queues = (WebhookDelivery, EventRun, PrivacyRequest, Outbound)
    deliveries, runs, asked, calls = (_counted(queue, "waiting") for queue in queues)
    imports = SyncRun.objects.exclude(phase__in=[SyncRun.Phase.DONE, SyncRun.Phase.FAILED]).count()
    return {
        "deliveries": deliveries,
        "event_runs": runs + imports + asked,
        "outbound": calls,
        "dead": sum(_counted(queue, "dead") for queue in queues),
    }


def _counted(model: type[Queued], state: str) -> int:
    """Rows in this state alone: a partial index holds them, whatever else the table keeps."""
    return model._default_manager.filter(state=state).count()
