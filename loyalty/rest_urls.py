"""`/api/v1/…`: what loyalty adds to the merchant REST API."""

from django.urls import path

from loyalty import rest_points, rest_programme

urlpatterns = [
    path("balances", rest_points.Balances.as_view(), name="api_balances"),
    path("customers/<int:customer_id>/balance", rest_points.OneBalance.as_view(), name="api_balance"),
    path("customers/<int:customer_id>/ledger", rest_points.Ledger.as_view(), name="api_ledger"),
    path("customers/<int:customer_id>/adjustments", rest_points.Adjustments.as_view(), name="api_adjustments"),
    path("programme", rest_programme.LiveProgramme.as_view(), name="api_programme"),
    path("programme/versions", rest_programme.Versions.as_view(), name="api_programme_versions"),
]
