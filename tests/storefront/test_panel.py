from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.storefront.looks import is_uncut, offences
from tests.storefront.resting import rest
from tests.storefront.stub_shop import ENTRIES, MEMBER, NOTHING_COMES, PROGRAMME, RULES, StubShop, session

MORE = {
    **MEMBER,
    "points": 1290,
    "worth": "R$64.50",
    "entries": [{**ENTRIES[0], "id": 10, "what": "Order #1043", "points": 50, "why": ["50.00 × 1 = 50"]}, *ENTRIES],
}


def opened(stub: StubShop, page: Page) -> Locator:
    """Opens the page and its panel."""
    page.goto(stub.url)
    page.locator("encore-rewards button").click()
    dialog = page.get_by_role("dialog")
    dialog.wait_for()
    return dialog


def focused(page: Page) -> str:
    """The name, or the text, of what has the focus inside the shadow root."""
    return page.evaluate(
        "(({ activeElement: it }) => it?.ariaLabel ?? it?.textContent)"
        "(document.querySelector('encore-rewards')?.shadowRoot ?? {})"
    )


def test_anonymous_visitor_sees_what_points_are_and_how_to_join(stub: StubShop, page: Page) -> None:
    dialog = opened(stub, page)
    expect(page.get_by_role("dialog", name="Aurora Rewards")).to_be_visible()
    expect(dialog).to_contain_text("Points on every order")
    expect(dialog.locator(".rules li")).to_have_text(["R$1.00 = 1 point", "100 points = R$5.00"])
    expect(dialog.get_by_role("link")).to_have_text(["Sign in", "Create account"])


@pytest.mark.parametrize(("link", "path"), [("Sign in", "/account/login"), ("Create account", "/account/register")])
def test_links_lead_to_the_shops_account_pages(stub: StubShop, page: Page, link: str, path: str) -> None:
    opened(stub, page).get_by_role("link", name=link).click()
    page.wait_for_url(stub.url + path)


def test_member_sees_points_their_worth_and_the_last_entries(stub: StubShop, page: Page) -> None:
    stub.answer = session(MEMBER)
    dialog = opened(stub, page)
    for text in ("Hello Ana", "1,240 points", "worth R$62.00", "Order #1042", "+108", "20 Nov", "−35", "Why −35?"):
        expect(dialog).to_contain_text(text)
    expect(dialog.get_by_role("link")).to_have_count(0)


def test_member_without_name_and_entries_is_told_what_comes(stub: StubShop, page: Page) -> None:
    stub.answer = session(
        {**MEMBER, "first_name": None, "points": 0, "worth": "R$0.00", **NOTHING_COMES, "entries": []}
    )
    dialog = opened(stub, page)
    expect(dialog).to_contain_text("0 points")
    expect(dialog).to_contain_text("Your next order shows up here")
    expect(dialog).not_to_contain_text(re.compile("null|undefined|NaN"))


COMING = {
    **MEMBER,
    "debt": 35,
    "pending": [{"points": 108, "when": "4 Dec"}, {"points": 20, "when": None}],
    "expiring": [{"points": 60, "when": "14 Feb"}, {"points": 1, "when": "20 Feb"}],
    "tier": {
        "name": "Gold",
        "next": {"name": "VIP", "lacking": "R$412.00", "share": 0.8},
        "down": {"to": "Silver", "when": "1 Jan"},
    },
}


def test_member_sees_what_comes_and_their_tier(stub: StubShop, page: Page) -> None:
    stub.answer = session(COMING)
    dialog = opened(stub, page)
    for text in (
        "Gold",
        "35 points you used were taken back: the next ones settle them",
        "108 more from 4 Dec",
        "20 more once your order is fulfilled",
        "60 expire on 14 Feb",
        "1 expires on 20 Feb",
        "R$412.00 to VIP",
        "Silver from 1 Jan, unless more counts before. You keep all points.",
        "20 Nov · pending",
    ):
        expect(dialog).to_contain_text(text)
    expect(dialog.get_by_role("progressbar", name="R$412.00 to VIP")).to_have_js_property("value", 0.8)


