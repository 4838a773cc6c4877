"""Customers: find a person or a group, and answer "where are my points?" on one screen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from retention_app import customer_list
from retention_app.access import access_customer
from retention_app.audit import file_taken
from retention_app.customer_list import (
    COUNT_MAX,
    CursorUnreadable,
    CustomerPage,
    customer_batches,
    customer_page,
)
from retention_app.doors import ShopRequest, link_to, link_view, shop_view
from retention_app.models import Customer, Order, Shop
from retention_app.money import exponent
from retention_app.rights import Right
from retention_app.screens import Card, Column, EngineScreens, Filter, Tab, engines
from retention_app.spreadsheet import csv_stream
from retention_app.tenancy import shop_scope
from retention_app.views.admin_codes import code_refusal, codes_tab
from retention_app.views.admin_page import is_part, page, take
from retention_app.words import Words, words_for

ORDERS_SHOWN = 100


@shop_view(Right.READ)
def customers(request: ShopRequest) -> HttpResponse:
    """The list; searching and filtering renew `#results` and tell how many were found."""
    shop, words = request.shop, words_for(request.shop)
    sort = request.GET.get("sort", "last")
    if sort not in customer_list.SORTS:
        raise Http404
    try:
        found = customer_page(request.GET.dict(), sort=sort, cursor=request.GET.get("cursor", ""))
    except CursorUnreadable as error:
        raise Http404 from error
    filters = [(each, request.GET.get(each.key, "")) for each in _filters()]
    chosen = {each.key: value for each, value in filters if value}
    context = {
        "shop": shop,
        "found": found,
        "rows": _rows(shop, found),
        "columns": [column for engine in engines() for column in _list_columns(engine)],
        "filters": filters,
        "filters_on": len(chosen),
        "q": request.GET.get("q", ""),
        "sort": sort,
        "sorts": [
            ("last", _("Last order")),
            ("spent", _("Spent")),
            ("orders", _("Orders")),
            ("points", _("Points, pending ones too")),
        ],
        "links": _links(request.GET.get("q", ""), chosen, sort, found),
        "announcement": _announcement(found, words),
        "count": _count(found, words),
        "is_part": is_part(request, "results"),
    }
    part = "#results" if context["is_part"] else ""
    return page(request, f"retention_app/customers.html{part}", context, current="customers")


def _filters() -> list[Filter]:
    own = [
        Filter(
            "orders",
            _("Orders"),
            [("", _("Any")), ("repeat", _("Two or more")), ("once", _("One")), ("none", _("No order yet"))],
        ),
        Filter(
            "last",
            _("Last order"),
            [("", _("Any time")), ("30", _("Last 30 days")), ("90", _("Last 90 days")), ("365", _("Last 12 months"))],
        ),
        Filter(
            "status",
            _("Status"),
            [("", _("Any")), ("here", _("In your store")), ("gone", _("No longer in your store"))],
        ),
    ]
    return own[:1] + [each for engine in engines() for each in engine.customer_filters()] + own[1:]


@shop_view(Right.EXPORT, methods=["POST"])
def export(request: ShopRequest) -> HttpResponse:
    """Send the browser to the file of everybody whom search and filters find."""
    chosen = {each.key: request.GET[each.key] for each in _filters() if request.GET.get(each.key)}
    file_taken(shop=request.shop, actor=request.actor, what="customers", filters=chosen, search="q" in request.GET)
    return take(request, link_to(request.shop, reverse("admin:customers_file"), request.GET.dict()))


@link_view
def file(request: ShopRequest) -> StreamingHttpResponse:
    """Everybody found as CSV, in the list's order."""
    shop, sort = request.shop, request.GET.get("sort", "last")
    if sort not in customer_list.SORTS:
        raise Http404
    columns = [column for engine in engines() for column in engine.customer_columns()]
    header = [_("Customer"), _("Name"), _("E-mail"), _("Orders"), _("Spent"), _("Currency")]
    header += [*(column.label for column in columns), _("Last order")]
    keys = [column.key for column in columns]
    found = _in_scope(shop, customer_batches(request.GET.dict(), sort=sort))
    return csv_stream(request, "customers", header, (_file_rows(shop, keys, some) for some in found))


def _in_scope(shop: Shop, batches: Iterator[list[Customer]]) -> Iterator[list[Customer]]:
    """The batches, each asked for inside the shop's scope: nothing holds it open between them."""
    while True:
        with shop_scope(shop.id):
            batch = next(batches, None)
        if batch is None:
            return
        yield batch


