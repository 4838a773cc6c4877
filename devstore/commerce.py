"""What happens in a shop: everything that changes commerce, each in one transaction with the webhooks it causes, and
the reads that pages need. Amounts are minor units; documents are those of `documents.py`. Refusals raise
CommerceError."""

import hashlib
import secrets
import sqlite3
from collections.abc import Container, Iterable, Mapping, Sequence
from functools import partial

from devstore import clock, discounts, ids, orders, records, webhooks
from devstore.documents import Address, Collection, Customer, Fulfilment, Order, Product, Refund, ScriptTag
from devstore.orders import CommerceError, Item, Quote, Ware
from devstore.shops import Shop
from devstore.state import load

__all__ = ["CommerceError", "Item", "Quote"]

TAGS_MAX = 250  # of one product
TAG_LENGTH_MAX = 255  # characters

# --- customers ---------------------------------------------------------------------------------------------------


def customer_register(
    shop: Shop, email: str, password: str, first_name: str | None = None, last_name: str | None = None
) -> Customer:
    """Open an account. A guest who bought before (state DISABLED) gets the account of that customer."""
    email = email.strip().lower()
    if "@" not in email or not password:
        raise CommerceError("an account needs an e-mail address and a password")
    with shop.database.write() as connection:
        known = records.customer_by_email(connection, shop.id, email)
        if known and known["state"] == "ENABLED":
            raise CommerceError("an account with this e-mail address exists already")
        names = (first_name, last_name)
        return customer_activate(connection, shop, email, known, names=names, password=password_hash(password))


def customer_activate(
    connection: sqlite3.Connection,
    shop: Shop,
    email: str,
    known: Customer | None,
    *,
    names: tuple[str | None, str | None] = (None, None),
    password: str | None = None,
) -> Customer:
    """Open the account of a guest who is known, or of somebody new; `password` is a stored hash."""
    customer = known or new_customer(connection, shop, email)
    customer["state"] = "ENABLED"
    customer["first_name"] = names[0] or customer["first_name"]
    customer["last_name"] = names[1] or customer["last_name"]
    customer["updated_at"] = shop.clock.now()
    records.save_customer(connection, shop.id, customer, password=password)
    webhooks.queue_customer(connection, shop, customer, ("customers/update",) if known else ("customers/create",))
    return customer


def customer_authenticate(shop: Shop, email: str, password: str) -> Customer | None:
    """The customer whose account this is, or None when the e-mail address or the password is wrong."""
    row = (
        shop.database.connection()
        .execute(
            "SELECT document, password FROM customers WHERE shop_id = ? AND email = ?", (shop.id, email.strip().lower())
        )
        .fetchone()
    )
    if row is None or row[1] is None or not password_matches(password, row[1]):
        return None
    customer: Customer = load(row[0])
    return customer


def customer(shop: Shop, customer_id: int) -> Customer | None:
    return records.customer(shop.database.connection(), shop.id, customer_id)


def customer_delete(shop: Shop, customer_id: int) -> Customer:
    """Delete a customer who never ordered, as Shopify allows; returns who it was. Raises CommerceError."""
    with shop.database.write() as connection:
        customer = _customer(connection, shop, customer_id)
        if records.order_ids_of(connection, shop.id, customer_id):
            raise CommerceError(f"{customer['email']} has orders and cannot be deleted")
        records.delete_customer(connection, shop.id, customer_id)
        webhooks.queue_customer_deleted(connection, shop, customer_id)
    return customer


def customers_merge(shop: Shop, keep_id: int, delete_id: int) -> Customer:
    """Make two customers one, who has the orders of both. The kept one's own details stay, gaps are filled from the
    other, who is gone. Returns the kept one. Raises CommerceError."""
    if keep_id == delete_id:
        raise CommerceError("a customer cannot be merged with themselves")
    now = shop.clock.now()
    with shop.database.write() as connection:
        kept, gone = _customer(connection, shop, keep_id), _customer(connection, shop, delete_id)
        moved = records.order_ids_of(connection, shop.id, delete_id)
        for order in records.by_ids(connection, shop.id, "Order", moved).values():
            order["customer_id"] = keep_id
            order["updated_at"] = max(order["updated_at"], now)
            records.save_order(connection, shop.id, order)
            webhooks.queue_order(connection, shop, order, ("orders/updated",))
        kept["first_name"] = kept["first_name"] or gone["first_name"]
        kept["last_name"] = kept["last_name"] or gone["last_name"]
        if kept["address"] is None:
            kept["address"], kept["address_id"] = gone["address"], gone["address_id"]
        kept["tags"] = list(dict.fromkeys((*kept["tags"], *gone["tags"])))
        kept["updated_at"] = now
        records.count_purchases(connection, shop.id, kept, now)
        records.save_customer(connection, shop.id, kept)
        records.delete_customer(connection, shop.id, delete_id)
        discounts.change_owner(connection, shop, delete_id, keep_id)
        webhooks.queue_customer(connection, shop, kept, ("customers/update",))
        webhooks.queue_merge(connection, shop, keep_id, delete_id)
        webhooks.queue_customer_deleted(connection, shop, delete_id)
    return kept