def test_open_panel_tells_once_that_it_showed_what_comes(stub: StubShop, page: Page) -> None:
    stub.answer = session(COMING)
    page.goto(stub.url)
    page.get_by_role("button", name="Rewards").wait_for()
    assert stub.told == []
    with page.expect_request("**/v1/shown") as told:
        opened(stub, page)
    assert told.value.method == "POST"
    page.keyboard.press("Escape")
    page.locator("encore-rewards button.launcher").click()
    rest(page)
    assert stub.told == ["/apps/encore/v1/shown"]


def test_panel_with_nothing_to_come_tells_nothing(stub: StubShop, page: Page) -> None:
    stub.answer = session({**MEMBER, "tier": {"name": None, "next": None, "down": None}})
    opened(stub, page)
    rest(page)
    assert stub.told == []


def test_the_end_of_all_tiers_is_told(stub: StubShop, page: Page) -> None:
    stub.answer = session({**MEMBER, "tier": {"name": "Gold", "next": None, "down": {"to": None, "when": "1 Jan"}}})
    expect(opened(stub, page)).to_contain_text("No tier from 1 Jan")


def test_one_point_is_singular(stub: StubShop, page: Page) -> None:
    stub.answer = session({**MEMBER, "points": 1})
    expect(opened(stub, page)).to_contain_text(re.compile(r"Ana1 pointworth"))


def test_why_unfolds_the_sum_and_folds_it_again(stub: StubShop, page: Page) -> None:
    stub.answer = session(MEMBER)
    dialog = opened(stub, page)
    why = dialog.get_by_role("button", name="Why 108 points for Order #1042?")
    expect(why).to_have_attribute("aria-expanded", "false")
    expect(dialog.get_by_text("108.00 × 1 = 108")).to_be_hidden()
    why.click()
    expect(why).to_have_attribute("aria-expanded", "true")
    expect(dialog.get_by_text("108.00 × 1 = 108")).to_be_visible()
    why.click()
    expect(dialog.get_by_text("108.00 × 1 = 108")).to_be_hidden()


def test_entry_without_reason_has_no_why(stub: StubShop, page: Page) -> None:
    stub.answer = session({**MEMBER, "entries": [{**ENTRIES[0], "why": []}]})
    expect(opened(stub, page).get_by_role("button", name="Why")).to_have_count(0)


def test_names_are_text_never_markup(stub: StubShop, page: Page) -> None:
    nasty = "<img src=x onerror=alert(1)>"
    stub.answer = session({**MEMBER, "first_name": nasty}, {**PROGRAMME, "name": nasty})
    dialog = opened(stub, page)
    expect(dialog).to_contain_text(f"Hello {nasty}")
    assert dialog.locator("img").count() == 0


def test_keyboard_reaches_everything_and_focus_returns(stub: StubShop, page: Page) -> None:
    stub.answer = session(MEMBER)
    page.goto(stub.url)
    page.get_by_role("button", name="Rewards").wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "first"
    page.keyboard.press("Tab")
    assert focused(page) == "Rewards, 1,240 points"
    page.keyboard.press("Enter")
    page.get_by_role("dialog").wait_for()
    walk = [focused(page)]
    for _ in range(5):
        page.keyboard.press("Tab")
        walk.append(focused(page))
    assert walk == [
        "Aurora Rewards",
        "Close",
        "Ways to earn",
        "Tiers",
        "Why 108 points for Order #1042?",
        "Why −35 points for Return from order #1031?",
    ]
    for _ in range(4):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") != "first"
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert focused(page) == "Rewards, 1,240 points"
    page.keyboard.press("Space")
    expect(page.get_by_role("dialog")).to_be_visible()


def test_focus_is_visible_inside_and_outside(stub: StubShop, page: Page) -> None:
    page.goto(stub.url)
    page.get_by_role("button", name="Rewards").focus()
    page.keyboard.press("Enter")
    page.get_by_role("dialog").wait_for()
    for _ in range(3):
        page.keyboard.press("Tab")
        outline = page.evaluate(
            "getComputedStyle(document.querySelector('encore-rewards').shadowRoot.activeElement).outlineStyle"
        )
        assert outline == "solid", focused(page)


