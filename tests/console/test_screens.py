"""The console in a real browser: signing in, every page at two widths, light and dark, by keyboard, scripts off."""

from __future__ import annotations

import datetime as dt
import re
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from config.env import ROOT
from retention_app import clock
from retention_app.models import OperatorAction, Shop
from tests.conftest import make_shop
from tests.console.conftest import PASSWORD, code, enroll, enter, make_operator, make_row
from tests.screens.browser import browser_page, complaints

PICTURES = ROOT / "docs/screenshots"
HEIGHT_MAX = 1500  # of a stored picture
DAY = dt.timedelta(days=1)
TRACEBACK = '  File "/srv/encore/retention_app/intake.py", line 141, in _resource_id\n    raise Malformed("No id.")\n'
BODY = b'{"id": 450789469, "email": "maria@example.com", "line_items": [{"title": "Coffee 500 g", "quantity": 2}]}'

UNFOLD = "summary"
# name → path, what to press before looking
PAGES = {
    "console": ("/console/", ""),
    "console-deliveries": ("/console/queues/delivery/", ""),
    "console-runs-filtered": ("/console/queues/run/?state=late&shop=nobody", ""),
    "console-delivery": ("/console/queues/delivery/{delivery}/", UNFOLD),
    "console-delivery-revealed": ("/console/queues/delivery/{delivery}/", "text=Reveal the body"),
    "console-run": ("/console/queues/run/{run}/", ""),
    "console-replay": ("/console/queues/outbound/{outbound}/replay/", ""),
    "console-replay-kind": ("/console/queues/delivery/replay/?kind=orders/paid&error=Malformed", ""),
    "console-drop-error": ("/console/queues/run/{run}/drop/", "text=Drop this row"),
    "console-privacy": ("/console/privacy/", ""),
    "console-privacy-answered": ("/console/privacy/?state=answered", ""),
    "console-shops": ("/console/shops/", ""),
    "console-log": ("/console/actions/", ""),
    "console-account": ("/console/account/", ""),
    "console-password": ("/console/account/password/", "css=main button >> nth=0"),
    "console-replace-app": ("/console/account/authenticator/remove/", ""),
    "console-not-found": ("/console/nowhere/", ""),
}


@pytest.fixture
def troubles(transactional_db: None) -> dict[str, int]:
    """Shops with everything that can be stuck, and an operator called Ada who has a second factor."""
    now = clock.now()
    aurora = make_shop("aurora", currency="BRL")
    long = make_shop("long", trouble="scopes", trouble_since=now - 3 * DAY)
    long.domain = "the-very-long-named-house-of-coffee-and-tea.myshopify.com"
    long.save()
    make_shop("gone", state=Shop.State.UNINSTALLED, uninstalled_at=now)
    for number in range(12):
        row = make_row("delivery", (aurora, long)[number % 2], body=BODY)
    for shop in (aurora, long):
        make_row("delivery", shop, topic="customers/update", error_class="ResourceMissing")
        make_row("delivery", shop, state="waiting", error_class="ShopUnavailable", error="HTTP 402: frozen.")
        run = make_row("run", shop, error_class="IntegrityError", error="duplicate key value violates a constraint")
        outbound = make_row("outbound", shop, kind="discount_code", error_class="Refused")
    make_row("privacy", aurora, deadline_at=now - DAY)
    make_row("privacy", long, state="waiting", error_class="", kind="shop_redact", deadline_at=now + 9 * DAY)
    proof = {"orders_kept": 41, "deliveries_deleted": 12, "customers_cut": 1}
    make_row("privacy", aurora, state="done", error_class="", done_at=now, proof=proof)
    ada = make_operator()
    enroll(ada)
    for act, reason in (("replayed", "the outage of Tuesday is over"), ("dropped", "a test shop of ours")):
        target = f"delivery:{row.pk}"
        OperatorAction.objects.create(
            operator=ada, code=f"console.delivery.{act}", target=target, reason=reason, at=now
        )
    return {"delivery": row.pk, "run": run.pk, "outbound": outbound.pk, "user": ada.pk}


def looked_at(page: Page, name: str, width: int, request: pytest.FixtureRequest) -> list[str]:
    """What looks wrong, on the wide screen in the dark too. Leaves a picture where pictures are stored."""
    page.emulate_media(reduced_motion="reduce", color_scheme="light")
    found = complaints(page)
    if request.config.getoption("--store-screenshots", default=False):
        height = min(page.evaluate("document.documentElement.scrollHeight"), HEIGHT_MAX)
        clip = {"x": 0, "y": 0, "width": width, "height": height}
        # Hiding the caret writes inline styles, which our policy reports.
        page.screenshot(path=PICTURES / f"{name}-{width}-en.png", full_page=True, caret="initial", clip=clip)
    if width == 1280:
        page.emulate_media(color_scheme="dark")
        found += [f"in the dark: {complaint}" for complaint in complaints(page)]
        page.emulate_media(color_scheme="light")
    return [f"{name}: {complaint}" for complaint in found]


