"""Celery tasks: thin adapters that claim due work and hand it to a service. Losing one loses nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import structlog
from celery import Task, shared_task
from celery.signals import worker_ready
from django.core.management import call_command
from django.db.models import Q

from retention_app import clock, outbound, sync, work
from retention_app.counts import count_and_keep
from retention_app.events import BATCH_MAX, Consumer, consumers
from retention_app.models import DomainEvent, EventRun, PrivacyRequest, Reconciliation, Shop, SyncRun, WebhookDelivery
from retention_app.observability import RUNS, ids_said
from retention_app.shopify.errors import ShopClosed, TransientError
from retention_app.tenancy import shop_scope

log = structlog.get_logger(__name__)

SLICE_SECONDS = 20  # a task hands over to a successor after this, so that shops take turns
IMPORT_SLICE_SECONDS = 300  # longer: each slice reads its file from the start and passes over what is committed


class UnknownShop(Exception):
    """A delivery names a shop that never installed the app."""


class ShopTask(Task):  # type: ignore[type-arg]
    """Opens the scope of the `shop_id` the task is called with."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with shop_scope(kwargs["shop_id"]), structlog.contextvars.bound_contextvars(task=self.name):
            return super().__call__(*args, **kwargs)


def _until(seconds: float = SLICE_SECONDS) -> dt.datetime:
    return clock.now() + dt.timedelta(seconds=seconds)


@shared_task(base=ShopTask)
def shop_count(*, shop_id: int) -> None:
    """Count a big shop's numbers for Home."""
    count_and_keep(Shop.objects.get(id=shop_id))


@shared_task(base=ShopTask)
def event_runs_work(*, shop_id: int, consumer: str) -> None:
    """Work off a consumer's due runs, batch by batch."""
    until = _until()
    limit = BATCH_MAX if consumers()[consumer].batch else 1
    while runs := sorted(
        work.claim(EventRun, shop_id=shop_id, consumer=consumer, limit=limit), key=lambda run: run.event_id
    ):
        events = DomainEvent.objects.in_bulk([run.event_id for run in runs])
        if consumers()[consumer].batch:
            runs_handle(consumers()[consumer], runs, events)
        else:
            _run_step(consumers()[consumer], runs[0], events[runs[0].event_id], until)
        if clock.now() >= until:
            event_runs_work.delay(shop_id=shop_id, consumer=consumer)
            return


def runs_handle(consumer: Consumer, runs: list[EventRun], events: dict[int, DomainEvent]) -> None:
    """Hand a batch to its consumer; a failing batch is split until the bad run is alone, the rest goes through."""
    assert consumer.batch is not None
    batch = consumer.batch

    def handle(some: Sequence[EventRun]) -> None:
        with structlog.contextvars.bound_contextvars(event_ids=ids_said(run.event_id for run in some)):
            batch([events[run.event_id] for run in some])
            log.info("events_worked", consumer=consumer.name)

    def put_back(run: EventRun, error: Exception) -> None:
        log.error("event_run_failed", consumer=consumer.name, event_ids=str(run.event_id), exc_info=error)
        RUNS.labels(consumer.name, "failed").inc()
        work.failed(run, error)

    for passed in work.in_halves(runs, handle, put_back):
        work.done(passed)
        RUNS.labels(consumer.name, "done").inc(len(passed))


def _run_step(consumer: Consumer, run: EventRun, event: DomainEvent, until: dt.datetime) -> None:
    """Take steps of a long run, keeping its cursor, until it is done or its slice of time is over."""
    assert consumer.step is not None
    cursor: int | None = run.cursor
    try:
        with structlog.contextvars.bound_contextvars(event_ids=str(event.id)):
            while cursor is not None and clock.now() < until:
                cursor = consumer.step(event, cursor)
                if cursor is not None and not work.run_advanced(run, cursor):
                    return
    except Exception as error:
        log.exception("event_run_failed", consumer=consumer.name, event_ids=str(event.id))
        RUNS.labels(consumer.name, "failed").inc()
        work.failed(run, error)
        return
    if cursor is None:
        work.done([run])
        RUNS.labels(consumer.name, "done").inc()
    else:
        work.run_handed_over(run)


@shared_task(base=ShopTask)
def sync_work(*, shop_id: int, run_id: int) -> None:
    """Advance an import; comes back by itself while there is more to do."""
    if not work.sync_claim(run_id=run_id):
        return
    if sync.sync_advance(run_id=run_id, until=_until(IMPORT_SLICE_SECONDS)):
        sync_work.delay(shop_id=shop_id, run_id=run_id)
        return
    run = SyncRun.objects.get(id=run_id)
    if run.running:
        seconds = max((run.due_at - clock.now()).total_seconds(), 0)
        sync_work.apply_async(kwargs={"shop_id": shop_id, "run_id": run_id}, countdown=seconds)


