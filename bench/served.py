"""Servers of benchmarks: ours and its peer, each a process group of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GUNICORN = "gunicorn==27.0.1"  # serves peers only, so the application's requirements don't name it
START_SECONDS_MAX = 30


def gunicorn_install(folder: Path) -> None:
    """Put gunicorn where servers of this folder find it."""
    target = ["--target", str(folder / "packages")]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-q", *target]
    subprocess.run([*pip, GUNICORN], check=True, stdout=sys.stderr)


@contextlib.contextmanager
def served(command: list[str], folder: str, environment: Mapping[str, str]) -> Iterator[int]:
    """The port of a server: `command` with the port or address added."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    packages = f"{folder}/packages"
    env = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings.base",
        "SECRET_KEY": "bench",
        "SHOPIFY_API_SECRET_OLD": "",
        "CELERY_BROKER_URL": os.environ["REDIS_URL"],
        "PYTHONPATH": os.pathsep.join([packages, os.environ.get("PYTHONPATH", "")]),
        **environment,
    }
    if command[0] == "gunicorn":
        command = [*command[:-1], "--pythonpath", packages, command[-1]]
    with (Path(folder) / f"{command[0]}.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", *command, f"127.0.0.1:{port}" if command[-1] == "-b" else str(port)],
            cwd=ROOT,
            env=env,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait_for(port, server, log.name)
            yield port
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGTERM)
            server.wait(START_SECONDS_MAX)


def _wait_for(port: int, server: subprocess.Popen[bytes], log: str) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise RuntimeError(f"The server did not start: {Path(log).read_text()[-2000:]}")
