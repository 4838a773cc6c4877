"""Two years in a minute by devstore's clock, in a browser: points expire after two notices, a tier is kept to the
year's end and goes down one after its grace, and rules that were replaced are brought back."""

from __future__ import annotations

import datetime as dt
import re
import time
from calendar import monthrange
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from babel.dates import format_date
from playwright.sync_api import Browser, FrameLocator, Page, expect

from tests.flows.conftest import admin_frame, pictures_folder
from tests.flows.shopper import look_at_the_panel, register
from tests.stack import Stack

SAO_PAULO = ZoneInfo("America/Sao_Paulo")
DAY = dt.timedelta(days=1)
MINUTE = dt.timedelta(minutes=1)
SPENT = 400
WAITING = 14 * DAY
GRACE = 30 * DAY
NOTICE = 7 * DAY  # that long before nothing happens that a member wasn't told
LOOK_SECONDS_MAX = 75  # should a wake-up be lost, the schedule's next one comes within a minute
RULES = {
    "Amount spent": "1",
    "Points earned": "1",
    "Waiting days": str(WAITING.days),
    "Months until points expire": "2",
}
TIERS = {"Tier 1: name": "Silver", "Tier 1: from": "100", "Tier 2: name": "Gold", "Tier 2: from": "300"}


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with Stack(tmp_path, scenario="aurora", database="postgresql") as stack:
        stack.install()
        stack.wait_done(90)
        yield stack


class Calendar:
    """Devstore's clock, turned to instants."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    def now(self) -> dt.datetime:
        return dt.datetime.fromisoformat(self.stack.devstore("GET", "/devstore/clock")["now"])

    def turn_to(self, instant: dt.datetime) -> None:
        self.stack.turn_clock(instant - self.now())


def midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), SAO_PAULO)


def months_later(day: dt.date, months: int) -> dt.date:
    """The same day of the month, or that month's last one."""
    years, month = divmod(day.month - 1 + months, 12)
    year, month = day.year + years, month + 1
    return dt.date(year, month, min(day.day, monthrange(year, month)[1]))


def named(instant: dt.datetime, now: dt.datetime) -> str:
    """An instant's day as shoppers read it, with its year unless that is the present one."""
    day, today = instant.astimezone(SAO_PAULO).date(), now.astimezone(SAO_PAULO).date()
    return format_date(day, "d MMM" if day.year == today.year else "d MMM y", locale="en")


def review(app: FrameLocator) -> None:
    app.get_by_role("button", name="Save draft").click()
    app.get_by_role("link", name="Review and publish").first.click()


def publish(app: FrameLocator, number: int) -> None:
    """Publish the draft under review."""
    if number == 1:
        app.get_by_role("radio", name=re.compile("No earlier orders")).check()
    app.get_by_role("button", name=f"Publish version {number}").click(timeout=30_000)  # once it is counted who moves
    expect(app.get_by_text(f"Version {number}, live")).to_be_visible(timeout=15_000)


def write_rules(app: FrameLocator, rules: dict[str, str]) -> None:
    for label, value in rules.items():
        app.get_by_label(label, exact=True).fill(value)


def open_panel(shopper: Page, stack: Stack) -> str:
    """The panel's text, opened on a fresh page."""
    shopper.goto(f"{stack.devstore_url}/?locale=en")
    shopper.get_by_role("button", name=re.compile("^Rewards")).click()
    expect(shopper.get_by_role("dialog")).to_be_visible()
    return shopper.get_by_role("dialog").inner_text()


def see(shopper: Page, stack: Stack, text: str) -> None:
    """Until the open panel, which renews itself, says so."""
    open_panel(shopper, stack)
    expect(shopper.get_by_role("dialog")).to_contain_text(re.compile(text), timeout=LOOK_SECONDS_MAX * 1000)


def see_tier(shopper: Page, stack: Stack, tier: str) -> None:
    """Until the open panel has this tier beside the shopper's name."""
    open_panel(shopper, stack)
    held = shopper.get_by_role("dialog").locator(".hello b")
    expect(held).to_have_text(tier, timeout=LOOK_SECONDS_MAX * 1000)


def wait_noticed(stack: Stack, subject: str, notices: list[int], seconds: float = 10) -> None:
    """Until members were given just these notices (days before) of such a subject: the panel tells what it showed."""
    deadline = time.monotonic() + seconds
    asked = f"SELECT DISTINCT days FROM loyalty_announcement WHERE subject LIKE '{subject}:%' ORDER BY days"
    while (found := [days for (days,) in stack.execute(asked)]) != notices:
        assert time.monotonic() < deadline, found
        time.sleep(0.2)