@shared_task
def deliveries_work(*, shop_domain: str) -> None:
    """Work off the deliveries that name a shop."""
    from retention_app import intake

    until = _until()
    while deliveries := work.claim(WebhookDelivery, shop_domain=shop_domain, limit=work.DELIVERIES_PER_CLAIM):
        shop = Shop.objects.filter(domain=shop_domain).first()  # it may be installed between two claims
        if shop is None:
            for delivery in deliveries:
                if not intake.readdress(delivery):
                    work.failed(delivery, UnknownShop("No such shop is installed."), permanent=True)
        else:
            with shop_scope(shop.id):
                intake.deliveries_apply(shop, deliveries)
        if clock.now() >= until:
            deliveries_work.delay(shop_domain=shop_domain)
            return


@shared_task(base=ShopTask)
def outbound_work(*, shop_id: int) -> None:
    """Make a shop's due calls to the outside; comes back by itself while there is more to do."""
    seconds = outbound.calls_make(shop_id=shop_id, until=_until())
    if seconds is not None:
        outbound_work.apply_async(kwargs={"shop_id": shop_id}, countdown=seconds)


@shared_task(base=ShopTask)
def reconcile_work(*, shop_id: int) -> None:
    """Do a shop's comparisons with the platform that are due."""
    from retention_app import reconcile

    until = _until()
    while rows := work.claim(Reconciliation, shop_id=shop_id, limit=1):
        reconcile.reconcile(rows[0], until=until)
        if clock.now() >= until:
            reconcile_work.delay(shop_id=shop_id)
            return


@shared_task(base=ShopTask)
def privacy_work(*, shop_id: int) -> None:
    """Do what people and the platform ask of a shop's data, one request after another."""
    from retention_app.privacy.requests import request_work

    until = _until()
    while requests := work.claim(PrivacyRequest, shop_id=shop_id, limit=1):
        request_work(requests[0])
        if clock.now() >= until:
            privacy_work.delay(shop_id=shop_id)
            return


@shared_task
def retention_work() -> None:
    """Delete, over all shops, what nobody needs any more."""
    from retention_app.privacy.retention import retention_enforce

    retention_enforce()


@shared_task
def sessions_clear() -> None:
    """Delete sessions of operators that ran out."""
    call_command("clearsessions")


@shared_task
def reconcile_changes() -> None:
    """Compare what changed lately, in every shop."""
    _reconcile_everywhere(Reconciliation.Kind.CHANGES)


@shared_task
def reconcile_whole() -> None:
    """Compare counts, and where they differ everything, in every shop."""
    _reconcile_everywhere(Reconciliation.Kind.WHOLE)


def _reconcile_everywhere(kind: Reconciliation.Kind) -> None:
    from retention_app.doors import for_each_shop
    from retention_app.reconcile import reconciliation_due

    for_each_shop(lambda shop: reconciliation_due(shop, kind))


@shared_task
def sweep() -> None:
    """Find due work whose wake-up was lost, over all shops, and wake a worker for it."""
    free = Q(due_at__lte=clock.now()) & work.unleased()
    waiting = WebhookDelivery.objects.filter(free, state=WebhookDelivery.State.WAITING)
    for shop_domain in waiting.values_list("shop_domain", flat=True).distinct():
        deliveries_work.delay(shop_domain=shop_domain)
    for shop_id, run_id in (
        SyncRun.objects.filter(free)
        .exclude(phase__in=[SyncRun.Phase.DONE, SyncRun.Phase.FAILED])
        .values_list("shop_id", "id")
    ):
        sync_work.delay(shop_id=shop_id, run_id=run_id)
    comparisons = Reconciliation.objects.filter(free, state=Reconciliation.State.WAITING)
    for shop_id in comparisons.values_list("shop_id", flat=True).distinct():
        reconcile_work.delay(shop_id=shop_id)
    asked = PrivacyRequest.objects.filter(free, state=PrivacyRequest.State.WAITING)
    for shop_id in asked.values_list("shop_id", flat=True).distinct():
        privacy_work.delay(shop_id=shop_id)
    for shop_id in outbound.due_calls().values_list("shop_id", flat=True).distinct():
        outbound_work.delay(shop_id=shop_id)
    runs = EventRun.objects.filter(free, state=EventRun.State.WAITING)
    for shop_id, consumer in runs.values_list("shop_id", "consumer").distinct():
        if consumer in consumers():
            event_runs_work.delay(shop_id=shop_id, consumer=consumer)


@worker_ready.connect
def sweep_on_start(**kwargs: Any) -> None:
    """A worker that starts doesn't wait a minute for what its predecessor left, nor for the leases it died with."""
    sweep.delay()
    sweep.apply_async(countdown=work.LEASE_SECONDS + 1)


@shared_task
def shops_look_again() -> None:
    """Ask whether closed shops are open again, where no other work does, and what isn't known of older ones."""
    from retention_app.doors import for_each_shop
    from retention_app.services.install import shop_reread

    def look(shop: Shop) -> None:
        if shop.trouble == Shop.Trouble.FROZEN or not (shop.trouble or shop.customer_accounts):
            with suppress(ShopClosed, TransientError):
                shop_reread(shop_id=shop.id)

    for_each_shop(look)


@shared_task
def tokens_keep_alive() -> None:
    """Refresh tokens of shops that made no call for a while, so that their refresh tokens don't run out."""
    from retention_app.doors import for_each_shop
    from retention_app.shopify import tokens

    for_each_shop(lambda shop: tokens.keep_alive(shop.id))
