"""Staff pages: orders placed, edited, sent, refunded and cancelled by hand; products' tags and collections; the clock;
knobs; the webhook queue; the call log."""

import json
import time
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import anyio.from_thread
from starlette.responses import Response

from devstore import accounts, clock, commerce, discounts, knobs
from devstore.commerce import CommerceError, Item
from devstore.money import parse_amount
from devstore.state import load
from devstore.web import lookups, presenting
from devstore.web.admin import show
from devstore.web.visit import Visit, page

ROWS_A_PAGE = 25
CALLS_A_PAGE = 50
QUEUE_ROWS = 100
CODES_SHOWN = 50
VARIANTS_SHOWN = 200  # a shop with more is too large to pick from on a page


class StaffMistake(Exception):
    """A field that cannot be used; the message is for the person who filled it."""


def not_found(visit: Visit) -> Response:
    visit.say(visit.text("There is nothing at this address."), problem=True)
    return visit.redirect("/devstore/staff")


def paged(visit: Visit, rows: list[Any], size: int) -> dict[str, Any]:
    """Template values of a list that was read with one row more than it shows."""
    query = urlencode(
        {name: value for name, value in visit.request.query_params.items() if name not in ("page", "locale")}
    )
    return {"page": visit.page_number(), "more": len(rows) > size, "page_query": f"{query}&" if query else ""}


# --- Lists ---------------------------------------------------------------------------------------------------------


def orders_list(visit: Visit) -> Response:
    words, offset = visit.query("q").strip(), (visit.page_number() - 1) * ROWS_A_PAGE
    rows = lookups.orders_found(visit.shop, words, limit=ROWS_A_PAGE + 1, offset=offset)
    shown = [presenting.order_shown(order) for order in rows[:ROWS_A_PAGE]]
    return show(visit, "staff/orders.html", orders=shown, q=words, **paged(visit, rows, ROWS_A_PAGE))


def customers_list(visit: Visit) -> Response:
    words, offset = visit.query("q").strip(), (visit.page_number() - 1) * ROWS_A_PAGE
    rows = lookups.customers_found(visit.shop, words, limit=ROWS_A_PAGE + 1, offset=offset)
    shown = [{**customer, "name": presenting.customer_name(customer)} for customer in rows[:ROWS_A_PAGE]]
    return show(visit, "staff/customers.html", customers=shown, q=words, **paged(visit, rows, ROWS_A_PAGE))


def customer_orders(visit: Visit) -> Response:
    """Where links to a customer in Shopify's admin lead."""
    customer = commerce.customer(visit.shop, visit.request.path_params["number"])
    if customer is None:
        return not_found(visit)
    return visit.redirect(f"/devstore/staff?{urlencode({'q': customer['email']})}")


# --- Placing an order ----------------------------------------------------------------------------------------------


def whole(visit: Visit, name: str) -> int:
    """A whole number from a form field; 0 when it is empty. Raises StaffMistake."""
    text = visit.field(name) or "0"
    if not text.isascii() or not text.isdecimal() or len(text) > 6:
        raise StaffMistake(visit.text("{value} is no whole number from 0 up.", value=text))
    return int(text)


def amount(visit: Visit, name: str) -> int:
    """An amount in minor units from a form field. Raises StaffMistake."""
    try:
        minor = parse_amount(visit.field(name), visit.shop.currency)
    except ValueError:
        minor = -1
    if minor < 0:
        raise StaffMistake(visit.text("{value} is no amount like 36.00.", value=visit.field(name) or "–"))
    return minor


def quantities(visit: Visit, prefix: str) -> dict[int, int]:
    """`{number: quantity}` of the fields named `<prefix><number>`. Raises StaffMistake."""
    names = [name for name in visit.form if name.startswith(prefix) and name.removeprefix(prefix).isdecimal()]
    return {int(name.removeprefix(prefix)): whole(visit, name) for name in names}


def new_order(visit: Visit) -> Response:
    values: Any = {"email": visit.query("email"), "pay": "1"}
    status = 200
    if visit.request.method == "POST":
        try:
            order = place(visit)
        except (CommerceError, StaffMistake) as problem:
            values, status = visit.form, 422
            visit.say(str(problem), problem=True)
        else:
            visit.say(visit.text("Order {name} is placed.", name=order["name"]))
            return visit.redirect(presenting.staff_order_url(order["id"]))
    return show(
        visit,
        "staff/new_order.html",
        status,
        values=values,
        variants=presenting.variants_shown(commerce.products(visit.shop))[:VARIANTS_SHOWN],
        discounts=[each["code"] for each in discounts.all_of(visit.shop)][-CODES_SHOWN:],
    )


