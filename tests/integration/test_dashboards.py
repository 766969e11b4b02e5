"""Dashboards show something: each panel's query is answered by the Prometheus that runs, under traffic."""

from __future__ import annotations

import json
import math
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.resources import configs_folder

from ..dashboards import MAY_BE_EMPTY, queries
from .conftest import Run

PATIENCE = 30.0  # seconds: rates need a few scrapes, and the first orders some shoppers
START = configs_folder() / "grafana" / "start.sh"


@pytest.fixture(scope="module")
def prometheus(stack: Run) -> str:
    return stack("url", "prometheus").stdout.strip()


@pytest.mark.parametrize(("panel", "query"), [pytest.param(p, q, id=name) for name, p, q in queries()])
def test_panel_shows_data(prometheus: str, panel: dict[str, Any], query: str) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        answer = requests.get(prometheus + "api/v1/query", params={"query": query}, timeout=5).json()
        assert answer["status"] == "success", answer
        numbers = [float(series["value"][1]) for series in answer["data"]["result"]]
        if any(not math.isnan(number) for number in numbers) or MAY_BE_EMPTY.search(panel["description"]):
            return
        assert time.monotonic() < end, f"no data for {query}"
        time.sleep(0.5)


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
