"""Which language a page speaks, and that it speaks it throughout."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.test import Client

from retention_app.models import Shop, StaffMember
from retention_app.tenancy import shop_scope
from tests.console.conftest import enroll, enter, make_operator, make_row
from tests.screens.conftest import see
from tests.screens.test_activity import delivery, refused
from tests.screens.test_trouble import WAYS_BACK, put_in

NAMES_STAY = {
    "Encore",
    "English",
    "Português",
    "Brasil",
    "Español",
    "Shopify",
    "Ana",
    "Souza",
    "Coffee",
    "Green",
    "tea",
    "Mug",
    "Paper",
    "filters",
    "Grinder",
}
PEOPLE = {"First", "rules", "João", "Lima", "Pedro", "Santos", "Lucas", "Almeida", "Maria", "Oliveira", "Rafaela"}
PEOPLE |= {"Olivia", "Owner", "Beatriz", "Ferreira", "Costa", "Vasconcellos", "Albuquerque", "Jo"}
FOR_SUPPORT = {"AccessDenied", "DiscountCodeBasicCreate", "Malformed", "bring", "call", "code", "customer", "date"}
FOR_SUPPORT |= {"denied", "discount", "loyalty", "nothing", "products", "received", "redact", "says", "script"}
FOR_SUPPORT |= {"tag", "update", "API"}


@pytest.mark.parametrize(
    ("query", "header", "language"),
    [
        ("", "", "en"),
        ("?locale=zh-TW", "", "zh-Hant"),
        ("?locale=zh-Hant", "en", "zh-Hant"),
        ("?locale=pt", "", "pt-BR"),
        ("?locale=zh-CN", "", "zh-Hans"),
        ("?locale=fr", "", "en"),
        ("", "es-MX", "es"),
        ("", "zh-HK,en;q=0.5", "zh-Hant"),
        ("", "fr", "en"),
    ],
)
def test_language_follows_the_platform_then_the_browser(
    alpha: Shop, staff: Client, query: str, header: str, language: str
) -> None:
    html = staff.get(f"/app/insights/definitions/{query}", headers={"Accept-Language": header}).content.decode()
    assert f'<html lang="{language}">' in html


def test_the_switch_is_kept_per_person_and_wins(alpha: Shop, staff: Client, merchant: Callable[[Shop], Client]) -> None:
    answer = staff.post("/app/language/", {"language": "zh-hant", "next": "/app/customers/?q=a"})
    assert (answer.status_code, answer["Location"]) == (303, "/app/customers/?q=a")
    assert "顧客" in staff.get("/app/customers/?locale=en").content.decode()
    with shop_scope(alpha.id):
        StaffMember.objects.update(actor="somebody else")
    assert "Customers" in staff.get("/app/customers/").content.decode()


@pytest.mark.parametrize("target", ["https://evil.example/app/", "//evil.example", "/console/", ""])
def test_the_switch_leads_nowhere_else(alpha: Shop, staff: Client, target: str) -> None:
    assert staff.post("/app/language/", {"language": "en", "next": target})["Location"] == "/app/"


def test_a_language_we_dont_speak_is_404(alpha: Shop, staff: Client) -> None:
    assert staff.post("/app/language/", {"language": "tlh"}).status_code == 404


@pytest.fixture
def lived(programmed: Shop) -> dict[str, int]:
    """A shop with something on every screen. Ids for addresses."""
    delivery(programmed)
    stuck = delivery(programmed, topic="products/update", state="dead", error_class="Malformed", body=b"\xff")
    call = refused(programmed)
    make_row("privacy", programmed)
    make_row("privacy", programmed, state="waiting", kind="customer_redact")
    run = make_row("run", programmed)
    assert call.customer_id
    return {"call": call.pk, "delivery": stuck.pk, "run": run.pk, "person": call.customer_id}


CHINESE, LATIN = ("zh-Hans", "zh-Hant"), ("pt-BR", "es")


def left_in_english(client: Client, path: str, names: set[str]) -> dict[str, set[str]]:
    """By language what a page says in English: words in Chinese ones, else texts that the English page has too.
    `names` stay as they are, and so does what stands as code."""

    def texts(language: str) -> list[str]:
        answer = client.get(path, headers={"Accept-Language": language, "Sec-Fetch-Dest": "iframe"})
        html = re.sub(r"<(code|pre)\b.*?</\1>|ENC-[\w-]+", "", answer.content.decode(), flags=re.DOTALL)
        return see(html).texts

    def words(text: str) -> set[str]:
        return set(re.findall(r"[A-Za-zÀ-ÿ]{3,}", text)) - NAMES_STAY - names

    original = {text for text in texts("en") if len(words(text)) > 1}
    found = {language: words(" ".join(texts(language))) for language in CHINESE}
    found |= {language: original.intersection(texts(language)) for language in LATIN}
    return {language: left for language, left in found.items() if left}


@pytest.mark.parametrize(
    "path",
    [
        "/app/",
        "/app/?period=all",
        "/app/insights/definitions/",
        "/app/customers/?orders=none",
        "/app/customers/{person}/?tab=codes",
        "/app/customers/{person}/code/",
        "/app/activity/",
        "/app/activity/?tab=attention",
        "/app/activity/call-{call}/",
        "/app/activity/received-{delivery}/",
        "/app/loyalty/programme/",
        "/app/loyalty/draft/",
        "/app/loyalty/versions/",
        "/app/settings/",
        "/app/settings/storefront/",
        "/app/start/",
        "/app/settings/privacy/",
        "/app/nowhere/",
    ],
)
def test_no_english_is_left(lived: dict[str, int], staff: Client, path: str) -> None:
    assert not left_in_english(staff, path.format(**lived), PEOPLE | FOR_SUPPORT | {"com", "example"})


@pytest.mark.parametrize("trouble", WAYS_BACK)
def test_no_english_is_left_in_trouble(storied: Shop, staff: Client, trouble: str) -> None:
    put_in(storied, trouble)
    assert not left_in_english(staff, "/app/loyalty/draft/", PEOPLE | {"read", "files"})


@pytest.mark.parametrize(
    "path",
    [
        "/console/",
        "/console/queues/delivery/",
        "/console/queues/delivery/{delivery}/",
        "/console/queues/run/{run}/",
        "/console/queues/run/{run}/drop/",
        "/console/queues/delivery/replay/?kind=products/update&error=Malformed",
        "/console/privacy/",
        "/console/shops/",
        "/console/actions/",
        "/console/account/",
        "/console/account/password/",
        "/console/account/authenticator/remove/",
    ],
)
def test_no_english_is_left_in_the_console(lived: dict[str, int], path: str) -> None:
    ada = make_operator()
    enroll(ada)
    names = FOR_SUPPORT | {"UTC", "ada", "alpha", "com", "example", "myshopify"}
    assert not left_in_english(enter(ada), path.format(**lived), names)


@pytest.mark.parametrize("shop", ["", "harbor.myshopify.com"])
def test_no_english_is_left_on_the_way_to_a_grant(db: None, shop: str) -> None:
    assert not left_in_english(Client(), f"/auth/install?shop={shop}", set())
