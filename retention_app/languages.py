"""Which language a page of the admin speaks.

A framed page can't rely on cookies, so: what the person chose with the switch (kept for shop and person), else the
language the platform opened the page in (`?locale=`), else what the browser asks for. A page sends its own language
with every later request as `Accept-Language`.
"""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import get_supported_language_variant, to_locale
from django.utils.translation.trans_real import parse_accept_lang_header


def language_for(request: HttpRequest, chosen: str) -> str:
    """A code of settings.LANGUAGES; `chosen` is what the person chose, if anything."""
    accepted = [code for code, _quality in parse_accept_lang_header(request.headers.get("Accept-Language", ""))]
    for wanted in [chosen, request.GET.get("locale"), *accepted]:
        if supported := _supported(wanted):
            return supported
    return settings.LANGUAGE_CODE


def language_tag(code: str) -> str:
    """Django's code of a language as browsers write it: zh-Hant, pt-BR."""
    return to_locale(code).replace("_", "-")


def visitor_language(locale: str, accept_language: str) -> str:
    """What a visitor of the storefront reads: the page's own locale, else what their browser asks for."""
    accepted = (code for code, _quality in parse_accept_lang_header(accept_language))
    return next(filter(None, map(_supported, [locale, *accepted])), settings.LANGUAGE_CODE)


def _supported(code: str | None) -> str | None:
    """Our code for a language somebody asks for, or the nearest: zh-HK reads traditional characters, pt Brazil's."""
    try:
        return get_supported_language_variant((code or "").lower())
    except LookupError:
        return None
