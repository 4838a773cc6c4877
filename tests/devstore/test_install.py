from urllib.parse import parse_qs, parse_qsl

import jwt

from devstore import install
from tests.devstore.conftest import API_KEY, API_SECRET, Devstore, Start


def test_query_signature_matches_shopifys_vector() -> None:
    parameters = {"code": "abc", "shop": "bean-shop.myshopify.com", "state": "xyz", "timestamp": "1795255327"}
    assert (
        install.query_signature("hush", parameters)
        == "086ebe9ca17423060752a776e858bc4784d975ac934e197b08711d85cd41ed54"
    )


def test_install_opens_the_app_as_the_admin_does(start: Start) -> None:
    devstore = start("csv", install=False)
    assert devstore.post("install")["ok"] is True
    request, _ = devstore.app.requests[0]
    assert (request.method, request.url.path, request.url.hostname) == ("GET", "/app/", "localhost")
    query = dict(parse_qsl(request.url.query))
    assert query["embedded"] == "1"
    assert query["shop"] == "csv.myshopify.com"
    assert jwt.decode(query["id_token"], API_SECRET, ["HS256"], audience=API_KEY)["dest"] == "https://csv.myshopify.com"
    assert query.pop("hmac") == install.query_signature(API_SECRET, query)


def test_csv_publishes_its_programme_once_by_the_apps_forms(start: Start) -> None:
    devstore = start("csv", install=False)
    answer = devstore.post("install")
    assert answer["programme"] == {"ok": True, "statuses": [200, 200]}
    (draft, draft_body), (review, review_body) = devstore.app.requests[1:]
    assert (draft.method, draft.url.path) == ("POST", "/app/loyalty/draft/")
    assert parse_qs(draft_body.decode()) == {
        "earn_points": ["1"], "earn_per": ["1.00"], "worth_points": ["100"], "worth_amount": ["5.00"],
    }  # fmt: skip
    assert review.url.path == "/app/loyalty/draft/review/"
    assert parse_qs(review_body.decode())["count_past"] == ["all"]
    scheme, token = draft.headers["authorization"].split()
    assert scheme == "Bearer"
    assert jwt.decode(token, API_SECRET, ["HS256"], audience=API_KEY)["iss"] == "https://csv.myshopify.com/admin"
    assert devstore.post("install")["programme"] is None


def test_aurora_leaves_the_programme_to_the_merchant(start: Start) -> None:
    devstore = start("aurora", install=False)
    assert devstore.post("install")["programme"] is None
    assert len(devstore.app.requests) == 1


def test_app_that_is_down_is_said_so(start: Start) -> None:
    devstore = start("csv", install=False)
    devstore.app.status = 500
    answer = devstore.http.post("/devstore/install")
    assert (answer.status_code, answer.json()) == (502, {"ok": False, "status": 500, "programme": None})


def test_reinstalling_renews_everything(devstore: Devstore) -> None:
    old = devstore.token()
    devstore.post("uninstall")
    assert devstore.exchange().json()["error"] == "invalid_request"
    assert devstore.post("install")["ok"] is True
    assert devstore.call("{ shop { id } }", token=old).status_code == 401
    assert devstore.call("{ shop { id } }", token=devstore.token()).status_code == 200


def test_shop_is_chosen_by_host(devstore: Devstore) -> None:
    for host, status in {"csv.myshopify.com": 200, "127.0.0.1:8700": 200, "other.myshopify.com": 404}.items():
        answer = devstore.http.get("/devstore/state", headers={"Host": host})
        assert answer.status_code == status
    state = devstore.http.get("/devstore/state").json()
    assert (state["shop"], state["scenario"], state["installed"]) == ("csv.myshopify.com", "csv", True)
    assert state["counts"]["orders"] == 4


def test_clock_is_told_and_turned(devstore: Devstore) -> None:
    before = devstore.http.get("/devstore/clock").json()
    after = devstore.post("clock", advance=14 * 86400)
    assert after["offset"] == 14 * 86400
    assert after["seconds"] - before["seconds"] >= 14 * 86400
    assert devstore.post("knobs", clock_offset=0)["clock_offset"] == 0


def test_refused_commerce_is_422(devstore: Devstore) -> None:
    for path, body in {
        "orders": {"lines": []},
        "orders/1/cancel": {},
        "customers": {"email": "nobody", "password": "x"},
        "shop": {"domain": "other"},
    }.items():
        answer = devstore.http.post(f"/devstore/{path}", json=body)
        assert answer.status_code == 422, path
        assert answer.json()["error"]


def test_back_dated_and_test_orders(devstore: Devstore) -> None:
    order = devstore.place(processed_at="2026-01-01T00:00:00+02:00", test=True, pay=False)
    assert order["processed_at"] == "2025-12-31T22:00:00Z"
    assert order["created_at"] > "2026-11"
    assert (order["test"], order["financial_status"]) == (True, "PENDING")
    assert devstore.post(f"orders/{order['id']}/pay")["financial_status"] == "PAID"
