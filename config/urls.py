"""What Django answers, at a glance (DESIGN 2). `config.asgi` names what is answered in front of it."""

from django.urls import include, path, re_path

from loyalty import views_storefront
from retention_app.api import docs
from retention_app.api.view import Nothing
from retention_app.views import admin, auth, health, storefront

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    path("auth/install", auth.install, name="grant_install"),
    path("auth/callback", auth.callback, name="grant_callback"),
    path("auth/patch-id-token", auth.patch_id_token, name="patch_id_token"),
    path("storefront/<str:public_id>.js", storefront.loader, name="storefront_loader"),
    path("storefront/<str:name>/<str:digest>.js", storefront.module, name="storefront_module"),
    re_path(r"^proxy/?$", views_storefront.page, name="proxy_page"),  # the platform leaves the slash as it was typed
    path("proxy/v1/", include("loyalty.proxy_urls")),
    path("app/", include("retention_app.app_urls")),
    path("app/loyalty/", include("loyalty.urls")),
    path("app/start/", include("loyalty.start_urls")),
    path("app/customers/<int:customer_id>/", include("loyalty.member_urls")),
    path("app/insights/liability/", include("loyalty.liability_urls")),
    path("api/v1/", include("retention_app.api.urls")),
    path("api/v1/", include("loyalty.rest_urls")),
    re_path(r"^api/v1/", Nothing.as_view(), name="api_nothing"),
    path("api/schema/", docs.schema, name="api_schema"),
    path("api/docs/", docs.docs, name="api_docs"),
    path("console/", include("retention_app.console_urls")),
]

handler403 = admin.forbidden
handler404 = admin.not_found
handler500 = admin.server_error
