"""What the app proxy reaches in Django under `/proxy/v1/`; `config.asgi` answers `session` in front of it."""

from django.urls import path

from loyalty import api

urlpatterns = [
    path("shown", api.shown, name="proxy_shown"),
    path("programme", api.programme, name="proxy_programme"),
    path("history", api.history, name="proxy_history"),
    path("earns", api.earns, name="proxy_earns"),
]
