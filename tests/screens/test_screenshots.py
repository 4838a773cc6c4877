"""Every screen at two widths in each language: nothing scrolls sideways, is cut, overlaps, is tiny or shuts people out.

`make test` looks in two languages, `make screenshots` in all and stores the pictures in docs/screenshots/.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from config.env import ROOT
from loyalty.approvals import adjustment_ask
from loyalty.models import AdjustmentRequest, Setup
from loyalty.programme import draft_save, programme_publish
from loyalty.simulation import simulation_request
from loyalty.staff import Points
from loyalty.start import document_proposed
from retention_app import clock
from retention_app.api.keys import api_key_create, api_key_revoke
from retention_app.models import (
    ApiKey,
    Customer,
    DiscountCode,
    FailedTry,
    Order,
    Outbound,
    PrivacyRequest,
    Reconciliation,
    Shop,
    StaffMember,
    SyncRun,
    WebhookDelivery,
)
from retention_app.offers.codes import discount_code_give
from retention_app.privacy.requests import request_work
from retention_app.services.staff import staff_change
from retention_app.tenancy import shop_scope
from tests.conftest import make_shop, make_staff
from tests.screens import story
from tests.screens.browser import browser_page, complaints
from tests.screens.conftest import RULES
from tests.screens.kept import told_once
from tests.storefront.resting import STILL

PICTURES = ROOT / "docs/screenshots"
HEIGHT_MAX = 1500  # of a stored picture
LANGUAGES = ("en", "zh-Hans", "zh-Hant", "pt-BR", "es")
WIDTHS = (390, 1280)
SPOKEN = ("en", "pt-BR")  # with every change: the one we write in, the one that takes the most room

# name → shop, path, what to open before looking
SCREENS: dict[str, tuple[str, str, str]] = {
    "home": ("aurora", "/app/", ""),
    "home-definition": ("aurora", "/app/?period=all", "#stat-rcr summary"),
    "home-table": ("aurora", "/app/?period=all", "#rate-question >> xpath=ancestor::figure >> summary"),
    "home-importing": ("importing", "/app/", ""),
    "home-empty": ("empty", "/app/", ""),
    "definitions": ("aurora", "/app/insights/definitions/", ""),
    "customers": ("aurora", "/app/customers/", ""),
    "customers-filtered": ("aurora", "/app/customers/?q=cust&orders=repeat&last=90&sort=points", ""),
    "customers-filtered-empty": ("aurora", "/app/customers/?q=zzz", ""),
    "customers-empty": ("empty", "/app/customers/", ""),
    "customer-points": ("aurora", "/app/customers/{first}/", "button.why >> nth=1"),
    "customer-orders": ("aurora", "/app/customers/{first}/?tab=orders", ""),
    "customer-withheld": ("aurora", "/app/customers/{withheld}/", ""),
    "customer-codes": ("aurora", "/app/customers/{first}/?tab=codes", ""),
    "customer-adjust": ("aurora", "/app/customers/{first}/adjust/", ""),
    "customer-tier": ("aurora", "/app/customers/{first}/tier/", ""),
    "code": ("aurora", "/app/customers/{first}/code/", ""),
    "code-error": ("aurora", "/app/customers/{first}/code/", "unfilled"),
    "activity": ("aurora", "/app/activity/", ""),
    "activity-attention": ("aurora", "/app/activity/?tab=attention", ""),
    "activity-item": ("aurora", "/app/activity/call-{call}/", ".chart-table summary"),
    "activity-quiet": ("empty", "/app/activity/", ""),
    "programme": ("aurora", "/app/loyalty/programme/", ""),
    "programme-none": ("empty", "/app/loyalty/programme/", ""),
    "draft": ("aurora", "/app/loyalty/draft/", ""),
    "draft-error": ("aurora", "/app/loyalty/draft/", "wrong"),
    "review": ("aurora", "/app/loyalty/draft/review/", ""),
    "review-first": ("importing", "/app/loyalty/draft/review/", ""),
    "moves": ("aurora", "/app/loyalty/draft/review/moves/", ""),
    "versions": ("aurora", "/app/loyalty/versions/", ""),
    "version": ("aurora", "/app/loyalty/versions/1/", ""),
    "tiers": ("aurora", "/app/loyalty/tiers/", ""),
    "tiers-none": ("empty", "/app/loyalty/tiers/", ""),
    "liability": ("aurora", "/app/insights/liability/", ""),
    "liability-empty": ("empty", "/app/insights/liability/", ""),
    "start-store": ("empty", "/app/start/", ""),
    "start-points": ("importing", "/app/start/?step=2", ""),
    "start-tiers": ("importing", "/app/start/?step=3", ""),
    "start-waiting": ("importing", "/app/start/?step=4", ""),
    "start-launch": ("importing", "/app/start/?step=5", ""),
    "storefront": ("aurora", "/app/settings/storefront/", ""),
    "settings": ("aurora", "/app/settings/", ""),
    "store": ("aurora", "/app/settings/store/", ""),
    "staff": ("aurora", "/app/settings/staff/", ""),
    "staff-person": ("aurora", "/app/settings/staff/{staff}/", ""),
    "languages": ("aurora", "/app/settings/languages/", ""),
    "audit": ("aurora", "/app/settings/audit/", ""),
    "approval": ("aurora", "/app/activity/approval-{asked}/", ""),
    "api-keys": ("aurora", "/app/settings/api-keys/", ""),
    "api-key-new": ("aurora", "/app/settings/api-keys/new/", ""),
    "api-key-made": ("aurora", "/app/settings/api-keys/new/", "made"),
    "privacy": ("aurora", "/app/settings/privacy/", ""),
    "privacy-empty": ("empty", "/app/settings/privacy/", ""),
    "not-found": ("aurora", "/app/customers/999999999/", ""),
    "api-docs": ("empty", "/api/docs/", ""),
    "refused": ("empty", "/auth/install?shop=nobody", ""),
    "nowhere": ("empty", "/nowhere/", ""),
    "console-login": ("aurora", "/console/login/", ""),
}

TIERED = {
    **RULES,
    "waiting": {"days": 14, "after": "payment"},
    "tiers": {
        "by": "spend",
        "period": "rolling_year",
        "grace_days": 30,
        "hold_days": 0,
        "protect_until": None,
        "levels": [
            {"key": "silver", "name": "Silver", "from": 7_000, "percent": 100},
            {"key": "gold", "name": "Gold", "from": 20_000, "percent": 100},
            {"key": "vip", "name": "VIP", "from": 100_000, "percent": 200},
        ],
    },
}
MORE = {
    "earn": {"points": 2, "per_minor": 100},
    "bonuses": {"order": {"from_minor": 20000, "points": 50}, "first_order": None},
    "multipliers": [
        {
            "key": "coffee",
            "label": "tag:coffee",
            "name": "Coffee",
            "percent": 200,
            "from": "2026-12-01T03:00:00+00:00",
            "until": "2027-01-01T03:00:00+00:00",
        }
    ],
}


@pytest.fixture
def shops(transactional_db: None, work_off: Callable[[], None]) -> dict[str, Shop]:
    """A shop with a programme and a draft, one that is importing, an empty one."""
    shops = {
        "aurora": make_shop("aurora", currency="BRL", timezone="America/Sao_Paulo"),
        "importing": make_shop("importing", currency="USD"),
        "empty": make_shop("empty", currency="TWD", timezone="Asia/Taipei"),
    }
    aurora, importing = shops["aurora"], shops["importing"]

    def tell_importing() -> None:
        with shop_scope(importing.id):
            story.tell(importing)
            draft_save(importing.id, document_proposed("USD", 3589), "42")
        work_off()

    def tell_aurora() -> None:
        with shop_scope(aurora.id):
            story.tell(aurora)
            draft_save(aurora.id, TIERED, "42")
            programme_publish(aurora.id, "42", "all", "First rules")
        work_off()
        with shop_scope(aurora.id):
            draft = draft_save(aurora.id, {**TIERED, **MORE}, "42")
            simulation_request(aurora.id, draft.document)
        work_off()

    told_once("importing", importing, tell_importing)
    told_once("aurora", aurora, tell_aurora)
    for name, step in (("importing", 5), ("empty", 1)):
        with shop_scope(shops[name].id):
            Setup.objects.create(shop=shops[name], step=step, opened_at=clock.now())
    Shop.objects.filter(id=aurora.id).update(
        storefront_driver="app_embed",
        storefront_theme={"name": "Dawn", "embed": False, "read_at": clock.now().isoformat()},
        storefront_seen={"products": clock.now().isoformat()},
    )
    now = clock.now()
    SyncRun.objects.create(
        shop=importing, phase="orders", orders_done=41220, orders_total=69659, started_at=now, due_at=now
    )
    _activity(aurora)
    _privacy(aurora)
    _keys(aurora)
    _staff(aurora)
    return shops


def _staff(shop: Shop) -> None:
    """A manager, somebody of support who asks for more than their limit, somebody whose name isn't known yet."""
    make_staff(shop, "77", "support", "Bruno Lima", email="bruno@aurora.example", points_limit=200)
    make_staff(shop, "78", "manager", "Carla Nogueira de Albuquerque")
    make_staff(shop, "548380009", "viewer")
    with shop_scope(shop.id):
        person = Customer.objects.order_by("shopify_id").first()
        assert person
        wanted = Points(1200, "late", "Parcel 7 took five weeks")
        adjustment_ask(shop=shop, customer=person, wanted=wanted, actor="77", key="screens")
        staff_change(person=StaffMember.objects.get(actor="78"), role="manager", points_limit=3_000, actor="42")


