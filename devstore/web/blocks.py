"""The app's blocks in the theme's pages: what Liquid sees of store and visitor, and what comes out where."""

import html
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from liquid.exceptions import LiquidError
from markupsafe import Markup

from devstore import metafields, themes
from devstore.documents import Customer, PlacedBlock, Product, Theme
from devstore.extension import Block, Extension
from devstore.money import subunits
from devstore.web import carts, presenting, texts
from devstore.web.visit import Visit

EDITOR_PARAMETER = "oseid"  # in the address of a page inside the theme editor; here its value is the theme
PREVIEW_PARAMETER = "preview_theme_id"
# Pages of the theme by their template. What is not here is Shopify's own and runs no app code: checkout, order status.
PAGE_TYPES = {
    "account.html": "customers/account",
    "app_page.html": "page",
    "cart.html": "cart",
    "collection.html": "collection",
    "home.html": "index",
    "login.html": "customers/login",
    "message.html": "404",
    "product.html": "product",
    "register.html": "customers/register",
}


@dataclass
class Drawn:
    """What the app adds to one page, as HTML."""

    head: list[Markup] = field(default_factory=list)
    section: list[Markup] = field(default_factory=list)
    body: list[Markup] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    styles: list[str] = field(default_factory=list)


def theme_of(visit: Visit) -> Theme:
    """The theme this page is drawn with: the published one, or one that the merchant looks at."""
    asked = visit.query(EDITOR_PARAMETER) or visit.query(PREVIEW_PARAMETER)
    every = themes.all_of(visit.shop)
    looked_at = (each for each in every if str(each["id"]) == asked)
    return next(looked_at, None) or next(each for each in every if each["role"] == "MAIN")


def in_editor(visit: Visit) -> bool:
    return bool(visit.query(EDITOR_PARAMETER))


def drawn(visit: Visit, theme: Theme, page_type: str, customer: Customer | None, product: Product | None) -> Drawn:
    """The app's embeds and blocks on this page."""
    page = Drawn()
    extension = visit.shop.store.extension
    if extension is None or not visit.shop.installed:
        return page
    files = theme["draft"] or theme["files"] if in_editor(visit) else theme["files"]
    names = [themes.SETTINGS, *filter(None, [themes.TEMPLATES.get(page_type)])]
    placed = [each for name in names for each in themes.app_blocks(visit.shop, files, name)]
    shown = [(key, block, one) for key, block, one in placed if not one.get("disabled") and block.allowed_on(page_type)]
    if not shown:
        return page
    objects = objects_of(visit, page_type, customer, product)
    for block_id, block, one in shown:
        markup = rendered(visit, extension, block_id, block, one, objects)
        {"head": page.head, "compliance_head": page.head, "body": page.body, "section": page.section}[
            block.target
        ].append(markup)
        add_file(page.scripts, extension, block.javascript)
        add_file(page.styles, extension, block.stylesheet)
    return page


def add_file(urls: list[str], extension: Extension, name: str | None) -> None:
    """Each file once, however many blocks ask for it."""
    if name and extension.asset_url(name) not in urls:
        urls.append(extension.asset_url(name))


def rendered(
    visit: Visit, extension: Extension, block_id: str, block: Block, placed: PlacedBlock, objects: dict[str, Any]
) -> Markup:
    """A block's HTML. What goes wrong in it is said in its place, as in Shopify."""
    attributes = ""
    if in_editor(visit):
        about = json.dumps({"id": block_id, "type": placed["type"]})
        attributes = f'data-shopify-editor-block="{html.escape(about)}"'
    own = {
        "id": block_id,
        "type": placed["type"],
        "settings": themes.settings_of(block, placed),
        "shopify_attributes": attributes,
    }
    try:
        body = block.body.render(**objects, block=own)
    except LiquidError as error:
        body = f"Liquid error ({block.handle}): {html.escape(str(error.message))}"
    if block.target in ("head", "compliance_head"):
        return Markup(body)  # noqa: S704 - an extension's Liquid is trusted to escape, as Shopify trusts it
    wrapper = f'<div id="shopify-block-{html.escape(block_id)}" class="shopify-block shopify-app-block">{body}</div>'
    return Markup(wrapper)  # noqa: S704


