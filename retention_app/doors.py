"""The doors through which a request or a job enters a shop's scope (house rule 6).

`shop_view` lets in staff by ID token, `proxy_view` a storefront visitor by the app proxy's signature, `link_view` a
download by a link we signed; `for_each_shop` serves sweeps and commands, `ShopTask` (in `tasks`) jobs. Responses are
rendered before the scope closes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, TypeVar
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.response import SimpleTemplateResponse
from django.utils import translation
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from retention_app import clock
from retention_app.languages import language_for, visitor_language
from retention_app.models import Shop, StaffMember
from retention_app.rights import Right, may
from retention_app.selectors import installed_shops
from retention_app.services.install import shop_opened
from retention_app.services.staff import staff_seen
from retention_app.shopify import bucket, signature
from retention_app.shopify.auth import PATCH_PATH, InvalidIdToken, Staff, is_shop_domain, staff_from
from retention_app.shopify.errors import ShopifyError, StaleIdToken
from retention_app.tenancy import shop_scope

log = structlog.get_logger(__name__)

RETRY_HEADER = "X-Shopify-Retry-Invalid-Session-Request"
TRIED = "patched"  # marks a reload that the patch page asked for, with the second it did
TRIED_SECONDS = 60
LINK_SECONDS = 60
_LINKS = "retention_app.doors.link"  # the salt of signed links
ADMIN = "https://admin.shopify.com"
_LAUNCH_SECRETS = frozenset({"id_token", "hmac", "session", "timestamp"})


class ShopRequest(HttpRequest):
    """A request inside a shop's scope."""

    shop: Shop
    actor: str  # the platform's id of the person, for the audit
    staff: StaffMember  # the person; of the admin only
    right: Right  # what changing something on this page takes
    locale: str  # Django's code of the language answers are written in
    customer_shopify_id: int | None  # through the app proxy: who the platform says is logged in


_Response = TypeVar("_Response", bound=HttpResponseBase)
View = Callable[..., HttpResponseBase]  # its first argument is a `ShopRequest`


