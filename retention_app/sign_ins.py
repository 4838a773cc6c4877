"""Since when a customer's e-mail is known to have signed in: the proof that its owner is there (docs/decisions/0021).

Two things prove it: an account that the platform calls enabled, with an address it verified, where the shop has classic
customer accounts (with new ones that state says nothing); or the storefront's signed word that this customer is logged
in. What comes first stands for good, in `Customer.signed_in_at`, and is told once as `customer.signed_in`.
"""

from __future__ import annotations

import datetime as dt

from django.db import transaction

from retention_app import clock
from retention_app.events import Fact, events_record
from retention_app.models import Customer, DomainEvent, Shop
from retention_app.tenancy import current_shop_id

ENABLED = "ENABLED"


def of_new() -> str:
    """`signed_in_at` of a customer the mirror sees first: an account that is there is as old as its customer."""
    return f"CASE WHEN {_has_account('')} THEN created_at END"


def of_known() -> str:
    """`signed_in_at` of a customer the mirror knew: what it was, or the instant of the first state with an account."""
    opened = f"CASE WHEN {_has_account('excluded.')} THEN excluded.updated_at END"
    return f"coalesce(retention_app_customer.signed_in_at, {opened})"


def _has_account(row: str) -> str:
    accounts = f"SELECT s.customer_accounts FROM retention_app_shop s WHERE s.id = {current_shop_id():d}"
    return (
        f"{row}account_state = '{ENABLED}' AND {row}verified_email"
        f" AND ({accounts}) = '{Shop.CustomerAccounts.CLASSIC.value}'"
    )


def fact(customer_id: int, shopify_id: int, at: dt.datetime) -> Fact:
    return Fact(
        type="customer.signed_in",
        key=f"customer.signed_in:{shopify_id}",
        subject_id=customer_id,
        customer_id=customer_id,
        occurred_at=at,
    )


def customer_signed_in(shopify_id: int) -> bool:
    """Note that the platform said this customer (its id there) is logged in; answers whether that was new. Safe to
    repeat and to race: whoever comes second changes nothing."""
    now = clock.now()
    unknown = Customer.objects.filter(shopify_id=shopify_id, signed_in_at=None, gone_at=None)
    with transaction.atomic():
        for customer_id in unknown.values_list("id", flat=True):
            if unknown.filter(id=customer_id).update(signed_in_at=now):
                events_record([fact(customer_id, shopify_id, now)], origin=DomainEvent.Origin.LIVE)
                return True
    return False


def accounts_recognise() -> int:
    """Take the accounts for proof that are enabled already, now that the shop has classic ones; answers how many."""
    unknown = Customer.objects.filter(signed_in_at=None, gone_at=None)
    return unknown.filter(account_state=ENABLED, verified_email=True).update(signed_in_at=clock.now())
