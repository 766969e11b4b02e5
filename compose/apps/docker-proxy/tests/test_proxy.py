"""The proxy between a client and an engine that notes what it is asked."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

import pytest
from docker_proxy.__main__ import orphans, size
from docker_proxy.proxy import Engine, Handler, Judge, Server
from docker_proxy.rules import Limits

LIMITS = Limits("demo", "demo_ci-data", "/var/lib/ci", "demo_docker-agents", 512 * 1024**2)
MINE, OTHER = "a" * 64, "b" * 64


class FakeEngine(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    asked: ClassVar[list[tuple[str, bytes]]] = []
    containers: ClassVar[dict[str, dict[str, Any]]] = {
        MINE: {"Id": MINE, "Created": "2026-01-01T00:00:05Z", "Config": {"Labels": {"sandbox.agent": "demo"}}},
        OTHER: {"Id": OTHER, "Created": "2026-01-01T00:00:00Z", "Config": {"Labels": {"sandbox.agent": "other"}}},
        "ci": {"Id": "ci", "State": {"Running": True, "StartedAt": "2026-01-01T00:00:01Z"}, "Config": {"Labels": None}},
    }

    def do_GET(self) -> None:
        length = self.headers.get("Content-Length")
        body = self.rfile.read(int(length)) if length else b""
        while "chunked" in self.headers.get("Transfer-Encoding", ""):
            count = int(self.rfile.readline(), 16)
            body += self.rfile.read(count)
            self.rfile.readline()
            if not count:
                break
        path = self.path.partition("?")[0].removeprefix("/v1.45")
        self.asked.append((f"{self.command} {self.path}", body))
        if self.headers.get("Upgrade"):
            self.wfile.write(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nhello ")
            self.wfile.write(self.connection.recv(100).upper())
            self.close_connection = True
            return
        status, found = 200, {"ok": True}
        if path.startswith("/containers/json"):
            found = [{"Id": "ci"}] if "compose" in self.path else [{"Id": MINE}]
        elif path.startswith("/containers/") and path.endswith("/json"):
            found = self.containers.get(path.split("/")[2])
        elif path.startswith("/exec/") and path.endswith("/json"):
            found = {"ContainerID": {"mine": MINE, "other": OTHER}.get(path.split("/")[2])}
        elif path.startswith("/images/") and path.endswith("/json"):
            found = {"Config": {"Labels": {"sandbox.agent": "demo"}}} if "mine" in path else {"Config": {"Labels": {}}}
            found = None if "new" in path else found
        text = json.dumps(found).encode()
        self.send_response(404 if found is None else status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_POST = do_DELETE = do_HEAD = do_GET

    def log_message(self, *arguments: object) -> None:
        pass

    def address_string(self) -> str:
        return ""


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("run")
    Handler.judge = Judge(Engine(str(folder / "engine.sock")), LIMITS)
    servers = [Server(str(folder / "engine.sock"), FakeEngine), Server(str(folder / "proxy.sock"), Handler)]
    for server in servers:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield folder / "proxy.sock"
    for server in servers:
        server.shutdown()
        server.server_close()


def send(door: Path, request: bytes) -> bytes:
    """The whole answer. What is sent may be more than one request."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(door))
        client.sendall(request)
        answer = b""
        while piece := client.recv(65536):
            answer += piece
        return answer


def ask(door: Path, method: str, path: str, body: bytes = b"", head: str = "") -> tuple[int, str]:
    FakeEngine.asked.clear()
    text = f"{method} {path} HTTP/1.1\r\nHost: docker\r\nContent-Length: {len(body)}\r\n{head}\r\n"
    answer = send(door, text.encode() + body).decode()
    return int(answer.split()[1]), answer


@pytest.mark.parametrize(
    "request_line",
    [
        "GET /info",
        "GET /v1.45/containers/json/../../info",
        "GET //info",
        "POST /v1.45/commit",
        "GET /v1.45/images/json",
        "POST /v1.45/images/x/tag",
        "POST /v1.45/images/x/push",
        "GET /v1.45/volumes",
        "POST /v1.45/networks/create",
        "POST /v1.45/session",
        "POST /v1.45/grpc",
        "GET /v1.45/events",
        "GET /v1.45/secrets",
        "POST /v1.45/containers/prune",
        f"GET /v1.45/containers/{MINE}/archive?path=/",
        f"POST /v1.45/containers/{MINE}/update",
        f"POST /v1.45/containers/{MINE}/attach",
        f"POST /v1.45/containers/{OTHER}/start",
        f"POST /v1.45/containers/{OTHER}/exec",
        f"DELETE /v1.45/containers/{OTHER}?force=1",
        f"GET /v1.45/containers/{OTHER}/logs",
        "POST /v1.45/exec/other/start",
        "DELETE /v1.45/images/debian",
        "DELETE /v1.45/images/../containers/x",
        "POST /v1.45/images/create?fromSrc=-",
        "POST /v1.45/containers/create?name=ci",
        "POST /v1.45/build?t=debian",
        "POST /v1.45/build?t=mine&networkmode=host",
    ],
)
def test_refused_before_the_engine_hears_of_it(door: Path, request_line: str) -> None:
    method, path = request_line.split()
    status, answer = ask(door, method, path, b"{}")
    assert status == 403
    assert "docker-proxy does not allow" in answer
    assert all(line.startswith("GET ") and "/json" in line for line, _ in FakeEngine.asked), FakeEngine.asked


