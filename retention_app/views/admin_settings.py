"""Settings: rows of what can be chosen, and what customers asked of their data."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from retention_app import clock
from retention_app.access import access_privacy_export
from retention_app.doors import ShopRequest, link_to, link_view, shop_view
from retention_app.models import ApiKey, AuditEntry, PrivacyExport, PrivacyRequest, Shop
from retention_app.privacy.export import people_of
from retention_app.rights import Right
from retention_app.views.admin_languages import summary as languages_text
from retention_app.views.admin_page import page, take
from retention_app.views.admin_staff import summary as staff_text
from retention_app.views.admin_store import summary as store_text
from retention_app.views.admin_storefront import summary
from retention_app.words import Words, words_for

REQUESTS_SHOWN = 100

Kind = PrivacyRequest.Kind
State = PrivacyRequest.State


@dataclass(frozen=True)
class Setting:
    """A row of Settings: what it is, what it is set to, where it is changed."""

    name: str
    value: str
    url: str


@dataclass(frozen=True)
class RequestRow:
    """A request in words. `tone` and `state` are its badge's; `note` says what came of it or how long there is."""

    request: PrivacyRequest
    what: str
    who: str
    tone: str
    state: str
    note: str
    has_file: bool


@shop_view(Right.READ)
def settings(request: ShopRequest) -> HttpResponse:
    """All settings with their present value."""
    waiting = PrivacyRequest.objects.filter(shop=request.shop).exclude(state=State.DONE).count()
    value = (
        ngettext("%(count)s open request", "%(count)s open requests", waiting)
        % {"count": words_for(request.shop).count(waiting)}
        if waiting
        else _("No open request")
    )
    rows = [
        Setting(_("Store"), store_text(request.shop), reverse("admin:store")),
        Setting(_("Storefront"), summary(request.shop), reverse("admin:storefront")),
        Setting(_("Languages"), languages_text(request), reverse("admin:languages")),
        Setting(_("Staff"), staff_text(request.shop), reverse("admin:staff")),
        Setting(_("API keys"), _api_keys_text(request.shop), reverse("admin:api_keys")),
        Setting(_("Privacy"), value, reverse("admin:privacy")),
        Setting(_("Audit"), _("Who changed what, and when"), reverse("admin:audit")),
    ]
    return page(request, "retention_app/settings.html", {"settings": rows}, current="settings")


def _api_keys_text(shop: Shop) -> str:
    working = ApiKey.objects.filter(shop=shop, revoked_at=None).count()
    if not working:
        return _("No key")
    return ngettext("%(count)s key", "%(count)s keys", working) % {"count": words_for(shop).count(working)}


@shop_view(Right.PRIVACY)
def privacy(request: ShopRequest) -> HttpResponse:
    """What Shopify passed on from customers, newest first, with deadlines, outcomes and files."""
    words = words_for(request.shop)
    asked = PrivacyRequest.objects.filter(shop=request.shop).order_by("-id")[:REQUESTS_SHOWN]
    alive = PrivacyExport.objects.filter(request__in=[each.id for each in asked], expires_at__gt=clock.now())
    files = {export.request_id: export for export in alive}
    context = {"shop": request.shop, "rows": [_row(each, files.get(each.id), words) for each in asked]}
    return page(request, "retention_app/privacy.html", context, current="settings")


def _row(request: PrivacyRequest, export: PrivacyExport | None, words: Words) -> RequestRow:
    what = {
        Kind.DATA_REQUEST: _("A customer asked for their data"),
        Kind.CUSTOMER_REDACT: _("A customer asked to be erased"),
        Kind.SHOP_REDACT: _("Shopify asked to erase the store"),
    }[Kind(request.kind)]
    if request.state == State.DONE:
        tone, state, note = "good", _("done"), _outcome(request, export, words)
    else:
        days = (request.deadline_at - clock.now()).days
        tone, state = ("bad", _("delayed")) if request.state == State.DEAD else ("info", _("under way"))
        note = ngettext("%(count)s day left.", "%(count)s days left.", days) % {"count": words.count(max(days, 0))}
    return RequestRow(request, what, _who(export), tone, state, note, export is not None)


def _who(export: PrivacyExport | None) -> str:
    """Whom a file is about, as far as Shopify shares it; nobody else is named once a request is done."""
    if export is None:
        return ""
    for person in people_of(export):
        name = f"{person['first_name']} {person['last_name']}".strip() or person["email"]
        if name:
            return str(name)
    return _("Name not shared by Shopify")


def _outcome(request: PrivacyRequest, export: PrivacyExport | None, words: Words) -> str:
    if "ignored" in request.proof:
        return _("Nothing was erased: the store has the app again.")
    if request.kind == Kind.CUSTOMER_REDACT:
        return _("Erased. Orders and points stay without a name.")
    if request.kind == Kind.SHOP_REDACT:
        return _("Erased. Only counts and sums are left.")
    if export is not None:
        return _("Fetch the file by %(day)s and hand it to the customer.") % {"day": words.day(export.expires_at)}
    if not any(request.proof.values()):
        return _("Encore holds nothing about this customer.")
    return _("The file was deleted after 30 days.")


@shop_view(Right.PRIVACY, methods=["POST"])
def privacy_download(request: ShopRequest, request_id: int) -> HttpResponse:
    """Send the browser to the file: a download is a navigation, which carries no ID token, so the link is signed."""
    export = access_privacy_export(request.shop, request_id)
    now = clock.now()
    with transaction.atomic():
        PrivacyExport.objects.filter(id=export.id).update(downloaded_at=now)
        AuditEntry.objects.create(
            shop=request.shop,
            code="privacy.export.downloaded",
            actor=request.actor,
            at=now,
            data={"request": request_id},
        )
    return take(request, link_to(request.shop, reverse("admin:privacy_file", args=[request_id])))


@link_view
def privacy_file(request: ShopRequest, request_id: int) -> HttpResponse:
    """The file itself."""
    export = access_privacy_export(request.shop, request_id)
    return HttpResponse(
        export.content,
        content_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="customer-data-{request_id}.json"'},
    )