def place(visit: Visit) -> Any:
    """Place what the form says. Raises CommerceError or StaffMistake."""
    picked = quantities(visit, "quantity-")
    items = [Item(quantity=quantity, variant_id=variant) for variant, quantity in picked.items() if quantity]
    if visit.field("title"):
        items.append(Item(quantity=whole(visit, "quantity"), title=visit.field("title"), price=amount(visit, "price")))
    return commerce.order_place(
        visit.shop,
        items=items,
        email=visit.field("email"),
        discount_code=visit.field("discount") or None,
        processed_at=visit.field("processed_at") or None,
        test=bool(visit.field("test")),
        pay=bool(visit.field("pay")),
    )


# --- One order -----------------------------------------------------------------------------------------------------


def order_page(visit: Visit) -> Response:
    order = commerce.order(visit.shop, visit.request.path_params["number"])
    if order is None:
        return not_found(visit)
    variants = presenting.variants_shown(commerce.products(visit.shop))[:VARIANTS_SHOWN]
    return show(visit, "staff/order.html", order=presenting.order_shown(order), variants=variants)


def order_change(visit: Visit) -> Response:
    """Refund, edit, send, cancel or pay an order, then show it again."""
    number, action = visit.request.path_params["number"], visit.request.path_params["action"]
    change = CHANGES.get(action)
    if change is None or commerce.order(visit.shop, number) is None:
        return not_found(visit)
    try:
        visit.say(change(visit, number))
    except (CommerceError, StaffMistake) as problem:
        visit.say(str(problem), problem=True)
    return visit.redirect(presenting.staff_order_url(number))


def refund(visit: Visit, number: int) -> str:
    lines = {line: quantity for line, quantity in quantities(visit, "line-").items() if quantity}
    given = amount(visit, "amount") if "amount" in visit.form else None
    made = commerce.order_refund(
        visit.shop,
        number,
        lines=lines,
        amount=given,
        shipping=bool(visit.field("shipping")),
        note=visit.field("note") or None,
    )
    return visit.text("{amount} paid back.", amount=visit.money(made["amount"]))


def edit(visit: Visit, number: int) -> str:
    order = commerce.order(visit.shop, number)
    left = {line["id"]: line["left"] for line in presenting.order_shown(order)["lines"]} if order else {}
    wanted = {line: quantity for line, quantity in quantities(visit, "line-").items() if quantity != left.get(line)}
    add = visit.field("add")
    items = [Item(quantity=whole(visit, "add_quantity"), variant_id=int(add))] if add.isdecimal() else []
    commerce.order_edit(visit.shop, number, set_quantities=wanted, add_items=items)
    return visit.text("The order is changed.")


def fulfil(visit: Visit, number: int) -> str:
    lines = {line: quantity for line, quantity in quantities(visit, "line-").items() if quantity}
    made = commerce.order_fulfil(visit.shop, number, lines)
    units = sum(line["quantity"] for line in made["lines"])
    return visit.text_for("{n} item is sent.", "{n} items are sent.", units)


def unfulfil(visit: Visit, number: int) -> str:
    named = visit.field("fulfilment")
    commerce.fulfilment_cancel(visit.shop, number, int(named[:18]) if named.isdecimal() else 0)
    return visit.text("The shipment is cancelled. Its items are to be sent again.")


def cancel(visit: Visit, number: int) -> str:
    order = commerce.order_cancel(visit.shop, number, refund=bool(visit.field("refund")))
    return visit.text("Order {name} is cancelled.", name=order["name"])


def pay(visit: Visit, number: int) -> str:
    order = commerce.order_pay(visit.shop, number)
    return visit.text("Order {name} is paid.", name=order["name"])


CHANGES = {"refund": refund, "edit": edit, "fulfil": fulfil, "unfulfil": unfulfil, "cancel": cancel, "pay": pay}


# --- Products ------------------------------------------------------------------------------------------------------


def products_list(visit: Visit) -> Response:
    offset = (visit.page_number() - 1) * ROWS_A_PAGE
    rows = lookups.products_found(visit.shop, limit=ROWS_A_PAGE + 1, offset=offset)
    collections = commerce.collections(visit.shop)
    shown = [presenting.product_labels_shown(product, collections) for product in rows[:ROWS_A_PAGE]]
    return show(visit, "staff/products.html", products=shown, **paged(visit, rows, ROWS_A_PAGE))


def product_page(visit: Visit) -> Response:
    """A product's tags and collections: shown, and changed by its form."""
    product = commerce.product(visit.shop, visit.request.path_params["number"])
    if product is None:
        return not_found(visit)
    collections = commerce.collections(visit.shop)
    shown = presenting.product_labels_shown(product, collections)
    if visit.request.method == "POST":
        chosen = [each["title"] for each in collections if visit.field(f"collection-{each['id']}")]
        another = visit.field("another")
        try:
            commerce.product_update(
                visit.shop,
                product["id"],
                tags=visit.field("tags").split(","),
                collections=[*chosen, another] if another else chosen,
            )
        except CommerceError as problem:
            visit.say(str(problem), problem=True)
        else:
            visit.say(visit.text("{title} is saved.", title=product["title"]))
        return visit.redirect(shown["staff_url"])
    return show(visit, "staff/product.html", product=shown, collections=collections)


