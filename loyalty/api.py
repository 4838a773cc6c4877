"""`/proxy/v1/…`: what the storefront panel tells through the platform's app proxy (what it reads: `loyalty.session`).

Who tells is what the proxy's signature says (`retention_app.doors.proxy_view`), never what the browser says.
"""

from __future__ import annotations

from typing import cast

from django.utils.crypto import salted_hmac
from rest_framework.decorators import api_view, throttle_classes
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from loyalty.announcements import announcements_make
from retention_app.doors import ShopRequest, proxy_view
from retention_app.models import Customer


class VisitorThrottle(SimpleRateThrottle):
    """Per shop and customer; per shop and address for the anonymous. The cache knows them by a keyed hash only."""

    rate = "120/min"

    def get_cache_key(self, request: Request, view: APIView) -> str:
        visitor = cast(ShopRequest, request)
        who = visitor.customer_shopify_id or self.get_ident(request)
        return f"storefront:{visitor.shop.id}:{salted_hmac('storefront.visitor', str(who)).hexdigest()}"


@proxy_view
@api_view(["POST"])
@throttle_classes([VisitorThrottle])
def shown(request: Request) -> Response:
    """`shown`: the panel is open, and the customer who is logged in saw what comes. What that is, we know ourselves."""
    visitor = cast(ShopRequest, request)  # REST framework's request hands on what the door put on Django's
    if visitor.customer_shopify_id is not None:
        for customer in Customer.objects.filter(shopify_id=visitor.customer_shopify_id):
            announcements_make(visitor.shop, customer, "panel")
    return Response(status=204)
