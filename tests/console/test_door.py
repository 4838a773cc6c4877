"""Who gets into the console: staff of ours, with a password and a second factor. Nobody else sees any of it."""

from __future__ import annotations

import re

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from retention_app import console_urls
from retention_app.models import OperatorAction, Shop
from tests.conftest import id_token
from tests.console.conftest import PASSWORD, SECRET, code, enroll, enter, make_operator, make_row
from tests.screens.conftest import sane, see

LOGIN = "/console/login/"
OPEN = {"account_login", "account_logout", "mfa_authenticate"}
SETTING_UP = {"mfa_activate_totp", "account_reauthenticate"}


def addresses() -> dict[str, str]:
    """Every address of the console by name, about a row that need not exist."""
    given = {"queue": "delivery", "row_id": 1}
    found = {}
    for pattern in console_urls.urlpatterns:
        named = {name: given[name] for name in pattern.pattern.converters}
        found[str(pattern.name)] = reverse(str(pattern.name), kwargs=named)
    return found


CLOSED = {name: path for name, path in addresses().items() if name not in OPEN}


@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.parametrize("method", ["get", "post"])
def test_every_page_sends_the_logged_out_to_the_login(db: None, name: str, method: str) -> None:
    answer = getattr(Client(), method)(CLOSED[name])
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith(LOGIN)


@pytest.mark.parametrize("name", CLOSED)
def test_a_merchants_token_opens_nothing(alpha: Shop, name: str) -> None:
    token = id_token(alpha)
    for client in (Client(headers={"Authorization": f"Bearer {token}"}), Client()):
        for answer in (client.get(f"{CLOSED[name]}?id_token={token}"), client.post(CLOSED[name], {"id_token": token})):
            assert answer.status_code == 302
            assert answer.headers["Location"].startswith(LOGIN)
    assert not OperatorAction.objects.exists()


@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.parametrize("method", ["get", "post"])
def test_nobody_enters_without_setting_up_a_second_factor(db: None, name: str, method: str) -> None:
    client = Client()
    client.force_login(make_operator())
    answer = getattr(client, method)(CLOSED[name])
    if name in SETTING_UP:
        assert answer.status_code in (200, 302)
    else:
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith("/console/account/authenticator/?next=")


@pytest.mark.parametrize("name", CLOSED)
def test_a_session_that_never_showed_the_factor_is_asked_for_it(user: User, name: str) -> None:
    client = Client()
    client.force_login(user)  # as one that was open before the factor was set up
    answer = client.get(CLOSED[name])
    if name == "mfa_reauthenticate":
        assert answer.status_code == 200
    else:
        assert answer.headers["Location"].startswith("/console/account/confirm/code/?next=")


@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.parametrize("method", ["get", "post"])
def test_whoever_is_not_staff_is_refused(db: None, name: str, method: str) -> None:
    merchant = make_operator("mallory", is_staff=False)
    enroll(merchant)
    answer = getattr(enter(merchant), method)(CLOSED[name])
    assert answer.status_code == 403
    sane(see(answer.content.decode()))


def test_nothing_of_the_console_is_kept_or_framed(operator: Client, alpha: Shop) -> None:
    row = make_row("delivery", alpha)
    for path in (LOGIN, "/console/", "/console/nothing-here/", f"/console/queues/delivery/{row.id}/"):
        answer = operator.get(path)
        assert answer.headers["Cache-Control"] == "no-store"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert "'unsafe-inline'" not in answer.headers["Content-Security-Policy"]


def test_acts_need_a_csrf_token(user: User, alpha: Shop) -> None:
    row = make_row("delivery", alpha)
    client = Client(enforce_csrf_checks=True)
    client.cookies = enter(user).cookies
    for act in ("reveal", "replay", "drop"):
        answer = client.post(f"/console/queues/delivery/{row.id}/{act}/", {"reason": "x"})
        assert answer.status_code == 403
        sane(see(answer.content.decode()))
    assert not OperatorAction.objects.exists()


# --- signing in -------------------------------------------------------------------------------------------------------


def sign_in(client: Client, password: str = PASSWORD) -> str:
    answer = client.post(LOGIN, {"login": "ada@example.com", "password": password})
    return str(answer.headers.get("Location", ""))


def test_the_first_login_leads_through_the_set_up_into_the_console(transactional_db: None) -> None:
    user, client = make_operator(), Client()
    assert sign_in(client) == "/console/"
    page = client.get("/console/", follow=True)
    assert page.redirect_chain == [("/console/account/authenticator/?next=%2Fconsole%2F", 302)]
    seen = see(page.content.decode())
    sane(seen)
    assert 'src="data:image/svg+xml;base64,' in seen.html
    secret = re.search(r'id="totp-secret">([A-Z2-7]+)<', seen.html)
    assert secret
    wrong = client.post("/console/account/authenticator/", {"code": "000000"})
    assert "Incorrect code." in wrong.content.decode()
    done = client.post("/console/account/authenticator/", {"code": code(secret[1])})
    assert done.headers["Location"] == "/console/account/recovery-codes/"
    codes = client.get("/console/account/recovery-codes/")
    assert len(re.findall(r"<li><code>\d{8}</code></li>", codes.content.decode())) == 10
    assert client.get("/console/").status_code == 200
    stored = Authenticator.objects.get(user=user, type="totp").data["secret"]
    assert secret[1] not in stored  # encrypted at rest


def test_a_password_alone_is_not_enough(user: User) -> None:
    client = Client()
    assert sign_in(client) == "/console/login/code/"
    assert client.get("/console/").status_code == 302
    sane(see(client.get("/console/login/code/").content.decode()))
    assert client.post("/console/login/code/", {"code": "123456"}).status_code == 200
    assert client.get("/console/").status_code == 302
    assert client.post("/console/login/code/", {"code": code()}).headers["Location"] == "/console/"
    assert client.get("/console/").status_code == 200