def customers_page(shop: Shop, *, before_id: int | None = None, limit: int = 50) -> list[Customer]:
    """The shop's customers, newest id first; `before_id` pages on."""
    rows = shop.database.connection().execute(
        "SELECT document FROM customers WHERE shop_id = ? AND id < ? ORDER BY id DESC LIMIT ?",
        (shop.id, before_id or 2**62, limit),
    )
    return [load(document) for (document,) in rows]


def new_customer(connection: sqlite3.Connection, shop: Shop, email: str) -> Customer:
    """A customer without an account, not saved yet."""
    now = shop.clock.now()
    return {
        "id": ids.take(connection, "Customer"),
        "email": email,
        "first_name": None,
        "last_name": None,
        "locale": shop.document["locale"],
        "state": "DISABLED",
        "tags": [],
        "accepts_marketing": False,
        "marketing_at": None,
        "address": None,
        "address_id": None,
        "orders_count": 0,
        "spent": 0,
        "last_order_id": None,
        "last_order_at": None,
        "created_at": now,
        "updated_at": now,
    }


def password_hash(password: str, salt: str | None = None) -> str:
    """`salt$hash`. Cheap on purpose: the passwords of a demo shop are printed on its login page."""
    salt = salt or secrets.token_hex(8)
    return f"{salt}${hashlib.sha256((salt + password).encode()).hexdigest()}"


def password_matches(password: str, stored: str) -> bool:
    return secrets.compare_digest(password_hash(password, stored.partition("$")[0]), stored)


# --- orders ------------------------------------------------------------------------------------------------------


def cart_quote(shop: Shop, items: Sequence[Item], discount_code: str | None = None) -> Quote:
    """What checkout shows before the order is placed. Raises CodeRefused."""
    wares = _wares(shop.database.connection(), shop, items)
    return orders.quote(shop.document, wares, discounts.accepted(shop, discount_code, orders.worth(wares)))


def order_place(
    shop: Shop,
    *,
    items: Sequence[Item],
    customer_id: int | None = None,
    email: str | None = None,
    first_name: str | None = None,
    last_name: str | None = None,
    address: Address | None = None,
    discount_code: str | None = None,
    processed_at: str | None = None,
    test: bool = False,
    pay: bool = True,
    shipping: int | None = None,
    source: str = "web",
) -> Order:
    """Place an order for a customer, or for an e-mail address (a customer without an account is made of a new one),
    or for nobody. `processed_at` (ISO 8601) dates it back; `shipping` None means the shop's tariff; `pay` False
    leaves it pending. Raises CodeRefused where the discount code does not count."""
    now = shop.clock.now()
    with shop.database.write() as connection:
        wares = _wares(connection, shop, items)
        code = discounts.accepted(shop, discount_code, orders.worth(wares))
        buyer, is_new = _buyer(connection, shop, customer_id, email)
        if buyer:
            buyer["first_name"] = buyer["first_name"] or first_name
            buyer["last_name"] = buyer["last_name"] or last_name
            if address and not buyer["address"]:
                buyer["address"], buyer["address_id"] = address, ids.take(connection, "MailingAddress")
        if code:
            discounts.use(connection, shop, code, buyer)
        order = orders.compose(
            shop.document,
            wares,
            partial(ids.take, connection),
            now,
            number=records.next_order_number(connection, shop.id),
            customer_id=buyer["id"] if buyer else None,
            email=buyer["email"] if buyer else email,
            discount=code,
            processed_at=clock.normal(processed_at) if processed_at else None,
            test=test,
            pay=pay,
            shipping=shipping,
            address=address or (buyer["address"] if buyer else None),
            source=source,
        )
        records.save_order(connection, shop.id, order)
        if buyer:
            records.count_purchases(connection, shop.id, buyer, now)
            records.save_customer(connection, shop.id, buyer)
            webhooks.queue_customer(connection, shop, buyer, ("customers/create",) if is_new else ("customers/update",))
        paid = ("orders/paid",) if order["fully_paid"] else ()
        webhooks.queue_order(connection, shop, order, ("orders/create", *paid, "orders/updated"))
    return order