def shop_view(right: Right, *, methods: Sequence[str] = ("GET",), look: Right = Right.READ) -> Callable[[View], View]:
    """Open a page or an action of the embedded admin to a shop's staff.

    `right` is what changing something there takes, `look` what seeing it takes; who lacks it is told so, with 403. A
    page that may be seen and not changed says so on top (`shell.may` hides what can't be done).
    The ID token comes in `Authorization` (fetch) or, for a document, in `?id_token=`; a document also installs the app
    where it isn't yet. Without a valid token a fetch is answered 401 with the header that makes App Bridge repeat it, a
    document is sent to the patch page once. There are no cookies, so nothing here can be forged across sites.
    """
    allowed = {*methods, "HEAD"} if "GET" in methods else set(methods)

    def decorate(view: View) -> View:
        @wraps(view)
        def door(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.method not in allowed:
                return HttpResponseNotAllowed(sorted(allowed))
            try:
                staff = _staff(request)
                shop = _shop_of(request, staff)
            except (InvalidIdToken, StaleIdToken) as error:
                log.info("id_token_refused", reason=str(error))
                return _unproven(request)
            except ShopifyError as error:
                log.warning("install_failed", reason=str(error))
                return _not_installed(request, staff.shop_domain)
            request.shop, request.actor = shop, staff.user_id  # type: ignore[attr-defined]
            with shop_scope(shop.id), structlog.contextvars.bound_contextvars(actor=staff.user_id):
                person = staff_seen(shop=shop, staff=staff)
                request.staff, request.right = person, right  # type: ignore[attr-defined]
                needed = look if request.method in ("GET", "HEAD") else right
                opened = view if may(person, needed) else _forbidden
                locale = language_for(request, person.language)
                return embed(_answer(opened, request, locale, *args, **kwargs), shop.domain)

        door.csrf_exempt = True  # type: ignore[attr-defined]
        return door

    return decorate


def _forbidden(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
    """In place of a view that the person's role doesn't open: `handler403` says so."""
    raise PermissionDenied


def proxy_view(view: View) -> View:
    """Open an answer to the storefront, through the platform's app proxy only.

    `request.customer_shopify_id` is the logged-in customer by the platform's signature, None for a visitor.
    """

    @wraps(view)
    def door(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        caller = signature.proxy_caller(request.META.get("QUERY_STRING", ""))
        if caller is None:
            return _private(HttpResponse(status=401))
        shop = installed_shops().filter(domain=caller.shop_domain).first()
        if shop is None:
            return _private(HttpResponse(status=404))
        request.shop, request.customer_shopify_id = shop, caller.customer_shopify_id  # type: ignore[attr-defined]
        with shop_scope(shop.id):
            locale = visitor_language(request.GET.get("locale", ""), request.headers.get("Accept-Language", ""))
            return _private(_answer(view, request, locale, *args, **kwargs))

    door.csrf_exempt = True  # type: ignore[attr-defined]
    return door


def link_to(shop: Shop, path: str, chosen: Mapping[str, str] | None = None) -> str:
    """The address of one of our downloads for the next `LINK_SECONDS`: a navigation carries no ID token. `chosen` says
    which of the shop's rows, and isn't signed."""
    return f"{path}?{urlencode({**(chosen or {}), 'signed': signing.dumps([shop.id, path], salt=_LINKS)})}"


def link_view(view: View) -> View:
    """Open a download to whoever comes by an address that `link_to` made just now; a 404 to everybody else."""

    @wraps(view)
    def door(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        try:
            shop_id, path = signing.loads(request.GET.get("signed", ""), salt=_LINKS, max_age=LINK_SECONDS)
        except signing.BadSignature:
            raise Http404 from None
        shop = installed_shops().filter(id=shop_id).first()
        if shop is None or path != request.path:
            raise Http404
        request.shop = shop  # type: ignore[attr-defined]
        with shop_scope(shop.id):
            return _private(_answer(view, request, visitor_locale(request), *args, **kwargs))

    return door


def for_each_shop(work: Callable[[Shop], object]) -> None:
    """Call `work` inside each installed shop's scope. One shop's failure is logged and keeps no other from its turn."""
    for shop in list(installed_shops()):
        with shop_scope(shop.id):
            try:
                work(shop)
            except Exception:
                log.exception("shop_failed", shop=shop.domain)


def embed(response: _Response, shop_domain: str, *, within: str = "") -> _Response:
    """Let the shop's admin, and nobody else, frame this response, and App Bridge run in it. `within` is a source that
    may stand between: "'self'" for a frame in one of our own pages."""
    bridge = _origin(settings.APP_BRIDGE_URL)
    frames = [f"https://{shop_domain}"] if shop_domain else []
    devstore = [_origin(settings.SHOPIFY_DEVSTORE_URL)] if settings.SHOPIFY_DEVSTORE_URL else []
    response.xframe_options_exempt = True  # type: ignore[attr-defined]
    response._csp_replace = {  # type: ignore[attr-defined]
        "frame-ancestors": [*frames, ADMIN, *devstore, *filter(None, [within])],
        "script-src": ["'self'", bridge],
        "connect-src": ["'self'", bridge],
    }
    return response


def _answer(view: View, request: HttpRequest, locale: str, *args: Any, **kwargs: Any) -> HttpResponseBase:
    """The view's response, rendered, in the reader's language. An address with a NUL in it is nobody's: no page of ours
    or of the platform's makes one, and PostgreSQL keeps none."""
    if "%00" in request.META.get("QUERY_STRING", ""):
        raise Http404
    request.locale = locale  # type: ignore[attr-defined]
    with translation.override(locale):
        response = view(request, *args, **kwargs)
        if isinstance(response, SimpleTemplateResponse) and not response.is_rendered:
            response.render()
    response.headers.setdefault("Content-Language", locale)
    return response


def visitor_locale(request: HttpRequest) -> str:
    """What a request without a staff member speaks: its `locale` parameter's language, else the browser's."""
    return visitor_language(request.GET.get("locale", ""), request.headers.get("Accept-Language", ""))


def _staff(request: HttpRequest) -> Staff:
    scheme, _space, bearer = request.headers.get("Authorization", "").partition(" ")
    if scheme:
        return staff_from(bearer if scheme == "Bearer" else "")
    return staff_from("" if _is_fetch(request) else request.GET.get("id_token", ""))


def _is_fetch(request: HttpRequest) -> bool:
    """Whether a script asks rather than a navigation: only a script can follow the 401's advice."""
    return (
        request.method not in ("GET", "HEAD")
        or "Authorization" in request.headers
        or "HX-Request" in request.headers
        or request.headers.get("Sec-Fetch-Dest") == "empty"
    )


def _shop_of(request: HttpRequest, staff: Staff) -> Shop:
    if not _is_fetch(request):
        with bucket.people_waiting():
            return shop_opened(staff=staff)
    shop = installed_shops().filter(domain=staff.shop_domain).first()
    if shop is None:
        raise InvalidIdToken("not_installed")
    return shop


def _unproven(request: HttpRequest) -> HttpResponse:
    if _is_fetch(request):
        return HttpResponse(status=401, headers={RETRY_HEADER: "1"})
    own = request.GET.copy()
    tried = own.pop(TRIED, [""])[-1]
    for name in _LAUNCH_SECRETS:
        own.pop(name, None)
    shop = str(own.get("shop", ""))
    query = {name: str(own.get(name, "")) for name in ("embedded", "host", "locale") if name in own}
    if is_shop_domain(shop):
        query["shop"] = shop
    now = int(clock.now().timestamp())
    if tried.isascii() and tried.isdecimal() and abs(now - int(tried[:12])) <= TRIED_SECONDS:
        query["again"] = _path(request.path, own)  # the patch page shows a button instead of reloading by itself
    else:
        own[TRIED] = str(now)
        query["shopify-reload"] = _path(request.path, own)
    return HttpResponseRedirect(f"{PATCH_PATH}?{urlencode(query)}")


def _path(path: str, query: Any) -> str:
    return f"{path}?{query.urlencode()}" if query else path


def _not_installed(request: HttpRequest, shop_domain: str) -> HttpResponse:
    with translation.override(visitor_locale(request)):
        response = notice(
            request,
            title=_("Encore isn't set up yet"),
            sentence=_("Shopify didn't let us finish. Nothing was changed. Try again in a moment."),
            link=f"{request.path}?{urlencode({'shop': shop_domain})}",
            status=503,
        )
    return embed(response, shop_domain)


def notice(
    request: HttpRequest, *, title: str = "", sentence: str = "", link: str = "", status: int = 200
) -> HttpResponse:
    """A page outside any shop's scope: App Bridge and, with a title, a sentence and a button to try again."""
    context = {
        "title": title,
        "sentence": sentence,
        "link": link,
        "app_bridge_url": settings.APP_BRIDGE_URL,
        "api_key": settings.SHOPIFY_API_KEY,
    }
    return _private(render(request, "retention_app/auth/notice.html", context, status=status))


def _private(response: _Response) -> _Response:
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