def test_a_code_works_once(user: User) -> None:
    with time_machine.travel("2026-11-22T10:00:01Z", tick=False):
        first, second = Client(), Client()
        for client, worked in ((first, True), (second, False)):
            sign_in(client)
            answer = client.post("/console/login/code/", {"code": code()})
            assert (answer.status_code == 302) is worked


def test_a_recovery_code_signs_in_once(db: None) -> None:
    recovery = enroll(make_operator())
    for worked in (True, False):
        client = Client()
        sign_in(client)
        answer = client.post("/console/login/code/", {"code": recovery[3]})
        assert (answer.status_code == 302) is worked
        assert (client.get("/console/").status_code == 200) is worked


def test_an_old_session_gets_in_by_showing_the_factor(user: User) -> None:
    client = Client()
    client.force_login(user)
    asked = client.get("/console/shops/")
    sane(see(client.get(asked.headers["Location"]).content.decode()))
    answer = client.post(asked.headers["Location"], {"code": code()})
    assert answer.headers["Location"] == "/console/shops/"
    assert client.get("/console/shops/").status_code == 200


def test_another_users_factor_opens_nothing(user: User) -> None:
    other = make_operator("bob")
    client = enter(user)
    client.force_login(other)
    assert client.get("/console/").headers["Location"].startswith("/console/account/authenticator/")


def test_the_login_is_throttled(user: User) -> None:
    for _ in range(5):
        assert "not correct" in Client().post(LOGIN, {"login": "ada@example.com", "password": "no"}).content.decode()
    refused = Client().post(LOGIN, {"login": "ada@example.com", "password": PASSWORD})
    assert "Too many failed login attempts" in refused.content.decode()


def test_codes_are_throttled(user: User) -> None:
    client = Client()
    sign_in(client)
    for _ in range(5):
        client.post("/console/login/code/", {"code": "000000"})
    answer = client.post("/console/login/code/", {"code": code()})
    assert "Too many failed login attempts" in answer.content.decode()


def test_a_flood_of_logins_is_told_to_wait(db: None) -> None:
    for number in range(30):
        Client().post(LOGIN, {"login": f"x{number}@example.com", "password": "no"})
    answer = Client().post(LOGIN, {"login": "x@example.com", "password": "no"})
    assert answer.status_code == 429
    sane(see(answer.content.decode()))


def test_nobody_signs_up(db: None) -> None:
    assert Client().get("/console/signup/").status_code == 404
    assert "Sign up" not in Client().get(LOGIN).content.decode()


def test_signing_out_closes_the_console(operator: Client) -> None:
    assert operator.get("/console/").status_code == 200
    operator.post("/console/logout/")
    assert operator.get("/console/").headers["Location"].startswith(LOGIN)


def test_the_password_is_changed_and_other_sessions_end(user: User, operator: Client) -> None:
    other, new = enter(user), "another long passphrase"
    form = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    weak = operator.post("/console/account/password/", {**form, "password1": "short", "password2": "short"})
    assert "12 characters" in weak.content.decode()
    assert operator.post("/console/account/password/", form).headers["Location"] == "/console/account/"
    assert operator.get("/console/").status_code == 200
    assert other.get("/console/").status_code == 302


def test_replacing_the_app_shuts_the_console_until_another_is_set_up(user: User) -> None:
    client = Client()
    sign_in(client)
    client.post("/console/login/code/", {"code": code()})
    sane(see(client.get("/console/account/").content.decode()))
    sane(see(client.get("/console/account/authenticator/remove/").content.decode()))
    client.post("/console/account/authenticator/remove/")
    assert not Authenticator.objects.filter(user=user).exists()
    assert client.get("/console/").headers["Location"].startswith("/console/account/authenticator/")


def test_what_concerns_the_second_factor_asks_for_the_password_after_a_while(user: User) -> None:
    client = enter(user)  # this session never gave one
    for path in ("recovery-codes/", "recovery-codes/new/", "recovery-codes/file/", "authenticator/remove/"):
        assert client.get(f"/console/account/{path}").headers["Location"].startswith("/console/account/confirm/")
    asked = client.get("/console/account/recovery-codes/").headers["Location"]
    sane(see(client.get(asked).content.decode()))
    assert client.post(asked, {"password": "wrong"}).status_code == 200
    client.post(asked, {"password": PASSWORD})
    codes = client.get("/console/account/recovery-codes/file/").content.decode().split()
    assert len(codes) == 10
    client.post("/console/account/recovery-codes/new/")
    assert client.get("/console/account/recovery-codes/file/").content.decode().split() != codes


def test_secrets_of_the_app_are_never_shown_again(operator: Client) -> None:
    assert SECRET not in operator.get("/console/account/").content.decode()


@pytest.mark.usefixtures("redis_gone")
def test_the_door_opens_and_counts_tries_while_redis_is_out_of_reach(user: User) -> None:
    form = {"login": "eve@example.com", "password": "no", "code": "123456"}
    for path in (reverse(name) for name in sorted(OPEN | SETTING_UP | {"mfa_reauthenticate"})):
        for visitor in (Client(), enter(user)):
            assert visitor.get(path).status_code < 500
            assert visitor.post(path, form).status_code < 500
    client = Client()
    assert sign_in(client) == "/console/login/code/"
    assert client.post("/console/login/code/", {"code": code()}).headers["Location"] == "/console/"
    floods = [Client().post(LOGIN, {"login": f"x{number}@example.com", "password": "no"}) for number in range(30)]
    assert floods[-1].status_code == 429
