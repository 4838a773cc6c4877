"""What the storefront asks beside the session: the rules in sentences, older history, what a basket would earn."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from retention_app import clock, mirror
from retention_app.models import DomainEvent, Shop
from retention_app.tenancy import shop_scope
from tests.orders import order_row, product_row
from tests.storefront.test_session import ANA, OTHER, buy, publish
from tests.visits import session_of, signed

TIERS = {
    "by": "spend",
    "period": "rolling_year",
    "grace_days": 30,
    "hold_days": 0,
    "protect_until": None,
    "levels": [
        {"key": "silver", "name": "Silver", "from": 7_000, "percent": 125},
        {"key": "gold", "name": "Gold", "from": 20_000, "percent": 150},
    ],
}
TEA = {"key": "tea", "label": "tag:tea", "name": "Tea", "percent": 200, "from": None, "until": None}
ORDER_BONUS = {"order": {"from_minor": 100_000, "points": 500}, "first_order": 20}
NOTHING = {"points": 0, "text": "", "figure": ""}
NUMBER_OF_QUERIES = 9  # of any of these answers, with the door's and the savepoints of a test


def ask(shop: Shop, what: str, who: int | None = None, /, **query: Any) -> Any:
    answer = Client().get(f"/proxy/v1/{what}", signed(shop, who, **query))
    assert answer.headers["Cache-Control"] == "private, no-store"
    return answer.json() if answer.status_code == 200 else answer.status_code


def sell(shop: Shop, *products: dict[str, Any]) -> None:
    with shop_scope(shop.id):
        mirror.products_upsert(list(products), read_at=clock.now(), origin=DomainEvent.Origin.LIVE)


# --- programme --------------------------------------------------------------------------------------------------------


def test_the_rules_are_sentences_to_the_shopper(beta: Shop) -> None:
    publish(beta, tiers=TIERS, waiting={"days": 14, "after": "payment"})
    told = ask(beta, "programme")
    assert told == {
        "earn": [
            "Every R$1.00 spent earns 1 point.",
            "100 points are worth R$5.00.",
            "Points can be used 14 days after payment.",
            "Points never expire.",
        ],
        "tiers": {
            "text": ["Your tier follows what you spend in 12 months."],
            "levels": [
                {"name": "Silver", "from": "From R$70.00", "gives": "Your orders count 1.25×"},
                {"name": "Gold", "from": "From R$200.00", "gives": "Your orders count 1.5×"},
            ],
        },
    }


def test_a_programme_without_tiers_says_so(alpha: Shop) -> None:
    publish(alpha)
    assert ask(alpha, "programme")["tiers"] is None
    assert session_of(alpha)["programme"]["tiers"] is False


@pytest.mark.parametrize("what", ["programme", "earns"])
def test_nothing_is_said_without_a_programme_or_while_staff_show_nothing(alpha: Shop, what: str) -> None:
    assert ask(alpha, what, lines="70:1:3600") == 404
    publish(alpha)
    assert ask(alpha, what, lines="70:1:3600") != 404
    Shop.objects.filter(id=alpha.id).update(storefront_off_at=clock.now())
    assert ask(alpha, what, lines="70:1:3600") == 404


# --- history ----------------------------------------------------------------------------------------------------------


def test_the_history_goes_on_where_the_session_ends(alpha: Shop, beta: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loyalty.visits.ENTRIES_A_PAGE", 3)
    publish(alpha)
    buy(alpha, *(order_row(1000 + number, ANA, 100 * number) for number in range(1, 16)))
    member = session_of(alpha, ANA)["member"]
    shown, older = member["entries"], member["older"]
    assert (len(shown), older) == (10, shown[-1]["id"])
    while older:
        page = ask(alpha, "history", ANA, before=older)
        shown, older = shown + page["entries"], page["older"]
    assert [entry["points"] for entry in shown] == list(range(15, 0, -1))
    assert shown[0].keys() == shown[-1].keys()
    assert all(entry["why"] for entry in shown)
    for who, before in (
        (OTHER, shown[0]["id"]),
        (None, shown[0]["id"]),
        (999, 1),
        (ANA, "x"),
        (ANA, ""),
        (ANA, "9" * 30),
    ):
        answer = ask(alpha, "history", who, before=before)
        assert answer == 404 or answer == {"entries": [], "older": None}


# --- earns ------------------------------------------------------------------------------------------------------------


def test_the_anonymous_are_told_the_least(alpha: Shop) -> None:
    publish(alpha, tiers=TIERS)
    buy(alpha, order_row(1042, ANA, 3600))
    told = ask(alpha, "earns", of="product", lines="70:1:3650")
    assert told == {"points": 36, "text": "Members earn at least 36 points", "figure": "+36"}


def test_a_member_is_told_what_it_comes_to_in_their_tier_and_that_is_awarded(alpha: Shop) -> None:
    publish(alpha, tiers=TIERS, multipliers=[TEA])
    sell(alpha, product_row(70), product_row(71, "tag:tea"))
    buy(alpha, order_row(1, ANA, 20_000))
    told = ask(alpha, "earns", ANA, of="product", lines="70:1:3650")
    assert told["text"] == "Earn 54 points with this"
    assert ask(alpha, "earns", ANA, of="product", lines="71:1:3650")["points"] == 109
    before = session_of(alpha, ANA)["member"]["points"]
    buy(alpha, order_row(2, ANA, 3650))
    assert session_of(alpha, ANA)["member"]["points"] - before == told["points"]


def test_a_basket_is_about_after_its_discount_and_without_gift_cards(alpha: Shop) -> None:
    publish(alpha, multipliers=[TEA], bonuses=ORDER_BONUS)
    sell(alpha, product_row(70), product_row(71, "tag:tea"), product_row(72, is_gift_card=True))
    told = ask(alpha, "earns", of="cart", lines="70:2:3600,71:1:1000,72:1:5000")
    assert told["text"] == "This basket earns about 56 points"
    assert ask(alpha, "earns", of="cart", lines="70:2:3600,71:1:1000,72:1:5000", off="4800")["points"] == 28
    assert ask(alpha, "earns", of="cart", lines="70:1:100000")["points"] == 1_500
    assert ask(alpha, "earns", of="cart", lines="70:1:3600", off="9999")["points"] == 0


def test_what_is_not_known_makes_it_about(alpha: Shop, beta: Shop) -> None:
    publish(alpha, bonuses=ORDER_BONUS)
    buy(alpha, order_row(1, ANA, 2000))
    assert ask(alpha, "earns", ANA, of="product", lines="70:1:3600")["text"] == "Earn about 36 points with this"
    publish(beta)
    assert ask(beta, "earns", of="product", lines="70:1:3600")["text"] == "Members earn about 36 points"
    buy(beta, order_row(1, ANA, 2000, taxes_included=True))
    assert ask(beta, "earns", ANA, of="product", lines="70:1:3600")["text"] == "Earn about 36 points with this"


def test_a_storefronts_scripts_write_hundredths_of_yen_too(alpha: Shop) -> None:
    Shop.objects.filter(id=alpha.id).update(currency="JPY")
    publish(alpha)  # a point per 100 yen
    assert ask(alpha, "earns", of="cart", lines="70:1:100000", off="50000")["points"] == 5


def test_other_money_earns_nothing_that_could_be_told(alpha: Shop) -> None:
    publish(alpha)
    assert ask(alpha, "earns", lines="70:1:3600", currency="EUR") == NOTHING
    assert ask(alpha, "earns", lines="70:1:3600", currency="USD")["points"] == 36
    assert ask(alpha, "earns", lines="70:1:0") == NOTHING


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"lines": ""},
        {"lines": "70"},
        {"lines": "70:0:3600"},
        {"lines": "70:1:-5"},
        {"lines": "70:1:3600,"},
        {"lines": "70:999999:1"},
        {"lines": f"70:1:{'9' * 13}"},
        {"lines": f"{2**63}:1:1"},
        {"lines": ",".join(["70:1:1"] * 101)},
        {"lines": "70:1:3600", "off": "-1"},
        {"lines": "٧:1:1"},
    ],
)
def test_what_is_no_basket_is_refused(alpha: Shop, query: dict[str, str]) -> None:
    publish(alpha)
    assert ask(alpha, "earns", **query) == 400


def test_an_order_says_what_it_earned_to_its_own_customer(alpha: Shop) -> None:
    publish(alpha, bonuses={"order": None, "first_order": 20})
    buy(alpha, order_row(1042, ANA, 10_800), order_row(1043, OTHER, 500), order_row(1044, ANA, 0))
    assert ask(alpha, "earns", ANA, order="1042") == {
        "points": 128,
        "text": "This order earns 128 points",
        "figure": "+128",
    }
    for who, order in ((ANA, "1043"), (ANA, "1044"), (ANA, "1"), (ANA, "x"), (ANA, ""), (None, "1042"), (999, "1042")):
        assert ask(alpha, "earns", who, order=order) == NOTHING


# --- all of them ------------------------------------------------------------------------------------------------------

QUESTIONS = {
    "programme": {},
    "history": {"before": "1"},
    "earns": {"of": "cart", "lines": ",".join(f"{70 + n}:1:3600" for n in range(100))},
}


@pytest.mark.parametrize("what", QUESTIONS)
def test_an_answer_takes_a_fixed_number_of_queries(alpha: Shop, what: str, django_assert_max_num_queries: Any) -> None:
    publish(alpha, tiers=TIERS, multipliers=[TEA])
    sell(alpha, *(product_row(70 + number, "tag:tea") for number in range(100)))
    buy(alpha, *(order_row(1000 + number, ANA, 100 * number) for number in range(1, 30)))
    question = QUESTIONS[what]
    if what == "history":
        question = {"before": str(session_of(alpha, ANA)["member"]["older"])}
    with django_assert_max_num_queries(NUMBER_OF_QUERIES):
        assert isinstance(ask(alpha, what, ANA, **question), dict)


def test_too_many_questions_are_refused_over_all_of_them(alpha: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.clear()
    monkeypatch.setattr("loyalty.visits.VisitorThrottle.rate", "2/min")
    publish(alpha)
    assert [ask(alpha, "programme", ANA) == 429 for _ in range(2)] == [False, False]
    assert ask(alpha, "earns", ANA, lines="70:1:3600") == 429
    assert ask(alpha, "programme", OTHER) != 429


@pytest.mark.parametrize("locale", ["zh-CN", "zh-TW", "pt", "pt-PT", "es-MX"])
def test_each_answers_in_the_pages_language(alpha: Shop, locale: str) -> None:
    answer = Client().get("/proxy/v1/earns", signed(alpha, locale=locale, lines="70:1:3600"))
    language = {"zh-CN": "zh-hans", "zh-TW": "zh-hant", "es-MX": "es"}.get(locale, "pt-br")
    assert answer.headers["Content-Language"] == language
    with_session = session_of(alpha, locale=locale)["locale"]
    assert with_session.lower() == language
