"""People find their way by what things are called: a merchant from the app store to a live programme, a member to why
they have 37 points. Over real HTTP, on PostgreSQL; whoever renames or hides a control here stops them."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.flows.walker import KeyboardWalker, Walker
from tests.stack import Stack

IMPORT_SECONDS_MAX = 90
LIVE_ACTIONS_MAX = 40
WHY_ACTIONS_MAX = 4
LIA = {"email": "lia@example.com", "first_name": "Lia", "last_name": "Prado"}
PASSWORD = "a-long-password"


def test_people_find_their_way(tmp_path: Path, browser: Browser) -> None:
    with Stack(tmp_path / "stack", scenario="aurora", database="postgresql") as stack:
        merchant = Walker(new_page(browser))
        merchant.page.goto(f"{stack.devstore_url}/admin")
        go_live(merchant)
        told("a merchant goes live", merchant)
        assert merchant.actions <= LIVE_ACTIONS_MAX

        shopper = shopper_of(stack, browser)
        member = Walker(shopper)
        learn_why(member)
        told("a member learns why", member)
        assert member.actions <= WHY_ACTIONS_MAX

        learn_why_by_keyboard(shopper)
        find_adjust_and_publish_by_keyboard(merchant.page)


def new_page(browser: Browser) -> Page:
    page = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en").new_page()
    page.set_default_timeout(10_000)
    return page


def go_live(merchant: Walker) -> None:
    merchant.click("link", "See Encore in the app store")
    merchant.click("link", "Install")
    merchant.click("button", "Install Encore")
    merchant.look_into("Encore")
    merchant.see("heading", "Step 1 of 5: Your store", seconds=30)
    merchant.click("button", "Continue")
    merchant.see("heading", "Step 2 of 5: Points")
    merchant.click("button", "Continue")
    merchant.see("heading", "Step 3 of 5: Tiers")
    merchant.click("button", "Continue")
    merchant.see("heading", "Step 4 of 5: Waiting and expiry")
    merchant.fill("textbox", "Waiting days", "0")
    merchant.click("button", "Continue")
    merchant.see("heading", "Step 5 of 5: Past orders and launch")
    expect(merchant.find("button", "Publish programme")).to_be_enabled(timeout=IMPORT_SECONDS_MAX * 1000)
    merchant.click("button", "Publish programme")
    merchant.see_text("Version 1, live")
    merchant.look_at_all()
    merchant.click("link", "Online store")
    merchant.click("button", "Rewards")
    merchant.see("dialog", "Aurora Café Rewards")


def shopper_of(stack: Stack, browser: Browser) -> Page:
    """Lia, signed in: she bought tea and a mug for 57 points and sent the mug back, for which 20 were taken."""
    lia = stack.devstore("POST", "/devstore/customers", {**LIA, "password": PASSWORD})
    lines = [{"title": "Tea", "price": "37.90"}, {"title": "Mug", "price": "20.00"}]
    order = stack.devstore("POST", "/devstore/orders", {"customer_id": lia["id"], "lines": lines})
    stack.wait_done(60)
    stack.devstore("POST", f"/devstore/orders/{order['id']}/refund", {"lines": {order["lines"][1]["id"]: 1}})
    stack.wait_done(60)
    page = new_page(browser)
    page.goto(f"{stack.devstore_url}/account/login")
    page.get_by_label("E-mail").fill(LIA["email"])
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Hello, Lia")).to_be_visible()
    page.get_by_role("link", name="Shop").click()
    return page


def learn_why(member: Walker) -> None:
    """Open every entry of the history: the sum of each gives its points, and together they are what the member has."""
    member.click("button", "Rewards, 37 points")
    member.see("dialog", "Aurora Café Rewards")
    earned = reasons(member, re.compile(r"^Why 57 points for Order #\d+\?$"))
    assert earned[0] == "57.90 × 1 point per R$1.00 = 57.9, rounded down to 57"
    taken = reasons(member, re.compile(r"^Why −20 points for Return from order #\d+\?$"))
    assert taken[0] == "The returned Mug had earned 20 under version 1: 57 before − 37 after."
    assert "After: 37.90 × 1 point per R$1.00 = 37.9, rounded down to 37" in taken


def reasons(member: Walker, question: re.Pattern[str]) -> list[str]:
    """The lines that answer this question in the open panel."""
    member.click("button", question)
    entry = member.place.get_by_role("listitem").filter(has=member.find("button", question))
    return entry.get_by_role("listitem").all_inner_texts()


def told(what: str, walker: Walker) -> None:
    print(f"{what}: {walker.actions} actions, {walker.seconds:.1f} s")


def learn_why_by_keyboard(shopper: Page) -> None:
    shopper.reload()
    member = KeyboardWalker(shopper)
    learn_why(member)
    member.press("Escape")
    expect(member.find("button", "Rewards, 37 points")).to_be_focused()
    member.see_ring()
    told("a member learns why, by keyboard", member)


def find_adjust_and_publish_by_keyboard(admin: Page) -> None:
    staff = KeyboardWalker(admin)
    staff.page.go_back()
    staff.look_at("list", "Encore")
    staff.click("link", "Customers")
    staff.look_into("Encore")
    staff.see("heading", "Customers")
    staff.fill("searchbox", "Search name, e-mail or order number", LIA["email"])
    staff.see_text("1 of 1 customer")
    staff.click("link", "Lia Prado")
    staff.see("heading", "Lia Prado")
    staff.click("button", re.compile(r"^Why −20 points\? Return from order #\d+$"))
    staff.see_text("The returned Mug had earned 20 under version 1: 57 before − 37 after.")

    staff.click("link", "Adjust points")
    staff.fill("textbox", "Points: 50 gives, −50 takes away", "50")
    staff.select("combobox", "Reason (the customer sees it)", "Late parcel")
    staff.click("button", "Adjust points")
    staff.see("button", "Why 50 points? Adjusted by Marina Duarte: Late parcel")

    staff.look_at("list", "Encore")
    staff.click("link", "Loyalty")
    staff.look_into("Encore")
    staff.click("link", "Edit draft")
    staff.fill("textbox", "Points earned", "2")
    staff.press("Enter")
    staff.click("link", "Review and publish")
    staff.see("heading", "Review version 2")
    staff.click("button", "Publish version 2")
    staff.see_text("Version 2, live")
    told("staff find, adjust and publish, by keyboard", staff)