def order_pay(shop: Shop, order_id: int) -> Order:
    """Take what is outstanding."""
    with shop.database.write() as connection:
        order = _order(connection, shop, order_id)
        orders.pay_order(order, partial(ids.take, connection), shop.clock.now())
        _order_changed(connection, shop, order, "orders/paid")
    return order


def order_edit(
    shop: Shop, order_id: int, *, set_quantities: Mapping[int, int] | None = None, add_items: Sequence[Item] = ()
) -> Order:
    """Set how many units of a line (by line id) remain, and add lines. Money is neither taken nor paid back."""
    with shop.database.write() as connection:
        order = _order(connection, shop, order_id)
        wares = _wares(connection, shop, add_items)
        take = partial(ids.take, connection)
        changes = orders.edit_order(shop.document, order, set_quantities or {}, wares, take, shop.clock.now())
        webhooks.queue_edit(connection, shop, order, changes)
        _order_changed(connection, shop, order)
    return order


def order_refund(
    shop: Shop,
    order_id: int,
    *,
    lines: Mapping[int, int] | None = None,
    amount: int | None = None,
    shipping: bool = False,
    note: str | None = None,
) -> Refund:
    """Refund units of lines (`{line id: units}`), the shipping, or only an amount. `amount` None pays what they come
    to."""
    with shop.database.write() as connection:
        order = _order(connection, shop, order_id)
        take = partial(ids.take, connection)
        refund = orders.refund_order(
            order, lines or {}, take, shop.clock.now(), amount=amount, shipping=shipping, note=note
        )
        webhooks.queue_refund(connection, shop, order, refund)
        _order_changed(connection, shop, order)
    return refund


def order_fulfil(shop: Shop, order_id: int, lines: Mapping[int, int] | None = None) -> Fulfilment:
    """Send units of lines (`{line id: units}`), everything that is left when `lines` is None."""
    now = shop.clock.now()
    with shop.database.write() as connection:
        order = _order(connection, shop, order_id)
        made = orders.fulfil_order(order, lines, partial(ids.take, connection), now)
        whole = orders.fulfilment_status(order["lines"]) == "FULFILLED"
        webhooks.queue_fulfilment(connection, shop, order, made, "fulfillments/create")
        records.save_order(connection, shop.id, order)
        topic = "orders/fulfilled" if whole else "orders/partially_fulfilled"
        webhooks.queue_order(connection, shop, order, (topic, "orders/updated"))
    return made


def fulfilment_cancel(shop: Shop, order_id: int, fulfilment_id: int) -> Fulfilment:
    """It was not sent after all."""
    with shop.database.write() as connection:
        order = _order(connection, shop, order_id)
        ended = orders.cancel_fulfilment(order, fulfilment_id, shop.clock.now())
        webhooks.queue_fulfilment(connection, shop, order, ended, "fulfillments/update")
        records.save_order(connection, shop.id, order)
        webhooks.queue_order(connection, shop, order, ("orders/updated",))
    return ended


def order_cancel(shop: Shop, order_id: int, *, refund: bool = True, reason: str = "CUSTOMER") -> Order:
    """Cancel an order; a paid one is refunded in full with its lines unless `refund` is False."""
    with shop.database.write() as connection:
        order = _order(connection, shop, order_id)
        take = partial(ids.take, connection)
        made = orders.cancel_order(order, take, shop.clock.now(), reason=reason, refund=refund)
        if made:
            webhooks.queue_refund(connection, shop, order, made)
        _order_changed(connection, shop, order, "orders/cancelled")
    return order


def order_delete(shop: Shop, order_id: int) -> Order:
    """Delete an order with everything in it; returns what it was. Its customer's purchase figures follow. Raises
    CommerceError."""
    with shop.database.write() as connection:
        order = _order(connection, shop, order_id)
        records.delete_order(connection, shop.id, order_id)
        if order["customer_id"] is not None:
            buyer = _customer(connection, shop, order["customer_id"])
            records.count_purchases(connection, shop.id, buyer, shop.clock.now())
            records.save_customer(connection, shop.id, buyer)
        webhooks.queue_order_deleted(connection, shop, order_id)
    return order


