"""Where extensions' assets are: an address names the version, so what is there never changes."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from devstore.extension import ASSET_TYPES

FOREVER = {"Cache-Control": "public, max-age=31536000, immutable", "Access-Control-Allow-Origin": "*"}


def asset(request: Request) -> Response:
    extension = request.state.shop.store.extension
    wanted = request.path_params
    if extension is None or (wanted["version"], wanted["app"]) != (extension.version, extension.app):
        return Response(status_code=404)
    content = extension.assets.get(wanted["name"])
    if content is None:
        return Response(status_code=404)
    return Response(content, headers=FOREVER, media_type=ASSET_TYPES[Path(wanted["name"]).suffix])


ROUTES = [Route("/cdn/extensions/{version}/{app}/assets/{name}", asset)]
