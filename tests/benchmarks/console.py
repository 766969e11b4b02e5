"""`python -m tests.benchmarks.console`: how quick and how small the console of the sandbox that runs is.

SANDBOX_PROJECT names another than the default. A dashboard of twenty panels is put into its folder meanwhile.
Exit code 1 when a target is missed.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from statistics import median

import requests
from playwright.sync_api import Page, sync_playwright

from sandbox.engine import ComposeEngine
from sandbox.sandbox import Sandbox
from sandbox.workspace import home
from tests.benchmarks.table import Row, show, timed

ROUNDS = 5
PAINT = "performance.getEntriesByName('first-contentful-paint').map((entry) => entry.startTime)[0]"
PAGES = ("/", "/dashboards", "/alerts", "/logs", "/d/twenty")
MEGABYTE = 1024**2
QUERIES = {
    "timeseries": "sum by (job) (rate(prometheus_http_requests_total[1m])) or up",
    "stat": "count(up)",
    "gauge": "avg(up)",
    "bargauge": "sum by (job) (scrape_samples_scraped)",
    "table": "scrape_duration_seconds",
}


def dashboard() -> str:
    """Twenty panels: twelve charts of every target, and two of each other kind."""
    kinds = ["timeseries"] * 12 + [kind for kind in QUERIES if kind != "timeseries"] * 2
    source = {"type": "prometheus", "uid": "prometheus"}
    panels = [
        {
            "id": number,
            "type": kind,
            "title": f"{kind} {number}",
            "gridPos": {"x": number % 4 * 6, "y": number // 4 * 6, "w": 6, "h": 6},
            "targets": [{"refId": "A", "datasource": source, "expr": QUERIES[kind], "legendFormat": "{{job}}"}],
        }
        for number, kind in enumerate(kinds)
    ]
    times = {"from": "now-15m", "to": "now"}
    return json.dumps({"uid": "twenty", "title": "Twenty panels", "tags": [], "time": times, "panels": panels})


def ask_at_once(prometheus: str) -> None:
    """The dashboard's queries, as many at a time as a browser asks."""
    end = time.time()
    panels = json.loads(dashboard())["panels"]

    def ask(query: str) -> None:
        about: dict[str, str | float] = {"query": query, "start": end - 900, "end": end, "step": 2}
        requests.get(f"{prometheus}api/v1/query_range", params=about, timeout=30).raise_for_status()

    with ThreadPoolExecutor(max_workers=6) as pool:
        list(pool.map(ask, [panel["targets"][0]["expr"] for panel in panels]))


@contextmanager
def browser_page(url: str) -> Iterator[Page]:
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield browser.new_page(base_url=url, viewport={"width": 1366, "height": 800})
        browser.close()


def measure(sandbox: Sandbox) -> Iterator[Row]:
    place = sandbox.workspace.folder / "contributions" / "dashboards" / "prometheus" / "twenty.json"
    place.write_text(dashboard())
    try:
        with browser_page(sandbox.url("console")) as page:

            def open_all() -> None:
                page.goto("/d/twenty")
                page.wait_for_selector("body[data-shown]")

            for path in PAGES:
                paints = []
                for _ in range(ROUNDS):
                    page.goto(path)
                    page.wait_for_function(PAINT)
                    paints.append(page.evaluate(PAINT))
                yield Row(f"first paint of {path}", median(paints), "ms", "under 500 ms", median(paints) < 500)
            shown = median(timed(open_all) for _ in range(ROUNDS))
            assert page.locator(".panel .message").all_inner_texts() == [], "a panel shows no data"
            asked = median(timed(lambda: ask_at_once(sandbox.url("prometheus"))) for _ in range(ROUNDS))
            beside = "its queries alone, asked of Prometheus"
            yield Row("a dashboard of 20 panels, all drawn", shown, "s", "under 1.5 s", shown < 1.5, asked, beside)
    finally:
        place.unlink()
    memory = next(s.memory for s in sandbox.status().services if s.name == "console") / MEGABYTE
    yield Row("memory of the console, guard included", memory, "MB", "under 60 MB", memory < 60)


def main() -> int:
    project = os.environ.get("SANDBOX_PROJECT", "sandbox")
    return 0 if show(list(measure(Sandbox(project, home(os.environ), ComposeEngine(), print)))) else 1


if __name__ == "__main__":
    sys.exit(main())
