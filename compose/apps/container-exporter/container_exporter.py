"""CPU, memory, disk and network of this sandbox's containers for Prometheus, under the names that cAdvisor uses.

cAdvisor itself wants to be privileged and shows every container of the computer. This asks the engine, through a
guarded socket that tells of our containers only.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SOCKET = os.environ.get("CONTAINER_EXPORTER_SOCKET", "/run/docker/docker.sock")
PORT = 9338
API = "/v1.43"
SECONDS = 2  # for one answer of the engine
EVERY, KEPT = 2.0, 15.0  # seconds between two looks, and for which one counts
LABELS = ("sandbox.project", "sandbox.service")
TROUBLE = (OSError, http.client.HTTPException, ValueError, KeyError)

# name: (type, help)
METRICS = {
    "container_health_state": ("gauge", "1 healthy, 0 unhealthy, -1 without a verdict yet, or without a health check."),
    "container_cpu_usage_seconds_total": ("counter", "CPU time used."),
    "container_memory_usage_bytes": ("gauge", "Memory in use, the cache of files included."),
    "container_memory_working_set_bytes": ("gauge", "Memory in use that cannot be given back at once."),
    "container_spec_memory_limit_bytes": ("gauge", "The memory limit: beyond it the kernel ends the container."),
    "container_threads": ("gauge", "Threads that run inside."),
    "container_network_receive_bytes_total": ("counter", "Bytes received."),
    "container_network_transmit_bytes_total": ("counter", "Bytes sent."),
    "container_fs_reads_bytes_total": ("counter", "Bytes read from the disk."),
    "container_fs_writes_bytes_total": ("counter", "Bytes written to the disk."),
}
Sample = tuple[str, Mapping[str, str], float]  # metric, labels, value


class Gone(Exception):
    """The container was removed while it was asked about."""


class Engine(http.client.HTTPConnection):
    """The engine behind a Unix socket; one connection for many questions."""

    def __init__(self, path: str) -> None:
        super().__init__("docker", timeout=SECONDS)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(SECONDS)
        self.sock.connect(self.path)

    def ask(self, path: str) -> Any:
        """The JSON at `path`. Raises Gone, or OSError, HTTPException or ValueError when the engine cannot tell."""
        self.request("GET", API + path)
        with self.getresponse() as response:
            body = response.read()
        if response.status == 404:
            raise Gone
        if response.status != 200:
            raise http.client.HTTPException(f"GET {path}: HTTP {response.status}")
        return json.loads(body)


def samples(engine: Engine) -> Iterator[Sample]:
    """Everything about every container that runs."""
    for container in engine.ask("/containers/json"):
        try:
            stats = engine.ask(f"/containers/{container['Id']}/stats?stream=false&one-shot=true")
        except Gone:
            continue
        told = container.get("Labels") or {}
        labels = {"name": container["Names"][0].lstrip("/"), "image": container.get("Image", "")}
        labels |= {f"container_label_{label.replace('.', '_')}": told.get(label, "") for label in LABELS}
        if "usage" in (stats.get("memory_stats") or {}):  # else it has ended, and all would be 0
            yield "container_health_state", labels, health(container.get("Status", ""))
            yield from ((name, {**labels, **more}, value) for name, more, value in used(stats))


def health(status: str) -> int:
    """`Up 3 minutes (healthy)`."""
    return 1 if status.endswith("(healthy)") else 0 if status.endswith("(unhealthy)") else -1


def used(stats: Mapping[str, Any]) -> Iterator[Sample]:
    """What a container uses. Engines leave out what their kernel does not count."""
    cpu, memory = stats["cpu_stats"], stats["memory_stats"]
    yield "container_cpu_usage_seconds_total", {}, cpu["cpu_usage"]["total_usage"] / 1e9
    kinds = memory.get("stats") or {}
    idle = kinds.get("total_inactive_file", kinds.get("inactive_file", 0))  # cgroups 1 and 2
    yield "container_memory_usage_bytes", {}, memory["usage"]
    yield "container_memory_working_set_bytes", {}, max(0, memory["usage"] - idle)
    yield "container_spec_memory_limit_bytes", {}, memory.get("limit", 0)
    yield "container_threads", {}, (stats.get("pids_stats") or {}).get("current", 0)
    for interface, numbers in (stats.get("networks") or {}).items():
        yield "container_network_receive_bytes_total", {"interface": interface}, numbers["rx_bytes"]
        yield "container_network_transmit_bytes_total", {"interface": interface}, numbers["tx_bytes"]
    moved = (stats.get("blkio_stats") or {}).get("io_service_bytes_recursive") or []
    if moved:
        yield "container_fs_reads_bytes_total", {}, sum(part["value"] for part in moved if part["op"].lower() == "read")
        yield (
            "container_fs_writes_bytes_total",
            {},
            sum(part["value"] for part in moved if part["op"].lower() == "write"),
        )


def exposition(found: list[Sample]) -> str:
    """Prometheus' text format."""
    lines = []
    for name, (kind, about) in METRICS.items():
        lines += [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]
        lines += [f"{name}{{{_labels(labels)}}} {value}" for metric, labels, value in found if metric == name]
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


class Latest:
    """What was last found. Asking the engine goes on beside the answers: on a busy computer it takes its time."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.text, self.when, self.problem = "", -KEPT, "not asked yet"
        self.asked = threading.Event()

    def update(self) -> None:
        """Asks for ever."""
        while True:
            self.ask()
            time.sleep(EVERY)

    def ask(self) -> None:
        try:
            with closing(Engine(self.path)) as engine:
                self.text, self.when = exposition(list(samples(engine))), time.monotonic()
        except TROUBLE as error:
            self.problem = f"the engine cannot be asked: {error}"
        self.asked.set()

    def metrics(self) -> str:
        """Raises LookupError with the reason when there is nothing of late."""
        self.asked.wait(SECONDS)
        if time.monotonic() - self.when > KEPT:
            raise LookupError(self.problem)
        return self.text


def serve(latest: Latest, port: int) -> ThreadingHTTPServer:
    """The server, bound but not yet running."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/healthz":
                self.answer(200, "ok\n")
            elif self.path == "/metrics":
                try:
                    self.answer(200, latest.metrics())
                except LookupError as error:
                    self.answer(503, f"{error}\n")
            else:
                self.answer(404, "there is /metrics and /healthz\n")

        def answer(self, status: int, text: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Prometheus asks all the time, and tells when it gets no answer."""

    server = ThreadingHTTPServer(("", port), Handler)
    server.daemon_threads = True
    return server


def main() -> None:
    latest = Latest(SOCKET)
    threading.Thread(target=latest.update, daemon=True).start()
    serve(latest, PORT).serve_forever()


if __name__ == "__main__":
    main()
