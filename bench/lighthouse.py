"""What Encore costs a store's pages by Lighthouse, and how soon its own screens stand.

The store: Lighthouse's mobile run (simulated slow 4G, a processor four times slower) of devstore's home, product and
collection page in two devstores that are alike, one with Encore installed and a programme published, one that never
heard of it. Runs interleave, and who goes first takes turns. Scores are medians, 0 to 100, weighted as Shopify weights
them for its badge: home 17, product 40, collection 43 in a hundred; layout shifts likewise. What the console says and
which policies break is counted with Encore, without it none must be.

The script's milliseconds on the main thread are taken by themselves, unthrottled: V8's sampled profile of one load, all
samples with one of our files anywhere in their stack. Lighthouse's own table leaves out what takes less than 50 ms, and
its trace doesn't say whose the continuation of a promise is.

The admin is framed by another site's page and wants an ID token on every request, so Lighthouse can't open it.
Playwright opens its screens in devstore's admin, with an empty cache, on the network of Lighthouse's desktop run
(10 Mbit/s, 40 ms); observers inside the frame tell the largest contentful paint since the frame began to load, and the
sum of all shifts.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from bench.served import ROOT, served
from tests.chromium import BROWSER
from tests.stack import Stack

PAGES = {"home": "", "product": "products/", "collection": "collections/all"}
WEIGHTS = {"home": 17, "product": 40, "collection": 43}
SCREENS = {"home": "", "customers": "customers/", "profile": "customers/{customer}/", "programme": "loyalty/programme/"}
LIGHTHOUSE = ROOT / "node_modules/.bin/lighthouse"  # nothing but this needs it, so `make setup` leaves it out
OURS = "/storefront/"  # in the addresses of our script's files
DONE_SECONDS_MAX = 120
LIGHTHOUSE_SECONDS_MAX = 90
SETTLED_MS = 1_000
SAMPLED_EVERY_MICROSECONDS = 100
DESKTOP = {"offline": False, "latency": 40, "downloadThroughput": 10_240 * 128, "uploadThroughput": 10_240 * 128}
# Without site isolation the app's frame shares the page's process, and so its slower network.
ARGUMENTS = ["--no-sandbox", "--disable-site-isolation-trials", "--disable-features=IsolateOrigins,site-per-process"]
VITALS = """() => new Promise((tell) => {
  const seen = { lcp: 0, cls: 0 };
  const watch = (type, take) =>
    new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({ type, buffered: true });
  watch("largest-contentful-paint", (entry) => { seen.lcp = entry.startTime; });
  watch("layout-shift", (entry) => { seen.cls += entry.value; });
  setTimeout(() => tell(seen), 100);
})"""


def run(runs: int = 5) -> dict[str, Any]:
    if not LIGHTHOUSE.exists():
        subprocess.run(["npm", "ci", "--silent"], cwd=ROOT, check=True)
    with tempfile.TemporaryDirectory() as folder, _stores(Path(folder)) as (stack, bare):
        handle = stack.devstore("GET", "/devstore/products")["products"][0]["handle"]
        paths = {name: path + handle if name == "product" else path for name, path in PAGES.items()}
        reports = _reports(stack.devstore_url, bare, paths, runs)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=BROWSER, args=ARGUMENTS)
            script_ms = {
                name: _middle(_script_ms(browser, f"{stack.devstore_url}/{path}") for _ in range(runs))
                for name, path in paths.items()
            }
            admin = {name: _screen(browser, stack, path, runs) for name, path in SCREENS.items()}
            browser.close()
    scores, shifts = _medians(reports, _score), _medians(reports, _shift)
    ours = [report for each in reports.values() for report in each["with"]]
    return {
        "runs": runs,
        "scores": scores,
        "score_difference": round(_weighted(scores), 2),
        "cls": shifts,
        "cls_difference": round(_weighted(shifts), 4),
        "console_errors": sum(len(_items(report, "errors-in-console")) for report in ours),
        "policy_violations": sum(map(_violations, ours)),
        "script_ms": script_ms,
        "admin": admin,
    }


@contextmanager
def _stores(folder: Path) -> Iterator[tuple[Stack, str]]:
    """An installation with a published programme, and the address of a devstore like its own without any."""
    command = ["devstore", "--scenario", "aurora", "--state", str(folder / "bare"), "--port"]
    with (
        Stack(folder / "stack", scenario="aurora", database="postgresql") as stack,
        served(command, str(folder), stack.env) as port,
    ):
        stack.install()
        stack.wait_done(DONE_SECONDS_MAX)
        stack.devstore("POST", "/devstore/programme")
        stack.wait_done(DONE_SECONDS_MAX)
        yield stack, f"http://127.0.0.1:{port}"


def _middle(figures: Iterable[float], digits: int = 1) -> float:
    return round(statistics.median(figures), digits)


# --- the store --------------------------------------------------------------------------------------------------------

Reports = dict[str, dict[str, list[Any]]]  # page → "with" and "without" → Lighthouse's results


def _reports(with_encore: str, without: str, paths: dict[str, str], runs: int) -> Reports:
    stores = [("with", with_encore), ("without", without)]
    reports: Reports = {name: {"with": [], "without": []} for name in paths}
    for turn in range(runs):
        for name, path in paths.items():
            for which, store in stores[:: -1 if turn % 2 else 1]:
                reports[name][which].append(_lighthouse(f"{store}/{path}"))
    return reports


def _lighthouse(url: str) -> Any:
    """Lighthouse's result for a page. Raises RuntimeError when it could not load it."""
    wanted = ["--only-categories=performance", "--only-audits=errors-in-console,inspector-issues"]
    done = subprocess.run(
        [
            LIGHTHOUSE,
            url,
            *wanted,
            "--output=json",
            "--quiet",
            "--chrome-flags=--headless=new --no-sandbox",
        ],
        env={**os.environ, "CHROME_PATH": BROWSER},
        capture_output=True,
        timeout=LIGHTHOUSE_SECONDS_MAX,
        check=True,
    )
    report = json.loads(done.stdout)
    if "runtimeError" in report:
        raise RuntimeError(f"{url}: {report['runtimeError']}")
    return report


