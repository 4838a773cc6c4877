"""The door of the console (its shops' doors are `retention_app.doors`): staff of ours, with a second factor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from retention_app.accounts import second_factor_proven

CONSOLE = "/console/"
_OPEN = frozenset({"account_login", "account_logout", "mfa_authenticate"})
_SETTING_UP = frozenset({"mfa_activate_totp", "account_reauthenticate"})
_PROVING = frozenset({"mfa_reauthenticate"})


class ConsoleDoor:
    """Middleware that keeps every address below `/console/` shut, allauth's own pages included, unless the session is
    one of a member of staff and has shown their second factor. Nothing of it is stored by browsers or proxies."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.path_info.startswith(CONSOLE):
            response.headers["Cache-Control"] = "no-store"
        return response

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        if not request.path_info.startswith(CONSOLE):
            return None
        name = request.resolver_match.url_name if request.resolver_match else None
        if name in _OPEN:
            return None
        if not request.user.is_authenticated:
            return redirect_to_login(_here(request))
        if not request.user.is_staff:
            return render(request, "retention_app/errors/403_standalone.html", status=403)
        has_factor = is_mfa_enabled(request.user, [Authenticator.Type.TOTP])
        if has_factor and second_factor_proven(request):
            return None
        if name in (_PROVING if has_factor else _SETTING_UP):
            return None
        target = reverse("mfa_reauthenticate" if has_factor else "mfa_activate_totp")
        return HttpResponseRedirect(f"{target}?{urlencode({'next': _here(request)})}")


def _here(request: HttpRequest) -> str:
    """Where to come back to: an action isn't repeated by coming back."""
    return request.get_full_path() if request.method == "GET" else CONSOLE
