"""What Django answers, at a glance (DESIGN 2). `config.asgi` names what is answered in front of it."""

from allauth.account.views import LoginView, LogoutView
from django.urls import include, path

from retention_app.views import admin, auth, console, health, storefront

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("auth/install", auth.install, name="grant_install"),
    path("auth/callback", auth.callback, name="grant_callback"),
    path("metrics", health.metrics, name="metrics"),
    path("auth/patch-id-token", auth.patch_id_token, name="patch_id_token"),
    path("storefront/<str:public_id>.js", storefront.loader, name="storefront_loader"),
    path("storefront/panel/<str:digest>.js", storefront.panel, name="storefront_panel"),
    path("proxy/v1/", include("loyalty.proxy_urls")),
    path("app/", include("retention_app.app_urls")),
    path("app/loyalty/", include("loyalty.urls")),
    path("console/login/", LoginView.as_view(), name="account_login"),
    path("console/logout/", LogoutView.as_view(), name="account_logout"),
    path("console/", console.console_home, name="console_home"),
]

handler404 = admin.not_found
handler500 = admin.server_error
