"""`/app/customers/<id>/…`: what loyalty adds to a customer's profile."""

from django.urls import path

from loyalty import views_member

app_name = "member"
urlpatterns = [
    path("adjust/", views_member.adjust, name="adjust"),
    path("tier/", views_member.tier, name="tier"),
]
