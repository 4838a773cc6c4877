"""What loyalty adds to Activity: points that wait for approval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from loyalty.explain import reason_text
from loyalty.models import AdjustmentRequest
from retention_app.activity.source import Decision, Item, Source, State, Story
from retention_app.models import Shop
from retention_app.people import names_of
from retention_app.words import Words

Waits = AdjustmentRequest.State


class Approvals(Source[AdjustmentRequest]):
    key, tab, at = "approval", "staff", "at"
    attention = Q(state=Waits.WAITING)

    def rows(self, shop: Shop) -> QuerySet[AdjustmentRequest]:
        return AdjustmentRequest.objects.select_related("customer")

    def items(self, shop: Shop, rows: Sequence[AdjustmentRequest], actor: str, words: Words) -> list[Item]:
        names = names_of(name for row in rows for name in (row.actor, row.decided_by))
        return [
            Item(
                self.key,
                row.pk,
                row.at,
                ngettext(
                    "%(person)s asks for %(points)s point", "%(person)s asks for %(points)s points", abs(row.points)
                )
                % {"person": names[row.actor], "points": _signed(row.points, words)},
                _("By you") if row.actor == actor else _("By %(person)s") % {"person": names[row.actor]},
                _state(row, names),
                link=(
                    row.customer.name or row.customer.email or _("Customer"),
                    reverse("admin:customer", args=[row.customer_id]),
                ),
            )
            for row in rows
        ]

    def story(self, row: AdjustmentRequest, item: Item, words: Words) -> Story:
        happened = f"{item.what}: {reason_text(row.reason)}."
        if row.note:
            happened += " " + _("Note: “%(note)s”") % {"note": row.note}
        if row.answer:
            happened += " " + _("Answer: “%(answer)s”") % {"answer": row.answer}
        facts = [(_("Reference"), f"{self.key}-{row.pk}")]
        if row.state == Waits.WAITING:
            means = _("It is above their limit. Nothing is booked before somebody approves it.")
            decisions = [
                Decision(_("Approve"), reverse("loyalty:approve", args=[row.pk]), main=True),
                Decision(_("Refuse"), reverse("loyalty:refuse", args=[row.pk])),
            ]
            return Story(item, happened, means, _("Approve or refuse it."), facts=facts, decisions=decisions)
        means = _("The points are booked.") if row.state == Waits.APPROVED else _("The points stayed as they were.")
        return Story(item, happened, means, _("Nothing."), facts=facts)


def _state(row: AdjustmentRequest, names: Mapping[str, str]) -> State:
    if row.state == Waits.WAITING:
        return State(_("Needs approval"), "warn")
    by = _("By %(person)s") % {"person": names.get(row.decided_by, "")}
    return State(_("Approved"), "good", by) if row.state == Waits.APPROVED else State(_("Refused"), "neutral", by)


def approval_text(code: str, data: Mapping[str, Any]) -> str:
    """An audit entry about a request: who asked, and why."""
    said = {"person": data["person"], "reason": reason_text(data["why"])}
    return {
        "loyalty.points.asked": _("Approval asked for: %(reason)s"),
        "loyalty.points.approved": _("Points that %(person)s asked for approved: %(reason)s"),
        "loyalty.points.refused": _("Points that %(person)s asked for refused: %(reason)s"),
    }[code] % said


def _signed(points: int, words: Words) -> str:
    return f"{'−' if points < 0 else '+'}{words.count(abs(points))}"
