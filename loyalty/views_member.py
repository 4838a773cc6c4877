"""What staff do about one member, from the customer's profile: adjusting points, moving the tier."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from loyalty import selectors
from loyalty.approvals import adjustment_ask
from loyalty.member_forms import AUTOMATIC, AdjustForm, TierForm
from loyalty.rules.programme import Document, completed
from loyalty.staff import KeyReused, Points, StaffRefused, may_be_decided, points_adjust, tier_move
from retention_app.access import access_customer
from retention_app.doors import ShopRequest, shop_view
from retention_app.models import Customer
from retention_app.rights import Right, points_limit
from retention_app.views.admin_page import done, page


@shop_view(Right.POINTS, methods=["GET", "POST"], look=Right.POINTS)
def adjust(request: ShopRequest, customer_id: int) -> HttpResponse:
    """Give or take points, or ask for it above one's limit; back on the profile they are in the ledger."""
    shop, person = request.shop, access_customer(request.shop, customer_id)
    most = points_limit(request.staff, shop)

    def decide(form: AdjustForm) -> str:
        chosen = form.cleaned_data
        wanted = {name: chosen[name] for name in ("points", "reason", "counts", "expires_at")}
        wanted["note"] = chosen["note"].strip()
        if abs(chosen["points"]) > most:
            adjustment_ask(shop=shop, customer=person, wanted=Points(**wanted), actor=request.actor, key=chosen["key"])
            return _("Approval asked for")
        points_adjust(shop=shop, customer=person, **wanted, actor=request.actor, key=chosen["key"], most=most)
        return _("Points adjusted")

    def form_of(*given: Any, document: Document, **initial: Any) -> AdjustForm:
        return AdjustForm(*given, shop=shop, document=document, most=most, **initial)

    initial = {"key": AdjustForm.key_new()}
    return _decision(request, person, form_of, initial, decide, "loyalty/adjust.html", most=most)


@shop_view(Right.TIERS, methods=["GET", "POST"], look=Right.TIERS)
def tier(request: ShopRequest, customer_id: int) -> HttpResponse:
    """Give a tier or take the member back to the automatic one."""
    person = access_customer(request.shop, customer_id)

    def decide(form: TierForm) -> str:
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
        return _("Tier moved")

    def form_of(*given: Any, document: Document, **initial: Any) -> TierForm:
        return TierForm(*given, shop=request.shop, document=document, **initial)

    initial = {"key": TierForm.key_new(), "tier": AUTOMATIC}
    return _decision(request, person, form_of, initial, decide, "loyalty/tier_move.html", needs_tiers=True)


_Form = TypeVar("_Form", AdjustForm, TierForm)


def _decision(
    request: ShopRequest,
    person: Customer,
    form_of: Callable[..., _Form],
    initial: Mapping[str, str],
    decide: Callable[[_Form], str],
    template: str,
    *,
    most: int = 0,
    needs_tiers: bool = False,
) -> HttpResponse:
    """The form, its refusals, and the decision, which answers what to say of it."""
    live = selectors.programme_live(request.shop.id)
    document = completed(live.document) if live else None
    refusal = _refusal(person, document, needs_tiers=needs_tiers)
    context: dict[str, Any] = {
        "shop": request.shop,
        "customer": person,
        "refusal": refusal,
        "summary": selectors.member_summary(person, live),
        "most": most,
    }
    if document is None or refusal:
        return page(request, template, context, current="customers", status=200 if request.method == "GET" else 422)
    if request.method == "GET":
        context["form"] = form_of(initial=initial, document=document)
        return page(request, template, context, current="customers")
    form = context["form"] = form_of(request.POST, document=document)
    if not form.is_valid():
        return page(request, template, context, current="customers", status=422)
    try:
        toast = decide(form)
    except KeyReused:
        form.add_error(None, _("This form has already decided something else. To decide again, open it again."))
        return page(request, template, context, current="customers", status=409)
    except StaffRefused:  # the programme, the customer or the clock moved on since the form was checked
        form.add_error(None, _("Open this form again."))
        return page(request, template, context, current="customers", status=422)
    return done(request, reverse("admin:customer", args=[person.id]), toast=toast)


def _refusal(person: Customer, document: Document | None, *, needs_tiers: bool) -> str:
    """Why nothing can be decided about this customer; empty when it can."""
    if person.merged_into_id is not None:
        return _("This customer was merged into another one. Decide there.")
    if not may_be_decided(person):
        return _("This customer isn't in your store any more. Their points stay as they are.")
    if document is None:
        return _("Points start with your programme. Publish it first.")
    if needs_tiers and not document["tiers"]:
        return _("Your programme has no tiers. Add them to a draft and publish it first.")
    return ""
