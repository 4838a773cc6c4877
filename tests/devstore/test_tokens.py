import time

import jwt
import pytest

from tests.devstore.conftest import API_KEY, API_SECRET, Devstore

SHOP = "{ shop { name } }"


def test_exchange_answers_an_expiring_pair(devstore: Devstore) -> None:
    answer = devstore.exchange()
    assert answer.status_code == 200
    body = answer.json()
    assert body["expires_in"] == 3600
    assert body["refresh_token_expires_in"] == 90 * 86400
    assert (
        body["scope"]
        == "read_customers,read_orders,read_all_orders,read_products,write_script_tags,write_discounts,read_themes"
    )
    assert devstore.call(SHOP, token=body["access_token"]).json()["data"]["shop"]["name"] == "CSV"


def test_id_token_has_shopifys_claims(devstore: Devstore) -> None:
    minted = devstore.http.get("/devstore/id-token").json()
    claims = jwt.decode(minted["id_token"], API_SECRET, algorithms=["HS256"], audience=API_KEY)
    assert claims["iss"] == "https://csv.myshopify.com/admin"
    assert claims["dest"] == "https://csv.myshopify.com"
    assert claims["sub"] == str(minted["user"])
    assert claims["exp"] - claims["iat"] == 60
    assert {"nbf", "jti", "sid"} <= claims.keys()


@pytest.mark.parametrize(
    ("changes", "secret"),
    [
        ({"exp": int(time.time()) - 60}, API_SECRET),
        ({"aud": "another-app"}, API_SECRET),
        ({"dest": "https://another.myshopify.com"}, API_SECRET),
        ({"iss": "https://another.myshopify.com/admin"}, API_SECRET),
        ({}, "a-forgers-secret-that-is-long-enough-too"),
    ],
)
def test_bad_id_token_is_refused(devstore: Devstore, changes: dict[str, object], secret: str) -> None:
    good = devstore.http.get("/devstore/id-token").json()["id_token"]
    claims = jwt.decode(good, API_SECRET, algorithms=["HS256"], audience=API_KEY)
    forged = jwt.encode(claims | changes, secret, algorithm="HS256")
    answer = devstore.exchange(subject_token=forged)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_subject_token")


def test_wrong_client_secret_is_refused(devstore: Devstore) -> None:
    answer = devstore.exchange(client_secret="wrong")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_offline_token_must_be_asked_for_as_expiring(devstore: Devstore) -> None:
    assert devstore.exchange(expiring="0").json()["error"] == "invalid_request"


def test_online_token_names_its_user(devstore: Devstore) -> None:
    kind = "urn:shopify:params:oauth:token-type:online-access-token"
    body = devstore.exchange(requested_token_type=kind).json()
    assert body["associated_user"]["account_owner"] is True
    assert body["associated_user"].keys() == {
        "id", "first_name", "last_name", "email", "account_owner", "locale", "collaborator", "email_verified",
    }  # fmt: skip
    assert "refresh_token" not in body


def test_access_token_dies_after_an_hour_of_devstores_clock(devstore: Devstore) -> None:
    token = devstore.token()
    devstore.post("clock", advance=3599)
    assert devstore.call(SHOP, token=token).status_code == 200
    devstore.post("clock", advance=2)
    answer = devstore.call(SHOP, token=token)
    assert answer.status_code == 401
    assert answer.json() == {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"}


def test_refresh_gives_a_new_pair(devstore: Devstore) -> None:
    first = devstore.exchange().json()
    second = devstore.refresh(first["refresh_token"]).json()
    assert second["access_token"] != first["access_token"]
    assert second["refresh_token"] != first["refresh_token"]
    assert devstore.call(SHOP, token=second["access_token"]).status_code == 200


def test_last_refresh_token_works_again_until_the_new_pair_is_used(devstore: Devstore) -> None:
    first = devstore.exchange().json()
    lost = devstore.refresh(first["refresh_token"]).json()
    recovered = devstore.refresh(first["refresh_token"]).json()
    assert devstore.call(SHOP, token=lost["access_token"]).status_code == 401
    assert devstore.call(SHOP, token=recovered["access_token"]).status_code == 200
    dead = devstore.refresh(first["refresh_token"])
    assert (dead.status_code, dead.json()["error"]) == (400, "invalid_grant")


def test_using_the_new_refresh_token_ends_the_old_one(devstore: Devstore) -> None:
    first = devstore.exchange().json()
    second = devstore.refresh(first["refresh_token"]).json()
    assert devstore.refresh(second["refresh_token"]).status_code == 200
    assert devstore.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"


def test_refresh_token_dies_after_ninety_days(devstore: Devstore) -> None:
    first = devstore.exchange().json()
    devstore.post("clock", advance=90 * 86400)
    assert devstore.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"


def test_uninstalling_kills_all_tokens_before_the_webhook(devstore: Devstore) -> None:
    pair = devstore.exchange().json()
    devstore.post("uninstall")
    assert devstore.call(SHOP, token=pair["access_token"]).status_code == 401
    assert devstore.refresh(pair["refresh_token"]).json()["error"] == "invalid_grant"
    devstore.flush()
    ((request, body),) = devstore.app.webhooks("app/uninstalled")
    assert body["myshopify_domain"] == "csv.myshopify.com"
    assert request.headers["x-shopify-shop-domain"] == "csv.myshopify.com"


def test_lost_pair_is_given_again_for_thirty_days_only(devstore: Devstore) -> None:
    first = devstore.exchange().json()
    devstore.refresh(first["refresh_token"])
    devstore.post("clock", advance=30 * 86400 - 60)
    lost = devstore.refresh(first["refresh_token"])
    assert lost.status_code == 200
    devstore.post("clock", advance=30 * 86400 + 60)
    assert devstore.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"
    assert devstore.refresh(lost.json()["refresh_token"]).status_code == 200


def test_only_the_refresh_token_used_last_is_given_another_chance(devstore: Devstore) -> None:
    first = devstore.exchange().json()
    second = devstore.refresh(first["refresh_token"]).json()
    third = devstore.refresh(second["refresh_token"]).json()
    assert devstore.refresh(first["refresh_token"]).status_code == 400
    again = devstore.refresh(second["refresh_token"]).json()
    assert devstore.refresh(third["refresh_token"]).json()["error"] == "invalid_grant"
    assert devstore.call(SHOP, token=again["access_token"]).status_code == 200
    assert devstore.refresh(second["refresh_token"]).json()["error"] == "invalid_grant"
