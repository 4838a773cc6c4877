"""No answer without a row: the web process is killed and stopped under load, and whatever was answered 200 is stored.

`STORM=full` sends ten times as much and ends the process as much more often.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from retention_app.models import WebhookDelivery
from tests.deliveries import PATH, headers_of
from tests.stack import ROOT

FULL = os.environ.get("STORM") == "full"
DELIVERIES = 20_000 if FULL else 2_000
ENDS = 40 if FULL else 4  # of the web process, by turns killed and stopped
CONNECTIONS = 16
ANSWER_SECONDS_MAX = 5.0  # as the platform waits
RETRY_SECONDS = 0.05
START_SECONDS_MAX = 30
STOP_SECONDS_MAX = 15
BODY = b'{"id":6001000000001,"line_items":[' + b",".join([b'{"title":"Coffee"}'] * 400) + b"]}"


class Web:
    """The web process as it is deployed, always on the same port."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = int(probe.getsockname()[1])
        self._log = folder / "web.log"
        self._env = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings.base",
            "SECRET_KEY": "kill-secret-key",
            "SHOPIFY_API_SECRET": settings.SHOPIFY_API_SECRET,
            "DATABASE_URL": f"{os.environ['DATABASE_URL'].rsplit('/', 1)[0]}/{connection.settings_dict['NAME']}",
            "CELERY_BROKER_URL": "memory://",
        }
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        command = ["uvicorn", "config.asgi:application", "--host", "127.0.0.1", "--port", str(self.port)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *command, "--log-level", "warning", "--no-access-log"],
                cwd=ROOT,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            await asyncio.sleep(0.05)
        raise RuntimeError(f"web did not start: {self.log()[-2000:]}")

    async def end(self, how: signal.Signals) -> None:
        """Send the signal; the process must be gone soon. Raises TimeoutExpired."""
        assert self._process is not None
        self._process.send_signal(how)
        await asyncio.to_thread(self._process.wait, STOP_SECONDS_MAX)

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def __enter__(self) -> Web:
        return self

    def __exit__(self, *error: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


@dataclass
class Platform:
    """Sends deliveries as the platform does: again, under the same id, until one is answered 200."""

    port: int
    ids: Iterator[int]
    acknowledged: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    broken: int = 0  # connections that ended without an answer

    async def send_all(self) -> None:
        await asyncio.gather(*(self._send_one_by_one() for _ in range(CONNECTIONS)))

    async def _send_one_by_one(self) -> None:
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        for number in self.ids:
            webhook_id = f"kill-{number}"
            status = 0
            while status != 200:
                try:
                    if streams is None:
                        streams = await asyncio.open_connection("127.0.0.1", self.port)
                    status, closes = await asyncio.wait_for(self._exchange(*streams, webhook_id), ANSWER_SECONDS_MAX)
                    self.statuses[status] += 1
                except (OSError, asyncio.IncompleteReadError, TimeoutError):
                    self.broken += 1
                    closes = True
                if closes and streams is not None:
                    streams[1].close()
                    streams = None
                if status != 200:
                    await asyncio.sleep(RETRY_SECONDS)
            self.acknowledged.append(webhook_id)
        if streams is not None:
            streams[1].close()

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, webhook_id: str
    ) -> tuple[int, bool]:
        """The answer's status, and whether the server closes the connection after it."""
        headers = {"Host": "localhost", **headers_of(BODY, **{"X-Shopify-Webhook-Id": webhook_id})}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"POST {PATH} HTTP/1.1\r\n{head}\r\n".encode() + BODY)
        answer = (await reader.readuntil(b"\r\n\r\n")).lower()
        return int(answer.split(b" ", 2)[1]), b"connection: close" in answer


@pytest.mark.django_db(transaction=True)
def test_what_was_answered_is_stored_whenever_the_process_ends(tmp_path: Path) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("needs PostgreSQL")

    async def storm(web: Web) -> Platform:
        await web.start()
        platform = Platform(web.port, iter(range(DELIVERIES)))
        sending = asyncio.create_task(platform.send_all())
        ways = itertools.cycle((signal.SIGKILL, signal.SIGTERM))
        for number, how in zip(range(1, ENDS + 1), ways, strict=False):
            while len(platform.acknowledged) < number * DELIVERIES // (ENDS + 1):
                assert not sending.done()
                await asyncio.sleep(0.001)
            await web.end(how)
            await web.start()
        await sending
        await web.end(signal.SIGTERM)
        return platform

    with Web(tmp_path) as web:
        platform = asyncio.run(storm(web))
        assert "Traceback" not in web.log()
    assert set(platform.statuses) <= {200, 503}
    assert platform.broken > 0  # some were under way when the process was killed
    stored = set(WebhookDelivery.objects.values_list("webhook_id", flat=True))
    assert set(platform.acknowledged) - stored == set()
    assert len(stored) == DELIVERIES == len(platform.acknowledged)
