"""Settings > Audit: every change with who, when, before and after; filtered, paged, and as a file."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.http import HttpResponse
from django.test import Client

from retention_app import clock
from retention_app.api.keys import api_key_create
from retention_app.models import AuditEntry, Shop
from retention_app.services.storefront import storefront_switch
from retention_app.tenancy import shop_scope
from tests.conftest import make_staff
from tests.screens.conftest import sane, see
from tests.screens.test_pages import queries_of

AUDIT = "/app/settings/audit/"


def note(shop: Shop, code: str, actor: str = "42", at: dt.datetime | None = None, **data: Any) -> AuditEntry:
    with shop_scope(shop.id):
        return AuditEntry.objects.create(shop=shop, code=code, actor=actor, at=at or clock.now(), data=data)


@pytest.fixture
def told(alpha: Shop) -> Shop:
    """A shop in which Bruno, Olivia and a program changed things."""
    make_staff(alpha, "77", "support", "=Bruno")
    with shop_scope(alpha.id):
        storefront_switch(shop=alpha, on=False, actor="42")
        key, _token = api_key_create(shop=alpha, name="ERP", scopes=[], actor="42")
    note(alpha, "staff.person.changed", staff="77", before={"role": "viewer"}, after={"role": "support", "limit": 9})
    note(alpha, "loyalty.tier.moved", "77", level="gold", name="Gold", before="Silver")
    note(alpha, "loyalty.programme.published", "77", version=7)
    note(alpha, "loyalty.points.adjusted", key.actor, points=-50, why="late")
    note(alpha, "something.new", "99")
    return alpha


def test_every_change_says_who_what_before_and_after(told: Shop, staff: Client) -> None:
    seen = see(staff.get(AUDIT).content.decode())
    sane(seen)
    for said in (
        "Storefront switched off Olivia Owner switched on → then switched off",
        "API key ERP made Olivia Owner",
        "Role or limit of =Bruno changed Olivia Owner Viewer → then Support, up to 9 points",
        "Customer moved to Gold =Bruno Silver → then Gold",
        "Version 7 of the programme published =Bruno Version 6 → then Version 7",
        "Points adjusted by -50: Late parcel the program ERP −50",
        "Settings changed somebody whose name isn't shared yet (99)",
    ):
        assert said in seen.text


@pytest.mark.parametrize(
    ("query", "rows"),
    [("", 7), ("person=77", 2), ("person=77&kind=points", 1), ("kind=programme", 1), ("kind=keys", 1), ("person=x", 0)],
)
def test_changes_are_filtered_by_person_and_kind(told: Shop, staff: Client, query: str, rows: int) -> None:
    assert staff.get(f"{AUDIT}?{query}").content.decode().count('<tr class="row-link">') == rows


def test_unknown_kinds_and_cursors_are_404(told: Shop, staff: Client) -> None:
    for query in ("kind=x", "before=x", "before=²", f"before={'9' * 30}"):
        assert staff.get(f"{AUDIT}?{query}").status_code == 404
    assert "Everything" in staff.get(f"{AUDIT}?before=999999999").content.decode()


def test_pages_follow_one_another_without_a_gap(told: Shop, staff: Client) -> None:
    few = queries_of(staff, AUDIT)
    same = clock.now() - dt.timedelta(days=1)
    for _ in range(60):
        note(told, "storefront.switched_on", at=same)
    first = staff.get(AUDIT).content.decode()
    cursor = first.split("?before=")[1].split('"')[0]
    second = staff.get(f"{AUDIT}?before={cursor}").content.decode()
    assert [page.count('<tr class="row-link">') for page in (first, second)] == [50, 17]
    assert queries_of(staff, AUDIT) == few == 7


def taken(client: Client, answer: HttpResponse) -> list[list[str]]:
    """The rows of the file that an export leads to."""
    assert answer.status_code == 303
    parts = urlsplit(answer["Location"])
    file = Client().get(f"{parts.path}?{parts.query}")
    content = b"".join(file.streaming_content).decode()  # type: ignore[attr-defined]
    return list(csv.reader(content.removeprefix("\ufeff").splitlines()))


def test_the_file_is_safe_filtered_and_written_down(told: Shop, staff: Client, merchant: Callable[..., Client]) -> None:
    head, *rows = taken(staff, staff.post(f"{AUDIT}export/?person=77"))
    assert head[:5] == ["When", "Who", "What", "Before", "After"]
    assert [row[1:5] for row in rows] == [
        ["'=Bruno", "Version 7 of the programme published", "Version 6", "Version 7"],
        ["'=Bruno", "Customer moved to Gold", "Silver", "Gold"],
    ]
    with shop_scope(told.id):
        entry = AuditEntry.objects.latest("id")
    assert (entry.code, entry.actor, entry.data) == ("export.audit", "42", {"filters": {"person": "77"}})
    assert merchant(told, "77").post(f"{AUDIT}export/").status_code == 403


@pytest.mark.parametrize(
    ("path", "code", "said"),
    [
        ("/app/customers/export/?orders=repeat&q=ana", "export.customers", "Customers exported"),
        ("/app/insights/liability/2026-01-01/members/download/", "export.liability", "What you owe exported"),
    ],
)
def test_files_that_leave_are_written_down(alpha: Shop, staff: Client, path: str, code: str, said: str) -> None:
    assert staff.post(path).status_code == 303
    with shop_scope(alpha.id):
        entry = AuditEntry.objects.get(code=code)
    assert entry.actor == "42"
    assert "ana" not in str(entry.data)
    assert said in see(staff.get(f"{AUDIT}?kind=files").content.decode()).text


def test_languages_are_chosen_per_person(alpha: Shop, staff: Client, merchant: Callable[..., Client]) -> None:
    make_staff(alpha, "77", "viewer", "Bruno")
    bruno, path = merchant(alpha, "77"), "/app/settings/languages/"
    seen = see(bruno.get(path).content.decode())
    sane(seen)
    assert "Who reads none of these gets English." in seen.text
    assert bruno.post("/app/language/", {"language": "zh-hant", "next": path}).status_code == 303
    assert 'value="zh-hant" checked' in bruno.get(path).content.decode()
    assert '<html lang="en">' in staff.get(path).content.decode()
    assert bruno.post("/app/language/", {"language": "", "next": path}).status_code == 303
    assert '<html lang="en">' in bruno.get(path).content.decode()
