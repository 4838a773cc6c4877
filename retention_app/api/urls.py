"""`/api/v1/…`: the kernel's resources."""

from django.urls import path

from retention_app.api import customers

urlpatterns = [
    path("customers", customers.Customers.as_view(), name="api_customers"),
    path("customers/<int:customer_id>", customers.OneCustomer.as_view(), name="api_customer"),
]
