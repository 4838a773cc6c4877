"""The store's theme: home, collection, product, cart, account, checkout and order status."""

from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from devstore import accounts, commerce
from devstore.commerce import CommerceError
from devstore.discounts import CodeRefused
from devstore.documents import Address, Customer, Product
from devstore.web import blocks, carts, lookups, presenting, texts
from devstore.web.carts import CartError
from devstore.web.pictures import picture
from devstore.web.visit import Visit, page

BEST_SELLERS = 8
PRODUCTS_A_PAGE = 24
OTHERS = 4  # products shown below one, those of its own kind first
PASSWORD_LENGTH = 5  # Shopify's own minimum
PRETEND_CARD = "4242 4242 4242 4242"
CONSENT_COOKIE = "_tracking_consent"
ADDRESS_FIELDS = ("first_name", "last_name", "address1", "city", "zip")


# --- What every page of the theme has ------------------------------------------------------------------------------


def customer_of(visit: Visit) -> Customer | None:
    """Who is logged in; nobody when their account is gone."""
    number = visit.session.get("customer")
    return commerce.customer(visit.shop, number) if number else None


def script_sources(visit: Visit, *scopes: str) -> list[str]:
    """Addresses of the script tags of these display scopes, with the shop appended as Shopify does."""
    domain = urlencode({"shop": visit.shop.domain})
    sources = [tag["src"] for tag in commerce.script_tags(visit.shop) if tag["display_scope"] in scopes]
    return [f"{source}{'&' if '?' in source else '?'}{domain}" for source in sources]


def show(
    visit: Visit,
    template: str,
    status: int = 200,
    *,
    scopes: tuple[str, ...] = ("ALL", "ONLINE_STORE"),
    ware: Product | None = None,
    **context: Any,
) -> Response:
    """Draw a page of the theme, with the app's scripts of these display scopes and its blocks in it. `ware` is the
    product that the page is about."""
    shop, customer, theme = visit.shop, customer_of(visit), blocks.theme_of(visit)
    page_type = blocks.PAGE_TYPES.get(template)
    shopify_global: dict[str, Any] = {
        "shop": shop.domain,
        "locale": texts.SHOPIFY_LOCALES[visit.locale],
        "country": shop.document["country_code"],
        "currency": {"active": shop.currency, "rate": "1.0"},
        "routes": {"root": "/"},
        "theme": {"name": theme["name"], "id": theme["id"], "role": theme["role"].lower()},
    }
    if blocks.in_editor(visit):
        shopify_global["designMode"] = True
    return visit.render(
        f"theme/{template}",
        status,
        customer=customer,
        look=theme["look"],
        blocks=blocks.drawn(visit, theme, page_type, customer, ware) if page_type else blocks.Drawn(),
        cart_count=carts.item_count(carts.cart_of(visit)),
        script_tags=script_sources(visit, *scopes),
        login_url=blocks.routes_object(visit)["storefront_login_url"],
        ask_consent=shop.document["consent_banner"] and CONSENT_COOKIE not in visit.request.cookies,
        shopify_global=shopify_global,
        **context,
    )


def not_found(visit: Visit) -> Response:
    _ = visit.text
    return show(visit, "message.html", 404, heading=_("Page not found"), text=_("There is nothing at this address."))


# --- Products ------------------------------------------------------------------------------------------------------


def home(visit: Visit) -> Response:
    best = lookups.best_sellers(visit.shop, commerce.products(visit.shop), BEST_SELLERS)
    return show(visit, "home.html", products=[presenting.product_shown(product) for product in best])


