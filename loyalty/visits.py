"""A visit of the storefront through the platform's app proxy: who comes, how often they may, and what they are shown.

Who asks is what the proxy's signature says (`retention_app.doors.proxy_view`), never what the browser says.
"""

from __future__ import annotations

import re
from typing import cast

from django.utils.crypto import salted_hmac
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from loyalty.models import ProgrammeVersion
from loyalty.selectors import HistoryPage, history_page, programme_live
from retention_app.doors import ShopRequest
from retention_app.models import Customer, Shop

ENTRIES_A_PAGE = 20
ID = re.compile(r"[0-9]{1,18}")


class VisitorThrottle(SimpleRateThrottle):
    """Per shop and customer; per shop and address for the anonymous. The cache knows them by a keyed hash only."""

    rate = "120/min"

    def get_cache_key(self, request: Request, view: APIView) -> str:
        visitor = cast(ShopRequest, request)
        who = visitor.customer_shopify_id or self.get_ident(request)
        return f"storefront:{visitor.shop.id}:{salted_hmac('storefront.visitor', str(who)).hexdigest()}"


def programme_shown(shop: Shop) -> ProgrammeVersion | None:
    """The live programme; None before the first, and while staff let the storefront show nothing."""
    return None if shop.storefront_off_at else programme_live(shop.id)


def customer_of(visitor: ShopRequest) -> Customer | None:
    """The customer who is logged in, if the mirror knows them."""
    number = visitor.customer_shopify_id
    return Customer.objects.filter(shopify_id=number).first() if number else None


def history_after(customer: Customer, entry: str) -> HistoryPage:
    """The page of a customer's history that follows an entry as the address names it; the first for what is no id."""
    return history_page(customer, ENTRIES_A_PAGE, int(entry) if ID.fullmatch(entry) else None)
