"""`/devstore/...`: what tests, the demo and the staff page steer devstore with. JSON in, JSON out; a refusal is 422
with `{"error"}`."""

import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, cast

import httpx
import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from devstore import (
    accounts,
    calllog,
    commerce,
    compliance,
    discounts,
    idtokens,
    install,
    money,
    oauth,
    themes,
    webhooks,
)
from devstore.commerce import CommerceError, Item
from devstore.graphql import cost
from devstore.orders import current_quantity
from devstore.payloads import Writer
from devstore.platform import UNAVAILABLE
from devstore.shops import Shop

Body = dict[str, Any]
Handler = Callable[[Shop, Request, Body], Any]

PAGE = 50
MOST_A_PAGE = 1000
SCOPE = re.compile(r"[a-z_]+")
SHOP_SETTINGS = frozenset(
    {
        "accepts_script_tags",
        "consent_banner",
        "customer_accounts",
        "handle",
        "name",
        "plan",
        "shipping_free_from",
        "shipping_price",
        "status",
        "tax_rate",
        "taxes_included",
    }
)


class BadBody(Exception):
    """What is wrong with a request's body."""


def handled(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that runs `handler(shop, request, body)` in a thread and answers what it returns."""

    async def endpoint(request: Request) -> Response:
        try:
            body = await read_body(request)
            return JSONResponse(await run_in_threadpool(handler, request.state.shop, request, body))
        except (CommerceError, BadBody, ValueError, LookupError) as error:
            return JSONResponse({"error": str(error) or type(error).__name__}, 422)

    return endpoint


async def read_body(request: Request) -> Body:
    raw = await request.body()
    if not raw:
        return {}
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise BadBody("the body is not JSON") from None
    if not isinstance(body, dict):
        raise BadBody("the body is not a JSON object")
    return body


def id_in(body: Body, name: str) -> int:
    """An id from the body. Raises BadBody."""
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadBody(f"{name} is missing or no id")
    return value


def texts_in(body: Body, name: str) -> list[str] | None:
    """A list of texts from the body, None where there is none. Raises BadBody."""
    value = body.get(name)
    if value is not None and not (isinstance(value, list) and all(isinstance(each, str) for each in value)):
        raise BadBody(f"{name} is a list of texts")
    return value


# --- looking ----------------------------------------------------------------------------------------------------


def state(shop: Shop, request: Request, body: Body) -> Any:
    connection = shop.database.connection()

    def count(query: str) -> int:
        return int(connection.execute(query, (shop.id,)).fetchone()[0])

    return {
        "shop": shop.domain,
        "shops": [{"shop": each.domain, "installed": each.installed} for each in shop.store.shops.values()],
        "name": shop.document["name"],
        "scenario": shop.document["scenario"],
        "currency": shop.currency,
        "installed": shop.installed,
        "programme_at": shop.document["programme_at"],
        "counts": {
            "customers": count("SELECT count(*) FROM customers WHERE shop_id = ?"),
            "orders": count("SELECT count(*) FROM orders WHERE shop_id = ?"),
            "products": count("SELECT count(*) FROM products WHERE shop_id = ?"),
            "script_tags": count("SELECT count(*) FROM script_tags WHERE shop_id = ?"),
            "webhooks_waiting": count(
                "SELECT count(*) FROM deliveries WHERE shop_id = ? AND status IN ('queued', 'sending')"
            ),
        },
        "knobs": shop.knobs.as_dict(),
        "clock": clock(shop, request, body),
    }


def clock(shop: Shop, request: Request, body: Body) -> Any:
    return {"now": shop.clock.now(), "seconds": shop.clock.seconds(), "offset": shop.clock.offset}


def log(shop: Shop, request: Request, body: Body) -> Any:
    return calllog.page(shop.database, int(request.query_params.get("since", 0)), request.query_params.get("kind"))


def get_knobs(shop: Shop, request: Request, body: Body) -> Any:
    return {**shop.knobs.as_dict(), "clock_offset": shop.clock.offset}


def id_token(shop: Shop, request: Request, body: Body) -> Any:
    user = request.query_params.get("user")
    staff = shop.staff(int(user) if user else None)
    return {"id_token": idtokens.mint(shop, staff), "shop": shop.domain, "user": staff["id"]}


def listed(request: Request, name: str, rows: Callable[..., list[Any]]) -> Any:
    """A page of documents, newest id first: `?before=<id>&limit=<n>`. `next` is the `before` of the following page,
    None when there is none."""
    before, limit = request.query_params.get("before"), int(request.query_params.get("limit", PAGE))
    if not 1 <= limit <= MOST_A_PAGE:
        raise BadBody(f"limit is from 1 to {MOST_A_PAGE}")
    found = rows(before_id=int(before) if before else None, limit=limit + 1)
    return {name: found[:limit], "next": found[limit - 1]["id"] if len(found) > limit else None}


def list_orders(shop: Shop, request: Request, body: Body) -> Any:
    return listed(request, "orders", partial(commerce.orders_page, shop))


def list_products(shop: Shop, request: Request, body: Body) -> Any:
    return listed(request, "products", partial(commerce.products_page, shop))


def list_collections(shop: Shop, request: Request, body: Body) -> Any:
    """Every collection, oldest first."""
    return {"collections": commerce.collections(shop)}


def list_discounts(shop: Shop, request: Request, body: Body) -> Any:
    """Every code there ever was, oldest first, with its `status`."""
    now = shop.clock.now()
    return {"discounts": [{**each, "status": discounts.status(each, now)} for each in discounts.all_of(shop)]}


def list_mails(shop: Shop, request: Request, body: Body) -> Any:
    """What devstore would have sent by e-mail, newest first."""
    return {"mails": accounts.mails(shop)}


def list_themes(shop: Shop, request: Request, body: Body) -> Any:
    """Every theme, with its files parsed."""
    names = ("id", "name", "role", "updated_at", "files")
    return {"themes": [{name: each[name] for name in names} for each in themes.all_of(shop)]}  # type: ignore[literal-required]


def list_customers(shop: Shop, request: Request, body: Body) -> Any:
    return listed(request, "customers", partial(commerce.customers_page, shop))


def get_order(shop: Shop, request: Request, body: Body) -> Any:
    order = commerce.order(shop, request.path_params["order"])
    if order is None:
        raise CommerceError(f"there is no order {request.path_params['order']}")
    return order


# --- doing ------------------------------------------------------------------------------------------------------


def turn_knobs(shop: Shop, request: Request, body: Body) -> Any:
    changes = dict(body)
    if "clock_offset" in changes:
        shop.store.turn_clock(float(changes.pop("clock_offset")))
    if changes:
        shop.turn(changes)
    return get_knobs(shop, request, body)


def turn_clock(shop: Shop, request: Request, body: Body) -> Any:
    """`{"offset": seconds}` sets it, `{"advance": seconds}` adds to it."""
    offset = float(body.get("offset", shop.clock.offset)) + float(body.get("advance", 0))
    shop.store.turn_clock(offset)
    return clock(shop, request, body)


def change_shop(shop: Shop, request: Request, body: Body) -> Any:
    """Settings that hold from now on: taxes and shipping of orders, script tags, the plan ("basic", "plus"), the
    status of its Admin API ("open", "frozen", "locked"), customer accounts ("CLASSIC", "NEW_CUSTOMER_ACCOUNTS"),
    whether visitors are asked for consent, the handle and with it the domain."""
    if unknown := body.keys() - SHOP_SETTINGS:
        raise BadBody(f"cannot change {', '.join(sorted(unknown))}; there are {', '.join(sorted(SHOP_SETTINGS))}")
    if body.get("plan", "basic") not in cost.PLANS:
        raise BadBody(f"there is no plan {body['plan']}; there are {', '.join(cost.PLANS)}")
    if body.get("status", "open") not in ("open", *UNAVAILABLE):
        raise BadBody(f"there is no status {body['status']}; there are open, {', '.join(UNAVAILABLE)}")
    with shop.database.write() as connection:
        if body.get("handle", shop.handle) != shop.handle:
            shop.store.rename_shop(shop, str(body["handle"]))
        accounts.change_version(shop, body.get("customer_accounts", shop.document["customer_accounts"]))
        shop.update(**body)
        payload = Writer(shop.document).shop_itself(shop.clock.now())
        webhooks.queue_wanted(connection, shop, "shop/update", payload)
    return shop.document


def change_scopes(shop: Shop, request: Request, body: Body) -> Any:
    """`{scopes: […]}`: what the app may do from now on."""
    scopes = body.get("scopes")
    if not isinstance(scopes, list) or not all(isinstance(each, str) and SCOPE.fullmatch(each) for each in scopes):
        raise BadBody("scopes is a list of names like read_orders")
    if not shop.installed:
        raise BadBody("the app is not installed")
    install.change_scopes(shop, scopes)
    return {"scopes": shop.document["scopes"]}


def revoke_tokens(shop: Shop, request: Request, body: Body) -> Any:
    """`{access?: true, refresh?: true}`; nothing named means both."""
    access, refresh = bool(body.get("access", not body)), bool(body.get("refresh", not body))
    with shop.database.write() as connection:
        return oauth.end(connection, shop, access=access, refresh=refresh)


def place_order(shop: Shop, request: Request, body: Body) -> Any:
    """`{customer_id | email, lines: [{variant_id | title, price, quantity}], processed_at?, discount?, test?, pay?,
    shipping?}`."""
    return commerce.order_place(
        shop,
        items=items(shop, body.get("lines", [])),
        customer_id=body.get("customer_id"),
        email=body.get("email"),
        discount_code=body.get("discount"),
        processed_at=body.get("processed_at"),
        test=bool(body.get("test", False)),
        pay=bool(body.get("pay", True)),
        shipping=amount(shop, body.get("shipping")),
    )


def edit_order(shop: Shop, request: Request, body: Body) -> Any:
    """`{set_quantities: {line id: units}, add_lines: [as in placing]}`."""
    return commerce.order_edit(
        shop,
        request.path_params["order"],
        set_quantities={int(line): int(units) for line, units in body.get("set_quantities", {}).items()},
        add_items=items(shop, body.get("add_lines", [])),
    )


def refund_order(shop: Shop, request: Request, body: Body) -> Any:
    """`{lines: {line id: units} | "all", amount?, shipping?, note?}`; `amount` alone refunds just that."""
    number = request.path_params["order"]
    lines = body.get("lines", {})
    if lines == "all":
        order = get_order(shop, request, body)
        lines = {line["id"]: current_quantity(line) for line in order["lines"] if current_quantity(line)}
    return commerce.order_refund(
        shop,
        number,
        lines={int(line): int(units) for line, units in lines.items()},
        amount=amount(shop, body.get("amount")),
        shipping=bool(body.get("shipping", False)),
        note=body.get("note"),
    )


def fulfil_order(shop: Shop, request: Request, body: Body) -> Any:
    """`{lines: {line id: units} | "all"}`; `{}` sends all that is left, too."""
    lines = body.get("lines", "all")
    wanted = None if lines == "all" else {int(line): int(units) for line, units in lines.items()}
    return commerce.order_fulfil(shop, request.path_params["order"], wanted)


def cancel_fulfilment(shop: Shop, request: Request, body: Body) -> Any:
    return commerce.fulfilment_cancel(shop, request.path_params["order"], request.path_params["fulfilment"])


def cancel_order(shop: Shop, request: Request, body: Body) -> Any:
    """`{refund?: true, reason?: "CUSTOMER"}`."""
    refund, reason = bool(body.get("refund", True)), str(body.get("reason", "CUSTOMER"))
    return commerce.order_cancel(shop, request.path_params["order"], refund=refund, reason=reason)


def pay_order(shop: Shop, request: Request, body: Body) -> Any:
    return commerce.order_pay(shop, request.path_params["order"])


def register_customer(shop: Shop, request: Request, body: Body) -> Any:
    """`{email, password, first_name?, last_name?}`."""
    return commerce.customer_register(
        shop, str(body.get("email", "")), str(body.get("password", "")), body.get("first_name"), body.get("last_name")
    )


def merge_customers(shop: Shop, request: Request, body: Body) -> Any:
    """`{keep: id, delete: id}`."""
    return commerce.customers_merge(shop, id_in(body, "keep"), id_in(body, "delete"))


def delete_customer(shop: Shop, request: Request, body: Body) -> Any:
    return commerce.customer_delete(shop, request.path_params["customer"])


def delete_order(shop: Shop, request: Request, body: Body) -> Any:
    return commerce.order_delete(shop, request.path_params["order"])


def update_product(shop: Shop, request: Request, body: Body) -> Any:
    """`{title?, description?, status?, prices?: {variant id: decimal}, tags?: […], collections?: [titles]}`."""
    prices = {
        int(variant): money.parse_amount(str(price), shop.currency) for variant, price in body.get("prices", {}).items()
    }
    return commerce.product_update(
        shop,
        request.path_params["product"],
        title=body.get("title"),
        description=body.get("description"),
        status=body.get("status"),
        prices=prices,
        tags=texts_in(body, "tags"),
        collections=texts_in(body, "collections"),
    )


def theme_in(shop: Shop, body: Body) -> int:
    """The theme that the body names by id or name, the published one if none."""
    wanted = body.get("theme")
    for each in themes.all_of(shop):
        if wanted in (each["id"], each["name"]) or (wanted is None and each["role"] == "MAIN"):
            return each["id"]
    raise CommerceError(f"there is no theme {wanted}")


def publish_theme(shop: Shop, request: Request, body: Body) -> Any:
    """`{theme: id or name}`."""
    themes.publish(shop, theme_in(shop, body))
    return list_themes(shop, request, body)


def switch_block(shop: Shop, request: Request, body: Body) -> Any:
    """`{block, on: true, template?: "product" | "cart", settings?: {id: value}, theme?: id or name}`."""
    handle, settings = str(body.get("block", "")), body.get("settings", {})
    if not isinstance(settings, dict) or not isinstance(body.get("on"), bool):
        raise BadBody("on is true or false, settings an object")
    number, template = theme_in(shop, body), body.get("template")
    themes.change(shop, number, handle, on=body["on"], template=template, settings=settings)
    return list_themes(shop, request, body)


def ask_compliance(shop: Shop, request: Request, body: Body) -> Any:
    """`{topic, customer_id?, orders?: [ids]}`; answers the body that is sent."""
    orders = body.get("orders")
    if orders is not None and not (isinstance(orders, list) and all(isinstance(each, int) for each in orders)):
        raise BadBody("orders is a list of ids")
    customer = id_in(body, "customer_id") if "customer_id" in body else None
    return compliance.request(shop, str(body.get("topic", "")), customer, orders)


def replay_webhooks(shop: Shop, request: Request, body: Body) -> Any:
    """`{topic, limit?: 50, new_ids?: false}`."""
    limit = body.get("limit", PAGE)
    if not isinstance(limit, int) or not 1 <= limit <= webhooks.KEPT:
        raise BadBody(f"limit is from 1 to {webhooks.KEPT}")
    topic, new_ids = str(body.get("topic", "")), bool(body.get("new_ids", False))
    if not webhooks.subscribed(shop, topic):
        raise BadBody(f"the app does not subscribe to {topic!r}")
    return {"queued": webhooks.replay(shop, topic, limit=limit, new_ids=new_ids)}


def authorize(shop: Shop, request: Request, body: Body) -> Any:
    """`{client_id, redirect_uri, scope?, state?, "grant_options[]"?}`: the merchant agrees. Answers `{location}`, the
    address of the app that the browser is sent to."""
    return {"location": install.authorize(shop, install.authorization(shop, body), shop.staff())}


def uninstall(shop: Shop, request: Request, body: Body) -> Any:
    install.uninstall(shop)
    return {"installed": shop.installed}


def items(shop: Shop, lines: list[Body]) -> list[Item]:
    """Lines as asked for; a price is a decimal (`"36.00"`)."""
    return [
        Item(
            quantity=int(line.get("quantity", 1)),
            variant_id=line.get("variant_id"),
            title=str(line.get("title", "")),
            price=money.parse_amount(str(line.get("price", "0")), shop.currency),
            sku=str(line.get("sku", "")),
        )
        for line in lines
    ]


def amount(shop: Shop, value: Any) -> int | None:
    return None if value is None else money.parse_amount(str(value), shop.currency)


async def do_install(request: Request) -> Response:
    answer = await install.install(request.state.shop, client(request))
    return JSONResponse(answer, 200 if answer["ok"] else 502)


async def do_publish(request: Request) -> Response:
    answer = await install.publish_programme(request.state.shop, client(request))
    return JSONResponse(answer, 200 if answer["ok"] else 502)


async def do_flush(request: Request) -> Response:
    return JSONResponse(await request.app.state.courier.flush())


def client(request: Request) -> httpx.AsyncClient:
    return cast(httpx.AsyncClient, request.app.state.client)


routes = [
    Route("/devstore/state", handled(state), methods=["GET"]),
    Route("/devstore/clock", handled(clock), methods=["GET"]),
    Route("/devstore/clock", handled(turn_clock), methods=["POST"]),
    Route("/devstore/log", handled(log), methods=["GET"]),
    Route("/devstore/knobs", handled(get_knobs), methods=["GET"]),
    Route("/devstore/knobs", handled(turn_knobs), methods=["POST"]),
    Route("/devstore/shop", handled(change_shop), methods=["POST"]),
    Route("/devstore/scopes", handled(change_scopes), methods=["POST"]),
    Route("/devstore/tokens/revoke", handled(revoke_tokens), methods=["POST"]),
    Route("/devstore/id-token", handled(id_token), methods=["GET"]),
    Route("/devstore/install", do_install, methods=["POST"]),
    Route("/devstore/authorize", handled(authorize), methods=["POST"]),
    Route("/devstore/uninstall", handled(uninstall), methods=["POST"]),
    Route("/devstore/programme", do_publish, methods=["POST"]),
    Route("/devstore/compliance", handled(ask_compliance), methods=["POST"]),
    Route("/devstore/webhooks/replay", handled(replay_webhooks), methods=["POST"]),
    Route("/devstore/webhooks/flush", do_flush, methods=["POST"]),
    Route("/devstore/customers", handled(list_customers), methods=["GET"]),
    Route("/devstore/customers", handled(register_customer), methods=["POST"]),
    Route("/devstore/customers/merge", handled(merge_customers), methods=["POST"]),
    Route("/devstore/customers/{customer:int}/delete", handled(delete_customer), methods=["POST"]),
    Route("/devstore/discounts", handled(list_discounts), methods=["GET"]),
    Route("/devstore/orders", handled(list_orders), methods=["GET"]),
    Route("/devstore/orders", handled(place_order), methods=["POST"]),
    Route("/devstore/orders/{order:int}", handled(get_order), methods=["GET"]),
    Route("/devstore/orders/{order:int}/edit", handled(edit_order), methods=["POST"]),
    Route("/devstore/orders/{order:int}/refund", handled(refund_order), methods=["POST"]),
    Route("/devstore/orders/{order:int}/fulfil", handled(fulfil_order), methods=["POST"]),
    Route(
        "/devstore/orders/{order:int}/fulfilments/{fulfilment:int}/cancel",
        handled(cancel_fulfilment),
        methods=["POST"],
    ),
    Route("/devstore/orders/{order:int}/cancel", handled(cancel_order), methods=["POST"]),
    Route("/devstore/orders/{order:int}/pay", handled(pay_order), methods=["POST"]),
    Route("/devstore/orders/{order:int}/delete", handled(delete_order), methods=["POST"]),
    Route("/devstore/collections", handled(list_collections), methods=["GET"]),
    Route("/devstore/mails", handled(list_mails), methods=["GET"]),
    Route("/devstore/themes", handled(list_themes), methods=["GET"]),
    Route("/devstore/themes/blocks", handled(switch_block), methods=["POST"]),
    Route("/devstore/themes/publish", handled(publish_theme), methods=["POST"]),
    Route("/devstore/products", handled(list_products), methods=["GET"]),
    Route("/devstore/products/{product:int}", handled(update_product), methods=["POST"]),
]
