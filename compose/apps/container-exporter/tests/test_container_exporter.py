"""The exporter over HTTP; the engine is a small real server on a Unix socket."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import container_exporter
import pytest
from container_exporter import Latest

Metrics = Callable[[], list[str]]
LABELS = {"sandbox.project": "shop", "sandbox.service": "orders", "other": "x"}
RUNNING = {
    "cpu_stats": {"cpu_usage": {"total_usage": 2_500_000_000}},
    "memory_stats": {"usage": 1000, "limit": 4096, "stats": {"inactive_file": 300}},
    "pids_stats": {"current": 7},
    "networks": {"eth0": {"rx_bytes": 10, "tx_bytes": 20}},
    "blkio_stats": {"io_service_bytes_recursive": [{"op": "read", "value": 5}, {"op": "Write", "value": 6}]},
}
ENDED: dict[str, Any] = {"cpu_stats": {"cpu_usage": {"total_usage": 0}}, "memory_stats": {}, "blkio_stats": {}}


def container(number: str, status: str = "Up 3 minutes", **labels: str) -> dict[str, Any]:
    named = {"Id": number * 64, "Names": [f"/shop-{number}"], "Image": "a:1"}
    return {**named, "Status": status, "Labels": LABELS | labels}


class Docker(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    containers: list[dict[str, Any]]
    stats: dict[str, dict[str, Any]]


class DockerHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Docker

    def do_GET(self) -> None:
        path, _, query = self.path.removeprefix(container_exporter.API).partition("?")
        found: object = self.server.containers
        if path != "/containers/json":
            assert query == "stream=false&one-shot=true"  # else the engine takes a second for each
            found = self.server.stats.get(path.split("/")[2][0])
        body = json.dumps(found).encode()
        self.send_response(404 if found is None else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "docker"

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def latest(tmp_path: Path) -> Latest:
    return Latest(str(tmp_path / "docker.sock"))


@pytest.fixture
def docker(latest: Latest) -> Iterator[Docker]:
    with Docker(latest.path, DockerHandler) as server:
        server.containers, server.stats = [], {}
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def address(latest: Latest) -> Iterator[str]:
    with container_exporter.serve(latest, 0) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture
def metrics(latest: Latest, address: str) -> Metrics:
    """The lines that Prometheus gets, less comments."""

    def get() -> list[str]:
        latest.ask()
        with urlopen(f"{address}/metrics") as answer:
            text: str = answer.read().decode()
        return [line for line in text.splitlines() if not line.startswith("#")]

    return get


def test_container_is_told_with_cadvisors_names(docker: Docker, metrics: Metrics) -> None:
    docker.containers, docker.stats = [container("a", "Up 3 minutes (healthy)")], {"a": RUNNING}
    labels = 'name="shop-a",image="a:1",container_label_sandbox_project="shop",container_label_sandbox_service="orders"'
    assert metrics() == [
        f"container_health_state{{{labels}}} 1",
        f"container_cpu_usage_seconds_total{{{labels}}} 2.5",
        f"container_memory_usage_bytes{{{labels}}} 1000",
        f"container_memory_working_set_bytes{{{labels}}} 700",
        f"container_spec_memory_limit_bytes{{{labels}}} 4096",
        f"container_threads{{{labels}}} 7",
        f'container_network_receive_bytes_total{{{labels},interface="eth0"}} 10',
        f'container_network_transmit_bytes_total{{{labels},interface="eth0"}} 20',
        f"container_fs_reads_bytes_total{{{labels}}} 5",
        f"container_fs_writes_bytes_total{{{labels}}} 6",
    ]


@pytest.mark.parametrize(("status", "state"), [("Up 1 second (unhealthy)", 0), ("Up 1 second (health: starting)", -1)])
def test_health_is_told(docker: Docker, metrics: Metrics, status: str, state: int) -> None:
    docker.containers, docker.stats = [container("a", status)], {"a": RUNNING}
    assert metrics()[0].endswith(f" {state}")


def test_container_that_ends_meanwhile_harms_no_other(docker: Docker, metrics: Metrics) -> None:
    docker.containers = [container("a"), container("b"), container("c")]
    docker.stats = {"b": ENDED, "c": RUNNING}
    found = metrics()
    assert not [line for line in found if "shop-a" in line]
    assert [line.partition("{")[0] for line in found if "shop-b" in line] == []
    assert [line for line in found if line.startswith("container_memory_usage_bytes")]


def test_labels_are_escaped(docker: Docker, metrics: Metrics) -> None:
    docker.containers, docker.stats = [container("a", **{"sandbox.service": 'a"b\\c\nd'})], {"a": RUNNING}
    assert r'container_label_sandbox_service="a\"b\\c\nd"' in metrics()[0]


def test_engine_that_is_away_is_an_error_after_a_while(
    docker: Docker, latest: Latest, metrics: Metrics, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker.containers, docker.stats = [container("a")], {"a": RUNNING}
    found = metrics()
    latest.path = "/nowhere"
    assert metrics() == found
    monkeypatch.setattr(container_exporter, "KEPT", 0.0)
    with pytest.raises(HTTPError) as caught:
        metrics()
    with caught.value as error:
        assert (error.code, b"the engine cannot be asked" in error.read()) == (503, True)
    with urlopen(f"{address}/healthz") as answer:
        assert answer.read() == b"ok\n"