def _keys(shop: Shop) -> None:
    """A key that reads, one that also writes, one that was revoked."""
    with shop_scope(shop.id):
        for name, codes in (("Old till", ["points:read"]), ("Newsletter", ["points:read", "customers:read"])):
            key, _token = api_key_create(shop=shop, name=name, scopes=codes, actor="77")
            ApiKey.objects.filter(id=key.id).update(last_used_at=clock.now())
        api_key_revoke(key=ApiKey.objects.get(name="Old till"), actor="42")
        api_key_create(shop=shop, name="Stock system", scopes=["points:read", "points:write"], actor="42")


def _privacy(shop: Shop) -> None:
    """A customer's file to fetch, an erasure that is done, one under way, one that failed."""
    now = clock.now()
    with shop_scope(shop.id):
        first = Customer.objects.order_by("shopify_id").first()
        assert first
        for number, (kind, state, days) in enumerate(
            (("data_request", "waiting", 27), ("customer_redact", "done", 12), ("customer_redact", "dead", 2))
        ):
            request = PrivacyRequest.objects.create(
                shop=shop,
                kind=kind,
                state=state,
                key=f"privacy-{number}",
                customer_shopify_id=first.shopify_id if kind == "data_request" else None,
                received_at=now - dt.timedelta(days=30 - days),
                deadline_at=now + dt.timedelta(days=days, hours=1),
                due_at=now,
                proof={"customers": 1} if state == "done" else {},
            )
            if kind == "data_request":
                request_work(request)


