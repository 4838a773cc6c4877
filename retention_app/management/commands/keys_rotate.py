"""Encrypt everything with the first of FIELD_ENCRYPTION_KEYS."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from retention_app.key_rotation import Rotated, keys_rotate


class Command(BaseCommand):
    help = (
        "Encrypts every stored secret with the first of FIELD_ENCRYPTION_KEYS. Put the new key in front, restart, run "
        "this, then take the old key away. May run while the app does, be stopped and be repeated."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only count")

    def handle(self, *args: Any, **options: Any) -> None:
        dry_run = options["dry_run"]
        results = keys_rotate(dry_run=dry_run, after_each=self._progress)
        if self.stderr.isatty():
            self.stderr.write("")
        for result in results:
            meanwhile = f", {result.overtaken} written meanwhile" if result.overtaken else ""
            verb = "to encrypt anew" if dry_run else "encrypted anew"
            self.stdout.write(f"{result.column}: {result.looked_at} read, {result.changed} {verb}{meanwhile}")
        unreadable = [row for result in results for row in result.unreadable]
        if unreadable:
            raise CommandError(
                f"No key opens {len(unreadable)}: {', '.join(unreadable)}. Put the key that made them back into "
                "FIELD_ENCRYPTION_KEYS and run this again."
            )

    def _progress(self, result: Rotated) -> None:
        if self.stderr.isatty():
            self.stderr.write(f"\r{result.column}: {result.looked_at}", ending="")
