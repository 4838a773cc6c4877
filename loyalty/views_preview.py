"""The storefront panel in a frame, by the rules that somebody is editing."""

from __future__ import annotations

from dataclasses import dataclass

import orjson
from django.http import HttpResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import reverse

from loyalty.preview import panel_answers
from loyalty.rules.programme import Document
from retention_app import clock
from retention_app.doors import ShopRequest, embed, link_to, link_view
from retention_app.languages import language_tag
from retention_app.models import Shop
from retention_app.views.storefront import panels
from retention_app.words import Words


@dataclass(frozen=True)
class Panel:
    """What a page needs to show it: the address of its frame, for a minute, and what to answer the script there."""

    frame: str
    answers: str

    @classmethod
    def of(cls, shop: Shop, document: Document, average_minor: int | None, words: Words) -> Panel:
        answers = panel_answers(shop, document, average_minor, words, clock.now())
        return cls(link_to(shop, reverse("loyalty:panel_frame")), orjson.dumps(answers).decode())


@link_view
def panel_frame(request: ShopRequest) -> HttpResponse:
    """The page in the frame: the storefront's script, which asks the page around it instead of the app proxy."""
    addresses = [static(f"storefront/dist/{name}.js") for name in panels()]
    context = {"language": language_tag(request.locale), "panels": " ".join(addresses)}
    return embed(render(request, "loyalty/panel_frame.html", context), request.shop.domain, within="'self'")
