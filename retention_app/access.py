"""Objects a request names. "Not yours" and "not there" are the same 404."""

from __future__ import annotations

from django.http import Http404

from retention_app.models import Customer, Shop


def access_customer(shop: Shop, customer_id: int) -> Customer:
    """The shop's customer. Raises `Http404`."""
    customer = Customer.objects.filter(shop_id=shop.id, id=customer_id).first()
    if customer is None:
        raise Http404("customer")
    return customer
