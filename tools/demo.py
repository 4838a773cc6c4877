"""Run the whole demo: devstore (the stand-in for Shopify), the app's web server and its worker.

Called by `make demo`. Reads SCENARIO (aurora, cdnow, csv), SCENARIO_FILE, PORT, DEVSTORE_PORT, and DATABASE_URL,
DATABASE_OWNER_URL, REDIS_URL, CELERY_BROKER_URL where set. Stays up until interrupted and then leaves no process
behind. A worker that dies is started again, because nothing may be lost by it; any other death ends the demo.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from base64 import urlsafe_b64encode
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import psycopg

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from config.env import VAR, database  # noqa: E402

SCENARIOS = ("aurora", "cdnow", "csv")
LOGS = VAR / "log"
ENV_FILE = VAR / "demo.env"
LAST_RUN = VAR / "demo.json"
DEFAULT_DATABASE = "sqlite:///var/encore.sqlite3"
PASSED_ON = ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "CELERY_BROKER_URL")
START_TIMEOUT = 120  # seconds until web and devstore must answer
STOP_TIMEOUT = 10  # seconds a process gets to end by itself
QUICK_DEATH = 5  # a worker that lives shorter, in seconds, MAX_QUICK_DEATHS times in a row is not started again
MAX_QUICK_DEATHS = 5
PR_SET_PDEATHSIG = 1


class DemoError(Exception):
    """Ends the demo; the message is the one line people see."""


class Interrupted(Exception):
    """SIGINT or SIGTERM arrived."""


def main() -> int:
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
    children: list[Child] = []
    try:
        demo(children)
    except Interrupted:
        say("Stopping")
        return 0
    except DemoError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 1
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        stop(children)


def interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted


def demo(children: list[Child]) -> NoReturn:
    scenario, file = chosen_scenario()
    port, devstore_port = int(os.environ.get("PORT") or 8000), int(os.environ.get("DEVSTORE_PORT") or 8700)
    check_port(port, "PORT")
    check_port(devstore_port, "DEVSTORE_PORT")
    app_url, devstore_url = f"http://localhost:{port}", f"http://127.0.0.1:{devstore_port}"

    env = environment(app_url, devstore_url)
    this_run = refresh_state(scenario, file, env)
    say("Migrating the database")
    manage(env, "migrate", "--noinput", "--verbosity", "0")
    if not LAST_RUN.exists():
        manage(env, "createsuperuser", "--noinput", check=False)

    say("Starting devstore, web and worker")
    python = sys.executable
    devstore = [python, "-m", "devstore", "--scenario", scenario, "--port", str(devstore_port)]
    devstore += ["--state", str(VAR / "devstore"), "--app-url", app_url, "--app-toml", "shopify.app.toml"]
    devstore += ["--extension", "extensions/storefront"]
    if file:
        devstore += ["--file", str(file)]
    web = [python, "-m", "uvicorn", "config.asgi:application", "--host", "0.0.0.0", "--port", str(port)]
    web += ["--log-level", "warning", "--no-access-log", "--timeout-graceful-shutdown", "3"]
    worker = [python, "-m", "celery", "-A", "config", "worker", "--beat", "--concurrency", "2"]
    worker += ["--without-gossip", "--without-mingle", "--schedule", str(VAR / "celery" / "beat")]
    for name, command in (("devstore", devstore), ("web", web), ("worker", worker)):
        children.append(Child(name, command, env))

    wait_for(f"{devstore_url}/devstore/state", children)
    wait_for(f"{app_url}/readyz", children)
    say("Installing the app, as the merchant's click on Install does")
    installed = http_json(f"{devstore_url}/devstore/install", b"{}")
    if not installed.get("ok"):
        raise DemoError(f"the app could not be installed: {installed}; read {LOGS}/web.log and {LOGS}/devstore.log")
    progress = Progress(scenario, env)
    try:
        while not progress.started:
            watch(children, progress)
        LAST_RUN.write_text(json.dumps(this_run))
        announce(app_url, devstore_url, env)
        progress.show = True
        while True:
            watch(children, progress)
    finally:
        progress.stop()


def watch(children: list[Child], progress: Progress) -> None:
    supervise(children)
    progress.read()
    time.sleep(0.2)


def announce(app_url: str, devstore_url: str, env: dict[str, str]) -> None:
    print("READY")
    for what, url in (
        ("Store", f"{devstore_url}/"),
        ("Merchant's admin", f"{devstore_url}/admin"),
        ("Store staff", f"{devstore_url}/devstore/staff"),
        ("Operators", f"{app_url}/console/  ({env['DJANGO_SUPERUSER_EMAIL']}, password in var/demo.env)"),
        ("Logs", f"{LOGS.relative_to(ROOT)}/"),
    ):
        print(f"  {what:<17} {url}")
    print("Stop with Ctrl-C.", flush=True)


# --- what to run ------------------------------------------------------------------------------------------------------


def chosen_scenario() -> tuple[str, Path | None]:
    """The scenario and, for `csv` alone, its file. Raises DemoError with what is wrong."""
    scenario = os.environ.get("SCENARIO") or "aurora"
    file = os.environ.get("SCENARIO_FILE") or None
    if scenario not in SCENARIOS:
        raise DemoError(f"SCENARIO is one of {', '.join(SCENARIOS)}, not {scenario}")
    if (scenario == "csv") != bool(file):
        raise DemoError("SCENARIO=csv needs SCENARIO_FILE=orders.csv, and no other scenario takes one")
    if file and not Path(file).is_file():
        raise DemoError(f"SCENARIO_FILE: there is no file {file}")
    return scenario, Path(file).resolve() if file else None


def check_port(port: int, variable: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            raise DemoError(f"port {port} is in use; free it or choose another: make demo {variable}=…") from None


def environment(app_url: str, devstore_url: str) -> dict[str, str]:
    """The processes' environment. Its own part is kept in var/demo.env, which `manage.py` reads too: secrets are made
    once and stay, the rest is written anew on each run."""
    fresh_secrets = {
        "SECRET_KEY": secrets.token_urlsafe(48),
        "FIELD_ENCRYPTION_KEYS": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "SHOPIFY_API_KEY": secrets.token_hex(16),
        "SHOPIFY_API_SECRET": secrets.token_hex(32),
        "DJANGO_SUPERUSER_PASSWORD": secrets.token_urlsafe(12),
    }
    stored = {}
    if ENV_FILE.exists():
        stored = dict(line.split("=", 1) for line in ENV_FILE.read_text().splitlines() if "=" in line)
    values = {name: stored.get(name, value) for name, value in fresh_secrets.items()}
    values |= {
        "DJANGO_SUPERUSER_USERNAME": "operator",
        "DJANGO_SUPERUSER_EMAIL": "operator@example.com",
        "APP_URL": app_url,
        "SHOPIFY_DEVSTORE_URL": devstore_url,
        "APP_BRIDGE_URL": f"{devstore_url}/devstore/app-bridge.js",
    }
    values |= {name: os.environ[name] for name in PASSED_ON if os.environ.get(name)}
    VAR.mkdir(exist_ok=True)
    descriptor = os.open(ENV_FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.writelines(f"{name}={value}\n" for name, value in values.items())
    return {**os.environ, **values, "C_FORCE_ROOT": "1", "PYTHONUNBUFFERED": "1"}


# --- state ------------------------------------------------------------------------------------------------------------


def refresh_state(scenario: str, file: Path | None, env: dict[str, str]) -> dict[str, str | None]:
    """Empty the database and devstore unless the last run used the same scenario, file and database. Returns what to
    keep in LAST_RUN once this run stands."""
    url = env.get("DATABASE_URL") or DEFAULT_DATABASE
    this_run = {
        "scenario": scenario,
        "file": hashlib.sha256(file.read_bytes()).hexdigest() if file else None,
        "database": hashlib.sha256(url.encode()).hexdigest(),
    }
    last_run = json.loads(LAST_RUN.read_text()) if LAST_RUN.exists() else None
    if this_run == last_run:
        return this_run
    say(f"Fresh state for scenario {scenario}")
    LAST_RUN.unlink(missing_ok=True)
    for folder in ("devstore", "celery"):
        shutil.rmtree(VAR / folder, ignore_errors=True)
    if url.startswith("sqlite"):
        for suffix in ("", "-wal", "-shm"):
            Path(database("DATABASE_URL", url)["NAME"] + suffix).unlink(missing_ok=True)
    else:
        try:
            empty_postgresql(env.get("DATABASE_OWNER_URL") or url)
        except psycopg.Error as error:
            raise DemoError(f"PostgreSQL says: {str(error).strip()}") from None
    return this_run


def empty_postgresql(url: str) -> None:
    """Drop everything in the schema. Raises DemoError when a shop lives there that is none of the demo's."""
    with psycopg.connect(url) as connection:
        if connection.execute("SELECT to_regclass('retention_app_shop')").fetchone() != (None,):
            demo_domains = [f"{name}.myshopify.com" for name in SCENARIOS]
            query = "SELECT domain FROM retention_app_shop WHERE domain <> ALL(%s) LIMIT 1"
            if foreign := connection.execute(query, [demo_domains]).fetchone():
                raise DemoError(f"the demo empties its database, but DATABASE_URL holds the shop {foreign[0]}")
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
        connection.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")