def _score(report: Any) -> float:
    return float(report["categories"]["performance"]["score"]) * 100


def _shift(report: Any) -> float:
    return float(report["audits"]["cumulative-layout-shift"]["numericValue"])


def _items(report: Any, audit: str) -> list[Any]:
    found: list[Any] = report["audits"][audit]["details"]["items"]
    return found


def _violations(report: Any) -> int:
    return sum("security policy" in item["issueType"].lower() for item in _items(report, "inspector-issues"))


def _medians(reports: Reports, figure: Callable[[Any], float]) -> dict[str, dict[str, float]]:
    return {
        name: {which: _middle(map(figure, each), 4) for which, each in pair.items()} for name, pair in reports.items()
    }


def _weighted(medians: dict[str, dict[str, float]]) -> float:
    """With Encore less without it."""
    return sum(WEIGHTS[name] * (each["with"] - each["without"]) for name, each in medians.items()) / 100


def _script_ms(browser: Browser, url: str) -> float:
    """Milliseconds of one load that the main thread spent in our files, and in what they called."""
    with browser.new_context() as context:
        page = context.new_page()
        session = context.new_cdp_session(page)
        session.send("Profiler.enable")
        session.send("Profiler.setSamplingInterval", {"interval": SAMPLED_EVERY_MICROSECONDS})
        session.send("Profiler.start")
        page.goto(url)
        page.get_by_role("button", name="Rewards").wait_for()
        page.wait_for_timeout(SETTLED_MS)
        profile = session.send("Profiler.stop")["profile"]
    nodes = {node["id"]: node for node in profile["nodes"]}
    parents = {child: node["id"] for node in profile["nodes"] for child in node.get("children", [])}

    def is_ours(node: int | None) -> bool:
        return node is not None and (OURS in nodes[node]["callFrame"]["url"] or is_ours(parents.get(node)))

    samples = zip(profile["samples"], profile["timeDeltas"], strict=True)
    return sum(microseconds for node, microseconds in samples if is_ours(node)) / 1000


# --- the admin --------------------------------------------------------------------------------------------------------


def _screen(browser: Browser, stack: Stack, path: str, runs: int) -> dict[str, float]:
    """Medians: milliseconds until the largest paint, and the sum of shifts."""
    ((customer,),) = stack.execute("SELECT id FROM retention_app_customer ORDER BY orders_count DESC LIMIT 1")
    url = f"{stack.devstore_url}/admin/apps/encore/{path.format(customer=customer)}"
    seen = [_vitals(browser, url) for _ in range(runs)]
    return {"lcp_ms": _middle(each["lcp"] for each in seen), "cls": _middle((each["cls"] for each in seen), 4)}


def _vitals(browser: Browser, url: str) -> dict[str, float]:
    with browser.new_context(viewport={"width": 1350, "height": 940}) as context:
        page = context.new_page()
        context.new_cdp_session(page).send("Network.emulateNetworkConditions", DESKTOP)
        page.goto(url)
        app = page.get_by_title("Encore", exact=True).content_frame
        app.get_by_role("main").wait_for()
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(SETTLED_MS)
        seen: dict[str, float] = app.locator("html").evaluate(VITALS)
    return seen
