"""`cdnow`: the CDNOW purchase histories, 23,570 customers and 69,659 orders of 1997 and 1998.

Each row of the file is an order of one line, quantity 1, at noon UTC; orders of one day follow the file. The e-mail
address of customer 7 is `customer-7@cdnow.example`, every password is `cdnow`."""

from collections.abc import Iterator

from devstore import ids, records
from devstore.money import parse_amount
from devstore.orders import Item, Ware
from devstore.scenarios.base import ScenarioError, product_document, shop_document, variant_document
from devstore.scenarios.history import PastLine, PastOrder, load_orders
from devstore.shops import Shop, Store

FILE = "CDNOW_master.txt"
WARES = (
    ("Single CD", "CD-1", 1500, "#3f6f8f"),
    ("Double album", "CD-2", 2500, "#8f5a3f"),
    ("Box set", "CD-BOX", 5000, "#5a3f8f"),
    ("Sleeve and polish", "CD-CARE", 900, "#3f8f6a"),
)


def load(store: Store) -> None:
    path = store.config.data_dir / FILE
    if not path.exists():
        raise ScenarioError(f"{path} is missing: run make setup")
    rows = sorted(read(path.read_text().splitlines()), key=lambda row: row.at)
    shop = store.add_shop(
        shop_document(
            store,
            handle="cdnow",
            name="CDNOW",
            currency="USD",
            timezone="UTC",
            login_hint="customer-1@cdnow.example with the password cdnow (customers 1 to 23570)",
            created_at="1997-01-01T00:00:00Z",
        )
    )
    load_products(shop)
    load_orders(shop, rows, "cdnow.example", "cdnow")


def read(lines: list[str]) -> Iterator[PastOrder]:
    """Rows of customer id, date YYYYMMDD, number of CDs, dollars; the first line is a heading."""
    for line in lines[1:]:
        if not line.strip():
            continue
        customer, day, discs, dollars = line.split()
        ware = Ware(Item(1, title="1 CD" if discs == "1" else f"{discs} CDs", sku="CDS"), None, None)
        at = f"{day[:4]}-{day[4:6]}-{day[6:]}T12:00:00Z"
        yield PastOrder(str(int(customer)), at, [PastLine(ware, parse_amount(dollars, "USD"))])


def load_products(shop: Shop) -> None:
    """A few things to buy in the storefront today."""
    with shop.database.write() as connection:
        at = shop.document["created_at"]
        products = [
            product_document(
                ids.take(connection, "Product"),
                ids.take(connection, "ProductOption"),
                [variant_document(ids.take(connection, "ProductVariant"), "Default Title", sku, price)],
                at,
                title=title,
                vendor="CDNOW",
                product_type="Music",
                colour=colour,
            )
            for title, sku, price, colour in WARES
        ]
        records.insert_products(connection, shop.id, products)
