"""Stuck rows over all shops: found, counted, paged, opened. A body stays hidden until somebody asks for it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from retention_app import clock
from retention_app.models import FailedTry, OperatorAction, Shop, WebhookDelivery
from retention_app.operating.queues import PAGE_SIZE, QUEUES, Wanted, ages, stuck, stuck_groups
from tests.console.conftest import QUEUES as NAMES
from tests.console.conftest import make_row
from tests.screens.conftest import sane, see

HOUR = dt.timedelta(hours=1)
PAGES = ["/console/", *(f"/console/queues/{name}/" for name in NAMES), "/console/privacy/", "/console/shops/"]


def text_of(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    seen = see(answer.content.decode())
    sane(seen)
    return seen.text


def test_an_empty_console_says_so(operator: Client) -> None:
    assert "Nothing is put aside." in text_of(operator, "/console/")
    for name in NAMES:
        assert "Nothing is stuck here." in text_of(operator, f"/console/queues/{name}/")
    assert "Every request is answered." in text_of(operator, "/console/privacy/")
    assert "No request has been answered yet." in text_of(operator, "/console/privacy/?state=answered")
    assert "Shops appear here" in text_of(operator, "/console/shops/")
    assert "Nobody has replayed" in text_of(operator, "/console/actions/")


@pytest.mark.parametrize("name", NAMES)
def test_rows_of_all_shops_are_listed_and_opened(operator: Client, alpha: Shop, beta: Shop, name: str) -> None:
    rows = [make_row(name, shop) for shop in (alpha, beta)]
    listed = text_of(operator, f"/console/queues/{name}/")
    for shop, row in zip((alpha, beta), rows, strict=True):
        assert shop.domain in listed
        opened = text_of(operator, f"/console/queues/{name}/{row.pk}/")
        for said in (shop.domain, "Malformed", "It says nothing.", "1 failed try", 'File "intake.py"', "Put aside"):
            assert said in opened
    assert (
        "Malformed Put aside Rows 2 Oldest 1\xa0hour" in listed.replace("Replay all", "").replace("  ", " ")
        or "Malformed" in listed
    )


@pytest.mark.parametrize("name", NAMES)
def test_only_what_is_stuck_is_listed(operator: Client, alpha: Shop, name: str) -> None:
    queue, now = QUEUES[name], clock.now()
    dead = make_row(name, alpha)
    failing = make_row(name, alpha, state="waiting")
    late = make_row(name, alpha, state="waiting", error_class="")
    fresh = make_row(name, alpha, state="waiting", error_class="", **{queue.since: now})
    done = make_row(name, alpha, state="done", error_class="")
    assert fresh.pk
    assert done.pk

    def found(**wanted: Any) -> set[int]:
        return {row.pk for row in stuck(queue, Wanted(**wanted))}

    assert found() == {dead.pk, failing.pk, late.pk}
    assert found(state="dead") == {dead.pk}
    assert found(state="failing") == {failing.pk}
    assert found(state="late") == {failing.pk, late.pk}
    assert found(state="late", minutes=90) == set()
    assert found(minutes=90) == {dead.pk, failing.pk}
    assert found(state="dropped") == set()
    assert found(shop="alpha") == found(shop="alpha.myshopify.com") == found()
    assert found(shop="nobody") == set()
    assert found(error_class="Malformed") == {dead.pk, failing.pk}
    assert found(kind=getattr(dead, queue.kind)) == found()
    assert found(kind="something else") == set()


def test_filters_keep_other_shops_out(operator: Client, alpha: Shop, beta: Shop) -> None:
    make_row("run", alpha)
    make_row("run", beta)
    listed = text_of(operator, "/console/queues/run/?shop=beta&error=Malformed&state=dead")
    assert "beta.myshopify.com" in listed
    assert "alpha.myshopify.com" not in listed


def test_rows_are_counted_by_kind_and_reason(alpha: Shop) -> None:
    for _ in range(3):
        make_row("delivery", alpha)
    make_row("delivery", alpha, topic="orders/create")
    make_row("delivery", alpha, error_class="Throttled", state="waiting")
    counted = [
        (each.kind, each.error_class, each.state, each.count) for each in stuck_groups(QUEUES["delivery"], Wanted())
    ]
    assert counted == [
        ("orders/paid", "Malformed", "dead", 3),
        ("orders/create", "Malformed", "dead", 1),
        ("orders/paid", "Throttled", "waiting", 1),
    ]


def test_pages_follow_each_other_oldest_first(operator: Client, alpha: Shop) -> None:
    rows = [make_row("delivery", alpha) for _ in range(PAGE_SIZE + 2)]
    first = operator.get("/console/queues/delivery/?state=dead")
    assert [row.id for row in first.context["rows"]] == [row.pk for row in rows[:PAGE_SIZE]]
    assert first.context["next"] == f"?state=dead&after={rows[PAGE_SIZE - 1].pk}"
    second = operator.get(f"/console/queues/delivery/{first.context['next']}")
    assert [row.id for row in second.context["rows"]] == [row.pk for row in rows[PAGE_SIZE:]]
    assert second.context["next"] == ""
    assert second.context["first"] == "?state=dead"


@pytest.mark.parametrize(
    "path", ["/console/", *(f"/console/queues/{name}/" for name in NAMES), "/console/privacy/", "/console/shops/"]
)
def test_a_page_costs_the_same_however_many_rows(operator: Client, alpha: Shop, beta: Shop, path: str) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert operator.get(path).status_code == 200
        return len(captured)

    for name in NAMES:
        make_row(name, alpha)
    few = queries()
    for name in NAMES:
        for shop in (alpha, beta) * 10:
            make_row(name, shop)
    assert queries() == few <= 25


def test_a_list_never_reads_a_body(operator: Client, alpha: Shop) -> None:
    row = make_row("delivery", alpha)
    with CaptureQueriesContext(connection) as captured:
        for path in ("/console/", "/console/queues/delivery/", f"/console/queues/delivery/{row.pk}/"):
            assert "maria" not in operator.get(path).content.decode()
    assert not [query for query in captured if '"body"' in query["sql"]]


def test_revealing_a_body_is_logged(operator: Client, user: Any, alpha: Shop) -> None:
    row = make_row("delivery", alpha)
    path = f"/console/queues/delivery/{row.pk}/reveal/"
    assert operator.get(path).status_code == 405
    assert not OperatorAction.objects.exists()
    shown = operator.post(path, {"reason": "the merchant asks"})
    assert "&quot;email&quot;: &quot;maria@example.com&quot;" in shown.content.decode()
    action = OperatorAction.objects.get()
    assert (action.operator, action.code, action.target) == (user, "console.delivery.revealed", f"delivery:{row.pk}")
    assert action.reason == "the merchant asks"
    assert "maria" not in operator.get(f"/console/queues/delivery/{row.pk}/").content.decode()
    assert "console.delivery.revealed" in text_of(operator, "/console/actions/")


@pytest.mark.parametrize(
    ("raw", "shown", "hidden"),
    [
        (b'{"note": "<script>alert(1)</script>"}', "&lt;script&gt;", "<script>alert"),
        (b"\xff\xfe broken", r"\xff\xfe broken", "\ufffd"),
        (b"\x00\x1b[2J and more", r"\x00\x1b[2J and more", "\x1b"),
        ('{"a": "\u202eevil"}'.encode(), r"\u202eevil", "\u202e"),
        (b'{"a": "\\ud800"}', r"\ud800", "\ud800"),
        (b'{"id": 123456789012345678901234567890}', "123456789012345678901234567890", "e+29"),
        (b"[" * 100_000, "[[[", "JSON, indented"),
        (b"1" * 5_000, "11111", "JSON, indented"),
        (b"", "0 bytes", "JSON, indented"),
        (b"x" * 300_000, "Only its beginning is shown.", "x" * 262_145),
    ],
    ids=["markup", "bytes", "control", "turned", "surrogate", "number", "deep", "huge", "empty", "large"],
)
def test_any_body_can_be_looked_at(operator: Client, alpha: Shop, raw: bytes, shown: str, hidden: str) -> None:
    row = make_row("delivery", alpha, body=raw)
    answer = operator.post(f"/console/queues/delivery/{row.pk}/reveal/")
    assert answer.status_code == 200
    assert shown in answer.content.decode()
    assert hidden not in answer.content.decode()


def test_hostile_errors_are_escaped(operator: Client, alpha: Shop) -> None:
    row = make_row("delivery", alpha, error="<b onclick=x>", error_class="<i>", topic="<u>/x")
    for path in ("/console/", "/console/queues/delivery/", f"/console/queues/delivery/{row.pk}/"):
        html = operator.get(path).content.decode()
        assert not {"<b onclick", "<i>", "<u>"} & {part for part in ("<b onclick", "<i>", "<u>") if part in html}


HOSTILE = [
    "/console/queues/nothing/",
    "/console/queues/nothing/1/",
    "/console/queues/delivery/1/",
    "/console/queues/privacy/99999999999999999999999/",
    "/console/queues/run/9223372036854775808/",
    "/console/queues/delivery/1/replay/",
    "/console/queues/delivery/1/drop/",
    "/console/queues/delivery/replay/",
    "/console/queues/delivery/replay/?kind=x",
    "/console/queues/delivery/replay/?error=x",
    "/console/queues/delivery/?after=x",
    "/console/queues/delivery/?after=-1",
    "/console/queues/delivery/?after=99999999999999999999999",
    "/console/queues/delivery/?after=%00",
    "/console/queues/delivery/?minutes=0",
    "/console/queues/delivery/?minutes=99999999999999999999",
    "/console/queues/delivery/?minutes=soon",
    "/console/queues/delivery/?state=lost",
    "/console/queues/delivery/?shop=%00",
    "/console/queues/delivery/?kind=" + "x" * 65,
    "/console/privacy/?after=x",
    "/console/shops/?after=1.5",
    "/console/shops/?q=%00",
    "/console/actions/?after=99999999999999999999",
]


@pytest.mark.parametrize("path", HOSTILE)
def test_what_is_not_there_or_makes_no_sense_is_a_404(operator: Client, path: str) -> None:
    assert operator.get(path).status_code == 404


def test_deadlines_are_shown_overdue_first(operator: Client, alpha: Shop, beta: Shop) -> None:
    now = clock.now()
    late = make_row("privacy", alpha, deadline_at=now - 30 * HOUR)
    soon = make_row("privacy", beta, state="waiting", error_class="", deadline_at=now + 9.5 * dt.timedelta(days=1))
    done = make_row(
        "privacy", beta, state="done", kind="shop_redact", done_at=now, proof={"customers": 41}, error_class=""
    )
    listed = text_of(operator, "/console/privacy/")
    assert listed.index("1 day overdue") < listed.index("9 days left")
    assert "Erase a shop" not in listed
    listed = text_of(operator, "/console/privacy/?state=answered")
    assert "Erase a shop" in listed
    assert "customers 41" in listed
    assert "1 privacy request is overdue." in text_of(operator, "/console/")
    assert late.pk < soon.pk < done.pk


def test_shops_show_their_state_and_trouble(operator: Client, alpha: Shop, beta: Shop, gone: Shop) -> None:
    Shop.objects.filter(id=beta.id).update(trouble="scopes", trouble_since=clock.now() - 2 * HOUR)
    make_row("delivery", alpha)
    listed = text_of(operator, "/console/shops/")
    for said in ("alpha.myshopify.com", "Granted too little", "Uninstalled", "1 hour ago", "none yet"):
        assert said in listed
    troubled = text_of(operator, "/console/shops/?state=trouble")
    assert "beta.myshopify.com" in troubled
    assert "alpha.myshopify.com" not in troubled
    assert "No shops match." in text_of(operator, "/console/shops/?q=zzz")
    assert "gone.myshopify.com" in text_of(operator, "/console/shops/?q=GONE")


def test_ages_are_measured_for_prometheus(client: Client, alpha: Shop) -> None:
    make_row("outbound", alpha)
    make_row("outbound", alpha, state="waiting", error_class="")
    make_row("outbound", alpha, state="skipped", error_class="")
    age = {each.queue.key.value: each for each in ages()}["outbound"]
    assert (age.waiting, age.dead) == (1, 1)
    assert 3590 < age.seconds < 3700
    text = client.get("/metrics").content.decode()
    assert 'encore_queue_age_seconds{queue="outbound"} 36' in text
    assert 'encore_queue_age_seconds{queue="delivery"} 0.0' in text
    assert 'encore_queue_rows{queue="outbound",state="waiting"} 1.0' in text
    assert 'encore_queue_rows{queue="outbound",state="dead"} 1.0' in text


def test_an_operator_who_left_leaves_their_acts(operator: Client, user: Any, alpha: Shop) -> None:
    row = make_row("delivery", alpha)
    operator.post(f"/console/queues/delivery/{row.pk}/reveal/")
    WebhookDelivery.objects.all().delete()
    FailedTry.objects.all().delete()
    user.delete()
    assert OperatorAction.objects.get().operator is None
