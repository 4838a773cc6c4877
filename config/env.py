"""Reads the environment (DESIGN 2). A missing or wrong value stops start-up with one clear line, no traceback."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import SplitResult, unquote, urlsplit

from environs import Env

ROOT = Path(__file__).resolve().parent.parent
VAR = ROOT / "var"

env = Env()


def refuse(message: str) -> NoReturn:
    """Stop the process with one line on standard error."""
    sys.exit(f"Encore can't start: {message}")


def secret(name: str, default: str | None = None) -> str:
    value = env.str(name, default)
    if not value:
        refuse(f"{name} is not set (see .env.example).")
    return value


def url(name: str, default: str) -> str:
    """An absolute http(s) URL without a trailing slash."""
    value = env.str(name, default).rstrip("/")
    parts, _ = _split(name, value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        refuse(f"{name} must be an http(s) URL, not {value!r}.")
    return value


def redis_url(name: str) -> str:
    """A URL of a Redis database, or nothing."""
    value = env.str(name, "")
    parts, _ = _split(name, value)
    if value and not (parts.scheme in ("redis", "rediss") and parts.hostname):
        refuse(f"{name} must be redis://host:port/number.")
    return value


def choice(name: str, *among: str) -> str:
    """One of these words, by default the first."""
    value = env.str(name, "") or among[0]
    if value not in among:
        refuse(f"{name} must be {' or '.join(among)}, not {value!r}.")
    return value


def days(name: str, default: int) -> int:
    """A number of days, one at least."""
    value = env.str(name, "") or str(default)
    if not (value.isascii() and value.isdecimal() and int(value[:9]) > 0):
        refuse(f"{name} must be a number of days, one at least, not {value!r}.")
    return int(value[:9])


def encryption_keys(name: str, default: str | None = None) -> list[str]:
    from cryptography.fernet import Fernet

    keys = [key.strip() for key in secret(name, default).split(",") if key.strip()]
    for position, key in enumerate(keys, 1):
        try:
            Fernet(key)
        except ValueError:
            refuse(f"{name}: key {position} is no Fernet key (32 bytes, url-safe base64).")
    return keys


def database(name: str, value: str) -> dict[str, Any]:
    """Django's settings for a `sqlite:///path` or `postgresql://user:password@host:port/name` URL."""
    parts, port = _split(name, value)
    if parts.scheme == "sqlite":
        path = unquote(parts.path)
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": path[1:] if path.startswith("//") else str(ROOT / path.lstrip("/")),
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 30,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-8192;",
            },
        }
    if parts.scheme not in ("postgresql", "postgres") or not parts.path.strip("/"):
        refuse(f"{name} must be sqlite:///path or postgresql://user:password@host:port/name.")
    return {
        "ENGINE": "retention_app.postgresql",
        "NAME": unquote(parts.path.strip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": port,
        "DISABLE_SERVER_SIDE_CURSORS": True,
        "OPTIONS": {"pool": {"min_size": 1, "max_size": 8}},
    }


def _split(name: str, value: str) -> tuple[SplitResult, str]:
    """A URL's parts, and its port as far as it names one."""
    try:
        parts = urlsplit(value)
        return parts, str(parts.port or "")
    except ValueError:
        refuse(f"{name} is no URL.")
