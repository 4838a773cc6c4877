"""The merchant's admin: home, the app's listing with install and uninstall, and the page that frames the app."""

from typing import Any
from urllib.parse import urlsplit

from starlette.responses import RedirectResponse, Response

from devstore import install
from devstore.documents import Staff
from devstore.orders import CommerceError
from devstore.web import lookups, texts, theme
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
    others = [each.document for each in visit.shop.store.shops.values() if each is not visit.shop]
    return show(visit, "admin/home.html", counts=lookups.counts(visit.shop), others=others)


def listing(visit: Visit) -> Response:
    """The app in the app store."""
    return show(visit, "admin/listing.html")


def grant(visit: Visit) -> Response:
    """Ask the merchant for the scopes; once they are given the app is installed and opens."""
    app_page_url = f"/admin/apps/{visit.shop.store.app.handle}"
    if visit.shop.installed:
        return visit.redirect(app_page_url)
    if visit.request.method == "GET":
        return show(visit, "admin/grant.html")
    install.grant(visit.shop)
    return visit.redirect(app_page_url)


def authorize(visit: Visit) -> Response:
    """Where an app sends the merchant for the authorization code grant: what it asks for, and a button to agree. The
    button posts to the same address and leads back to the app."""
    try:
        asked = install.authorization(visit.shop, visit.request.query_params)
    except CommerceError as problem:
        visit.say(str(problem), problem=True)
        return show(visit, "admin/authorize.html", 400, asked=None)
    if visit.request.method == "GET":
        return show(visit, "admin/authorize.html", asked=asked)
    return RedirectResponse(install.authorize(visit.shop, asked, staff_user(visit)), 302)


def uninstall(visit: Visit) -> Response:
    if visit.shop.installed:
        install.uninstall(visit.shop)
        visit.say(visit.text("{app} is uninstalled.", app=visit.shop.store.app.name))
    return visit.redirect("/admin/listing")


def app_page(visit: Visit) -> Response:
    """The page that frames the app, at the path inside it that the address names."""
    shop = visit.shop
    if visit.request.path_params["handle"] == shop.store.config.api_key:  # apps send people there, not knowing a handle
        return visit.redirect(f"/admin/apps/{shop.store.app.handle}")
    if visit.request.path_params["handle"] != shop.store.app.handle:
        return theme.not_found(visit)
    if not shop.installed:
        return visit.redirect("/admin/listing")
    own_host = urlsplit(shop.store.config.public_url).netloc
    if visit.request.url.netloc != own_host:  # App Bridge in the frame talks to that host only
        there = visit.request.url.include_query_params(shop=shop.handle)
        return visit.redirect(str(there.replace(scheme="http", netloc=own_host)))
    path = visit.request.path_params.get("path", "")
    locale = texts.SHOPIFY_LOCALES[visit.locale]
    own = [(name, value) for name, value in visit.request.query_params.items() if name not in ("locale", "shop")]
    return show(
        visit,
        "admin/app.html",
        in_app=True,
        frame_url=install.frame_url(shop, path, staff_user(visit), locale, own),
        app_origin=shop.store.config.app_url.rstrip("/"),
        app_base=APP_PATH,
    )


def preferences(visit: Visit) -> Response:
    """Work as another staff member, in another language."""
    chosen = visit.field("staff")
    if chosen.isdecimal() and int(chosen) in [person["id"] for person in visit.shop.document["staff"]]:
        visit.session["staff"] = int(chosen)
    locale = texts.known_locale(visit.field("locale"))
    if locale:
        visit.session["admin_locale"] = locale
    return visit.redirect(theme.inner_path(visit.field("return_to"), "/admin"))


ROUTES = [
    page("/admin", home, area="admin"),
    page("/admin/listing", listing, area="admin"),
    page("/admin/grant", grant, methods=("GET", "POST"), area="admin"),
    page("/admin/oauth/authorize", authorize, methods=("GET", "POST"), area="admin"),
    page("/admin/uninstall", uninstall, methods=("POST",), area="admin"),
    page("/admin/preferences", preferences, methods=("POST",), area="admin"),
    page("/admin/apps/{handle}", app_page, area="admin"),
    page("/admin/apps/{handle}/{path:path}", app_page, area="admin"),
]
