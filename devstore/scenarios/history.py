"""Past orders from a data set: many, each paid in full, of customers with accounts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from devstore import ids, orders, records
from devstore.documents import Customer, Order
from devstore.orders import Item, Ware
from devstore.scenarios.base import customer_document, password_for_all
from devstore.shops import Shop

FIRST_NUMBER = 1001
CHUNK = 2000


@dataclass(frozen=True, slots=True)
class PastLine:
    """A line of the data set; `total` is the whole line's price in minor units."""

    ware: Ware
    total: int


@dataclass(frozen=True, slots=True)
class PastOrder:
    """`customer` is the data set's own id of the buyer, None for nobody; `name` the order's own, None for the next
    number."""

    customer: str | None
    at: str
    lines: Sequence[PastLine]
    name: str | None = None


def load_orders(shop: Shop, past: Iterable[PastOrder], domain: str, password: str) -> None:
    """Insert orders, in the order given, and their buyers. Buyer `7` gets the account `customer-7@<domain>`; an id
    that is an e-mail address is used as it is. Runs in the caller's write transaction."""
    customers: dict[str, Customer] = {}
    stored_password = password_for_all(password)
    with shop.database.write() as connection:
        take = ids.Batch(connection)
        chunk: list[Order] = []
        for number, each in enumerate(past, FIRST_NUMBER):
            buyer = buyer_of(customers, each, take, domain)
            order = compose(shop, each, take, number, buyer)
            if buyer:
                buyer["orders_count"] += 1
                buyer["spent"] += order["total"]
                buyer["last_order_id"], buyer["last_order_at"] = order["id"], order["created_at"]
                buyer["updated_at"] = max(buyer["updated_at"], each.at)
            chunk.append(order)
            if len(chunk) == CHUNK:
                records.insert_orders(connection, shop.id, chunk)
                chunk.clear()
        records.insert_orders(connection, shop.id, chunk)
        records.insert_customers(connection, shop.id, ((buyer, stored_password) for buyer in customers.values()))
        take.close()


def buyer_of(customers: dict[str, Customer], order: PastOrder, take: ids.Batch, domain: str) -> Customer | None:
    """Who bought, kept in `customers` by e-mail address: upper and lower case are the same person's."""
    if order.customer is None:
        return None
    email = (order.customer if "@" in order.customer else f"customer-{order.customer}@{domain}").lower()
    buyer = customers.get(email)
    if buyer is None:
        buyer = customers[email] = customer_document(
            take("Customer"), email, order.at, first_name="Customer", last_name=order.customer
        )
    return buyer


def compose(shop: Shop, past: PastOrder, take: ids.Batch, number: int, buyer: Customer | None) -> Order:
    """The order document. A line whose total is no multiple of its quantity is priced a little higher per unit, and a
    rounding discount takes the difference off again."""
    wares, rounding = [], []
    for line in past.lines:
        quantity = line.ware.item.quantity
        price = -(-line.total // quantity)
        item = Item(quantity, line.ware.item.variant_id, line.ware.item.title, price, line.ware.item.sku)
        variant = {**line.ware.variant, "price": price} if line.ware.variant else None
        wares.append(Ware(item, line.ware.product, variant))  # type: ignore[arg-type]
        rounding.append(price * quantity - line.total)
    email = buyer["email"] if buyer else None
    buyer_id = buyer["id"] if buyer else None
    paid = not any(rounding)
    order = orders.compose(
        shop.document, wares, take, past.at, number=number, customer_id=buyer_id, email=email, pay=paid, shipping=0
    )
    if not paid:
        order["applications"] = [{"code": "ROUNDING", "kind": "fixed_amount", "value": str(sum(rounding))}]
        for booked, off in zip(order["lines"], rounding, strict=True):
            booked["allocations"] = [{"application": 0, "amount": off}] if off else []
        orders.settle(order)
        if order["outstanding"]:
            orders.pay_order(order, take, past.at)
    if past.name is not None:
        order["name"] = f"#{past.name.removeprefix('#')}"
    return order
