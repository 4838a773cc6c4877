"""Which language a page speaks, and that it speaks it throughout."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.test import Client

from retention_app.models import Shop, StaffPreference
from retention_app.tenancy import shop_scope
from tests.screens.conftest import see

NAMES_STAY = {
    "Encore",
    "English",
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


@pytest.mark.parametrize(
    ("query", "header", "language"),
    [
        ("", "", "en"),
        ("?locale=zh-TW", "", "zh-Hant"),
        ("?locale=zh-Hant", "en", "zh-Hant"),
        ("?locale=fr", "", "en"),
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
        StaffPreference.objects.update(actor="somebody else")
    assert "Customers" in staff.get("/app/customers/").content.decode()


@pytest.mark.parametrize("target", ["https://evil.example/app/", "//evil.example", "/console/", ""])
def test_the_switch_leads_nowhere_else(alpha: Shop, staff: Client, target: str) -> None:
    assert staff.post("/app/language/", {"language": "en", "next": target})["Location"] == "/app/"


def test_a_language_we_dont_speak_is_404(alpha: Shop, staff: Client) -> None:
    assert staff.post("/app/language/", {"language": "tlh"}).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/app/",
        "/app/?period=all",
        "/app/insights/definitions/",
        "/app/customers/?orders=none",
        "/app/loyalty/programme/",
        "/app/loyalty/draft/",
        "/app/loyalty/versions/",
        "/app/nowhere/",
    ],
)
def test_no_english_is_left_in_chinese(programmed: Shop, staff: Client, path: str) -> None:
    text = see(staff.get(path, headers={"Accept-Language": "zh-Hant"}).content.decode()).text
    words = set(re.findall(r"[A-Za-z]{3,}", text)) - NAMES_STAY
    people = {"First", "rules", "João", "Lima", "Pedro", "Santos", "Lucas", "Almeida", "Maria", "Oliveira", "Rafaela"}
    people |= {"Beatriz", "Ferreira", "Costa", "Vasconcellos", "Albuquerque", "Jo"}
    assert not words - people
