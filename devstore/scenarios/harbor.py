"""`harbor`: a second shop beside `aurora`, small, in US dollars, and as strict as Shopify today: it takes no script
tags and has new customer accounts: who signs in gets a code. A dozen customers and forty orders of the last year."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from devstore import ids, records
from devstore.clock import timestamp
from devstore.documents import Product
from devstore.orders import Item, Ware
from devstore.scenarios.base import product_document, shop_document, variant_document
from devstore.scenarios.history import PastLine, PastOrder, load_orders
from devstore.shops import Store

SEED = 1847
CUSTOMERS = 12
ORDERS = 40
DAYS = 365
WARES = (
    ("Deck Jacket", "HAR-JAC", 14800, "Clothing", "#34506b"),
    ("Wool Beanie", "HAR-BEA", 2800, "Clothing", "#a3492f"),
    ("Enamel Kettle", "HAR-KET", 5400, "Kitchen", "#2f6b62"),
    ("Tide Almanac", "HAR-ALM", 1900, "Books", "#8b7a4c"),
)


def load(store: Store) -> None:
    now = datetime.fromtimestamp(store.clock.seconds(), UTC)
    shop = store.add_shop(
        shop_document(
            store,
            handle="harbor",
            name="Harbor Goods",
            scenario="aurora",
            timezone="America/New_York",
            city="Portland",
            shipping_price=600,
            shipping_free_from=10000,
            accepts_script_tags=False,
            customer_accounts="NEW_CUSTOMER_ACCOUNTS",
            login_hint="customer-1@harbor.example (customers 1 to 12)",
            created_at=timestamp((now - timedelta(days=DAYS + 30)).timestamp()),
        )
    )
    with store.database.write() as connection:
        products = [
            product_document(
                ids.take(connection, "Product"),
                ids.take(connection, "ProductOption"),
                [variant_document(ids.take(connection, "ProductVariant"), "Default Title", sku, price)],
                shop.document["created_at"],
                title=title,
                vendor="Harbor Goods",
                product_type=kind,
                colour=colour,
            )
            for title, sku, price, kind, colour in WARES
        ]
        records.insert_products(connection, shop.id, products)
        load_orders(shop, history(products, now), "harbor.example", "harbor")


def history(products: Sequence[Product], now: datetime) -> list[PastOrder]:
    """Orders by time; every customer has one at least."""
    dice = random.Random(SEED)  # the same shop each time
    buyers = [*range(1, CUSTOMERS + 1), *(dice.randint(1, CUSTOMERS) for _ in range(ORDERS - CUSTOMERS))]
    past = []
    for buyer in buyers:
        at = timestamp((now - timedelta(days=dice.uniform(0.1, DAYS))).timestamp())
        lines = []
        for product in dice.sample(products, k=dice.choice((1, 1, 2))):
            variant, quantity = product["variants"][0], dice.choice((1, 1, 1, 2))
            lines.append(PastLine(Ware(Item(quantity, variant["id"]), product, variant), variant["price"] * quantity))
        past.append(PastOrder(str(buyer), at, lines))
    return sorted(past, key=lambda order: order.at)
