"""Every screen at two widths in two languages: nothing scrolls sideways, is cut, overlaps, is tiny or shuts people out.

`make screenshots` also stores the pictures in docs/screenshots/.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from config.env import ROOT
from loyalty.programme import draft_save, programme_publish
from retention_app import clock
from retention_app.models import Customer, Shop, SyncRun
from retention_app.tenancy import shop_scope
from tests.conftest import make_shop
from tests.screens import story
from tests.screens.browser import browser_page, complaints
from tests.screens.conftest import RULES

PICTURES = ROOT / "docs/screenshots"
HEIGHT_MAX = 1500  # of a stored picture
LANGUAGES = {"en": "en", "zh-hant": "zh-Hant"}

# name → shop, path, what to open before looking
SCREENS: dict[str, tuple[str, str, str]] = {
    "home": ("aurora", "/app/", ""),
    "home-definition": ("aurora", "/app/?period=all", "#stat-rcr summary"),
    "home-table": ("aurora", "/app/?period=all", "#rate-question >> xpath=ancestor::figure >> summary"),
    "home-importing": ("importing", "/app/", ""),
    "home-empty": ("empty", "/app/", ""),
    "definitions": ("aurora", "/app/insights/definitions/", ""),
    "customers": ("aurora", "/app/customers/", ""),
    "customers-filtered-empty": ("aurora", "/app/customers/?q=zzz", ""),
    "customers-empty": ("empty", "/app/customers/", ""),
    "customer-points": ("aurora", "/app/customers/{first}/", "button.why >> nth=1"),
    "customer-orders": ("aurora", "/app/customers/{first}/?tab=orders", ""),
    "customer-withheld": ("aurora", "/app/customers/{withheld}/", ""),
    "programme": ("aurora", "/app/loyalty/programme/", ""),
    "programme-none": ("empty", "/app/loyalty/programme/", ""),
    "draft": ("aurora", "/app/loyalty/draft/", ""),
    "draft-error": ("aurora", "/app/loyalty/draft/", "wrong"),
    "review": ("aurora", "/app/loyalty/draft/review/", ""),
    "review-first": ("importing", "/app/loyalty/draft/review/", ""),
    "versions": ("aurora", "/app/loyalty/versions/", ""),
    "not-found": ("aurora", "/app/customers/999999999/", ""),
    "console-login": ("aurora", "/console/login/", ""),
}


@pytest.fixture
def shops(transactional_db: None, work_off: Callable[[], None]) -> dict[str, Shop]:
    """A shop with a programme and a draft, one that is importing, an empty one."""
    shops = {
        "aurora": make_shop("aurora", currency="BRL", timezone="America/Sao_Paulo"),
        "importing": make_shop("importing", currency="USD"),
        "empty": make_shop("empty", currency="TWD", timezone="Asia/Taipei"),
    }
    for name in ("aurora", "importing"):
        with shop_scope(shops[name].id):
            story.tell(shops[name])
            draft_save(shops[name].id, RULES, "42")
    aurora, importing = shops["aurora"], shops["importing"]
    with shop_scope(aurora.id):
        programme_publish(aurora.id, "42", "all", "First rules")
    work_off()
    with shop_scope(aurora.id):
        draft_save(aurora.id, {**RULES, "earn": {"points": 2, "per_minor": 100}}, "42")
    now = clock.now()
    SyncRun.objects.create(
        shop=importing, phase="orders", orders_done=41220, orders_total=69659, started_at=now, due_at=now
    )
    return shops


def people(shop: Shop) -> dict[str, int]:
    """Ids of customers with something to show."""
    with shop_scope(shop.id):
        withheld = Customer.objects.filter(first_name="", email="").values_list("id", flat=True).first()
        first = Customer.objects.order_by("shopify_id").values_list("id", flat=True).first()
    assert first
    assert withheld
    return {"first": first, "withheld": withheld}


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("language", LANGUAGES)
def test_screenshots_show_nothing_wrong(
    shops: dict[str, Shop], live_server: Any, request: pytest.FixtureRequest, language: str, width: int
) -> None:
    store = request.config.getoption("--store-screenshots", default=False)
    ids = people(shops["aurora"])
    found: list[str] = []
    for shop in sorted({shop for shop, _, _ in SCREENS.values()}):
        with browser_page(live_server.url, shops[shop], width=width, language=LANGUAGES[language]) as (page, faults):
            for name, (of, path, opened) in SCREENS.items():
                if of != shop:
                    continue
                page.goto(live_server.url + path.format(**ids), wait_until="load")
                if page.locator("#charts").count():
                    page.wait_for_selector("#charts figure >> nth=1")
                if opened == "wrong":
                    page.fill("#id_earn_points", "x")
                    page.click("#rules button")
                    page.wait_for_selector("#problem")
                elif opened:
                    page.click(opened)
                found += [f"{name}: {complaint}" for complaint in complaints(page, axe=language == "en")]
                if store:
                    height = min(page.evaluate("document.documentElement.scrollHeight"), HEIGHT_MAX)
                    page.screenshot(
                        path=PICTURES / f"{name}-{width}-{LANGUAGES[language]}.png",
                        full_page=True,
                        caret="initial",  # hiding it writes inline styles, which our policy reports
                        clip={"x": 0, "y": 0, "width": width, "height": height},
                    )
            found += faults
    assert not found
