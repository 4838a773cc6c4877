"""Settings > Audit: who changed what and when, what it was before, and the same as a file."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.db.models import QuerySet
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from retention_app import audit
from retention_app.audit import AuditRow, audit_batches, audit_page, entries_found, file_taken
from retention_app.doors import ShopRequest, link_to, link_view, shop_view
from retention_app.models import AuditEntry, Shop
from retention_app.rights import Right
from retention_app.spreadsheet import csv_stream
from retention_app.tenancy import shop_scope
from retention_app.views.admin_page import page, take
from retention_app.words import words_for

CURSOR_DIGITS = 18


@shop_view(Right.READ)
def audit_list(request: ShopRequest) -> HttpResponse:
    """A page of changes, newest first; `?person=`, `?kind=`, from `?before=` on."""
    before = request.GET.get("before", "")
    if before and not (before.isascii() and before.isdecimal() and len(before) <= CURSOR_DIGITS):
        raise Http404
    found = audit_page(_found(request), int(before) if before else None, words_for(request.shop))
    chosen = _chosen(request)
    context = {
        "shop": request.shop,
        "found": found,
        "person": chosen.get("person", ""),
        "people": [("", _("Everybody")), *audit.people()],
        "kind": chosen.get("kind", ""),
        "kinds": [("", _("Everything")), *((kind.key, kind.label) for kind in audit.kinds())],
        "older": f"?{urlencode({**chosen, 'before': found.older})}" if found.older else "",
        "newest": f"?{urlencode(chosen)}" if before else "",
        "export": f"{reverse('admin:audit_export')}?{urlencode(chosen)}",
    }
    return page(request, "retention_app/audit.html", context, current="settings")


def _chosen(request: ShopRequest) -> dict[str, str]:
    return {name: request.GET[name] for name in ("person", "kind") if request.GET.get(name)}


def _found(request: ShopRequest) -> QuerySet[AuditEntry]:
    """The entries asked for. Raises `Http404` for a kind that isn't one."""
    try:
        return entries_found(request.GET.get("person", ""), request.GET.get("kind", ""))
    except KeyError:
        raise Http404 from None


@shop_view(Right.EXPORT, methods=["POST"])
def export(request: ShopRequest) -> HttpResponse:
    """Send the browser to the file of what the filters find."""
    _found(request)
    chosen = _chosen(request)
    file_taken(shop=request.shop, actor=request.actor, what="audit", filters=chosen)
    return take(request, link_to(request.shop, reverse("admin:audit_file"), chosen))


@link_view
def file(request: ShopRequest) -> StreamingHttpResponse:
    """The changes as CSV, newest first."""
    shop, words = request.shop, words_for(request.shop)
    header = [_("When"), _("Who"), _("What"), _("Before"), _("After"), _("Kind"), _("Shopify's id of the person")]
    found = audit_batches(_found(request), words)
    return csv_stream(request, "audit", header, _batches(shop, found, words.locale))


def _batches(shop: Shop, found: Iterator[list[AuditRow]], locale: str) -> Iterator[list[list[object]]]:
    """The file's rows, each batch asked for inside the shop's scope and in the reader's language: nothing holds them
    open between batches."""
    zone = ZoneInfo(shop.timezone)
    while True:
        with shop_scope(shop.id), translation.override(locale):
            rows = next(found, None)
        if rows is None:
            return
        yield [
            [
                row.entry.at.astimezone(zone).isoformat(timespec="seconds"),
                row.who,
                row.what,
                row.before,
                row.after,
                row.entry.code,
                row.entry.actor,
            ]
            for row in rows
        ]
