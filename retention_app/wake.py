"""Telling workers that there is something to do. The tables say what; a lost wake-up costs a minute at most."""

from __future__ import annotations

from functools import partial
from typing import Any

import structlog
from celery import Task
from django.db import transaction

log = structlog.get_logger(__name__)


def wake(task: Task[..., Any], **kwargs: Any) -> None:
    """Send a task once the running transaction has committed. A broker out of reach fails nobody: a sweep follows."""
    transaction.on_commit(partial(_send, task, kwargs))


def _send(task: Task[..., Any], kwargs: dict[str, Any]) -> None:
    try:
        task.delay(**kwargs)
    except Exception:
        log.exception("wake_up_lost", task=task.name)
