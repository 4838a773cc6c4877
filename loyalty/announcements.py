"""Telling members what comes before it happens (DESIGN 6.5): expiry, a move down, the end of a tier given by staff.

Each is announced twice, 30 and 7 days before, each notice once; the storefront panel is the first channel. What is
announced happens at its due instant, or seven days after its last announcement if that is later, so the date that is
shown is the one that holds once it was shown.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import structlog
from django.db import transaction
from django.db.models import Q

from loyalty.ledger import MembersBusy, members_bring_up_to_date
from loyalty.models import Announcement, Member
from loyalty.rules.reckoning import announced
from loyalty.selectors import Coming, MemberSummary, member_summary, programme_live
from retention_app import clock
from retention_app.models import Customer, Shop

log = structlog.get_logger(__name__)

NOTICES = (7, 30)  # days before

Notice = tuple[str, int, dt.datetime]  # that was made: its subject, days before, and when


@dataclass(frozen=True)
class Shown:
    """What comes within 30 days, with the instant to show. `notice` is which notice showing it makes, None for none."""

    coming: Coming
    at: dt.datetime
    notice: int | None


def upcoming(customer: Customer, summary: MemberSummary) -> list[Shown]:
    """What a channel shows the member as coming, the next first. One query, none when nothing comes."""
    now = clock.now()
    found = coming_soon(summary, now)
    of_person = Q(customer=customer) | Q(customer__merged_into=customer)
    made = Announcement.objects.filter(of_person, subject__in={one.subject for one in found}) if found else ()
    return shown_as(found, ((one.subject, one.days, one.at) for one in made), now)


def coming_soon(summary: MemberSummary, now: dt.datetime) -> list[Coming]:
    """What happens within 30 days if it was announced, or is now."""
    down = summary.tier.move_down if summary.tier else None
    within = now + dt.timedelta(days=NOTICES[-1])
    return [one for one in [*summary.expiring, *([down] if down else [])] if one.at(now) <= within]


def shown_as(coming: Iterable[Coming], notices: Iterable[Notice], now: dt.datetime) -> list[Shown]:
    """What comes, with the instants to show after these notices, the next first."""
    made: dict[str, dict[int, dt.datetime]] = defaultdict(dict)
    for subject, days, at in notices:
        made[subject][days] = at
    return sorted((_shown(one, made[one.subject], now) for one in coming), key=lambda one: one.at)


def _shown(coming: Coming, made: dict[int, dt.datetime], now: dt.datetime) -> Shown:
    at = coming.at(now)
    notice = next(days for days in NOTICES if at <= now + dt.timedelta(days=days))
    if notice in made:
        return Shown(coming, at, None)
    return Shown(coming, announced(coming.due, [*made.values(), now]) or at, notice)


def announcements_make(shop: Shop, customer: Customer, channel: str) -> None:
    """Note that the member was shown what comes, and judge them by it. Safe to repeat."""
    shown = upcoming(customer, member_summary(customer, programme_live(shop.id)))
    notices = {(one.coming.subject, one.notice) for one in shown if one.notice is not None}
    if not notices:
        return
    now = clock.now()
    with transaction.atomic():
        Announcement.objects.bulk_create(
            [
                Announcement(shop=shop, customer=customer, subject=subject, days=days, at=now, channel=channel)
                for subject, days in sorted(notices)
            ],
            ignore_conflicts=True,
        )
        Member.objects.filter(customer=customer).update(next_at=now)  # a sweep does what fails after the commit
    try:
        members_bring_up_to_date([customer.id])
    except MembersBusy:
        log.info("member_busy", customer=customer.id)
