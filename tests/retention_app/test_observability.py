"""Log lines: each process writes JSON alone, libraries' lines included."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from config.env import ROOT

WEB_FAILS = """
import logging, uvicorn
uvicorn.Config("config.asgi:application", log_level="warning").load()
try:
    raise ValueError("ana@example.com")
except ValueError:
    logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
"""


def test_the_web_servers_own_lines_are_logged_as_ours() -> None:
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.base", "LOG_FORMAT": "json"}
    ran = subprocess.run([sys.executable, "-c", WEB_FAILS], env=env, cwd=ROOT, capture_output=True, text=True)
    (line,) = [json.loads(text) for text in ran.stderr.splitlines()]
    assert (line["event"], line["logger"], line["level"]) == ("Exception in ASGI application", "uvicorn.error", "error")
    assert "ValueError" in line["exception"]
    assert "ana@" not in ran.stderr
