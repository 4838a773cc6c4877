"""Objects a request names. "Not yours" and "not there" are the same 404."""

from __future__ import annotations

from django.http import Http404

from retention_app import clock
from retention_app.models import Customer, PrivacyExport, Shop


def access_customer(shop: Shop, customer_id: int) -> Customer:
    """The shop's customer. Raises `Http404`."""
    customer = Customer.objects.filter(shop_id=shop.id, id=customer_id).first()
    if customer is None:
        raise Http404("customer")
    return customer


def access_privacy_export(shop: Shop, request_id: int) -> PrivacyExport:
    """The file that answers one of the shop's data requests, as long as it is kept. Raises `Http404`."""
    export = PrivacyExport.objects.filter(shop_id=shop.id, request_id=request_id, expires_at__gt=clock.now()).first()
    if export is None:
        raise Http404("export")
    return export
