"""`/app/loyalty/`: the programme's screens."""

from django.urls import path

from loyalty import views, views_approvals, views_preview, views_review, views_tiers, views_versions

app_name = "loyalty"
urlpatterns = [
    path("", views.overview, name="overview"),
    path("programme/", views.programme, name="programme"),
    path("programme/launch/<int:launch_id>/cancel/", views_versions.cancel_launch, name="launch_cancel"),
    path("draft/", views.draft, name="draft"),
    path("draft/discard/", views.discard, name="discard"),
    path("draft/panel/", views_preview.panel_frame, name="panel_frame"),
    path("draft/review/", views_review.review, name="review"),
    path("draft/review/moves/", views_review.moves, name="moves"),
    path("draft/review/moves/<int:simulation_id>.csv", views_review.moves_file, name="moves_file"),
    path("versions/", views_versions.versions, name="versions"),
    path("versions/<int:number>/", views_versions.version, name="version"),
    path("versions/<int:number>/bring-back/", views_versions.bring_back, name="bring_back"),
    path("versions/<int:number>/withdraw/", views_versions.withdraw, name="withdraw"),
    path("tiers/", views_tiers.tiers, name="tiers"),
    path("backfill/", views_versions.backfill, name="backfill"),
    path("approvals/<int:request_id>/approve/", views_approvals.approve, name="approve"),
    path("approvals/<int:request_id>/refuse/", views_approvals.refuse, name="refuse"),
]
