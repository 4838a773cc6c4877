"""The whole installation as processes, for tests and benchmarks: devstore, web and worker over real HTTP.

Each stack has ports, a database and a Redis number of its own, so that two can run side by side.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import httpx
import psycopg
import redis
from celery import Celery

from retention_app.clock import ASKED_EVERY_SECONDS
from retention_app.shopify import documents
from tests import migrated

# Every text the app may send to the platform's GraphQL API, the inner queries of bulk operations included.
OUR_DOCUMENTS = {documents.document(name) for name in documents.names()} | {
    documents.bulk_query(name) for name in documents.names() if name in ("BulkCustomers", "BulkOrders", "BulkProducts")
}
ROOT = Path(__file__).resolve().parent.parent
SQLITE = "encore.sqlite3"
SWEEP = "retention_app.tasks.sweep"
TIME_PASSES = "loyalty.tasks.time_passes"
START_SECONDS_MAX = 60
POLL_SECONDS = 0.3
MAKE_DUE_SECONDS = 2  # between two times that everything is tried at once: tries are counted
STOP_SECONDS_MAX = 10
CERTIFICATES = httpx.create_ssl_context()  # read once: for each call it would take longer than the call
_QUEUES = ("privacyrequest", "reconciliation", "webhookdelivery", "eventrun", "outbound")  # what fills others first


class Stack:
    """Devstore, web and worker for one scenario, on `sqlite` or `postgresql` (the servers `make test` started).

    `folder` holds their state and logs; `devstore_state` lets a second installation
    use a store that already lived. Use as a context manager; `install()` does the merchant's click.
    """

    def __init__(
        self,
        folder: Path,
        *,
        scenario: str,
        database: str,
        file: Path | None = None,
        devstore_state: Path | None = None,
    ) -> None:
        self.folder, self.scenario, self.file = folder, scenario, file
        self._devstore_state = devstore_state or folder / "devstore"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.app_port, self.devstore_port = _free_port(), _free_port()
        self.app_url = f"http://localhost:{self.app_port}"
        self.devstore_url = f"http://127.0.0.1:{self.devstore_port}"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._commands: subprocess.Popen[str] | None = None
        self._database_name = f"stack_{secrets.token_hex(4)}" if database == "postgresql" else None
        self._redis_url = f"{os.environ['REDIS_URL'].rsplit('/', 1)[0]}/{_redis_number()}"
        self.env = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings.base",
            "SECRET_KEY": "stack-secret-key",
            "FIELD_ENCRYPTION_KEYS": "dGVzdC1vbmx5LW5vdC1hLXNlY3JldC0wMTIzNDU2Nzg=",
            "SHOPIFY_API_KEY": "stack-client-id",
            "SHOPIFY_API_SECRET": "stack-client-secret-of-32-bytes-or-more",
            "SHOPIFY_API_SECRET_OLD": "",
            "APP_URL": self.app_url,
            "APP_BRIDGE_URL": f"{self.devstore_url}/devstore/app-bridge.js",
            "SHOPIFY_DEVSTORE_URL": self.devstore_url,
            "REDIS_URL": self._redis_url,
            "CELERY_BROKER_URL": self._redis_url,
            "DATABASE_URL": migrated.sqlite_url(folder.absolute() / SQLITE),
            "DATABASE_OWNER_URL": "",
            "LOG_FORMAT": "json",
            "C_FORCE_ROOT": "1",
            "PYTHONUNBUFFERED": "1",
        }
        if self._database_name:
            self.database_use(self._database_name)

    # --- life ---------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Stack:
        if self._database_name:
            migrated.postgresql_create(self._database_name)
        else:
            migrated.sqlite_create(self.folder / SQLITE)
        redis.Redis.from_url(self._redis_url).flushdb()
        try:
            self.start_devstore()
            self.start_web()
            self.start_worker()
            self.wait_for(f"{self.devstore_url}/devstore/state")
            self.wait_for(f"{self.app_url}/readyz")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        for name in ("worker", "web", "devstore"):
            self.stop(name)
        self._commands_end()
        self.database_drop()

    @property
    def database(self) -> str:
        """The PostgreSQL database's name."""
        assert self._database_name
        return self._database_name

    def database_use(self, name: str) -> None:
        """Work on this PostgreSQL database from the next process on, and drop it in the end."""
        self._database_name = name
        self._commands_end()
        self.env |= migrated.postgresql_urls(name)

    def database_drop(self) -> None:
        if self._database_name:
            migrated.postgresql_drop(self._database_name)

    def start_devstore(self) -> None:
        command = ["devstore", "--scenario", self.scenario, "--port", str(self.devstore_port)]
        command += ["--state", str(self._devstore_state), "--app-url", self.app_url]
        command += ["--app-toml", "shopify.app.toml", "--extension", "extensions/storefront"]
        if self.file:
            command += ["--file", str(self.file)]
        self._start("devstore", command)

    def start_web(self) -> None:
        command = ["uvicorn", "config.asgi:application", "--host", "0.0.0.0", "--port", str(self.app_port)]
        self._start("web", [*command, "--log-level", "warning", "--no-access-log"])

    def start_worker(self) -> None:
        command = ["celery", "-A", "config", "worker", "--beat", "--concurrency", "2"]
        command += ["--without-gossip", "--without-mingle", "--schedule", str(self.folder / "beat")]
        self._start("worker", command)

    def kill(self, name: str) -> None:
        """SIGKILL a process and all it started."""
        process = self._processes.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self, name: str) -> None:
        """End a process as an operator would; kill what doesn't end in time."""
        process = self._processes.get(name)
        if process is None:
            return
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS_MAX)
        self.kill(name)

    @property
    def worker_pid(self) -> int | None:
        """The worker's process, None when it has ended."""
        process = self._processes["worker"]
        return process.pid if process.poll() is None else None

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def _start(self, name: str, module: list[str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", *module],
                cwd=ROOT,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_for(self, url: str) -> None:
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(url, timeout=5, verify=CERTIFICATES).status_code == 200:
                    return
            time.sleep(0.1)
        raise TimeoutError(f"{url} never answered; logs are in {self.folder}")

    # --- use ----------------------------------------------------------------------------------------------------------

    def install(self) -> None:
        answer = self.devstore("POST", "/devstore/install")
        assert answer["ok"], answer

    def devstore(self, method: str, path: str, body: Any = None, **params: Any) -> Any:
        """Call devstore's control surface; answers the decoded JSON. Raises RuntimeError with its refusal."""
        answer = _call(method, self.devstore_url + path, json=body, params=params)
        if answer.is_error:
            raise RuntimeError(f"{method} {path} {body}: {answer.status_code} {answer.text}")
        return answer.json()

    def staff(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Ask the admin as a member of the shop's staff."""
        token = self.devstore("GET", "/devstore/id-token")["id_token"]
        headers = {"Authorization": f"Bearer {token}", "HX-Request": "true"}
        return _call(method, self.app_url + path, headers=headers, **options)

    def manage(self, *arguments: str) -> str:
        """Run a manage.py command; answers its output. Raises RuntimeError with what it said when it fails."""
        if self._commands is None:
            self._commands = subprocess.Popen(
                [sys.executable, "-m", "tests.commands"],
                cwd=ROOT,
                env=self.env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                bufsize=1,
            )
        assert self._commands.stdin
        assert self._commands.stdout
        said, complained = self.folder / "command.out", self.folder / "command.err"
        self._commands.stdin.write(json.dumps([arguments, str(said), str(complained)]) + "\n")
        if self._commands.stdout.readline() != "0\n":
            raise RuntimeError(f"manage.py {' '.join(arguments)}: {complained.read_text()[-2000:]}")
        return said.read_text()

    def _commands_end(self) -> None:
        if self._commands:
            self._commands.communicate()
            self._commands = None

    def manage_json(self, *arguments: str) -> Any:
        return json.loads(self.manage(*arguments, "--json").splitlines()[-1])

    def stats(self) -> dict[str, Any]:
        stats: dict[str, Any] = self.manage_json("shop_stats", "--shop", self.scenario)
        return stats

    def balances(self) -> dict[Any, int]:
        """Available points by customer."""
        lines = self.manage("balances", "--shop", self.scenario, "--json").splitlines()
        return {row["customer"]: row["points_available"] for row in map(json.loads, lines)}

    def progress(self) -> tuple[str, int, int | None]:
        """The latest import: its phase, how many orders it brought, and of how many, once that is known."""
        runs = self.execute(
            "SELECT phase, orders_done, orders_total FROM retention_app_syncrun ORDER BY id DESC LIMIT 1"
        )
        return runs[0] if runs else ("", 0, None)

    def at_work(self, *queues: str) -> list[str]:
        """Of these queues (all, if none is named) those in which something waits or is being worked off."""
        return [
            queue
            for queue in queues or _QUEUES
            if self.execute(f"SELECT 1 FROM retention_app_{queue} WHERE state = 'waiting' LIMIT 1")
        ]

    def is_done(self) -> bool:
        """Whether the import and all that follows from it is done, no delivery is on its way and nothing was put
        aside."""
        if self.progress()[0] != "done":
            return False
        on_the_way = self.devstore("GET", "/devstore/state")["counts"]["webhooks_waiting"]
        return not on_the_way and not self.at_work() and not self.dead()

    def wait_done(self, seconds: float) -> None:
        """Until it is done. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while not self.is_done():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not done after {seconds} s: {self.progress()} {self.at_work()} {self.dead()}")
            time.sleep(POLL_SECONDS)

    def dead(self) -> list[tuple[str, str, str]]:
        """What was put aside: (queue, error's class, error)."""
        return [
            (table, error_class, error)
            for table in _QUEUES
            for error_class, error in self.execute(
                f"SELECT error_class, error FROM retention_app_{table} WHERE state = 'dead'"
            )
        ]

    def repaired(self) -> Counter[str]:
        """What comparisons with the platform repaired, by kind."""
        found: Counter[str] = Counter()
        for (repaired,) in self.execute("SELECT repaired FROM retention_app_reconciliation"):
            found.update(json.loads(repaired) if isinstance(repaired, str) else repaired)
        return found

    def make_due(self) -> None:
        """Let what waits for a later try be tried now: a test needn't sit out a back-off."""
        for table in _QUEUES:
            self.execute(
                f"UPDATE retention_app_{table} SET due_at = CURRENT_TIMESTAMP"
                " WHERE state = 'waiting' AND lease_until IS NULL AND due_at > CURRENT_TIMESTAMP"
            )
        self.execute("UPDATE retention_app_shop SET calls_paused_until = NULL")
        self.send(SWEEP)

    def turn_clock(self, forward: dt.timedelta) -> None:
        """Turn devstore's clock, and so everybody's, and let the workers look at what time brings."""
        self.devstore("POST", "/devstore/clock", {"advance": forward.total_seconds()})
        time.sleep(2 * ASKED_EVERY_SECONDS)
        self.send(TIME_PASSES)

    def send(self, task: str, times: int = 1) -> None:
        """Send the workers to do a task that the schedule sends now and then."""
        with Celery(set_as_current=False) as celery, celery.connection_for_write(self._redis_url) as broker:
            for _ in range(times):  # the environment's broker, the tests' own, goes before one that an app is given
                celery.send_task(task, connection=broker)

    def newest_instants(self) -> list[dt.datetime]:
        """When, by their clocks, web took in the newest webhook, and a worker told the newest fact."""
        newest = (("received_at", "webhookdelivery"), ("recorded_at", "domainevent"))
        rows = [self.execute(f"SELECT max({column}) FROM retention_app_{table}") for column, table in newest]
        return [dt.datetime.fromisoformat(str(found)) for ((found,),) in rows]

    def mirrored_orders(self) -> dict[int, tuple[Any, ...]]:
        """Each order of the mirror: customer, total, cancelled, test, (line, pieces left)s and (refund, amount)s."""
        lines, refunds = self._pairs("orderline", "current_quantity"), self._pairs("refund", "total_minor")
        rows = self.execute(
            "SELECT o.shopify_id, c.shopify_id, o.total_minor, o.cancelled_at, o.test FROM retention_app_order o"
            " LEFT JOIN retention_app_customer c ON c.id = o.customer_id"
        )
        return {
            order: (customer, total, cancelled_at is not None, bool(test), lines[order], refunds[order])
            for order, customer, total, cancelled_at, test in rows
        }

    def _pairs(self, table: str, column: str) -> defaultdict[int, list[tuple[int, int]]]:
        """Order → what belongs to it, by Shopify id."""
        pairs: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        for order, number, value in self.execute(
            f"SELECT o.shopify_id, t.shopify_id, t.{column} FROM retention_app_{table} t"
            " JOIN retention_app_order o ON o.id = t.order_id ORDER BY t.shopify_id"
        ):
            pairs[order].append((number, value))
        return pairs

    def execute(self, statement: str) -> list[Any]:
        """Ask the installation's database as its administrator; answers the rows, if there are any."""
        if self._database_name:
            url = f"{os.environ['TEST_DATABASE_ADMIN_URL'].rsplit('/', 1)[0]}/{self._database_name}"
            with psycopg.connect(url, autocommit=True) as admin:
                cursor = admin.execute(statement.encode())
                return cursor.fetchall() if cursor.description else []
        with contextlib.closing(sqlite3.connect(self.folder / SQLITE, timeout=30)) as database, database:
            return database.execute(statement).fetchall()

    def dump(self) -> str:
        """Every value of every row of every table, of whatever shop, as text."""
        tables = self.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            if self._database_name
            else "SELECT name FROM sqlite_master WHERE type = 'table'"
        )
        rows = (row for (table,) in tables for row in self.execute(f'SELECT * FROM "{table}"'))
        return "\n".join(
            value.decode(errors="replace") if isinstance(value, bytes) else str(value) for row in rows for value in row
        )

    def worker_rss_bytes(self) -> int:
        """Resident memory of the worker and its children, shared pages counted once per process."""
        group = self._processes["worker"].pid
        total = 0
        for status in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = status.read_text().rsplit(")", 1)[1].split()
                if int(fields[2]) == group:
                    total += int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
        return total


def _call(method: str, url: str, **options: Any) -> httpx.Response:
    return httpx.request(method, url, timeout=60, verify=CERTIFICATES, **options)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _redis_number() -> int:
    """A Redis database of this test process's own: one shared with another stack would take its wake-ups away."""
    return 1 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
