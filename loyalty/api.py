"""`/proxy/v1/…`: what the storefront panel reads and tells through the platform's app proxy.

Who asks is what the proxy's signature says (`retention_app.doors.proxy_view`), never what the browser says.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, cast

from django.utils.crypto import salted_hmac
from django.utils.translation import gettext
from rest_framework.decorators import api_view, throttle_classes
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from loyalty.announcements import Shown, announcements_make, upcoming
from loyalty.explain import what, why
from loyalty.models import ProgrammeVersion
from loyalty.rules.programme import Document
from loyalty.selectors import (
    ComingDown,
    Expiring,
    LedgerRow,
    MemberSummary,
    TierStanding,
    ledger_rows,
    member_summary,
    programme_live,
)
from loyalty.tier_words import quantity_text
from retention_app.doors import ShopRequest, proxy_view
from retention_app.models import Customer, Shop
from retention_app.privacy.tombstones import erased
from retention_app.services.storefront import storefront_seen
from retention_app.words import Words, words_for

ENTRIES_SHOWN = 10
PENDING_SHOWN = 3  # dates


class VisitorThrottle(SimpleRateThrottle):
    """Per shop and customer; per shop and address for the anonymous. The cache knows them by a keyed hash only."""

    rate = "120/min"

    def get_cache_key(self, request: Request, view: APIView) -> str:
        visitor = cast(ShopRequest, request)
        who = visitor.customer_shopify_id or self.get_ident(request)
        return f"storefront:{visitor.shop.id}:{salted_hmac('storefront.visitor', str(who)).hexdigest()}"


@proxy_view
@api_view(["GET"])
@throttle_classes([VisitorThrottle])
def session(request: Request) -> Response:
    """`session?locale=`: the programme and, for a customer who is logged in, their points and last entries.

    `programme` is null before the first is published and while staff show nothing, `member` for the anonymous. Texts,
    money and days come in the language the door found.
    """
    visitor = cast(ShopRequest, request)  # REST framework's request hands on what the door put on Django's
    shop, customer_id, words = visitor.shop, visitor.customer_shopify_id, words_for(visitor.shop)
    storefront_seen(shop, request.query_params.get("page", ""))
    version = None if shop.storefront_off_at else programme_live(shop.id)
    return Response(
        {
            "shop": {"name": shop.name, "currency": shop.currency},
            "programme": _programme(version, shop, words) if version else None,
            "member": _member(customer_id, shop, version, words) if version and customer_id else None,
        }
    )


@proxy_view
@api_view(["POST"])
@throttle_classes([VisitorThrottle])
def shown(request: Request) -> Response:
    """`shown`: the panel is open, and the customer who is logged in saw what comes. What that is, we know ourselves."""
    visitor = cast(ShopRequest, request)
    if visitor.customer_shopify_id is not None:
        for customer in Customer.objects.filter(shopify_id=visitor.customer_shopify_id):
            announcements_make(visitor.shop, customer, "panel")
    return Response(status=204)


def _programme(version: ProgrammeVersion, shop: Shop, words: Words) -> dict[str, Any]:
    """The live rules as a shopper reads them: points per amount spent, amount per points."""
    document = cast(Document, version.document)
    earn, worth = document["earn"], document["worth"]
    return {
        "version": version.number,
        "name": gettext("%(shop)s Rewards") % {"shop": shop.name},
        "earn": {"points": earn["points"], "per": words.money(earn["per_minor"])},
        "worth": {"points": worth["points"], "amount": words.money(worth["minor"])},
    }


def _member(shopify_id: int, shop: Shop, version: ProgrammeVersion | None, words: Words) -> dict[str, Any] | None:
    """The logged-in customer's points, what comes, their tier and last entries: nothing yet while the customer hasn't
    reached the mirror. Who was erased is nobody."""
    customer = Customer.objects.filter(shopify_id=shopify_id).first()
    if customer is None and erased([shopify_id]):
        return None
    summary = member_summary(customer, version) if customer else MemberSummary(worth_minor=0, revision=0)
    shown = upcoming(customer, summary) if customer else []
    return {
        "first_name": (customer and customer.first_name) or None,
        "points": summary.points_available,
        "worth": words.money(summary.worth_minor or 0),
        "debt": summary.debt,
        "pending": [
            {"points": part.points, "when": words.day(part.at) if part.at else None}
            for part in summary.pending[:PENDING_SHOWN]
        ],
        "expiring": _expiring(shown, words),
        "tier": _tier(summary.tier, shown, words) if summary.tier else None,
        "entries": _entries(customer, words) if customer else [],
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


def _entries(customer: Customer, words: Words) -> list[dict[str, Any]]:
    """The last postings. A change of dates is left out: what came of it stands with the points."""
    rows = ledger_rows(customer, ENTRIES_SHOWN)
    return [_entry(row, words) for row in rows if row.explanation["kind"] != "moved"]


def _entry(row: LedgerRow, words: Words) -> dict[str, Any]:
    """A posting with its reason in sentences; `at` is the instant, `when` the day in the shop's time zone."""
    return {
        "id": row.id,
        "at": row.at,
        "when": words.day(row.at),
        "what": what(row, words),
        "points": row.amount,
        "pending": row.is_pending,
        "why": why(row, words),
    }