def _activity(shop: Shop) -> None:
    """Something came in, a code was refused, a comparison repaired something."""
    now = clock.now()
    with shop_scope(shop.id):
        person = Customer.objects.order_by("shopify_id").first()
        order = Order.objects.filter(customer=person).latest("processed_at")
        assert person
        for number, value in enumerate((1000, 2500)):
            discount_code_give(
                shop=shop, customer=person, kind="percentage", value=value, days=30, actor="42", key=f"form-{number}"
            )
        DiscountCode.objects.filter(value=2500).update(state="refused")
        call = Outbound.objects.latest("id")
    Outbound.objects.filter(id=call.id).update(
        state="dead", error_class="Refused", error="Customers are missing or do not exist"
    )
    FailedTry.objects.create(
        queue="outbound", row_id=call.id, at=now, error_class="Refused", error="Customers are missing or do not exist"
    )
    for topic, state, body in (
        ("orders/paid", "done", b'{"id": %d}' % order.shopify_id),
        ("customers/update", "waiting", b'{"id": %d}' % person.shopify_id),
        ("products/update", "dead", b"\xff"),
    ):
        WebhookDelivery.objects.create(
            webhook_id=topic,
            shop_domain=shop.domain,
            topic=topic,
            state=state,
            body=body,
            received_at=now - dt.timedelta(minutes=7),
            due_at=now,
            done_at=now - dt.timedelta(minutes=6, seconds=59) if state == "done" else None,
            error_class="Malformed" if state == "dead" else "",
        )
    Reconciliation.objects.create(
        shop=shop,
        kind="whole",
        state="done",
        requested_at=now,
        due_at=now,
        done_at=now,
        checked={"orders": 12040},
        repaired={"orders": 3},
    )


