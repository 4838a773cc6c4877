"""`/app/insights/liability/`: what the shop owes its members."""

from django.urls import path, re_path

from loyalty import views_liability

app_name = "liability"
_FILE = r"^(?P<on>\d{4}-\d\d-\d\d)/(?P<table>months|parts|members)"
urlpatterns = [
    path("", views_liability.liability_page, name="page"),
    path("close/<int:year>-<int:month>/", views_liability.close, name="close"),
    re_path(_FILE + r"/download/$", views_liability.download, name="download"),
    re_path(_FILE + r"/file/$", views_liability.file, name="file"),
]