def order(shop: Shop, order_id: int) -> Order | None:
    return records.order(shop.database.connection(), shop.id, order_id)


def order_by_token(shop: Shop, token: str) -> Order | None:
    row = (
        shop.database.connection()
        .execute("SELECT document FROM orders WHERE shop_id = ? AND token = ?", (shop.id, token))
        .fetchone()
    )
    return load(row[0]) if row else None


def orders_of(shop: Shop, customer_id: int, limit: int = 50) -> list[Order]:
    """A customer's orders, newest first."""
    rows = shop.database.connection().execute(
        "SELECT document FROM orders WHERE customer_id = ? AND shop_id = ? ORDER BY processed_at DESC, id DESC LIMIT ?",
        (customer_id, shop.id, limit),
    )
    return [load(document) for (document,) in rows]


def orders_page(shop: Shop, *, before_id: int | None = None, limit: int = 50) -> list[Order]:
    """The shop's orders, newest id first; `before_id` pages on."""
    rows = shop.database.connection().execute(
        "SELECT document FROM orders WHERE shop_id = ? AND id < ? ORDER BY id DESC LIMIT ?",
        (shop.id, before_id or 2**62, limit),
    )
    return [load(document) for (document,) in rows]


# --- products and script tags ------------------------------------------------------------------------------------


def products(shop: Shop) -> list[Product]:
    """All active products, in the order they were made."""
    rows = shop.database.connection().execute("SELECT document FROM products WHERE shop_id = ? ORDER BY id", (shop.id,))
    return [product for product in (load(document) for (document,) in rows) if product["status"] == "ACTIVE"]


def products_page(shop: Shop, *, before_id: int | None = None, limit: int = 50) -> list[Product]:
    """The shop's products, newest id first; `before_id` pages on."""
    rows = shop.database.connection().execute(
        "SELECT document FROM products WHERE shop_id = ? AND id < ? ORDER BY id DESC LIMIT ?",
        (shop.id, before_id or 2**62, limit),
    )
    return [load(document) for (document,) in rows]


def product(shop: Shop, product_id: int) -> Product | None:
    return records.product(shop.database.connection(), shop.id, product_id)


def collections(shop: Shop) -> list[Collection]:
    """The shop's collections, oldest first."""
    return records.collections(shop.database.connection(), shop.id)


def product_by_handle(shop: Shop, handle: str) -> Product | None:
    row = (
        shop.database.connection()
        .execute("SELECT document FROM products WHERE shop_id = ? AND handle = ?", (shop.id, handle))
        .fetchone()
    )
    return load(row[0]) if row else None


def product_by_variant(shop: Shop, variant_id: int) -> tuple[Product, int] | None:
    """The product of a variant and the variant's index in it."""
    product = records.products_of_variants(shop.database.connection(), shop.id, [variant_id]).get(variant_id)
    if product is None:
        return None
    return product, next(index for index, each in enumerate(product["variants"]) if each["id"] == variant_id)


def product_update(
    shop: Shop,
    product_id: int,
    *,
    title: str | None = None,
    description: str | None = None,
    status: str | None = None,
    prices: Mapping[int, int] | None = None,
    tags: Sequence[str] | None = None,
    collections: Sequence[str] | None = None,
) -> Product:
    """Change what is named; `prices` is `{variant id: minor units}`, `collections` are titles: one that the shop lacks
    is made. Raises CommerceError."""
    now = shop.clock.now()
    with shop.database.write() as connection:
        product = records.product(connection, shop.id, product_id)
        if product is None:
            raise CommerceError(f"there is no product {product_id}")
        if status is not None and status not in ("ACTIVE", "DRAFT", "ARCHIVED"):
            raise CommerceError(f"{status!r} is no product status")
        product["title"] = title if title is not None else product["title"]
        product["description"] = description if description is not None else product["description"]
        product["status"] = status if status is not None else product["status"]  # type: ignore[typeddict-item]
        for variant in product["variants"]:
            variant["price"] = (prices or {}).get(variant["id"], variant["price"])
        if tags is not None:
            product["tags"] = _tags(tags)
        if collections is not None:
            wanted = _collections(connection, shop, collections, now)
            _members_changed(connection, shop, set(product["collection_ids"]).symmetric_difference(wanted), now)
            product["collection_ids"] = wanted
        product["updated_at"] = now
        records.save_product(connection, shop.id, product)
        webhooks.queue_product(connection, shop, product, "products/update")
    return product


