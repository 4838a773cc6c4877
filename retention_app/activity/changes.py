"""Changes by staff: the audit in words."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from retention_app import audit
from retention_app.activity.source import Item, Source, State, Story
from retention_app.models import AuditEntry, Shop
from retention_app.words import Words


class Changes(Source[AuditEntry]):
    key, tab, at = "change", "staff", "at"

    def rows(self, shop: Shop) -> QuerySet[AuditEntry]:
        return AuditEntry.objects.all()

    def items(self, shop: Shop, rows: Sequence[AuditEntry], actor: str, words: Words) -> list[Item]:
        done = State(_("Done"), "good")
        return [
            Item(self.key, row.entry.pk, row.entry.at, row.what, audit.by_text(row, actor), done, link=row.link)
            for row in audit.described(rows, words)
        ]

    def story(self, row: AuditEntry, item: Item, words: Words) -> Story:
        reason = row.data.get("reason") or row.data.get("note")
        happened = f"{item.what}. {item.origin}."
        if reason:
            happened += " " + _("Reason: “%(reason)s”") % {"reason": reason}
        facts = [
            (_("Kind"), row.code),
            (_("Shopify's id of the person"), row.actor),
            (_("Reference"), f"{self.key}-{row.pk}"),
        ]
        return Story(item, happened, _("It counts from that moment on."), _("Nothing."), facts=facts)