def _file_rows(shop: Shop, keys: Sequence[str], some: Sequence[Customer]) -> list[list[object]]:
    zone, places = ZoneInfo(shop.timezone), exponent(shop.currency)
    with shop_scope(shop.id):
        figures: dict[int, dict[str, object]] = defaultdict(dict)
        for engine in engines():
            for customer_id, known in engine.customer_figures(shop, some).items():
                figures[customer_id] |= known
    return [
        [
            str(each.shopify_id) if each.shopify_id > 0 else "",
            each.name,
            each.email,
            each.orders_count,
            Decimal(each.spent_minor).scaleb(-places),
            shop.currency,
            *(figures[each.id].get(key) for key in keys),
            each.last_order_at and each.last_order_at.astimezone(zone).date(),
        ]
        for each in some
    ]


def _list_columns(engine: EngineScreens) -> list[Column]:
    return [column for column in engine.customer_columns() if not column.file_only]


def _rows(shop: Shop, found: CustomerPage) -> list[tuple[Customer, list[tuple[Column, str]]]]:
    """Each customer with the engines' columns and their texts."""
    contributed = [(_list_columns(engine), engine.customer_cells(shop, found.customers)) for engine in engines()]
    return [
        (
            customer,
            [
                (column, cells.get(customer.id, {}).get(column.key, "–"))
                for columns, cells in contributed
                for column in columns
            ],
        )
        for customer in found.customers
    ]


def _links(q: str, chosen: Mapping[str, str], sort: str, found: CustomerPage) -> dict[str, Any]:
    base = {"q": q, **chosen} if q else dict(chosen)

    def url(**more: str) -> str:
        return "?" + urlencode({**base, **{key: value for key, value in more.items() if value}})

    return {
        "sort_last": url(),
        "sort_spent": url(sort="spent"),
        "sort_orders": url(sort="orders"),
        "export": f"{reverse('admin:customers_export')}{url(sort=sort)}",
        "before": url(sort=sort, cursor=found.before) if found.before else "",
        "after": url(sort=sort, cursor=found.after) if found.after else "",
    }


def _many(found: CustomerPage, words: Words) -> str:
    return f"{words.count(COUNT_MAX)}+" if found.is_more else words.count(found.count)


def _count(found: CustomerPage, words: Words) -> str:
    return ngettext("%(shown)s of %(all)s customer", "%(shown)s of %(all)s customers", found.count) % {
        "shown": words.count(len(found.customers)),
        "all": _many(found, words),
    }


def _announcement(found: CustomerPage, words: Words) -> str:
    return ngettext("%(count)s customer found", "%(count)s customers found", found.count) % {
        "count": _many(found, words)
    }


@shop_view(Right.POINTS)
def customer(request: ShopRequest, customer_id: int) -> HttpResponse:
    """A customer's figures, ledger and orders."""
    shop, words = request.shop, words_for(request.shop)
    person = access_customer(shop, customer_id)
    tabs = [label for engine in engines() for label in engine.profile_tab_labels()] + [
        ("orders", _("Orders")),
        ("codes", _("Codes")),
    ]
    chosen = request.GET.get("tab", tabs[0][0])
    context = {
        "shop": shop,
        "customer": person,
        "cards": [card for engine in engines() for card in engine.profile_cards(shop, person)]
        + [_spent_card(person, words)],
        "tabs": tabs,
        "tab": _tab(shop, person, chosen, request.GET),
        "actions": [action for engine in engines() for action in engine.profile_actions(shop, person, request.staff)],
        "code_refusal": code_refusal(person),
    }
    return page(request, "retention_app/customer.html", context, current="customers")


def _spent_card(person: Customer, words: Words) -> Card:
    notes = [
        ngettext("%(count)s order", "%(count)s orders", person.orders_count)
        % {"count": words.count(person.orders_count)}
    ]
    if person.last_order_at:
        notes.append(_("last on %(day)s") % {"day": words.day(person.last_order_at)})
    return Card(_("Spent"), words.money(person.spent_minor), notes)


def _tab(shop: Shop, person: Customer, key: str, params: Mapping[str, str]) -> Tab:
    if key == "orders":
        orders = Order.objects.filter(customer=person).order_by("-processed_at", "-id")[:ORDERS_SHOWN]
        return Tab("orders", _("Orders"), "retention_app/profile/orders.html", {"orders": list(orders)})
    if key == "codes":
        return codes_tab(shop, person)
    for engine in engines():
        tab = engine.profile_tab(shop, person, key, params)
        if tab is not None:
            return tab
    raise Http404
