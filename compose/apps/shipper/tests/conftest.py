"""The engine and the store as small real servers, over a Unix socket and TCP, and the real program between them."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from shipper.docker import Container

APP = Path(__file__).parent.parent
TIME = "2026-11-24T10:00:00.123456789Z"
CONTAINER = Container("c" * 64, "demo-web-shop-1", "shop:1", "web-shop", "web-shop", True)


class Run:
    """Starts the real program, and ends all that were started."""

    def __init__(self, environ: dict[str, str]) -> None:
        self.environ = environ
        self.started: list[subprocess.Popen[bytes]] = []

    def __call__(self) -> None:
        ports = self.environ["SHIPPER_PORTS"] if not self.started else "0,0,0,0"
        environ = {**self.environ, "SHIPPER_PORTS": ports}
        self.started.append(subprocess.Popen([sys.executable, "-m", "shipper"], cwd=APP, env=environ))
        for _ in range(400 if len(self.started) == 1 else 0):
            with socket.socket() as knock:
                if knock.connect_ex(("127.0.0.1", int(ports.partition(",")[0]))) == 0:
                    break
            time.sleep(0.025)

    def end(self) -> None:
        while self.started:
            process = self.started.pop()
            process.terminate()
            assert process.wait(20) == 0


class Engine(socketserver.ThreadingUnixStreamServer):
    """Answers like the Docker API: one container, with frames that are split and joined at will."""

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.frames: list[bytes] = []
        self.asked: list[str] = []
        super().__init__(self.path, EngineHandler)


class EngineHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Engine

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.docker.multiplexed-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if "/logs" in self.path:
            data = b"".join(self.server.frames)
        else:
            labels = {"sandbox.service": "web-shop", "com.docker.compose.service": "web-shop"}
            data = json.dumps([{"Id": CONTAINER.id, "Names": ["/demo"], "Labels": labels, "State": "exited"}]).encode()
        # Chunks that have nothing to do with frames, as a proxy makes them.
        for start in range(0, len(data), 7):
            piece = data[start : start + 7]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def address_string(self) -> str:
        return "test"

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


def frame(stream: int, text: str) -> bytes:
    data = text.encode()
    return bytes([stream, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with Engine(tmp_path / "docker.sock") as engine:
        threading.Thread(target=engine.serve_forever, daemon=True).start()
        yield engine
        engine.shutdown()


class Store(http.server.ThreadingHTTPServer):
    """Takes documents like Elasticsearch, and can be told to fail first."""

    def __init__(self) -> None:
        self.documents: dict[str, dict[str, Any]] = {}
        self.failures: list[int] = []
        self.refuse = ""
        self.newest: float | None = None
        super().__init__(("127.0.0.1", 0), StoreHandler)


class StoreHandler(http.server.BaseHTTPRequestHandler):
    server: Store

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, answer = 200, self._answer(body)
        if self.path == "/_bulk" and self.server.failures:
            status = self.server.failures.pop()
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def _answer(self, body: bytes) -> Any:
        if self.path != "/_bulk":
            return {"aggregations": {"newest": {"value": self.server.newest}}}
        lines = [json.loads(line) for line in body.splitlines()]
        items = []
        for action, found in zip(lines[::2], lines[1::2], strict=True):
            status = 400 if self.server.refuse and self.server.refuse in found else 201
            if status == 201:
                status = 409 if action["create"]["_id"] in self.server.documents else 201
                self.server.documents.setdefault(action["create"]["_id"], found)
            items.append({"create": {"status": status, "error": {"type": "t", "reason": "r"}}})
        return {"errors": any(item["create"]["status"] > 299 for item in items), "items": items}

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@pytest.fixture
def store() -> Iterator[Store]:
    with Store() as store:
        threading.Thread(target=store.serve_forever, daemon=True).start()
        yield store
        store.shutdown()


@pytest.fixture
def ports() -> list[int]:
    """Four free ones, by TCP and UDP: for HTTP, JSON lines, syslog, GELF."""
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(4)]
        return [listener.getsockname()[1] for listener in listeners]


@pytest.fixture
def run(engine: Engine, store: Store, ports: list[int], tmp_path: Path) -> Iterator[Run]:
    """Starts the real program between the two."""
    environ = {
        **os.environ,
        "SHIPPER_PROJECT": "demo",
        "SHIPPER_PASSWORD": "x",
        "SHIPPER_URL": f"http://127.0.0.1:{store.server_port}",
        "SHIPPER_SOCKET": engine.path,
        "SHIPPER_ALIVE": str(tmp_path / "alive"),
        "SHIPPER_PORTS": ",".join(map(str, ports)),
    }
    run = Run(environ)
    yield run
    run.end()


def wait_for(store: Store, count: int) -> list[str]:
    for _ in range(400):
        if len(store.documents) >= count:
            break
        time.sleep(0.025)
    return [found["message"] for found in store.documents.values()]
