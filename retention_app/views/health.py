"""For operators: alive, ready, metrics."""

from __future__ import annotations

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest
from redis import Redis
from redis.exceptions import RedisError

from retention_app.operating.queues import ages
from retention_app.selectors import backlog
from retention_app.shared_memory import REDIS_OPTIONS

BACKLOG = Gauge("encore_backlog", "Rows not yet done.", ["kind"])
QUEUE_AGE = Gauge("encore_queue_age_seconds", "Age of the oldest row that waits.", ["queue"])
QUEUE_ROWS = Gauge("encore_queue_rows", "Rows that wait or were put aside.", ["queue", "state"])


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers."""
    return HttpResponse("ok", content_type="text/plain")


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """The process can serve: database and, where there is one, Redis answer. 503 names what doesn't."""
    parts = {"database": _answers(_ask_database)}
    if settings.REDIS_URL:
        parts["redis"] = _answers(_ask_redis)
    ready = all(parts.values())
    return JsonResponse({"ready": ready, **parts}, status=200 if ready else 503)


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' text format."""
    for kind, count in backlog().items():
        BACKLOG.labels(kind).set(count)
    for age in ages():
        QUEUE_AGE.labels(age.queue.key.value).set(age.seconds)
        QUEUE_ROWS.labels(age.queue.key.value, "waiting").set(age.waiting)
        QUEUE_ROWS.labels(age.queue.key.value, "dead").set(age.dead)
    return HttpResponse(generate_latest(), content_type=CONTENT_TYPE_LATEST)


def _answers(ask: object) -> bool:
    try:
        ask()  # type: ignore[operator]
    except (DatabaseError, RedisError):
        return False
    return True


def _ask_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM retention_app_shop LIMIT 1")


def _ask_redis() -> None:
    with Redis.from_url(settings.REDIS_URL, **REDIS_OPTIONS) as redis:
        redis.ping()
