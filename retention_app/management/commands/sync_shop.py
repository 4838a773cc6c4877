"""Import a shop's history, again or for the first time."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from retention_app import sync
from retention_app.management.shop_command import ShopCommand
from retention_app.models import Shop


class Command(ShopCommand):
    help = "Asks the workers to import a shop's customers, products and orders. Safe to repeat."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--dry-run", action="store_true", help="only say what would be done")

    def handle_shop(self, shop: Shop, **options: Any) -> None:
        if options["dry_run"]:
            self.stdout.write(f"Would import {shop.domain}.")
            return
        run = sync.sync_start(shop_id=shop.id)
        self.stdout.write(f"Import {run.id} of {shop.domain} is under way ({run.phase}).")
