"""The worker's part, run in the test's own process."""

from __future__ import annotations

from django.db.models import Q

from retention_app import clock, events, outbound, tasks
from retention_app.models import EventRun, PrivacyRequest, Reconciliation, SyncRun, WebhookDelivery

_ROUNDS_MAX = 1000


def work_off() -> None:
    """Run deliveries, imports and event runs that are due until there are none."""
    for _ in range(_ROUNDS_MAX):
        free = Q(due_at__lte=clock.now()) & Q(lease_until=None)
        domains = list(
            WebhookDelivery.objects.filter(free, state="waiting").values_list("shop_domain", flat=True).distinct()
        )
        imports = list(SyncRun.objects.filter(free).exclude(phase__in=["done", "failed"]).values_list("shop_id", "id"))
        runs = list(
            EventRun.objects.filter(free, state="waiting", consumer__in=events.consumers())
            .values_list("shop_id", "consumer")
            .distinct()
        )
        waiting = Reconciliation.objects.filter(free, state="waiting")
        comparisons = list(waiting.values_list("shop_id", flat=True).distinct())
        asked = list(PrivacyRequest.objects.filter(free, state="waiting").values_list("shop_id", flat=True).distinct())
        callers = list(outbound.due_calls().values_list("shop_id", flat=True).distinct())
        if not (domains or imports or comparisons or asked or callers or runs):
            return
        for domain in domains:
            tasks.deliveries_work(shop_domain=domain)
        for shop_id, run_id in imports:
            tasks.sync_work(shop_id=shop_id, run_id=run_id)
        for shop_id in comparisons:
            tasks.reconcile_work(shop_id=shop_id)
        for shop_id in asked:
            tasks.privacy_work(shop_id=shop_id)
        for shop_id in callers:
            tasks.outbound_work(shop_id=shop_id)
        for shop_id, consumer in runs:
            tasks.event_runs_work(shop_id=shop_id, consumer=consumer)
    raise AssertionError("The workers never came to an end.")
