"""The visitor's cart and Shopify's Ajax cart API. Money is in hundredths there, also of currencies without them."""

import hashlib
import json
from collections.abc import Callable
from typing import Any, TypedDict

from starlette.responses import JSONResponse, Response

from devstore import commerce, discounts, ids, records
from devstore.commerce import Item
from devstore.discounts import CodeRefused
from devstore.documents import Discount, Product, Variant
from devstore.money import subunits
from devstore.orders import Quote
from devstore.shops import Shop
from devstore.state import dump, load
from devstore.web.presenting import full_title, picture_url, product_url, variant_title
from devstore.web.visit import Handler, Visit, page

MOST_OF_ONE_LINE = 9999


class CartLine(TypedDict):
    """`key` tells lines of one variant with different `properties` apart."""

    key: str
    variant_id: int
    quantity: int
    properties: dict[str, str]


class Cart(TypedDict):
    """`discount` is the code the visitor gave, '' without one."""

    token: str
    note: str | None
    attributes: dict[str, str]
    discount: str
    lines: list[CartLine]


class CartError(Exception):
    """What the Ajax API answers as `{"status", "message", "description"}`."""

    def __init__(self, description: str, status: int = 422) -> None:
        super().__init__(description)
        self.status = status


# --- Reading and writing -------------------------------------------------------------------------------------------


def empty_cart() -> Cart:
    return {"token": ids.token(), "note": None, "attributes": {}, "discount": "", "lines": []}


def cart_of(visit: Visit) -> Cart:
    """The visitor's cart without the variants that are gone; a new empty one when they have none."""
    token = visit.session.get("cart")
    query = "SELECT document FROM carts WHERE token = ? AND shop_id = ?"
    row = visit.shop.database.connection().execute(query, (token, visit.shop.id)).fetchone()
    if row is None:
        return empty_cart()
    cart: Cart = load(row[0])
    known = wares(visit.shop, cart)
    cart["lines"] = [line for line in cart["lines"] if line["variant_id"] in known]
    return cart


def save_cart(visit: Visit, cart: Cart) -> None:
    visit.session["cart"] = cart["token"]
    with visit.shop.database.write() as connection:
        connection.execute("INSERT OR REPLACE INTO carts VALUES (?, ?, ?)", (cart["token"], visit.shop.id, dump(cart)))


def drop_cart(visit: Visit) -> None:
    """Forget the cart: it has become an order."""
    token = visit.session.pop("cart", None)
    with visit.shop.database.write() as connection:
        connection.execute("DELETE FROM carts WHERE token = ? AND shop_id = ?", (token, visit.shop.id))


def wares(shop: Shop, cart: Cart) -> dict[int, tuple[Product, Variant]]:
    """Product and variant of each variant id in the cart that is for sale."""
    wanted = [line["variant_id"] for line in cart["lines"]]
    found = records.products_of_variants(shop.database.connection(), shop.id, wanted)
    return {
        variant["id"]: (product, variant)
        for product in found.values()
        if product["status"] == "ACTIVE"
        for variant in product["variants"]
    }


def item_count(cart: Cart) -> int:
    return sum(line["quantity"] for line in cart["lines"])


def items_of(cart: Cart) -> list[Item]:
    return [Item(quantity=line["quantity"], variant_id=line["variant_id"]) for line in cart["lines"]]


def quote_of(shop: Shop, cart: Cart) -> Quote:
    """What the cart comes to; a code that does not apply counts for nothing."""
    discount, _ = discount_of(shop, cart)
    return commerce.cart_quote(shop, items_of(cart), discount["code"] if discount else None)


def discount_of(shop: Shop, cart: Cart) -> tuple[Discount | None, CodeRefused | None]:
    """The discount of the visitor's code where it applies to this cart, whoever they are, or why it does not; neither
    without a code."""
    known = wares(shop, cart)
    subtotal = sum(known[line["variant_id"]][1]["price"] * line["quantity"] for line in cart["lines"])
    try:
        return discounts.accepted(shop, cart["discount"], subtotal), None
    except CodeRefused as refused:
        return None, refused


# --- Changing ------------------------------------------------------------------------------------------------------


def quantity_from(value: object) -> int:
    """A quantity as browsers send it. Raises CartError when it is none or too large."""
    text = str(value).strip()
    if not text.isascii() or not text.isdecimal() or int(text[:8]) > MOST_OF_ONE_LINE:
        raise CartError(f"A quantity is a whole number from 0 to {MOST_OF_ONE_LINE}.")
    return int(text)


