"""What keeps Encore out is said on every page, with what it means and a way back; the numbers stay."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import expect

from retention_app import clock
from retention_app.models import Shop
from tests.screens.browser import browser_page, complaints
from tests.screens.conftest import sane, see
from tests.screens.test_pages import PAGES, queries_of
from tests.screens.test_screenshots import shops

__all__ = ["shops"]  # the fixture

WAYS_BACK = {
    "reauthorize": ("Encore has had no access to your store since", "Open Encore again"),
    "scopes": ("Encore lacks permissions in your store.", "Approve permissions"),
    "frozen": ("Your store has been closed to apps since", "Check again"),
}


def put_in(shop: Shop, trouble: str) -> None:
    missing = "read_orders,write_script_tags,read_files" if trouble == "scopes" else ""
    Shop.objects.filter(id=shop.id).update(trouble=trouble, trouble_since=clock.now(), missing_scopes=missing)


@pytest.mark.parametrize("path", [*PAGES, "/app/customers/999999999/"])
@pytest.mark.parametrize("trouble", WAYS_BACK)
def test_every_page_says_it_and_shows_what_is_stored(programmed: Shop, staff: Client, path: str, trouble: str) -> None:
    before = see(staff.get(path).content.decode())
    put_in(programmed, trouble)
    seen = see(staff.get(path).content.decode())
    happened, button = WAYS_BACK[trouble]
    assert happened in seen.text
    assert "othing is lost" in seen.text
    assert button in seen.text
    assert before.headings == seen.headings
    sane(seen)
    if path in PAGES:
        assert queries_of(staff, path) <= PAGES[path]


def test_no_page_says_so_when_all_is_well(programmed: Shop, staff: Client) -> None:
    assert 'id="trouble"' not in staff.get("/app/").content.decode()


def test_missing_permissions_are_named_as_people_call_them(alpha: Shop, staff: Client) -> None:
    put_in(alpha, "scopes")
    seen = see(staff.get("/app/start/").content.decode())
    assert "Missing: seeing orders, the rewards button on your storefront, read_files." in seen.text
    assert f'href="/auth/install?shop={alpha.domain}" hx-boost="false" target="_top"' in seen.html


def test_looking_again_comes_back_to_the_page(alpha: Shop, staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    put_in(alpha, "frozen")
    asked = []
    monkeypatch.setattr("retention_app.views.admin.shop_reread", lambda *, shop_id: asked.append(shop_id))
    html = staff.get("/app/customers/?q=a").content.decode()
    assert '<input type="hidden" name="next" value="/app/customers/?q=a">' in html
    answer = staff.post("/app/trouble/", {"next": "/app/customers/?q=a"}, headers={"HX-Request": "true"})
    assert '"/app/customers/?q=a"' in answer.headers["HX-Location"]
    assert "Encore is back" in answer.headers["HX-Trigger"]
    away = staff.post("/app/trouble/", {"next": "https://evil.example.com/app/"})
    assert (away.status_code, away.headers["Location"]) == (303, "/app/")
    assert asked == [alpha.id, alpha.id]


def test_a_browser_shows_it_whole_and_leads_out_of_the_frame(shops: dict[str, Shop], live_server: Any) -> None:
    base = live_server.url
    for trouble, (happened, button) in WAYS_BACK.items():
        put_in(shops["aurora"], trouble)
        for width in (390, 1280):
            with browser_page(base, shops["aurora"], framed=True, width=width) as (page, faults):
                page.goto(f"{base}/app/customers/")
                expect(page.locator("#trouble")).to_contain_text(happened)
                expect(page.locator("#trouble").get_by_text(button, exact=True)).to_be_visible()
                assert not complaints(page)
                assert not faults
                if trouble == "scopes":
                    assert page.get_by_role("link", name=button).get_attribute("target") == "_top"
