"""The first-run assistant: proposals from the shop's own orders, one draft, a live programme at the end."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.test import Client

from loyalty.models import Launch, ProgrammeDraft, ProgrammeVersion, Setup
from loyalty.programme import draft_discard, draft_save, programme_publish
from loyalty.rules.programme import completed
from loyalty.rules_form import initial_of
from loyalty.start import document_proposed, known, rounded
from retention_app import clock
from retention_app.models import AuditEntry, Shop, SyncRun
from retention_app.services.store import ComingBack
from retention_app.tenancy import shop_scope
from tests.conftest import make_staff
from tests.screens.conftest import RULES, sane, see

START = "/app/start/"
STORE = {"goods": "again", "margin": ""}


@pytest.mark.parametrize(
    ("amount", "round_figure"), [(7178, 7000), (19_740, 20_000), (61_013, 60_000), (1, 1), (96, 100), (14_600, 15_000)]
)
def test_proposed_amounts_are_round(amount: int, round_figure: int) -> None:
    assert rounded(amount) == round_figure


def test_tiers_are_proposed_by_the_average_order() -> None:
    tiers = document_proposed("USD", 3589)["tiers"]
    assert tiers is not None
    assert [level["from"] for level in tiers["levels"]] == [7000, 20_000, 60_000]
    assert document_proposed("JPY", None)["tiers"] is None


@pytest.mark.parametrize(
    ("goods", "margin", "worth"),
    [("again", None, 500), ("used_up", None, 300), ("again", 45, 500), ("again", 7, 300), ("again", 1, 100)],
)
def test_what_points_are_worth_follows_goods_and_margin(goods: str, margin: int | None, worth: int) -> None:
    assert document_proposed("USD", 3589, goods, margin)["worth"] == {"points": 100, "minor": worth}


def test_goods_that_are_rarely_bought_have_tiers_within_reach() -> None:
    tiers = document_proposed("USD", 50_000, "rarely")["tiers"]
    assert tiers is not None
    assert [level["from"] for level in tiers["levels"]] == [50_000, 100_000, 200_000]


@pytest.mark.parametrize(
    ("days", "share", "goods"),
    [
        (None, None, "again"),
        (1, None, "used_up"),
        (30, 0.5, "used_up"),
        (34, 0.1, "again"),
        (180, 0.5, "again"),
        (181, 0.5, "rarely"),
        (3, 0.09, "rarely"),
        (None, 0.0, "rarely"),
    ],
)
def test_goods_are_proposed_by_how_customers_come_back(days: int | None, share: float | None, goods: str) -> None:
    assert ComingBack(days, share).goods == goods


def test_a_store_whose_customers_hardly_come_back_is_told_why(
    storied: Shop, staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loyalty.start.coming_back", lambda numbers: ComingBack(3, 0.031))
    staff.get(START)
    seen = see(staff.get(START).content.decode())
    assert "3.1% of your customers came back, so “Rarely bought again” is proposed." in seen.text


def answers(shop: Shop, **changed: str) -> dict[str, str]:
    """What the form sends: the fields as they stand, with these changed."""
    draft = ProgrammeDraft.objects.first()
    document = completed(draft.document) if draft else document_proposed(shop.currency, known(shop).average_minor)
    return {**initial_of(document, shop), "draft_revision": str(draft.revision if draft else 0), **changed}


def test_the_first_open_lands_on_it_once(storied: Shop, staff: Client) -> None:
    landed = staff.get("/app/?period=all")
    assert (landed.status_code, landed.headers["Location"]) == (302, f"{START}?period=all")
    text = see(staff.get(START).content.decode())
    sane(text)
    assert "Step 1 of 5: Your store" in text.text
    home = see(staff.get("/app/").content.decode())
    assert "Set up your programme: 0 of 5 done" in home.text
    staff.post(f"{START}dismiss/")
    assert "Set up your programme" not in see(staff.get("/app/").content.decode()).text


@pytest.mark.parametrize("step", [1, 2, 3, 4, 5])
def test_each_step_says_why(storied: Shop, staff: Client, step: int) -> None:
    with shop_scope(storied.id):
        Setup.objects.create(shop=storied, step=5, opened_at=clock.now())
    seen = see(staff.get(f"{START}?step={step}").content.decode())
    sane(seen)
    assert f"Step {step} of 5" in seen.text
    assert ("Why:" in seen.text) == (step < 5)
    assert seen.main_buttons == 1
    assert "data-renews" not in seen.attributes


def test_a_step_that_is_not_reached_yet_is_not_shown(storied: Shop, staff: Client) -> None:
    staff.get(START)
    assert "Step 1 of 5" in see(staff.get(f"{START}?step=4").content.decode()).text


def test_from_defaults_to_a_live_programme(storied: Shop, staff: Client) -> None:
    staff.get(START)
    with shop_scope(storied.id):
        for step in (1, 2, 3, 4):
            sent = staff.post(f"{START}?step={step}", STORE if step == 1 else answers(storied))
            assert (sent.status_code, sent.headers["Location"]) == (303, f"{START}?step={step + 1}")
        draft = ProgrammeDraft.objects.get()
        last = staff.post(f"{START}?step=5", {"count_past": "all", "draft_revision": draft.revision})
        assert (last.status_code, last.headers["Location"]) == (303, "/app/loyalty/programme/")
        version = ProgrammeVersion.objects.get()
        assert completed(version.document) == completed(draft.document)
        assert version.document["tiers"]["levels"][0]["name"] == "Silver"
        live = see(staff.get(last.headers["Location"]).content.decode())
        links = "Open your store Where shoppers see it: Not seen by a visitor yet Who may do what"
        assert f"Your programme is live. {links}" in live.text
    assert staff.get(START).headers["Location"] == "/app/loyalty/programme/"
    assert "Set up your programme" not in see(staff.get("/app/").content.decode()).text


def test_what_staff_say_of_their_store_is_kept_and_proposed_from(storied: Shop, staff: Client) -> None:
    staff.get(START)
    assert staff.post(f"{START}?step=1", {"goods": "used_up", "margin": "40%"}).status_code == 303
    storied.refresh_from_db()
    assert (storied.goods, storied.margin_percent) == ("used_up", 40)
    second = see(staff.get(f"{START}?step=2").content.decode())
    assert "That gives back 3.0%; stores give 3 to 10%. Of your margin of 40%, that is 7.5%." in second.text
    with shop_scope(storied.id):
        assert not ProgrammeDraft.objects.exists()
        assert AuditEntry.objects.get(code="store.changed").data["after"] == {"goods": "used_up", "margin": 40}


def test_the_preview_follows_what_is_said_of_the_store(storied: Shop, staff: Client) -> None:
    asked = {"goods": "used_up", "margin": "40"}
    assert "That gives back 5.0%" in see(staff.get(START).content.decode()).text
    renewed = staff.get(f"{START}?step=1", asked, HTTP_HX_REQUEST="true", HTTP_HX_TARGET="section#preview")
    assert "That gives back 3.0%" in see(renewed.content.decode()).text
    storied.refresh_from_db()
    assert storied.goods == ""


@pytest.mark.parametrize("margin", ["0", "100", "-5", "lots", "4.5", "٤٥", "1" * 300])
def test_a_margin_that_can_not_be_is_kept_and_said(storied: Shop, staff: Client, margin: str) -> None:
    staff.get(START)
    answer = staff.post(f"{START}?step=1", {"goods": "again", "margin": margin})
    assert answer.status_code == 422
    assert "Enter a whole number from 1 to 99, or leave it empty." in see(answer.content.decode()).text
    assert margin in answer.content.decode()
    storied.refresh_from_db()
    assert storied.margin_percent is None


def test_goods_nobody_sells_are_refused(storied: Shop, staff: Client) -> None:
    staff.get(START)
    answer = staff.post(f"{START}?step=1", {"goods": "stolen"})
    assert answer.status_code == 422
    assert "Choose one." in see(answer.content.decode()).text


@pytest.mark.parametrize(
    ("step", "changed", "says"),
    [
        (2, {"earn_points": ""}, "Enter a number."),
        (2, {"worth_amount": "lots"}, "Enter an amount"),
        (3, {"level_0_from": "-1"}, "From"),
        (4, {"waiting_days": "soon"}, "Enter a whole number."),
    ],
)
def test_what_can_not_be_saved_is_kept_and_said(
    storied: Shop, staff: Client, step: int, changed: dict[str, str], says: str
) -> None:
    with shop_scope(storied.id):
        Setup.objects.create(shop=storied, step=5, opened_at=clock.now())
        answer = staff.post(f"{START}?step={step}", answers(storied, **changed))
        assert answer.status_code == 422
        assert says in see(answer.content.decode()).text
        assert not ProgrammeDraft.objects.exists()


def test_a_step_changes_only_what_it_asks(storied: Shop, staff: Client) -> None:
    with shop_scope(storied.id):
        draft_save(storied.id, RULES, "42")
        Setup.objects.create(shop=storied, step=5, opened_at=clock.now())
        staff.post(f"{START}?step=2", answers(storied, earn_points="3", waiting_days="99"))
        document = completed(ProgrammeDraft.objects.get().document)
    assert (document["earn"]["points"], document["waiting"]["days"]) == (3, completed(RULES)["waiting"]["days"])  # type: ignore[arg-type]


def test_tiers_come_and_go_by_rows(storied: Shop, staff: Client) -> None:
    with shop_scope(storied.id):
        Setup.objects.create(shop=storied, step=5, opened_at=clock.now())
        for expected in (2, 1, 0):
            fields = answers(storied)
            rows = sum(name.endswith("_from") and name.startswith("level_") for name in fields)
            shown = staff.post(f"{START}?step=3", {**fields, "remove": f"level_{rows - 1}"})
            assert shown.status_code == 200
            left = {name: value for name, value in fields.items() if not name.startswith(f"level_{rows - 1}_")}
            assert staff.post(f"{START}?step=3", left).status_code == 303
            tiers = ProgrammeDraft.objects.get().document["tiers"]
            assert len(tiers["levels"] if tiers else []) == expected


def test_somebody_else_s_draft_is_not_written_over(storied: Shop, staff: Client) -> None:
    with shop_scope(storied.id):
        Setup.objects.create(shop=storied, step=2, opened_at=clock.now())
        sent = answers(storied)
        make_staff(storied, "7", "manager", "Bruno Lima")
        draft_save(storied.id, RULES, "7")
        answer = staff.post(f"{START}?step=2", sent)
        assert answer.status_code == 409
        assert "Bruno Lima saved this draft meanwhile" in see(answer.content.decode()).text
        assert ProgrammeDraft.objects.get().edited_by == "7"
        draft_discard(storied.id, "7")
        answer = staff.post(f"{START}?step=2", {**sent, "draft_revision": "1"})
        assert answer.status_code == 409
        assert "Somebody discarded this draft meanwhile." in see(answer.content.decode()).text


def test_few_orders_get_common_values(alpha: Shop, staff: Client) -> None:
    staff.get(START)
    seen = see(staff.get(START).content.decode())
    assert "You have 0 orders, so these are common values to start with." in seen.text


def test_nothing_is_published_while_the_history_arrives(storied: Shop, staff: Client) -> None:
    with shop_scope(storied.id):
        Setup.objects.create(shop=storied, step=5, opened_at=clock.now())
        draft = draft_save(storied.id, RULES, "42")
        SyncRun.objects.create(shop=storied, phase=SyncRun.Phase.ORDERS, started_at=clock.now(), due_at=clock.now())
        waiting = see(staff.get(START).content.decode())
        assert "when your history is all here" in waiting.text
        assert "hx-trigger" in waiting.attributes
        sent: dict[str, Any] = {"count_past": "all", "draft_revision": draft.revision}
        assert staff.post(f"{START}?step=5", sent).status_code == 409
        assert not ProgrammeVersion.objects.exists()


def test_a_live_shop_has_nothing_to_set_up(programmed: Shop, staff: Client) -> None:
    assert staff.get("/app/").status_code == 200
    assert staff.get(START).headers["Location"] == "/app/loyalty/programme/"


def test_a_programme_published_meanwhile_is_told(storied: Shop, staff: Client) -> None:
    with shop_scope(storied.id):
        Setup.objects.create(shop=storied, step=5, opened_at=clock.now())
        draft = draft_save(storied.id, RULES, "42")
        sent: dict[str, Any] = {"count_past": "sometimes", "draft_revision": draft.revision}
        assert staff.post(f"{START}?step=5", sent).status_code == 422
        draft_save(storied.id, {**RULES, "order_max": 5}, "42")
        assert staff.post(f"{START}?step=5", {**sent, "count_past": "all"}).status_code == 409
        programme_publish(storied.id, "42", "none")
        assert staff.post(f"{START}?step=5", sent).headers["Location"] == "/app/loyalty/programme/"


def test_a_big_shop_that_is_being_counted_says_so(
    storied: Shop, staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loyalty.start.numbers_ever", lambda shop: None)
    with shop_scope(storied.id):
        Setup.objects.create(shop=storied, step=2, opened_at=clock.now())
    seen = see(staff.get(f"{START}?step=2").content.decode())
    assert "Your orders are being counted, so these are common values to start with." in seen.text


def test_it_starts_on_a_day_that_can_be_cancelled(storied: Shop, staff: Client) -> None:
    with shop_scope(storied.id):
        Setup.objects.create(shop=storied, step=5, opened_at=clock.now())
        draft = draft_save(storied.id, RULES, "42")
        asked = see(staff.get(f"{START}?step=5").content.decode())
        assert "When does it start?" in asked.text
        chosen: dict[str, Any] = {"count_past": "all", "draft_revision": draft.revision, "start": "later"}
        wrong = staff.post(f"{START}?step=5", {**chosen, "day": "2020-01-01"})
        assert wrong.status_code == 422
        assert "That has passed. Enter a later day or start now." in see(wrong.content.decode()).text
        day = (clock.now() + dt.timedelta(days=40)).date().isoformat()
        assert staff.post(f"{START}?step=5", {**chosen, "day": day, "time": "09:30"}).status_code == 303
        assert not ProgrammeVersion.objects.exists()
    assert staff.get(START).headers["Location"] == "/app/loyalty/programme/"
    waits = see(staff.get("/app/loyalty/programme/").content.decode())
    sane(waits)
    for text in ("Your programme starts", "09:30", "not live yet", "Every $1.00 spent earns 1 point.", "All earlier"):
        assert text in waits.text
    assert "not live yet. Review" not in waits.text
    assert "Set up your programme" not in see(staff.get("/app/").content.decode()).text
    with shop_scope(storied.id):
        changed = {**initial_of(completed(draft.document), storied), "earn_points": "2"}
    assert staff.post("/app/loyalty/draft/", changed).status_code == 303
    review = see(staff.get("/app/loyalty/draft/review/").content.decode())
    sane(review)
    assert "Your programme starts" in review.text
    assert "Review version 2" in review.text
    assert "changed Earning points Every $1.00 spent earns 1 point." in review.text
    assert "added" not in review.text
    assert 'id="publish"' not in review.html
    taken = staff.post("/app/loyalty/draft/review/", {"count_past": "all"})
    assert taken.status_code == 409
    assert "Another version waits for its start. Cancel it before" in see(taken.content.decode()).text
    assert "Discard draft" in see(staff.get("/app/loyalty/draft/").content.decode()).text
    assert "Starts " in see(staff.get("/app/").content.decode()).text
    with shop_scope(storied.id):
        cancel = f"/app/loyalty/programme/launch/{Launch.objects.get().id}/cancel/"
    for _ in range(2):
        assert staff.post(cancel).status_code == 303
    assert "No programme yet." in see(staff.get("/app/loyalty/programme/").content.decode()).text
    told = see(staff.get("/app/settings/audit/").content.decode()).text
    assert "Start of the programme scheduled" in told
    assert "Start of the programme cancelled" in told
