"""New customer accounts: signing in with a code, who that is, and the switch between the two kinds."""

from typing import Any

import pytest

from devstore.web.proxy import signature
from tests.devstore.conftest import API_SECRET, Devstore

LOGIN = "/customer_authentication/login"
READ = """
{ shop { customerAccountsV2 {
  customerAccountsVersion loginLinksVisibleOnStorefrontAndCheckout loginRequiredAtCheckout url
} } }
"""


@pytest.fixture
def new(devstore: Devstore) -> Devstore:
    """A shop that has just got new customer accounts."""
    devstore.post("shop", customer_accounts="NEW_CUSTOMER_ACCOUNTS")
    devstore.flush()
    return devstore


def ask(devstore: Devstore, email: str, return_to: str = "") -> str:
    """Ask for a code; answers it."""
    page = devstore.http.post(f"{LOGIN}?return_to={return_to}", data={"email": email})
    assert page.url.path == "/customer_authentication/code"
    return str(devstore.get("mails")["mails"][0]["code"])


def sign_in(devstore: Devstore, email: str, return_to: str = "") -> Any:
    return devstore.http.post("/customer_authentication/code", data={"code": ask(devstore, email, return_to)})


def test_switch_is_seen_by_the_app(new: Devstore) -> None:
    ((_, told),) = new.app.webhooks("customer_account_settings/update")
    url = f"https://{new.shop.domain}/{new.shop.id}/account"
    assert told == {
        "url": url,
        "customer_accounts_version": "new_customer_accounts",
        "login_required_at_checkout": False,
        "login_links_visible_on_storefront_and_checkout": True,
    }
    assert new.query(READ)["shop"]["customerAccountsV2"] == {
        "customerAccountsVersion": "NEW_CUSTOMER_ACCOUNTS",
        "loginLinksVisibleOnStorefrontAndCheckout": True,
        "loginRequiredAtCheckout": False,
        "url": url,
    }
    assert "no accounts version" in new.refused("shop", customer_accounts="OTHER")
    new.http.post("/devstore/staff/store", data={"customer_accounts": "CLASSIC"})
    new.flush()
    assert new.app.webhooks("customer_account_settings/update")[-1][1]["customer_accounts_version"] == "classic"
    assert new.query(READ)["shop"]["customerAccountsV2"]["customerAccountsVersion"] == "CLASSIC"


def test_first_sign_in_makes_a_customer_whom_the_proxy_names(new: Devstore) -> None:
    account = sign_in(new, "Nova@Example.com")
    assert account.url.path == f"/{new.shop.id}/account"
    assert "nova@example.com" in account.text
    (customer,) = new.get("customers", limit=1)["customers"]
    assert (customer["email"], customer["state"]) == ("nova@example.com", "ENABLED")
    new.http.get("/apps/encore/wallet")
    asked = new.app.requests[-1][0].query_params
    assert asked["logged_in_customer_id"] == str(customer["id"])
    own = [(name, value) for name, value in asked.multi_items() if name != "signature"]
    assert asked["signature"] == signature(own, API_SECRET)
    new.flush()
    assert [told["id"] for _, told in new.app.webhooks("customers/create")] == [customer["id"]]
    new.http.post("/account/logout")
    new.http.get("/apps/encore/wallet")
    assert new.app.requests[-1][0].query_params["logged_in_customer_id"] == ""


def test_a_guest_who_bought_is_the_same_customer(new: Devstore) -> None:
    order = new.place(email="guest@example.com")
    sign_in(new, "guest@example.com")
    found = {each["email"]: each for each in new.get("customers")["customers"]}
    assert found["guest@example.com"]["id"] == order["customer_id"]
    assert found["guest@example.com"]["state"] == "ENABLED"
    assert order["name"] in new.http.get(f"/{new.shop.id}/account").text


def test_storefront_login_leads_back_and_account_login_to_the_account(new: Devstore) -> None:
    assert "return_to=%2Fcart" in new.http.get("/cart").text
    assert sign_in(new, "a@example.com", "/cart").url.path == "/cart"
    assert new.http.get(f"{LOGIN}?return_to=/cart").url.path == "/cart"
    new.http.post("/account/logout")
    for path in ("/account/login?return_to=/cart", "/account/register", "/account", f"/{new.shop.id}/account"):
        assert new.http.get(path).url.path == LOGIN
    assert sign_in(new, "a@example.com", "//evil.example").url.path == f"/{new.shop.id}/account"
    assert new.http.get("/1/account").status_code == 404


def test_a_code_is_good_once_for_ten_minutes_and_five_tries(new: Devstore) -> None:
    first = ask(new, "a@example.com")
    second = ask(new, "a@example.com")
    for wrong in {first, "000000", ""} - {second}:
        assert new.http.post("/customer_authentication/code", data={"code": wrong}).status_code == 422
    assert new.http.post("/customer_authentication/code", data={"code": second}).status_code == 200
    new.http.post("/account/logout")
    late = ask(new, "a@example.com")
    new.post("clock", advance=601)
    assert new.http.post("/customer_authentication/code", data={"code": late}).status_code == 422
    tried = ask(new, "a@example.com")
    for _ in range(5):
        new.http.post("/customer_authentication/code", data={"code": "x"})
    assert new.http.post("/customer_authentication/code", data={"code": tried}).status_code == 422


def test_account_pages_have_nothing_of_apps_in_them(new: Devstore) -> None:
    new.post("themes/blocks", block="embed", on=True)
    tag = 'mutation { scriptTagCreate(input: {src: "https://encore.example/l.js"}) { scriptTag { id } } }'
    new.query(tag)
    assert "l.js" in new.http.get("/").text
    pages = [new.http.get(LOGIN).text, new.http.post(LOGIN, data={"email": "a@example.com"}).text]
    pages.append(sign_in(new, "a@example.com").text)
    for page in pages:
        assert "<script" not in page
        assert "shopify-block" not in page


def test_classic_accounts_take_the_same_link(devstore: Devstore) -> None:
    page = devstore.http.get(f"{LOGIN}?return_to=/cart")
    assert page.url.path == "/account/login"
    assert 'name="return_to" value="/cart"' in page.text
    assert devstore.http.get("/customer_authentication/code").url.path == "/account/login"
