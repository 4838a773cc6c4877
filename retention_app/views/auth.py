"""The patch page: a document that came without a valid ID token gets a fresh one here, from App Bridge, once."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.utils import translation
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from retention_app.doors import embed, notice, visitor_locale
from retention_app.shopify.auth import PATCH_PATH, is_shop_domain


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
