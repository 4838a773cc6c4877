"""Erase a shop, as the platform's shop/redact does."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import CommandError, CommandParser

from retention_app.management.shop_command import ShopCommand
from retention_app.models import Shop
from retention_app.privacy.shop_erasure import ROWS_PER_BATCH, shop_counts, shop_erase


class Command(ShopCommand):
    help = (
        "Erases everything of a shop but counts and sums, for good, also where the app is still installed: its staff"
        " starts from nothing then. Interrupted, doing it again goes on."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--dry-run", action="store_true", help="only count the rows")
        parser.add_argument("--yes", action="store_true", help="don't ask")

    def handle_shop(self, shop: Shop, **options: Any) -> None:
        counts = shop_counts()
        total = sum(counts.values())
        for table, rows in counts.items():
            if rows:
                self.stdout.write(f"{table:40} {rows:>12,}")
        self.stdout.write(f"{total:,} rows of {shop.domain}.")
        if options["dry_run"]:
            return
        if not options["yes"] and input(f"Type {shop.handle} to erase them for good: ") != shop.handle:
            raise CommandError("Nothing was changed.")
        batches = 0

        def tell() -> None:
            nonlocal batches
            batches += 1
            if sys.stderr.isatty():
                self.stderr.write(f"\rat most {min(batches * ROWS_PER_BATCH, total):,} of {total:,} rows", ending="")

        proof = shop_erase(shop, keep=tell, even_installed=True)
        self.stdout.write(f"Erased {proof['rows']:,} rows; counts and sums stay with {shop.domain}.")
