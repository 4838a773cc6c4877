"""What a programme comes to over the shop's own history, before anything is published."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
from django.core.management.base import CommandError, CommandParser
from django.db.models import Sum

from loyalty.documents import document_known, document_problems
from loyalty.models import Account, ProgrammeDraft, ProgrammeVersion
from loyalty.rules.programme import Document, completed, worth_minor
from loyalty.simulation import Question, Totals, orders_total, question, simulate
from retention_app import clock
from retention_app.management.shop_command import ShopCommand
from retention_app.models import Shop


class Command(ShopCommand):
    help = (
        "Goes through all members by the live programme and compares with the ledger (exits with 1 when they differ);"
        " with a draft, a version or a file: who would move, and what the last twelve months' orders would have earned."
        " Writes nothing. Tells on standard error how far it is."
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)  # ours is --version N

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--draft", action="store_true", help="what if the draft were live")
        what.add_argument("--version", type=int, dest="number", metavar="N", help="what if version N were live")
        what.add_argument("--document", type=Path, metavar="FILE", help="what if this JSON document were live")
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle_shop(self, shop: Shop, **options: Any) -> None:
        document = _document(options)
        asked, total = question(document, clock.now()), orders_total()
        totals = Totals()
        for totals in simulate(asked):
            share = totals.orders / total if total else 1
            self.stderr.write(f"Replayed {totals.orders:,} of {total:,} orders: {share:.0%}")
        result = _live(asked, totals) if document is None else _what_if(asked, document, totals)
        if options["json"]:
            self.stdout.write(orjson.dumps(result).decode())
        else:
            for name, value in result.items():
                self.stdout.write(f"{name:20} {value}")
        if not result.get("equals_ledger", True):
            sys.exit(1)


def _document(options: dict[str, Any]) -> Document | None:
    """What to compare with, checked; None for the live programme alone. Raises `CommandError`."""
    found: Any = None
    if options["draft"]:
        found = ProgrammeDraft.objects.values_list("document", flat=True).first()
        if found is None:
            raise CommandError("There is no draft.")
    elif options["number"] is not None:
        found = ProgrammeVersion.objects.filter(number=options["number"]).values_list("document", flat=True).first()
        if found is None:
            raise CommandError(f"There is no version {options['number']}.")
    elif options["document"]:
        try:
            found = orjson.loads(options["document"].read_bytes())
        except (OSError, orjson.JSONDecodeError) as error:
            raise CommandError(f"{options['document']} can't be read as JSON: {error}") from None
    if found is None:
        return None
    if problems := document_problems(found):
        raise CommandError("; ".join(f"{problem.field}: {problem.message()}" for problem in problems))
    return document_known(found)


def _live(asked: Question, totals: Totals) -> dict[str, Any]:
    ledger = Account.objects.filter(kind=Account.Kind.MEMBER, asset=Account.POINTS).aggregate(sum=Sum("balance"))
    balance = ledger["sum"] or 0
    live = asked.programme and asked.programme.version_at(asked.now)
    return {
        "members": totals.members,
        "orders": totals.orders,
        "points": totals.balance,
        "points_available": totals.usable,
        "points_pending": totals.pending,
        "points_unclaimed": totals.unclaimed,
        "debt": totals.debt,
        "tiers": _by_name(totals.tiers, live.document if live else None),
        "ledger": balance,
        "equals_ledger": totals.balance == balance,
    }


def _what_if(asked: Question, document: Document, totals: Totals) -> dict[str, Any]:
    live = asked.programme and asked.programme.version_at(asked.now)
    year = asked.year
    worth = worth_minor(totals.points, live.document) if live else 0
    worth_then = worth_minor(totals.points_then, document)
    orders, revenue = year.sums()
    return {
        "members": totals.members,
        "orders": totals.orders,
        "up": totals.up,
        "down": totals.down,
        "stay": totals.members - totals.up - totals.down,
        "tiers": _by_name(totals.tiers, live.document if live else None),
        "tiers_then": _by_name(totals.tiers_then, document),
        "year": {"from": year.since, "until": year.until, "orders": orders, "revenue_minor": revenue},
        "points": totals.points,
        "points_then": totals.points_then,
        "worth_minor": worth,
        "worth_minor_then": worth_then,
        "share_of_revenue": round(worth / revenue, 4) if revenue else None,
        "share_of_revenue_then": round(worth_then / revenue, 4) if revenue else None,
    }


def _by_name(counted: Counter[str], document: Document | None) -> dict[str, int]:
    """Members by the name of their tier, the highest last; those without one under an empty name."""
    tiers = completed(document)["tiers"] if document else None
    levels = tiers["levels"] if tiers else []
    return {"": counted[""]} | {level["name"]: counted[level["key"]] for level in levels}