def add(
    shop: Shop, cart: Cart, variant_id: object, quantity: object, properties: dict[str, str] | None = None
) -> CartLine:
    """Put units of a variant into the cart and return its line. Raises CartError."""
    text = str(variant_id)
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0
    found = commerce.product_by_variant(shop, number)
    if found is None or found[0]["status"] != "ACTIVE":
        raise CartError("Cannot find variant", 404)
    amount = quantity_from(quantity) or 1
    given = {name: str(value) for name, value in (properties or {}).items()}
    key = f"{number}:{hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()[:32]}"
    line = next((each for each in cart["lines"] if each["key"] == key), None)
    if line is None:
        line = {"key": key, "variant_id": number, "quantity": 0, "properties": given}
        cart["lines"].insert(0, line)
    line["quantity"] = min(line["quantity"] + amount, MOST_OF_ONE_LINE)
    return line


def change(cart: Cart, name: object, quantity: object) -> None:
    """Set the quantity of the line of that key or variant; 0 takes it out. Raises CartError when there is none."""
    wanted = str(name)
    line = next((each for each in cart["lines"] if wanted in (each["key"], str(each["variant_id"]))), None)
    if line is None:
        raise CartError("no valid id or line parameter", 400)
    line["quantity"] = quantity_from(quantity)
    cart["lines"] = [each for each in cart["lines"] if each["quantity"]]


# --- Shopify's JSON ------------------------------------------------------------------------------------------------


def item_json(line: CartLine, product: Product, variant: Variant, currency: str) -> dict[str, Any]:
    own_title = variant_title(variant)
    title = full_title(product["title"], own_title)
    price = subunits(variant["price"], currency)
    whole = price * line["quantity"]
    picture = picture_url(product)
    return {
        "id": variant["id"],
        "properties": line["properties"],
        "quantity": line["quantity"],
        "variant_id": variant["id"],
        "key": line["key"],
        "title": title,
        "price": price,
        "original_price": price,
        "presentment_price": price / 100,
        "discounted_price": price,
        "line_price": whole,
        "original_line_price": whole,
        "total_discount": 0,
        "discounts": [],
        "sku": variant["sku"],
        "grams": 0,
        "vendor": product["vendor"],
        "taxable": not product["gift_card"],
        "product_id": product["id"],
        "product_has_only_default_variant": own_title is None,
        "gift_card": product["gift_card"],
        "final_price": price,
        "final_line_price": whole,
        "url": f"{product_url(product)}?variant={variant['id']}",
        "featured_image": {"aspect_ratio": 1.0, "alt": title, "height": 600, "url": picture, "width": 600},
        "image": picture,
        "handle": product["handle"],
        "requires_shipping": not product["gift_card"],
        "product_type": product["product_type"],
        "product_title": product["title"],
        "product_description": product["description"],
        "variant_title": own_title,
        "variant_options": [variant["title"]],
        "options_with_values": [{"name": product["option"], "value": variant["title"]}],
        "line_level_discount_allocations": [],
        "line_level_total_discount": 0,
    }


def cart_json(shop: Shop, cart: Cart) -> dict[str, Any]:
    known = wares(shop, cart)
    items = [item_json(line, *known[line["variant_id"]], shop.currency) for line in cart["lines"]]
    subtotal = sum(item["final_line_price"] for item in items)
    off = subunits(sum(quote_of(shop, cart).discounts), shop.currency) if items else 0
    code, _ = discount_of(shop, cart)
    applications = []
    if code and off:
        applications.append(
            {
                "type": "discount_code",
                "key": code["code"],
                "title": code["code"],
                "description": code["code"],
                "value": code["value"],
                "value_type": code["kind"],
                "allocation_method": "across",
                "target_selection": "all",
                "target_type": "line_item",
                "total_allocated_amount": off,
            }
        )
    return {
        "token": cart["token"],
        "note": cart["note"],
        "attributes": cart["attributes"],
        "original_total_price": subtotal,
        "total_price": subtotal - off,
        "total_discount": off,
        "total_weight": 0.0,
        "item_count": item_count(cart),
        "items": items,
        "requires_shipping": any(item["requires_shipping"] for item in items),
        "currency": shop.currency,
        "items_subtotal_price": subtotal,
        "cart_level_discount_applications": applications,
        "discount_codes": [{"code": cart["discount"], "applicable": code is not None}] if cart["discount"] else [],
    }


# --- The Ajax API --------------------------------------------------------------------------------------------------


def sent(visit: Visit) -> dict[str, Any]:
    """The request's fields, from JSON or a form: `updates[42]`, `attributes[x]` and `items[0][id]` come out nested."""
    if visit.request.headers.get("content-type", "").startswith("application/json"):
        try:
            fields = json.loads(visit.body or b"{}")
        except ValueError:
            raise CartError("The body is no JSON.", 400) from None
        if not isinstance(fields, dict):
            raise CartError("The body is no JSON object.", 400)
        return fields
    nested: dict[str, Any] = {}
    for name, value in visit.form.multi_items():
        *parents, last = name.replace("]", "").split("[")
        if not last:
            nested.setdefault(parents[0], []).append(value)
            continue
        place = nested
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise CartError(f"{name} does not fit the other fields.", 400)
        place[last] = value
    return nested


