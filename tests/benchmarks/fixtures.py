"""How long a test waits for its AWS: our plugin beside testcontainers and pytest-docker, on the same image, in one run.

    python -m tests.benchmarks.fixtures [--runs N] [--leak-runs N]

Each figure of a first test is a pytest process of its own, from its start until S3 has answered the first test; the
three run by turns and their medians count. Nothing but each one's own plugin is loaded. The targets are for what our
fixtures take of that, because Python, pytest and boto3 take the same time in all three. Exit code 1 when one is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from sandbox.testing import Sandbox
from tests.benchmarks.table import Row, by_turns, show, timed

CHECKOUT = Path(__file__).parents[2]
TESTS = 30
# A light service of each ready-made fixture.
SERVICES = "prometheus,alertmanager,gateway,logstore,shipper,ci"

FIRST = """
import os, time

def test_first(client):
    client.list_buckets()
    with open(os.environ["BENCH_FIRST"], "w") as file:
        file.write(str(time.time()))
"""
TESTCONTAINERS = """
import boto3, pytest
from tests.benchmarks.emulator import emulator

@pytest.fixture(scope="session")
def client():
    with emulator("{image}") as container:
        url = f"http://{{container.get_container_host_ip()}}:{{container.get_exposed_port(4566)}}"
        yield boto3.client("s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="test",
                           aws_secret_access_key="test")
"""
PYTEST_DOCKER = """
import boto3, pytest, urllib.request

def answers(url):
    try:
        return urllib.request.urlopen(url + "/_ministack/health", timeout=1).status == 200
    except OSError:
        return False

@pytest.fixture(scope="session")
def docker_compose_file(pytestconfig):
    return str(pytestconfig.rootpath / "compose.yml")

@pytest.fixture(scope="session")
def docker_compose_project_name():
    return "{project}"

@pytest.fixture(scope="session")
def docker_cleanup():
    return {cleanup}

@pytest.fixture(scope="session")
def client(docker_ip, docker_services):
    url = f"http://{{docker_ip}}:{{docker_services.port_for('aws', 4566)}}"
    docker_services.wait_until_responsive(check=lambda: answers(url), timeout=60, pause=0.05)
    return boto3.client("s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="test",
                        aws_secret_access_key="test")
"""
COMPOSE = """
services:
  aws:
    image: {image}
    environment: {{GATEWAY_PORT: "4566"}}
    ports: ["127.0.0.1::4566"]
"""
# Notes how long each fixture's setup takes.
SETUPS = """
import json, os, time, pytest

setups = {}

@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef):
    began = time.perf_counter()
    try:
        return (yield)
    finally:
        setups.setdefault(fixturedef.argname, []).append(time.perf_counter() - began)

def pytest_unconfigure():
    with open(os.environ["BENCH_SETUPS"], "w") as file:
        json.dump(setups, file)
"""
OURS = (
    SETUPS
    + """
@pytest.fixture
def client(aws):
    return aws.client("s3")
"""
)
EACH_FIXTURE = f"""
import pytest

@pytest.mark.parametrize("number", range({TESTS}))
def test_aws(aws, number):
    pass

def test_clients(prometheus, alerts, gateway, logstore, ci):
    pass
