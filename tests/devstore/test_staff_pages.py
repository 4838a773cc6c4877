"""Staff pages for sending, labels and the clock, by their forms."""

import time
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.devstore.conftest import Devstore, Start
from tests.devstore.test_checkout import words

CLOCK = "/devstore/staff/clock"


def post(devstore: Devstore, path: str, **fields: Any) -> httpx.Response:
    return devstore.http.post(f"/devstore/staff/{path}", data=fields)


def offset(devstore: Devstore) -> float:
    return float(devstore.get("clock")["offset"])


def test_order_is_sent_and_unsent_on_its_page(devstore: Devstore) -> None:
    order = devstore.place({"title": "Beans", "price": "20.00", "quantity": 3})
    page, line = f"orders/{order['id']}", order["lines"][0]["id"]
    assert "Not sent" in words(devstore.http.get(f"/devstore/staff/{page}"))
    sent = words(post(devstore, f"{page}/fulfil", **{f"line-{line}": "1"}))
    assert "1 item is sent." in sent
    assert "Partly sent" in sent
    assert "can be sent, not 3" in words(post(devstore, f"{page}/fulfil", **{f"line-{line}": "3"}))
    assert "2 items are sent." in words(post(devstore, f"{page}/fulfil", **{f"line-{line}": "2"}))
    _, second = devstore.get(page)["fulfilments"]
    assert "The shipment is cancelled." in words(post(devstore, f"{page}/unfulfil", fulfilment=second["id"]))
    assert "cancelled already" in words(post(devstore, f"{page}/unfulfil", fulfilment=second["id"]))
    assert "no fulfilment" in words(post(devstore, f"{page}/unfulfil", fulfilment="x"))
    assert [each["status"] for each in devstore.get(page)["fulfilments"]] == ["SUCCESS", "CANCELLED"]
    assert "Partly sent" in words(devstore.http.get("/devstore/staff"))


def test_product_gets_tags_and_collections_on_its_page(devstore: Devstore) -> None:
    product = devstore.get("products")["products"][0]
    page = f"products/{product['id']}"
    saved = words(post(devstore, page, tags="coffee, new,", another="Gifts"))
    assert f"{product['title']} is saved." in saved
    (gifts,) = devstore.get("collections")["collections"]
    assert "coffee, new" in words(devstore.http.get("/devstore/staff/products"))
    assert "checked> Gifts" in devstore.http.get(f"/admin/{page}").text
    post(devstore, page, tags="coffee", **{f"collection-{gifts['id']}": "1"})
    kept = devstore.get("products")["products"][0]
    assert (kept["tags"], kept["collection_ids"]) == (["coffee"], [gifts["id"]])
    post(devstore, page, tags="")
    assert devstore.get("products")["products"][0]["collection_ids"] == []
    assert "at most 250 tags" in words(post(devstore, page, tags="x" * 256))
    assert "nothing at this address" in words(devstore.http.get("/devstore/staff/products/1"))


@pytest.mark.parametrize(("name", "seconds"), [("hour", 3600), ("day", 86400), ("fortnight", 14 * 86400)])
def test_clock_is_turned_forward_by_steps(devstore: Devstore, name: str, seconds: int) -> None:
    devstore.post("clock", offset=100)
    assert "It is now" in words(devstore.http.post(CLOCK, data={"step": name}))
    assert offset(devstore) == 100 + seconds


def test_clock_goes_to_a_time_of_the_shops_own_zone(start: Start) -> None:
    devstore = start("aurora", install=False)  # São Paulo, three hours behind UTC
    until = (datetime.fromisoformat(devstore.get("clock")["now"]) + timedelta(days=40)).strftime("%Y-%m-%dT12:30")
    devstore.http.post(CLOCK, data={"until": until})
    assert devstore.get("clock")["now"].startswith(until.replace("T12:30", "T15:30"))
    page = words(devstore.http.get(CLOCK))
    assert "America/Sao_Paulo" in page
    assert "All shops of this devstore share the clock, and Encore follows it" in page


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"until": "2001-01-01T00:00"}, "forward only"),
        ({"until": "9999-01-01T00:00"}, "at most 20 years"),
        ({"until": "tomorrow"}, "Choose a date"),
        ({"step": "back"}, "Choose a date"),
    ],
)
def test_clock_is_not_turned_back_or_nowhere(devstore: Devstore, fields: dict[str, str], reason: str) -> None:
    assert reason in words(devstore.http.post(CLOCK, data=fields))
    assert offset(devstore) == 0


def test_turned_clock_makes_waiting_webhooks_due(devstore: Devstore) -> None:
    devstore.post("knobs", delay_ms=600_000)
    devstore.place()
    assert "3 webhooks wait to be sent." in words(devstore.http.get(CLOCK))
    devstore.http.post(CLOCK, data={"step": "hour"})
    deadline = time.monotonic() + 10
    while len(devstore.app.webhooks()) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(devstore.app.webhooks()) == 3


def test_two_shops_share_the_clock(start: Start) -> None:
    devstore = start("aurora", install=False)
    devstore.http.post(CLOCK, data={"step": "day"})
    harbor = devstore.http.get("/devstore/clock", headers={"Host": "harbor.myshopify.com"}).json()
    assert harbor["offset"] == offset(devstore) == 86400
