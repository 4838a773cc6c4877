"""The shop's numbers, as screens show them."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from django.core.management.base import CommandError, CommandParser

from retention_app.management.shop_command import ShopCommand
from retention_app.models import Shop
from retention_app.statistics import extra_stats, shop_numbers


class Command(ShopCommand):
    help = "Prints a shop's numbers; the last line with --json is one JSON object. Days are the shop's."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--json", action="store_true", help="one JSON object")
        parser.add_argument("--from", dest="start", metavar="YYYY-MM-DD", help="first day of the window")
        parser.add_argument("--to", dest="end", metavar="YYYY-MM-DD", help="last day of the window")

    def handle_shop(self, shop: Shop, **options: Any) -> None:
        numbers = shop_numbers(shop, start=_day(shop, options["start"]), end=_day(shop, options["end"], after=True))
        stats = {
            "customers": numbers.customers,
            "orders": numbers.orders,
            "revenue_minor": numbers.revenue_minor,
            "currency": numbers.currency,
            "repeat_customers": numbers.repeat_customers,
            "repeat_rate": None if numbers.repeat_rate is None else round(numbers.repeat_rate, 4),
            "ladder": [round(step.rate, 4) for step in numbers.ladder],
            "aov_minor": numbers.aov_minor,
            **extra_stats(),
        }
        if options["json"]:
            self.stdout.write(orjson.dumps(stats).decode())
        else:
            for name, value in stats.items():
                self.stdout.write(f"{name:20} {value}")


def _day(shop: Shop, text: str | None, *, after: bool = False) -> dt.datetime | None:
    """The instant a day of the shop begins, or with `after` ends. Raises CommandError for a malformed day."""
    if text is None:
        return None
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        raise CommandError(f"{text} is no day; write YYYY-MM-DD.") from None
    return dt.datetime.combine(day + dt.timedelta(days=after), dt.time(), tzinfo=ZoneInfo(shop.timezone))
