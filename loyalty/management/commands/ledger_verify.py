"""Compares the ledger with the facts, and repairs what a member's entries and facts decide."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from loyalty.verification import Verification, ledger_verify
from retention_app.models import Shop
from retention_app.selectors import shop_named
from retention_app.tenancy import shop_scope

BAR = 40  # characters


class Command(BaseCommand):
    help = (
        "Rebuilds every statement and compares it with the ledger; exits with 1 and the differences if there are any."
        " On a terminal a bar shows how far it is."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--shop", help="the shop's name (aurora) or domain; all shops without it")
        parser.add_argument(
            "--repair",
            action="store_true",
            help="bring the members concerned up to date, take their balances from the entries, then look again",
        )
        parser.add_argument("--dry-run", action="store_true", help="with --repair: only show what it would do")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            shops = [shop_named(options["shop"])] if options["shop"] else list(Shop.objects.order_by("id"))
        except Shop.DoesNotExist:
            raise CommandError(f"No shop called {options['shop']} is installed.") from None
        repair = options["repair"] and not options["dry_run"]
        wrong = False
        for shop in shops:
            with shop_scope(shop.id):
                result = ledger_verify(repair=repair, progress=self._bar)
            self._tell(shop, result, proposed=options["repair"] and options["dry_run"])
            wrong = wrong or bool(result.findings)
        if wrong:
            sys.exit(1)

    def _tell(self, shop: Shop, result: Verification, *, proposed: bool) -> None:
        for finding in result.findings:
            self.stderr.write(f"{shop.handle}: {finding}")
        if result.repaired:
            posted = result.posted
            self.stdout.write(
                f"{shop.handle}: repaired {result.repaired:,} members, posted {posted.entries:,} differences of"
                f" {posted.points:+,} points."
            )
        if result.wrong and proposed:
            self.stdout.write(
                f"{shop.handle}: --repair would bring {result.wrong:,} members up to date, as told above. Nothing was"
                " written."
            )
        elif result.wrong:
            self.stdout.write(
                f"{shop.handle}: {result.wrong:,} members are wrong. `ledger_verify --shop {shop.handle} --repair`"
                " brings them up to date; with --dry-run it shows what it would post."
            )
        verdict = f"{len(result.findings)} differences" if result.findings else "OK"
        self.stdout.write(
            f"{shop.handle}: ledger {verdict}, checked {result.accounts:,} accounts and {result.entries:,} entries."
        )

    def _bar(self, share: float) -> None:
        if self.stderr.isatty():
            filled = round(share * BAR)
            self.stderr.write(
                f"\r[{'#' * filled}{'.' * (BAR - filled)}] {share:4.0%}", ending="\n" if share >= 1 else ""
            )
            self.stderr.flush()
