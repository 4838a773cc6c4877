"""Devstore as a process with its `aurora` scenario, a dummy app for it to frame, and a browser."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.chromium import chromium
from tests.devstore_web.dummy_app import DummyApp, free_port

ROOT = Path(__file__).resolve().parents[2]
SECRET = "devstore-web-tests-client-secret"
START_SECONDS_MAX = 60


@pytest.fixture(scope="session")
def app_port() -> int:
    return free_port()


@pytest.fixture(scope="session")
def devstore(app_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a running devstore."""
    folder, port = tmp_path_factory.mktemp("devstore"), free_port()
    command = ["-m", "devstore", "--scenario", "aurora", "--port", str(port), "--state", str(folder / "state")]
    command += ["--app-url", f"http://localhost:{app_port}", "--app-toml", "shopify.app.toml"]
    command += ["--extension", "tests/devstore/extension"]
    env = {**os.environ, "SHOPIFY_API_KEY": "client-id", "SHOPIFY_API_SECRET": SECRET}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, *command], cwd=ROOT, env=env, stdout=log, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(url, process, folder / "log")
        yield url
    finally:
        process.terminate()
        process.wait(10)


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{url}/devstore/state", timeout=5).status_code == 200:
                return
        time.sleep(0.1)
    raise TimeoutError(f"devstore did not start: {log.read_text()[-2000:]}")


@pytest.fixture(scope="session")
def running_app(app_port: int, devstore: str) -> Iterator[DummyApp]:
    with DummyApp(app_port, devstore).running() as app:
        yield app


@pytest.fixture
def app(running_app: DummyApp) -> DummyApp:
    """The dummy app, with nothing asked yet."""
    running_app.seen.clear()
    running_app.proxy_type, running_app.proxy_body = "application/json", '{"hello": "there"}'
    return running_app


@pytest.fixture
def installed(devstore: str, app: DummyApp) -> DummyApp:
    """The dummy app, installed in the shop."""
    assert httpx.post(f"{devstore}/devstore/install", timeout=30).json()["ok"]
    app.seen.clear()
    return app


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def context(browser: Browser, devstore: str) -> Iterator[BrowserContext]:
    """A browser of its own, with devstore as base URL. A script error on any page fails the test."""
    context = browser.new_context(base_url=devstore, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(10_000)
    errors: list[Any] = []
    context.on("weberror", lambda error: errors.append(error.error))
    yield context
    context.close()
    assert not errors


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


@pytest.fixture
def api(devstore: str) -> Iterator[httpx.Client]:
    """A visitor without a browser, with cookies of their own."""
    with httpx.Client(base_url=devstore, follow_redirects=True, timeout=30) as client:
        yield client


@pytest.fixture
def variant(api: httpx.Client) -> dict[str, Any]:
    """Something for sale: a variant of `/products/<handle>.js` with its product's `handle` and `product_title`."""
    handle = handles(api)[0]
    product = api.get(f"/products/{handle}.js").json()
    return {**product["variants"][0], "handle": handle, "product_title": product["title"]}


def handles(api: httpx.Client) -> list[str]:
    """Handles of the products on `/collections/all`."""
    html = api.get("/collections/all").text
    return list(dict.fromkeys(part.split('"')[0] for part in html.split('href="/products/')[1:]))