# --- The clock -----------------------------------------------------------------------------------------------------

STEPS = (  # name, label, seconds
    ("hour", "One hour forward", 3600),
    ("day", "One day forward", 86400),
    ("fortnight", "14 days forward", 14 * 86400),
)
FURTHEST_SECONDS = 20 * 366 * 86400  # ahead of the real time


def clock_page(visit: Visit) -> Response:
    """The clock of all shops, and forms that turn it forward."""
    if visit.request.method == "POST":
        try:
            seconds = step(visit)
            offset = visit.shop.clock.offset + seconds
            if seconds <= 0:
                raise StaffMistake(visit.text("That is over already: the clock goes forward only."))
            if offset > FURTHEST_SECONDS:
                raise StaffMistake(visit.text("The clock goes at most 20 years ahead of the real time."))
        except StaffMistake as problem:
            visit.say(str(problem), problem=True)
        else:
            visit.shop.store.turn_clock(offset)
            visit.say(visit.text("It is now {moment} here.", moment=visit.moment(visit.shop.clock.now())))
        return visit.redirect("/devstore/staff/clock")
    zone, now = visit.shop.document["timezone"], visit.shop.clock.now()
    return show(
        visit,
        "staff/clock.html",
        now=now,
        real=clock.timestamp(time.time()),
        zone=zone,
        earliest=clock.local(now, zone)[:16],
        steps=STEPS,
        waiting=lookups.deliveries_waiting(visit.shop),
    )


def step(visit: Visit) -> float:
    """How many seconds the form asks to go on. Raises StaffMistake."""
    for name, _, seconds in STEPS:
        if visit.field("step") == name:
            return seconds
    try:
        until = datetime.fromisoformat(visit.field("until"))
    except ValueError:
        raise StaffMistake(visit.text("Choose a date and a time.")) from None
    return until.replace(tzinfo=ZoneInfo(visit.shop.document["timezone"])).timestamp() - visit.shop.clock.seconds()


# --- Knobs, webhooks, calls ----------------------------------------------------------------------------------------

KNOBS = (
    ("latency_ms", "Slow answers of the Admin API", "Milliseconds added to each call."),
    ("throttle", "Throttled", "Share of calls answered THROTTLED."),
    ("fail", "Failing", "Share of calls answered 503, and of webhook attempts lost on the way."),
    ("timeout_after_work", "Lost answers", "Share of calls that do their work and are then cut off without an answer."),
    ("hang_ms", "Wait before cutting off", "Milliseconds until a call without an answer is cut off."),
    ("stale", "Stale reads", "Share of resources read in an earlier state."),
    ("withheld", "Withheld names and addresses", "Share of calls and webhooks that don't say who customers are."),
    ("duplicate", "Duplicated webhooks", "Share of webhooks delivered twice."),
    ("delay_ms", "Delayed webhooks", "Milliseconds before each delivery."),
    ("reorder", "Reordered webhooks", "Share of webhooks overtaken by later ones."),
    ("drop", "Dropped webhooks", "Share of webhooks never sent."),
)
ACCOUNTS = (
    ("CLASSIC", "Classic accounts", "Customers register and log in with a password, on the theme's pages."),
    (
        "NEW_CUSTOMER_ACCOUNTS",
        "New customer accounts",
        "Customers sign in with a code sent to their e-mail address; nobody registers.",
    ),
)
DELIVERY_STATES = ("queued", "sending", "delivered", "failed", "dropped")


def knobs_page(visit: Visit) -> Response:
    values: Any = {name: f"{value:g}" for name, value in visit.shop.knobs.as_dict().items()}
    status = 200
    if visit.request.method == "POST":
        try:
            visit.shop.turn({name: number(visit, name) for name in knobs.NAMES if name in visit.form})
        except (ValueError, StaffMistake) as problem:
            values, status = visit.form, 422
            visit.say(str(problem), problem=True)
        else:
            visit.say(visit.text("Knobs saved."))
            return visit.redirect("/devstore/staff/knobs")
    return show(visit, "staff/knobs.html", status, knobs=KNOBS, values=values)


def number(visit: Visit, name: str) -> float:
    """A decimal number from a form field, 0 when it is empty. Raises StaffMistake."""
    try:
        return float(visit.field(name) or "0")
    except ValueError:
        raise StaffMistake(visit.text("{value} is no number.", value=visit.field(name))) from None


