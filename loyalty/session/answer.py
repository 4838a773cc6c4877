"""The panel's answer in words: texts, money and days in the visitor's language, as the storefront's `types.ts` says."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import replace
from typing import Any, Protocol, cast

from django.utils.translation import gettext, ngettext

from loyalty.announcements import Shown, coming_soon, shown_as
from loyalty.explain import Dated, what, why
from loyalty.models import Member
from loyalty.rules.programme import Document
from loyalty.selectors import ComingDown, Expiring, MemberSummary, OpenLot, TierStanding, is_pending, summary_of
from loyalty.session.statement import ENTRIES_SHOWN, Found, Person, Posting
from loyalty.tier_words import quantity_text
from retention_app.languages import language_tag
from retention_app.models import Shop
from retention_app.words import Words

PENDING_SHOWN = 3  # dates
CLAIM_TOLD = dt.timedelta(days=7)  # after it


class Row(Dated, Protocol):
    """A posting with its id."""

    @property
    def id(self) -> int: ...


_UNKNOWN = Person(first_name="", has_signed_in=False, member=Member(), debt=0, lots=[], postings=[], notices=[])


def answer(found: Found, is_logged_in: bool, words: Words, now: dt.datetime) -> dict[str, Any]:
    """What a visitor is told, in the active language, which is that of `words` and `locale`.

    `programme` is null before the first is published and while staff show nothing, `member` for the anonymous and for
    who was erased. Whom the mirror doesn't know yet has no points.
    """
    person = found.person or (None if found.is_erased else _UNKNOWN)
    member = _member(person, found.document, words, now) if is_logged_in and person else None
    return {
        "locale": language_tag(words.locale),
        "shop": {"name": found.name, "currency": found.currency},
        "programme": programme_words(found.name, found.number, found.document, words) if found.document else None,
        "accounts": "new" if found.accounts == Shop.CustomerAccounts.NEW else "classic",
        "launcher": launcher_words(member["points"] if member else None, words),
        "member": member,
    }


def launcher_words(points: int | None, words: Words) -> dict[str, str]:
    """What the button says, and its name for who can't see it: a member's points, None for the anonymous."""
    if points is None:
        return {"text": gettext("Rewards"), "name": gettext("Rewards")}
    name = ngettext("Rewards, %(points)s point", "Rewards, %(points)s points", points)
    return {"text": words.count(points), "name": name % {"points": words.count(points)}}


def programme_words(shop: str, number: int, document: Document, words: Words) -> dict[str, Any]:
    """The live rules as a shopper reads them: points per amount spent, amount per points."""
    earn, worth = document["earn"], document["worth"]
    return {
        "version": number,
        "name": gettext("%(shop)s Rewards") % {"shop": shop},
        "earn": {"points": earn["points"], "per": words.money(earn["per_minor"])},
        "worth": {"points": worth["points"], "amount": words.money(worth["minor"])},
        "tiers": bool(document.get("tiers")),
    }


def _member(person: Person, document: Document | None, words: Words, now: dt.datetime) -> dict[str, Any]:
    """The customer's points, what comes, their tier and last entries."""
    summary = summary_of(person.member, debt=person.debt, held=0, lots=person.lots, document=document, now=now)
    shown = shown_as(coming_soon(summary, now), person.notices, now)
    lots = {lot.source: lot for lot in person.lots}
    postings = person.postings[:ENTRIES_SHOWN]
    return {
        **member_words(person.first_name, summary, shown, words),
        "claimed": _claimed(person.member, now),
        "entries": [_entry(posting, lots.get(posting.source), words, now) for posting in postings],
        "older": postings[-1].id if len(person.postings) > ENTRIES_SHOWN else None,
    }


def member_words(first_name: str, summary: MemberSummary, shown: list[Shown], words: Words) -> dict[str, Any]:
    """What a member has, what comes, and their tier; all of it but the history."""
    return {
        "first_name": first_name or None,
        **_points(summary, words),
        "expiring": _expiring(shown, words),
        "tier": _tier(summary.tier, shown, words) if summary.tier else None,
    }


def _claimed(member: Member, now: dt.datetime) -> dict[str, int] | None:
    """What became theirs when they first signed in, while that is news."""
    claimed = member.claimed
    if not claimed or dt.datetime.fromisoformat(claimed["at"]) <= now - CLAIM_TOLD:
        return None
    return {"points": claimed["points"], "orders": claimed["orders"]}


def _points(summary: MemberSummary, words: Words) -> dict[str, Any]:
    return {
        "points": summary.points_available,
        "worth": words.money(summary.worth_minor or 0),
        "debt": summary.debt,
        "pending": [
            {"points": part.points, "when": words.day(part.at) if part.at else None}
            for part in summary.pending[:PENDING_SHOWN]
        ],
    }


def _expiring(shown: list[Shown], words: Words) -> list[dict[str, Any]]:
    """Points that expire within 30 days, by day."""
    points: dict[str, int] = defaultdict(int)
    for one in shown:
        if isinstance(one.coming, Expiring):
            points[words.day(one.at)] += one.coming.points
    return [{"points": number, "when": day} for day, number in points.items()]


def _tier(tier: TierStanding, shown: list[Shown], words: Words) -> dict[str, Any]:
    """The tier held, the way to the next (`share` of it is done, 0 to 1), and a move down that comes."""
    down = next((one for one in shown if isinstance(one.coming, ComingDown)), None)
    return {
        "name": tier.name or None,
        "next": tier.next
        and {
            "name": tier.next.name,
            "lacking": quantity_text(tier.by, tier.next.lacking, words),
            "share": round(tier.next.share, 3),
        },
        "down": down and {"to": cast(ComingDown, down.coming).to or None, "when": words.day(down.at)},
    }


def _entry(posting: Posting, lot: OpenLot | None, words: Words, now: dt.datetime) -> dict[str, Any]:
    """A posting with its reason in sentences; `at` is the instant, `when` the day in the shop's time zone. The dates of
    a credit are today's, which may differ from those it was posted with."""
    if lot is not None:
        posting = replace(posting, usable_from=lot.usable_from, expires_at=lot.due)
    return entry_words(posting, posting.amount > 0 and lot is not None and is_pending(lot, now), words)


def entry_words(row: Row, is_waiting: bool, words: Words) -> dict[str, Any]:
    """A line of the history; `is_waiting`: its points can't be used yet."""
    return {
        "id": row.id,
        "at": row.at,
        "when": words.day(row.at),
        "what": what(row, words),
        "points": row.amount,
        "pending": is_waiting,
        "why": why(row, words),
    }
