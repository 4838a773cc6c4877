"""What is too old goes, what is younger stays, however often the job runs or is killed."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from typing import Any

import pytest

from config.env import ROOT
from config.schedule import SCHEDULE
from retention_app import clock, tasks
from retention_app.models import FailedTry, Shop, SyncItem, SyncRun, WebhookDelivery
from retention_app.privacy import retention
from retention_app.tenancy import shop_scope
from tests.privacy.conftest import deliver

OLD, YOUNG = dt.timedelta(days=14, minutes=1), dt.timedelta(days=13, hours=23)


def delivered(state: str, age: dt.timedelta) -> int:
    return deliver("orders/create", {"id": 1}, state=state, received_at=clock.now() - age).id


@pytest.mark.parametrize("batch", [1, 1000])
def test_old_deliveries_go_and_unsolved_ones_lose_their_body(
    db: None, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "ROWS_PER_BATCH", batch)
    young = {delivered(state, YOUNG) for state in WebhookDelivery.State.values}
    before = list(WebhookDelivery.objects.filter(id__in=young).values())
    delivered("done", OLD)
    delivered("dropped", OLD)
    dead, waiting = delivered("dead", OLD), delivered("waiting", OLD)
    counts = retention.retention_enforce()
    assert (counts["deliveries"], counts["bodies"]) == (2, 2)
    assert list(WebhookDelivery.objects.filter(id__in=young).values()) == before
    left = {row.id: row for row in WebhookDelivery.objects.exclude(id__in=young)}
    assert left.keys() == {dead, waiting}
    assert {bytes(row.body) for row in left.values()} == {b""}
    assert {row.state for row in left.values()} == {"dead"}
    assert (left[dead].error, left[waiting].error_class) == ("", "TooOld")
    assert not any(retention.retention_enforce().values())


def test_old_tries_go(db: None) -> None:
    for age in (OLD, YOUNG):
        FailedTry.objects.create(queue="run", row_id=1, at=clock.now() - age, error_class="X", error="x")
    assert retention.retention_enforce()["tries"] == 1
    assert FailedTry.objects.get().at > clock.now() - OLD


def test_what_given_up_imports_staged_goes_and_running_ones_keep_theirs(alpha: Shop, beta: Shop) -> None:
    now = clock.now()
    for shop, phase in ((alpha, "failed"), (alpha, "orders"), (beta, "staging")):
        run = SyncRun.objects.create(shop=shop, phase=phase, started_at=now, due_at=now)
        with shop_scope(shop.id):
            SyncItem.objects.create(shop=shop, run=run, number=1, root_id=1, is_root=True, data="{}")
    assert retention.retention_enforce()["staged"] == 1
    for shop in (alpha, beta):
        with shop_scope(shop.id):
            assert SyncItem.objects.count() == 1


def test_the_number_of_days_is_a_setting(db: None, settings: Any) -> None:
    settings.RETENTION_DAYS = 3
    delivered("done", dt.timedelta(days=4))
    delivered("done", dt.timedelta(days=2))
    assert retention.retention_enforce()["deliveries"] == 1


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5"])
def test_a_wrong_number_of_days_stops_the_start_with_a_line(value: str) -> None:
    environment = {**os.environ, "RETENTION_DAYS": value, "DJANGO_SETTINGS_MODULE": "config.settings.base"}
    ran = subprocess.run(
        [sys.executable, "-c", "import config.settings.base"], env=environment, cwd=ROOT, capture_output=True, text=True
    )
    assert ran.returncode == 1
    assert "RETENTION_DAYS must be a number of days" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("pepper", ["", "a-pepper"])
def test_production_starts_with_a_pepper_of_its_own_only(pepper: str) -> None:
    """With the secret key in its stead, a new secret key would bring everybody back who was erased."""
    production = {
        "DJANGO_SETTINGS_MODULE": "config.settings.production",
        "SECRET_KEY": "x" * 60,
        "FIELD_ENCRYPTION_KEYS": "dGVzdC1vbmx5LW5vdC1hLXNlY3JldC0wMTIzNDU2Nzg=",
        "APP_URL": "https://encore.example.com",
        "DATABASE_URL": "postgresql://encore_app:password@db:5432/encore",
        "CELERY_BROKER_URL": "redis://redis:6379/1",
        "SHOPIFY_API_KEY": "id",
        "SHOPIFY_API_SECRET": "secret",
        "SHOPIFY_DEVSTORE_URL": "",
        "PRIVACY_PEPPER": pepper,
    }
    command = [sys.executable, "-c", "import config.settings.production"]
    ran = subprocess.run(command, env={**os.environ, **production}, cwd=ROOT, capture_output=True, text=True)
    refusal = "" if pepper else "Encore can't start: PRIVACY_PEPPER is not set (see .env.example).\n"
    assert (ran.returncode, ran.stderr) == (0 if pepper else 1, refusal)


def test_the_job_is_scheduled(db: None) -> None:
    assert SCHEDULE["retention"]["task"] == tasks.retention_work.name
    tasks.retention_work()
