"""The pages of new customer accounts: Shopify's own, with nothing of the theme and nothing of apps in them.

`/account/login` always leads to the account, `/customer_authentication/login` (`routes.storefront_login_url`) back to
`return_to`, as in Shopify."""

from urllib.parse import urlencode

from starlette.responses import Response

from devstore import accounts, commerce
from devstore.web import presenting, theme
from devstore.web.visit import Visit, page

LOGIN = "/customer_authentication/login"
CODE = "/customer_authentication/code"


def show(visit: Visit, template: str, status: int = 200, **context: object) -> Response:
    return visit.render(f"accounts/{template}", status, **context)


def login(visit: Visit) -> Response:
    """Ask for the e-mail address and send a code there."""
    hint = visit.shop.document["login_hint"]
    back = theme.inner_path(visit.query("return_to"), accounts.account_path(visit.shop))
    if not accounts.new_accounts(visit.shop):
        return visit.redirect(f"/account/login?{urlencode({'return_to': back})}")
    if visit.session.get("customer"):
        return visit.redirect(back)
    if visit.request.method == "GET":
        return show(visit, "login.html", values={"email": visit.query("login_hint")}, errors={}, hint=hint)
    if errors := theme.email_errors(visit):
        return show(visit, "login.html", 422, values=visit.form, errors=errors, hint=hint)
    accounts.send_code(visit.shop, visit.field("email"))
    visit.session["sign_in"] = {"email": visit.field("email"), "return_to": back}
    return visit.redirect(CODE)


def code(visit: Visit) -> Response:
    """Ask for the code; the right one signs in."""
    asked = visit.session.get("sign_in")
    if not asked or not accounts.new_accounts(visit.shop):
        return visit.redirect(LOGIN)
    if visit.request.method == "GET":
        return show(visit, "code.html", email=asked["email"], errors={})
    customer = accounts.sign_in(visit.shop, asked["email"], visit.field("code"))
    if customer is None:
        errors = {"code": visit.text("This code is wrong or too old. Ask for a new one.")}
        return show(visit, "code.html", 422, email=asked["email"], errors=errors)
    del visit.session["sign_in"]
    visit.session["customer"] = customer["id"]
    return visit.redirect(asked["return_to"])


def account(visit: Visit) -> Response:
    if visit.request.path_params["shop_id"] != visit.shop.id or not accounts.new_accounts(visit.shop):
        return theme.not_found(visit)
    customer = theme.customer_of(visit)
    if customer is None:
        return visit.redirect(LOGIN)
    orders = [presenting.order_shown(order) for order in commerce.orders_of(visit.shop, customer["id"])]
    return show(visit, "account.html", customer=customer, orders=orders)


ROUTES = [
    page(LOGIN, login, methods=("GET", "POST")),
    page(CODE, code, methods=("GET", "POST")),
    page("/{shop_id:int}/account", account),
]
