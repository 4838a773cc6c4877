"""`/proxy/v1/…`: what the storefront tells and asks through the platform's app proxy, beside what the panel reads at
every look (`loyalty.session`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from rest_framework.decorators import api_view, throttle_classes
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.announcements import announcements_make
from loyalty.estimates import Basket, BasketLine, estimate
from loyalty.models import ProgrammeVersion
from loyalty.selectors import order_earned
from loyalty.session.answer import entry_words
from loyalty.storefront_words import NOTHING_TO_SAY, earned_told, earns_told, rules_told
from loyalty.visits import ID, VisitorThrottle, customer_of, history_after, programme_shown
from retention_app.doors import ShopRequest, proxy_view
from retention_app.models import Shop
from retention_app.money import exponent
from retention_app.words import words_for

LINES_MAX = 100
QUANTITY_DIGITS, MINOR_DIGITS = 5, 12
_BIGINT_MAX = 2**63 - 1
_LINE = re.compile(rf"([0-9]{{1,19}}):([1-9][0-9]{{0,{QUANTITY_DIGITS - 1}}}):([0-9]{{1,{MINOR_DIGITS}}})")
_MINOR = re.compile(rf"[0-9]{{1,{MINOR_DIGITS}}}")


@proxy_view
@api_view(["POST"])
@throttle_classes([VisitorThrottle])
def shown(request: Request) -> Response:
    """`shown`: the panel is open, and the customer who is logged in saw what comes. What that is, we know ourselves."""
    visitor = cast(ShopRequest, request)  # REST framework's request hands on what the door put on Django's
    if customer := customer_of(visitor):
        announcements_make(visitor.shop, customer, "panel")
    return Response(status=204)


@proxy_view
@api_view(["GET"])
@throttle_classes([VisitorThrottle])
def programme(request: Request) -> Response:
    """`programme`: the live rules in sentences, for the panel's pages. 404 while there are none to show."""
    visitor = cast(ShopRequest, request)
    return Response(rules_told(_programme_or_404(visitor.shop).document, words_for(visitor.shop)))


@proxy_view
@api_view(["GET"])
@throttle_classes([VisitorThrottle])
def history(request: Request) -> Response:
    """`history?before=<entry>`: the entries that follow one in the history of the customer who is logged in, and the
    `before` of the next page, null on the last. 404 to anybody else, and for an entry that isn't theirs."""
    visitor = cast(ShopRequest, request)
    before = request.query_params.get("before", "")
    customer = customer_of(visitor)
    if customer is None or not ID.fullmatch(before):
        raise NotFound
    words = words_for(visitor.shop)
    page = history_after(customer, before)
    return Response({"entries": [entry_words(row, row.is_pending, words) for row in page.rows], "older": page.older})


@proxy_view
@api_view(["GET"])
@throttle_classes([VisitorThrottle])
def earns(request: Request) -> Response:
    """`earns?of=product|cart&currency=&lines=<product>:<quantity>:<minor>,…&off=<minor>`: what that would earn, in
    words. `earns?order=<id>`: what an order earned the customer who is logged in, and whose it is.

    No points and no words where nothing can be said: prices in another currency, an order that isn't theirs or hasn't
    been booked yet. 404 without a programme, 400 for what is no basket.
    """
    visitor = cast(ShopRequest, request)
    version = _programme_or_404(visitor.shop)
    if "order" in request.query_params:
        return Response(_earned(visitor, request.query_params["order"]))
    basket = _basket(request.query_params, visitor.shop.currency)
    customer_id = visitor.customer_shopify_id
    if request.query_params.get("currency", "") not in ("", visitor.shop.currency) or (customer_id or 0) > _BIGINT_MAX:
        return Response(NOTHING_TO_SAY)
    found = estimate(visitor.shop, version, basket, customer_id)
    return Response(earns_told(basket, found, customer_id is not None, words_for(visitor.shop)))


def _earned(visitor: ShopRequest, order: str) -> dict[str, Any]:
    customer = customer_of(visitor)
    points = order_earned(customer, int(order)) if customer and ID.fullmatch(order) else 0
    return earned_told(points, words_for(visitor.shop))


def _programme_or_404(shop: Shop) -> ProgrammeVersion:
    """The programme that is shown. Raises NotFound while there is none."""
    if (version := programme_shown(shop)) is None:
        raise NotFound
    return version


def _basket(given: Mapping[str, str], currency: str) -> Basket:
    """Raises ValidationError for what is no basket, or too large a one. A storefront's scripts write hundredths, also
    of a currency that has none."""

    def minor(hundredths: str) -> int:
        return int(hundredths) // 100 if exponent(currency) == 0 else int(hundredths)

    off = given.get("off", "0")
    lines = [_LINE.fullmatch(text) for text in given.get("lines", "").split(",")]
    if len(lines) > LINES_MAX or not _MINOR.fullmatch(off):
        raise ValidationError
    found = [BasketLine(int(line[1]), int(line[2]), minor(line[3])) for line in lines if line]
    if len(found) != len(lines) or any(line.product_shopify_id > _BIGINT_MAX for line in found):
        raise ValidationError
    return Basket(found, minor(off), given.get("of") == "product")
