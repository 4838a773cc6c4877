"""`/app/`: the embedded admin's own screens."""

from django.urls import path

from retention_app.views import (
    admin,
    admin_activity,
    admin_api_keys,
    admin_audit,
    admin_codes,
    admin_customers,
    admin_languages,
    admin_settings,
    admin_staff,
    admin_store,
    admin_storefront,
)

app_name = "admin"
urlpatterns = [
    path("", admin.home, name="home"),
    path("language/", admin.language, name="language"),
    path("trouble/", admin.look_again, name="look_again"),
    path("insights/definitions/", admin.definitions, name="definitions"),
    path("customers/", admin_customers.customers, name="customers"),
    path("customers/export/", admin_customers.export, name="customers_export"),
    path("customers/file/", admin_customers.file, name="customers_file"),
    path("customers/<int:customer_id>/", admin_customers.customer, name="customer"),
    path("customers/<int:customer_id>/code/", admin_codes.code_give, name="code_give"),
    path("activity/", admin_activity.activity, name="activity"),
    path("activity/check/", admin_activity.check, name="activity_check"),
    path("activity/<slug:source>-<int:row_id>/", admin_activity.item, name="activity_item"),
    path("activity/<slug:source>-<int:row_id>/retry/", admin_activity.retry, name="activity_retry"),
    path("activity/<slug:source>-<int:row_id>/skip/", admin_activity.skip, name="activity_skip"),
    path("settings/", admin_settings.settings, name="settings"),
    path("settings/store/", admin_store.store, name="store"),
    path("settings/storefront/", admin_storefront.storefront, name="storefront"),
    path("settings/storefront/look/", admin_storefront.look, name="storefront_look"),
    path("settings/storefront/switch/", admin_storefront.switch, name="storefront_switch"),
    path("settings/api-keys/", admin_api_keys.keys, name="api_keys"),
    path("settings/api-keys/new/", admin_api_keys.key_new, name="api_key_new"),
    path("settings/api-keys/<int:key_id>/revoke/", admin_api_keys.key_revoke, name="api_key_revoke"),
    path("settings/staff/", admin_staff.staff, name="staff"),
    path("settings/staff/rules/", admin_staff.rules, name="staff_rules"),
    path("settings/staff/<int:person_id>/", admin_staff.person, name="staff_person"),
    path("settings/languages/", admin_languages.languages, name="languages"),
    path("settings/audit/", admin_audit.audit_list, name="audit"),
    path("settings/audit/export/", admin_audit.export, name="audit_export"),
    path("settings/audit/file/", admin_audit.file, name="audit_file"),
    path("settings/privacy/", admin_settings.privacy, name="privacy"),
    path("settings/privacy/<int:request_id>/download/", admin_settings.privacy_download, name="privacy_download"),
    path("settings/privacy/<int:request_id>/file/", admin_settings.privacy_file, name="privacy_file"),
]
