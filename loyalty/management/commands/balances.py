"""Every member's balances."""

from __future__ import annotations

from typing import Any

import orjson
from django.core.management.base import CommandParser

from loyalty.selectors import balances
from retention_app.management.shop_command import ShopCommand
from retention_app.models import Shop


class Command(ShopCommand):
    help = "Prints one line a member: the platform's customer id and what they have."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--json", action="store_true", help="a JSON object a line")

    def handle_shop(self, shop: Shop, **options: Any) -> None:
        for row in balances():
            if options["json"]:
                self.stdout.write(orjson.dumps(row).decode())
            else:
                self.stdout.write(f"{row['customer']:>20}  {row['points_available']:>12,} points")
