"""`/proxy/v1/…`: what the storefront panel reads through the platform's app proxy.

Who asks is what the proxy's signature says (`retention_app.doors.proxy_view`), never what the browser says.
"""

from __future__ import annotations

from typing import Any, cast

from django.utils.crypto import salted_hmac
from django.utils.translation import gettext
from rest_framework.decorators import api_view, throttle_classes
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from loyalty.explain import explanation_lines, what
from loyalty.models import ProgrammeVersion
from loyalty.rules.programme import Document
from loyalty.selectors import LedgerRow, ledger_rows, member_summary, programme_live
from retention_app import clock
from retention_app.doors import ShopRequest, proxy_view
from retention_app.formatting import day, money
from retention_app.models import Customer, Shop
from retention_app.privacy.tombstones import erased

ENTRIES_SHOWN = 10


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

    `programme` is null before the first is published, `member` for the anonymous. Texts, money and days come in the
    language the door found.
    """
    visitor = cast(ShopRequest, request)  # REST framework's request hands on what the door put on Django's
    shop, locale, customer_id = visitor.shop, visitor.locale, visitor.customer_shopify_id
    version = programme_live(shop.id)
    return Response(
        {
            "shop": {"name": shop.name, "currency": shop.currency},
            "programme": _programme(version, shop, locale) if version else None,
            "member": _member(customer_id, shop, version, locale) if customer_id else None,
        }
    )


def _programme(version: ProgrammeVersion, shop: Shop, locale: str) -> dict[str, Any]:
    """The live rules as a shopper reads them: points per amount spent, amount per points."""
    document = cast(Document, version.document)
    earn, worth = document["earn"], document["worth"]
    return {
        "version": version.number,
        "name": gettext("%(shop)s Rewards") % {"shop": shop.name},
        "earn": {"points": earn["points"], "per": money(earn["per_minor"], shop.currency, locale)},
        "worth": {"points": worth["points"], "amount": money(worth["minor"], shop.currency, locale)},
    }


def _member(shopify_id: int, shop: Shop, version: ProgrammeVersion | None, locale: str) -> dict[str, Any] | None:
    """The logged-in customer's points and last entries: none while the customer hasn't reached the mirror yet. Who was
    erased is nobody."""
    customer = Customer.objects.filter(shopify_id=shopify_id).first()
    if customer is None:
        if erased([shopify_id]):
            return None
        return {"first_name": None, "points": 0, "worth": money(0, shop.currency, locale), "entries": []}
    summary = member_summary(customer, version)
    return {
        "first_name": customer.first_name or None,
        "points": summary.points,
        "worth": money(summary.worth_minor or 0, shop.currency, locale),
        "entries": [_entry(row, shop, locale) for row in ledger_rows(customer, ENTRIES_SHOWN)],
    }


def _entry(row: LedgerRow, shop: Shop, locale: str) -> dict[str, Any]:
    """A posting with its reason in sentences; `at` is the instant, `when` the day in the shop's time zone."""
    return {
        "id": row.id,
        "at": row.at,
        "when": day(row.at, shop.timezone, locale, clock.now()),
        "what": what(row, locale),
        "points": row.amount,
        "why": explanation_lines(row.explanation, locale, shop.currency),
    }
