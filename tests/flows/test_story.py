"""The main story in a browser, over real HTTP, on PostgreSQL and Redis: a merchant installs and publishes, a shopper
buys, points appear with their reason, a return takes back exactly what it should, and both sides agree."""

from __future__ import annotations

import datetime as dt
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FrameLocator, expect

from tests.flows.conftest import admin_frame, pictures_folder
from tests.flows.shopper import buy, look_at_the_panel, register, wait_for_pending, wait_for_points
from tests.screens.browser import complaints_at_both_widths
from tests.stack import OUR_DOCUMENTS, Stack

POINTS_SECONDS_MAX = 5
A_FORTNIGHT = dt.timedelta(days=14)


def look_again_at_the_profile(app: FrameLocator, entry: str, seconds: float) -> None:
    """The open profile, asked for once more, has this entry within so many seconds."""
    app.get_by_role("link", name="Points", exact=True).click()
    expect(app.get_by_text(entry, exact=True).first).to_be_visible(timeout=max(1, seconds * 1000))


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with Stack(tmp_path, scenario="aurora", database="postgresql") as stack:
        yield stack


def test_from_install_to_a_return_that_everybody_understands(
    stack: Stack, desktop_browser: Browser, request: pytest.FixtureRequest
) -> None:
    merchant = desktop_browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    problems: list[str] = []
    merchant.on("pageerror", lambda error: problems.append(str(error)))

    # The merchant installs; the app opens in a cross-site frame without a cookie and begins to import.
    merchant.goto(f"{stack.devstore_url}/admin/listing")
    merchant.get_by_role("link", name=re.compile("Install")).first.click()
    merchant.get_by_role("button", name=re.compile("Install")).click()
    app = admin_frame(merchant)
    expect(app.get_by_role("heading", name="Step 1 of 5: Your store")).to_be_visible(timeout=20_000)
    assert merchant.context.cookies(stack.app_url) == []
    stack.wait_done(90)

    # Publishes the programme that the shop's own orders propose, without tiers.
    for step in ("Points", "Tiers", "Waiting and expiry", "Past orders and launch"):
        for number in (3, 2, 1) if step == "Waiting and expiry" else ():
            app.get_by_role("button", name=f"Remove tier {number}").click()
            expect(app.get_by_role("button", name=f"Remove tier {number}")).to_have_count(0)
        app.get_by_role("button", name="Continue").click()
        expect(app.get_by_role("heading", name=re.compile(f"Step . of 5: {step}"))).to_be_visible()
    app.get_by_role("radio", name=re.compile("No earlier orders")).check()
    app.get_by_role("button", name="Publish programme").click()
    expect(app.get_by_text("Version 1, live")).to_be_visible(timeout=15_000)

    # A shopper sees what is on offer and registers.
    shopper = desktop_browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    shopper.on("pageerror", lambda error: problems.append(str(error)))
    shopper.goto(stack.devstore_url)
    shopper.get_by_role("button", name=re.compile("^Rewards")).click()
    expect(shopper.get_by_role("dialog")).to_contain_text(re.compile("Create account|join", re.I))
    shopper.keyboard.press("Escape")
    register(shopper, stack)

    # The merchant opens their profile, and they buy three of something.
    merchant.get_by_role("link", name="Customers").last.click()
    app.get_by_role("searchbox").first.fill("lia@")
    app.get_by_role("link", name="Lia Prado").click()
    expect(app.get_by_role("heading", name="Lia Prado")).to_be_visible()
    order = buy(shopper, stack, 3)
    bought_at = time.monotonic()
    placed = next(row for row in stack.devstore("GET", "/devstore/orders")["orders"] if row["name"] == order)
    base = sum(line["price"] * line["quantity"] for line in placed["lines"])
    assert base >= 300
    shopper.get_by_role("link", name="Continue shopping").click()
    shopper.get_by_role("button", name=re.compile("^Rewards")).click()
    wait_for_pending(shopper, base // 100, POINTS_SECONDS_MAX - (time.monotonic() - bought_at))
    look_again_at_the_profile(app, f"+{base // 100:,}", POINTS_SECONDS_MAX - (time.monotonic() - bought_at))
    expect(shopper.get_by_role("dialog")).to_contain_text(f"+{base // 100:,}")

    # One of the three comes back: the difference of two roundings, not a rounding of the difference.
    staff = desktop_browser.new_context().new_page()
    staff.goto(f"{stack.devstore_url}/devstore/staff")
    staff.get_by_role("link", name=order).first.click()
    staff.get_by_label(re.compile("Quantity to refund")).fill("1")
    staff.get_by_role("button", name=f"Refund order {order}", exact=True).click()
    refunded_at = time.monotonic()
    left = (base - base // 3) // 100
    wait_for_pending(shopper, left, POINTS_SECONDS_MAX)
    taken = base // 100 - left
    look_again_at_the_profile(app, f"−{taken:,}", POINTS_SECONDS_MAX - (time.monotonic() - refunded_at))
    panel = shopper.get_by_role("dialog")
    panel.get_by_role("button", name=re.compile(rf"^Why .{taken:,} points")).click()
    expect(panel).to_contain_text(str(base // 100))
    panel_says = panel.inner_text()

    # So does the store's page of the programme.
    shopper.goto(f"{stack.devstore_url}/apps/encore")
    expect(shopper.get_by_text(re.compile(rf"^[-−]{taken:,}$"))).to_be_visible()
    assert complaints_at_both_widths(shopper) == []

    # The merchant's profile of this shopper says the same, with the same sum.
    expect(app.get_by_text(f"{left:,}", exact=True).first).to_be_visible()
    app.get_by_role("button", name=re.compile(rf"^Why .{taken:,} points")).click()
    profile_says = app.locator("body").inner_text()
    for figure in (f"{base // 100:,}", f"{left:,}", f"{taken:,}", order):
        assert figure in panel_says, figure
        assert figure in profile_says, figure
    assert not problems
    sent = stack.devstore("GET", "/devstore/log", kind="graphql")["documents"].values()
    assert sent
    assert set(sent) <= OUR_DOCUMENTS

    # Two weeks later by the store's clock: web and workers follow it, with a new access token in place of the dead one.
    before = stack.newest_instants()
    stack.turn_clock(A_FORTNIGHT)
    again = {"email": "lia@example.com", "lines": [{"variant_id": placed["lines"][0]["variant_id"], "quantity": 1}]}
    stack.devstore("POST", "/devstore/orders", again)
    stack.wait_done(30)
    for then, now in zip(before, stack.newest_instants(), strict=True):
        assert A_FORTNIGHT < now - then < A_FORTNIGHT + dt.timedelta(minutes=10)

    # What had to wait a fortnight can be used now; the new order's points wait in their turn.
    shopper.reload()
    shopper.get_by_role("button", name=re.compile("^Rewards")).click()
    wait_for_points(shopper, left, 10)
    wait_for_pending(shopper, base // 3 // 100, 10)

    # The workers' log leads from a delivery to the calls it took, and tells which events were worked.
    lines = [json.loads(line) for line in stack.log("worker").splitlines() if line.startswith("{")]
    calls = [line for line in lines if line["event"] == "shopify_call" and line.get("delivery_ids")]
    assert "OrdersByIds" in {line["operation"] for line in calls}
    worked = [line for line in lines if line["event"] == "events_worked" and line["event_ids"]]
    assert {line["consumer"] for line in worked} >= {"loyalty.bring_up_to_date"}
    assert {line["shop_id"] for line in [*calls, *worked]} == {1}

    look_at_the_panel(shopper.context, stack, "member", pictures_folder(request))
    look_at_the_panel(desktop_browser.new_context(), stack, "anonymous", pictures_folder(request))
