"""The door of the merchant REST API: a program with a key, in the scope of the key's shop."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any, ClassVar

import structlog
from django.conf import settings
from django.core.cache import cache
from django.http import HttpResponseBase
from django.utils import translation
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import JSONParser
from rest_framework.permissions import BasePermission
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from retention_app import clock
from retention_app.api.keys import allows, api_key_presented
from retention_app.api.problems import LENGTH_MISSING, SCOPE_MISSING, STORE_PAUSED, TOO_LARGE, Problem, problem_response
from retention_app.api.schema import ApiSchema
from retention_app.models import ApiKey, Shop
from retention_app.tenancy import shop_scope
from retention_app.words import Words

BODY_BYTES_MAX = 64 * 1024
REQUESTS_PER_MINUTE = 300  # of a key
_MINUTE = 60  # seconds


class KeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer enc_…`; the key is `request.auth`."""

    def authenticate(self, request: Request) -> tuple[None, ApiKey] | None:
        scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
        if not scheme:
            return None
        key = api_key_presented(token.strip()) if scheme.lower() == "bearer" else None
        if key is None:
            raise exceptions.AuthenticationFailed
        return None, key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="Encore"'


class KeyMay(BasePermission):
    """A key was sent, its store isn't paused, and it has the view's scope."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        assert isinstance(view, ApiView)
        if not isinstance(request.auth, ApiKey):
            return False
        if request.auth.shop.trouble == Shop.Trouble.FROZEN:
            raise Problem(STORE_PAUSED)
        if view.scope and not allows(request.auth, view.scope):
            raise Problem(SCOPE_MISSING, f"The scope {view.scope} is missing. {SCOPE_MISSING.detail}")
        return True


class KeyThrottle(BaseThrottle):
    """`REQUESTS_PER_MINUTE` in each minute of the clock, counted in the memory that processes share."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        now = clock.system_now().timestamp()
        self._left = _MINUTE - now % _MINUTE
        counted = f"api:{request.auth.pk}:{now // _MINUTE:.0f}"
        cache.add(counted, 0, 2 * _MINUTE)
        try:
            return int(cache.incr(counted)) <= REQUESTS_PER_MINUTE
        except ValueError:  # the memory was emptied between the two
            return True

    def wait(self) -> float:
        return self._left


class BodyParser(JSONParser):
    """JSON that can be followed and written again: not nested too deep, no halves of characters."""

    def parse(self, *args: Any, **kwargs: Any) -> Any:
        try:
            said = super().parse(*args, **kwargs)
            json.dumps(said, ensure_ascii=False).encode()
        except (RecursionError, UnicodeEncodeError) as error:
            raise exceptions.ParseError from error
        return said


class AlwaysJson(BaseContentNegotiation):
    """There is one representation, whatever `Accept` says."""

    def select_parser(self, request: Request, parsers: Iterable[Any]) -> Any:
        return next((parser for parser in parsers if _is_json(request.content_type)), None)

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        only = next(iter(renderers))
        return only, str(only.media_type)


def _is_json(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == "application/json"


class ApiView(APIView):
    """An address of the API. `scope` is what a key needs here, whatever the method; empty for any key.

    Problems are told in English; `words` writes figures and sentences about points in the language of
    `Accept-Language`. Responses are rendered before the shop's scope closes.
    """

    scope: ClassVar[str]
    schema = ApiSchema()
    http_method_names = ["get", "head", "post"]
    authentication_classes = [KeyAuthentication]
    permission_classes = [KeyMay]
    throttle_classes = [KeyThrottle]
    parser_classes = [BodyParser]
    content_negotiation_class = AlwaysJson

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.locale = translation.get_language() or settings.LANGUAGE_CODE
        with translation.override("en"), ExitStack() as self._opened:
            response = super().dispatch(request, *args, **kwargs)
            assert isinstance(response, Response)
            response["Cache-Control"] = "private, no-store"
            response.render()
            return response

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        declared = request.META.get("CONTENT_LENGTH") or "0"
        if declared == "0" and "Transfer-Encoding" in request.headers:
            raise Problem(LENGTH_MISSING)
        if not declared.isdecimal() or int(declared[:18]) > BODY_BYTES_MAX:
            raise Problem(TOO_LARGE, f"Send at most {BODY_BYTES_MAX:,} bytes.")
        super().initial(request, *args, **kwargs)

    def perform_authentication(self, request: Request) -> None:
        super().perform_authentication(request)
        if isinstance(request.auth, ApiKey):
            self.key = request.auth
            self.shop = self.key.shop
            self._opened.enter_context(shop_scope(self.shop.id))
            self._opened.enter_context(structlog.contextvars.bound_contextvars(actor=self.key.actor))

    def get_exception_handler(self) -> Any:
        return problem_response

    @property
    def words(self) -> Words:
        return Words(self.locale, self.shop.currency, self.shop.timezone)


class Nothing(ApiView):
    """Any address of the API that isn't one."""

    scope = ""
    schema = None  # type: ignore[assignment]  # it is no address to tell of

    def get(self, request: Request) -> Response:
        raise exceptions.NotFound

    post = get
