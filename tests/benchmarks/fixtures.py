"""How long a test waits for its AWS: ours against testcontainers and pytest-docker, on the same image, in one run.

    python -m tests.benchmarks.fixtures [RUNS]

Medians of several runs, in seconds; `cold` ends when the emulator's health address answers. pytest-docker is left
out where it is not installed.
"""

from __future__ import annotations

import importlib.util
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import requests

from sandbox.testing import Sandbox
from sandbox.testing.names import fresh_account
from sandbox.testing.services import Aws

HEALTH = "/_ministack/health"


def answers(url: str) -> bool:
    try:
        return requests.get(url + HEALTH, timeout=1).ok
    except requests.RequestException:
        return False


def wait(url: str) -> None:
    while not answers(url):
        time.sleep(0.05)


def ours_cold() -> tuple[float, float]:
    began = time.perf_counter()
    with Sandbox.start("ministack"):
        ready = time.perf_counter()
    return ready - began, time.perf_counter() - ready


def testcontainers_cold(image: str) -> tuple[float, float]:
    from testcontainers.core.config import testcontainers_config
    from testcontainers.core.container import DockerContainer

    testcontainers_config.ryuk_disabled = True
    began = time.perf_counter()
    with DockerContainer(image).with_exposed_ports(4566).with_env("GATEWAY_PORT", "4566") as container:
        wait(f"http://localhost:{container.get_exposed_port(4566)}")
        ready = time.perf_counter()
    return ready - began, time.perf_counter() - ready


def pytest_docker_cold(image: str) -> tuple[float, float]:
    from pytest_docker.plugin import get_docker_services

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "docker-compose.yml"
        file.write_text(
            f"services: {{aws: {{image: '{image}', environment: {{GATEWAY_PORT: '4566'}}, ports: ['4566']}}}}\n"
        )
        began = time.perf_counter()
        with get_docker_services("docker compose", str(file), "bench-pytest-docker", "up -d", "down -v") as services:
            url = f"http://localhost:{services.port_for('aws', 4566)}"
            services.wait_until_responsive(check=lambda: answers(url), timeout=60, pause=0.05)
            ready = time.perf_counter()
    return ready - began, time.perf_counter() - ready


def show(title: str, seconds: list[float]) -> None:
    spread = f"(min {min(seconds):.3f}, max {max(seconds):.3f})"
    print(f"{title:<48} {statistics.median(seconds):8.3f} {spread}")


def cold(title: str, once: Callable[[], tuple[float, float]], runs: int) -> None:
    up, down = zip(*(once() for _ in range(runs)), strict=True)
    show(f"{title}: cold", list(up))
    show(f"{title}: removed", list(down))


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    project = "bench-fixtures-kept"
    with Sandbox.start("ministack") as sandbox:
        image = sandbox._core.engine.containers(sandbox.project)[0].image
        resets, clients = [], []
        for _ in range(10 * runs):
            began = time.perf_counter()
            sandbox.reset("ministack")
            resets.append(time.perf_counter() - began)
            began = time.perf_counter()
            aws = Aws(sandbox, fresh_account())
            aws.client("s3")
            clients.append(time.perf_counter() - began)
            aws.close()
    cold("ours", ours_cold, runs)
    cold("testcontainers", lambda: testcontainers_cold(image), runs)
    if importlib.util.find_spec("pytest_docker"):
        cold("pytest-docker", lambda: pytest_docker_cold(image), runs)
    attached = []
    with Sandbox.start("ministack", project=project, keep=True):
        for _ in range(runs):
            began = time.perf_counter()
            with Sandbox.start("ministack", project=project, keep=True):
                attached.append(time.perf_counter() - began)
    Sandbox.start("ministack", project=project).__exit__(None, None, None)
    show("ours: attached", attached)
    show("ours: reset", resets)
    show("ours: a session and an S3 client", clients)


if __name__ == "__main__":
    main()
