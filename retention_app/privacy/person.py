"""Finding a person in what we keep: by the platform's ids, e-mail addresses and phone numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
from django.db.models import Q

from retention_app.models import Customer

PHONE_DIGITS_MIN = 7  # fewer would find prices and numbers of pieces

_CUSTOMER = "gid://shopify/Customer/"
_NO_DIGIT = re.compile(r"\D+")


@dataclass(frozen=True)
class Person:
    """How somebody may be named. E-mail addresses in lower case, phone numbers as digits, `names` as said."""

    ids: frozenset[int]
    emails: frozenset[str] = frozenset()
    phones: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()

    def is_named_in(self, value: Any) -> bool:
        """Whether a parsed JSON value speaks of the person, under any key. Names alone don't tell: many share one."""
        return any(self._is(each) for each in leaves(value))

    def is_named_in_raw(self, raw: bytes) -> bool:
        """The same of bytes that are no JSON."""
        text = raw.decode(errors="replace").lower()
        words = (*self.emails, *self.phones, *(str(id_) for id_ in self.ids))
        return any(word in text for word in words)

    def _is(self, value: Any) -> bool:
        if isinstance(value, str):
            said = value.lower()
            if value.isdecimal() or value.startswith(_CUSTOMER):
                return value.removeprefix(_CUSTOMER) in {str(id_) for id_ in self.ids} or said in self.phones
            if any(email in said for email in self.emails):
                return True
            return bool(self.phones) and any(phone in _NO_DIGIT.sub("", said) for phone in self.phones)
        return type(value) is int and value in self.ids


def leaves(value: Any) -> Iterator[Any]:
    """Every key and every plain value of a JSON value, however deep."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            waiting.extend(each)
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)
        else:
            yield each


def family(shopify_id: int) -> list[Customer]:
    """The rows of one person: the customer, whoever was merged into them, whom they were merged into."""
    row = Customer.objects.filter(shopify_id=shopify_id).first()
    if row is None:
        return []
    survivor_id = row.merged_into_id or row.id
    return list(Customer.objects.filter(Q(id=survivor_id) | Q(merged_into=survivor_id)).order_by("id"))


def person_of(shopify_id: int, rows: list[Customer], body: bytes | None) -> Person:
    """How this customer may be named, from the mirror's rows and the body of the request, where it is still there."""
    said = _parsed(body).get("customer") if body else None
    told = said if isinstance(said, dict) else {}
    emails = {row.email for row in rows} | {str(told.get("email") or "")}
    digits = _NO_DIGIT.sub("", str(told.get("phone") or ""))
    return Person(
        ids=frozenset({shopify_id, *(row.shopify_id for row in rows)}),
        emails=frozenset(email.lower() for email in emails if "@" in email),
        phones=frozenset({digits} if len(digits) >= PHONE_DIGITS_MIN else ()),
        names=frozenset(row.name for row in rows if row.first_name and row.last_name),
    )


def orders_named(body: bytes | None) -> list[int]:
    """The orders a data request asks about, by the platform's ids."""
    asked = _parsed(body).get("orders_requested") if body else None
    return [id_ for id_ in asked if type(id_) is int] if isinstance(asked, list) else []


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
