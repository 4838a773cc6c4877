"""The operators' console: what needs them, the stuck rows of every queue, deadlines, shops, their own acts.

`retention_app.operating.door` lets in nobody else. What changes something is in `console_actions`.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_safe

from retention_app import clock
from retention_app.models import DomainEvent, EventRun
from retention_app.operating import overview
from retention_app.operating.queues import (
    QUEUES,
    STATES,
    Group,
    Queue,
    Row,
    Wanted,
    ages,
    failed_tries,
    row_of,
    stuck_groups,
    stuck_page,
)
from retention_app.tenancy import shop_scope

ID_MAX = 2**63 - 1
MINUTES_MAX = 60 * 24 * 365
TRIES_SHOWN = 50
ACTIONS_SHOWN = 5

STATE_NAMES = {
    "dead": gettext_lazy("Put aside"),
    "failing": gettext_lazy("Failing, tried again by itself"),
    "late": gettext_lazy("Waiting too long"),
    "dropped": gettext_lazy("Dropped"),
}


class StuckForm(forms.Form):
    """What a list of stuck rows is narrowed to, from its query string."""

    state = forms.ChoiceField(choices=[("", ""), *((state, state) for state in STATES)], required=False)
    kind = forms.CharField(max_length=64, required=False)
    error = forms.CharField(max_length=64, required=False)
    shop = forms.CharField(max_length=255, required=False)
    minutes = forms.IntegerField(min_value=1, max_value=MINUTES_MAX, required=False)

    def wanted(self) -> Wanted:
        given = {name: value for name, value in self.cleaned_data.items() if value}
        return Wanted(error_class=given.pop("error", ""), **given)


def queue_named(name: str) -> Queue:
    try:
        return QUEUES[name]
    except KeyError:
        raise Http404 from None


def row_named(queue: Queue, row_id: int) -> Row:
    row = row_of(queue, row_id)
    if row is None:
        raise Http404
    return row


def row_url(queue: Queue, row_id: int) -> str:
    return reverse("console_row", args=[queue.key, row_id])


def wanted_from(parameters: QueryDict) -> Wanted:
    form = StuckForm(parameters)
    if not form.is_valid():
        raise Http404
    return form.wanted()


def _after(parameters: QueryDict) -> int:
    """The cursor of a list: the id it goes on after. A cursor that no list wrote is a 404."""
    try:
        after = forms.IntegerField(min_value=0, max_value=ID_MAX, required=False).clean(parameters.get("after", ""))
    except ValidationError as error:
        raise Http404 from error
    return int(after or 0)


def _pages(parameters: QueryDict, after: int) -> dict[str, str]:
    """Links of a list's pager: to the `next` page and, from there on, to the `first`; empty where there is none."""
    query = parameters.copy()
    is_first = not query.pop("after", None)
    first = "" if is_first else f"?{query.urlencode()}"
    query["after"] = str(after)
    return {"first": first, "next": f"?{query.urlencode()}" if after else ""}


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """What needs an operator: queues, what is put aside, deadlines, shops in trouble."""
    put_aside = [(queue, group) for queue in QUEUES.values() for group in stuck_groups(queue, Wanted(state="dead"))]
    put_aside.sort(key=lambda each: -each[1].count)
    deadlines = overview.deadlines()
    acts, _more = overview.page_after(overview.operator_actions(), 0, newest_first=True)
    context = {
        "ages": ages(),
        "groups": [_group(queue, group) for queue, group in put_aside[:10]],
        "deadlines": deadlines,
        "deadline": _left(deadlines.next) if deadlines.next else "",
        "shops": overview.shops_counted(),
        "actions": acts[:ACTIONS_SHOWN],
        "current": "home",
    }
    return render(request, "retention_app/console/home.html", context)


@require_safe
def stuck(request: HttpRequest, queue: str) -> HttpResponse:
    """The stuck rows of a queue over all shops, oldest first, and how many there are for which reason."""
    chosen, wanted = queue_named(queue), wanted_from(request.GET)
    rows, after = stuck_page(chosen, wanted, after=_after(request.GET))
    groups = stuck_groups(chosen, wanted)
    context = {
        "queue": chosen,
        "queues": QUEUES.values(),
        "wanted": wanted,
        "is_filtered": wanted != Wanted(),
        "states": [
            ("", _("All stuck")),
            *((key, STATE_NAMES[key]) for key in STATES if key != "dropped" or chosen.given_up),
        ],
        "rows": rows,
        "groups": [_group(chosen, group, wanted.shop) for group in groups],
        **_pages(request.GET, after),
        "current": "queues",
    }
    return render(request, "retention_app/console/stuck.html", context)