@pytest.mark.parametrize("width", [1280, 390])
def test_screenshots_of_the_console_show_nothing_wrong(
    troubles: dict[str, int], live_server: Any, request: pytest.FixtureRequest, width: int
) -> None:
    base, found = live_server.url, []
    session = enter(User.objects.get(pk=troubles["user"])).cookies[settings.SESSION_COOKIE_NAME].value
    with browser_page(base, Shop.objects.all()[0], width=width) as (page, faults):
        page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": base}])
        for name, (path, act) in PAGES.items():
            page.goto(base + path.format(**troubles))
            if name == "console-password":
                page.fill("#id_oldpassword", "wrong")
                page.fill("#id_password1", "short")
                page.fill("#id_password2", "other")
            if act.startswith("text=Drop"):
                page.evaluate("document.querySelectorAll('[required]').forEach((each) => each.required = false)")
            if act:
                with page.expect_navigation() if act != UNFOLD else nullcontext():
                    page.click(act)
            found += looked_at(page, name, width, request)
        found += faults
    assert not found


@pytest.mark.parametrize("width", [1280, 390])
def test_an_operator_signs_in_and_sets_up_the_second_factor(
    transactional_db: None, live_server: Any, request: pytest.FixtureRequest, width: int, tmp_path: Path
) -> None:
    make_operator()
    base, found = live_server.url, []
    with browser_page(base, make_shop("aurora"), width=width) as (page, faults):

        def look(name: str) -> None:
            found.extend(looked_at(page, name, width, request))

        page.goto(f"{base}/console/shops/")
        page.get_by_label("E-mail").fill("ada@example.com")
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Sign in", exact=True).click()
        expect(page.get_by_role("alert")).to_be_visible()
        look("console-login-error")
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")

        expect(page.get_by_role("heading", level=1)).to_have_text("Set up a second factor")
        drawn = page.evaluate("document.querySelector('.console-qr').naturalWidth")
        assert drawn > 0  # the policy lets the picture through
        look("console-set-up")
        page.get_by_label("Code").fill(code(page.locator("#totp-secret").inner_text()))
        secret = page.locator("#totp-secret").inner_text()
        page.get_by_role("button", name="Turn on").click()

        expect(page.get_by_role("heading", level=1)).to_have_text("Recovery codes")
        look("console-recovery-codes")
        codes = page.locator(".console-codes code").all_inner_texts()
        with page.expect_download() as downloaded:
            page.get_by_role("link", name="Download them").click()
        downloaded.value.save_as(tmp_path / "codes.txt")
        assert (tmp_path / "codes.txt").read_text().split() == codes
        page.get_by_role("link", name="Open the console").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Console")

        page.get_by_role("button", name="Sign out").click()
        expect(page).to_have_url(re.compile("/console/login/"))
        page.get_by_label("E-mail").fill("ada@example.com")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Enter your code")
        look("console-code")
        page.get_by_label("Code").fill(codes[0])
        page.get_by_role("button", name="Sign in", exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Console")
        assert secret not in page.content()
        found += faults
    assert not found


def test_an_operator_works_without_a_script_and_by_keyboard(troubles: dict[str, int], live_server: Any) -> None:
    base = live_server.url
    session = enter(User.objects.get(pk=troubles["user"])).cookies[settings.SESSION_COOKIE_NAME].value
    with browser_page(base, Shop.objects.all()[0]) as (page, faults):
        page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": base}])
        page.route("**/*.js", lambda route: route.abort())
        page.goto(f"{base}/console/")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
        page.get_by_role("link", name="Replay all orders/paid, Malformed").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Replay 12 rows?")
        page.get_by_label("Rows a second").fill("20")
        page.keyboard.press("Enter")
        expect(page.get_by_text("12 rows wait again.")).to_be_visible()
        page.get_by_role("row", name="customers/update ResourceMissing").get_by_role("link").first.click()
        page.get_by_role("row", name="aurora.myshopify.com").get_by_role("link").click()
        page.get_by_role("link", name="Drop").click()
        page.get_by_label("Reason").fill("its customer is gone")
        page.get_by_role("button", name="Drop this row").click()
        expect(page.get_by_text("It is dropped. Nothing tries it again.")).to_be_visible()
        page.get_by_role("link", name="Log").click()
        expect(page.get_by_text("its customer is gone")).to_be_visible()
        assert not faults
