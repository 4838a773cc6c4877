"""The second shop of scenario aurora: its own data, its own installation, nothing of the other's."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from devstore import commerce
from tests.devstore.conftest import Devstore, Start

HARBOR = "harbor.myshopify.com"
READ = "{ shop { currencyCode } orders(first: 250, sortKey: ID) { nodes { name currencyCode } } }"
TAG = """
mutation { scriptTagCreate(input: {src: "https://encore.example/loader.js"}) {
  scriptTag { id } userErrors { field message }
} }
"""


@pytest.fixture
def aurora(start: Start) -> Devstore:
    return start("aurora")


@pytest.fixture
def harbor(aurora: Devstore) -> Devstore:
    """The same devstore, asked as harbor."""
    client = TestClient(aurora.http.app, base_url=f"https://{HARBOR}")
    client.portal = aurora.http.portal  # the same event loop, and no second start
    shop = aurora.shop.store.shop_named("harbor")
    assert shop is not None
    return Devstore(client, shop, aurora.app)


def test_shops_are_told_apart_and_only_aurora_has_two(aurora: Devstore, start: Start) -> None:
    assert aurora.get("state")["shops"] == [
        {"shop": "aurora.myshopify.com", "installed": True},
        {"shop": HARBOR, "installed": False},
    ]
    assert aurora.get("state")["counts"]["orders"] == 900
    elsewhere = {"headers": {"Host": "127.0.0.1:8700"}}
    for name in ("harbor", HARBOR):
        state = aurora.http.get(f"/devstore/state?shop={name}", **elsewhere).json()
        assert (state["shop"], state["counts"]["customers"], state["counts"]["orders"]) == (HARBOR, 12, 40)
    assert aurora.http.get("/devstore/state?shop=nowhere", **elsewhere).status_code == 404
    assert [each["shop"] for each in start("csv", state="other").get("state")["shops"]] == ["csv.myshopify.com"]


def test_each_shop_is_installed_on_its_own(aurora: Devstore, harbor: Devstore) -> None:
    token = aurora.token()
    answer = aurora.http.post("/devstore/install?shop=harbor", headers={"Host": "127.0.0.1:8700"})
    assert answer.json() == {"ok": True, "status": 200, "programme": None}
    assert aurora.app.requests[-1][0].query_params["shop"] == HARBOR
    assert harbor.call(READ, token=token).status_code == 401
    assert harbor.query(READ)["shop"] == {"currencyCode": "USD"}
    assert len(harbor.query(READ)["orders"]["nodes"]) == 40
    harbor.post("uninstall")
    assert (harbor.shop.installed, aurora.shop.installed) == (False, True)
    assert aurora.call(READ, token=token).status_code == 200


def test_harbor_takes_no_script_tags(harbor: Devstore) -> None:
    harbor.post("install")
    answer = harbor.query(TAG)["scriptTagCreate"]
    assert answer["scriptTag"] is None
    assert "can no longer be created" in answer["userErrors"][0]["message"]


def test_nothing_of_one_shop_reaches_the_other(aurora: Devstore, harbor: Devstore) -> None:
    order, customer = aurora.get("orders")["orders"][0], aurora.get("customers")["customers"][0]
    assert "no order" in harbor.refused(f"orders/{order['id']}/cancel")
    assert "no customer" in harbor.refused(f"customers/{customer['id']}/delete")
    kept = harbor.get("customers")["customers"][0]
    assert "no customer" in harbor.refused("customers/merge", keep=kept["id"], delete=customer["id"])
    assert harbor.get("discounts")["discounts"] == []
    lines = [{"title": "Rope", "price": "9.00"}]
    assert "There is no discount code" in harbor.refused("orders", lines=lines, discount="BEMVINDO10")
    assert harbor.post("orders", lines=lines)["number"] == 1041


def test_clicks_in_one_shop_send_that_shops_webhooks(aurora: Devstore, harbor: Devstore) -> None:
    harbor.post("install")
    aurora.place()
    harbor.place(pay=False)
    harbor.post("knobs", drop=1)
    harbor.place()
    aurora.flush()
    shops = [request.headers["x-shopify-shop-domain"] for request, _ in aurora.app.webhooks("orders/create")]
    assert sorted(shops) == ["aurora.myshopify.com", HARBOR]


def test_harbor_is_the_same_each_time(harbor: Devstore, start: Start) -> None:
    other = start("aurora", install=False, state="other").shop.store.shop_named("harbor")
    assert other is not None
    totals = [[order["total"] for order in commerce.orders_page(shop)] for shop in (harbor.shop, other)]
    assert totals[0] == totals[1]
    assert all(order["currency"] == "USD" for order in commerce.orders_page(harbor.shop))


def pages(aurora: Devstore) -> Any:
    return TestClient(aurora.http.app, base_url="http://127.0.0.1:8700")


def test_admin_leads_to_the_other_shop_and_back_and_stays_there(aurora: Devstore) -> None:
    person = pages(aurora)
    assert 'href="/admin?shop=harbor"' in person.get("/admin").text
    assert "Harbor Goods" in person.get("/admin?shop=harbor").text
    listing = person.get("/admin/listing").text
    assert "<title>Encore · Harbor Goods</title>" in listing
    assert "Deck Jacket" in person.get("/collections/all").text
    assert "Harbor Goods" not in person.get("/admin?shop=aurora").text.partition("Other shops")[0]
    assert "Aurora Espresso" in person.get("/collections/all").text


def test_frame_of_harbor_is_signed_for_harbor(aurora: Devstore, harbor: Devstore) -> None:
    harbor.post("install")
    away = harbor.http.get("/admin/apps/encore/points?tab=2", follow_redirects=False)
    assert away.headers["location"] == "http://127.0.0.1:8700/admin/apps/encore/points?tab=2&shop=harbor"
    page = pages(aurora).get(away.headers["location"]).text
    assert "shop=harbor.myshopify.com" in page
    assert "shop=aurora.myshopify.com" not in page


def test_carts_of_two_shops_in_one_browser_are_kept_apart(aurora: Devstore) -> None:
    person = pages(aurora)
    for shop in ("aurora", "harbor"):
        variant = commerce.products(aurora.shop.store.shop_named(shop))[0]["variants"][0]["id"]  # type: ignore[arg-type]
        person.get(f"/?shop={shop}")
        assert person.post("/cart/add.js", json={"id": variant}).status_code == 200
    assert person.get("/cart.js").json()["currency"] == "USD"
    person.get("/?shop=aurora")
    cart = person.get("/cart.js").json()
    assert (cart["currency"], cart["item_count"]) == ("BRL", 1)


def test_cookie_of_a_shop_that_was_renamed_leads_home(aurora: Devstore, harbor: Devstore) -> None:
    person = pages(aurora)
    person.get("/admin?shop=harbor")
    harbor.post("shop", handle="haven")
    assert person.get("/devstore/state").json()["shop"] == "aurora.myshopify.com"