def _group(queue: Queue, group: Group, shop: str = "") -> dict[str, Any]:
    """A group with the link to its rows and, where they are put aside, to replaying all of them."""
    same = {"kind": group.kind, "error": group.error_class, "shop": shop}
    state = "dead" if group.state == "dead" else "dropped" if group.state == queue.given_up else ""
    rows = urlencode({name: value for name, value in {**same, "state": state}.items() if value})
    replay = f"{reverse('console_replay_kind', args=[queue.key])}?{urlencode(same)}" if state == "dead" else ""
    url = f"{reverse('console_stuck', args=[queue.key])}?{rows}"
    return {**asdict(group), "queue": queue, "url": url, "replay_url": replay}


@require_safe
def row(request: HttpRequest, queue: str, row_id: int) -> HttpResponse:
    """One row with every failed try. A delivery's body stays hidden."""
    chosen = queue_named(queue)
    return render(request, "retention_app/console/row.html", row_context(chosen, row_named(chosen, row_id)))


def row_context(queue: Queue, row: Row) -> dict[str, Any]:
    tries = list(failed_tries(queue, row.id)[:TRIES_SHOWN])
    return {
        "queue": queue,
        "row": row,
        "facts": _facts(queue, row),
        "tries": tries,
        "tries_hidden": row.tries - len(tries),
        "is_open": row.state in ("dead", "waiting") and not row.in_hand,
        "current": "queues",
    }


# Columns shown of a row besides those that every queue has. A delivery's body and what people are called aren't.
_COLUMNS: dict[str, tuple[str, ...]] = {
    "delivery": ("webhook_id", "event_id", "shop_domain", "topic", "api_version", "triggered_at"),
    "run": ("event_id", "consumer", "cursor"),
    "outbound": ("kind", "key", "subject_id", "called_at", "retried_at", "actor", "reason"),
    "reconciliation": ("kind", "read_at", "checked", "repaired", "actor"),
    "privacy": ("kind", "key", "deadline_at", "proof"),
}


def _facts(queue: Queue, row: Row) -> list[tuple[str, Any]]:
    """A row's own columns by name, and for a run what its event is."""
    columns = (*_COLUMNS[queue.key], "attempts", "lease_until", "done_at")
    values = queue.rows.filter(id=row.id).values(*columns).get()
    facts = [(name, values[name]) for name in columns]
    if queue.model is EventRun:
        facts += _event_facts(row.id)
    return [(name, value) for name, value in facts if value not in (None, "", {})]


def _event_facts(run_id: int) -> list[tuple[str, Any]]:
    run = EventRun.objects.only("shop_id", "event_id").get(id=run_id)
    names = ("type", "key", "origin", "subject_id", "occurred_at", "recorded_at")
    with shop_scope(run.shop_id):
        event = DomainEvent.objects.filter(id=run.event_id).values(*names).first() or {}
    return [(f"event.{name}", event.get(name)) for name in names]


@require_safe
def privacy(request: HttpRequest) -> HttpResponse:
    """Requests of the platform's compliance topics: not yet answered by deadline, or answered with their proof."""
    answered = request.GET.get("state") == "answered"
    requests = overview.answered_requests() if answered else overview.open_requests()
    page, after = overview.page_after(requests, _after(request.GET), newest_first=answered)
    context = {
        "answered": answered,
        "rows": [(each, _left(each.deadline_at), each.deadline_at < clock.now()) for each in page],
        **_pages(request.GET, after),
        "current": "privacy",
    }
    return render(request, "retention_app/console/privacy.html", context)


def _left(deadline: dt.datetime) -> str:
    """How far a deadline is, in whole days."""
    seconds = (deadline - clock.now()).total_seconds()
    days = int(abs(seconds) // 86_400)
    if not days:
        return _("less than a day left") if seconds >= 0 else _("overdue since today")
    if seconds < 0:
        return ngettext("%(days)s day overdue", "%(days)s days overdue", days) % {"days": days}
    return ngettext("%(days)s day left", "%(days)s days left", days) % {"days": days}


@require_safe
def shops(request: HttpRequest) -> HttpResponse:
    """Every shop: its state, what troubles it, when it last told us anything."""
    name, troubled = request.GET.get("q", "").strip(), request.GET.get("state") == "trouble"
    if "\0" in name:
        raise Http404
    found = overview.shops(troubled=troubled, name=name)
    page, after = overview.page_after(found, _after(request.GET), newest_first=True)
    context = {"rows": page, "q": name, "troubled": troubled, **_pages(request.GET, after), "current": "shops"}
    return render(request, "retention_app/console/shops.html", context)


@require_safe
def actions(request: HttpRequest) -> HttpResponse:
    """What operators did, newest first."""
    page, after = overview.page_after(overview.operator_actions(), _after(request.GET), newest_first=True)
    context = {"rows": page, **_pages(request.GET, after), "current": "actions"}
    return render(request, "retention_app/console/actions.html", context)
