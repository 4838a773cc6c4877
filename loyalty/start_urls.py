"""`/app/start/`: the first-run assistant."""

from django.urls import path

from loyalty import views_start

app_name = "start"
urlpatterns = [
    path("", views_start.step, name="step"),
    path("later/", views_start.later, name="later"),
    path("dismiss/", views_start.dismiss, name="dismiss"),
]
