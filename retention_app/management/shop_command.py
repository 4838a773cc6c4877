"""The base of commands that work on one shop."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from retention_app.models import Shop
from retention_app.selectors import shop_named
from retention_app.tenancy import shop_scope


class ShopCommand(BaseCommand):
    """Adds `--shop`, opens that shop's scope and calls `handle_shop`."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--shop", required=True, help="the shop's name (aurora) or domain")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options.pop("shop")
        try:
            shop = shop_named(name)
        except Shop.DoesNotExist:
            raise CommandError(f"No shop called {name} is installed.") from None
        with shop_scope(shop.id):
            self.handle_shop(shop, **options)

    def handle_shop(self, shop: Shop, **options: Any) -> None:
        raise NotImplementedError