def ajax(handler: Callable[[Visit, Cart, dict[str, Any]], Any]) -> Handler:
    """A handler of the Ajax API: gets the cart and what was sent, answers JSON; the cart is saved when it returns."""

    def answer(visit: Visit) -> Response:
        cart = cart_of(visit)
        try:
            fields = sent(visit) if visit.request.method == "POST" else {}
            shown = handler(visit, cart, fields)
        except CartError as error:
            body = {"status": error.status, "message": "Cart Error", "description": str(error)}
            return JSONResponse(body, error.status)
        if visit.request.method == "POST":
            save_cart(visit, cart)
        return JSONResponse(shown, headers={"Cache-Control": "no-store"})

    return answer


def cart_get(visit: Visit, cart: Cart, fields: dict[str, Any]) -> Any:
    return cart_json(visit.shop, cart)


def cart_add(visit: Visit, cart: Cart, fields: dict[str, Any]) -> Any:
    """One variant (`id`, `quantity`, `properties`) answers its item; `items` answers `{"items": […]}`."""
    several = fields.get("items")
    entries = list(several.values() if isinstance(several, dict) else several) if several else [fields]
    added = []
    for entry in entries:
        if not isinstance(entry, dict):
            raise CartError("items is a list of objects.", 400)
        properties = entry.get("properties") or {}
        added.append(add(visit.shop, cart, entry.get("id"), entry.get("quantity", 1), properties))
    known = wares(visit.shop, cart)
    items = [item_json(line, *known[line["variant_id"]], visit.shop.currency) for line in added]
    return {"items": items} if several else items[0]


def cart_change(visit: Visit, cart: Cart, fields: dict[str, Any]) -> Any:
    """Set the quantity of the line of an `id` (variant or key) or of the `line` of that number, from 1."""
    name = fields.get("id")
    if "line" in fields:
        number = quantity_from(fields["line"])
        name = cart["lines"][number - 1]["key"] if 1 <= number <= len(cart["lines"]) else None
    change(cart, name, fields.get("quantity", 1))
    return cart_json(visit.shop, cart)


def cart_update(visit: Visit, cart: Cart, fields: dict[str, Any]) -> Any:
    """`updates` by variant or key (or a list in cart order), `note`, `attributes`, `discount` ('' takes it off)."""
    updates = fields.get("updates") or {}
    if isinstance(updates, list):
        updates = {line["key"]: quantity for line, quantity in zip(cart["lines"], updates, strict=False)}
    for name, quantity in updates.items():
        change(cart, name, quantity)
    if "note" in fields:
        cart["note"] = str(fields["note"])
    for name, value in (fields.get("attributes") or {}).items():
        cart["attributes"][name] = str(value)
    if "discount" in fields:
        cart["discount"] = str(fields["discount"]).partition(",")[0].strip()
    return cart_json(visit.shop, cart)


def cart_clear(visit: Visit, cart: Cart, fields: dict[str, Any]) -> Any:
    cart["lines"] = []
    return cart_json(visit.shop, cart)


def product_json(visit: Visit) -> Response:
    """`/products/<handle>.js`."""
    product = commerce.product_by_handle(visit.shop, visit.request.path_params["handle"])
    if product is None or product["status"] != "ACTIVE":
        return JSONResponse({"status": 404, "message": "Not Found"}, 404)
    currency = visit.shop.currency
    prices = [subunits(variant["price"], currency) for variant in product["variants"]]
    variants = [
        {
            "id": variant["id"],
            "title": variant["title"],
            "option1": variant["title"],
            "sku": variant["sku"],
            "name": full_title(product["title"], variant_title(variant)),
            "available": True,
            "price": price,
            "compare_at_price": (was := variant["compare_at_price"]) and subunits(was, currency),
            "requires_shipping": not product["gift_card"],
        }
        for variant, price in zip(product["variants"], prices, strict=True)
    ]
    return JSONResponse(
        {
            "id": product["id"],
            "title": product["title"],
            "handle": product["handle"],
            "description": product["description"],
            "created_at": product["created_at"],
            "vendor": product["vendor"],
            "type": product["product_type"],
            "tags": product["tags"],
            "price": min(prices),
            "price_min": min(prices),
            "price_max": max(prices),
            "price_varies": min(prices) != max(prices),
            "available": True,
            "variants": variants,
            "options": [{"name": product["option"], "position": 1, "values": [each["title"] for each in variants]}],
            "images": [picture_url(product)],
            "featured_image": picture_url(product),
            "url": product_url(product),
        }
    )


ROUTES = [
    page("/cart.js", ajax(cart_get)),
    page("/cart.json", ajax(cart_get)),
    page("/cart/add.js", ajax(cart_add), methods=("POST",)),
    page("/cart/change.js", ajax(cart_change), methods=("POST",)),
    page("/cart/update.js", ajax(cart_update), methods=("POST",)),
    page("/cart/clear.js", ajax(cart_clear), methods=("POST",)),
    page("/products/{handle}.js", product_json),
]
