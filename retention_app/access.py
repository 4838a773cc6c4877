"""Objects a request names. "Not yours" and "not there" are the same 404."""

from __future__ import annotations

from django.http import Http404

from retention_app import clock
from retention_app.models import ApiKey, Customer, PrivacyExport, Shop, StaffMember
from retention_app.selectors import customers_present


def access_customer(shop: Shop, customer_id: int) -> Customer:
    """The shop's customer. Raises `Http404`."""
    customer = Customer.objects.filter(shop_id=shop.id, id=customer_id).first()
    if customer is None:
        raise Http404("customer")
    return customer


def access_customer_known_as(shop: Shop, shopify_id: int) -> Customer:
    """The customer who is in the shop now under the platform's id. Raises `Http404`."""
    customer = customers_present().filter(shop_id=shop.id, shopify_id=shopify_id).first()
    if customer is None:
        raise Http404("customer")
    return customer


def access_api_key(shop: Shop, key_id: int) -> ApiKey:
    """The shop's API key, revoked or not. Raises `Http404`."""
    key = ApiKey.objects.filter(shop_id=shop.id, id=key_id).first()
    if key is None:
        raise Http404("key")
    return key


def access_staff(shop: Shop, person_id: int) -> StaffMember:
    """A person of the shop's staff. Raises `Http404`."""
    person = StaffMember.objects.filter(shop_id=shop.id, id=person_id).first()
    if person is None:
        raise Http404("staff")
    return person


def access_privacy_export(shop: Shop, request_id: int) -> PrivacyExport:
    """The file that answers one of the shop's data requests, as long as it is kept. Raises `Http404`."""
    export = PrivacyExport.objects.filter(shop_id=shop.id, request_id=request_id, expires_at__gt=clock.now()).first()
    if export is None:
        raise Http404("export")
    return export
