"""How a browser gets into the admin: the patch page, where a document that came without a valid ID token gets a fresh
one from App Bridge, once; and the authorization grant, which needs a window of its own."""

from __future__ import annotations

import structlog
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.shortcuts import render
from django.utils import translation
from django.utils.cache import add_never_cache_headers
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_safe

from retention_app.doors import embed, notice, visitor_locale
from retention_app.services.install import shop_granted
from retention_app.shopify import bucket, grant
from retention_app.shopify.auth import PATCH_PATH, is_shop_domain
from retention_app.shopify.errors import GrantRefused, ShopifyError

log = structlog.get_logger(__name__)


@require_safe
def patch_id_token(request: HttpRequest) -> HttpResponse:
    """`?shopify-reload=<path>`: App Bridge reloads the path with a fresh token. `?again=<path>`: that didn't help, so a
    button asks before the next try. 400 for a path that isn't ours, so that nobody is led elsewhere."""
    target = request.GET.get("shopify-reload") or request.GET.get("again", "")
    if not target.startswith("/app/") or not url_has_allowed_host_and_scheme(target, allowed_hosts=None):
        return HttpResponseBadRequest()
    shop = request.GET.get("shop", "")
    query = {name: request.GET[name] for name in ("embedded", "host", "locale", "shop") if name in request.GET}
    with translation.override(visitor_locale(request)):
        if "again" in request.GET:
            response = notice(
                request,
                title=_("Open Encore again"),
                sentence=_("Shopify couldn't confirm who you are. Nothing was changed."),
                link=f"{PATCH_PATH}?{urlencode({**query, 'shopify-reload': target})}",
            )
        else:
            response = notice(request)
    return embed(response, shop if is_shop_domain(shop) else "")


@require_safe
def install(request: HttpRequest) -> HttpResponse:
    """`?shop=<name>.myshopify.com`: ask the shop's merchant for what the app needs, at the platform. Nothing changes
    here until they have approved, so the address is harmless for whoever follows it."""
    shop = request.GET.get("shop", "").strip().lower()
    with translation.override(visitor_locale(request)):
        if not is_shop_domain(shop):
            return _grant_page(
                request,
                title=_("Which store is it?"),
                sentence=_("This address names no Shopify store. Open Encore from the apps of your Shopify admin."),
            )
        if request.headers.get("Sec-Fetch-Dest") == "iframe":  # the platform's page shows in no frame
            page = _grant_page(
                request,
                title=_("Approve permissions"),
                sentence=_("Shopify asks for your approval in a window of its own."),
                button=_("Go to Shopify"),
                shop=shop,
                status=200,
            )
            return embed(page, shop)
    asked = grant.begin(shop)
    answer = HttpResponseRedirect(asked.url)
    answer.set_cookie(
        grant.STATE_COOKIE,
        asked.cookie,
        max_age=grant.STATE_SECONDS,
        path=grant.CALLBACK_PATH,
        secure=True,
        httponly=True,
        samesite="Lax",
    )
    add_never_cache_headers(answer)
    return answer


@require_GET
def callback(request: HttpRequest) -> HttpResponse:
    """The merchant comes back from the platform: install with what they approved, then on into their admin."""
    shop = request.GET.get("shop", "")
    with translation.override(visitor_locale(request)):
        try:
            approved = grant.callback(request.META.get("QUERY_STRING", ""), request.COOKIES.get(grant.STATE_COOKIE, ""))
            with bucket.people_waiting():
                shop_granted(domain=approved.shop_domain, code=approved.code)
        except (grant.CallbackRefused, GrantRefused) as error:
            log.warning("grant_refused", reason=str(error))
            return _grant_page(
                request,
                title=_("This approval can't be used"),
                sentence=_(
                    "It was begun in another browser, longer than ten minutes ago, or used already. Nothing was "
                    "changed. Start again and approve within ten minutes."
                ),
                button=_("Start again"),
                shop=shop,
            )
        except ShopifyError as error:
            log.warning("grant_failed", reason=str(error))
            return _grant_page(
                request,
                title=_("Encore isn't set up yet"),
                sentence=_("Shopify didn't let us finish. Nothing was changed. Try again in a moment."),
                button=_("Start again"),
                shop=shop,
                status=503,
            )
    answer = HttpResponseRedirect(grant.admin_url(approved.shop_domain))
    answer.delete_cookie(grant.STATE_COOKIE, path=grant.CALLBACK_PATH, samesite="Lax")
    add_never_cache_headers(answer)
    return answer


def _grant_page(
    request: HttpRequest, *, title: str, sentence: str, button: str = "", shop: str = "", status: int = 400
) -> HttpResponse:
    """What happened and, where the shop is known, a way on."""
    context = {"title": title, "sentence": sentence, "button": button, "shop": shop if is_shop_domain(shop) else ""}
    page = render(request, "retention_app/auth/grant.html", context, status=status)
    add_never_cache_headers(page)
    return page
