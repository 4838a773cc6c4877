"""What a storm needs: servers of its own to flush, stop and start again, and somebody who keeps breaking things."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import threading
import time
from pathlib import Path
from types import TracebackType

import redis

from tests.stack import ROOT, Stack

POSTGRES_BIN = Path("/usr/lib/postgresql/15/bin")


class Servers:
    """PostgreSQL and Redis of the storm's own (tools/services.sh), so that breaking them breaks nobody else's tests.

    Use as a context manager; `environment` names them as `make test` does.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment: dict[str, str] = {}

    def __enter__(self) -> Servers:
        self._run("start")
        lines = (self.folder / "services.env").read_text().splitlines()
        self.environment = dict(line.split("=", 1) for line in lines)
        self._data = Path((self.folder / "data").read_text().strip())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run("stop")

    def _run(self, action: str) -> None:
        subprocess.run([ROOT / "tools/services.sh", action, self.folder], check=True, capture_output=True)

    def redis_flush(self) -> None:
        redis.Redis.from_url(self.environment["REDIS_URL"]).flushall()

    def redis_restart(self) -> None:
        port = self.environment["REDIS_URL"].rsplit(":", 1)[1].split("/")[0]
        with contextlib.suppress(redis.RedisError):
            redis.Redis.from_url(self.environment["REDIS_URL"]).shutdown(nosave=True)
        time.sleep(0.5)
        command = ["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--daemonize", "yes"]
        paths = ["--pidfile", self._data / "redis/pid", "--logfile", self._data / "redis/log"]
        subprocess.run([*command, "--dir", self._data / "redis", *paths], check=True, capture_output=True)

    def postgres_restart(self) -> None:
        """Crash and start again: sessions end in the middle of what they do."""
        command = [POSTGRES_BIN / "pg_ctl", "-D", self._data / "postgres/main", "-w", "-s", "-m", "immediate"]
        user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        log = ["-l", self._data / "postgres/log"]
        subprocess.run([*user, *command, *log, "restart"], check=True, cwd="/", capture_output=True)


class Chaos(threading.Thread):
    """Kills the worker or the web process every few seconds, flushes and restarts Redis, restarts PostgreSQL once."""

    def __init__(self, stack: Stack, servers: Servers, *, seed: int, every_seconds: float, postgres: bool) -> None:
        super().__init__(daemon=True)
        self.stack, self.servers = stack, servers
        self.every_seconds, self.postgres = every_seconds, postgres
        self.random = random.Random(seed)
        self.done: dict[str, int] = {}
        self.failed: BaseException | None = None
        self._over = threading.Event()

    def run(self) -> None:
        once = [self.servers.redis_restart, *([self.servers.postgres_restart] if self.postgres else [])]
        try:
            for turn in range(10_000):
                if self._over.wait(self.every_seconds * self.random.uniform(0.6, 1.4)):
                    return
                if turn in (2, 4) and once:
                    self._do(once.pop().__name__)
                elif self.random.random() < 0.15:
                    self._do("redis_flush")
                else:
                    self._kill(self.random.choice(["worker", "web"]))
        except BaseException as error:
            self.failed = error

    def _do(self, what: str) -> None:
        getattr(self.servers, what)()
        self.done[what] = self.done.get(what, 0) + 1

    def _kill(self, name: str) -> None:
        self.stack.kill(name)
        (self.stack.start_worker if name == "worker" else self.stack.start_web)()
        self.done[f"{name}_killed"] = self.done.get(f"{name}_killed", 0) + 1

    def end(self) -> None:
        self._over.set()
        self.join()
        if self.failed:
            raise self.failed
