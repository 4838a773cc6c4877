"""The audit in words: who did what when, and what it was before and after."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _

from retention_app import clock
from retention_app.api.keys import api_key_id
from retention_app.models import ApiKey, AuditEntry, Customer, Shop, StaffMember
from retention_app.people import names_of, person_name, unnamed
from retention_app.rights import LIMITED, role_name
from retention_app.screens import AuditKind, engines
from retention_app.store_form import store_text
from retention_app.words import Words

PAGE_SIZE = 50
ROWS_AT_ONCE = 1_000  # of a file
PEOPLE_MAX = 200  # offered as a filter


@dataclass(frozen=True)
class AuditRow:
    """An entry in words. `before` and `after` are empty where nothing got another value; `link` leads to the customer
    it is about."""

    entry: AuditEntry
    who: str
    what: str
    before: str
    after: str
    link: tuple[str, str] | None


@dataclass(frozen=True)
class AuditPage:
    """Rows, newest first; `older` is the cursor of the next page, empty at the end."""

    rows: list[AuditRow]
    older: str


def file_taken(*, shop: Shop, actor: str, what: str, **data: Any) -> None:
    """Write down that somebody was sent a file."""
    AuditEntry.objects.create(shop=shop, code=f"export.{what}", actor=actor, at=clock.now(), data=data)


def kinds() -> list[AuditKind]:
    """What the audit can be filtered by."""
    own = [
        AuditKind("staff", _("Staff and limits"), ("staff.",)),
        AuditKind("codes", _("Discount codes"), ("offers.",)),
        AuditKind("store", _("Store"), ("store.",)),
        AuditKind("storefront", _("Storefront"), ("storefront.",)),
        AuditKind("keys", _("API keys"), ("api.",)),
        AuditKind("files", _("Files that left Encore"), ("export.", "privacy.")),
        AuditKind("shopify", _("Retried or skipped"), ("outbound.", "delivery.")),
    ]
    return [kind for engine in engines() for kind in engine.audit_kinds()] + own


def people() -> list[tuple[str, str]]:
    """Whom the audit can be filtered by: (actor, name) of staff and of programs. Two queries."""
    staff = [(person.actor, person_name(person)) for person in StaffMember.objects.order_by("name", "id")[:PEOPLE_MAX]]
    programs = ApiKey.objects.order_by("name", "id")[:PEOPLE_MAX]
    return staff + [(key.actor, _("the program %(name)s") % {"name": key.name}) for key in programs]


def entries_found(person: str, kind: str) -> QuerySet[AuditEntry]:
    """The shop's entries by the one who did it and by kind; empty for all. Raises `KeyError` for an unknown kind."""
    found = AuditEntry.objects.all()
    if person:
        found = found.filter(actor=person)
    if kind:
        codes = Q()
        for prefix in {each.key: each.prefixes for each in kinds()}[kind]:
            codes |= Q(code__startswith=prefix)
        found = found.filter(codes)
    return found


def audit_page(found: QuerySet[AuditEntry], before: int | None, words: Words) -> AuditPage:
    """A page of what was found, older than the entry `before`."""
    entries = list(_older(found, before)[: PAGE_SIZE + 1])
    shown = entries[:PAGE_SIZE]
    return AuditPage(described(shown, words), str(shown[-1].pk) if len(entries) > PAGE_SIZE else "")


def audit_batches(found: QuerySet[AuditEntry], words: Words) -> Iterator[list[AuditRow]]:
    """Everything found, newest first, so many in memory at a time."""
    before: int | None = None
    while entries := list(_older(found, before)[:ROWS_AT_ONCE]):
        yield described(entries, words)
        before = entries[-1].pk


def _older(found: QuerySet[AuditEntry], before: int | None) -> QuerySet[AuditEntry]:
    """Newest first, from the entry `before` on; nothing when the shop has no such entry."""
    if before is not None:
        at = AuditEntry.objects.filter(id=before).values("at")[:1]
        found = found.filter(Q(at__lt=at) | Q(at=at, id__lt=before))
    return found.order_by("-at", "-id")


def described(entries: Sequence[AuditEntry], words: Words) -> list[AuditRow]:
    """The entries in words. Three queries at most."""
    concerned = {str(entry.data["staff"]) for entry in entries if entry.data.get("staff")}
    names = names_of({entry.actor for entry in entries} | concerned)
    customers = Customer.objects.in_bulk([entry.data["customer"] for entry in entries if entry.data.get("customer")])
    return [
        AuditRow(
            entry,
            names.get(entry.actor, ""),
            _what(entry, names),
            *_change(entry, words),
            link=_link(customers.get(entry.data.get("customer", 0))),
        )
        for entry in entries
    ]


