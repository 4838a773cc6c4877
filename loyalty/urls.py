"""`/app/loyalty/`: the programme's screens."""

from django.urls import path

from loyalty import views

app_name = "loyalty"
urlpatterns = [
    path("", views.overview, name="overview"),
    path("programme/", views.programme, name="programme"),
    path("draft/", views.draft, name="draft"),
    path("draft/discard/", views.discard, name="discard"),
    path("draft/review/", views.review, name="review"),
    path("versions/", views.versions, name="versions"),
]
