"""Structured logs, request ids and metrics.

Every log line is one JSON object with the shop in scope and whatever ids were bound to the context. Secrets and
personal data never get that far: `redacted` blanks them by key and by pattern, in log lines of libraries as well as
ours and in the errors that queues store.
"""

from __future__ import annotations

import logging.config
import re
import time
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from typing import Any

import structlog
from django.http import HttpRequest, HttpResponse
from prometheus_client import Counter, Histogram

from retention_app.scope import scoped_shop_id

REQUESTS = Histogram("encore_request_seconds", "Time to answer a request.", ["view", "method", "status"])
DELIVERIES = Counter("encore_deliveries_total", "Webhook deliveries by answer.", ["topic", "answer"])
RUNS = Counter("encore_event_runs_total", "Event runs by consumer and result.", ["consumer", "result"])
OUTBOUND = Counter("encore_outbound_total", "Effects wanted outside by kind and result.", ["kind", "result"])
PLATFORM_CALLS = Counter("encore_platform_calls_total", "Calls to the platform by operation.", ["operation", "result"])
VERSION_DRIFT = Counter(
    "encore_platform_version_drift_total",
    "Answers in another API version than we asked for: alert.",
    ["asked", "served"],
)

REDACTED = "[redacted]"

_DEPTH_MAX = 12  # of nested values; what lies deeper isn't logged
_KEYS = (
    *("token", "secret", "password", "hmac", "signature", "authorization", "cookie", "api_key", "apikey", "pepper"),
    *("email", "e_mail", "phone", "address"),
    *(f"{which}{dash}name" for which in ("first", "last", "full", "display", "customer") for dash in ("", "_")),
)
_WITHHELD = "|".join(_KEYS)
_WITHHELD_KEY = re.compile(rf"{_WITHHELD}|^(?:ip|zip|city)$", re.I)
_RUN = r"\w.+%!#$&*?^~-"  # what the part before an @ is made of, as far as a log needs to know

# (words, pattern, what stands for a match): a text that has none of the words, in lower case, is spared the search.
_PATTERNS: tuple[tuple[tuple[str, ...], re.Pattern[str], str], ...] = tuple(
    (words, re.compile(pattern, re.I), instead)
    for words, pattern, instead in (
        # What PostgreSQL quotes of a refused row, and of JSON it couldn't read.
        (
            ("failing row", "json data"),
            r"(failing row contains|JSON data, line \d+:)[\s\S]*?(?=\n\n|\nTraceback|\Z)",
            rf"\1 {REDACTED}",
        ),
        # "email": "…", first_name='…', phone=…, as JSON (also inside JSON), arguments and representations write them.
        (
            _KEYS,
            rf"((?:{_WITHHELD})\w{{0,32}}\\?[\"']?\s{{0,4}}[:=]\s{{0,4}}b?)(?:"
            r"\\\"(?:[^\"\\]|\\[^\"\\])*+(?:\\\"|\\?$)"
            r"|\"(?:[^\"\\]|\\[\s\S])*+(?:\"|\\?$)"
            r"|'(?:[^'\\]|\\[\s\S])*+(?:'|\\?$)"
            r"|\+?\d{5,}+)",
            rf"\1{REDACTED}",
        ),
        (("cookie",), r"\b(cookie:).*", rf"\1 {REDACTED}"),
        (
            ("authorization", "access-token"),
            r"\b((?:authorization|access-token):?\s{0,4}(?:bearer|basic)?\s{0,4})[\w.~+/=-]{8,}+",
            rf"\1{REDACTED}",
        ),
        (("bearer", "basic"), r"\b(bearer|basic)\s{1,4}[\w.~+/=-]{8,}+", rf"\1 {REDACTED}"),
        # The query of an address; the user and password in front of its host.
        (
            ("=",),
            r"\b(id_token|hmac|signature|session|signed|host|token|code|logged_in_customer_id|q)=[^&\s\"']+",
            rf"\1={REDACTED}",
        ),
        (("://",), r"(://)[^\s/@\"']{1,512}@", rf"\1{REDACTED}@"),
        # Tokens of the platform and of payments; JSON Web Tokens.
        (("shp",), r"\bshp[a-z]{2}_\w+", REDACTED),
        (("enc_",), r"\benc_[\w-]{16,}", REDACTED),
        (("sk_", "rk_", "whsec_"), r"\b(?:sk|rk|whsec)_\w{8,}", REDACTED),
        (("eyj",), r"\beyJ[\w-]{4,}+(?:\.[\w-]*+)*+", REDACTED),
        # E-mail addresses, also as JSON and addresses escape the @.
        (
            ("@", "%40", "u0040"),
            rf"(?:\"[^\"\n]{{1,64}}\"|(?<![{_RUN}])[{_RUN}]+)(?:@|%40|\\u0040)[\w.-]+",
            REDACTED,
        ),
        # Phone numbers: international, and the ways of writing that are no other number's.
        (("+", "%2b", "u002b"), r"(?<![\w.])(?:\+|%2B|\\u002b)\d(?:[ ().-]{0,2}\d){6,14}(?!\d)", REDACTED),
        (("(",), r"\(\d{2,5}\) ?\d(?:[ -]?\d){5,9}(?![\w-])", REDACTED),
        (("-", ".", " "), r"(?<![\w.-])\d{3}[-. ]\d{3}[-. ]\d{4}(?![\w-])", REDACTED),
    )
)


def redacted(text: str) -> str:
    """The text without tokens, e-mail addresses, phone numbers, and values whose key says that they are a secret or
    personal. Ids, instants and order numbers stay. Costs time in proportion to the text's length."""
    lower = text.lower()
    for words, pattern, instead in _PATTERNS:
        if any(word in lower for word in words):
            text = pattern.sub(instead, text)
    return text


def ids_said(ids: Iterable[int]) -> str:
    """Ids in ascending order, once each, neighbours as a range: `7..9,12`."""
    runs: list[list[int]] = []
    for each in sorted(set(ids)):
        if runs and each == runs[-1][1] + 1:
            runs[-1][1] = each
        else:
            runs.append([each, each])
    return ",".join(str(first) if first == last else f"{first}..{last}" for first, last in runs)


def _value(value: Any, depth: int = 0) -> Any:
    """A logged value without what doesn't belong in a log; what isn't data of JSON becomes its text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return redacted(value)
    if depth > _DEPTH_MAX:
        return "[…]"
    if isinstance(value, Mapping):
        return {
            redacted(str(key)): REDACTED if _WITHHELD_KEY.search(str(key)) else _value(each, depth + 1)
            for key, each in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_value(each, depth + 1) for each in value]
    return redacted(repr(value))


def _shop(logger: Any, name: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    shop_id = scoped_shop_id()
    if shop_id is not None:
        line["shop_id"] = shop_id
    return line


def _redact(logger: Any, name: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in line.items():
        if not key.startswith("_"):  # the formatter's own, taken out before anything is written
            line[key] = REDACTED if _WITHHELD_KEY.search(key) else _value(value)
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
                "uvicorn": {"handlers": [], "propagate": True},
                "uvicorn.access": {"level": "WARNING", "handlers": [], "propagate": True},
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