@pytest.mark.parametrize("how", ["x", "outside"])
def test_close_button_and_a_tap_outside_close_it(stub: StubShop, page: Page, how: str) -> None:
    dialog = opened(stub, page)
    if how == "x":
        dialog.get_by_role("button", name="Close").click()
    else:
        page.mouse.click(100, 100)
    expect(dialog).to_be_hidden()
    assert focused(page) == "Rewards"
    expect(page.locator("encore-rewards button").first).to_be_visible()


def test_drag_that_starts_inside_keeps_it_open(stub: StubShop, page: Page) -> None:
    dialog = opened(stub, page)
    box = dialog.get_by_text("Points on every order").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(100, 100)
    page.mouse.up()
    rest(page)
    expect(dialog).to_be_visible()


def test_points_of_an_order_arrive_within_5_seconds(stub: StubShop, page: Page) -> None:
    stub.answer = session(MEMBER)
    dialog = opened(stub, page)
    dialog.get_by_role("button", name="Why 108 points").click()
    rest(page)
    stub.answer = session(MORE)
    expect(dialog.get_by_text("Order #1043")).to_be_visible(timeout=5000)
    expect(dialog).to_contain_text("1,290 points")
    expect(dialog.get_by_role("status")).to_have_text("1,290 points")
    expect(page.locator("encore-rewards .launcher")).to_have_text("1,290")
    assert focused(page) == "Why 108 points for Order #1042?"
    expect(dialog.get_by_text("108.00 × 1 = 108")).to_be_visible()


def test_first_look_is_fresh_however_old_the_page_is(stub: StubShop, page: Page) -> None:
    stub.answer = session(MEMBER)
    page.goto(stub.url)
    page.get_by_role("button", name="Rewards").wait_for()
    stub.answer = session(MORE)
    page.get_by_role("button", name="Rewards").click()
    expect(page.get_by_role("dialog")).to_contain_text("1,290 points", timeout=2000)


def test_stops_asking_after_two_minutes_and_starts_again_when_looked_at(stub: StubShop, page: Page) -> None:
    page.clock.install()
    page.goto(stub.url)
    page.clock.run_for(3000)
    page.get_by_role("button", name="Rewards").click()
    page.get_by_role("dialog").wait_for()

    def pass_seconds(seconds: int) -> int:
        before = len(stub.asked)
        for _ in range(seconds * 2 // 5):
            page.clock.run_for(2500)
            page.evaluate("fetch('/icon.svg').then((answer) => answer.text())")
        return len(stub.asked) - before

    assert 40 <= pass_seconds(140) <= 50
    assert pass_seconds(60) == 0
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert pass_seconds(20) >= 4
    page.keyboard.press("Escape")
    assert pass_seconds(60) <= 1


def test_failing_answers_leave_the_last_ones_standing(stub: StubShop, page: Page) -> None:
    stub.answer = session(MEMBER)
    dialog = opened(stub, page)
    stub.status = 500
    page.wait_for_timeout(3000)
    expect(dialog).to_contain_text("1,240 points")
    expect(page.locator("encore-rewards .launcher")).to_have_text("1,240")


def test_answer_that_cannot_be_drawn_leaves_the_last_one_standing(stub: StubShop, page: Page) -> None:
    stub.answer = session(MEMBER)
    dialog = opened(stub, page)
    rest(page)
    stub.answer = session({**MEMBER, "points": 7, "entries": [{**ENTRIES[0], "at": "yesterday"}, None]})
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    rest(page)
    expect(dialog).to_contain_text("1,240 points")


def test_signed_out_elsewhere_becomes_the_invitation(stub: StubShop, page: Page) -> None:
    stub.answer = session(MEMBER)
    dialog = opened(stub, page)
    rest(page)
    stub.answer = session()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(dialog.get_by_role("link", name="Sign in")).to_be_visible()
    expect(dialog).not_to_contain_text("Ana")


def test_ended_programme_takes_everything_away(stub: StubShop, page: Page) -> None:
    opened(stub, page)
    rest(page)
    stub.answer = session(programme=None)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("encore-rewards")).to_have_count(0)
    page.mouse.click(60, 160)