"""
IMPORT = "import pytest, time; began = time.perf_counter(); import {}; print(time.perf_counter() - began)"


@dataclass(frozen=True)
class Bench:
    """A folder with a suite of each kind. What they start carries the folder's name."""

    folder: Path
    image: str

    @property
    def name(self) -> str:
        return self.folder.name

    def suite(self, name: str, conftest: str, test: str = FIRST, **files: str) -> Path:
        folder = self.folder / name / self.name
        folder.mkdir(parents=True, exist_ok=True)
        contents = {"pytest.ini": "[pytest]\n", "conftest.py": conftest, "test_it.py": test, **files}
        for path, text in contents.items():
            (folder / path).write_text(textwrap.dedent(text))
        return folder

    def pytest(self, suite: Path, *options: str, home: str = "home") -> None:
        """Runs a suite. Ends the benchmark with its output if a test fails."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SANDBOX_", "PYTEST_"))}
        environ = {
            **kept,
            "PYTHONPATH": str(CHECKOUT),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "SANDBOX_HOME": str(self.folder / home),
            "TESTCONTAINERS_RYUK_DISABLED": "true",
            "BENCH_FIRST": str(suite / "first"),
            "BENCH_SETUPS": str(suite / "setups.json"),
        }
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
        done = subprocess.run(command, cwd=suite, env=environ, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{suite.parent.name}: the tests failed\n{done.stdout}{done.stderr}")

    def first_test(self, suite: Path, *options: str, home: str = "home") -> float:
        """Seconds until the first test of a pytest run has its answer."""
        began = time.time()
        self.pytest(suite, *options, home=home)
        return float((suite / "first").read_text()) - began

    def setups(self, suite: Path) -> dict[str, list[float]]:
        """How long each fixture's setup took in the last run of a suite that notes it, once for each setup."""
        noted: dict[str, list[float]] = json.loads((suite / "setups.json").read_text())
        return noted

    def left(self) -> list[str]:
        """Containers, networks, volumes and folders that carry our name."""
        found = []
        for kind in (("ps", "--all"), ("network", "ls"), ("volume", "ls")):
            form = "{{.Names}}" if kind[0] == "ps" else "{{.Name}}"
            found += _output("docker", *kind, "--format", form, "--filter", f"name={self.name}").split()
        return found + [path.name for path in self.folder.glob("home*/[!.]*")]


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@contextmanager
def bench() -> Iterator[Bench]:
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / f"bench-{secrets.token_hex(3)}"
        folder.mkdir()
        os.environ |= {"SANDBOX_HOME": str(folder / "home-own"), "TESTCONTAINERS_RYUK_DISABLED": "true"}
        with Sandbox.start("ministack", folder=folder) as sandbox:
            form = "{{.Config.Image}}"
            image = _output("docker", "inspect", "--format", form, f"{sandbox.project}-ministack-1").strip()
        yield Bench(folder, image)


def measure_first_test(bench: Bench, runs: int) -> Iterator[Row]:
    ours = bench.suite("ours", OURS)
    theirs = bench.suite("testcontainers", TESTCONTAINERS.format(image=bench.image))
    plugin, peer = ("-p", "sandbox.testing.plugin"), ("-p", "pytest_docker")
    taken: dict[str, list[float]] = {"cold": [], "attached": []}

    def first(kind: str, *options: str, home: str = "home") -> float:
        seconds = bench.first_test(ours, *plugin, *options, home=home)
        setups = bench.setups(ours)
        taken.setdefault(kind, []).append(setups["sandbox"][0] + setups["aws"][0])
        return seconds

    def cold() -> float:
        """As on a computer where sandbox never ran; only the image is there."""
        seconds = first("cold", home="home-cold")
        shutil.rmtree(bench.folder / "home-cold")
        return seconds

    docker = _pytest_docker(bench, '"down -v"')
    cold_time, warm, containers, dockers = by_turns(
        runs,
        cold,
        lambda: first("warm"),
        lambda: bench.first_test(theirs),
        lambda: bench.first_test(docker, *peer),
    )
    for what, seconds in (("cold", cold_time), ("warm", warm)):
        yield Row(f"first test, {what}", seconds, "s", "-", True, containers, "testcontainers")
        yield Row(f"first test, {what}", seconds, "s", "-", True, dockers, "pytest-docker")
    try:
        bench.pytest(ours, *plugin, "--sandbox-keep")
        bench.pytest(_pytest_docker(bench, "None"), *peer)
        attached, dockers = by_turns(
            runs, lambda: first("attached", "--sandbox-keep"), lambda: bench.first_test(docker, *peer)
        )
    finally:
        bench.pytest(_pytest_docker(bench, '"down -v"'), *peer)
        _end_kept(ours, bench)
    yield Row("first test, attached", attached, "s", "-", True, containers, "testcontainers, which cannot attach")
    yield Row("first test, attached", attached, "s", "-", True, dockers, "pytest-docker, nothing cleaned up")
    for kind, limit in (("cold", 3), ("attached", 1)):
        seconds = median(taken[kind])
        yield Row(f"fixtures sandbox and aws, {kind}", seconds, "s", f"under {limit} s", seconds < limit)


