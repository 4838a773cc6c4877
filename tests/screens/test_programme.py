"""Writing, previewing and publishing the programme through its screens."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from loyalty import launch, selectors
from loyalty.models import Backfill, Programme, ProgrammeDraft, ProgrammeVersion, ProgrammeWithdrawal
from loyalty.programme import backfill_decide, draft_save, programme_publish
from loyalty.rules.programme import completed
from retention_app import clock
from retention_app.models import Customer, Order, Product, Shop
from retention_app.tenancy import shop_scope
from tests.loyalty import ground
from tests.orders import order_row
from tests.screens.conftest import RULES, sane, see

FIELDS = {"earn_points": "1", "earn_per": "1.00", "worth_points": "100", "worth_amount": "5.00"}
HTMX = {"HX-Request": "true"}
REVIEW = "/app/loyalty/draft/review/"
TIERS = {
    "tiers_by": "spend",
    "tiers_period": "lifetime",
    "tiers_grace_days": "30",
    "tiers_hold_days": "",
    "level_0_key": "silver",
    "level_0_name": "Silver",
    "level_0_from": "70.00",
    "level_0_percent": "1.25",
    "level_1_key": "gold",
    "level_1_name": "Gold",
    "level_1_from": "200",
    "level_1_percent": "",
}


def publish(staff: Client, work_off: Callable[[], None], **fields: str) -> Any:
    """Look at the review, let the workers count who moves, publish."""
    reviewed = seen_at(staff, REVIEW)
    work_off()
    return staff.post(REVIEW, {**reviewed, **fields})


def seen_at(staff: Client, path: str) -> dict[str, str]:
    """The draft's revision as a page's form sends it."""
    html = staff.get(path).content.decode()
    revision = re.search(r'name="draft_revision" value="(\d+)"', html)
    assert revision
    return {"draft_revision": revision[1]}


def draft_of(shop: Shop) -> Any:
    with shop_scope(shop.id):
        return ProgrammeDraft.objects.get().document


def test_saving_and_publishing_as_plain_forms(storied: Shop, staff: Client, work_off: Callable[[], None]) -> None:
    saved = staff.post("/app/loyalty/draft/", FIELDS)
    assert (saved.status_code, saved["Location"]) == (303, "/app/loyalty/draft/")
    published = staff.post(REVIEW, {"count_past": "all", **seen_at(staff, REVIEW)})
    assert (published.status_code, published["Location"]) == (303, "/app/loyalty/programme/")
    with shop_scope(storied.id):
        version = ProgrammeVersion.objects.get()
        assert (version.number, version.document, version.published_by) == (1, completed(RULES), "42")
        assert Programme.objects.get().earn_from.year == 1970
    seen = see(staff.get("/app/loyalty/programme/").content.decode())
    assert "Every $1.00 spent earns 1 point." in seen.text
    assert "100 points are worth $5.00." in seen.text
    assert "All earlier orders count." in seen.text


def test_with_htmx_a_post_answers_where_to_go_and_what_to_say(alpha: Shop, staff: Client) -> None:
    answer = staff.post("/app/loyalty/draft/", FIELDS, headers=HTMX)
    assert answer.status_code == 200
    assert json.loads(answer["HX-Location"])["path"] == "/app/loyalty/draft/"
    assert json.loads(answer["HX-Trigger"]) == {"toast": "Draft saved"}


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("earn_points", "", "Points earned: Enter a number."),
        ("earn_points", "1.5", "Points earned: Enter a whole number."),
        ("earn_points", "0", "Points earned: Enter more than zero."),
        ("earn_per", "ten", "Amount spent: Enter an amount like 1.00."),
        ("earn_per", "1.001", "Amount spent: Enter an amount like 1.00."),
        ("worth_amount", "-5", "What they are worth: Enter more than zero."),
        ("worth_amount", "500", "What they are worth: Points would be worth more than what was spent to earn them."),
    ],
)
def test_what_is_wrong_is_said_at_the_field_and_on_top(
    alpha: Shop, staff: Client, field: str, value: str, said: str
) -> None:
    answer = staff.post("/app/loyalty/draft/", {**FIELDS, field: value}, headers=HTMX)
    html = answer.content.decode()
    assert answer.status_code == 422
    assert see(html).text.count(said) == 2
    assert f'href="#id_{field}"' in html
    assert f'id="id_{field}-error"' in html
    assert 'aria-invalid="true"' in html
    sane(see(html))
    with shop_scope(alpha.id):
        assert not ProgrammeDraft.objects.exists()


@pytest.mark.parametrize("amount", ["1,000", "1.000"])
def test_an_amount_that_may_be_thousands_or_decimals_is_refused(alpha: Shop, staff: Client, amount: str) -> None:
    answer = staff.post("/app/loyalty/draft/", {**FIELDS, "earn_per": amount})
    assert answer.status_code == 422
    assert not ProgrammeDraft.objects.unscoped().exists()


def test_a_decimal_comma_is_understood(alpha: Shop, staff: Client) -> None:
    staff.post("/app/loyalty/draft/", {**FIELDS, "worth_amount": "5,50"})
    with shop_scope(alpha.id):
        assert ProgrammeDraft.objects.get().document["worth"]["minor"] == 550


def test_publishing_version_1_needs_the_choice_about_earlier_orders(alpha: Shop, staff: Client) -> None:
    staff.post("/app/loyalty/draft/", FIELDS)
    answer = staff.post(REVIEW, seen_at(staff, REVIEW))
    assert answer.status_code == 422
    assert "Choose which earlier orders count." in see(answer.content.decode()).text


def test_review_says_what_earlier_orders_would_mean(storied: Shop, staff: Client, work_off: Callable[[], None]) -> None:
    staff.post("/app/loyalty/draft/", FIELDS)
    with shop_scope(storied.id):
        start = launch.starts(storied, completed(RULES))["all"]
    seen = see(staff.get("/app/loyalty/draft/review/").content.decode())
    assert f"{start.customers} customers would start with about {start.points:,} points" in seen.text
    assert "added" in seen.text
    assert "Publish version 1" in seen.text
    staff.post(REVIEW, {"count_past": "all", **seen_at(staff, REVIEW)})
    work_off()
    with shop_scope(storied.id):
        assert selectors.points_totals(storied.id).outstanding == start.points


def test_review_counts_bonuses_and_the_cap(storied: Shop, staff: Client, work_off: Callable[[], None]) -> None:
    bonuses = {"order": {"from_minor": 5_000, "points": 40}, "first_order": 25}
    document = completed({**RULES, "bonuses": bonuses, "order_max": 100})
    with shop_scope(storied.id):
        draft_save(storied.id, document, "42")
        start, plain = (launch.starts(storied, one)["all"] for one in (document, completed(RULES)))
        assert start.points != plain.points
        since = clock.now() - dt.timedelta(days=100)
        programme_publish(storied.id, "42", "none")
    work_off()
    with shop_scope(storied.id):
        more = launch.backfilled(storied, document, since, clock.now())
        backfill_decide(storied.id, since, "42")
    work_off()
    with shop_scope(storied.id):
        assert selectors.points_totals(storied.id).outstanding == more.points
        former = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
        rest = launch.backfilled(storied, document, former, since)
        assert more.points + rest.points == start.points
        backfill_decide(storied.id, former, "42")
    work_off()
    with shop_scope(storied.id):
        assert selectors.points_totals(storied.id).outstanding == start.points


def test_what_is_looked_at_again_and_again_doesnt_count_all_orders(
    alpha: Shop, staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    staff.post("/app/loyalty/draft/", FIELDS)
    monkeypatch.delattr(launch, "starts")
    assert staff.get(REVIEW, headers={**HTMX, "HX-Target": "div#consequences"}).status_code == 200


def test_review_of_a_later_version_names_each_change(programmed: Shop, staff: Client) -> None:
    staff.post("/app/loyalty/draft/", {**FIELDS, "earn_points": "2"})
    seen = see(staff.get("/app/loyalty/draft/review/").content.decode())
    assert "changed Earning points Every $1.00 spent earns 1 point. Every $1.00 spent earns 2 points." in seen.text
    assert "5.0% 10.0%" in seen.text
    assert "What points are worth" not in seen.text
    assert "Earlier orders keep version 1" in seen.text
    sane(seen)


def test_the_draft_bar_is_there_while_a_draft_waits_and_gone_afterwards(
    programmed: Shop, staff: Client, work_off: Callable[[], None]
) -> None:
    pages = ("/app/loyalty/programme/", "/app/loyalty/draft/")
    assert not any("not live yet" in staff.get(path).content.decode() for path in pages)
    staff.post("/app/loyalty/draft/", {**FIELDS, "earn_points": "2"})
    assert all("Draft: 2 changes, not live yet." in staff.get(path).content.decode() for path in pages)
    publish(staff, work_off)
    assert not any("not live yet" in staff.get(path).content.decode() for path in pages)


def test_discarding_goes_back_to_what_is_live(programmed: Shop, staff: Client) -> None:
    staff.post("/app/loyalty/draft/", {**FIELDS, "earn_points": "2"})
    answer = staff.post("/app/loyalty/draft/discard/", seen_at(staff, "/app/loyalty/draft/"))
    assert answer.status_code == 303
    assert "not live yet" not in staff.get("/app/loyalty/draft/").content.decode()


@pytest.mark.parametrize("path", ["/app/loyalty/draft/discard/", "/app/loyalty/versions/1/bring-back/"])
@pytest.mark.parametrize("named", [{"draft_revision": "2"}, {"draft_revision": "9" * 5_000}, {}])
def test_a_draft_somebody_else_saved_meanwhile_is_not_thrown_away_unasked(
    programmed: Shop, staff: Client, path: str, named: dict[str, str]
) -> None:
    staff.post("/app/loyalty/draft/", {**FIELDS, "earn_points": "2"})
    answer = staff.post(path, named, headers=HTMX)
    assert answer.status_code == 409
    seen = see(answer.content.decode())
    assert "Olivia Owner saved this draft meanwhile" in seen.text
    assert "what you typed" not in seen.text
    sane(seen)
    assert draft_of(programmed)["earn"]["points"] == 2


@pytest.mark.parametrize("revision", ["", "x", "-1", "9" * 5_000])
def test_a_draft_nobody_saw_is_not_published(programmed: Shop, staff: Client, revision: str) -> None:
    staff.post("/app/loyalty/draft/", {**FIELDS, "earn_points": "2"})
    answer = staff.post(REVIEW, {"draft_revision": revision})
    assert answer.status_code == 422
    said = "Open this form again." if revision else "still being counted"
    assert said in see(answer.content.decode()).text
    with shop_scope(programmed.id):
        assert ProgrammeVersion.objects.count() == 1


def test_publishing_what_somebody_else_changed_is_refused(programmed: Shop, staff: Client) -> None:
    staff.post("/app/loyalty/draft/", {**FIELDS, "earn_points": "2"})
    with shop_scope(programmed.id):
        reviewed = ProgrammeDraft.objects.get().revision
        draft_save(programmed.id, {**RULES, "earn": {"points": 9, "per_minor": 100}}, "77")
    answer = staff.post("/app/loyalty/draft/review/", {"draft_revision": reviewed}, headers=HTMX)
    assert answer.status_code == 409
    seen = see(answer.content.decode())
    assert "Somebody changed or published the draft meanwhile." in seen.text
    assert "earns 9 points" in seen.text


def test_publishing_nothing_is_refused(programmed: Shop, staff: Client) -> None:
    answer = staff.post(REVIEW, {"draft_revision": "2"})
    assert answer.status_code == 422
    assert "There is nothing to publish" in see(answer.content.decode()).text


def test_the_preview_follows_what_is_typed(programmed: Shop, staff: Client) -> None:
    part: dict[str, Any] = {"headers": {**HTMX, "HX-Target": "section#preview"}}
    html = staff.get("/app/loyalty/draft/", {**FIELDS, "earn_points": "3"}, **part).content.decode()
    assert "<html" not in html
    with shop_scope(programmed.id):
        preview = selectors.preview_orders(programmed.id, {**RULES, "earn": {"points": 3, "per_minor": 100}})
    assert len(preview.rows) == 100
    seen = see(html)
    assert f"{preview.now:,}" in seen.text
    assert f"{preview.draft:,}" in seen.text
    assert f"+{preview.difference:,}" in seen.text
    broken = staff.get("/app/loyalty/draft/", {**FIELDS, "earn_points": "x"}, **part)
    assert "The preview comes back once every field has a number." in see(broken.content.decode()).text


def test_an_order_is_tried_by_what_is_typed_and_the_tier_of_its_instant(alpha: Shop, staff: Client) -> None:
    with shop_scope(alpha.id):
        ground.publish(alpha)
        ground.customers(1)
        ground.mirrored(order_row(5), order_row(6))
        first, second = Order.objects.order_by("processed_at")
    assert f"{second.name}, First1 Last1" in see(staff.get("/app/loyalty/draft/").content.decode()).text

    def tried(order: Order, **fields: str) -> str:
        typed = {**FIELDS, **TIERS, "level_0_from": "40", "level_0_percent": "2", **fields, "order": str(order.id)}
        part = {**HTMX, "HX-Target": "section#preview"}
        html = staff.get("/app/loyalty/draft/", typed, headers=part).content.decode()
        return see(html).text

    assert "Silver 2 × 50.00 × 1 point per $1.00 = 100" in tried(second)
    assert "100 points" in tried(second)
    assert "By the live rules, version 1: 50." in tried(second)
    assert "What a tier multiplies shows when you try one." in tried(second)
    assert "50.00 × 3 points per $1.00 = 150" in tried(first, earn_points="3")
    assert "25 points for a first order. " in tried(first, first_order_bonus="25")
    assert "It is tried again once every field has a number." in tried(first, earn_points="x")


def test_another_shops_draft_is_never_touched(programmed: Shop, beta: Shop, merchant: Callable[[Shop], Client]) -> None:
    merchant(beta).post("/app/loyalty/draft/", {**FIELDS, "earn_points": "7"})
    with shop_scope(programmed.id):
        assert ProgrammeVersion.objects.count() == 1
        assert not ProgrammeDraft.objects.filter(document__earn__points=7).exists()


@pytest.mark.parametrize(
    "path", ["/app/loyalty/draft/", "/app/loyalty/draft/review/", "/app/loyalty/draft/discard/", "/app/language/"]
)
def test_nobody_without_a_token_changes_anything(programmed: Shop, path: str) -> None:
    assert Client().post(path, FIELDS | {"language": "zh-hant"}).status_code == 401
    with shop_scope(programmed.id):
        assert ProgrammeVersion.objects.count() == 1
        assert Customer.objects.exists()


@pytest.mark.parametrize("path", ["/app/", "/app/customers/", "/app/loyalty/programme/"])
def test_pages_that_only_show_refuse_posts(alpha: Shop, staff: Client, path: str) -> None:
    assert staff.post(path).status_code == 405


# --- the whole document ----------------------------------------------------------------------------------------------


def test_every_rule_can_be_written_and_comes_back_as_typed(alpha: Shop, staff: Client) -> None:
    now = clock.now()
    with shop_scope(alpha.id):
        Product.objects.create(
            shop=alpha, shopify_id=81, title="Coffee 500 g", status="ACTIVE", updated_at=now, read_at=now
        )
    typed = {
        **FIELDS,
        **TIERS,
        "tiers_protect_until": "2027-12-31",
        "multiplier_0_key": "k1",
        "multiplier_0_kind": "product",
        "multiplier_0_label": "coffee 500 G",
        "multiplier_0_name": "",
        "multiplier_0_percent": "2",
        "multiplier_0_from": "2026-12-01",
        "multiplier_0_until": "2026-12-31",
        "multiplier_1_kind": "tag",
        "multiplier_1_label": "Tea",
        "multiplier_1_percent": "1,5",
        "order_bonus_from": "200",
        "order_bonus_points": "50",
        "first_order_bonus": "25",
        "order_max": "5000",
        "waiting_days": "14",
        "waiting_after": "fulfilment",
        "expiry_months": "12",
        "short": "floored",
    }
    assert staff.post("/app/loyalty/draft/", typed).status_code == 303
    document = draft_of(alpha)
    first, second = document["multipliers"]
    assert (first["key"], first["label"], first["name"], first["percent"]) == ("k1", "product:81", "Coffee 500 g", 200)
    assert (first["from"], first["until"]) == ("2026-12-01T00:00:00+00:00", "2027-01-01T00:00:00+00:00")
    assert (second["label"], second["name"], second["percent"], second["from"]) == ("tag:tea", "Tea", 150, None)
    assert second["key"]
    assert document["tiers"] == {
        "by": "spend",
        "period": "lifetime",
        "grace_days": 30,
        "hold_days": 0,
        "protect_until": "2027-12-31T00:00:00+00:00",
        "levels": [
            {"key": "silver", "name": "Silver", "from": 7000, "percent": 125},
            {"key": "gold", "name": "Gold", "from": 20000, "percent": 100},
        ],
    }
    assert document["bonuses"] == {"order": {"from_minor": 20000, "points": 50}, "first_order": 25}
    assert document["waiting"] == {"days": 14, "after": "fulfilment"}
    assert (document["expiry_months"], document["short"], document["order_max"]) == (12, "floored", 5000)
    seen = see(staff.get("/app/loyalty/draft/").content.decode())
    sane(seen)
    for shown in ('value="Coffee 500 g"', 'value="1.25"', 'value="2026-12-31"', 'value="200.00"'):
        assert shown in seen.html


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"level_1_from": "70"}, "Tier 2: from: Enter more than what Silver asks for."),
        ({"level_1_name": " silver"}, "Tier 2: name: Another tier is called that."),
        ({"level_0_name": ""}, "Tier 1: name: Enter a name of at most 60 characters."),
        ({"level_0_from": ""}, "Tier 1: from: Enter a number."),
        ({"level_0_percent": "0.5"}, "Tier 1: times: Enter 1× or more."),
        ({"level_0_percent": "1.255"}, "Tier 1: times: Enter a number like 1.5."),
        ({"tiers_grace_days": "181"}, "Days of grace: Enter at most 180 days."),
        ({"tiers_by": "luck"}, "Members qualify by: Choose one of the answers."),
        ({"waiting_days": "91"}, "Waiting days: Enter at most 90 days."),
        ({"expiry_months": "61"}, "Months until points expire: Enter at most 60 months."),
        ({"expiry_months": "0"}, "Months until points expire: Enter more than zero."),
        ({"order_bonus_from": "10"}, "Points for large orders: Enter a number."),
        ({"multiplier_0_label": "Nothing", "multiplier_0_percent": "2"}, "Rule 2: which: No product is called that."),
        (
            {"multiplier_0_kind": "tag", "multiplier_0_percent": "2"},
            "Rule 2: which: Choose a product, a collection or a tag.",
        ),
        (
            {
                "multiplier_0_kind": "tag",
                "multiplier_0_label": "tea",
                "multiplier_0_percent": "11",
                "multiplier_0_from": "2026-12-02",
                "multiplier_0_until": "2026-12-01",
            },
            "Rule 2: last day: The last day can't be before the first.",
        ),
        ({"tiers_protect_until": "31 Dec"}, "Nobody moves down before: Enter a date like 2026-12-31."),
    ],
)
def test_a_rule_that_cannot_be_is_refused_at_its_field(
    alpha: Shop, staff: Client, changed: dict[str, str], said: str
) -> None:
    answer = staff.post("/app/loyalty/draft/", {**FIELDS, **TIERS, **changed}, headers=HTMX)
    assert answer.status_code == 422
    seen = see(answer.content.decode())
    assert seen.text.count(said) == 2
    sane(seen)
    with shop_scope(alpha.id):
        assert not ProgrammeDraft.objects.exists()


def test_rows_are_added_and_removed_without_saving_or_losing_what_was_typed(alpha: Shop, staff: Client) -> None:
    html = staff.post("/app/loyalty/draft/", {**FIELDS, "earn_points": "x7", "add": "level"}).content.decode()
    assert 'name="level_0_name"' in html
    assert "autofocus" in html
    assert 'value="x7"' in html
    assert 'id="problem"' not in html
    html = staff.post("/app/loyalty/draft/", {**FIELDS, **TIERS, "remove": "level_0"}).content.decode()
    assert 'value="Gold"' in html
    assert 'value="gold"' in html  # its key stays
    assert 'value="Silver"' not in html
    assert 'name="level_1_name"' not in html
    html = staff.post("/app/loyalty/draft/", {**FIELDS, "add": "nonsense"}).content.decode()
    assert "level_0" not in html
    with shop_scope(alpha.id):
        assert not ProgrammeDraft.objects.exists()


def test_a_draft_somebody_else_saved_meanwhile_is_not_overwritten_unasked(programmed: Shop, staff: Client) -> None:
    begun = {**FIELDS, "draft_revision": "2"}
    assert staff.post("/app/loyalty/draft/", {**begun, "earn_points": "2"}).status_code == 303
    answer = staff.post("/app/loyalty/draft/", {**begun, "earn_points": "3"}, headers=HTMX)
    assert answer.status_code == 409
    seen = see(answer.content.decode())
    assert "Olivia Owner saved this draft meanwhile" in seen.text
    assert 'value="3"' in seen.html
    sane(seen)
    assert draft_of(programmed)["earn"]["points"] == 2
    assert staff.post("/app/loyalty/draft/", {**FIELDS, "draft_revision": "9" * 5_000}).status_code == 409
    told = {**FIELDS, "earn_points": "3", "draft_revision": "3"}
    assert 'name="draft_revision" value="3"' in seen.html
    assert staff.post("/app/loyalty/draft/", told).status_code == 303
    assert draft_of(programmed)["earn"]["points"] == 3


def test_the_editor_begins_with_a_waiting_time_and_no_tiers(alpha: Shop, staff: Client) -> None:
    html = staff.get("/app/loyalty/draft/").content.decode()
    assert 'name="waiting_days" value="14"' in html
    assert "level_0" not in html


# --- review ---------------------------------------------------------------------------------------------------------


def test_publishing_waits_until_it_is_counted_who_moves(
    programmed: Shop, staff: Client, work_off: Callable[[], None]
) -> None:
    staff.post("/app/loyalty/draft/", {**FIELDS, **TIERS})
    seen = see(staff.get(REVIEW).content.decode())
    assert "orders: 0%." in seen.text
    assert "once it is counted who moves" in seen.text
    assert "added Silver Silver from $70.00: orders count 1.25×." in seen.text.replace(" – ", " ")
    reviewed = seen_at(staff, REVIEW)
    refused = staff.post(REVIEW, reviewed)
    assert refused.status_code == 422
    assert "Who moves is still being counted." in see(refused.content.decode()).text
    work_off()
    part = staff.get(REVIEW, headers={**HTMX, "HX-Target": "div#consequences"}).content.decode()
    assert "<html" not in part
    assert "every 2s" not in part
    assert 'hx-swap-oob="outerMorph"' in part
    seen = see(staff.get(REVIEW).content.decode())
    sane(seen)
    assert "Tier Version 1 Version 2 No tier" in seen.text
    assert "If all are redeemed" in seen.text
    assert "disabled" not in seen.attributes
    assert staff.post(REVIEW, reviewed).status_code == 303
    work_off()
    with shop_scope(programmed.id):
        assert ProgrammeVersion.objects.count() == 2


def test_a_known_margin_says_what_a_draft_has_to_bring_in(
    programmed: Shop, staff: Client, work_off: Callable[[], None]
) -> None:
    staff.post("/app/loyalty/draft/", {**FIELDS, **TIERS})
    staff.get(REVIEW)
    work_off()
    asked = see(staff.get(REVIEW).content.decode())
    assert "Enter your margin to see what it has to bring in" in asked.text
    assert "Pays for itself" not in asked.text
    Shop.objects.filter(id=programmed.id).update(margin_percent=45)
    text = see(staff.get(REVIEW).content.decode()).text
    assert "Enter your margin" not in text
    amounts = r"12 months again, [\d,]+ orders?, \$([\d,.]+) .*redeemed \$([\d,.]+) → then \$([\d,.]+) "
    told = re.search(amounts + r".*spend ([\d.]+)% more, at your margin of 45%\.", text)
    assert told is not None
    revenue, now, then, share = (float(figure.replace(",", "")) for figure in told.groups())
    assert then > now
    grown = revenue * (1 + share / 100)  # its margin, less its points, is what was left before
    assert grown * (0.45 - then / revenue) == pytest.approx(revenue * 0.45 - now, rel=1e-3)
    Shop.objects.filter(id=programmed.id).update(margin_percent=1)
    assert "More sales can't pay for it: at your margin of 1%" in see(staff.get(REVIEW).content.decode()).text


def test_a_draft_that_gives_back_more_than_the_margin_is_said_to(programmed: Shop, staff: Client) -> None:
    Shop.objects.filter(id=programmed.id).update(margin_percent=4)
    staff.post("/app/loyalty/draft/", FIELDS)
    told = "Points are worth 5.0% of what was spent to earn them, more than your margin of 4%."
    assert told in see(staff.get("/app/loyalty/draft/").content.decode()).text
    staff.post("/app/loyalty/draft/", {**FIELDS, **TIERS})
    told = "In Silver, points are worth 6.2% of what was spent to earn them, more than your margin of 4%."
    assert told in see(staff.get(REVIEW).content.decode()).text
    Shop.objects.filter(id=programmed.id).update(margin_percent=45)
    assert "more than your margin" not in see(staff.get(REVIEW).content.decode()).text


def test_the_names_of_who_moves_can_be_searched_and_downloaded(
    programmed: Shop, staff: Client, work_off: Callable[[], None], merchant: Callable[[Shop], Client], beta: Shop
) -> None:
    staff.post("/app/loyalty/draft/", {**FIELDS, **TIERS})
    assert staff.get(f"{REVIEW}moves/").status_code == 302  # not counted yet
    staff.get(REVIEW)
    work_off()
    seen = see(staff.get(f"{REVIEW}moves/").content.decode())
    sane(seen)
    assert "No tier" in seen.text
    assert "after=" in seen.html
    with shop_scope(programmed.id):
        ana = Customer.objects.order_by("shopify_id").values_list("id", flat=True).first()
    found = see(staff.get(f"{REVIEW}moves/", {"q": "ana souza", "way": "up"}).content.decode())
    assert f"/app/customers/{ana}/" in found.html
    assert "Lucas" not in found.text
    assert "Nobody who moves matches." in see(staff.get(f"{REVIEW}moves/", {"way": "down"}).content.decode()).text
    link = staff.post(f"{REVIEW}moves/", headers=HTMX)["HX-Redirect"]
    answer = Client().get(link)
    assert answer["Content-Type"].startswith("text/csv")
    lines = answer.content.decode("utf-8-sig").splitlines()
    assert lines[0] == "Customer,Name,Moves,Tier before,Tier after"
    assert "7000000000,Ana Souza,up,,Gold" in lines
    assert Client().get(link.partition("?")[0]).status_code == 404
    assert merchant(beta).get(link.partition("?")[0]).status_code == 404


# --- versions -------------------------------------------------------------------------------------------------------


def test_a_version_is_scheduled_shown_and_cancelled(
    programmed: Shop, staff: Client, work_off: Callable[[], None]
) -> None:
    programmed.timezone = "America/Sao_Paulo"
    programmed.save()
    day = (clock.now() + dt.timedelta(days=40)).date()
    staff.post("/app/loyalty/draft/", {**FIELDS, "earn_points": "2"})
    later = {"start": "later", "time": "09:30"}
    assert "Enter the day it starts." in publish(staff, work_off, **later).content.decode()
    later |= seen_at(staff, REVIEW)
    assert staff.post(REVIEW, {**later, "day": "2020-01-01"}).status_code == 422
    assert staff.post(REVIEW, {**later, "day": "yesterday"}).status_code == 422
    assert staff.post(REVIEW, {**later, "day": day.isoformat()}).status_code == 303
    with shop_scope(programmed.id):
        scheduled = ProgrammeVersion.objects.get(number=2)
        live = selectors.programme_live(programmed.id)
        assert live
        assert live.number == 1
    assert scheduled.effective_from == dt.datetime.combine(day, dt.time(12, 30), tzinfo=dt.UTC)
    seen = see(staff.get("/app/loyalty/programme/").content.decode())
    assert "Version 2 starts" in seen.text
    assert "09:30, Sao Paulo time." in seen.text
    assert "Every $1.00 spent earns 1 point." in seen.text
    sane(seen)
    assert "scheduled" in see(staff.get("/app/loyalty/versions/").content.decode()).text

    staff.post("/app/loyalty/draft/", {**FIELDS, "earn_points": "3"})
    refused = publish(staff, work_off)
    assert refused.status_code == 409
    assert "Another version waits for its start." in see(refused.content.decode()).text

    for _ in range(2):
        assert staff.post("/app/loyalty/versions/2/withdraw/").status_code == 303
    with shop_scope(programmed.id):
        assert ProgrammeWithdrawal.objects.count() == 1
    assert "Version 2 starts" not in staff.get("/app/loyalty/programme/").content.decode()
    assert "cancelled before it started" in see(staff.get("/app/loyalty/versions/").content.decode()).text
    assert publish(staff, work_off).status_code == 303
    with shop_scope(programmed.id):
        assert ProgrammeVersion.objects.latest("number").number == 3
    assert staff.post("/app/loyalty/versions/1/withdraw/", headers=HTMX)["HX-Trigger"] == json.dumps(
        {"toast": "It has started already"}
    )
    assert staff.post("/app/loyalty/versions/9/withdraw/").status_code == 404


def test_the_former_version_is_brought_back_through_the_review(
    programmed: Shop, staff: Client, work_off: Callable[[], None]
) -> None:
    staff.post("/app/loyalty/draft/", {**FIELDS, "earn_points": "2"})
    publish(staff, work_off)
    assert "Bring back version 1" in see(staff.get("/app/loyalty/programme/").content.decode()).text
    revision = seen_at(staff, "/app/loyalty/programme/")
    assert seen_at(staff, "/app/loyalty/versions/1/") == revision
    back = staff.post("/app/loyalty/versions/1/bring-back/", revision)
    assert back["Location"] == REVIEW
    seen = see(staff.get(REVIEW).content.decode())
    assert "Every $1.00 spent earns 2 points. Every $1.00 spent earns 1 point." in seen.text
    assert publish(staff, work_off).status_code == 303
    with shop_scope(programmed.id):
        assert ProgrammeVersion.objects.get(number=3).document == completed(RULES)
    assert staff.post("/app/loyalty/versions/9/bring-back/").status_code == 404


def test_versions_are_compared(programmed: Shop, staff: Client, work_off: Callable[[], None]) -> None:
    staff.post("/app/loyalty/draft/", {**FIELDS, **TIERS})
    publish(staff, work_off)
    seen = see(staff.get("/app/loyalty/versions/2/").content.decode())
    assert "Silver from $70.00: orders count 1.25×." in seen.text
    sane(seen)
    compared = see(staff.get("/app/loyalty/versions/1/", {"against": "2"}).content.decode())
    assert "removed Silver" in compared.text
    sane(compared)
    assert staff.get("/app/loyalty/versions/2/", {"against": "nonsense"}).status_code == 200
    assert staff.get("/app/loyalty/versions/3/").status_code == 404


def test_earlier_orders_are_counted_after_all(storied: Shop, staff: Client, work_off: Callable[[], None]) -> None:
    staff.post("/app/loyalty/draft/", FIELDS)
    staff.post(REVIEW, {"count_past": "none", **seen_at(staff, REVIEW)})
    work_off()
    with shop_scope(storied.id):
        assert selectors.points_totals(storied.id).outstanding == 0
    assert "/app/loyalty/backfill/" in staff.get("/app/loyalty/versions/").content.decode()
    sane(see(staff.get("/app/loyalty/backfill/").content.decode()))
    for day, status in (("", 422), ("soon", 422), ("2999-01-01", 422), ("1960-01-01", 422)):
        assert staff.get("/app/loyalty/backfill/", {"day": day}).status_code == status
    since = {"day": (clock.now() - dt.timedelta(days=100)).date().isoformat()}
    seen = see(staff.get("/app/loyalty/backfill/", since).content.decode())
    assert "Count these orders" in seen.text
    sane(seen)
    assert staff.post("/app/loyalty/backfill/", since).status_code == 303
    assert staff.post("/app/loyalty/backfill/", since).status_code == 422  # they count already
    work_off()
    with shop_scope(storied.id):
        assert Backfill.objects.get().version == 1
        outstanding = selectors.points_totals(storied.id).outstanding
    assert outstanding
    assert f"{outstanding:,}" in seen.text
