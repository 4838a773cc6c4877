"""`GET /proxy/v1/session`: who is told what, how often, and what is kept of it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import orjson
import pytest
import time_machine

from loyalty.ledger import members_bring_up_to_date
from loyalty.programme import draft_save, programme_publish
from loyalty.session import application
from retention_app import clock, mirror
from retention_app.models import Customer, DomainEvent, Shop
from retention_app.receiving.rates import Rate
from retention_app.tenancy import shop_scope
from tests.orders import customer_row, line_row, order_row, refund_row
from tests.visits import ask_session, receiver, session_of, signed

ANA, OTHER = 8101, 8102
NOTHING_COMES: dict[str, Any] = {
    "debt": 0,
    "pending": [],
    "claimed": None,
    "expiring": [],
    "tier": None,
    "older": None,
}


def publish(shop: Shop, points: int = 1, **rules: Any) -> None:
    document = {"earn": {"points": points, "per_minor": 100}, "worth": {"points": 100, "minor": 500}, **rules}
    with shop_scope(shop.id):
        draft_save(shop.id, document, "1")
        programme_publish(shop.id, "1", "all")


def buy(shop: Shop, *orders: dict[str, Any]) -> None:
    """Orders reach the mirror and their customers are brought up to date."""
    live = DomainEvent.Origin.LIVE
    with shop_scope(shop.id):
        mirror.customers_upsert(
            [customer_row(ANA, first_name="Ana"), customer_row(OTHER)], read_at=clock.now(), origin=live
        )
        mirror.orders_upsert(
            [{**order, "currency": shop.currency} for order in orders], read_at=clock.now(), origin=live
        )
        members_bring_up_to_date(Customer.objects.values_list("id", flat=True))


def test_nothing_to_show_without_a_programme(alpha: Shop) -> None:
    assert session_of(alpha) == {
        "locale": "en",
        "shop": {"name": "Alpha", "currency": "USD"},
        "programme": None,
        "accounts": "classic",
        "launcher": {"text": "Rewards", "name": "Rewards"},
        "member": None,
    }


def test_anonymous_visitor_reads_the_rules_and_nobodys_points(beta: Shop) -> None:
    publish(beta)
    buy(beta, order_row(1042, ANA, 10_800))
    assert session_of(beta) == {
        "locale": "en",
        "shop": {"name": "Beta", "currency": "BRL"},
        "programme": {
            "version": 1,
            "name": "Beta Rewards",
            "earn": {"points": 1, "per": "R$1.00"},
            "worth": {"points": 100, "amount": "R$5.00"},
            "tiers": False,
        },
        "accounts": "classic",
        "launcher": {"text": "Rewards", "name": "Rewards"},
        "member": None,
    }


def test_customer_reads_their_points_with_the_reason(beta: Shop) -> None:
    with time_machine.travel(dt.datetime(2026, 11, 20, 17, 2, tzinfo=dt.UTC), tick=False):
        publish(beta, points=3)
        buy(beta, order_row(1042, ANA, 3600, processed_at=dt.datetime(2026, 11, 20, 1, 2, tzinfo=dt.UTC)))
        member = session_of(beta, ANA)["member"]
    (entry,) = member.pop("entries")
    assert member == {"first_name": "Ana", "points": 108, "worth": "R$5.40", **NOTHING_COMES}
    assert (entry["at"], entry["when"], entry["points"]) == ("2026-11-20T01:02:00Z", "19 Nov", 108)
    assert entry["what"] == "Order #1042"
    assert "36.00 × 3 points per R$1.00 = 108" in entry["why"][0]


def test_refund_appears_as_an_entry_of_its_own(alpha: Shop) -> None:
    publish(alpha)
    line = line_row(10_420, 3500, current_quantity=0)
    buy(alpha, order_row(1042, ANA, lines=[line], refunds=[refund_row(7, 2000, [(10_420, 1, 3500)])]))
    member = session_of(alpha, ANA)["member"]
    assert member["points"] == 0
    assert [entry["points"] for entry in member["entries"]] == [-35, 35]
    assert member["entries"][0]["what"] == "Return from order #1042"


def test_traditional_chinese_is_spoken(alpha: Shop) -> None:
    publish(alpha)
    buy(alpha, order_row(1042, ANA, 3600))
    answer = ask_session(signed(alpha, ANA, locale="zh-Hant"))
    told = orjson.loads(answer.body)
    entry = told["member"]["entries"][0]
    assert told["programme"]["name"] == "Alpha 會員計畫"
    assert answer.headers[b"content-language"] == b"zh-hant"
    assert "月" in entry["when"]
    assert "Order" not in entry["what"]


def test_unknown_language_is_answered_in_english(alpha: Shop) -> None:
    publish(alpha)
    assert session_of(alpha, locale="xx")["programme"]["name"] == "Alpha Rewards"


def test_customer_the_mirror_does_not_know_yet_has_no_points(alpha: Shop) -> None:
    publish(alpha)
    member = session_of(alpha, 999)["member"]
    assert member == {"first_name": None, "points": 0, "worth": "$0.00", "entries": [], **NOTHING_COMES}


def test_withheld_name_is_null(alpha: Shop) -> None:
    publish(alpha)
    buy(alpha)
    with shop_scope(alpha.id):
        Customer.objects.filter(shopify_id=ANA).update(first_name="")
    assert session_of(alpha, ANA)["member"]["first_name"] is None


def test_what_the_browser_says_about_itself_is_not_believed(alpha: Shop) -> None:
    publish(alpha)
    buy(alpha, order_row(1042, ANA, 3600))
    for claim in ({"customer_id": ANA}, {"customer": ANA}, {"member": ANA}):
        assert session_of(alpha, **claim)["member"] is None


def test_customer_of_another_shop_is_nobody_here(alpha: Shop, beta: Shop) -> None:
    for shop in (alpha, beta):
        publish(shop)
    buy(beta, order_row(1042, ANA, 3600))
    assert session_of(alpha, ANA)["member"]["points"] == 0


def test_wrong_secret_is_refused(alpha: Shop) -> None:
    publish(alpha)
    assert ask_session(signed(alpha, ANA, secret="somebody-elses")).status == 401


def test_a_signature_of_yesterday_is_refused(alpha: Shop) -> None:
    query = signed(alpha, ANA)
    with time_machine.travel(clock.system_now() + dt.timedelta(days=1)):
        assert ask_session(query).status == 401


def test_uninstalled_and_unknown_shops_are_not_served(gone: Shop) -> None:
    assert ask_session(signed(gone, ANA)).status == 404
    assert ask_session(signed(Shop(domain="unknown.myshopify.com"), ANA)).status == 404


def test_a_shop_that_leaves_is_served_no_longer_and_again_when_it_is_back(alpha: Shop) -> None:
    application = receiver()
    for state, status in (("installed", 200), ("uninstalled", 404), ("installed", 200)):
        Shop.objects.filter(id=alpha.id).update(state=state)
        assert ask_session(signed(alpha, ANA), application).status == status


def test_a_shop_is_the_same_under_its_new_name_and_nobody_under_the_old(alpha: Shop) -> None:
    application = receiver()
    former = signed(alpha, ANA)
    assert ask_session(former, application).status == 200
    alpha.domain = "renamed.myshopify.com"
    alpha.save()
    assert ask_session(former, application).status == 404
    assert ask_session(signed(alpha, ANA), application).status == 200


def test_answers_are_kept_nowhere(alpha: Shop) -> None:
    for query in (signed(alpha), signed(alpha, ANA), signed(alpha, secret="wrong")):
        assert ask_session(query).headers[b"cache-control"] == b"private, no-store"


def test_who_has_the_answer_is_told_so_until_something_changes(alpha: Shop) -> None:
    publish(alpha)
    buy(alpha, order_row(1042, ANA, 3600))
    first = ask_session(signed(alpha, ANA))
    tag = first.headers[b"etag"].decode()
    for given in (tag, f'"other", W/{tag}', "*"):
        again = ask_session(signed(alpha, ANA), headers={"If-None-Match": given})
        assert (again.status, again.body, again.headers[b"etag"]) == (304, b"", first.headers[b"etag"])
        assert again.headers[b"cache-control"] == b"private, no-store"
    other_language = ask_session(signed(alpha, ANA, locale="zh-Hant"), headers={"If-None-Match": tag})
    assert other_language.status == 200
    buy(alpha, order_row(1043, ANA, 500))
    changed = ask_session(signed(alpha, ANA), headers={"If-None-Match": tag})
    assert changed.status == 200
    assert orjson.loads(changed.body)["member"]["points"] == 41


def test_time_alone_changes_the_answer_and_its_tag(alpha: Shop) -> None:
    waiting = {"waiting": {"days": 14, "after": "payment"}}
    publish(alpha, **waiting)
    buy(alpha, order_row(1042, ANA, 3600, processed_at=clock.now()))
    before = ask_session(signed(alpha, ANA))
    assert orjson.loads(before.body)["member"]["points"] == 0
    with time_machine.travel(clock.system_now() + dt.timedelta(days=14, minutes=1)):
        after = ask_session(signed(alpha, ANA), headers={"If-None-Match": before.headers[b"etag"].decode()})
    assert (after.status, orjson.loads(after.body)["member"]["points"]) == (200, 36)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_only_reading_is_answered(alpha: Shop, method: str) -> None:
    answer = ask_session(signed(alpha), method=method)
    assert (answer.status, answer.headers[b"allow"]) == (405, b"GET, HEAD")


def test_head_is_told_what_get_is_but_the_body(alpha: Shop) -> None:
    got, headed = (ask_session(signed(alpha), method=method) for method in ("GET", "HEAD"))
    assert (headed.status, headed.headers, headed.body) == (200, got.headers, b"")


def test_more_than_a_storefront_sends_is_refused(alpha: Shop) -> None:
    assert ask_session(signed(alpha, more="x" * 5_000)).status == 414
    assert ask_session(signed(alpha), headers={"X-More": "x" * 20_000}).status == 431


def test_too_many_questions_are_refused_per_visitor(alpha: Shop, beta: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loyalty.session.application.VISITOR_PER_MINUTE", 2)
    application = receiver()
    for _ in range(2):
        assert ask_session(signed(alpha, ANA), application).status == 200
    refused = ask_session(signed(alpha, ANA), application)
    assert refused.status == 429
    assert 0 < int(refused.headers[b"retry-after"]) <= 30
    assert refused.headers[b"cache-control"] == b"private, no-store"
    others = (signed(alpha, OTHER), signed(alpha), signed(beta, ANA))
    assert [ask_session(query, application).status for query in others] == [200, 200, 200]
    assert ask_session(signed(alpha), application, {"X-Forwarded-For": "203.0.113.9"}).status == 200


def test_too_many_questions_are_refused_per_shop(alpha: Shop, beta: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loyalty.session.application.SHOP_PER_MINUTE", 2)
    application = receiver()
    visits = (signed(alpha, ANA), signed(alpha, OTHER), signed(alpha, 3), signed(beta, ANA))
    assert [ask_session(query, application).status for query in visits] == [200, 200, 429, 200]


def test_a_rate_gives_back_with_time_and_forgets_who_asked_longest_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    rate = Rate(60)
    assert [rate.wait("ana", 0.0) for _ in range(61)] == [0] * 60 + [1]
    assert [rate.wait("ana", 1.0), rate.wait("ana", 1.0), rate.wait("bea", 1.0)] == [0, 1, 0]
    assert [rate.wait("ana", 100.0) for _ in range(61)] == [0] * 60 + [1]
    monkeypatch.setattr("retention_app.receiving.rates.KEYS_MAX", 2)
    assert rate.wait("cyd", 100.0) == 0
    assert len(rate._full_at) == 2
    assert rate.wait("ana", 100.0) == 1  # bea was forgotten


def test_nothing_personal_is_kept_between_answers(alpha: Shop) -> None:
    """What is looked for is too long to be found by chance in a key or in an address in memory."""
    person, first_name, name = 7_100_000_008_101, "Anastasia", "#5600001042"
    publish(alpha)
    with shop_scope(alpha.id):
        mirror.customers_upsert(
            [customer_row(person, first_name=first_name)], read_at=clock.now(), origin=DomainEvent.Origin.LIVE
        )
    buy(alpha, order_row(1042, person, 3600, name=name))
    application = receiver()
    told = [
        ask_session(query, application, {"X-Forwarded-For": "203.0.113.9"}).body.decode()
        for query in (signed(alpha, person), signed(alpha))
    ]
    kept = repr([vars(part) for part in (application, application._reader, application._visitors, application._shops)])
    assert "Alpha Rewards" in kept  # what the anonymous are told
    assert name in told[0]
    for personal in (first_name, str(person), "203.0.113.9", name):
        assert personal not in kept


def test_the_anonymous_are_answered_without_the_database_for_a_moment(alpha: Shop) -> None:
    publish(alpha)
    application, rows = receiver(), []
    usual = application._reader.read
    application._reader.read = lambda *asked: rows.append(usual(*asked)) or rows[-1]  # type: ignore[method-assign]
    answers = [ask_session(signed(alpha), application) for _ in range(3)]
    assert (len(rows), {answer.body for answer in answers}) == (1, {answers[0].body})
    assert (
        ask_session(signed(alpha), application, {"If-None-Match": answers[0].headers[b"etag"].decode()}).status == 304
    )
    ask_session(signed(alpha, locale="zh-Hant"), application)
    ask_session(signed(alpha, ANA), application)
    assert len(rows) == 3


def test_before_the_first_programme_nothing_is_kept(alpha: Shop) -> None:
    application = receiver()
    assert orjson.loads(ask_session(signed(alpha), application).body)["programme"] is None
    publish(alpha)
    assert orjson.loads(ask_session(signed(alpha), application).body)["programme"]["version"] == 1


def test_an_id_beyond_all_ids_is_a_customer_we_do_not_know(alpha: Shop) -> None:
    publish(alpha)
    assert session_of(alpha, 2**63)["member"]["points"] == 0


def test_nothing_is_told_of_the_programme_while_staff_show_nothing(alpha: Shop) -> None:
    publish(alpha)
    assert session_of(alpha)["programme"]
    Shop.objects.filter(id=alpha.id).update(storefront_off_at=clock.now())
    assert session_of(alpha)["programme"] is None


def test_visitors_are_noted_once_a_minute_for_each_kind_of_page(alpha: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    noted: list[tuple[str, str]] = []
    monkeypatch.setattr(application, "_written", lambda domain, kind, write: noted.append((domain, kind)))
    ours = receiver()
    for kind in ("products", "products", "", "cart", "../etc"):
        ask_session(signed(alpha, page=kind), ours)
    ours._notes.shutdown()
    assert noted == [(alpha.domain, "products"), (alpha.domain, ""), (alpha.domain, "cart")]


# --- guests -----------------------------------------------------------------------------------------------------------


def sign_ins_noted(ours: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Customers of whom a receiver has it written down that they signed in; here it isn't written."""
    noted: list[str] = []

    def submit(_act: Any, _domain: str, what: str, write: Any) -> None:
        if write is application._signed_in:
            noted.append(what)

    monkeypatch.setattr(ours._notes, "submit", submit)
    return noted


