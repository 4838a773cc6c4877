"""Periodic jobs: each exists, and those without a home of their own do what they are for."""

from __future__ import annotations

import datetime as dt

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from config.celery import app
from config.schedule import SCHEDULE
from retention_app import tasks


@pytest.mark.parametrize("job", SCHEDULE)
def test_every_job_is_a_task_there_is(job: str) -> None:
    app.loader.import_default_modules()
    assert SCHEDULE[job]["task"] in app.tasks


def test_sessions_that_ran_out_are_deleted_and_others_kept(db: None) -> None:
    for key, hours in (("over", -1), ("open", 1)):
        Session.objects.create(session_key=key, session_data="", expire_date=timezone.now() + dt.timedelta(hours=hours))
    tasks.sessions_clear()
    assert list(Session.objects.values_list("session_key", flat=True)) == ["open"]
