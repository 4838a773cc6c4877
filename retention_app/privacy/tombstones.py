"""Who was erased: a peppered hash of the platform's id leads to the row that kept the orders, and says no more."""

from __future__ import annotations

from collections.abc import Iterable

from django.conf import settings
from django.db import connection
from django.utils.crypto import salted_hmac

from retention_app.models import Order, Tombstone
from retention_app.tenancy import current_shop_id

_LOCKS = 0x7072_6976_0000_0000  # advisory locks of this module: this plus the shop's id


def digest_of(shopify_id: int) -> str:
    """What a tombstone keeps of a customer of the shop in scope."""
    whom = f"{current_shop_id()}:{shopify_id}"
    secret = settings.PRIVACY_PEPPER
    return salted_hmac("retention_app.privacy.tombstone", whom, secret=secret, algorithm="sha256").hexdigest()


def erased(shopify_ids: Iterable[int]) -> dict[int, int | None]:
    """The erased among the platform's ids → the id their row goes by since, None where there never was one. At most two
    statements, one in a shop where nobody was erased."""
    if not Tombstone.objects.exists():
        return {}
    digests = {digest_of(shopify_id): shopify_id for shopify_id in shopify_ids}
    found = Tombstone.objects.filter(digest__in=digests).values_list("digest", "customer__shopify_id")
    return {digests[digest]: row_id for digest, row_id in found}


def erased_for_writing(shopify_ids: Iterable[int]) -> dict[int, int | None]:
    """As `erased`, and what it answers stays true until the transaction ends: nobody is erased meanwhile."""
    _lock("pg_advisory_xact_lock_shared")
    return erased(shopify_ids)


def buyers_for_writing(buyers: Iterable[tuple[int, int | None]]) -> dict[int, int | None]:
    """Orders' buyers as the mirror is to know them, order id → customer id, from what the platform says. The erased go
    by their row's id, also where the platform has forgotten whose the order was."""
    said = dict(buyers)
    gone = erased_for_writing(id_ for id_ in said.values() if id_ is not None)
    nobodys = [order_id for order_id, buyer in said.items() if buyer is None]
    known = {order_id: buyer if buyer is None else gone.get(buyer, buyer) for order_id, buyer in said.items()}
    if nobodys:
        rows = Order.objects.filter(shopify_id__in=nobodys, customer__shopify_id__lt=0)
        known.update(rows.values_list("shopify_id", "customer__shopify_id"))
    return known


def erasure_lock() -> None:
    """Until the transaction ends nobody writes customers or orders of the shop in scope; waits for those who do."""
    _lock("pg_advisory_xact_lock")


def _lock(function: str) -> None:
    if connection.vendor == "postgresql":  # SQLite has one writer
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {function}(%s)", [_LOCKS + current_shop_id()])
