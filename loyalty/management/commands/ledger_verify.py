"""Compares the ledger with the facts."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from loyalty.verification import ledger_verify
from retention_app.models import Shop
from retention_app.selectors import shop_named
from retention_app.tenancy import shop_scope


class Command(BaseCommand):
    help = (
        "Rebuilds every statement and compares it with the ledger; exits with 1 and the differences if there are any."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--shop", help="the shop's name (aurora) or domain; all shops without it")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            shops = [shop_named(options["shop"])] if options["shop"] else list(Shop.objects.order_by("id"))
        except Shop.DoesNotExist:
            raise CommandError(f"No shop called {options['shop']} is installed.") from None
        wrong = False
        for shop in shops:
            with shop_scope(shop.id):
                result = ledger_verify()
            for finding in result.findings:
                self.stderr.write(f"{shop.handle}: {finding}")
            verdict = f"{len(result.findings)} differences" if result.findings else "OK"
            self.stdout.write(
                f"{shop.handle}: ledger {verdict}, checked {result.accounts:,} accounts and {result.entries:,} entries."
            )
            wrong = wrong or bool(result.findings)
        if wrong:
            sys.exit(1)
