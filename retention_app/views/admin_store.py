"""Settings > Store: what Shopify says of it, and what only its staff know."""

from __future__ import annotations

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from retention_app.counts import numbers_ever
from retention_app.doors import ShopRequest, shop_view
from retention_app.models import Shop
from retention_app.rights import Right
from retention_app.services.store import coming_back, store_change
from retention_app.store_form import StoreForm, store_initial, store_text
from retention_app.views.admin_page import done, page
from retention_app.words import words_for


@shop_view(Right.STORE, methods=["GET", "POST"], look=Right.READ)
def store(request: ShopRequest) -> HttpResponse:
    """A POST keeps goods and margin."""
    shop = request.shop
    if request.method == "GET":
        proposed = "" if shop.goods else coming_back(numbers_ever(shop)).goods
        return _page(request, StoreForm(initial=store_initial(shop, proposed)))
    form = StoreForm(request.POST)
    if not form.is_valid():
        return _page(request, form, status=422)
    chosen = form.cleaned_data
    store_change(shop=shop, goods=chosen["goods"], margin_percent=chosen["margin"], actor=request.actor)
    return done(request, reverse("admin:store"), toast=_("Saved"))


def _page(request: ShopRequest, form: StoreForm, status: int = 200) -> HttpResponse:
    context = {"shop": request.shop, "form": form, "city": words_for(request.shop).city, "told": summary(request.shop)}
    return page(request, "retention_app/store.html", context, current="settings", status=status)


def summary(shop: Shop) -> str:
    """Goods and margin, as far as staff have said, in the list of settings."""
    return store_text(shop.goods, shop.margin_percent, words_for(shop)) or _("Goods and margin not told yet")
