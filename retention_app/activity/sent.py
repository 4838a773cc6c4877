"""To Shopify: what we did, or want to do, in the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import attrgetter

from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _

from retention_app.activity import failures
from retention_app.activity.source import Item, Source, State, Story, took, tries_of, waiting
from retention_app.models import Customer, FailedTry, Outbound, Shop
from retention_app.outbound import kinds
from retention_app.words import Words


class Sent(Source[Outbound]):
    key, tab, at = "call", "to", "created_at"
    attention = Q(state=Outbound.State.DEAD)

    def rows(self, shop: Shop) -> QuerySet[Outbound]:
        return Outbound.objects.filter(shop=shop)

    def items(self, shop: Shop, rows: Sequence[Outbound], actor: str, words: Words) -> list[Item]:
        titles = _titles(rows)
        people = Customer.objects.in_bulk([row.customer_id for row in rows if row.customer_id])
        return [
            Item(
                self.key,
                row.pk,
                row.created_at,
                titles[row.pk],
                _("To Shopify"),
                _state(row, words),
                link=_link(people.get(row.customer_id or 0)),
                can_retry=row.state == Outbound.State.DEAD,
            )
            for row in rows
        ]

    def story(self, row: Outbound, item: Item, words: Words) -> Story:
        kind = kinds()[row.kind]
        facts = [(_("Kind"), row.kind), (_("Reference"), f"{self.key}-{row.pk}")]
        if row.error_class:
            facts.append((_("Error"), f"{row.error_class}: {row.error}"))
        stuck = row.state == Outbound.State.DEAD
        return Story(
            item,
            _happened(row, words),
            kind.meaning(row),
            failures.todo(row.error_class) if stuck else _todo(row),
            tries_of(FailedTry.Queue.OUTBOUND, row.pk),
            kind.skipping(row) if stuck else "",
            facts,
        )


def _titles(rows: Sequence[Outbound]) -> Mapping[int, str]:
    titles: dict[int, str] = {}
    for name, calls in groupby(sorted(rows, key=attrgetter("kind")), attrgetter("kind")):
        titles |= kinds()[name].titles(list(calls))
    return titles


def _link(person: Customer | None) -> tuple[str, str] | None:
    if person is None:
        return None
    url = reverse("admin:customer", args=[person.id])
    return person.name or person.email or _("Customer"), f"{url}?tab=codes"


def _state(row: Outbound, words: Words) -> State:
    states = Outbound.State
    if row.state == states.DONE:
        return State(took(row.created_at, row.done_at, words), "good")
    if row.state == states.DEAD:
        return State(_("Needs attention"), "bad")
    return State(_("Skipped")) if row.state == states.SKIPPED else waiting(row, words)


def _happened(row: Outbound, words: Words) -> str:
    states = Outbound.State
    if row.state == states.DONE:
        return _("Shopify did it at %(when)s.") % {"when": words.moment(row.done_at or row.created_at)}
    if row.state == states.SKIPPED:
        return _("Somebody gave it up: “%(reason)s”") % {"reason": row.reason}
    if row.error_class:
        return failures.happened(row.error_class, row.error)
    if row.called_at:
        return _("We asked Shopify, which hasn't answered yet.")
    return _("We want this of Shopify and haven't asked yet.")


def _todo(row: Outbound) -> str:
    return _("Nothing. We try again by ourselves.") if row.state == Outbound.State.WAITING else _("Nothing.")
