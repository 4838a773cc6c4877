"""The script's two addresses."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from retention_app.models import Shop

pytestmark = pytest.mark.usefixtures("built")


def address(shop: Shop) -> str:
    return f"/storefront/{shop.public_id}.js"


def test_loader_comes_behind_its_settings(client: Client, alpha: Shop, built: Path) -> None:
    answer = client.get(address(alpha))
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    found = re.fullmatch(r"\{const ENCORE=(\{.*?\});(.*)\}", answer.content.decode(), re.S)
    assert found
    public = json.loads(found[1])
    assert public.keys() == {"proxy", "panels", "earn", "login", "register"}
    assert found[2] == (built / "loader.js").read_text()


def test_loader_holds_no_secret(client: Client, alpha: Shop) -> None:
    text = client.get(address(alpha)).content.decode()
    for secret in (settings.SECRET_KEY, settings.SHOPIFY_API_SECRET, settings.SHOPIFY_API_KEY, alpha.domain):
        assert secret not in text


def test_unchanged_loader_is_not_sent_again(client: Client, alpha: Shop) -> None:
    tag = client.get(address(alpha)).headers["ETag"]
    again = client.get(address(alpha), headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")


def test_loader_travels_compressed(client: Client, alpha: Shop) -> None:
    answer = client.get(address(alpha), headers={"Accept-Encoding": "gzip"})
    assert gzip.decompress(answer.content).startswith(b"{const ENCORE=")
    again = client.get(address(alpha), headers={"Accept-Encoding": "gzip", "If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


@pytest.mark.parametrize("public_id", ["unknown", "gone-public-id"])
def test_unknown_and_uninstalled_shops_get_an_empty_script(client: Client, gone: Shop, public_id: str) -> None:
    answer = client.get(f"/storefront/{public_id}.js")
    assert (answer.status_code, answer.content) == (404, b"")
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"


def test_loader_is_only_read(client: Client, alpha: Shop) -> None:
    assert client.post(address(alpha)).status_code == 405


def test_modules_named_by_the_loader_are_kept_for_good(client: Client, alpha: Shop, built: Path) -> None:
    text = client.get(address(alpha)).content.decode()
    urls = re.findall(r"http[^ \"]+\.js", text.partition(";")[0])
    names = [url.split("/")[-2] for url in urls]
    assert names == ["panel.en", "panel.zh-Hans", "panel.zh-Hant", "panel.pt-BR", "panel.es", "earn"]
    for name, url in zip(names, urls, strict=True):
        answer = client.get(url.removeprefix(settings.APP_URL))
        assert answer.content == (built / f"{name}.js").read_bytes()
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_module_of_an_older_build_is_the_present_one_for_minutes(client: Client, built: Path) -> None:
    answer = client.get(reverse("storefront_module", args=["panel.en", "0" * 16]))
    assert answer.content == (built / "panel.en.js").read_bytes()
    assert answer.headers["Cache-Control"] == "public, max-age=300"


@pytest.mark.parametrize("name", ["panel.fr", "loader", "..", "sizes"])
def test_nothing_else_is_a_module(client: Client, name: str) -> None:
    assert client.get(reverse("storefront_module", args=[name, "0" * 16])).status_code == 404
