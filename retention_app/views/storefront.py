"""The storefront script: the loader with a shop's public settings in front, and the modules it fetches."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import orjson
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import conditional_page, require_safe

from retention_app.languages import language_tag
from retention_app.models import Shop

LOADER, EARN = "loader", "earn"
DIST = Path(__file__).resolve().parents[2] / "static/storefront/dist"
MINUTES_5 = "public, max-age=300"
FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class Built:
    """A built file's text and the digest that stands for it in addresses."""

    text: str
    digest: str


@cache
def built(name: str) -> Built:
    """A script of `static/storefront/dist`, read once. Raises `FileNotFoundError` before `npm run build` has run."""
    text = (DIST / f"{name}.js").read_text()
    return Built(text, hashlib.sha256(text.encode()).hexdigest()[:16])


@gzip_page
@conditional_page
@require_safe
def loader(request: HttpRequest, public_id: str) -> HttpResponse:
    """`/storefront/<public id>.js`: an empty script with status 404 unless the shop has us installed."""
    if not Shop.objects.filter(public_id=public_id, state=Shop.State.INSTALLED).exists():
        return _script("", status=404, caching=MINUTES_5)
    return _script(loader_text(), caching=MINUTES_5)


@gzip_page
@conditional_page
@require_safe
def module(request: HttpRequest, name: str, digest: str) -> HttpResponse:
    """`/storefront/<name>/<digest>.js`: the same for every shop. An address of an older build gets the present one,
    kept for minutes only: its loader is replaced as soon."""
    if name not in modules():
        raise Http404
    present = built(name)
    return _script(present.text, caching=FOREVER if digest == present.digest else MINUTES_5)


def panels() -> list[str]:
    """The panel's modules, one a language: `panel.pt-BR`."""
    return [f"panel.{language_tag(code)}" for code, _name in settings.LANGUAGES]


def modules() -> list[str]:
    """What the loader fetches when it is due."""
    return [EARN, *panels()]


def sizes() -> dict[str, int]:
    """The built scripts' compressed sizes in bytes: {"loader.js": 1900, …}."""
    found: dict[str, int] = orjson.loads((DIST / "sizes.json").read_text())
    return found


def loader_text() -> str:
    """The loader behind its settings, which are public: no secret, no code, the same for every visitor.

    They are a constant of the block around the loader, so the page gets no global.
    """
    public = {
        "proxy": "apps/encore",
        "panels": " ".join(map(_address, panels())),
        "earn": _address(EARN),
        "login": "/account/login",
        "register": "/account/register",
    }
    return f"{{const ENCORE={orjson.dumps(public).decode()};{built(LOADER).text}}}"


def _address(name: str) -> str:
    return settings.APP_URL + reverse("storefront_module", args=[name, built(name).digest])


def _script(text: str, *, caching: str, status: int = 200) -> HttpResponse:
    """A script any site may load, as a module too."""
    return HttpResponse(
        text,
        status=status,
        content_type="text/javascript; charset=utf-8",
        headers={
            "Cache-Control": caching,
            "Access-Control-Allow-Origin": "*",
            "Cross-Origin-Resource-Policy": "cross-origin",
        },
    )
