"""What one would write first for the session: a REST framework view on the ORM.

The peer of the session's benchmark: the same answer by the admin's own selectors, under the same row-level policies and
the same limit a visitor, with persistent connections and no more middleware than every Django project has.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from typing import Any, cast

from django.urls import path
from django.utils.translation import gettext, ngettext
from rest_framework.decorators import api_view, throttle_classes
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.announcements import upcoming
from loyalty.api import VisitorThrottle
from loyalty.explain import what, why
from loyalty.models import Member
from loyalty.selectors import (
    ComingDown,
    Expiring,
    LedgerRow,
    MemberSummary,
    ledger_rows,
    member_summary,
    programme_live,
)
from loyalty.tier_words import quantity_text
from retention_app import clock
from retention_app.doors import ShopRequest, proxy_view
from retention_app.languages import language_tag
from retention_app.models import Customer, Shop
from retention_app.privacy.tombstones import erased
from retention_app.words import Words, words_for


@proxy_view
@api_view(["GET"])
@throttle_classes([VisitorThrottle])
def session(request: Request) -> Response:
    visitor = cast(ShopRequest, request)
    return Response(told(visitor.shop, visitor.customer_shopify_id))


def told(shop: Shop, customer_shopify_id: int | None) -> dict[str, Any]:
    """The session in the active language, inside the shop's scope."""
    words, version = words_for(shop), programme_live(shop.id)
    programme = None
    if version:
        earn, worth = version.document["earn"], version.document["worth"]
        programme = {
            "version": version.number,
            "name": gettext("%(shop)s Rewards") % {"shop": shop.name},
            "earn": {"points": earn["points"], "per": words.money(earn["per_minor"])},
            "worth": {"points": worth["points"], "amount": words.money(worth["minor"])},
            "tiers": bool(version.document.get("tiers")),
        }
    member = _member(customer_shopify_id, version, words) if customer_shopify_id else None
    return {
        "locale": language_tag(words.locale),
        "shop": {"name": shop.name, "currency": shop.currency},
        "programme": programme,
        "accounts": "new" if shop.customer_accounts == Shop.CustomerAccounts.NEW else "classic",
        "launcher": _launcher(member, words),
        "member": member,
    }


def _launcher(member: dict[str, Any] | None, words: Words) -> dict[str, str]:
    if member is None:
        return {"text": gettext("Rewards"), "name": gettext("Rewards")}
    points = words.count(member["points"])
    name = ngettext("Rewards, %(points)s point", "Rewards, %(points)s points", member["points"])
    return {"text": points, "name": name % {"points": points}}


def _member(shopify_id: int, version: Any, words: Words) -> dict[str, Any] | None:
    customer = Customer.objects.filter(shopify_id=shopify_id).first()
    if customer is None and erased([shopify_id]):
        return None
    summary = member_summary(customer, version) if customer else MemberSummary(worth_minor=0, revision=0)
    shown = upcoming(customer, summary) if customer else []
    rows = _entries(customer) if customer else []
    expiring: dict[str, int] = defaultdict(int)
    for one in shown:
        if isinstance(one.coming, Expiring):
            expiring[words.day(one.at)] += one.coming.points
    return {
        "first_name": (customer and customer.first_name) or None,
        "points": summary.points_available,
        "worth": words.money(summary.worth_minor or 0),
        "debt": summary.debt,
        "pending": [
            {"points": part.points, "when": words.day(part.at) if part.at else None} for part in summary.pending[:3]
        ],
        "claimed": _claimed(customer),
        "expiring": [{"points": points, "when": day} for day, points in expiring.items()],
        "tier": summary.tier and _tier(summary.tier, shown, words),
        "entries": [
            {
                "id": row.id,
                "at": row.at,
                "when": words.day(row.at),
                "what": what(row, words),
                "points": row.amount,
                "pending": row.is_pending,
                "why": why(row, words),
            }
            for row in rows[:10]
        ],
        "older": rows[9].id if len(rows) > 10 else None,
    }


def _entries(customer: Customer) -> list[LedgerRow]:
    """The last ten but for changes of dates, and one more if there is one."""
    for limit in (11, 1_000):
        rows = [row for row in ledger_rows(customer, limit) if row.explanation["kind"] != "moved"]
        if len(rows) == 11:
            break
    return rows[:11]


def _claimed(customer: Customer | None) -> dict[str, int] | None:
    member = Member.objects.filter(customer=customer).first() if customer else None
    claimed = member.claimed if member else None
    if not claimed or dt.datetime.fromisoformat(claimed["at"]) <= clock.now() - dt.timedelta(days=7):
        return None
    return {"points": claimed["points"], "orders": claimed["orders"]}


def _tier(tier: Any, shown: Any, words: Words) -> dict[str, Any]:
    down = next((one for one in shown if isinstance(one.coming, ComingDown)), None)
    return {
        "name": tier.name or None,
        "next": tier.next
        and {
            "name": tier.next.name,
            "lacking": quantity_text(tier.by, tier.next.lacking, words),
            "share": round(tier.next.share, 3),
        },
        "down": down and {"to": down.coming.to or None, "when": words.day(down.at)},
    }


urlpatterns = [path("proxy/v1/session", session)]