def test_the_first_visit_of_whoever_signed_in_claims_their_points_and_tells_it_for_a_week(
    beta: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    Shop.objects.filter(id=beta.id).update(customer_accounts="NEW_CUSTOMER_ACCOUNTS")
    publish(beta)
    buy(beta, order_row(1042, ANA, 10_800), order_row(1043, ANA, 13_200), order_row(1044, OTHER))
    ours = receiver()
    noted = sign_ins_noted(ours, monkeypatch)
    for _ in range(2):
        first = orjson.loads(ask_session(signed(beta, ANA), ours).body)["member"]
        assert (first["points"], first["pending"], first["claimed"]) == (0, [], None)
        assert [entry["points"] for entry in first["entries"]] == [132, 108]
    ask_session(signed(beta), ours)
    assert noted == [str(ANA)]
    application._signed_in(beta, noted[0])
    with shop_scope(beta.id):
        members_bring_up_to_date(Customer.objects.values_list("id", flat=True))
    second = session_of(beta, ANA)["member"]
    assert (second["points"], second["claimed"]) == (240, {"points": 240, "orders": 2})
    assert [entry["points"] for entry in second["entries"]] == [132, 108]  # and no row for their new dates
    with time_machine.travel(clock.now() + dt.timedelta(days=7), tick=False):
        assert session_of(beta, ANA)["member"]["claimed"] is None
        assert session_of(beta, OTHER)["member"]["points"] == 0


def test_who_is_not_mirrored_or_signed_in_long_ago_is_not_noted(alpha: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(alpha)
    ours = receiver()
    noted = sign_ins_noted(ours, monkeypatch)
    ask_session(signed(alpha, ANA), ours)
    buy(alpha, order_row(1042, ANA, 10_800))
    for visitor in (ANA, 2**63, None):
        ask_session(signed(alpha, visitor), ours)
    assert noted == []
