"""Compare a shop's mirror with the platform now."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from retention_app.management.shop_command import ShopCommand
from retention_app.models import Reconciliation, Shop
from retention_app.reconcile import reconciliation_start


class Command(ShopCommand):
    help = "Asks the workers to compare a shop's mirror with the platform and to repair what differs. Safe to repeat."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--dry-run", action="store_true", help="only say what would be done")

    def handle_shop(self, shop: Shop, **options: Any) -> None:
        if options["dry_run"]:
            self.stdout.write(f"Would compare {shop.domain} with the platform.")
            return
        row = reconciliation_start(shop_id=shop.id, kind=Reconciliation.Kind.ASKED)
        self.stdout.write(f"Comparison {row.id} of {shop.domain} is under way.")