def test_seasons_pass(stack: Stack, browser: Browser, request: pytest.FixtureRequest) -> None:
    calendar, pictures = Calendar(stack), pictures_folder(request)
    merchant = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    shopper = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    problems: list[str] = []
    for page in (merchant, shopper):
        page.on("pageerror", lambda error: problems.append(str(error)))

    # Rules are published, replaced and brought back.
    merchant.goto(f"{stack.devstore_url}/admin/apps/encore/")
    app = admin_frame(merchant)
    merchant.get_by_role("link", name="Loyalty").click()
    app.get_by_role("link", name="Write your rules").click()
    write_rules(app, RULES)
    app.get_by_role("button", name="Add tier").click()
    app.get_by_label("Tier 1: name", exact=True).wait_for()
    app.get_by_role("button", name="Add tier").click()
    app.get_by_label("Tier 2: name", exact=True).wait_for()
    write_rules(app, TIERS)
    app.get_by_label("What counts", exact=True).select_option("calendar_year")
    write_rules(app, {"Days of grace": str(GRACE.days), "Days a tier is kept": "0"})
    review(app)
    publish(app, 1)
    app.get_by_role("link", name=re.compile("Edit|Change")).first.click()
    write_rules(app, {"Points earned": "3"})
    review(app)
    publish(app, 2)
    app.get_by_role("link", name=re.compile("versions", re.I)).first.click()
    app.get_by_role("link", name="Version 1").click()
    app.get_by_role("button", name="Bring back version 1").click()
    app.get_by_role("dialog").get_by_role("button", name="Bring back version 1").click()
    publish(app, 3)

    # Two members buy; only one of them ever looks.
    register(shopper, stack)
    lines = [{"title": "Coffee machine", "price": f"{SPENT}.00", "quantity": 1}]
    stack.devstore("POST", "/devstore/customers", {"email": "other@example.com", "password": "a-long-password"})
    bought_at = calendar.now()
    for email in ("lia@example.com", "other@example.com"):
        stack.devstore("POST", "/devstore/orders", {"email": email, "lines": lines})
    stack.wait_done(30)
    see(shopper, stack, f"{SPENT} more from")
    see_tier(shopper, stack, "Gold")
    look_at_the_panel(shopper.context, stack, "pending", pictures)

    usable_from = bought_at + WAITING
    calendar.turn_to(usable_from + 5 * MINUTE)
    see(shopper, stack, f"{SPENT} points")
    expires = midnight(months_later(usable_from.astimezone(SAO_PAULO).date(), 2))
    assert f"{SPENT} expire" not in open_panel(shopper, stack)
    for days in (30, 7):
        calendar.turn_to(expires - days * DAY + MINUTE)
        see(shopper, stack, f"{SPENT} expire on {named(expires, calendar.now())}")
        look_at_the_panel(shopper.context, stack, f"expiring-{days}", pictures)
    wait_noticed(stack, "expiry", [7, 30])
    calendar.turn_to(expires - 5 * MINUTE)
    see(shopper, stack, f"{SPENT} points")
    calendar.turn_to(expires + 5 * MINUTE)
    see(shopper, stack, rf"−{SPENT}")
    [[last_notice]] = stack.execute("SELECT max(at) FROM loyalty_announcement")
    booked = stack.execute("SELECT occurred_at, amount FROM loyalty_entry WHERE source LIKE 'expiry:%' AND amount < 0")
    assert booked == [(max(expires, last_notice + NOTICE), -SPENT)]

    # A year without an order: Gold to its end, then Silver once the grace is over and it was announced, and no lower.
    year_end = midnight(dt.date(bought_at.astimezone(SAO_PAULO).year + 2, 1, 1))
    calendar.turn_to(year_end - 5 * MINUTE)
    see_tier(shopper, stack, "Gold")
    assert "Silver from" not in open_panel(shopper, stack)
    due = year_end + GRACE
    calendar.turn_to(due - 30 * DAY + MINUTE)
    see(shopper, stack, f"Silver from {named(due, calendar.now())}")
    wait_noticed(stack, "tier", [30])
    look_at_the_panel(shopper.context, stack, "going-down", pictures)
    calendar.turn_to(due - 5 * DAY)  # the second notice comes late, and the move waits for it
    see(shopper, stack, f"Silver from {named(calendar.now() + NOTICE, calendar.now())}")
    wait_noticed(stack, "tier", [7, 30])
    [[announced]] = stack.execute("SELECT max(at) FROM loyalty_announcement")
    calendar.turn_to(due + DAY)
    see_tier(shopper, stack, "Gold")
    calendar.turn_to(announced + NOTICE + 5 * MINUTE)
    see_tier(shopper, stack, "Silver")
    assert stack.execute("SELECT max(at) FROM loyalty_tierchange") == [(max(due, announced + NOTICE),)]
    calendar.turn_to(due + 180 * DAY)
    see_tier(shopper, stack, "Silver")

    # The merchant's profile of this shopper tells the same story, and who never looked lost nothing.
    merchant.goto(f"{stack.devstore_url}/admin/apps/encore/")
    merchant.get_by_role("link", name="Customers").last.click()
    app.get_by_role("searchbox").first.fill("lia@")
    app.get_by_role("link", name="Lia Prado").click()
    expect(app.get_by_text("Silver").first).to_be_visible()
    expect(app.get_by_text(f"−{SPENT}", exact=True).first).to_be_visible()
    assert stack.execute("SELECT count(*) FROM loyalty_account WHERE balance = 400") == [(1,)]
    assert "OK" in stack.manage("ledger_verify", "--shop", "aurora")
    assert not problems
