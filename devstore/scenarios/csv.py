"""`csv`: anybody's orders, from a file of one row a line item:
`customer,order,processed_at,sku,title,quantity,amount,currency`. `amount` is the line's total.

Rows of one order belong together wherever they stand. An empty customer is nobody. The e-mail address of customer 7 is
`customer-7@csv.example` (an id that is an e-mail address stays one), every password is `csv`.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from devstore import clock, ids, records
from devstore.documents import Product
from devstore.money import parse_amount
from devstore.orders import Item, Ware
from devstore.scenarios.base import ScenarioError, product_document, shop_document, variant_document
from devstore.scenarios.history import PastLine, PastOrder, load_orders
from devstore.shops import Shop, Store

COLUMNS = ("customer", "order", "processed_at", "sku", "title", "quantity", "amount", "currency")


@dataclass(frozen=True, slots=True)
class Row:
    """One line item as read; `amount` in minor units."""

    customer: str | None
    order: str
    at: str
    sku: str
    title: str
    quantity: int
    amount: int
    currency: str


def load(store: Store) -> None:
    path = store.config.scenario_file
    if path is None:
        raise ScenarioError("scenario csv needs --file")
    rows = read(path)
    if not rows:
        raise ScenarioError(f"{path} has no orders")
    first = min(row.at for row in rows)
    shop = store.add_shop(
        shop_document(
            store,
            handle="csv",
            name="CSV",
            currency=rows[0].currency,
            timezone="UTC",
            login_hint="customer-<id>@csv.example with the password csv (the ids of your file)",
            created_at=first,
        )
    )
    wares = load_products(shop, rows)
    load_orders(shop, past_orders(rows, wares), "csv.example", "csv")


def read(path: Path) -> list[Row]:
    """All rows. Raises ScenarioError with the number of the first row that cannot be read."""
    rows: list[Row] = []
    orders: dict[str, Row] = {}
    try:
        file = path.open(newline="", encoding="utf-8-sig")
    except OSError as error:
        raise ScenarioError(f"{path}: {error.strerror}") from None
    with file:
        reader = csv.DictReader(file)
        missing = set(COLUMNS) - set(reader.fieldnames or ())
        if missing:
            raise ScenarioError(f"{path}, row 1: the heading lacks {', '.join(sorted(missing))}")
        try:
            for each in reader:
                row = read_row(each)
                first = orders.setdefault(row.order, row)
                if (first.customer, first.at) != (row.customer, row.at):
                    raise ValueError(f"order {row.order} has another customer or processed_at in an earlier row")
                if rows and row.currency != rows[0].currency:
                    raise ValueError(f"currency {row.currency} differs from {rows[0].currency}; a shop has one")
                rows.append(row)
        except (ValueError, csv.Error) as error:
            raise ScenarioError(f"{path}, row {reader.line_num}: {error}") from None
        except UnicodeDecodeError as error:
            raise ScenarioError(
                f"{path}, after row {reader.line_num}: the file is not UTF-8 ({error.reason})"
            ) from None
    return rows


def read_row(row: dict[str, str | None]) -> Row:
    """Raises ValueError."""
    cells = {name: (row.get(name) or "").strip() for name in COLUMNS}
    for name in ("order", "processed_at", "quantity", "amount", "currency"):
        if not cells[name]:
            raise ValueError(f"{name} is empty")
    if None in row:
        raise ValueError("the row has more cells than the heading")
    currency = cells["currency"].upper()
    if len(currency) != 3 or not currency.isalpha():
        raise ValueError(f"{cells['currency']!r} is no currency code")
    if not cells["quantity"].isdecimal() or int(cells["quantity"]) < 1:
        raise ValueError(f"quantity {cells['quantity']!r} is no whole number from 1 up")
    amount = parse_amount(cells["amount"], currency)
    if amount < 0:
        raise ValueError(f"amount {cells['amount']} is negative")
    try:
        at = clock.normal(cells["processed_at"])
    except ValueError:
        raise ValueError(f"processed_at {cells['processed_at']!r} is no ISO 8601 date or time") from None
    title = cells["title"] or cells["sku"] or "Item"
    return Row(
        cells["customer"] or None, cells["order"], at, cells["sku"], title, int(cells["quantity"]), amount, currency
    )


def load_products(shop: Shop, rows: Iterable[Row]) -> dict[tuple[str, str], Product]:
    """A product for each SKU (or title without one), priced as it last sold."""
    latest: dict[tuple[str, str], Row] = {}
    for row in sorted(rows, key=lambda row: row.at):
        latest[product_key(row)] = row
    with shop.database.write() as connection:
        first, option = ids.take(connection, "Product", len(latest)), ids.take(connection, "ProductOption", len(latest))
        first_variant = ids.take(connection, "ProductVariant", len(latest))
        products = {
            key: product_document(
                first + place,
                option + place,
                [variant_document(first_variant + place, "Default Title", row.sku, -(-row.amount // row.quantity))],
                shop.document["created_at"],
                title=row.title,
                handle=f"item-{place + 1}",
                vendor=shop.document["name"],
            )
            for place, (key, row) in enumerate(latest.items())
        }
        records.insert_products(connection, shop.id, list(products.values()))
    return products


def product_key(row: Row) -> tuple[str, str]:
    return ("sku", row.sku) if row.sku else ("title", row.title)


def past_orders(rows: Iterable[Row], products: dict[tuple[str, str], Product]) -> list[PastOrder]:
    """Orders by instant, those of one instant as the file has them first."""
    grouped: dict[str, list[Row]] = {}
    for row in rows:
        grouped.setdefault(row.order, []).append(row)
    orders = []
    for name, lines in grouped.items():
        past = [PastLine(ware(row, products[product_key(row)]), row.amount) for row in lines]
        orders.append(PastOrder(lines[0].customer, lines[0].at, past, name))
    return sorted(orders, key=lambda order: order.at)


def ware(row: Row, product: Product) -> Ware:
    variant = product["variants"][0]
    return Ware(Item(row.quantity, variant["id"], row.title, sku=row.sku), product, variant)
