"""What operators do in the console: each act is asked for on a page of its own, confirmed by a POST, and logged."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.models import AbstractBaseUser
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST

from retention_app.models import WebhookDelivery
from retention_app.operating import actions
from retention_app.operating.actions import RATE_MAX, Batch
from retention_app.outbound import MayBeDone, NotStuck
from retention_app.views.console import ID_MAX, queue_named, row_context, row_named, row_url, wanted_from

RATE = 10  # rows a second, unless the operator says otherwise


class ReasonForm(forms.Form):
    """Why: for those who read the log later."""

    reason = forms.CharField(max_length=255, label=gettext_lazy("Reason"), required=False)


class DropForm(ReasonForm):
    reason = forms.CharField(
        max_length=255,
        label=gettext_lazy("Reason"),
        error_messages={"required": gettext_lazy("Say why, for those who read the log later.")},
    )


class KindReplayForm(ReasonForm):
    per_second = forms.IntegerField(min_value=1, max_value=RATE_MAX, initial=RATE, label=gettext_lazy("Rows a second"))
    newest = forms.IntegerField(min_value=0, max_value=ID_MAX, widget=forms.HiddenInput)


@require_http_methods(["GET", "HEAD", "POST"])
def row_replay(request: HttpRequest, queue: str, row_id: int) -> HttpResponse:
    """Have one row tried again now."""
    chosen = queue_named(queue)
    row, form = row_named(chosen, row_id), ReasonForm(_posted(request))
    if form.is_valid():
        try:
            actions.row_replay(queue=chosen, row_id=row.id, operator=_operator(request), **form.cleaned_data)
        except NotStuck:
            return _refused(request, row_url(chosen, row.id))
        messages.success(request, _("It is tried again now."))
        return HttpResponseRedirect(row_url(chosen, row.id))
    return _ask(request, "replay", form, queue=chosen, row=row, back=row_url(chosen, row.id))


@require_http_methods(["GET", "HEAD", "POST"])
def row_drop(request: HttpRequest, queue: str, row_id: int) -> HttpResponse:
    """Give one row up, with a reason."""
    chosen = queue_named(queue)
    if not chosen.given_up:
        raise Http404
    row, form = row_named(chosen, row_id), DropForm(_posted(request))
    if form.is_valid():
        try:
            dropped = actions.row_drop(queue=chosen, row_id=row.id, operator=_operator(request), **form.cleaned_data)
        except MayBeDone as error:
            return _refused(request, row_url(chosen, row.id), str(error))
        except NotStuck:
            return _refused(request, row_url(chosen, row.id))
        if not dropped:
            messages.success(request, _("Nothing was dropped: Shopify has done it already, so it counts as done."))
            return HttpResponseRedirect(row_url(chosen, row.id))
        messages.success(request, _("It is dropped. Nothing tries it again."))
        return HttpResponseRedirect(reverse("console_stuck", args=[chosen.key]))
    return _ask(request, "drop", form, queue=chosen, row=row, back=row_url(chosen, row.id))


@require_http_methods(["GET", "HEAD", "POST"])
def kind_replay(request: HttpRequest, queue: str) -> HttpResponse:
    """Have all rows put aside of one kind for one reason tried again, so many a second. No more than were counted on
    the page that asked."""
    chosen, wanted = queue_named(queue), wanted_from(request.GET)
    if not wanted.kind or not wanted.error_class:
        raise Http404
    batch, count = Batch.counted(chosen, kind=wanted.kind, error_class=wanted.error_class, shop=wanted.shop)
    form = KindReplayForm(_posted(request), initial={"newest": batch.newest})
    back = reverse("console_stuck", args=[chosen.key])
    if form.is_valid():
        seen = Batch(chosen, batch.kind, batch.error_class, batch.shop, newest=form.cleaned_data.pop("newest"))
        replayed = actions.batch_replay(batch=seen, operator=_operator(request), **form.cleaned_data)
        said = ngettext("%(count)s row waits again.", "%(count)s rows wait again.", replayed)
        messages.success(request, said % {"count": replayed})
        return HttpResponseRedirect(back)
    return _ask(request, "replay_kind", form, queue=chosen, batch=batch, count=count, back=back)


@require_POST
def body_reveal(request: HttpRequest, row_id: int) -> HttpResponse:
    """Show a delivery's body, once the look is noted down."""
    chosen = queue_named("delivery")
    context, form = row_context(chosen, row_named(chosen, row_id)), ReasonForm(request.POST)
    if not form.is_valid():
        raise Http404
    try:
        body = actions.body_reveal(delivery_id=row_id, operator=_operator(request), **form.cleaned_data)
    except WebhookDelivery.DoesNotExist:  # deleted meanwhile
        raise Http404 from None
    return render(request, "retention_app/console/row.html", {**context, "body": body})


def _posted(request: HttpRequest) -> QueryDict | None:
    return request.POST if request.method == "POST" else None


def _operator(request: HttpRequest) -> AbstractBaseUser:
    assert request.user.is_authenticated  # the door of the console saw to it
    return request.user


def _ask(request: HttpRequest, act: str, form: forms.Form, **context: Any) -> HttpResponse:
    status = 422 if form.errors else 200
    context |= {"act": act, "form": form, "current": "queues"}
    return render(request, "retention_app/console/confirm.html", context, status=status)


def _refused(request: HttpRequest, back: str, why: str = "") -> HttpResponse:
    why = why or _("The row is finished, or a worker has it in hand. Look again in a minute.")
    messages.error(request, _("Nothing was done: %(why)s") % {"why": why})
    return HttpResponseRedirect(back)
