"""Closing the books: a month's figures are written down, and nothing is recorded before its end any more (DESIGN 5).

A posting is recorded when it is made, so nothing would be anyway; on PostgreSQL a trigger makes sure. A fact that
comes late is recorded now: it moves this month's figures, never a closed one's.
"""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction

from loyalty import liability, sql
from loyalty.models import PeriodClose
from loyalty.rules.reckoning import day_months_after, midnight
from retention_app import clock
from retention_app.models import AuditEntry, Shop

CLOSE_AFTER = dt.timedelta(hours=1)  # the end of a month: by then whatever began to be written before it is written


class NotClosable(ValueError):
    """The month isn't over for long enough, or the books are closed up to it, in another time zone, or a later one."""


def month_bounds(month: dt.date, timezone: str) -> tuple[dt.datetime, dt.datetime]:
    """The instants at which the month of this day begins and ends in a time zone."""
    first, zone = month.replace(day=1), ZoneInfo(timezone)
    return midnight(first, zone), midnight(day_months_after(first, 1), zone)


def month_closable(until: dt.datetime, closed_until: dt.datetime | None) -> bool:
    """Whether a month that ends at `until` can be closed when the books are closed up to `closed_until`."""
    later = closed_until is None or month_ended(closed_until) < month_ended(until)
    return later and until + CLOSE_AFTER <= clock.now()


def month_ended(until: dt.datetime) -> dt.date:
    """The first day of the month that ends at an instant, whatever the time zone: none is a day away from UTC."""
    return (until.astimezone(dt.UTC) - dt.timedelta(days=1)).date().replace(day=1)


def period_close(*, shop: Shop, month: dt.date, actor: str) -> PeriodClose:
    """Close the books up to the end of the month of this day, from where they are closed, else from the month's begin.
    Closed already, it answers what was closed.

    Raises `NotClosable`.
    """
    begins, until = month_bounds(month, shop.timezone)
    if closed := PeriodClose.objects.filter(until=until).first():
        return closed
    latest = PeriodClose.objects.order_by("-until").values_list("until", flat=True).first()
    if not month_closable(until, latest):
        raise NotClosable(f"{month:%Y-%m} can't be closed.")
    now, totals = clock.now(), totals_between(latest or begins, until)
    try:
        with transaction.atomic():
            made = PeriodClose.objects.create(shop=shop, until=until, closed_at=now, actor=actor, totals=totals)
            data = {"month": f"{month:%Y-%m}", "closing": totals["closing"]}
            AuditEntry.objects.create(shop=shop, code="loyalty.period.closed", actor=actor, at=now, data=data)
    except IntegrityError:  # somebody closed it meanwhile
        return PeriodClose.objects.get(until=until)
    return made


def totals_between(begins: dt.datetime, until: dt.datetime) -> dict[str, str | int | None]:
    """The figures of a period, as they are written down when it is closed."""
    with sql.read_snapshot():
        [moved] = liability.movements([begins, until])
        owed = liability.owed(until)
    return {
        "begins": begins.isoformat(),
        "opening": moved.opening,
        "issued": moved.issued,
        "redeemed": moved.redeemed,
        "expired": moved.expired,
        "reversed": moved.reversed,
        "closing": moved.closing,
        "claims": owed.claims,
        "debts": owed.debts,
        "held": owed.held,
        "worth_minor": moved.worth.minor(owed.claims + owed.held),
    }


def close_differences(close: PeriodClose) -> dict[str, tuple[object, object]]:
    """What the entries don't come to any more: by figure, what was written down and what they come to now."""
    now = totals_between(dt.datetime.fromisoformat(close.totals["begins"]), close.until)
    return {name: (then, now[name]) for name, then in close.totals.items() if then != now[name]}
