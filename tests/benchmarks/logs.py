"""`python -m tests.benchmarks.logs`: logstore at 100,000 and 1,000,000 documents, and `docker logs | grep` beside it.

The store runs in its container under a name of its own, removed at the end. Exit code 1 when a target is missed.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import requests

from sandbox import variables

PROJECT = "sandbox-bench-logs"
CHECKOUT = Path(__file__).parents[2]
CONTAINER = f"{PROJECT}-logstore-1"
PRINTER = f"{PROJECT}-printer"
BATCH = 2000
MEGABYTE = 1024**2
WORDS = [
    "connection",
    "refused",
    "order",
    "placed",
    "customer",
    "payment",
    "declined",
    "retry",
    "server",
    "slow",
    "query",
]
LIKE = {"query_string": {"query": "level:error AND payment AND declined"}}
OVER_TIME = {
    "time": {
        "date_histogram": {"field": "@timestamp", "fixed_interval": "1h"},
        "aggs": {"services": {"terms": {"field": "service.name"}}},
    }
}


def document(chance: random.Random, number: int) -> dict[str, Any]:
    moment = 1_795_000_000_000 + number * 50
    return {
        "@timestamp": moment,
        "message": f"{' '.join(chance.choices(WORDS, k=9))} {number}",
        "log.level": "error" if number % 20 == 0 else "info",
        "service.name": ("orders", "gateway", "storefront", "worker")[number % 4],
        "trace.id": f"{chance.getrandbits(128):032x}",
        "http.response.status_code": (200, 201, 404, 500)[number % 4],
        "container.name": "shop-orders-1",
        "event.duration": chance.randrange(10**9),
    }


def bodies(start: int, end: int) -> Iterator[bytes]:
    chance = random.Random(start)
    for first in range(start, end, BATCH):
        lines = []
        for number in range(first, min(end, first + BATCH)):
            lines.append('{"create":{"_index":"logs-bench-sandbox"}}')
            lines.append(json.dumps(document(chance, number)))
        yield ("\n".join(lines) + "\n").encode()


class Store:
    def __init__(self, url: str, password: str) -> None:
        self.url, self.session = url, requests.Session()
        self.session.trust_env = False
        self.session.auth = ("elastic", password)

    def ask(self, path: str, body: Any = None) -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body or {})
        answer = self.session.post(self.url + path, data=data, headers={"Content-Type": "application/json"}, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def fill(self, start: int, end: int) -> float:
        """Documents per second, the time for making them not counted."""
        taken = 0.0
        for body in bodies(start, end):
            taken += timed(lambda body=body: self.ask("/_bulk", body))  # type: ignore[misc]
        self.ask("/_refresh")
        return (end - start) / taken


def timed(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def middle(work: Callable[[], object]) -> float:
    """The median of a few runs, in milliseconds."""
    return median(timed(work) for _ in range(9)) * 1000


def memory() -> float:
    """Megabytes in use, as `docker stats` counts them."""
    used = docker("stats", "--no-stream", "--format", "{{.MemUsage}}", CONTAINER).split("/")[0].strip()
    return variables.size(used) / MEGABYTE


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout


def measure(store: Store, count: int) -> Iterator[tuple[str, float, str, bool]]:
    assert store.ask("/logs-*/_count")["count"] == count
    size = {"size": 20, "sort": [{"@timestamp": "desc"}]}
    yield (
        f"search, newest 20, at {count:,}",
        middle(lambda: store.ask("/logs-*/_search", {"query": LIKE, **size})),
        "ms",
        True,
    )
    everything = middle(lambda: store.ask("/logs-*/_search", {"size": 0, "aggs": OVER_TIME}))
    yield f"histogram and terms of all, at {count:,}", everything, "ms", True
    wild = {"query": {"wildcard": {"trace.id": "*abc12*"}}, "size": 0}
    yield f"leading wildcard, at {count:,}", middle(lambda: store.ask("/logs-*/_search", wild)), "ms", True
    used = memory()
    yield f"memory at {count:,}", used, "MB", used < 150
    size_line = next(
        line
        for line in store.session.get(f"{store.url}/metrics", timeout=9).text.splitlines()
        if line.startswith("logstore_disk_bytes")
    )
    yield f"disk at {count:,}", float(size_line.split()[1]) / count, "bytes a document", True


def measure_grep(image: str) -> Iterator[tuple[str, float, str, bool]]:
    """The yardstick: the same 100,000 lines printed by a container, searched in `docker logs`."""
    program = "import sys; [sys.stdout.write(line) for line in sys.stdin]"
    lines = "".join(json.dumps(document(random.Random(1), number)) + "\n" for number in range(100_000))
    command = ["docker", "run", "--interactive", "--name", PRINTER, image, "python3", "-c", program]
    subprocess.run(command, input=lines, text=True, stdout=subprocess.DEVNULL, check=True)
    find = f"docker logs {PRINTER} | grep 'log.level\": \"error' | grep payment | grep declined | tail -20"
    yield (
        "docker logs | grep, at 100,000",
        middle(lambda: subprocess.run(find, shell=True, stdout=subprocess.DEVNULL, check=True)),
        "ms",
        True,
    )


def main() -> int:
    met = True
    with tempfile.TemporaryDirectory() as home:
        environ = {**os.environ, "SANDBOX_HOME": home, "PYTHONPATH": str(CHECKOUT)}

        def sandbox(*arguments: str) -> str:
            command = [sys.executable, "-m", "sandbox", "--project", PROJECT, *arguments]
            return subprocess.run(command, env=environ, cwd=home, capture_output=True, text=True, check=True).stdout

        try:
            sandbox("up", "logstore")
            service = json.loads(sandbox("status", "--json"))["services"][0]
            store = Store(service["url"].rstrip("/"), service["login"]["password"])

            def rows() -> Iterator[tuple[str, float, str, bool]]:
                yield "lines in, to 100,000", store.fill(0, 100_000), "a second", True
                yield from measure(store, 100_000)
                yield "lines in, to 1,000,000", store.fill(100_000, 1_000_000), "a second", True
                yield from measure(store, 1_000_000)
                yield from measure_grep(docker("inspect", "--format", "{{.Config.Image}}", CONTAINER).strip())

            for what, value, unit, ok in rows():
                print(f"{what:<42} {value:>10,.1f} {unit}{'' if ok else '  MISSED'}", flush=True)
                met &= ok
        finally:
            subprocess.run(["docker", "rm", "-f", PRINTER], capture_output=True, check=False)
            sandbox("down", "--volumes")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
