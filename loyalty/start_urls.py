"""`/app/start/`: the first-run assistant."""

from django.urls import path

from loyalty import views_start

app_name = "start"
urlpatterns = [
    path("", views_start.step, name="step"),
    path("dismiss/", views_start.dismiss, name="dismiss"),
]
