"""Imports of the history, and checks of what we keep against what Shopify has."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from retention_app.activity import failures
from retention_app.activity.source import Item, Source, State, Story, took, tries_of, waiting
from retention_app.models import FailedTry, Reconciliation, Shop, SyncRun
from retention_app.words import Words


class Imports(Source[SyncRun]):
    key, tab, at = "import", "imports", "started_at"
    attention = Q(phase=SyncRun.Phase.FAILED, followed=False)

    def rows(self, shop: Shop) -> QuerySet[SyncRun]:
        later = SyncRun.objects.filter(shop=OuterRef("shop"), id__gt=OuterRef("id"))
        return SyncRun.objects.filter(shop=shop).annotate(followed=Exists(later))

    def items(self, shop: Shop, rows: Sequence[SyncRun], actor: str, words: Words) -> list[Item]:
        return [
            Item(self.key, row.pk, row.started_at, _("Import of your history"), _("Import"), _import_state(row, words))
            for row in rows
        ]

    def story(self, row: SyncRun, item: Item, words: Words) -> Story:
        facts = [(_("Reference"), f"{self.key}-{row.pk}")]
        if row.phase == SyncRun.Phase.FAILED:
            happened = _("Shopify didn't hand over the rest of your history.")
            means = _("Your numbers cover the orders that arrived.")
            todo = _("Open Encore again in a while: the import begins anew. “Check with Shopify now” repairs gaps.")
            return Story(item, happened, means, todo, facts=[*facts, (_("Error"), row.error)])
        if row.running:
            means = _("Your numbers cover the orders that have arrived so far.")
            return Story(item, _orders(row, words), means, _("Nothing. You can leave this page."), facts=facts)
        means = _("All of your history is in your numbers.")
        if row.unreadable:
            means = ngettext(
                "%(count)s entry couldn't be read and was left out.",
                "%(count)s entries couldn't be read and were left out.",
                row.unreadable,
            ) % {"count": words.count(row.unreadable)}
        return Story(item, _orders(row, words), means, _("Nothing."), facts=facts)


def _orders(row: SyncRun, words: Words) -> str:
    if row.orders_total is not None and row.orders_done < row.orders_total:
        return _("%(done)s of %(all)s orders") % {
            "done": words.count(row.orders_done),
            "all": words.count(row.orders_total),
        }
    return ngettext("%(count)s order", "%(count)s orders", row.orders_done) % {"count": words.count(row.orders_done)}


def _import_state(row: SyncRun, words: Words) -> State:
    if row.phase == SyncRun.Phase.FAILED:
        return State(_("Ended early")) if row.followed else State(_("Needs attention"), "bad", _orders(row, words))  # type: ignore[attr-defined]  # annotated by rows()
    if row.running:
        return State(_("Under way"), "info", _orders(row, words))
    return State(took(row.started_at, row.finished_at, words), "good", _orders(row, words))


class Checks(Source[Reconciliation]):
    key, tab, at = "check", "imports", "requested_at"
    attention = Q(state=Reconciliation.State.DEAD, followed=False)

    def rows(self, shop: Shop) -> QuerySet[Reconciliation]:
        later = Reconciliation.objects.filter(
            shop=OuterRef("shop"), id__gt=OuterRef("id"), state=Reconciliation.State.DONE
        )
        return Reconciliation.objects.filter(shop=shop).annotate(followed=Exists(later))

    def items(self, shop: Shop, rows: Sequence[Reconciliation], actor: str, words: Words) -> list[Item]:
        return [
            Item(self.key, row.pk, row.requested_at, _check_title(row), _("Check"), _check_state(row, words))
            for row in rows
        ]

    def story(self, row: Reconciliation, item: Item, words: Words) -> Story:
        facts = [(_("Kind"), row.kind), (_("Reference"), f"{self.key}-{row.pk}")]
        tries = tries_of(FailedTry.Queue.RECONCILIATION, row.pk)
        if row.state == Reconciliation.State.DEAD:
            means = _("What changed since the last check may be missing until the next one.")
            facts.append((_("Error"), f"{row.error_class}: {row.error}"))
            todo = _("Press “Check with Shopify now”. If it fails again, tell us the reference below.")
            return Story(item, failures.happened(row.error_class, row.error), means, todo, tries, facts=facts)
        if row.state == Reconciliation.State.WAITING:
            happened = failures.happened(row.error_class, row.error) if row.error_class else _("It is about to begin.")
            means = _("Encore compares what it keeps with what Shopify has, and repairs what differs.")
            return Story(item, happened, means, _("Nothing. You can leave this page."), tries, facts=facts)
        means = _("Encore has what Shopify has.") if row.state == Reconciliation.State.DONE else _("It was given up.")
        if row.state == Reconciliation.State.DONE and row.read_at is None:
            means = _("There was nothing to compare yet: the import of your history brings everything.")
        return Story(item, _result(row, words), means, _("Nothing."), tries, facts=facts)


def _check_title(row: Reconciliation) -> str:
    return {
        Reconciliation.Kind.CHANGES: _("Check of recent changes"),
        Reconciliation.Kind.WHOLE: _("Nightly check of everything"),
        Reconciliation.Kind.ASKED: _("Check with Shopify"),
    }[Reconciliation.Kind(row.kind)]


def _check_state(row: Reconciliation, words: Words) -> State:
    states = Reconciliation.State
    if row.state == states.DONE:
        return State(took(row.requested_at, row.done_at, words), "good", _result(row, words))
    if row.state == states.DEAD:
        return State(_("Failed")) if row.followed else State(_("Needs attention"), "bad")  # type: ignore[attr-defined]  # annotated by rows()
    return State(_("Skipped")) if row.state == states.DROPPED else waiting(row, words)


def _result(row: Reconciliation, words: Words) -> str:
    """1,204 compared, nothing to repair."""
    checked, repaired = sum(row.checked.values()), sum(row.repaired.values())
    compared = ngettext("%(count)s compared", "%(count)s compared", checked) % {"count": words.count(checked)}
    if not repaired:
        return _("%(compared)s, nothing to repair") % {"compared": compared}
    mended = ngettext("%(count)s repaired", "%(count)s repaired", repaired) % {"count": words.count(repaired)}
    return _("%(compared)s, %(repaired)s") % {"compared": compared, "repaired": mended}