def _pytest_docker(bench: Bench, cleanup: str) -> Path:
    """The suite for pytest-docker. With the clean-up None it attaches to what ran before, and leaves it."""
    conftest = PYTEST_DOCKER.format(project=f"{bench.name}-compose", cleanup=cleanup)
    return bench.suite("pytest-docker", conftest, **{"compose.yml": COMPOSE.format(image=bench.image)})


def _end_kept(suite: Path, bench: Bench) -> None:
    """Runs `sandbox down` for what --sandbox-keep left."""
    environ = {**os.environ, "SANDBOX_HOME": str(bench.folder / "home"), "PYTHONPATH": str(CHECKOUT)}
    for folder in (bench.folder / "home").glob("[!.]*"):
        command = [sys.executable, "-m", "sandbox", "--project", folder.name, "down", "--volumes"]
        subprocess.run(command, cwd=suite, env=environ, capture_output=True, check=True)
        shutil.rmtree(folder)


def measure_reset(bench: Bench, runs: int) -> Iterator[Row]:
    """What a test costs that wants an AWS with nothing in it; others start a new container for that."""
    from tests.benchmarks.emulator import emulator

    def fresh() -> None:
        with emulator(bench.image):
            pass

    with Sandbox.start("ministack", folder=bench.folder) as sandbox:
        resets = [timed(lambda: sandbox.reset("ministack")) for _ in range(TESTS)]
    beside = median(timed(fresh) for _ in range(runs))
    taken = median(resets)
    target = "under 50 ms"
    yield Row(
        "reset between tests",
        taken * 1000,
        "ms",
        target,
        taken < 0.05,
        beside * 1000,
        "a new container of testcontainers",
    )


def measure_each_fixture(bench: Bench) -> Iterator[Row]:
    suite = bench.suite("fixtures", SETUPS, EACH_FIXTURE)
    bench.pytest(suite, "-p", "sandbox.testing.plugin", "--sandbox-services", SERVICES)
    setups = bench.setups(suite)
    yield Row("fixture aws, each test", median(setups["aws"]) * 1000, "ms", "-", True)
    for name in ("prometheus", "alerts", "gateway", "logstore", "ci"):
        yield Row(f"fixture {name}, once a run", setups[name][0] * 1000, "ms", "-", True)


def measure_import() -> Row:
    def seconds(module: str) -> Callable[[], float]:
        return lambda: float(_output(sys.executable, "-c", IMPORT.format(module)))

    ours, theirs = by_turns(15, seconds("sandbox.testing.plugin"), seconds("pytest_docker"))
    return Row("import of the plugin", ours * 1000, "ms", "under 10 ms", ours < 0.01, theirs * 1000, "pytest-docker")


def measure_leaks(bench: Bench, runs: int) -> Row:
    """Everything that is started and ended again, many times over."""

    def once() -> None:
        with Sandbox.start("ministack", folder=bench.folder) as sandbox:
            sandbox.reset("ministack")

    once()  # what is opened once and stays open
    before = len(os.listdir("/dev/fd"))
    for _ in range(runs):
        once()
    files = len(os.listdir("/dev/fd")) - before
    left = bench.left()
    if left:
        print("left:", *left)
    leaked = len(left) + max(files, 0)
    return Row(f"left after {runs} runs and all of the above", leaked, "", "nothing", leaked == 0)


def measure(runs: int, leak_runs: int) -> Iterator[Row]:
    yield measure_import()
    with bench() as one:
        yield from measure_first_test(one, runs)
        yield from measure_reset(one, runs)
        yield from measure_each_fixture(one)
        yield measure_leaks(one, leak_runs)


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the fixtures beside testcontainers and pytest-docker.")
    parser.add_argument("--runs", type=int, default=5, help="runs of each kind, whose median counts (5)")
    parser.add_argument("--leak-runs", type=int, default=5, help="sandboxes started and ended in the leak check (5)")
    options = parser.parse_args()
    return 0 if show(list(measure(options.runs, options.leak_runs))) else 1


if __name__ == "__main__":
    sys.exit(main())