def test_new_accounts_have_one_way_in_and_no_password(stub: StubShop, page: Page) -> None:
    stub.answer = session(accounts="new")
    dialog = opened(stub, page)
    expect(dialog.get_by_role("link")).to_have_text(["Sign in or join"])
    expect(dialog).to_contain_text("No password: we send you a code.")


def test_sections_open_pages_inside_with_a_way_back(stub: StubShop, page: Page) -> None:
    stub.answer = session(COMING)
    dialog = opened(stub, page)
    dialog.get_by_role("button", name="Tiers").click()
    expect(page.get_by_role("dialog", name="Tiers")).to_be_visible()
    assert focused(page) == "Tiers"
    for text in ("Your tier follows", "Silver", "From R$70.00", "Your orders count 1.5×"):
        expect(dialog).to_contain_text(text)
    expect(dialog.get_by_role("listitem").filter(has_text="your tier")).to_contain_text("Gold")
    dialog.get_by_role("button", name="Back").click()
    expect(dialog).to_contain_text("1,240 points")
    assert focused(page) == "Tiers"
    dialog.get_by_role("button", name="Ways to earn").click()
    expect(dialog).to_contain_text("Points can be used 14 days after payment.")
    assert stub.questions == [("programme", {"locale": ["en"]})]


def test_page_that_does_not_load_says_so_and_comes_when_asked_again(stub: StubShop, page: Page) -> None:
    stub.answers = {}
    dialog = opened(stub, page)
    dialog.get_by_role("button", name="Ways to earn").click()
    expect(dialog.get_by_text("This didn't load. Try again in a minute.")).to_be_visible()
    stub.answers = {"programme": RULES}
    dialog.get_by_role("button", name="Back").click()
    dialog.get_by_role("button", name="Ways to earn").click()
    expect(dialog).to_contain_text("Every R$1.00 spent earns 1 point.")


def test_programme_without_tiers_has_no_page_of_them(stub: StubShop, page: Page) -> None:
    stub.answer = session(programme={**PROGRAMME, "tiers": False})
    expect(opened(stub, page).get_by_role("button", name="Tiers")).to_have_count(0)


def test_older_entries_come_a_page_at_a_time_and_stay_when_new_ones_arrive(stub: StubShop, page: Page) -> None:
    stub.answer = session({**MEMBER, "older": 7})
    old = [{**ENTRIES[2], "id": number, "what": f"Order #{number}"} for number in (6, 5)]
    stub.answers["history"] = {"entries": old[:1], "older": 6}
    dialog = opened(stub, page)
    dialog.get_by_role("button", name="Show older").click()
    expect(dialog.get_by_text("Order #6")).to_be_visible()
    stub.answers["history"] = {"entries": old[1:], "older": None}
    dialog.get_by_role("button", name="Show older").click()
    expect(dialog.get_by_text("Order #5")).to_be_visible()
    expect(dialog.get_by_role("button", name="Show older")).to_have_count(0)
    asked = [query["before"] for what, query in stub.questions if what == "history"]
    assert asked == [["7"], ["6"]]
    stub.answer = session({**MORE, "older": 8, "entries": MORE["entries"][:3]})
    expect(dialog.get_by_text("Order #1043")).to_be_visible(timeout=5000)
    shown = dialog.locator(".history .what").all_inner_texts()
    assert shown == ["Order #1043", "Order #1042", "Return from order #1031", "Order #1031", "Order #6", "Order #5"]


def test_orders_that_became_a_members_are_told(stub: StubShop, page: Page) -> None:
    stub.answer = session({**MEMBER, "claimed": {"points": 240, "orders": 2}})
    expect(opened(stub, page)).to_contain_text("240 points from 2 earlier orders are yours now.")


# What the server said in each language, and what of the script's own words must be there.
SAID: dict[str, tuple[dict[str, Any], str]] = {
    "zh-Hans": ({"what": "订单 #1042", "when": "11月20日"}, "如何获得积分"),
    "zh-Hant": ({"what": "訂單 #1042", "when": "11月20日"}, "如何獲得點數"),
    "pt-BR": ({"what": "Pedido #1042", "when": "20 de nov."}, "Como ganhar"),
    "es": ({"what": "Pedido #1042", "when": "20 nov"}, "Cómo ganar"),
}
ENGLISH = {"you", "your", "the", "points", "point", "history", "close", "why", "worth", "more", "tiers", "earn", "sign"}