def by_text(row: AuditRow, actor: str) -> str:
    """Who it was, for the one who looks."""
    if row.entry.actor == actor:
        return _("By you")
    if api_key_id(row.entry.actor):
        return _("By %(person)s, with an API key") % {"person": row.who}
    return _("By %(person)s") % {"person": row.who}


def _what(entry: AuditEntry, names: Mapping[str, str]) -> str:
    own: dict[str, str] = {
        "offers.code.given": _("Discount code given"),
        "outbound.retried": _("Retried a change in Shopify"),
        "outbound.skipped": _("Skipped a change in Shopify"),
        "outbound.found": _("Found a change done in Shopify that was to be skipped"),
        "delivery.retried": _("Retried a message from Shopify"),
        "delivery.skipped": _("Skipped a message from Shopify"),
        "storefront.switched_on": _("Storefront switched on"),
        "storefront.switched_off": _("Storefront switched off"),
        "privacy.export.downloaded": _("A customer's data downloaded"),
        "export.customers": _("Customers exported"),
        "export.audit": _("Audit exported"),
        "staff.rules.changed": _("Rules for staff changed"),
        "store.changed": _("Goods or margin changed"),
    }
    named: dict[str, Callable[[], str]] = {
        "api.key.created": lambda: _("API key %(name)s made") % {"name": entry.data.get("name", "")},
        "api.key.revoked": lambda: _("API key %(name)s revoked") % {"name": entry.data.get("name", "")},
        "staff.person.joined": lambda: _("%(person)s opened Encore for the first time") % _staff(entry, names),
        "staff.person.changed": lambda: _("Role or limit of %(person)s changed") % _staff(entry, names),
    }
    if entry.code in own:
        return own[entry.code]
    if entry.code in named:
        return named[entry.code]()
    for engine in engines():
        if text := engine.audit_text(entry.code, {**entry.data, **_staff(entry, names)}):
            return text
    return _("Settings changed")


def _staff(entry: AuditEntry, names: Mapping[str, str]) -> dict[str, str]:
    actor = str(entry.data.get("staff", ""))
    return {"person": names.get(actor, unnamed(actor))}


def _change(entry: AuditEntry, words: Words) -> tuple[str, str]:
    """What it was before and after; empty texts where it says nothing."""
    if entry.code.startswith("storefront.switched_"):
        states = (_("switched off"), _("switched on"))
        return states if entry.code.endswith("_on") else (states[1], states[0])
    if entry.code.startswith("staff."):
        return _rules_text(entry.data.get("before"), words), _rules_text(entry.data.get("after"), words)
    if entry.code.startswith("store."):
        return _store_text(entry.data.get("before"), words), _store_text(entry.data.get("after"), words)
    for engine in engines():
        if change := engine.audit_change(entry.code, entry.data, words):
            return change
    return "", ""


def _rules_text(values: Any, words: Words) -> str:
    """Roles and limits as they were kept: {"role": "support", "limit": 500}, {"role_new": …, "manager": …, "codes":
    {"manager": 50, …}}."""
    if not isinstance(values, dict):
        return ""
    told = []
    if values.get("role"):
        told.append(role_name(values["role"]))
    if values.get("limit") is not None:
        told.append(_("up to %(points)s points") % {"points": words.count(values["limit"])})
    if values.get("role_new"):
        told.append(_("new people: %(role)s") % {"role": role_name(values["role_new"])})
    for role in LIMITED:
        if role in values:
            limited = {"role": role_name(role), "points": words.count(values[role])}
            told.append(_("%(role)s up to %(points)s") % limited)
    for role, most in values.get("codes", {}).items():
        told.append(_("codes of %(role)s up to %(share)s") % {"role": role_name(role), "share": words.tick(most / 100)})
    return ", ".join(told)


def _store_text(values: Any, words: Words) -> str:
    """Goods and margin as they were kept: {"goods": "again", "margin": 45}."""
    return store_text(values.get("goods") or "", values.get("margin"), words) if isinstance(values, dict) else ""


def _link(customer: Customer | None) -> tuple[str, str] | None:
    if customer is None:
        return None
    return customer.name or customer.email or _("Customer"), reverse("admin:customer", args=[customer.id])
