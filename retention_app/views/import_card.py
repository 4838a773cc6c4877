"""The import as Home tells it: how many of how many, how fast, how long still."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from retention_app import clock
from retention_app.words import Words

RENEW_SECONDS = 5


@dataclass(frozen=True)
class ImportCard:
    """`done` and `total` fill the bar (total None: not known yet); `seen` and `at` let the next look measure speed.

    `left_out` says how many orders couldn't be read; after the import it is all there is to show.
    """

    running: bool
    failed: bool
    what: str
    pace: str
    done: int
    total: int | None
    seen: int
    at: int
    left_out: str


def import_card(progress: Mapping[str, Any] | None, params: Mapping[str, str], words: Words) -> ImportCard | None:
    """The card for `sync.import_progress`, or None when there is nothing to show. `params` carry the last look."""
    if progress is None:
        return None
    left_out = _left_out(progress["unreadable"], words)
    if progress["phase"] == "done" and not left_out:
        return None
    phase, done, total = progress["phase"], progress["orders"], progress["orders_total"]
    now = int(clock.now().timestamp())
    what = {
        "requested": _("Asking Shopify for your history"),
        "preparing": _("Shopify is preparing your history"),
        "customers": _("Customers: %(count)s so far") % {"count": words.count(progress["customers"])},
        "listing": _("Reading your products"),
        "products": _("Reading your products"),
        "staging": _("Reading your orders"),
        "events": _("Counting what your orders have earned"),
        "failed": _("The import stopped"),
    }.get(phase, "")
    if phase == "orders" and total:
        what = _("%(done)s of %(total)s orders") % {"done": words.count(done), "total": words.count(total)}
    pace = _pace(done, total, now, params, words) if phase == "orders" else ""
    if progress["failing"]:
        pace = _("Shopify couldn't be reached, or asked us to wait.")
    return ImportCard(
        running=bool(progress["running"]),
        failed=phase == "failed",
        what=what,
        pace=pace,
        done=(total if phase == "events" else done) or 0,
        total=total if phase in ("orders", "events") else None,
        seen=done,
        at=now,
        left_out=left_out,
    )


def _left_out(orders: int, words: Words) -> str:
    if not orders:
        return ""
    return ngettext(
        "%(count)s order from Shopify couldn't be read and is left out. Support can say which.",
        "%(count)s orders from Shopify couldn't be read and are left out. Support can say which.",
        orders,
    ) % {"count": words.count(orders)}


def _pace(done: int, total: int | None, now: int, params: Mapping[str, str], words: Words) -> str:
    """Orders a second since the last look, and the time left at that speed."""
    try:
        seen, at = int(params.get("seen", "")), int(params.get("at", ""))
    except ValueError:
        return ""
    if not total or now <= at or done <= seen:
        return ""
    rate = (done - seen) / (now - at)
    seconds = (total - done) / rate
    pace = _("%(rate)s orders a second") % {"rate": words.count(round(rate))}
    if seconds < 60:
        return f"{pace}, " + _("less than a minute left")
    minutes = round(seconds / 60)
    return f"{pace}, " + ngettext("about %(minutes)s minute left", "about %(minutes)s minutes left", minutes) % {
        "minutes": words.count(minutes)
    }
