"""How every screen of the embedded admin is rendered and answered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from retention_app.doors import ShopRequest
from retention_app.languages import language_tag
from retention_app.models import StaffMember
from retention_app.people import owner_names
from retention_app.rights import Right, may, role_name
from retention_app.screens import NavItem, engines
from retention_app.views.trouble_banner import TroubleBanner, trouble_banner

LAUNCH_PARAMETERS = ("embedded", "hmac", "host", "id_token", "locale", "patched", "session", "shop", "timestamp")


@dataclass
class Shell:
    """What surrounds a page: navigation, languages, App Bridge, the shop's trouble if any. `path` is the page's own, to
    come back to; `right` is what changing something on it takes."""

    current: str
    path: str = ""
    trouble: TroubleBanner | None = None
    person: StaffMember | None = None
    right: Right = Right.READ
    language_code: str = field(default_factory=lambda: get_language() or "en")
    api_key: str = field(default_factory=lambda: settings.SHOPIFY_API_KEY)
    app_bridge_url: str = field(default_factory=lambda: settings.APP_BRIDGE_URL)

    @cached_property
    def may(self) -> Mapping[str, bool]:
        """What the person may do, by the rights' names: `shell.may.programme`."""
        return {right.value: self.person is not None and may(self.person, right) for right in Right}

    @property
    def role(self) -> str:
        return role_name(self.person.role if self.person else "")

    @property
    def is_read_only(self) -> bool:
        """Whether the person sees a page that others could change something on."""
        return self.person is not None and not may(self.person, self.right)

    @cached_property
    def owners(self) -> list[str]:
        """Who could change that. One query, for those who can't."""
        return owner_names()

    @property
    def language(self) -> str:
        """As HTML writes it: en, zh-Hant, pt-BR."""
        return language_tag(self.language_code)

    @property
    def languages(self) -> list[tuple[str, str]]:
        return list(settings.LANGUAGES)

    @property
    def nav(self) -> list[NavItem]:
        customers = reverse("admin:customers")
        own = [
            NavItem(_("Customers"), customers, "customers", 10),
            NavItem(_("Activity"), reverse("admin:activity"), "activity", 60),
            NavItem(_("Settings"), reverse("admin:settings"), "settings", 90),
        ]
        return sorted(own + [item for engine in engines() for item in engine.nav_items()], key=lambda item: item.order)


def page(
    request: HttpRequest, template: str, context: Mapping[str, Any], *, current: str, status: int = 200
) -> HttpResponse:
    """Render a screen. `current` is the prefix of its entry in the navigation."""
    shop_request = cast(ShopRequest, request)
    trouble = trouble_banner(shop_request.shop)
    shell = Shell(current, own_path(request), trouble, shop_request.staff, shop_request.right)
    return render(request, template, {**context, "shell": shell}, status=status)


def own_path(request: HttpRequest) -> str:
    """The page's path and query without what the platform adds when it opens a page, secrets among it."""
    own = request.GET.copy()
    for name in LAUNCH_PARAMETERS:
        own.pop(name, None)
    return f"{request.path}?{own.urlencode()}" if own else request.path


def done(request: HttpRequest, url: str, *, toast: str = "") -> HttpResponse:
    """Answer a POST that worked: go on to `url` and say so in a toast of at most four words."""
    if request.headers.get("HX-Request") != "true":
        return HttpResponseRedirect(url, status=303)
    target = {"path": url, "target": "#page", "select": "#page", "swap": "outerHTML"}
    answer = HttpResponse(headers={"HX-Location": json.dumps(target)})
    if toast:
        answer["HX-Trigger"] = json.dumps({"toast": toast})
    return answer


def take(request: HttpRequest, url: str) -> HttpResponse:
    """Answer a POST with a file: send the browser to it, which keeps the page."""
    if request.headers.get("HX-Request") != "true":
        return HttpResponseRedirect(url, status=303)
    return HttpResponse(headers={"HX-Redirect": url})


def is_part(request: HttpRequest, target: str) -> bool:
    """Whether htmx asks for the part of the page with this id only."""
    return request.headers.get("HX-Target", "").endswith(f"#{target}")