@pytest.mark.parametrize(
    ("method", "path", "to"),
    [
        ("HEAD", "/_ping", "/_ping"),
        ("GET", "/v1.30/version", "/version"),
        ("POST", f"/v1.47/containers/{MINE}/start", f"/containers/{MINE}/start"),
        ("DELETE", f"/containers/{MINE}?force=1", f"/containers/{MINE}?force=1"),
        ("GET", "/exec/mine/json", "/exec/mine/json"),
        ("POST", "/images/create?fromImage=debian&tag=13", "/images/create?fromImage=debian&tag=13"),
        ("DELETE", "/images/mine", "/images/mine"),
    ],
)
def test_what_an_agent_needs_goes_through_in_one_version(door: Path, method: str, path: str, to: str) -> None:
    assert ask(door, method, path)[0] == 200
    assert FakeEngine.asked[-1][0] == f"{method} /v1.45{to}"


def test_only_agents_are_listed(door: Path) -> None:
    ask(door, "GET", '/containers/json?all=1&filters={"label":[]}')
    assert FakeEngine.asked[-1][0].endswith("?all=1&filters=%7B%22label%22%3A+%5B%22sandbox.agent%3Ddemo%22%5D%7D")


def test_body_is_made_anew(door: Path) -> None:
    assert (
        ask(door, "POST", "/containers/create", b'{"Image": "debian", "HostConfig": {"Privileged": false}}')[0] == 200
    )
    sent = json.loads(FakeEngine.asked[-1][1])
    assert sent["HostConfig"]["CapDrop"] == ["ALL"]
    assert "Privileged" not in sent["HostConfig"]
    doubled = b'{"Image": "debian", "HostConfig": {}, "HostConfig": {"Privileged": true}}'
    assert ask(door, "POST", "/containers/create", doubled)[0] == 403


def test_context_of_a_build_comes_in_pieces(door: Path) -> None:
    head = b"POST /v1.45/build?t=new HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert b" 200 " in send(door, head + b"4\r\ntar-\r\n3\r\nend\r\n0\r\n\r\n")
    assert FakeEngine.asked[-1][1] == b"tar-end"


def test_nothing_hides_behind_a_request(door: Path) -> None:
    FakeEngine.asked.clear()
    second = b"POST /v1.45/containers/prune HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    answer = send(door, b"GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n" + second)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert [line for line, _ in FakeEngine.asked] == ["GET /v1.45/_ping"]


@pytest.mark.parametrize(
    ("body", "head"),
    [
        (b"{", ""),
        (b"[]", ""),
        (b"5\r\n{    \r\n0\r\n\r\n", "Transfer-Encoding: chunked\r\n"),
        (b"{}", "Transfer-Encoding: gzip\r\n"),
        (b'{"Image": "x", "HostConfig": {"Binds": 7}}', ""),
        (b'{"Image": "x", "NetworkingConfig": "x"}', ""),
    ],
)
def test_what_cannot_be_understood_is_told(door: Path, body: bytes, head: str) -> None:
    status, answer = ask(door, "POST", "/containers/create", body, head)
    assert status == 400
    assert "does not understand" in answer
    assert not FakeEngine.asked


def test_program_streams_both_ways(door: Path) -> None:
    head = b"POST /v1.45/exec/mine/start HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
    answer = send(door, head + b"Content-Length: 2\r\n\r\n{}early")
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert answer.endswith(b"hello EARLY")


def test_agents_older_than_the_ci_services_run_are_orphans(door: Path) -> None:
    engine = Handler.judge.engine
    assert orphans(engine, LIMITS) == []
    FakeEngine.containers["ci"]["State"]["StartedAt"] = "2026-01-01T00:00:09Z"
    assert orphans(engine, LIMITS) == [MINE]
    FakeEngine.containers["ci"]["State"].update(Running=False, StartedAt="2026-01-01T00:00:01Z")
    assert orphans(engine, LIMITS) == [MINE]


def test_sizes() -> None:
    assert (size("512m"), size("1GB"), size("64")) == (512 * 1024**2, 1024**3, 64)
    with pytest.raises(ValueError, match="no size"):
        size("lots")
