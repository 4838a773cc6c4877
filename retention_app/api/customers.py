"""`/api/v1/customers`: who buys at the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from retention_app.access import access_customer_known_as
from retention_app.api.paging import PageParameters, page, page_of, parameters
from retention_app.api.schema import reads
from retention_app.api.scopes import CUSTOMERS_READ
from retention_app.api.view import ApiView
from retention_app.models import Customer
from retention_app.selectors import customers_present


class MoneySerializer(serializers.Serializer[Any]):
    """An amount in minor units (cents) of a currency."""

    minor = serializers.IntegerField()
    currency = serializers.CharField()


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A customer",
            {
                "id": 8101000000001,
                "first_name": "Ana",
                "last_name": "Souza",
                "email": "ana@example.com",
                "locale": "pt-BR",
                "created_at": "2026-03-02T14:05:00Z",
                "updated_at": "2026-11-20T09:12:44Z",
                "orders_count": 3,
                "spent": {"minor": 36750, "currency": "BRL"},
                "first_order_at": "2026-03-02T14:09:31Z",
                "last_order_at": "2026-11-20T09:12:40Z",
            },
            response_only=True,
        )
    ]
)
class CustomerSerializer(serializers.Serializer[Any]):
    """A customer. What Shopify doesn't share is empty."""

    id = serializers.IntegerField(source="shopify_id", help_text="Shopify's id.")
    first_name = serializers.CharField()
    last_name = serializers.CharField()
    email = serializers.CharField()
    locale = serializers.CharField()
    created_at = serializers.DateTimeField(help_text="In Shopify.")
    updated_at = serializers.DateTimeField(help_text="In Shopify.")
    orders_count = serializers.IntegerField(help_text="Without cancelled and test orders.")
    spent = serializers.SerializerMethodField(help_text="In these orders, less what was refunded.")
    first_order_at = serializers.DateTimeField(allow_null=True)
    last_order_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field(MoneySerializer)
    def get_spent(self, customer: Customer) -> dict[str, Any]:
        return {"minor": customer.spent_minor, "currency": self.context["currency"]}


class CustomerParameters(PageParameters):
    email = serializers.CharField(
        required=False, max_length=320, help_text="Only who has exactly this address; capitals don't matter."
    )
    updated_since = serializers.DateTimeField(required=False, help_text="Only who changed in Shopify at or after it.")


class Customers(ApiView):
    scope = CUSTOMERS_READ

    @reads("Customers", "customers_list", page_of(CustomerSerializer), query=[CustomerParameters])
    def get(self, request: Request) -> Response:
        """List customers

        Those who are in the store now, by their id. Who was merged into somebody else is that customer.
        """
        asked = parameters(CustomerParameters, request)
        found = customers_present(email=asked.get("email", ""), updated_since=asked.get("updated_since"))
        return page(
            request,
            asked,
            lambda limit, after: list(found.filter(shopify_id__gt=after or 0)[:limit]),
            lambda customer: customer.shopify_id,
            self._serialized,
        )

    def _serialized(self, customers: Sequence[Customer]) -> Any:
        return CustomerSerializer(customers, many=True, context={"currency": self.shop.currency}).data


class OneCustomer(ApiView):
    scope = CUSTOMERS_READ

    @reads("Customers", "customers_read", CustomerSerializer, may_miss=True)
    def get(self, request: Request, customer_id: int) -> Response:
        """Read a customer

        By Shopify's id.
        """
        customer = access_customer_known_as(self.shop, customer_id)
        return Response(CustomerSerializer(customer, context={"currency": self.shop.currency}).data)
