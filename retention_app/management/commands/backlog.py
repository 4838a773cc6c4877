"""What is not yet done."""

from __future__ import annotations

from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandParser

from retention_app.selectors import backlog


class Command(BaseCommand):
    help = "Counts deliveries, event runs and outbound calls that aren't done yet, and dead ones, over all shops."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        counts = backlog()
        if options["json"]:
            self.stdout.write(orjson.dumps(counts).decode())
        else:
            for name, value in counts.items():
                self.stdout.write(f"{name:20} {value}")
