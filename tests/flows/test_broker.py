"""A worker outlives its broker: Redis goes away while messages are in hand, and comes back empty."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.flows.storm import Servers
from tests.stack import SWEEP, Stack

RESTARTS = 3
MESSAGES = 30
BACK_SECONDS_MAX = 150


def test_a_worker_outlives_its_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Servers(tmp_path / "servers") as servers:
        for name, value in servers.environment.items():
            monkeypatch.setenv(name, value)
        with Stack(tmp_path / "stack", scenario="aurora", database="sqlite") as stack:
            worker = stack.worker_pid
            for _ in range(RESTARTS):
                stack.send(SWEEP, MESSAGES)
                servers.redis_restart()
                time.sleep(2)
            stack.install()
            stack.wait_done(BACK_SECONDS_MAX)
            assert stack.worker_pid == worker
            assert "Unrecoverable" not in stack.log("worker")