def people(shop: Shop) -> dict[str, int]:
    """Ids of customers with something to show."""
    with shop_scope(shop.id):
        withheld = Customer.objects.filter(first_name="", email="").values_list("id", flat=True).first()
        first = Customer.objects.order_by("shopify_id").values_list("id", flat=True).first()
        staff, asked = StaffMember.objects.get(actor="77"), AdjustmentRequest.objects.get()
    assert first
    assert withheld
    return {
        "first": first,
        "withheld": withheld,
        "call": Outbound.objects.filter(shop=shop).latest("id").id,
        "staff": staff.id,
        "asked": asked.id,
    }


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    if request.param not in SPOKEN and not request.config.getoption("--store-screenshots"):
        pytest.skip("part of make screenshots")
    return str(request.param)


def test_screenshots_show_nothing_wrong(
    language: str, shops: dict[str, Shop], live_server: Any, request: pytest.FixtureRequest
) -> None:
    store = request.config.getoption("--store-screenshots", default=False)
    ids = people(shops["aurora"])
    found: list[str] = []
    for shop in sorted({shop for shop, _, _ in SCREENS.values()}):
        with browser_page(live_server.url, shops[shop], language=language) as (page, faults):
            for name, (of, path, opened) in SCREENS.items():
                if of != shop:
                    continue
                page.goto(live_server.url + path.format(**ids), wait_until="load")
                reveal(page, opened)
                for width in WIDTHS:
                    page.set_viewport_size({"width": width, "height": 900})
                    found += [f"{name} {width}: {complaint}" for complaint in complaints(page, axe=language == "en")]
                    if store:
                        keep(page, f"{name}-{width}-{language}", width)
            found += faults
    assert not found


def reveal(page: Page, opened: str) -> None:
    """Wait for what comes later, then open what the picture is about."""
    if page.locator("#charts").count():
        page.wait_for_selector("#charts figure >> nth=1")
    if page.locator("#movements").count():
        page.wait_for_selector("#movements table >> nth=2")
    if opened == "wrong":
        page.fill("#id_earn_points", "x")
        page.click("#rules button[type=submit] >> nth=-1")
        page.wait_for_selector("#problem")
    elif opened == "unfilled":
        page.click("#customer-form button")
        page.wait_for_selector("#problem")
    elif opened == "made":
        page.fill("#id_name", "Till in Campinas")
        page.check("#id_scopes")
        page.click("main button.button-main")
        page.wait_for_selector("[data-copies]")
    elif opened:
        page.click(opened)


def keep(page: Page, name: str, width: int) -> None:
    """Store the picture, once what moves in a frame has come to rest; it moves only where it is seen."""
    for frame in page.locator("iframe").all():
        frame.scroll_into_view_if_needed()
        inside = frame.element_handle().content_frame()
        assert inside
        inside.evaluate(STILL)
    page.evaluate("scrollTo(0, 0)")
    height = min(page.evaluate("document.documentElement.scrollHeight"), HEIGHT_MAX)
    page.screenshot(
        path=PICTURES / f"{name}.png",
        full_page=True,
        caret="initial",  # hiding it writes inline styles, which our policy reports
        clip={"x": 0, "y": 0, "width": width, "height": height},
    )
