"""All routes of the pages for people; `devstore.app` mounts them."""

from starlette.responses import FileResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from devstore.web import accounts, admin, carts, cdn, editor, proxy, staff, theme
from devstore.web.visit import HERE, page

routes: list[BaseRoute] = [
    Mount("/devstore/static", StaticFiles(directory=HERE / "static")),
    Route("/devstore/app-bridge.js", lambda request: FileResponse(HERE / "static" / "app-bridge.js")),
    *cdn.ROUTES,
    *carts.ROUTES,
    *theme.ROUTES,
    *accounts.ROUTES,
    *proxy.ROUTES,
    *admin.ROUTES,
    *editor.ROUTES,
    *staff.ROUTES,
    page("/{path:path}", theme.not_found),
]
