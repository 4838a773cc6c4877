"""Tags and collections of products: changed by staff, read through the Admin API, told by webhooks."""

import sqlite3
from typing import Any

import pytest

from devstore.documents import Product
from devstore.state import Database
from tests.devstore.conftest import Devstore, Start
from tests.devstore.test_bulk import lines, run

PRODUCT = """
query ($id: ID!) {
  product(id: $id) { tags updatedAt collections(first: 5, sortKey: TITLE) { nodes { id handle title } } }
}
"""


@pytest.fixture
def beans(devstore: Devstore) -> Product:
    found: list[Product] = devstore.get("products")["products"]
    return next(each for each in found if each["title"] == "Beans")


def read(devstore: Devstore, product: Product) -> Any:
    return devstore.query(PRODUCT, {"id": f"gid://shopify/Product/{product['id']}"})["product"]


def test_tags_and_collections_are_changed_and_read_back(devstore: Devstore, beans: Product) -> None:
    devstore.post("clock", advance=60)
    made = devstore.post(
        f"products/{beans['id']}", tags=[" coffee", "New", "new", ""], collections=["Tea & Co", "Beans"]
    )
    found = read(devstore, beans)
    assert found["tags"] == ["coffee", "New"]
    assert found["updatedAt"] == made["updated_at"] > beans["updated_at"]
    assert [each["handle"] for each in found["collections"]["nodes"]] == ["beans", "tea-co"]
    devstore.post(f"products/{beans['id']}", collections=["BEANS"])
    (left,) = read(devstore, beans)["collections"]["nodes"]
    assert left["title"] == "Beans"
    assert read(devstore, beans)["tags"] == ["coffee", "New"]
    assert [each["title"] for each in devstore.get("collections")["collections"]] == ["Tea & Co", "Beans"]


def test_collection_knows_its_products(devstore: Devstore, beans: Product) -> None:
    devstore.post(f"products/{beans['id']}", collections=["Coffee"])
    (coffee,) = devstore.get("collections")["collections"]
    ids = {"id": f"gid://shopify/Collection/{coffee['id']}", "product": f"gid://shopify/Product/{beans['id']}"}
    found = devstore.query(
        "query ($id: ID!, $product: ID!) {"
        " collection(id: $id) { title productsCount { count } hasProduct(id: $product)"
        " products(first: 5) { nodes { id } } }"
        " collections(first: 5) { nodes { id } } product(id: $product) { inCollection(id: $id) }"
        " nodes(ids: [$id, $product]) { __typename id } }",
        ids,
    )
    assert found["collection"] == {
        "title": "Coffee",
        "productsCount": {"count": 1},
        "hasProduct": True,
        "products": {"nodes": [{"id": ids["product"]}]},
    }
    assert found["collections"]["nodes"] == [{"id": ids["id"]}]
    assert found["product"] == {"inCollection": True}
    assert [each["__typename"] for each in found["nodes"]] == ["Collection", "Product"]


def test_change_is_told_of_the_product_and_its_collections(devstore: Devstore, beans: Product) -> None:
    devstore.post(f"products/{beans['id']}", collections=["Coffee"])
    devstore.post(f"products/{beans['id']}", collections=["Coffee"], tags=["x"])
    devstore.post(f"products/{beans['id']}", collections=[])
    devstore.flush()
    topics = [request.headers["x-shopify-topic"] for request, _ in devstore.app.webhooks()]
    assert sorted(topics) == ["collections/create", *["collections/update"] * 2, *["products/update"] * 3]
    body = devstore.app.webhooks("collections/create")[0][1]
    assert (body["title"], body["handle"]) == ("Coffee", "coffee")


def test_bulk_query_brings_collections_after_their_products(devstore: Devstore, beans: Product) -> None:
    devstore.post(f"products/{beans['id']}", collections=["Coffee", "Gifts"])
    rows = lines(devstore, run(devstore, "{ products { nodes { id tags collections { nodes { id title } } } } }"))
    assert [each.get("title") for each in rows] == [None, None, "Coffee", "Gifts"]
    assert {each["__parentId"] for each in rows[2:]} == {f"gid://shopify/Product/{beans['id']}"}
    rows = lines(devstore, run(devstore, "{ collections { nodes { id products { nodes { id title } } } } }"))
    assert [each.get("title") for each in rows] == [None, None, "Beans", "Beans"]


@pytest.mark.parametrize(
    "body", [{"tags": "coffee"}, {"tags": [1]}, {"tags": ["x" * 256]}, {"collections": [" "]}, {"collections": {}}]
)
def test_senseless_labels_are_refused(devstore: Devstore, beans: Product, body: dict[str, Any]) -> None:
    devstore.refused(f"products/{beans['id']}", **body)
    found = read(devstore, beans)
    assert (found["tags"], found["collections"]["nodes"]) == ([], [])


def test_aurora_has_labels(start: Start) -> None:
    devstore = start("aurora", install=False)
    titles = {each["id"]: each["title"] for each in devstore.get("collections")["collections"]}
    assert list(titles.values()) == ["Coffee", "Tea", "Mugs", "Brewing", "Gift ideas"]
    products = {each["title"]: each for each in devstore.get("products")["products"]}
    mug = products["Clay Mug"]
    assert mug["tags"] == ["mugs", "handmade", "bestseller"]
    assert [titles[each] for each in mug["collection_ids"]] == ["Mugs", "Gift ideas"]
    assert all(each["tags"] and each["collection_ids"] for each in products.values())


def test_folder_of_an_earlier_devstore_gets_what_its_documents_lack(start: Start) -> None:
    path = start(install=False).shop.database.path
    with sqlite3.connect(path) as connection:
        connection.executescript(
            "UPDATE orders SET document = CAST(json_remove(CAST(document AS TEXT), '$.fulfilments',"
            " '$.lines[0].fulfilled', '$.lines[1].fulfilled') AS BLOB);"
            "UPDATE products SET document = CAST(json_remove(CAST(document AS TEXT), '$.collection_ids') AS BLOB);"
            "DROP TABLE collections; PRAGMA user_version = 0;"
        )
    Database(path)
    devstore = start(install=False)
    first = devstore.get("orders")["orders"][-1]
    devstore.post(f"orders/{first['id']}/fulfil")
    product = devstore.get("products")["products"][0]
    assert devstore.post(f"products/{product['id']}", collections=["Coffee"])["collection_ids"]
