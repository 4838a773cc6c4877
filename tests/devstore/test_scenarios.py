import sqlite3
import time
from pathlib import Path

import pytest

from devstore import commerce
from devstore.scenarios import ScenarioError, csv
from tests.devstore.conftest import ORDERS, Start

HEAD = "customer,order,processed_at,sku,title,quantity,amount,currency\n"


def test_cdnow_has_the_published_figures(start: Start) -> None:
    began = time.process_time()
    devstore = start("cdnow", install=False)
    spent = time.process_time() - began
    connection = sqlite3.connect(devstore.shop.database.path)
    orders, revenue, customers = connection.execute(
        "SELECT count(*), sum(document ->> 'total'), count(DISTINCT customer_id) FROM orders"
    ).fetchone()
    assert (orders, revenue, customers) == (69_659, 250_031_563, 23_570)
    repeat = "SELECT count(*) FROM customers WHERE document ->> 'orders_count' > 1"
    assert connection.execute(repeat).fetchone() == (11_662,)
    assert connection.execute("SELECT sum(document ->> 'spent') FROM customers").fetchone() == (250_031_563,)
    times = [at for (at,) in connection.execute("SELECT processed_at FROM orders ORDER BY id")]
    assert times == sorted(times)
    assert {at[10:] for at in times} == {"T12:00:00Z"}
    assert commerce.customer_authenticate(devstore.shop, "customer-7@cdnow.example", "cdnow")
    assert commerce.customer_authenticate(devstore.shop, "customer-7@cdnow.example", "wrong") is None
    assert spent < 20, f"loading took {spent:.1f} s of CPU"
    # Orders of a day follow the file.
    first = commerce.orders_page(devstore.shop, before_id=6001000000004, limit=3)
    assert [order["email"] for order in reversed(first)] == [
        "customer-1@cdnow.example", "customer-4@cdnow.example", "customer-5@cdnow.example",
    ]  # fmt: skip


def test_aurora_is_lively_and_the_same_each_time(start: Start) -> None:
    one, other = start("aurora", install=False), start("aurora", install=False, state="other")
    orders = commerce.orders_page(one.shop, limit=2000)
    again = commerce.orders_page(other.shop, limit=2000)
    assert [order["total"] for order in orders] == [order["total"] for order in again]
    assert len(orders) == 900
    assert len(commerce.products(one.shop)) == 12
    states = {order["financial_status"] for order in orders}
    assert states == {"PAID", "PENDING", "PARTIALLY_REFUNDED", "REFUNDED", "VOIDED"}
    assert any(order["test"] for order in orders)
    assert any(order["customer_id"] is None for order in orders)
    assert any(order["applications"] for order in orders)
    assert all(order["updated_at"] <= one.shop.clock.now() for order in orders)


def test_lines_of_an_order_belong_together_wherever_they_are(start: Start) -> None:
    devstore = start()
    orders = commerce.orders_page(devstore.shop)
    assert [(order["name"], len(order["lines"]), order["total"]) for order in reversed(orders)] == [
        ("#A-1", 2, 5250), ("#A-2", 1, 1250), ("#A-3", 1, 1000), ("#A-4", 1, 1250),
    ]  # fmt: skip
    assert orders[0]["customer_id"] is None
    buyer = commerce.customer_authenticate(devstore.shop, "customer-1@csv.example", "csv")
    assert buyer is not None
    assert (buyer["orders_count"], buyer["spent"]) == (2, 6250)


def test_upper_and_lower_case_are_the_same_customer(start: Start) -> None:
    rows = "Ana@x.example,1,2026-01-05,TEA,Tea,1,10,EUR\nana@X.example,2,2026-01-06,TEA,Tea,1,10,EUR\n"
    devstore = start(orders=HEAD + rows + "P1,3,2026-01-07,TEA,Tea,1,5,EUR\np1,4,2026-01-08,TEA,Tea,1,5,EUR\n")
    buyers = {order["customer_id"] for order in commerce.orders_page(devstore.shop)}
    assert len(buyers) == 2
    ana = commerce.customer_authenticate(devstore.shop, "ana@x.example", "csv")
    assert ana is not None
    assert (ana["orders_count"], ana["spent"]) == (2, 2000)


def test_currency_without_decimals_has_none(start: Start) -> None:
    rows = HEAD + "7,1,2026-01-05,TEA,Tea,1,1200,JPY\n"
    devstore = start(orders=rows)
    (order,) = commerce.orders_page(devstore.shop)
    assert (order["total"], order["currency"]) == (1200, "JPY")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("1,1,2026-01-05,A,Tea,1,ten,EUR", "row 2: 'ten' is not an amount"),
        ("1,1,2026-01-05,A,Tea,1,1.005,EUR", "row 2: '1.005' has more decimal places"),
        ("1,1,2026-01-05,A,Tea,1,-1.00,EUR", "row 2: amount -1.00 is negative"),
        ("1,1,2026-01-05,A,Tea,0,1.00,EUR", "row 2: quantity '0'"),
        ("1,1,2026-01-05,A,Tea,1.5,1.00,EUR", "row 2: quantity '1.5'"),
        ("1,1,yesterday,A,Tea,1,1.00,EUR", "row 2: processed_at 'yesterday'"),
        ("1,,2026-01-05,A,Tea,1,1.00,EUR", "row 2: order is empty"),
        ("1,1,2026-01-05,A,Tea,1,1.00,EURO", "row 2: 'EURO' is no currency code"),
        ("1,1,2026-01-05,A,Tea,1,1.00,EUR,more", "row 2: the row has more cells"),
        ("1,1,2026-01-05,A,Tea,1,1.00,EUR\n2,1,2026-01-05,A,Tea,1,1.00,EUR", "row 3: order 1 has another customer"),
        ("1,1,2026-01-05,A,Tea,1,1.00,EUR\n1,2,2026-01-05,A,Tea,1,1.00,USD", "row 3: currency USD differs"),
    ],
)
def test_malformed_row_is_named(tmp_path: Path, row: str, reason: str) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(f"{HEAD}{row}\n")
    with pytest.raises(ScenarioError) as caught:
        csv.read(path)
    assert reason in str(caught.value)


def test_file_without_its_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("customer,order\n1,1\n")
    with pytest.raises(ScenarioError, match="row 1: the heading lacks amount, currency"):
        csv.read(path)
    with pytest.raises(ScenarioError, match="No such file"):
        csv.read(tmp_path / "missing.csv")


def test_another_scenario_needs_an_empty_folder(start: Start) -> None:
    start(install=False)
    with pytest.raises(ScenarioError, match="holds scenario csv"):
        start("aurora", install=False)


def test_state_survives_a_restart(start: Start) -> None:
    first = start()
    first.place(email="late@example.com")
    first.post("clock", advance=86400)
    again = start(orders=ORDERS, install=False)
    assert again.shop.installed
    assert len(commerce.orders_page(again.shop)) == 5
    assert again.shop.clock.offset == 86400
