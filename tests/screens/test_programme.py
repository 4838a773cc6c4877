"""Writing, previewing and publishing the programme through its screens."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from loyalty import launch, selectors
from loyalty.models import Programme, ProgrammeDraft, ProgrammeVersion
from loyalty.programme import draft_save
from retention_app.models import Customer, Shop
from retention_app.tenancy import shop_scope
from tests.screens.conftest import RULES, sane, see

FIELDS = {"earn_points": "1", "earn_per": "1.00", "worth_points": "100", "worth_amount": "5.00"}
HTMX = {"HX-Request": "true"}


def test_saving_and_publishing_as_plain_forms(storied: Shop, staff: Client, work_off: Callable[[], None]) -> None:
    saved = staff.post("/app/loyalty/draft/", FIELDS)
    assert (saved.status_code, saved["Location"]) == (303, "/app/loyalty/draft/")
    published = staff.post("/app/loyalty/draft/review/", {"count_past": "all"})
    assert (published.status_code, published["Location"]) == (303, "/app/loyalty/programme/")
    with shop_scope(storied.id):
        version = ProgrammeVersion.objects.get()
        assert (version.number, version.document, version.published_by) == (1, RULES, "42")
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
    answer = staff.post("/app/loyalty/draft/review/", {})
    assert answer.status_code == 422
    assert "Choose which earlier orders count." in see(answer.content.decode()).text


def test_review_says_what_earlier_orders_would_mean(storied: Shop, staff: Client, work_off: Callable[[], None]) -> None:
    staff.post("/app/loyalty/draft/", FIELDS)
    with shop_scope(storied.id):
        start = launch.starts(storied, RULES)["all"]
    seen = see(staff.get("/app/loyalty/draft/review/").content.decode())
    assert f"{start.customers} customers would start with about {start.points:,} points" in seen.text
    assert "added" in seen.text
    assert "Publish version 1" in seen.text
    staff.post("/app/loyalty/draft/review/", {"count_past": "all"})
    work_off()
    with shop_scope(storied.id):
        assert selectors.points_totals(storied.id).outstanding == start.points


def test_review_of_a_later_version_names_each_change(programmed: Shop, staff: Client) -> None:
    staff.post("/app/loyalty/draft/", {**FIELDS, "earn_points": "2"})
    seen = see(staff.get("/app/loyalty/draft/review/").content.decode())
    assert "changed Earning points Every $1.00 spent earns 1 point. Every $1.00 spent earns 2 points." in seen.text
    assert "5.0% 10.0%" in seen.text
    assert "What points are worth" not in seen.text
    assert "Earlier orders keep version 1" in seen.text
    sane(seen)


def test_the_draft_bar_is_there_while_a_draft_waits_and_gone_afterwards(programmed: Shop, staff: Client) -> None:
    pages = ("/app/loyalty/programme/", "/app/loyalty/draft/")
    assert not any("not live yet" in staff.get(path).content.decode() for path in pages)
    staff.post("/app/loyalty/draft/", {**FIELDS, "earn_points": "2"})
    assert all("Draft: 2 changes, not live yet." in staff.get(path).content.decode() for path in pages)
    staff.post("/app/loyalty/draft/review/", {})
    assert not any("not live yet" in staff.get(path).content.decode() for path in pages)


def test_discarding_goes_back_to_what_is_live(programmed: Shop, staff: Client) -> None:
    staff.post("/app/loyalty/draft/", {**FIELDS, "earn_points": "2"})
    assert staff.post("/app/loyalty/draft/discard/").status_code == 303
    assert "not live yet" not in staff.get("/app/loyalty/draft/").content.decode()


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
    answer = staff.post("/app/loyalty/draft/review/", {})
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