def script_tags(shop: Shop) -> list[ScriptTag]:
    """The script tags that apps put into the shop, oldest first."""
    rows = shop.database.connection().execute(
        "SELECT document FROM script_tags WHERE shop_id = ? ORDER BY id", (shop.id,)
    )
    return [load(document) for (document,) in rows]


# --- inside ------------------------------------------------------------------------------------------------------


def _customer(connection: sqlite3.Connection, shop: Shop, customer_id: int) -> Customer:
    found = records.customer(connection, shop.id, customer_id)
    if found is None:
        raise CommerceError(f"there is no customer {customer_id}")
    return found


def _order(connection: sqlite3.Connection, shop: Shop, order_id: int) -> Order:
    found = records.order(connection, shop.id, order_id)
    if found is None:
        raise CommerceError(f"there is no order {order_id}")
    return found


def _buyer(
    connection: sqlite3.Connection, shop: Shop, customer_id: int | None, email: str | None
) -> tuple[Customer | None, bool]:
    """The customer who orders, and whether that is a new one."""
    if customer_id is not None:
        return _customer(connection, shop, customer_id), False
    if not email:
        return None, False
    email = email.strip().lower()
    known = records.customer_by_email(connection, shop.id, email)
    return known or new_customer(connection, shop, email), known is None


def _wares(connection: sqlite3.Connection, shop: Shop, items: Iterable[Item]) -> list[Ware]:
    items = list(items)
    wanted = [item.variant_id for item in items if item.variant_id is not None]
    found = records.products_of_variants(connection, shop.id, wanted)
    wares = []
    for item in items:
        if item.variant_id is None:
            if not item.title:
                raise CommerceError("a line needs a variant or a title and a price")
            wares.append(Ware(item, None, None))
            continue
        product = found.get(item.variant_id)
        if product is None:
            raise CommerceError(f"there is no variant {item.variant_id}")
        wares.append(Ware(item, product, next(each for each in product["variants"] if each["id"] == item.variant_id)))
    return wares


def _tags(wanted: Sequence[str]) -> list[str]:
    """Tags as Shopify keeps them: each once, whatever its case. Raises CommerceError."""
    kept = {tag.strip().casefold(): tag.strip() for tag in reversed(wanted) if tag.strip()}
    if len(kept) > TAGS_MAX or any(len(tag) > TAG_LENGTH_MAX for tag in kept):
        raise CommerceError(f"a product has at most {TAGS_MAX} tags of at most {TAG_LENGTH_MAX} characters")
    return list(reversed(kept.values()))


def _collections(connection: sqlite3.Connection, shop: Shop, titles: Sequence[str], now: str) -> list[int]:
    """The ids of the collections with these titles, made where the shop lacks them."""
    known = {each["title"].casefold(): each["id"] for each in records.collections(connection, shop.id)}
    for title in titles:
        name = title.strip()
        if not name:
            raise CommerceError("a collection needs a title")
        if name.casefold() not in known:
            made = records.new_collection(ids.take(connection, "Collection"), name, now)
            records.save_collection(connection, shop.id, made)
            webhooks.queue_collection(connection, shop, made, "collections/create")
            known[name.casefold()] = made["id"]
    return list(dict.fromkeys(known[title.strip().casefold()] for title in titles))


def _members_changed(connection: sqlite3.Connection, shop: Shop, changed: Container[int], now: str) -> None:
    """Products have come into these collections or left them."""
    for each in records.collections(connection, shop.id):
        if each["id"] in changed:
            each["updated_at"] = now
            records.save_collection(connection, shop.id, each)
            webhooks.queue_collection(connection, shop, each, "collections/update")


def _order_changed(connection: sqlite3.Connection, shop: Shop, order: Order, *topics: str) -> None:
    """Save a changed order and its customer's purchase figures, and tell about it."""
    records.save_order(connection, shop.id, order)
    if order["customer_id"] is not None:
        buyer = _customer(connection, shop, order["customer_id"])
        records.count_purchases(connection, shop.id, buyer, order["updated_at"])
        records.save_customer(connection, shop.id, buyer)
    webhooks.queue_order(connection, shop, order, (*topics, "orders/updated"))
