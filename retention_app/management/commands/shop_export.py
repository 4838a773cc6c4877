"""Everything of a shop as a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

import orjson
from django.core.management.base import CommandError, CommandParser
from django.db import models

from retention_app.management.shop_command import ShopCommand
from retention_app.models import ApiKey, PrivacyRequest, Shop, ShopToken, WebhookDelivery
from retention_app.privacy.shop_erasure import shop_counts, shop_models

_ROWS_PER_READ = 1_000
_LEFT_OUT = frozenset({ApiKey, ShopToken})  # keys to the shop, not data of the shop


class Command(ShopCommand):
    help = "Writes every row of a shop to a file, a JSON object with its table's name a line. It holds personal data."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--out", required=True, help="the file to write; it must not exist yet")
        parser.add_argument("--dry-run", action="store_true", help="only count the rows")

    def handle_shop(self, shop: Shop, **options: Any) -> None:
        counts = shop_counts()
        if options["dry_run"]:
            for table, rows in counts.items():
                self.stdout.write(f"{table:40} {rows:>12,}")
            return
        try:
            descriptor = os.open(options["out"], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise CommandError(
                f"{options['out']} can't be written: {error.strerror or error} (exists already?)"
            ) from error
        total, written = sum(counts.values()), 0
        with open(descriptor, "wb") as file:
            for line in self._lines(shop):
                file.write(line)
                written += 1
                if written % _ROWS_PER_READ == 0 and sys.stderr.isatty():
                    self.stderr.write(f"\r{written:,} of {total:,} rows", ending="")
        self.stdout.write(f"{written:,} rows of {shop.domain} are in {options['out']}.")

    def _lines(self, shop: Shop) -> Iterator[bytes]:
        yield _line(shop)
        tables: list[type[models.Model]] = [*reversed(shop_models()), PrivacyRequest]
        for model in tables:
            if model not in _LEFT_OUT:
                yield from _rows(model._default_manager.filter(shop_id=shop.id))
        yield from _rows(WebhookDelivery.objects.filter(shop_domain=shop.domain))


def _rows(rows: models.QuerySet[Any]) -> Iterator[bytes]:
    """The rows in order of their id, so many in memory at a time."""
    last = 0
    while page := list(rows.filter(pk__gt=last).order_by("pk")[:_ROWS_PER_READ]):
        yield from map(_line, page)
        last = page[-1].pk


def _line(row: models.Model) -> bytes:
    columns = {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
    return orjson.dumps({"table": row._meta.model_name, **columns}, default=_text) + b"\n"


def _text(value: Any) -> str:
    """A raw body as text."""
    return bytes(value).decode(errors="replace") if isinstance(value, bytes | memoryview) else str(value)