@pytest.mark.parametrize("locale", SAID)
def test_every_language_is_spoken_throughout(stub: StubShop, page: Page, locale: str) -> None:
    said, word = SAID[locale]
    stub.answer = session({**COMING, "entries": [{**ENTRIES[0], **said, "why": []}]}, locale=locale)
    dialog = opened(stub, page)
    expect(dialog).to_have_attribute("lang", locale)
    expect(page.locator("encore-rewards .launcher")).to_have_attribute("lang", locale)
    expect(dialog).to_contain_text(word)
    names = dialog.get_by_role("button").evaluate_all("(all) => all.map((it) => it.ariaLabel ?? '')")
    text = " ".join([dialog.inner_text(), *names])
    assert not ENGLISH & set(re.findall(r"[a-z]+", text.lower()))


def test_right_to_left_page_mirrors_it(stub: StubShop, page: Page) -> None:
    stub.html = '<html lang="ar" dir="rtl">'
    stub.answer = session(MEMBER)
    page.goto(stub.url)
    launcher = page.get_by_role("button", name="Rewards")
    box = launcher.bounding_box()
    assert box is not None
    assert box["x"] == 16
    launcher.click()
    dialog = page.get_by_role("dialog")
    left = "(it) => it.getBoundingClientRect().left"
    assert dialog.evaluate(left) == 16
    assert dialog.get_by_role("button", name="Close").evaluate(left) < 60
    assert dialog.get_by_text("Order #1042").evaluate(left) > dialog.get_by_text("+108").evaluate(left)


SIZES = {"desktop": (1280, 800), "phone": (390, 844), "zoomed to 200%": (640, 400), "small phone": (320, 568)}


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
@pytest.mark.parametrize("answer", [session(), session(MEMBER)], ids=["anonymous", "member"])
def test_fits_the_window_with_close_in_sight(
    stub: StubShop, new_page: Callable[..., Page], size: tuple[int, int], answer: dict[str, Any]
) -> None:
    page = new_page(*size)
    stub.answer = answer
    dialog = opened(stub, page)
    rest(page)
    box = dialog.bounding_box()
    assert box is not None
    if size[0] <= 480:
        assert (box["x"], box["width"], box["y"] + box["height"]) == (0, size[0], size[1])
        assert box["height"] <= 0.85 * size[1] + 1
    is_uncut(dialog, *size)


def test_reduced_motion_only_fades(stub: StubShop, new_page: Callable[..., Page]) -> None:
    page = new_page(reduced_motion="reduce")
    dialog = opened(stub, page)
    assert dialog.evaluate("(it) => getComputedStyle(it).translate") == "none"


THEMES = {
    "plain": "",
    "soft text": "body { color: rgba(18, 18, 18, .75); background: #fff }",
    "dark": "body { background: #111; color: #eee }",
    "pale text": "body { color: #aaa; background: #fff }",
    "accent": ":root { --encore-accent: #0b6e4f }",
    "dark surface on a light page": "encore-rewards { --encore-surface: #1d1d2b; --encore-accent: #ffd400 }",
}


@pytest.mark.parametrize("css", THEMES.values(), ids=THEMES.keys())
@pytest.mark.parametrize("answer", [session(), session(MEMBER)], ids=["anonymous", "member"])
def test_axe_finds_nothing(stub: StubShop, page: Page, css: str, answer: dict[str, Any]) -> None:
    stub.css, stub.answer = css, answer
    dialog = opened(stub, page)
    why = dialog.get_by_role("button", name="Why 108 points")
    if why.count():
        why.click()
    rest(page)
    assert offences(page) == []
    checked = page.evaluate(
        "axe.run({ include: [['encore-rewards']] }, { runOnly: ['color-contrast'] })"
        ".then(({ passes, incomplete }) => [passes.length, incomplete.flatMap((it) => it.nodes.map((n) => n.html))])"
    )
    assert checked == [1, []]


def test_axe_finds_nothing_on_the_launcher(stub: StubShop, page: Page) -> None:
    page.goto(stub.url)
    page.get_by_role("button", name="Rewards").wait_for()
    assert offences(page) == []
