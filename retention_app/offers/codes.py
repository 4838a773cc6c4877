"""Discount codes a customer is given, by staff or for points: for one customer, one use, with an end.

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
from retention_app.models import AuditEntry, Customer, DiscountCode, DomainEvent, Outbound, Shop
from retention_app.money import exponent
from retention_app.outbound import Expired, Kind, Refused, kinds, outbound_request
from retention_app.refresh import refresh
from retention_app.removals import survivor_unknown
from retention_app.shopify.client import Session
from retention_app.shopify.errors import TransientError
from retention_app.shopify.mapping import numeric_id
from retention_app.shopify.topics import Kind as Resources
from retention_app.tenancy import current_shop_id
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
    limit_percent: int = 100,
) -> DiscountCode:
    """Give a customer a code, which the platform is then asked to make. `value` is basis points or minor units of the
    shop's currency, by kind; it takes off `limit_percent` of an order, or of the average one, at most. The same key
    answers the code there is.

    Raises `LimitExceeded`, and `KeyReused` when the key gave something else.
    """
    _check(shop, customer, kind, value, days, limit_percent)
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


def calls_for(given: Sequence[DiscountCode]) -> dict[int | None, Outbound]:
    """The calls that make these codes of the shop in scope, by the code's id, whichever engine wanted them."""
    names = [name for name, kind in kinds().items() if isinstance(kind, DiscountCodeCall)]
    calls = Outbound.objects.filter(
        shop_id=current_shop_id(), kind__in=names, subject_id__in=[code.id for code in given]
    )
    return {call.subject_id: call for call in calls}


class _GivenBefore(Exception):
    """Undoes what was written: an earlier submission of the same form has given the code."""


def _check(shop: Shop, customer: Customer, kind: str, value: int, days: int, limit_percent: int) -> None:
    whole = WHOLE if kind == DiscountCode.Kind.PERCENTAGE else fixed_minor_max(shop) or 0
    most = whole * limit_percent // 100
    if not 0 < value <= most:
        raise LimitExceeded(f"A code of {kind} may be worth up to {most}.")
    if not 0 < days <= DAYS_MAX:
        raise LimitExceeded(f"A code ends within {DAYS_MAX} days.")
    if not may_have_code(customer):
        raise LimitExceeded("This customer can't be given a code.")


def discount_code_want(
    *, customer: Customer, code: str, kind: str, value: int, starts_at: dt.datetime, days: int, actor: str = ""
) -> DiscountCode:
    """The code of this text, written where there is none: for who then asks the platform for it by a kind of their own,
    in the same transaction. `value` as above; no limit of staff's holds."""
    wanted, _created = DiscountCode.objects.get_or_create(
        shop_id=customer.shop_id,
        code=code,
        defaults={
            "customer": customer,
            "kind": kind,
            "value": value,
            "currency": customer.shop.currency,
            "expires_at": starts_at + dt.timedelta(days=days),
            "given_by": actor,
            "given_at": starts_at,
        },
    )
    return wanted


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
        found = _discount(_given(call), session)
        return None if found is None else numeric_id(found["id"])

    def act(self, call: Outbound, session: Session) -> int:
        given = _given(call)
        if given.expires_at <= clock.now():
            raise Expired("The code's last day is over.")
        owner = given.customer.merged_into or given.customer
        if survivor_unknown(owner):
            raise TransientError("The customer was merged into another one; we don't know yet into whom.")
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


class DiscountCodeEnd(Kind):
    """Ends a code on the platform before its time, and brings the orders it was used in into the mirror: once it is
    done, the mirror knows whether anybody used it. One that is over already stays so."""

    def look_up(self, call: Outbound, session: Session) -> int | None:
        given = _given(call)
        found = _discount(given, session)
        if found is None or found["status"] != "EXPIRED":  # null may come from a slow copy, so we ask to end it
            return None
        if not _orders_read(given, session) and found["asyncUsageCount"]:
            raise TransientError("The platform says that the code was used, but doesn't find the order yet.")
        return given.shopify_id

    def act(self, call: Outbound, session: Session) -> int:
        given = _given(call)
        assert given.shopify_id is not None  # only what was made is ended
        id_ = f"gid://shopify/DiscountCodeNode/{given.shopify_id}"
        payload = session.graphql("DiscountCodeDeactivate", {"id": id_})["discountCodeDeactivate"]
        if payload["userErrors"]:
            if _discount(given, session) is not None:
                raise Refused(" ".join(error["message"] for error in payload["userErrors"]))
            _orders_read(given, session)  # the merchant deleted it
            return given.shopify_id
        if self.look_up(call, session) is None:
            raise TransientError("The platform ended the code, but still answers that it can be used.")
        return given.shopify_id

    def settle(self, call: Outbound, effect: int | None) -> None:
        now = clock.now()
        if call.state == Outbound.State.DONE:
            DiscountCode.objects.filter(id=_given(call).id, expires_at__gt=now).update(expires_at=now)

    def titles(self, calls: Sequence[Outbound]) -> Mapping[int, str]:
        given = DiscountCode.objects.in_bulk([call.subject_id for call in calls])
        codes = {call.id: given.get(call.subject_id or 0) for call in calls}
        return {
            id_: _("End code %(code)s") % {"code": code.code} if code else _("End a code")
            for id_, code in codes.items()
        }

    def meaning(self, call: Outbound) -> str:
        if call.state == Outbound.State.DONE:
            return _("Nobody can use the code any more.")
        return _("The customer can go on using the code until its last day.")

    def skipping(self, call: Outbound) -> str:
        return _("The code stays as it is until its last day.")


def _discount(given: DiscountCode, session: Session) -> dict[str, Any] | None:
    """The platform's discount of a code of ours, with its id; None when there is none. Raises `Refused` when the code
    is the merchant's own."""
    node = session.graphql("DiscountByCode", {"code": given.code})["codeDiscountNodeByCode"]
    if node is None:
        return None
    if node["codeDiscount"].get("title") != _title(given):
        raise Refused(f"{given.code} is another discount of yours.")
    return {"id": node["id"], **node["codeDiscount"]}


def _orders_read(given: DiscountCode, session: Session) -> list[int]:
    """Bring the orders placed with a code into the mirror; answers the platform's ids."""
    search = {"query": f"discount_code:'{given.code}'", "sortKey": "UPDATED_AT", "after": None}
    nodes = session.graphql("OrderIdsPage", search)["orders"]["nodes"]
    ids = [numeric_id(node["id"]) for node in nodes]
    refresh(given.shop_id, Resources.ORDERS, ids, origin=DomainEvent.Origin.RECONCILE, keep=lambda: None)
    return ids


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
