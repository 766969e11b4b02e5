"""`python -m tests.benchmarks.log_losses`: no line is lost, whatever is killed.

200,000 lines of ten containers at once, as fast as they can print, through shipper and store; then a store that is
killed a hundred times while it is written to. Everything runs in containers of a sandbox of our own, removed at the
end. Exit code 1 when a line is missing or doubled.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests

PROJECT = "sandbox-bench-losses"
CHECKOUT = Path(__file__).parents[2]
PRINTERS, LINES, KILLS = 10, 20_000, 100
PRINT = f"""
import json, time
for n in range({LINES}):
    print(json.dumps({{"message": f"line {{n}} of many", "n": n, "log.level": "info"}}))
print(end="", flush=True)
time.sleep(9999)
"""


class Sandbox:
    """A sandbox of ours in a folder, with its store's address."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.session = requests.Session()
        self.session.trust_env = False
        self.url = ""

    def __call__(self, *arguments: str) -> str:
        environ = {**os.environ, "SANDBOX_HOME": str(self.folder / "home"), "PYTHONPATH": str(CHECKOUT)}
        command = [sys.executable, "-m", "sandbox", "--project", PROJECT, *arguments]
        return subprocess.run(
            command, env=environ, cwd=self.folder, stdout=subprocess.PIPE, text=True, check=True
        ).stdout

    def up(self, *services: str) -> None:
        self("up", *services)
        store = next(one for one in json.loads(self("status", "--json"))["services"] if one["name"] == "logstore")
        self.url = store["url"].rstrip("/")
        self.session.auth = (store["login"]["user"], store["login"]["password"])

    def ask(self, path: str, body: Any) -> Any:
        answer = self.session.post(self.url + path, json=body, timeout=30)
        answer.raise_for_status()
        return answer.json()


def docker(*arguments: str) -> None:
    subprocess.run(["docker", *arguments], stdout=subprocess.DEVNULL, check=True)


def burst(sandbox: Sandbox) -> tuple[float, list[str]]:
    """Seconds until all lines are found, and what is wrong with them."""
    images = json.loads(sandbox("images", "list", "--profile", "lite", "--json"))
    image = next(row["image"] for row in images if row["service"] == "shipper")
    printers = {
        "noise" if number == 0 else f"noise-{number}": {
            "image": image, "init": True, "mem_limit": "64m", "command": ["python3", "-c", PRINT],
        }
        for number in range(PRINTERS)
    }  # fmt: skip
    (sandbox.folder / "noise.yml").write_text(json.dumps({"services": printers}))
    (sandbox.folder / "sandbox.yml").write_text("include: [noise.yml]\n")
    sandbox.up("shipper", "logstore")
    began = time.monotonic()
    sandbox("up", "shipper", "logstore", "noise")
    aggs = {"by": {"terms": {"field": "container.name", "size": 99}, "aggs": {"n": {"stats": {"field": "n"}}}}}
    query = {"term": {"data_stream.dataset": "noise"}}
    buckets: list[Any] = []
    for _ in range(300):
        buckets = sandbox.ask("/logs-*/_search", {"size": 0, "query": query, "aggs": aggs})["aggregations"]["by"][
            "buckets"
        ]
        if sum(bucket["doc_count"] for bucket in buckets) >= PRINTERS * LINES:
            break
        time.sleep(0.5)
    seconds = time.monotonic() - began
    right = (LINES, 0, LINES - 1, LINES * (LINES - 1) / 2)
    wrong = [
        f"{bucket['key']}: {bucket['n']}"
        for bucket in buckets
        if tuple(bucket["n"][name] for name in ("count", "min", "max", "sum")) != right
    ]
    return seconds, wrong + [f"{len(buckets)} of {PRINTERS} containers"] * (len(buckets) != PRINTERS)


def kills(sandbox: Sandbox) -> tuple[int, list[int]]:
    """How many documents were acknowledged, and which of them are missing after all kills."""
    acknowledged: list[int] = []
    ended = threading.Event()

    def write() -> None:
        number = 0
        while not ended.is_set():
            ids = range(number, number + 20)
            number += 20
            lines = [
                line for id in ids for line in (f'{{"create":{{"_id":"{id}"}}}}', f'{{"n":{id},"@timestamp":{id}}}')
            ]
            with contextlib.suppress(requests.RequestException):
                answer = sandbox.session.post(
                    f"{sandbox.url}/logs-kills-sandbox/_bulk",
                    data="\n".join(lines) + "\n",
                    headers={"Content-Type": "application/json"},
                    timeout=10,
                )
                if answer.ok:
                    items = [item["create"] for item in answer.json()["items"]]
                    acknowledged.extend(int(item["_id"]) for item in items if item["status"] == 201)

    writer = threading.Thread(target=write)
    writer.start()
    container = f"{PROJECT}-logstore-1"
    for life in range(KILLS):
        before, deadline = len(acknowledged), time.monotonic() + 60
        while len(acknowledged) < before + 40 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(life % 10 / 20)  # the kill meets the store at different moments of its work
        docker("kill", "--signal", "KILL", container)
        docker("start", container)
    ended.set()
    writer.join()
    there = set(stored(sandbox))
    return len(acknowledged), sorted(set(acknowledged) - there)


def stored(sandbox: Sandbox) -> Iterator[int]:
    """The numbers of all documents, by a scroll; once the store answers again."""
    for _ in range(120):
        with contextlib.suppress(requests.RequestException):
            sandbox.ask("/logs-kills-sandbox/_refresh", {})
            break
        time.sleep(0.5)
    page = sandbox.ask("/logs-kills-sandbox/_search?scroll=1m", {"size": 5000, "sort": ["_doc"]})
    while hits := page["hits"]["hits"]:
        yield from (int(hit["_id"]) for hit in hits)
        page = sandbox.ask("/_search/scroll", {"scroll_id": page["_scroll_id"], "scroll": "1m"})


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        sandbox = Sandbox(Path(folder))
        try:
            seconds, wrong = burst(sandbox)
            count = PRINTERS * LINES
            print(
                f"{count:,} lines of {PRINTERS} containers: {seconds:.1f} s, {count / seconds:,.0f} a second",
                flush=True,
            )
            print("\n".join(wrong) or "none lost, none doubled", flush=True)
            acknowledged, missing = kills(sandbox)
            print(f"{KILLS} kills: {acknowledged:,} documents acknowledged, {len(missing)} of them missing", flush=True)
        finally:
            sandbox("down", "--volumes")
    return 1 if wrong or missing else 0


if __name__ == "__main__":
    sys.exit(main())