def store_page(visit: Visit) -> Response:
    """Which accounts customers have, and whether visitors are asked for consent."""
    if visit.request.method == "POST":
        try:
            accounts.change_version(visit.shop, visit.field("customer_accounts"))
            visit.shop.update(consent_banner=bool(visit.field("consent_banner")))
            visit.say(visit.text("Accounts and consent are saved."))
        except CommerceError as problem:
            visit.say(str(problem), problem=True)
        return visit.redirect("/devstore/staff/store")
    return show(visit, "staff/store.html", versions=ACCOUNTS)


def mail_page(visit: Visit) -> Response:
    return show(visit, "staff/mail.html", mails=accounts.mails(visit.shop))


def webhooks_page(visit: Visit) -> Response:
    connection = visit.shop.database.connection()
    counted = connection.execute(
        "SELECT status, count(*) FROM deliveries WHERE shop_id = ? GROUP BY status", (visit.shop.id,)
    )
    rows = connection.execute(
        "SELECT id, topic, status, attempts, answer, due_at, triggered_at, webhook_id FROM deliveries WHERE shop_id = ?"
        " ORDER BY (status IN ('queued', 'sending')) DESC, id DESC LIMIT ?",
        (visit.shop.id, QUEUE_ROWS),
    ).fetchall()
    names = ("id", "topic", "status", "attempts", "answer", "due_at", "triggered_at", "webhook_id")
    deliveries = [dict(zip(names, row, strict=True)) for row in rows]
    for delivery in deliveries:
        delivery["wait"] = max(0, round(delivery["due_at"] - visit.shop.clock.seconds()))
    return show(
        visit, "staff/webhooks.html", states=DELIVERY_STATES, counts=dict(counted.fetchall()), deliveries=deliveries
    )


def deliver_now(visit: Visit) -> Response:
    done = anyio.from_thread.run(visit.request.app.state.courier.flush)
    visit.say(visit.text("{delivered} delivered, {failed} failed, {dropped} dropped.", **done))
    return visit.redirect("/devstore/staff/webhooks")


def calls_page(visit: Visit) -> Response:
    """The call log, newest first, a page at a time; one kind when asked."""
    kind, shop_id, connection = visit.query("kind"), visit.shop.id, visit.shop.database.connection()
    known = connection.execute("SELECT DISTINCT kind FROM calls WHERE shop_id = ? ORDER BY kind", (shop_id,))
    kinds = [name for (name,) in known]
    rows = connection.execute(
        "SELECT id, at, kind, document FROM calls WHERE shop_id = ? AND ? IN ('', kind)"
        " ORDER BY id DESC LIMIT ? OFFSET ?",
        (shop_id, kind, CALLS_A_PAGE + 1, (visit.page_number() - 1) * CALLS_A_PAGE),
    ).fetchall()
    entries = []
    for entry_id, at, entry_kind, document in rows[:CALLS_A_PAGE]:
        detail = load(document)
        entries.append(
            {
                "id": entry_id,
                "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)),
                "kind": entry_kind,
                "what": detail.get("operation")
                or detail.get("topic")
                or detail.get("path")
                or detail.get("grant")
                or "",
                "status": detail.get("status", "–"),
                "ms": detail.get("ms"),
                "detail": json.dumps(detail, indent=2, ensure_ascii=False),
            }
        )
    return show(visit, "staff/calls.html", entries=entries, kinds=kinds, kind=kind, **paged(visit, rows, CALLS_A_PAGE))


ROUTES = [
    page("/devstore/staff", orders_list, area="admin"),
    page("/devstore/staff/customers", customers_list, area="admin"),
    page("/devstore/staff/orders/new", new_order, methods=("GET", "POST"), area="admin"),
    page("/devstore/staff/orders/{number:int}", order_page, area="admin"),
    page("/devstore/staff/orders/{number:int}/{action}", order_change, methods=("POST",), area="admin"),
    page("/devstore/staff/products", products_list, area="admin"),
    page("/devstore/staff/products/{number:int}", product_page, methods=("GET", "POST"), area="admin"),
    page("/devstore/staff/clock", clock_page, methods=("GET", "POST"), area="admin"),
    page("/devstore/staff/knobs", knobs_page, methods=("GET", "POST"), area="admin"),
    page("/devstore/staff/store", store_page, methods=("GET", "POST"), area="admin"),
    page("/devstore/staff/mail", mail_page, area="admin"),
    page("/devstore/staff/webhooks", webhooks_page, area="admin"),
    page("/devstore/staff/webhooks/deliver", deliver_now, methods=("POST",), area="admin"),
    page("/devstore/staff/calls", calls_page, area="admin"),
    page("/admin/orders/{number:int}", order_page, area="admin"),
    page("/admin/customers/{number:int}", customer_orders, area="admin"),
    page("/admin/products/{number:int}", product_page, area="admin"),
]
