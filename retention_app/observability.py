"""Structured logs, request ids and metrics.

Every log line is one JSON object with the shop in scope and whatever ids were bound to the context. Secrets never get
that far: `_redact` blanks values by key, in log lines of libraries as well as ours.
"""

from __future__ import annotations

import logging.config
import re
import time
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog
from django.http import HttpRequest, HttpResponse
from prometheus_client import Counter, Histogram

from retention_app.scope import scoped_shop_id

REQUESTS = Histogram("encore_request_seconds", "Time to answer a request.", ["view", "method", "status"])
DELIVERIES = Counter("encore_deliveries_total", "Webhook deliveries by answer.", ["topic", "answer"])
RUNS = Counter("encore_event_runs_total", "Event runs by consumer and result.", ["consumer", "result"])
PLATFORM_CALLS = Counter("encore_platform_calls_total", "Calls to the platform by operation.", ["operation", "result"])

_SECRET_KEY = re.compile(r"token|secret|password|hmac|signature|authorization|email|e_mail|first_name|last_name", re.I)
_SECRET_QUERY = re.compile(
    r"(?i)\b(id_token|hmac|signature|session|host|token|code|logged_in_customer_id|q)=[^&\s\"']+"
)


def _shop(logger: Any, name: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    shop_id = scoped_shop_id()
    if shop_id is not None:
        line["shop_id"] = shop_id
    return line


def _redact(logger: Any, name: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in line.items():
        if _SECRET_KEY.search(key):
            line[key] = "[redacted]"
        elif isinstance(value, str):
            line[key] = _SECRET_QUERY.sub(r"\1=[redacted]", value)
    return line


def logging_configure(config: dict[str, Any]) -> None:
    """Django's `LOGGING_CONFIG`: `{"format": "json"|"console"}`."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.format_exc_info,
        _shop,
        _redact,
    ]
    renderer = (
        structlog.processors.JSONRenderer()
        if config["format"] == "json"
        else structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    )
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "line": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
                    "foreign_pre_chain": shared,
                }
            },
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
            "root": {"handlers": ["stderr"], "level": "INFO"},
            "loggers": {
                "httpx": {"level": "WARNING"},
                "httpcore": {"level": "WARNING"},
                "uvicorn.access": {"level": "WARNING"},
                "celery.worker.strategy": {"level": "WARNING"},
                "celery.app.trace": {"level": "WARNING"},
                "celery.beat": {"level": "WARNING"},
            },
        }
    )


class RequestMetricsMiddleware:
    """Counts and times every answer by view name, never by path (paths carry ids)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        response = self.get_response(request)
        view = request.resolver_match.view_name if request.resolver_match else "none"
        REQUESTS.labels(view, request.method, response.status_code).observe(time.perf_counter() - began)
        return response
