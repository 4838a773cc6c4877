"""The CDNOW history through a whole installation: token exchange, bulk operation, download, mirror, events, ledger.

Seconds from the install (which is when `make demo` says READY) until nothing is left to do, and how much the worker's
memory grew meanwhile, on SQLite and on PostgreSQL; then the seconds that a what-if over the whole history takes.
Refuses to report figures that aren't CDNOW's.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.stack import POLL_SECONDS, ROOT, Stack

SECONDS_MAX = 900
LEVELS = (("Bronze", 70), ("Silver", 200), ("Gold", 600))  # from so much spent
WHAT_IF = {
    "earn": {"points": 1, "per_minor": 100},
    "worth": {"points": 100, "minor": 500},
    "tiers": {
        "by": "spend",
        "period": "lifetime",
        "grace_days": 0,
        "hold_days": 0,
        "protect_until": None,
        "levels": [{"key": name.lower(), "name": name, "from": spent * 100, "percent": 100} for name, spent in LEVELS],
    },
}
TIERS = {"": 15149, "Bronze": 5416, "Silver": 2466, "Gold": 539}
EXPECTED = {"customers": 23570, "orders": 69659, "revenue_minor": 250031563, "points_issued": 2453159}


def run() -> dict[str, Any]:
    return {database: _run(database) for database in ("sqlite", "postgresql")}


def _run(database: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder), scenario="cdnow", database=database) as stack:
        rss_before = rss_most = _resting_rss(stack)
        began = time.monotonic()
        stack.install()
        while not stack.is_done():
            if time.monotonic() - began > SECONDS_MAX:
                raise TimeoutError(f"{database}: {stack.progress()} {stack.at_work()} {stack.dead()}")
            rss_most = max(rss_most, stack.worker_rss_bytes())
            time.sleep(POLL_SECONDS)
        seconds = time.monotonic() - began
        stats = stack.stats()
        if {key: stats[key] for key in EXPECTED} != EXPECTED:
            raise RuntimeError(f"{database}: {stats}")
        document = Path(folder) / "what-if.json"
        document.write_text(json.dumps(WHAT_IF))
        command = ["manage.py", "programme_simulate", "--shop", "cdnow", "--document", str(document), "--json"]
        began = time.monotonic()
        answer = subprocess.check_output([sys.executable, *command], cwd=ROOT, env=stack.env)  # its start counts
        what_if_seconds = time.monotonic() - began
        what_if = json.loads(answer.splitlines()[-1])
        if what_if["tiers_then"] != TIERS:
            raise RuntimeError(f"{database}: {what_if}")
        return {
            "seconds": round(seconds, 1),
            "worker_rss_growth_mb": round((rss_most - rss_before) / 1e6, 1),
            "what_if_seconds": round(what_if_seconds, 1),
        }


def _resting_rss(stack: Stack) -> int:
    """The worker's memory once all its processes have started."""
    rss = 0
    while (now := stack.worker_rss_bytes()) > rss * 1.01:
        rss = now
        time.sleep(3)
    return rss
