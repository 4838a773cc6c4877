"""The merchant's admin: home, the app's listing with install and uninstall, and the page that frames the app."""

from typing import Any
from urllib.parse import urlsplit

from starlette.responses import Response

from devstore.documents import Staff
from devstore.web import lookups, texts
from devstore.web.visit import Visit, page

APP_PATH = "/app/"  # the app's embedded pages, under its own URL


def staff_user(visit: Visit) -> Staff:
    """Whom the merchant chose to work as; the owner at first."""
    try:
        return visit.shop.staff(visit.session.get("staff"))
    except LookupError:
        return visit.shop.staff()


def show(visit: Visit, template: str, status: int = 200, **context: Any) -> Response:
    """Draw a page of the admin."""
    shop = visit.shop
    return visit.render(
        template,
        status,
        app=shop.store.app,
        app_url=shop.store.config.app_url,
        installed=shop.installed,
        installed_at=shop.document["installed_at"],
        staff=shop.document["staff"],
        staff_user=staff_user(visit),
        return_to=visit.path,
        **{"in_app": False, **context},
    )


def home(visit: Visit) -> Response:
    return show(visit, "admin/home.html", counts=lookups.counts(visit.shop))


ROUTES = [
    page("/admin", home, area="admin"),
]
