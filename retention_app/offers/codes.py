"""Discount codes staff give to a customer: for one customer, one use, with an end.

A code is unguessable and good to read out: groups of four, no letters that look alike. The platform keeps codes unique
in a shop, so a code is also the key by which a later try finds what an earlier one made.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from retention_app import clock, statistics
from retention_app.models import AuditEntry, Customer, DiscountCode, Outbound, Shop
from retention_app.money import exponent
from retention_app.outbound import Expired, Kind, Refused, outbound_request
from retention_app.shopify.client import Session
from retention_app.shopify.errors import TransientError
from retention_app.shopify.mapping import numeric_id
from retention_app.words import words_for

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # no 0 and O, no 1, I and L, no U
GROUPS, GROUP_LETTERS = 2, 4
WHOLE = 10_000  # basis points
DAYS_MAX = 365
DAYS_USUAL = 30
NOTE_MAX = 255  # characters


class LimitExceeded(ValueError):
    """A code nobody may give: more than the shop's limits, or to a customer who can't have one."""


class KeyReused(Exception):
    """This key gave another code before; it is `code`."""

    def __init__(self, given: DiscountCode) -> None:
        super().__init__(given.code)
        self.given = given


def new_code() -> str:
    """ENC-7K2Q-9FXT: one of 656 thousand millions."""
    groups = ("".join(secrets.choice(ALPHABET) for _ in range(GROUP_LETTERS)) for _ in range(GROUPS))
    return "-".join(("ENC", *groups))


def fixed_minor_max(shop: Shop) -> int | None:
    """The largest fixed amount a code may be worth: the shop's average order. None before its first order."""
    return statistics.shop_numbers(shop).aov_minor


def may_have_code(customer: Customer) -> bool:
    """Whether a code can be given: the customer is there, and known by a name or an address to hand it to."""
    return customer.gone_at is None and customer.merged_into_id is None and bool(customer.name or customer.email)


def discount_code_give(
    *,
    shop: Shop,
    customer: Customer,
    kind: str,
    value: int,
    days: int,
    actor: str,
    note: str = "",
    key: str,
) -> DiscountCode:
    """Give a customer a code, which the platform is then asked to make. `value` is basis points or minor units of the
    shop's currency, by kind. The same key answers the code there is.

    Raises `LimitExceeded`, and `KeyReused` when the key gave something else.
    """
    _check(shop, customer, kind, value, days)
    now = clock.now()
    try:
        with transaction.atomic():
            given = DiscountCode.objects.create(
                shop=shop,
                customer=customer,
                code=new_code(),
                kind=kind,
                value=value,
                currency=shop.currency,
                expires_at=now + dt.timedelta(days=days),
                given_by=actor,
                given_at=now,
                note=note,
            )
            AuditEntry.objects.create(
                shop=shop,
                code="offers.code.given",
                actor=actor,
                at=now,
                data={
                    "discount_code": given.id,
                    "customer": customer.id,
                    "kind": kind,
                    "value": value,
                    "currency": shop.currency,
                },
            )
            call = outbound_request(
                kind=DiscountCodeCall.name, key=key, subject_id=given.id, customer_id=customer.id, actor=actor
            )
            if call.subject_id != given.id:
                raise _GivenBefore
    except _GivenBefore:
        former = _given(Outbound.objects.get(shop=shop, kind=DiscountCodeCall.name, key=key))
        same = (former.customer_id, former.kind, former.value, former.note) == (customer.id, kind, value, note)
        if not same or former.expires_at - former.given_at != dt.timedelta(days=days):
            raise KeyReused(former) from None
        return former
    return given


class _GivenBefore(Exception):
    """Undoes what was written: an earlier submission of the same form has given the code."""


def _check(shop: Shop, customer: Customer, kind: str, value: int, days: int) -> None:
    most = WHOLE if kind == DiscountCode.Kind.PERCENTAGE else fixed_minor_max(shop) or 0
    if not 0 < value <= most:
        raise LimitExceeded(f"A code of {kind} may be worth up to {most}.")
    if not 0 < days <= DAYS_MAX:
        raise LimitExceeded(f"A code ends within {DAYS_MAX} days.")
    if not may_have_code(customer):
        raise LimitExceeded("This customer can't be given a code.")


