"""Settings that can't be: one line at start-up that says what to do, without the secrets in it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from config.env import ROOT


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("LOG_FORMAT", "xml", "LOG_FORMAT must be json or console, not 'xml'."),
        ("REDIS_URL", "localhost:6379", "REDIS_URL must be redis://host:port/number."),
        ("REDIS_URL", "redis://:hush@db:six/0", "REDIS_URL is no URL."),
        ("DATABASE_URL", "postgresql://encore:hush@db:port/encore", "DATABASE_URL is no URL."),
        (
            "DATABASE_URL",
            "mysql://encore:hush@db/encore",
            "DATABASE_URL must be sqlite:///path or postgresql://user:password@host:port/name.",
        ),
        ("APP_URL", "http://[half", "APP_URL is no URL."),
        ("APP_URL", "encore.example.com", "APP_URL must be an http(s) URL, not 'encore.example.com'."),
    ],
)
def test_a_wrong_value_stops_the_start_with_one_line(name: str, value: str, said: str) -> None:
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.base", name: value}
    command = [sys.executable, "-c", "import config.settings.base"]
    ran = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (1, f"Encore can't start: {said}\n")
    assert "hush" not in ran.stderr
