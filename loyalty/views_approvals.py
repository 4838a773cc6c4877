"""Deciding what colleagues asked for above their limit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from loyalty.approvals import AlreadyDecided, ApprovalRefused, adjustment_approve, adjustment_refuse
from loyalty.models import AdjustmentRequest
from loyalty.staff import StaffRefused
from retention_app.doors import ShopRequest, shop_view
from retention_app.rights import Right, points_limit
from retention_app.views.admin_activity import item_page
from retention_app.views.admin_page import done
from retention_app.words import words_for

ANSWER_MAX = 255  # characters


class DecisionForm(forms.Form):
    """`answer` is for the one who asked."""

    answer = forms.CharField(max_length=ANSWER_MAX, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["answer"].label = _("Answer")


@shop_view(Right.APPROVE, methods=["POST"])
def approve(request: ShopRequest, request_id: int) -> HttpResponse:
    """Book the points, up to one's own limit."""
    asked, most = _asked(request_id), points_limit(request.staff, request.shop)

    def decide(answer: str) -> str:
        adjustment_approve(shop=request.shop, asked=asked, actor=request.actor, most=most, answer=answer)
        return _("Points adjusted")

    if asked.actor == request.actor:
        refusal = _("Somebody else has to approve what you asked for.")
    else:
        refusal = _("It is over your limit of %(most)s points, too. Nothing was changed.") % {
            "most": words_for(request.shop).count(most)
        }
    return _decided(request, asked, decide, refusal)


@shop_view(Right.APPROVE, methods=["POST"])
def refuse(request: ShopRequest, request_id: int) -> HttpResponse:
    """Leave the points as they are."""
    asked = _asked(request_id)

    def decide(answer: str) -> str:
        adjustment_refuse(asked=asked, actor=request.actor, answer=answer)
        return _("Refused")

    return _decided(request, asked, decide, "")


def _asked(request_id: int) -> AdjustmentRequest:
    """The shop's request. Raises `Http404`."""
    asked = AdjustmentRequest.objects.select_related("customer").filter(id=request_id).first()
    if asked is None:
        raise Http404("activity")
    return asked


def _decided(
    request: ShopRequest, asked: AdjustmentRequest, decide: Callable[[str], str], refusal: str
) -> HttpResponse:
    """The decision, which answers what to say of it, or why there is none: `refusal`, where the person may not."""
    form = DecisionForm(request.POST)
    if form.is_valid():
        try:
            told = decide(form.cleaned_data["answer"])
        except AlreadyDecided:
            told = _("Already decided")
        except ApprovalRefused:
            form.add_error(None, refusal)
        except StaffRefused:
            form.add_error(None, _("This can't be booked any more. Refuse it, or adjust the points yourself."))
    if form.errors:
        return item_page(request, "approval", asked.id, form, status=422)
    return done(request, reverse("admin:activity_item", args=["approval", asked.id]), toast=told)