# --- What Liquid sees ------------------------------------------------------------------------------------------------


def objects_of(visit: Visit, page_type: str, customer: Customer | None, product: Product | None) -> dict[str, Any]:
    """Shopify's objects, as far as devstore has what they say: https://shopify.dev/docs/api/liquid/objects"""
    shop, locale = visit.shop, texts.SHOPIFY_LOCALES[visit.locale]
    url = f"https://{shop.domain}"
    return {
        "app": {"metafields": metafields.for_liquid(shop)},
        "cart": cart_object(visit),
        "customer": customer_object(customer, shop.currency) if customer else None,
        "localization": {
            "country": {"iso_code": shop.document["country_code"], "currency": {"iso_code": shop.currency}},
            "language": {"iso_code": locale},
        },
        "product": product_object(product, shop.currency) if product else None,
        "request": {
            "design_mode": in_editor(visit),
            "host": shop.domain,
            "locale": {
                "iso_code": locale,
                "primary": visit.locale == texts.ENGLISH,
                "root_url": "/",
                "endonym_name": dict(texts.LANGUAGES)[visit.locale],
            },
            "origin": url,
            "page_type": page_type,
            "path": visit.path,
        },
        "routes": routes_object(visit),
        "shop": {
            "id": shop.id,
            "name": shop.document["name"],
            "currency": shop.currency,
            "customer_accounts_enabled": True,
            "domain": shop.domain,
            "email": shop.document["email"],
            "permanent_domain": shop.domain,
            "url": url,
        },
        "template": {"name": page_type},
    }


def routes_object(visit: Visit) -> dict[str, str]:
    """Where things are; `storefront_login_url` leads back to this page, `account_login_url` to the account."""
    back = "/account" if visit.path.startswith("/account/") else visit.path
    here = {"return_to": back, "locale": texts.SHOPIFY_LOCALES[visit.locale]}
    return {
        "root_url": "/",
        "account_login_url": "/account/login",
        "account_logout_url": "/account/logout",
        "account_register_url": "/account/register",
        "account_url": "/account",
        "all_products_collection_url": "/collections/all",
        "cart_add_url": "/cart/add",
        "cart_change_url": "/cart/change",
        "cart_update_url": "/cart/update",
        "cart_url": "/cart",
        "storefront_login_url": f"/customer_authentication/login?{urlencode(here)}",
    }


def cart_object(visit: Visit) -> dict[str, Any]:
    shown, currency = carts.cart_json(visit.shop, carts.cart_of(visit)), visit.shop.currency
    return {
        "currency": {"iso_code": currency},
        "item_count": shown["item_count"],
        "total_discount": subunits(shown["total_discount"], currency),
        "total_price": subunits(shown["total_price"], currency),
    }


def customer_object(customer: Customer, currency: str) -> dict[str, Any]:
    return {
        "id": customer["id"],
        "accepts_marketing": customer["accepts_marketing"],
        "email": customer["email"],
        "first_name": customer["first_name"],
        "has_account": customer["state"] == "ENABLED",
        "last_name": customer["last_name"],
        "name": presenting.customer_name(customer),
        "orders_count": customer["orders_count"],
        "tags": customer["tags"],
        "total_spent": subunits(customer["spent"], currency),
    }


def product_object(product: Product, currency: str) -> dict[str, Any]:
    prices = [subunits(variant["price"], currency) for variant in product["variants"]]
    variants = [
        {
            "id": variant["id"],
            "available": True,
            "price": price,
            "sku": variant["sku"],
            "title": variant["title"],
        }
        for variant, price in zip(product["variants"], prices, strict=True)
    ]
    return {
        "id": product["id"],
        "available": True,
        "featured_image": presenting.picture_url(product),
        "handle": product["handle"],
        "price": min(prices),
        "price_max": max(prices),
        "price_min": min(prices),
        "price_varies": min(prices) != max(prices),
        "selected_or_first_available_variant": variants[0],
        "tags": product["tags"],
        "title": product["title"],
        "type": product["product_type"],
        "url": presenting.product_url(product),
        "variants": variants,
        "vendor": product["vendor"],
    }
