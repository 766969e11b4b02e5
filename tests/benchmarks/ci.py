"""`python -m tests.benchmarks.ci`: how fast and how small the CI service is, in its own container.

The image must be there (`sandbox up ci` builds it). The container has a name of its own and is removed at the end.
Medians of several runs, and beside them what the same costs without a CI server, measured in turns with it. Exit code 1
when a target is missed.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from html import escape
from statistics import median

import requests

from sandbox import resources
from sandbox.ci.server.configuration import groovy_string
from sandbox.images import built_name

NAME = "sandbox-bench-ci"
AUTH = ("admin", "benchmark")
RUNS = 5
STAGES = "".join(f"stage('{name}') {{ steps {{ sh 'true' }} }}\n" for name in "abc")
THREE_STAGES = f"pipeline {{ agent any\nstages {{\n{STAGES}}} }}"
TRIVIAL = "node { echo 'x' }"
PRINTS = "head -c 15000000 /dev/zero | tr '\\0' x | fold -w 99"
LOUD = f"node {{ sh {groovy_string(PRINTS)} }}"
BARE = ("python3", "-m", "http.server", "8080")


class Service:
    """The running container."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = requests.Session()
        self.http.auth = AUTH

    def answers(self) -> bool:
        with suppress(requests.RequestException):
            return self.http.get(self.url + "healthz", timeout=1).status_code in (200, 404)  # 404: without us
        return False

    def post(self, path: str, **more: object) -> requests.Response:
        if "Jenkins-Crumb" not in self.http.headers:
            crumb = self.http.get(self.url + "crumbIssuer/api/json", timeout=10).json()["crumb"]
            self.http.headers["Jenkins-Crumb"] = crumb
        answer = self.http.post(self.url + path, timeout=30, allow_redirects=False, **more)  # type: ignore[arg-type]
        answer.raise_for_status()
        return answer

    def create(self, name: str, script: str) -> None:
        xml = (
            "<flow-definition><definition class='org.jenkinsci.plugins.workflow.cps.CpsFlowDefinition'>"
            f"<script>{escape(script)}</script></definition></flow-definition>"
        )
        self.post("createItem", params={"name": name}, data=xml, headers={"Content-Type": "text/xml"})

    def builds(self, name: str) -> list[dict[str, object]]:
        tree = "allBuilds[number,result,building]"
        found: list[dict[str, object]] = self.http.get(
            f"{self.url}job/{name}/api/json", params={"tree": tree}, timeout=30
        ).json()["allBuilds"]
        return found

    def build(self, name: str, times: int = 1) -> float:
        """Seconds from the first request until so many builds have ended well."""
        before = len(self.builds(name))
        began = time.perf_counter()
        for _ in range(times):
            self.post(f"job/{name}/build")
        while sum(not build["building"] for build in self.builds(name)) < before + times:
            time.sleep(0.01)
        seconds = time.perf_counter() - began
        bad = [build for build in self.builds(name) if build["result"] != "SUCCESS"]
        if bad:
            sys.exit(f"{name} failed: {bad[0]}")
        return seconds

    def memory(self) -> float:
        """Megabytes of the whole container, as the kernel counts it, without the file cache."""
        shown = _docker("exec", NAME, "sh", "-c", "cat /proc/[0-9]*/smaps_rollup 2>/dev/null | grep ^Pss:")
        return sum(int(line.split()[1]) for line in shown.splitlines()) / 1024


def main() -> int:
    image = built_name(resources.compose_folder() / "images" / "ci") if len(sys.argv) < 2 else sys.argv[1]
    size = int(_docker("image", "inspect", "--format", "{{.Size}}", image)) / 1e6
    readies, firsts, bare = [], [], []
    for _ in range(RUNS):
        with running(image) as (service, ready, began):
            readies.append(ready)
            service.create("three", THREE_STAGES)
            service.build("three")
            firsts.append(time.perf_counter() - began)
        with running(image, *BARE) as (_, ready, _):
            bare.append(ready)
    with running(image) as (service, _, _):
        service.create("three", THREE_STAGES)
        service.create("loud", LOUD)
        service.create("trivial", TRIVIAL)
        for name in ("three", "loud", "trivial"):
            service.build(name)
        warm, loud, shells, pipes = [], [], [], []
        before = service.memory()
        for _ in range(RUNS):
            warm.append(service.build("three"))
            shells.append(_seconds(lambda: [_docker("exec", NAME, "sh", "-c", "true") for _ in "abc"]))
            loud.append(service.build("loud"))
            pipes.append(_seconds(lambda: _docker("exec", NAME, "sh", "-c", PRINTS)))
        growth = service.memory() - before
        rates = [20 / service.build("trivial", 20) for _ in range(RUNS)]
        time.sleep(3)
        idle = service.memory()
    rows = [
        Row("HTTP ready after the start", median(readies), "s", 1.0, median(bare), "python3 -m http.server"),
        Row("first build done after the start", median(firsts), "s", 3.0),
        Row("warm build of three sh 'true' stages", median(warm), "s", 0.3, median(shells), "three docker exec"),
        Row("build that prints 15 MB", median(loud), "s", 0.5, median(pipes), "docker exec that prints it"),
        Row(f"memory growth over {RUNS} of these", growth, "MB", 20.0),
        Row("trivial builds a second", median(rates), "/s", 10.0, more_is_better=True),
        Row("memory, idle after these builds", idle, "MB", 220.0),
        Row("image", size, "MB", 450.0),
    ]
    for row in rows:
        print(row)
    return 0 if all(row.met for row in rows) else 1


@dataclass(frozen=True)
class Row:
    """A median and its target; beside it, where there is one, what the same costs without a CI server."""

    what: str
    measured: float
    unit: str
    target: float
    raw: float | None = None
    peer: str = ""
    more_is_better: bool = False

    @property
    def met(self) -> bool:
        return self.measured >= self.target if self.more_is_better else self.measured <= self.target

    def __str__(self) -> str:
        beside = f"  {self.measured / self.raw:4.1f} x {self.peer} ({self.raw:.2f} {self.unit})" if self.raw else ""
        verdict = "ok    " if self.met else "MISSED"
        return f"{self.what:38} {self.measured:8.2f} {self.unit:3} target {self.target:6.1f}  {verdict}{beside}"


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@contextmanager
def running(image: str, *command: str) -> Iterator[tuple[Service, float, float]]:
    """The service (or another command of its image), the seconds until it answered, and when it was started."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environ = ("CI_HOST=0.0.0.0", f"CI_URL=http://localhost:{port}/", f"CI_PASSWORD={AUTH[1]}")
    options = [option for each in environ for option in ("-e", each)]
    published = ("-p", f"127.0.0.1:{port}:8080")
    _docker("create", "--name", NAME, "--init", "-m", "512m", *published, *options, image, *command)
    try:
        began = time.perf_counter()
        _docker("start", NAME)
        service = Service(f"http://127.0.0.1:{port}/")
        _until(service.answers)
        yield service, time.perf_counter() - began, began
    finally:
        _docker("rm", "--force", "--volumes", NAME)


def _until(ask: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not ask():
        if time.monotonic() > deadline:
            sys.exit("the service did not answer within 30 s")
        time.sleep(0.01)


def _docker(*arguments: str) -> str:
    done = subprocess.run(("docker", *arguments), capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        sys.exit(f"docker {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
