"""Settings > Languages: what shoppers read, and what the person who looks reads."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpResponse
from django.utils.translation import gettext as _

from retention_app.doors import ShopRequest, shop_view
from retention_app.rights import Right
from retention_app.views.admin_page import page
from retention_app.words import words_for


@shop_view(Right.READ)
def languages(request: ShopRequest) -> HttpResponse:
    """Both; one's own is kept by `admin:language`."""
    spoken = dict(settings.LANGUAGES)
    context = {
        "spoken": list(settings.LANGUAGES),
        "fallback": spoken[settings.LANGUAGE_CODE],
        "choices": [("", _("As in Shopify")), *settings.LANGUAGES],
        "chosen": request.staff.language,
    }
    return page(request, "retention_app/languages.html", context, current="settings")


def summary(request: ShopRequest) -> str:
    """The languages shoppers read, in the list of settings."""
    return words_for(request.shop).listing([name for _code, name in settings.LANGUAGES])
