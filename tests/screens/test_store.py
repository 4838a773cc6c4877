"""Settings > Store: what Shopify says of it, and goods and margin as staff say."""

from __future__ import annotations

from collections.abc import Callable

from django.test import Client

from retention_app.models import AuditEntry, Shop
from retention_app.tenancy import shop_scope
from tests.conftest import make_staff
from tests.screens.conftest import sane, see

STORE = "/app/settings/store/"


def test_what_is_said_is_kept_shown_and_written_down(alpha: Shop, staff: Client) -> None:
    assert "Store Goods and margin not told yet" in see(staff.get("/app/settings/").content.decode()).text
    first = see(staff.get(STORE).content.decode())
    sane(first)
    assert alpha.domain in first.text
    saved = staff.post(STORE, {"goods": "rarely", "margin": " 45 % "})
    assert (saved.status_code, saved["Location"]) == (303, STORE)
    assert "Rarely bought again · margin 45%" in see(staff.get("/app/settings/").content.decode()).text
    staff.post(STORE, {"goods": "rarely", "margin": ""})
    text = see(staff.get("/app/settings/audit/?kind=store").content.decode()).text
    assert "Goods or margin changed" in text
    assert "Rarely bought again · margin 45% → then Rarely bought again" in text


def test_the_same_again_is_no_change(alpha: Shop, staff: Client) -> None:
    for _ in range(2):
        staff.post(STORE, {"goods": "again", "margin": "45"})
    with shop_scope(alpha.id):
        assert AuditEntry.objects.filter(code="store.changed").count() == 1


def test_a_wrong_margin_changes_nothing_and_is_kept(alpha: Shop, staff: Client) -> None:
    answer = staff.post(STORE, {"goods": "used_up", "margin": "1.5"})
    assert answer.status_code == 422
    seen = see(answer.content.decode())
    assert "Enter a whole number from 1 to 99, or leave it empty." in seen.text
    assert 'value="1.5"' in answer.content.decode()
    alpha.refresh_from_db()
    assert (alpha.goods, alpha.margin_percent) == ("", None)


def test_who_may_only_look_reads_what_is_said(alpha: Shop, staff: Client, merchant: Callable[..., Client]) -> None:
    make_staff(alpha, "79", "viewer", "Vera")
    staff.post(STORE, {"goods": "again", "margin": "45"})
    seen = see(merchant(alpha, "79").get(STORE).content.decode())
    sane(seen)
    assert "Bought again · margin 45%" in seen.text
    assert f'action="{STORE}"' not in seen.html
    assert merchant(alpha, "79").post(STORE, {"goods": "again", "margin": ""}).status_code == 403