def collection(visit: Visit) -> Response:
    products = commerce.products(visit.shop)
    pages = max(1, -(-len(products) // PRODUCTS_A_PAGE))
    number = min(visit.page_number(), pages)
    shown = products[(number - 1) * PRODUCTS_A_PAGE : number * PRODUCTS_A_PAGE]
    return show(
        visit,
        "collection.html",
        products=[presenting.product_shown(product) for product in shown],
        total=len(products),
        page=number,
        pages=pages,
    )


def product_page(visit: Visit) -> Response:
    product = commerce.product_by_handle(visit.shop, visit.request.path_params["handle"])
    if product is None or product["status"] != "ACTIVE":
        return not_found(visit)
    others = sorted(
        (each for each in commerce.products(visit.shop) if each["id"] != product["id"]),
        key=lambda each: each["product_type"] != product["product_type"],
    )
    return show(
        visit,
        "product.html",
        ware=product,
        product=presenting.product_shown(product),
        others=[presenting.product_shown(other) for other in others[:OTHERS]],
    )


def product_picture(visit: Visit) -> Response:
    product = commerce.product_by_handle(visit.shop, visit.request.path_params["handle"])
    if product is None:
        return Response(status_code=404)
    drawn = picture(product["title"], product["product_type"], product["colour"])
    return Response(drawn, media_type="image/svg+xml", headers={"Cache-Control": "max-age=3600"})


# --- Cart ----------------------------------------------------------------------------------------------------------


def cart_page(visit: Visit) -> Response:
    cart = carts.cart_of(visit)
    shown = carts.cart_json(visit.shop, cart)
    return show(visit, "cart.html", cart=shown, code=cart["discount"], errors=code_errors(visit, cart))


def code_errors(visit: Visit, cart: carts.Cart) -> dict[str, str]:
    """Why the visitor's code does not count, if it does not."""
    _, refused = carts.discount_of(visit.shop, cart) if cart["lines"] else (None, None)
    return {"discount": refusal(visit, refused)} if refused else {}


def refusal(visit: Visit, refused: CodeRefused) -> str:
    return visit.text(refused.reason, code=refused.code, amount=visit.money(refused.amount))


def cart_code(visit: Visit) -> Response:
    """A code given on the cart page, or taken off again."""
    cart = carts.cart_of(visit)
    cart["discount"] = "" if visit.field("remove") else visit.field("discount")
    carts.save_cart(visit, cart)
    return visit.redirect("/cart")


def discount_link(visit: Visit) -> Response:
    """`/discount/<code>?redirect=/cart`: the link that puts a code into the cart of whoever follows it."""
    cart = carts.cart_of(visit)
    cart["discount"] = visit.request.path_params["code"].strip()
    carts.save_cart(visit, cart)
    return visit.redirect(inner_path(visit.query("redirect"), "/"))


def cart_add_form(visit: Visit) -> Response:
    """The product page's form, where the theme's script does not run."""
    cart = carts.cart_of(visit)
    try:
        carts.add(visit.shop, cart, visit.field("id"), visit.field("quantity") or 1)
    except CartError:
        return not_found(visit)
    carts.save_cart(visit, cart)
    return visit.redirect("/cart")


def cart_form(visit: Visit) -> Response:
    """The cart page's form: new quantities, then one line taken out, or on to checkout."""
    cart = carts.cart_of(visit)
    quantities = [str(value) for value in visit.form.getlist("updates[]")]
    removed = visit.field("remove")
    if removed.isdecimal() and 0 < int(removed) <= len(quantities):
        quantities[int(removed) - 1] = "0"
    try:
        for line, quantity in list(zip(cart["lines"], quantities, strict=False)):
            carts.change(cart, line["key"], quantity)
    except CartError:
        visit.say(visit.text("A quantity is a whole number from 0 to {most}.", most=carts.MOST_OF_ONE_LINE))
        return visit.redirect("/cart")
    carts.save_cart(visit, cart)
    return visit.redirect("/checkout" if visit.field("checkout") and cart["lines"] else "/cart")


# --- Account -------------------------------------------------------------------------------------------------------


def inner_path(text: str, otherwise: str) -> str:
    """A path of this store to return to, never another site."""
    return text if text.startswith("/") and not text.startswith(("//", "/\\")) else otherwise


def login(visit: Visit) -> Response:
    if accounts.new_accounts(visit.shop):  # whatever `return_to` says: it leads to the account
        return visit.redirect("/customer_authentication/login")
    hint = visit.shop.document.get("login_hint", "")
    if visit.request.method == "GET":
        values = {"return_to": visit.query("return_to")}
        return show(visit, "login.html", values=values, errors={}, hint=hint)
    customer = commerce.customer_authenticate(visit.shop, visit.field("email"), str(visit.form.get("password", "")))
    if customer is None:
        errors = {"form": visit.text("This e-mail and password do not belong together.")}
        return show(visit, "login.html", 422, values=visit.form, errors=errors, hint=hint)
    visit.session["customer"] = customer["id"]
    return visit.redirect(inner_path(visit.field("return_to"), "/account"))


def register(visit: Visit) -> Response:
    if accounts.new_accounts(visit.shop):
        return visit.redirect("/customer_authentication/login")
    if visit.request.method == "GET":
        return show(visit, "register.html", values={}, errors={})
    _ = visit.text
    password = str(visit.form.get("password", ""))
    errors = missing(visit, {"first_name": _("First name"), "last_name": _("Last name")}) | email_errors(visit)
    if len(password) < PASSWORD_LENGTH:
        errors["password"] = _("A password has at least {n} characters.", n=PASSWORD_LENGTH)
    if not errors:
        try:
            customer = commerce.customer_register(
                visit.shop, visit.field("email"), password, visit.field("first_name"), visit.field("last_name")
            )
        except CommerceError:
            errors["email"] = _("There is an account with this e-mail already. Log in instead.")
        else:
            visit.session["customer"] = customer["id"]
            return visit.redirect("/account")
    return show(visit, "register.html", 422, values=visit.form, errors=errors)


def logout(visit: Visit) -> Response:
    visit.session.pop("customer", None)
    return visit.redirect("/")


def account(visit: Visit) -> Response:
    if accounts.new_accounts(visit.shop):
        return visit.redirect(accounts.account_path(visit.shop))
    customer = customer_of(visit)
    if customer is None:
        return visit.redirect("/account/login")
    orders = [presenting.order_shown(order) for order in commerce.orders_of(visit.shop, customer["id"])]
    return show(visit, "account.html", orders=orders)


# --- Checkout ------------------------------------------------------------------------------------------------------


def missing(visit: Visit, labels: dict[str, str]) -> dict[str, str]:
    """An error for each of these fields that was left empty."""
    return {
        name: visit.text("{field} is missing.", field=label) for name, label in labels.items() if not visit.field(name)
    }


def email_errors(visit: Visit) -> dict[str, str]:
    name, _, host = visit.field("email").partition("@")
    good = name and "." in host and " " not in name + host
    return {} if good else {"email": visit.text("Give an e-mail address like ana@example.com.")}


def checkout_errors(visit: Visit, customer: Customer | None) -> dict[str, str]:
    _ = visit.text
    labels = {
        "first_name": _("First name"),
        "last_name": _("Last name"),
        "address1": _("Address"),
        "city": _("City"),
        "zip": _("Postcode"),
        "card": _("Card number"),
    }
    return ({} if customer else email_errors(visit)) | missing(visit, labels)


def checkout_start(visit: Visit, customer: Customer | None) -> dict[str, str | None]:
    """What the checkout's fields hold at first: what is known of the customer."""
    if customer is None:
        return {"card": PRETEND_CARD}
    address = customer["address"]
    known = {name: address[name] for name in ADDRESS_FIELDS} if address else {}  # type: ignore[literal-required]
    names = {"first_name": customer["first_name"], "last_name": customer["last_name"]}
    return {
        "card": PRETEND_CARD,
        "email": customer["email"],
        **known,
        **{name: text for name, text in names.items() if text},
    }


def checkout_page(visit: Visit, cart: carts.Cart, values: Any, errors: dict[str, str]) -> Response:
    errors = code_errors(visit, cart) | errors
    return show(
        visit,
        "checkout.html",
        422 if errors and visit.request.method == "POST" else 200,
        scopes=(),
        cart=carts.cart_json(visit.shop, cart),
        quote=carts.quote_of(visit.shop, cart),
        code=cart["discount"],
        values=values,
        errors=errors,
    )


def checkout(visit: Visit) -> Response:
    cart, customer = carts.cart_of(visit), customer_of(visit)
    if not cart["lines"]:
        return visit.redirect("/cart")
    if visit.request.method == "GET":
        return checkout_page(visit, cart, checkout_start(visit, customer), {})
    code = "" if visit.field("remove") else visit.field("discount")
    typed = "discount" in visit.form and code != cart["discount"]  # not applied yet: its total is shown before paying
    if typed or visit.field("apply") or visit.field("remove"):
        cart["discount"] = code
        carts.save_cart(visit, cart)
        return checkout_page(visit, cart, visit.form, {})
    errors = checkout_errors(visit, customer) | code_errors(visit, cart)
    if errors:
        return checkout_page(visit, cart, visit.form, errors)
    shop = visit.shop.document
    address: Address = {
        "first_name": visit.field("first_name"),
        "last_name": visit.field("last_name"),
        "address1": visit.field("address1"),
        "city": visit.field("city"),
        "province": None,
        "province_code": None,
        "country": shop["country"],
        "country_code": shop["country_code"],
        "zip": visit.field("zip"),
    }
    try:
        order = commerce.order_place(
            visit.shop,
            items=carts.items_of(cart),
            customer_id=customer["id"] if customer else None,
            email=None if customer else visit.field("email"),
            first_name=address["first_name"],
            last_name=address["last_name"],
            address=address,
            discount_code=cart["discount"] or None,
        )
    except CodeRefused as refused:  # it is not this buyer's, or somebody was quicker
        return checkout_page(visit, cart, visit.form, {"discount": refusal(visit, refused)})
    carts.drop_cart(visit)
    visit.session["just_paid"] = order["token"]
    return visit.redirect(presenting.order_url(order))


def order_status(visit: Visit) -> Response:
    token = visit.request.path_params["token"]
    order = commerce.order_by_token(visit.shop, token)
    if order is None:
        return not_found(visit)
    just_paid = visit.session.pop("just_paid", None) == token
    return show(
        visit, "order.html", scopes=("ALL", "ORDER_STATUS"), order=presenting.order_shown(order), just_paid=just_paid
    )


ROUTES = [
    page("/", home),
    page("/collections/all", collection),
    page("/products/{handle}", product_page),
    page("/devstore/pictures/{handle}.svg", product_picture),
    page("/cart", cart_page),
    page("/cart", cart_form, methods=("POST",)),
    page("/cart/discount", cart_code, methods=("POST",)),
    page("/discount/{code}", discount_link),
    page("/cart/add", cart_add_form, methods=("POST",)),
    page("/account", account),
    page("/account/login", login, methods=("GET", "POST")),
    page("/account/register", register, methods=("GET", "POST")),
    page("/account/logout", logout, methods=("GET", "POST")),
    page("/checkout", checkout, methods=("GET", "POST")),
    page("/orders/{token}", order_status),
]
