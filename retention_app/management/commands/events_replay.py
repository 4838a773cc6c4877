"""Hand events to a consumer again."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from retention_app import clock
from retention_app.events import BATCH_MAX, consumers, runs_insert
from retention_app.management.shop_command import ShopCommand
from retention_app.models import DomainEvent, EventRun, Shop
from retention_app.tasks import event_runs_work


class Command(ShopCommand):
    help = "Queues a consumer's runs for a shop's events again: those put aside, and those it never had."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--consumer", required=True, help="e.g. loyalty.bring_up_to_date")
        parser.add_argument("--dry-run", action="store_true", help="only count")

    def handle_shop(self, shop: Shop, **options: Any) -> None:
        consumer = consumers().get(options["consumer"])
        if consumer is None:
            raise CommandError(f"No such consumer; there are: {', '.join(sorted(consumers()))}.")
        dead = EventRun.objects.filter(shop_id=shop.id, consumer=consumer.name, state=EventRun.State.DEAD)
        missing = DomainEvent.objects.filter(type__in=consumer.types).exclude(runs__consumer=consumer.name)
        self.stdout.write(f"{dead.count()} put aside, {missing.count()} never run.")
        if options["dry_run"]:
            return
        dead.update(state=EventRun.State.WAITING, attempts=0, due_at=clock.now(), lease_until=None)
        while ids := list(missing.order_by("id").values_list("id", flat=True)[:BATCH_MAX]):
            with transaction.atomic():
                runs_insert([{"event_id": id_, "consumer": consumer.name} for id_ in ids], shop_id=shop.id)
        event_runs_work.delay(shop_id=shop.id, consumer=consumer.name)
