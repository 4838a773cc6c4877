"""What the app proxy reaches under `/proxy/v1/`."""

from django.urls import path

from loyalty import api

urlpatterns = [path("session", api.session, name="proxy_session"), path("shown", api.shown, name="proxy_shown")]
