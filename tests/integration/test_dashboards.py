"""Dashboards show something: each panel's query is answered by the Prometheus or log store that runs, under traffic."""

from __future__ import annotations

import json
import math
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox import catalogue
from sandbox.resources import compose_folder, configs_folder

from ..dashboards import FILES, MAY_BE_EMPTY, promql, search, targets
from .conftest import PROJECT, Run

LogStore = Callable[[dict[str, Any]], dict[str, Any]]
PATIENCE = 60.0  # seconds: rates need a few scrapes, and the first orders some shoppers
START = configs_folder() / "grafana" / "start.sh"
LITE = catalogue.read(compose_folder(), configs_folder()).profiles["lite"]
SHOWN = [path for path in FILES if path.parts[-3] in LITE]
QUERIES = [pytest.param(panel, target, id=name) for name, panel, target in targets(SHOWN) if "expr" in target]
SEARCHES = [pytest.param(panel, target, id=name) for name, panel, target in targets(SHOWN) if "query" in target]


@pytest.fixture(scope="module")
def prometheus(stack: Run) -> str:
    return stack("url", "prometheus").stdout.strip()


@pytest.fixture(scope="module")
def logstore(stack: Run) -> LogStore:
    """Searches in the data source's index."""
    services = {one["name"]: one for one in json.loads(stack("status", "--json").stdout)["services"]}
    url, login = services["logstore"]["url"] + "logs-*/_search", services["logstore"]["login"]

    def ask(body: dict[str, Any]) -> dict[str, Any]:
        answer = requests.post(url, json=body, auth=(login["user"], login["password"]), timeout=30)
        assert answer.ok, answer.text
        found: dict[str, Any] = answer.json()
        return found

    return ask


def shown(panel: dict[str, Any], ask: Callable[[], bool]) -> bool:
    """Whether it has data, soon; or need not have any."""
    end = time.monotonic() + PATIENCE
    while not (found := ask() or bool(MAY_BE_EMPTY.search(panel["description"]))) and time.monotonic() < end:
        time.sleep(0.5)
    return found


@pytest.mark.parametrize(("panel", "target"), QUERIES)
def test_panel_shows_data(prometheus: str, panel: dict[str, Any], target: dict[str, Any]) -> None:
    query = promql(target["expr"])

    def ask() -> bool:
        if target.get("instant"):
            answer = requests.get(prometheus + "api/v1/query", params={"query": query}, timeout=30).json()
        else:  # a query may be right now, and yet not for each moment before
            times = {"start": f"{time.time() - 300}", "end": f"{time.time()}", "step": "15"}
            answer = requests.get(
                prometheus + "api/v1/query_range", params={"query": query, **times}, timeout=30
            ).json()
        assert answer["status"] == "success", answer
        found = [point for series in answer["data"]["result"] for point in series.get("values", [series.get("value")])]
        return any(not math.isnan(float(number)) for _, number in found)

    assert shown(panel, ask), f"no data for {query}"


@pytest.mark.parametrize(("panel", "target"), SEARCHES)
def test_panel_shows_log_lines(logstore: LogStore, panel: dict[str, Any], target: dict[str, Any]) -> None:
    def ask() -> bool:
        now = round(time.time() * 1000)
        found = logstore(search(target, now - 900_000, now))
        buckets = found["aggregations"]["3"]["buckets"] if target["bucketAggs"] else found["hits"]["hits"]
        return bool(buckets)

    assert shown(panel, ask), f"no lines for {target['query']}"


def test_containers_are_asked_about_through_a_guard(stack: Run) -> None:
    """It tells of our containers, and what they use; neither their settings nor their logs, nor anything else."""
    asking = """if True:
        import http.client, sys, container_exporter
        for path in sys.argv[1:]:
            try:
                found = container_exporter.Engine(container_exporter.SOCKET).ask(path)
                print(*{entry["Labels"]["sandbox.project"] for entry in found})
            except http.client.HTTPException as error:
                print(error)
    """
    every = '/containers/json?all=1&filters={"label":[]}'
    name = f"/containers/{PROJECT}-gateway-1/stats"
    forbidden = ["/info", "/images/json", name, *(f"/containers/{'0' * 64}/{part}" for part in ("json", "logs", "top"))]
    said = stack("exec", "container-exporter", "python3", "-c", asking, every, *forbidden).stdout.splitlines()
    assert said == [PROJECT, *(f"GET {path}: HTTP 403" for path in forbidden)]


@pytest.mark.parametrize("reset", ["true", "false"])
def test_old_grafana_volume_gets_the_password_and_grafana_starts(stack: Run, tmp_path: Path, reset: str) -> None:
    """The real start script over a stand-in for Grafana, which is not to be had everywhere."""
    (tmp_path / "grafana").write_text(f'#!/bin/sh\necho "cli: $* < $(cat)"\nexec {reset}\n')
    (tmp_path / "run.sh").write_text('#!/bin/sh\necho "server: $*"\n')
    for name in ("grafana", "run.sh"):
        (tmp_path / name).chmod(0o755)

    images = json.loads(stack("images", "list", "--profile", "lite", "--json").stdout)
    image = next(row["image"] for row in images if row["service"] == "traffic")
    paths = {"DATA": "/data", "HOME": "/usr/share/grafana", "CONFIG": "/etc/grafana/grafana.ini"}
    settings = [f"-eGF_PATHS_{name}={path}" for name, path in paths.items()]
    mounts = [f"-v{tmp_path}/grafana:/usr/local/bin/grafana:ro", f"-v{tmp_path}/run.sh:/run.sh:ro"]

    def start(database: Path) -> str:
        mounted = [f"-v{START}:/start.sh:ro", f"-v{database}:/data:ro", "--entrypoint=/bin/sh"]
        command = ["docker", "run", "--rm", *mounts, *mounted, *settings, "-eGF_SECURITY_ADMIN_PASSWORD=s3 cret"]
        done = subprocess.run([*command, image, "/start.sh", "--x"], capture_output=True, text=True, check=True)
        return done.stdout

    (tmp_path / "new").mkdir()
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "grafana.db").write_text("data")
    assert start(tmp_path / "new") == "server: --x\n"
    assert start(tmp_path / "old") == (
        "cli: cli --homepath /usr/share/grafana --config /etc/grafana/grafana.ini"
        " admin reset-admin-password --password-from-stdin < s3 cret\nserver: --x\n"
    )
