"""`/app/`: the embedded admin's own screens."""

from django.urls import path

from retention_app.views import admin, admin_customers

app_name = "admin"
urlpatterns = [
    path("", admin.home, name="home"),
    path("language/", admin.language, name="language"),
    path("trouble/", admin.look_again, name="look_again"),
    path("insights/definitions/", admin.definitions, name="definitions"),
    path("customers/", admin_customers.customers, name="customers"),
    path("customers/<int:customer_id>/", admin_customers.customer, name="customer"),
]