def value_text(given: DiscountCode, shop: Shop) -> str:
    """10% off, R$ 5.00 off."""
    words = words_for(shop)
    if given.kind == DiscountCode.Kind.PERCENTAGE:
        return _("%(value)s off") % {"value": words.tick(given.value / WHOLE)}
    return _("%(value)s off") % {"value": words.money(given.value)}


class DiscountCodeCall(Kind):
    """Makes the code on the platform, where the merchant may have a code of that text already: then it is refused."""

    name = "discount_code"

    def look_up(self, call: Outbound, session: Session) -> int | None:
        given = _given(call)
        node = session.graphql("DiscountByCode", {"code": given.code})["codeDiscountNodeByCode"]
        if node is None:
            return None
        if node["codeDiscount"].get("title") != _title(given):
            raise Refused(f"{given.code} is another discount of yours.")
        return numeric_id(node["id"])

    def act(self, call: Outbound, session: Session) -> int:
        given = _given(call)
        if given.expires_at <= clock.now():
            raise Expired("The code's last day is over.")
        owner = given.customer.merged_into or given.customer
        if owner.gone_at is not None:
            raise Refused("The customer isn't in your store any more.")
        payload = session.graphql("DiscountCodeBasicCreate", {"basicCodeDiscount": _input(given, owner)})[
            "discountCodeBasicCreate"
        ]
        if any(error["code"] == "TAKEN" for error in payload["userErrors"]):
            made = self.look_up(call, session)  # by an earlier call of ours that nobody answered
            if made is None:
                raise TransientError("The platform says that the code is taken, but doesn't find it yet.")
            return made
        if any("customers" in (error["field"] or ()) for error in payload["userErrors"]):
            raise TransientError("The platform doesn't know the customer; perhaps they were merged a moment ago.")
        if payload["userErrors"]:
            raise Refused(" ".join(error["message"] for error in payload["userErrors"]))
        return numeric_id(payload["codeDiscountNode"]["id"])

    def settle(self, call: Outbound, effect: int | None) -> None:
        states = {Outbound.State.DONE: DiscountCode.State.ACTIVE, Outbound.State.WAITING: DiscountCode.State.REQUESTED}
        DiscountCode.objects.filter(id=_given(call).id).update(
            state=states.get(Outbound.State(call.state), DiscountCode.State.REFUSED), shopify_id=effect
        )

    def titles(self, calls: Sequence[Outbound]) -> Mapping[int, str]:
        given = DiscountCode.objects.select_related("customer", "shop").in_bulk([call.subject_id for call in calls])
        return {call.id: _title_for_staff(given.get(call.subject_id or 0)) for call in calls}

    def meaning(self, call: Outbound) -> str:
        if call.state == Outbound.State.DONE:
            return _("The customer can use the code at checkout, once.")
        if call.state == Outbound.State.SKIPPED:
            return _("The customer can't use this code.")
        return _("The customer can't use the code yet. Nothing was given twice.")

    def skipping(self, call: Outbound) -> str:
        return _("The code isn't made. To give the customer something else, give a new code.")


def _given(call: Outbound) -> DiscountCode:
    assert call.subject_id is not None  # the service that asks for a code writes it first
    return DiscountCode.objects.select_related("customer__merged_into").get(id=call.subject_id)


def _title_for_staff(given: DiscountCode | None) -> str:
    if given is None:
        return _("Discount code")
    said = {"value": value_text(given, given.shop), "person": given.customer.name or given.customer.email}
    return _("Code for %(person)s: %(value)s") % said if said["person"] else _("Code: %(value)s") % said


def _title(given: DiscountCode) -> str:
    """What the merchant reads in the platform's list of discounts, and by which we know a code to be this one."""
    return f"Encore {given.code} #{given.id}"


def _input(given: DiscountCode, owner: Customer) -> dict[str, Any]:
    value: dict[str, Any]
    if given.kind == DiscountCode.Kind.PERCENTAGE:
        value = {"percentage": given.value / WHOLE}
    else:
        amount = Decimal(given.value).scaleb(-exponent(given.currency))
        value = {"discountAmount": {"amount": str(amount), "appliesOnEachItem": False}}
    return {
        "title": _title(given),
        "code": given.code,
        "startsAt": given.given_at.isoformat(),
        "endsAt": given.expires_at.isoformat(),
        "context": {"customers": {"add": [f"gid://shopify/Customer/{owner.shopify_id}"]}},
        "customerGets": {"items": {"all": True}, "value": value},
        "usageLimit": 1,
        "appliesOncePerCustomer": True,
    }
