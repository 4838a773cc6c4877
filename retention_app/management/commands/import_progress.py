"""A shop's import, watched from a terminal."""

from __future__ import annotations

import time
from typing import Any

import orjson
from django.core.management.base import CommandParser

from retention_app import sync
from retention_app.management.shop_command import ShopCommand
from retention_app.models import Shop
from retention_app.selectors import backlog

_FOLLOW_SECONDS = 2


class Command(ShopCommand):
    help = "Prints how far a shop's import is; with --follow a line whenever it moved, until everything is done."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--json", action="store_true", help="one JSON object a line")
        parser.add_argument("--follow", action="store_true", help="until the import and its event runs are done")

    def handle_shop(self, shop: Shop, **options: Any) -> None:
        shown = None
        while True:
            progress = sync.import_progress(shop_id=shop.id)
            left = backlog()["event_runs"]
            line = self._line(progress, left, as_json=options["json"])
            if line != shown:
                self.stdout.write(line)
                self.stdout.flush()
            shown = line
            if not options["follow"] or (progress and not progress["running"] and not left):
                return
            time.sleep(_FOLLOW_SECONDS)

    def _line(self, progress: dict[str, Any] | None, left: int, *, as_json: bool) -> str:
        if as_json:
            return orjson.dumps({**(progress or {"phase": None}), "event_runs": left}).decode()
        if progress is None:
            return "No import yet."
        total = progress["orders_total"]
        orders = f"{progress['orders']:,} of {total:,} orders" if total else f"{progress['orders']:,} orders"
        return f"Import {progress['phase']}: {progress['customers']:,} customers, {orders}, {left:,} runs left"
