"""Giving a customer a discount code from their profile, and the codes they were given."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from retention_app import clock
from retention_app.access import access_customer
from retention_app.doors import ShopRequest, shop_view
from retention_app.models import Customer, DiscountCode, Outbound, Shop
from retention_app.offers.codes import KeyReused, calls_for, discount_code_give, may_have_code, value_text
from retention_app.offers.forms import CodeForm
from retention_app.rights import Right, code_limit
from retention_app.screens import Tab
from retention_app.views.admin_page import done, page

CODES_SHOWN = 100


@dataclass(frozen=True)
class CodeRow:
    """A code with its state in words; `url` leads to its call in Activity."""

    given: DiscountCode
    value: str
    state: str
    tone: str
    url: str


@shop_view(Right.CODES, methods=["GET", "POST"], look=Right.CODES)
def code_give(request: ShopRequest, customer_id: int) -> HttpResponse:
    """The form, and giving the code; back on the profile it is in the list, waiting for the platform."""
    shop, person = request.shop, access_customer(request.shop, customer_id)
    limit = code_limit(request.staff, shop)
    if request.method == "GET":
        return _form_page(request, person, CodeForm(initial=CodeForm.blank(), shop=shop, limit_percent=limit))
    form = CodeForm(request.POST, shop=shop, limit_percent=limit)
    if not may_have_code(person):
        form.add_error(None, code_refusal(person))
    if not form.is_valid():
        return _form_page(request, person, form, status=422)
    chosen = form.cleaned_data
    try:
        given = discount_code_give(
            shop=shop,
            customer=person,
            kind=chosen["kind"],
            value=chosen["minor"],
            days=chosen["days"],
            actor=request.actor,
            note=chosen["note"],
            key=chosen["key"],
            limit_percent=limit,
        )
    except KeyReused as reused:
        form.add_error(
            None,
            _("This form has already given the code %(code)s. To give another one, open it again.")
            % {"code": reused.given.code},
        )
        return _form_page(request, person, form, status=409)
    profile = reverse("admin:customer", args=[person.id])
    return done(
        request, f"{profile}?{urlencode({'tab': 'codes'})}", toast=_("Code %(code)s given") % {"code": given.code}
    )


def _form_page(request: ShopRequest, person: Customer, form: CodeForm, status: int = 200) -> HttpResponse:
    context = {
        "shop": request.shop,
        "customer": person,
        "form": form,
        "refusal": code_refusal(person),
    }
    return page(request, "retention_app/code.html", context, current="customers", status=status)


def code_refusal(person: Customer) -> str:
    """Why this customer can't be given a code; empty when they can."""
    if may_have_code(person):
        return ""
    if person.merged_into_id is not None:
        return _("This customer was merged into another one. Give the code there.")
    if person.gone_at is not None:
        return _("This customer isn't in your store any more, so there is nobody to give a code to.")
    return _("Shopify doesn't share who this is, so there is nobody to give a code to.")


def codes_tab(shop: Shop, person: Customer) -> Tab:
    """The codes a customer was given, newest first. Two queries."""
    codes = list(DiscountCode.objects.filter(customer=person).order_by("-id")[:CODES_SHOWN])
    calls = calls_for(codes)
    rows = [_row(shop, given, calls.get(given.id)) for given in codes]
    return Tab("codes", _("Codes"), "retention_app/profile/codes.html", {"rows": rows})


def _row(shop: Shop, given: DiscountCode, call: Outbound | None) -> CodeRow:
    state, tone = _state(given, call)
    url = reverse("admin:activity_item", args=["call", call.id]) if call else ""
    return CodeRow(given, value_text(given, shop), state, tone, url)


def _state(given: DiscountCode, call: Outbound | None) -> tuple[str, str]:
    if call is not None and call.state == Outbound.State.SKIPPED:
        return _("Skipped"), "neutral"
    if given.state == DiscountCode.State.REFUSED:
        return _("Needs attention"), "bad"
    if given.state == DiscountCode.State.REQUESTED:
        return _("Waiting for Shopify"), "info"
    return (_("Ended"), "neutral") if given.expires_at <= clock.now() else (_("Active"), "good")
