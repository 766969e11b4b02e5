"""`make bench`: how long sandbox takes, and how that compares with the plain tool beside it, in one run.

Both sides of a comparison run by turns, as fresh processes, and their medians count. The stack is the `lite`
profile under a name and in a home of its own, removed at the end. Exit code 1 when a target is missed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from sandbox import catalogue, output, resources
from sandbox.engine import ComposeEngine
from sandbox.render import render
from sandbox.sandbox import Sandbox
from tests.benchmarks import fixtures
from tests.benchmarks.table import Row, by_turns, show, timed

PROJECT = "sandbox-bench"
CHECKOUT = Path(__file__).parents[2]
ONE_LINE = Path(__file__).with_name("one_line.py")
COMPOSE_UP = ("docker", "compose", "up", "-d", "--wait")
LITE_UP = ("up", "--profile", "lite")
MEGABYTE = 1024**2


@dataclass(frozen=True)
class Bench:
    """A sandbox of our own; plain Compose runs in the very folder that it renders."""

    home: Path

    @property
    def folder(self) -> Path:
        return self.home / PROJECT

    def sandbox(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "sandbox", "--project", PROJECT, *arguments]

    def run(self, command: Sequence[str]) -> str:
        """What a command prints. Ends the run with its errors if it fails."""
        cwd = self.folder if command[0] == "docker" else self.home
        done = subprocess.run(command, cwd=cwd, env=self._environment(), capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} ended with {done.returncode}\n{done.stderr}")
        return done.stdout

    def seconds(self, command: Sequence[str]) -> float:
        return timed(lambda: self.run(command))

    def seconds_until_healthy_and_ready(self) -> tuple[float, float]:
        """A cold `sandbox up`: until its last container is healthy, and until it ends."""
        began = time.monotonic()
        healthy: dict[str, float] = {}
        command = self.sandbox(*LITE_UP, "--json")
        with subprocess.Popen(
            command, cwd=self.home, env=self._environment(), stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout
            for line in process.stdout:
                event = json.loads(line)
                if event.get("state") == "healthy":
                    healthy.setdefault(event["subject"], time.monotonic() - began)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
        return max(healthy.values()), time.monotonic() - began

    def seconds_of_compose_until_healthy_and_ready(self) -> tuple[float, float]:
        """A cold `docker compose up --wait`; then until the content is there that `sandbox up` waits for.

        Compose is content with health: only we know what else to wait for, so we ask.
        """
        began = time.monotonic()
        self.run(COMPOSE_UP)
        healthy = time.monotonic() - began
        sandbox = Sandbox(PROJECT, self.home, ComposeEngine(), lambda event: None)
        while not sandbox.status().ready:
            time.sleep(0.1)
        return healthy, time.monotonic() - began

    def _environment(self) -> Mapping[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SANDBOX_")}
        return {**kept, "SANDBOX_HOME": str(self.home), "PYTHONPATH": str(CHECKOUT)}


def measure_help(bench: Bench) -> Row:
    ours, theirs = by_turns(
        20,
        partial(bench.seconds, [sys.executable, "-m", "sandbox", "--help"]),
        partial(bench.seconds, [sys.executable, str(ONE_LINE)]),
    )
    return Row(
        "sandbox --help",
        ours * 1000,
        "ms",
        "2x at most",
        ours <= 2 * theirs,
        theirs * 1000,
        "a Click program of one line",
    )


def measure_rendering(bench: Bench) -> Iterator[Row]:
    for profile in ("lite", "full"):

        def work(profile: str = profile) -> None:
            known = catalogue.read(resources.compose_folder(), resources.configs_folder())
            stack = catalogue.choose(known, (), profile, ())
            render(PROJECT, bench.folder, stack, {name: v.default or "x" for name, v in stack.variables.items()})

        taken = median(timed(work) for _ in range(10))
        yield Row(f"read the catalogue, render {profile}", taken * 1000, "ms", "under 50 ms", taken < 0.05)


def measure_cold_start(bench: Bench) -> Iterator[Row]:
    ours, theirs = [], []
    bench.run(bench.sandbox(*LITE_UP))  # volumes, ports and whatever the engine keeps in its cache
    for _ in range(3):
        bench.run(bench.sandbox("down"))
        ours.append(bench.seconds_until_healthy_and_ready())
        bench.run(bench.sandbox("down"))
        theirs.append(bench.seconds_of_compose_until_healthy_and_ready())
    healthy, ready = (median(pair[index] for pair in ours) for index in (0, 1))
    plain_healthy, plain_ready = (median(pair[index] for pair in theirs) for index in (0, 1))
    compose = " ".join(COMPOSE_UP)
    target = "+10 % or +1 s at most"
    yield Row(
        "cold sandbox up, until all are healthy",
        healthy,
        "s",
        target,
        no_slower(healthy, plain_healthy),
        plain_healthy,
        compose,
    )
    yield Row(
        "cold sandbox up, until the content is there",
        ready,
        "s",
        target,
        no_slower(ready, plain_ready),
        plain_ready,
        f"{compose}, then the same content",
    )
    yield Row(
        "lite ready, images present", ready, "s", "under 10 s", ready < 10, plain_healthy, f"{compose} (healthy only)"
    )


def no_slower(ours: float, plain: float) -> bool:
    """At most 10 % or 1 s slower, whichever is more."""
    return ours <= max(plain * 1.1, plain + 1)


def measure_ready_stack(bench: Bench) -> Iterator[Row]:
    ours, theirs = by_turns(
        5, partial(bench.seconds, bench.sandbox(*LITE_UP)), partial(bench.seconds, list(COMPOSE_UP))
    )
    yield Row(
        "sandbox up of a ready stack", ours, "s", "under 1.5 s", ours < 1.5, theirs, f"{' '.join(COMPOSE_UP)}, when up"
    )
    ours, theirs = by_turns(
        5, partial(bench.seconds, bench.sandbox("status")), partial(bench.seconds, ["docker", "compose", "ps"])
    )
    count = len(services(bench))
    yield Row(f"sandbox status, {count} services", ours, "s", "under 0.6 s", ours < 0.6, theirs, "docker compose ps")


def measure_memory(bench: Bench) -> Row:
    total = sum(services(bench).values())
    return Row("memory of lite in all", total, "MB", "under 700 MB", total < 700)


def services(bench: Bench) -> dict[str, float]:
    """Each service's memory in MB."""
    report = json.loads(bench.run(bench.sandbox("status", "--json")))
    return {service["name"]: service["memory"] / MEGABYTE for service in report["services"]}


@contextmanager
def own_sandbox() -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(prefix="sandbox-bench-") as folder:
        bench = Bench(Path(folder))
        try:
            yield bench
        finally:
            bench.run(bench.sandbox("down", "--volumes"))


def main() -> int:
    """Measures, prints the table and each service's memory; 1 when a target is missed."""
    rows: list[Row] = []
    with own_sandbox() as bench:
        output.talk("measuring; this takes about 4 minutes, and is truest when nothing else runs")
        rows.append(measure_help(bench))
        rows += measure_rendering(bench)
        rows += measure_cold_start(bench)
        rows += measure_ready_stack(bench)
        rows.append(measure_memory(bench))
        shares = services(bench)
    rows += fixtures.measure(runs=3, leak_runs=3)
    met = show(rows)
    print("\nmemory of each: " + ", ".join(f"{name} {size:.0f} MB" for name, size in shares.items()))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
