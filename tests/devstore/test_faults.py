"""What can be made to go wrong between app and shop: lost answers, withheld data, lost scopes, closed and renamed
shops, dead tokens."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tests.devstore.conftest import API_KEY, API_SECRET, ORDERS, ROOT, TOML, Devstore
from tests.devstore.test_discounts import BY_CODE, CREATE, DEACTIVATE, draft

CUSTOMER = """
query ($id: ID!) {
  customer(id: $id) {
    id firstName lastName displayName email phone numberOfOrders
    defaultEmailAddress { emailAddress } defaultAddress { address1 city zip name }
  }
}
"""
SHOP = "{ shop { name } }"


def errors(answer: httpx.Response) -> list[Any]:
    assert answer.status_code == 200
    return list(answer.json()["errors"])


# --- lost answers -------------------------------------------------------------------------------------------------


def test_work_is_done_whose_answer_is_lost(devstore: Devstore) -> None:
    token = devstore.token()
    with pytest.raises(ConnectionAbortedError):
        devstore.call(
            CREATE, {"basicCodeDiscount": draft()}, token=token, **{"X-Devstore-Knobs": '{"timeout_after_work": 1}'}
        )
    assert devstore.query(BY_CODE, {"code": "RW-7K2Q9F"})["codeDiscountNodeByCode"]["id"]
    (lost,) = (each for each in devstore.log("graphql") if each.get("created"))
    assert (lost["status"], lost["created"]) == (None, ["RW-7K2Q9F"])


def test_pair_whose_answer_is_lost_is_given_again(devstore: Devstore) -> None:
    first = devstore.exchange().json()
    devstore.post("knobs", timeout_after_work=1)
    with pytest.raises(ConnectionAbortedError):
        devstore.refresh(first["refresh_token"])
    devstore.post("knobs", timeout_after_work=0)
    recovered = devstore.refresh(first["refresh_token"]).json()
    assert devstore.call(SHOP, token=recovered["access_token"]).status_code == 200
    assert [each["status"] for each in devstore.log("token")][-2:] == [None, 200]


@pytest.fixture
def served(tmp_path: Path, schema_file: Path) -> Iterator[str]:
    """The URL of a devstore that runs as a program, as people start it."""
    (tmp_path / "app.toml").write_text(TOML)
    (tmp_path / "orders.csv").write_text(ORDERS)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "devstore", "--scenario", "csv", "--file", str(tmp_path / "orders.csv")]
    command += ["--port", str(port), "--state", str(tmp_path / "state"), "--app-toml", str(tmp_path / "app.toml")]
    command += ["--schema", str(schema_file), "--app-url", "http://localhost:9"]
    env = {**os.environ, "SHOPIFY_API_KEY": API_KEY, "SHOPIFY_API_SECRET": API_SECRET}
    process = subprocess.Popen(command, cwd=ROOT, env=env)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                httpx.get(f"{url}/devstore/state", timeout=5)
                break
            except httpx.TransportError:
                assert process.poll() is None, "devstore did not start"
                assert time.monotonic() < deadline, "devstore did not answer"
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def test_connection_is_dropped_after_the_wait_and_the_next_one_served(served: str) -> None:
    call = f"{served}/admin/api/2026-10/graphql.json"
    began = time.monotonic()
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        httpx.post(
            call, json={"query": SHOP}, headers={"X-Devstore-Knobs": '{"timeout_after_work": 1, "hang_ms": 300}'}
        )
    assert time.monotonic() - began >= 0.3
    with httpx.Client() as client:
        assert client.post(call, json={"query": SHOP}).status_code == 401
        assert client.post(call, json={"query": SHOP}).status_code == 401
    statuses = [each["status"] for each in httpx.get(f"{served}/devstore/log?kind=graphql").json()["entries"]]
    assert statuses == [None, 401, 401]


# --- withheld data and scopes ---------------------------------------------------------------------------------------


def test_withheld_fields_are_null_and_each_says_why(devstore: Devstore) -> None:
    new = devstore.post("customers", email="ana@example.com", password="secret", first_name="Ana", last_name="P.")
    devstore.post("knobs", withheld=1)
    answer = devstore.call(CUSTOMER, {"id": f"gid://shopify/Customer/{new['id']}"}, token=devstore.token())
    denied = {error["path"][-1]: error for error in errors(answer)}
    assert denied.keys() == {"firstName", "lastName", "email", "phone", "defaultEmailAddress"}
    assert denied["email"]["extensions"]["code"] == "ACCESS_DENIED"
    assert "not approved to use the email field" in denied["email"]["message"]
    read = answer.json()["data"]["customer"]
    assert (read["firstName"], read["email"], read["defaultEmailAddress"]) == (None, None, None)
    assert (read["id"], read["numberOfOrders"]) == (f"gid://shopify/Customer/{new['id']}", "0")


def test_withheld_data_is_not_in_webhooks_either(devstore: Devstore) -> None:
    devstore.post("knobs", withheld=1)
    devstore.post("customers", email="ana@example.com", password="secret", first_name="Ana")
    order = devstore.place(email="ana@example.com")
    devstore.flush()
    ((_, customer),) = devstore.app.webhooks("customers/create")
    assert (customer["email"], customer["first_name"]) == (None, None)
    body = devstore.app.webhooks("orders/create")[0][1]
    assert (body["name"], body["email"], body["customer"]["email"]) == (order["name"], None, None)
    assert b"ana@example.com" not in b"".join(raw for _, raw in devstore.app.requests)


def test_bulk_file_has_nulls_where_data_is_withheld(devstore: Devstore) -> None:
    devstore.post("knobs", withheld=1)
    run = 'mutation { bulkOperationRunQuery(query: "{ customers { nodes { id email } } }") { bulkOperation { id } } }'
    number = devstore.query(run)["bulkOperationRunQuery"]["bulkOperation"]["id"]
    read = "query ($id: ID!) { bulkOperation(id: $id) { status url } }"
    for _ in range(100):
        operation = devstore.query(read, {"id": number})["bulkOperation"]
        if operation["status"] not in ("CREATED", "RUNNING"):
            break
        time.sleep(0.05)
    assert operation["status"] == "COMPLETED"
    lines = devstore.http.get(operation["url"]).text.splitlines()
    assert [orjson.loads(line)["email"] for line in lines] == [None, None]


def test_scopes_taken_away_are_missed_by_tokens_that_are_out(devstore: Devstore) -> None:
    token, renew = devstore.token(), devstore.exchange().json()["refresh_token"]
    assert devstore.post("scopes", scopes=["read_orders", "read_discounts"]) == {
        "scopes": ["read_orders", "read_discounts"]
    }
    (error,) = errors(devstore.call(CREATE, {"basicCodeDiscount": draft()}, token=token))
    assert error["extensions"]["code"] == "ACCESS_DENIED"
    assert "`write_discounts`" in error["message"]
    (error,) = errors(devstore.call(DEACTIVATE, {"id": "gid://shopify/DiscountCodeNode/1"}, token=token))
    assert "`write_discounts`" in error["message"]
    assert "errors" not in devstore.call(BY_CODE, {"code": "none"}, token=token).json()
    assert devstore.refresh(renew).json()["scope"] == "read_orders,read_discounts"
    devstore.post("scopes", scopes=["read_orders"])
    (error,) = errors(devstore.call(BY_CODE, {"code": "none"}, token=token))
    assert "`read_discounts`" in error["message"]


def test_change_of_scopes_is_told_once(devstore: Devstore) -> None:
    before = devstore.shop.document["scopes"]
    for _ in range(2):
        devstore.post("scopes", scopes=["read_orders"])
    devstore.flush()
    ((_, body),) = devstore.app.webhooks("app/scopes_update")
    assert body.keys() == {"id", "shop_id", "previous", "current", "updated_at"}
    assert body["shop_id"] == f"gid://shopify/Shop/{devstore.shop.id}"
    assert (body["previous"], body["current"]) == (before, ["read_orders"])
    devstore.post("install")
    assert devstore.shop.document["scopes"] == before


@pytest.mark.parametrize("scopes", ["read_orders", [1], ["read orders"], None])
def test_senseless_scopes_are_refused(devstore: Devstore, scopes: Any) -> None:
    assert "list of names" in devstore.refused("scopes", scopes=scopes)


# --- the shop itself ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "code"), [("frozen", 402), ("locked", 423)])
def test_closed_shop_answers_no_call_until_it_opens(devstore: Devstore, status: str, code: int) -> None:
    token = devstore.token()
    devstore.post("shop", status=status)
    assert devstore.call(SHOP, token=token).status_code == code
    assert devstore.exchange().status_code == code
    assert devstore.log("graphql")[-1]["status"] == code
    devstore.post("shop", status="open")
    assert devstore.call(SHOP, token=token).status_code == 200


def test_renamed_shop_answers_at_its_new_domain_only(devstore: Devstore) -> None:
    token, number = devstore.token(), devstore.shop.id
    devstore.post("shop", handle="new-name")
    assert devstore.call(SHOP, token=token).status_code == 404
    assert devstore.call(SHOP, token=token, Host="new-name.myshopify.com").status_code == 200
    state = devstore.http.get("/devstore/state", headers={"Host": "127.0.0.1:8700"}).json()
    assert (state["shop"], devstore.shop.id) == ("new-name.myshopify.com", number)
    devstore.http.post("/devstore/webhooks/flush", headers={"Host": "127.0.0.1"})
    ((request, body),) = devstore.app.webhooks("shop/update")
    assert request.headers["x-shopify-shop-domain"] == "new-name.myshopify.com"
    assert (body["id"], body["myshopify_domain"]) == (number, "new-name.myshopify.com")


@pytest.mark.parametrize(
    "settings", [{"handle": "New Name"}, {"handle": ""}, {"status": "gone"}, {"plan": "huge"}, {"currency": "USD"}]
)
def test_senseless_settings_are_refused(devstore: Devstore, settings: dict[str, Any]) -> None:
    devstore.refused("shop", **settings)
    assert (devstore.shop.handle, devstore.shop.status, devstore.shop.currency) == ("csv", "open", "EUR")


def test_dead_access_token_leaves_the_refresh_token_alive(devstore: Devstore) -> None:
    pair = devstore.exchange().json()
    assert devstore.post("tokens/revoke", access=True)["refresh"] == 0
    assert devstore.call(SHOP, token=pair["access_token"]).status_code == 401
    assert devstore.refresh(pair["refresh_token"]).status_code == 200


def test_dead_refresh_token_leaves_the_access_token_alive(devstore: Devstore) -> None:
    pair = devstore.exchange().json()
    assert devstore.post("tokens/revoke", refresh=True) == {"access": 0, "refresh": 1}
    assert devstore.refresh(pair["refresh_token"]).json()["error"] == "invalid_grant"
    assert devstore.call(SHOP, token=pair["access_token"]).status_code == 200


def test_both_tokens_die_together(devstore: Devstore) -> None:
    pair = devstore.exchange().json()
    assert devstore.post("tokens/revoke") == {"access": 1, "refresh": 1}
    assert devstore.call(SHOP, token=pair["access_token"]).status_code == 401
    assert devstore.refresh(pair["refresh_token"]).status_code == 400
    assert devstore.call(SHOP, token=devstore.token()).status_code == 200
