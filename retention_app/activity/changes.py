"""Changes by staff: the audit in words."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _

from retention_app.activity.source import Item, Source, State, Story
from retention_app.api.keys import api_key_id
from retention_app.models import ApiKey, AuditEntry, Customer, Shop
from retention_app.screens import engines
from retention_app.words import Words


class Changes(Source[AuditEntry]):
    key, tab, at = "change", "staff", "at"

    def rows(self, shop: Shop) -> QuerySet[AuditEntry]:
        return AuditEntry.objects.all()

    def items(self, shop: Shop, rows: Sequence[AuditEntry], actor: str, words: Words) -> list[Item]:
        keys = ApiKey.objects.in_bulk([key_id for row in rows if (key_id := api_key_id(row.actor))])
        people = Customer.objects.in_bulk([row.data["customer"] for row in rows if row.data.get("customer")])
        return [
            Item(
                self.key,
                row.pk,
                row.at,
                _text(row),
                _by(row, actor, keys.get(api_key_id(row.actor) or 0)),
                State(_("Done"), "good"),
                link=_link(people.get(row.data.get("customer", 0))),
            )
            for row in rows
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


def _by(row: AuditEntry, actor: str, key: ApiKey | None) -> str:
    if key is not None:
        return _("By the program %(name)s, with an API key") % {"name": key.name}
    return _("By you") if row.actor == actor else _("By a colleague")


def _text(row: AuditEntry) -> str:
    own = {
        "offers.code.given": _("Discount code given"),
        "outbound.retried": _("Retried a change in Shopify"),
        "outbound.skipped": _("Skipped a change in Shopify"),
        "outbound.found": _("Found a change done in Shopify that was to be skipped"),
        "delivery.retried": _("Retried a message from Shopify"),
        "delivery.skipped": _("Skipped a message from Shopify"),
    }
    if row.code == "api.key.created":
        return _("API key %(name)s made") % {"name": row.data.get("name", "")}
    if row.code == "api.key.revoked":
        return _("API key %(name)s revoked") % {"name": row.data.get("name", "")}
    if row.code in own:
        return own[row.code]
    for engine in engines():
        if text := engine.audit_text(row.code, row.data):
            return text
    return _("Settings changed")


def _link(person: Customer | None) -> tuple[str, str] | None:
    if person is None:
        return None
    return person.name or person.email or _("Customer"), reverse("admin:customer", args=[person.id])
