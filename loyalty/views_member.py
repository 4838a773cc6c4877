"""What staff do about one member, from the customer's profile: adjusting points, moving the tier."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from loyalty import selectors
from loyalty.member_forms import AUTOMATIC, AdjustForm, TierForm
from loyalty.rules.programme import Document, completed
from loyalty.staff import ADJUST_MAX, KeyReused, StaffRefused, may_be_decided, points_adjust, tier_move
from retention_app.access import access_customer
from retention_app.doors import ShopRequest, shop_view
from retention_app.models import Customer
from retention_app.views.admin_page import done, page


@shop_view(methods=["GET", "POST"])
def adjust(request: ShopRequest, customer_id: int) -> HttpResponse:
    """Give or take points; back on the profile they are in the ledger."""
    person = access_customer(request.shop, customer_id)

    def decide(form: AdjustForm) -> None:
        chosen = form.cleaned_data
        points_adjust(
            shop=request.shop,
            customer=person,
            points=chosen["points"],
            reason=chosen["reason"],
            note=chosen["note"],
            counts=chosen["counts"],
            expires_at=chosen["expires_at"],
            actor=request.actor,
            key=chosen["key"],
        )

    initial = {"key": AdjustForm.key_new()}
    return _decision(request, person, AdjustForm, initial, decide, "loyalty/adjust.html", _("Points adjusted"))


@shop_view(methods=["GET", "POST"])
def tier(request: ShopRequest, customer_id: int) -> HttpResponse:
    """Give a tier or take the member back to the automatic one."""
    person = access_customer(request.shop, customer_id)

    def decide(form: TierForm) -> None:
        chosen = form.cleaned_data
        tier_move(
            shop=request.shop,
            customer=person,
            level=chosen["level"],
            until=chosen["until"],
            note=chosen["note"],
            actor=request.actor,
            key=chosen["key"],
        )

    initial = {"key": TierForm.key_new(), "tier": AUTOMATIC}
    return _decision(request, person, TierForm, initial, decide, "loyalty/tier_move.html", _("Tier moved"))


_Form = TypeVar("_Form", AdjustForm, TierForm)


def _decision(
    request: ShopRequest,
    person: Customer,
    form_class: type[_Form],
    initial: Mapping[str, str],
    decide: Callable[[_Form], None],
    template: str,
    toast: str,
) -> HttpResponse:
    """The form, its refusals, and the decision."""
    live = selectors.programme_live(request.shop.id)
    document = completed(live.document) if live else None
    refusal = _refusal(person, document, form_class)
    context: dict[str, Any] = {
        "shop": request.shop,
        "customer": person,
        "refusal": refusal,
        "summary": selectors.member_summary(person, live),
        "most": ADJUST_MAX,
    }
    if document is None or refusal:
        return page(request, template, context, current="customers", status=200 if request.method == "GET" else 422)
    if request.method == "GET":
        context["form"] = form_class(initial=initial, shop=request.shop, document=document)
        return page(request, template, context, current="customers")
    form = context["form"] = form_class(request.POST, shop=request.shop, document=document)
    if not form.is_valid():
        return page(request, template, context, current="customers", status=422)
    try:
        decide(form)
    except KeyReused:
        form.add_error(None, _("This form has already decided something else. To decide again, open it again."))
        return page(request, template, context, current="customers", status=409)
    except StaffRefused:  # the programme, the customer or the clock moved on since the form was checked
        form.add_error(None, _("Open this form again."))
        return page(request, template, context, current="customers", status=422)
    return done(request, reverse("admin:customer", args=[person.id]), toast=toast)


def _refusal(person: Customer, document: Document | None, form_class: type[AdjustForm | TierForm]) -> str:
    """Why nothing can be decided about this customer; empty when it can."""
    if person.merged_into_id is not None:
        return _("This customer was merged into another one. Decide there.")
    if not may_be_decided(person):
        return _("This customer isn't in your store any more. Their points stay as they are.")
    if document is None:
        return _("Points start with your programme. Publish it first.")
    if form_class is TierForm and not document["tiers"]:
        return _("Your programme has no tiers. Add them to a draft and publish it first.")
    return ""
