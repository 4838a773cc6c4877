"""Calendar reckoning in the shop's zone, and when what was announced takes effect (`docs/statement.md`)."""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

Saved = dict[str, Any]  # JSON data of a snapshot's part
NOTICE = dt.timedelta(days=7)  # between an announcement and what it announces


def days_after(instant: dt.datetime, days: int, zone: ZoneInfo) -> dt.datetime:
    """The same wall-clock time `days` calendar days later; in an hour that clocks repeat, in the same pass of it."""
    there = instant.astimezone(zone)
    return dt.datetime.combine(there.date() + dt.timedelta(days=days), there.time(), zone).astimezone(dt.UTC)


def months_after(instant: dt.datetime, months: int, zone: ZoneInfo) -> dt.datetime:
    """The same wall-clock time on the same day `months` months later, or on that month's last day."""
    there = instant.astimezone(zone)
    return dt.datetime.combine(day_months_after(there.date(), months), there.time(), zone).astimezone(dt.UTC)


def local_day(instant: dt.datetime, zone: ZoneInfo) -> dt.date:
    return instant.astimezone(zone).date()


def day_months_after(day: dt.date, months: int) -> dt.date:
    """The same day of the month `months` months later, or that month's last day."""
    years, month = divmod(day.month - 1 + months, 12)
    last = calendar.monthrange(day.year + years, month + 1)[1]
    return dt.date(day.year + years, month + 1, min(day.day, last))


def midnight(day: dt.date, zone: ZoneInfo) -> dt.datetime:
    """The instant a local day begins."""
    return dt.datetime.combine(day, dt.time(), zone).astimezone(dt.UTC)


def saved(instant: dt.datetime | None) -> str | None:
    """An instant as JSON data; `unsaved` reads it back."""
    return instant.isoformat() if instant else None


def unsaved(text: str | None) -> dt.datetime | None:
    return dt.datetime.fromisoformat(text) if text else None


def subject(what: str, due: dt.datetime) -> str:
    """What an announcement is about: `tier:gold:2027-01-31T03:00:00Z`."""
    return f"{what}:{due.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


def announced(due: dt.datetime, announcements: Sequence[dt.datetime]) -> dt.datetime | None:
    """When what is due takes effect: the later of its due instant and seven days after its last announcement; never
    without one."""
    found: dt.datetime | None = None
    for instant in sorted(announcements):
        if found is not None and instant >= found:
            break
        found = max(due, instant + NOTICE)
    return found