# --- processes --------------------------------------------------------------------------------------------------------


class Child:
    """One long-running process with everything it starts in a process group of its own, logging to var/log/."""

    def __init__(self, name: str, command: list[str], env: dict[str, str]) -> None:
        self.name, self.command, self.env = name, command, env
        self.log = LOGS / f"{name}.log"
        self.quick_deaths = 0
        LOGS.mkdir(parents=True, exist_ok=True)
        self.log.write_bytes(b"")
        self.start()

    def start(self) -> None:
        self.started_at = time.monotonic()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )

    def restart(self) -> None:
        """Start again after a death, without what the dead process left running. Raises DemoError if it keeps dying."""
        self.kill_group()
        quick = time.monotonic() - self.started_at < QUICK_DEATH
        self.quick_deaths = self.quick_deaths + 1 if quick else 0
        if self.quick_deaths >= MAX_QUICK_DEATHS:
            raise DemoError(f"{self.name} keeps dying; read {self.log}")
        self.start()

    def last_line(self) -> str:
        lines = self.log.read_text(errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "it said nothing")

    def kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def die_with_parent() -> None:
    """In the child: get SIGTERM should the demo itself be killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def supervise(children: list[Child]) -> None:
    """Start a dead worker again. Raises DemoError when another process died."""
    for child in children:
        status = child.process.poll()
        if status is None:
            continue
        if child.name != "worker":
            raise DemoError(f"{child.name} ended with status {status}: {child.last_line()}; read {child.log}")
        say(f"The worker ended with status {status}; starting it again")
        child.restart()


def stop(children: list[Child]) -> None:
    for child in children:
        if child.process.poll() is None:
            child.process.terminate()
    deadline = time.monotonic() + STOP_TIMEOUT
    for child in children:
        try:
            child.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            say(f"{child.name} did not end in {STOP_TIMEOUT} seconds; killing it")
        child.kill_group()


def manage(env: dict[str, str], *arguments: str, check: bool = True) -> str:
    """Run a manage.py command and return what it printed. Raises DemoError when it fails, unless `check` is off."""
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, start_new_session=True)
    if check and done.returncode:
        raise DemoError(f"manage.py {arguments[0]} failed:\n{done.stderr.strip()}")
    return done.stdout


def wait_for(url: str, children: list[Child]) -> None:
    """Return once the URL answers 200. Raises DemoError after START_TIMEOUT."""
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        supervise(children)
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (OSError, urllib.error.HTTPError):
            time.sleep(0.2)
    raise DemoError(f"{url} does not answer; read the files in {LOGS}")


def http_json(url: str, body: bytes) -> dict[str, Any]:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            decoded: dict[str, Any] = json.load(answer)
            return decoded
    except (OSError, ValueError) as error:
        raise DemoError(f"POST {url}: {error}") from None


# --- the import's progress --------------------------------------------------------------------------------------------


class Progress:
    """Follows `manage.py import_progress` and, once `show` is set, tells it in the terminal."""

    STEP = 10  # percent between two lines when the output is no terminal

    def __init__(self, shop: str, env: dict[str, str]) -> None:
        self.show = False
        self.started = False
        self._shown: object = None
        command = [sys.executable, "manage.py", "import_progress", "--shop", shop, "--json", "--follow"]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            start_new_session=True, preexec_fn=die_with_parent,
        )  # fmt: skip
        assert self.process.stdout
        os.set_blocking(self.process.stdout.fileno(), False)
        self._unread = b""
        self._latest: dict[str, Any] = {}

    def read(self) -> None:
        """Take in what the command printed since the last call."""
        assert self.process.stdout
        self._unread += self.process.stdout.read() or b""
        *lines, self._unread = self._unread.split(b"\n")
        for line in lines:
            self._latest = json.loads(line)
        self.started = self.started or bool(self._latest.get("phase")) or self.process.poll() is not None
        if self.show and self._latest.get("phase"):
            self._tell(self._latest)

    def _tell(self, run: dict[str, Any]) -> None:
        orders, total, left = run["orders"], run["orders_total"], run["event_runs"]
        percent = 100 * orders // total if total else 0
        terminal = sys.stdout.isatty()
        last = not run["running"] and not left
        exact = (run["phase"], orders, left)
        state = exact if terminal else (run["phase"], percent // self.STEP, self.STEP * left // max(1, orders), last)
        if state == self._shown:
            return
        self._shown = state
        line = f"Import: {run['phase']:<9} {run['customers']:>6,} customers, {orders:>6,} orders ({percent} %)"
        line += f", {left:,} events to work off" + (f": {run['error']}" if run["error"] else "")
        print(f"\r{line:<100}" if terminal else line, end="" if terminal and not last else "\n", flush=True)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def say(text: str) -> None:
    print(f"== {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
