"""The one that reaches the Docker socket, before an engine that remembers what it was asked."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from console import unixhttp
from console.folder import Folder
from console.guard import Engine, Guard, listen
from flask import Flask
from flask.testing import FlaskClient

PROJECT = "demo"
OURS, CANARY, OTHERS = "a" * 64, "b" * 64, "c" * 64


class Docker:
    """Two running containers of the service `localhost`, and one of a service of this name in another sandbox."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.commands: list[tuple[str, list[str]]] = []
        self.prints: dict[str, tuple[int, str]] = {}
        self.broken = False
        self.labels = {
            OURS: ["sandbox.project=demo", "sandbox.service=localhost"],
            CANARY: ["sandbox.project=demo", "sandbox.service=localhost"],
            OTHERS: ["sandbox.project=other", "sandbox.service=localhost"],
        }

    def answer(self, method: str, target: str, body: Any) -> tuple[int, bytes]:
        path = urlsplit(target).path
        self.asked.append(f"{method} {path}")
        if self.broken:
            return 500, b'{"message": "out of order"}'
        if path == "/containers/json":
            wanted = json.loads(parse_qs(urlsplit(target).query)["filters"][0])["label"]
            found = [
                {
                    "Id": id,
                    "State": "running",
                    "Status": "Up 2 hours (healthy)",
                    "Labels": dict(i.split("=") for i in has),
                }
                for id, has in self.labels.items()
                if set(wanted) <= set(has)
            ]
            return 200, json.dumps(found).encode()
        if path.endswith("/stats"):
            return 200, b'{"memory_stats": {"usage": 5000, "stats": {"inactive_file": 2000}}}'
        if match := re.fullmatch(r"/containers/(\w+)/exec", path):
            self.commands.append((match[1], body["Cmd"]))
            return 201, json.dumps({"Id": match[1]}).encode()
        if match := re.fullmatch(r"/exec/(\w+)/(start|json)", path):
            code, text = self.prints.get(match[1], (0, "{}"))
            return 200, text.encode() if match[2] == "start" else json.dumps({"ExitCode": code}).encode()
        return 204, b""


@pytest.fixture
def docker(tmp_path: Path) -> Iterator[tuple[Docker, str]]:
    """The engine, and where it listens."""
    engine, path = Docker(), str(tmp_path / "docker.sock")

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, content = engine.answer(self.command, self.path, json.loads(body or "null"))
            self.send_response(status)
            self.end_headers()
            if content:
                self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = answer

        def log_message(self, *args: object) -> None:
            """Tests are quiet."""

    yield from serving(ThreadingUnixStreamServer(path, Handler), (engine, path))


def serving(server: Any, found: Any) -> Iterator[Any]:
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def engine(docker: tuple[Docker, str]) -> Docker:
    return docker[0]


@pytest.fixture
def guard(folder: Path, docker: tuple[Docker, str], socket: str) -> Iterator[str]:
    """Where the guard listens."""
    yield from serving(listen(Guard(Folder(folder, {}), Engine(PROJECT, docker[1])), socket), socket)


def ask(guard: str, request: str) -> tuple[int, Any]:
    method, _, target = request.partition(" ")
    status, body = unixhttp.ask(guard, method, target)
    return status, json.loads(body)


def test_restart_is_of_this_sandbox_only(guard: str, engine: Docker) -> None:
    assert ask(guard, "POST /localhost/restart") == (200, {"containers": 2})
    restarted = {asked for asked in engine.asked if "json" not in asked}
    assert restarted == {f"POST /containers/{OURS}/restart", f"POST /containers/{CANARY}/restart"}


@pytest.mark.parametrize(
    "request_line",
    [
        *("GET /containers/json", "POST /containers/create", "POST /v1.43/containers/create"),
        *("GET /info", "GET /_ping", "POST /exec/x/start"),
        *(f"POST /containers/{OURS}/{verb}" for verb in ("restart", "exec", "kill", "stop", "update", "rename")),
        *(f"DELETE /containers/{OURS}", f"GET /containers/{OURS}/archive?path=/", f"PUT /containers/{OURS}/archive"),
        *("POST /images/create?fromImage=x", "DELETE /images/x", "POST /build", "DELETE /volumes/x"),
        *("POST /localhost/kill", "POST /localhost", "GET /localhost/restart", "POST /localhost/restart?t=0"),
        *("POST /x/../localhost/restart", "POST /localhost%2Frestart"),
        "POST /localhost/faults",
        *("PUT /localhost/faults/errors", "PUT /localhost/faults/errors/-1", "PUT /localhost/faults/errors/1;id"),
        *("PUT /localhost/faults/errors/1/sh", "DELETE /localhost/faults/errors/x", "DELETE /localhost"),
    ],
)  # fmt: skip
def test_all_else_is_refused_and_reaches_no_engine(guard: str, engine: Docker, request_line: str) -> None:
    assert ask(guard, request_line) == (403, {"error": "this is not done here"})
    assert engine.asked == []


@pytest.mark.parametrize(
    ("request_line", "status", "words"),
    [
        (f"POST /{OURS}/restart", 404, "is not part of this sandbox"),
        ("POST /../restart", 404, "is not part of this sandbox"),
        ("POST /console/restart", 409, "the console does not restart itself: sandbox restart console"),
        ("GET /console/faults", 404, "console has no faults"),
        ("PUT /localhost/faults/list/1", 404, "localhost has no fault list"),
        ("DELETE /localhost/faults/--help", 404, "localhost has no fault --help"),
    ],
)
def test_only_what_the_fragments_name(guard: str, engine: Docker, request_line: str, status: int, words: str) -> None:
    found, answer = ask(guard, request_line)
    assert (found, words in answer["error"]) == (status, True), answer
    assert engine.asked == []


def test_faults_are_those_of_all_containers(guard: str, engine: Docker) -> None:
    engine.prints = {OURS: (0, '{"errors": 0.1}\r\n'), CANARY: (0, '{"errors": 0.3, "latency": 9}\r\n')}
    assert ask(guard, "GET /localhost/faults") == (200, {"errors": 0.3, "latency": 9})


@pytest.mark.parametrize(
    ("request_line", "words"),
    [
        ("PUT /localhost/faults/errors/0.25", ["inject", "errors", "0.25"]),
        ("DELETE /localhost/faults/errors", ["clear", "errors"]),
        ("DELETE /localhost/faults", ["clear"]),
    ],
)
def test_switch_is_the_fragments_command(guard: str, engine: Docker, request_line: str, words: list[str]) -> None:
    assert ask(guard, request_line)[0] == 200
    assert sorted(engine.commands) == [(OURS, ["switch", "me", *words]), (CANARY, ["switch", "me", *words])]


def test_failure_is_told_in_its_own_words(guard: str, engine: Docker) -> None:
    engine.prints = {OURS: (2, "errors takes at most 1\r\n")}
    assert ask(guard, "PUT /localhost/faults/errors/7") == (422, {"error": "errors takes at most 1"})
    engine.broken = True
    assert ask(guard, "POST /localhost/restart") == (502, {"error": "the Docker engine says: out of order"})
    assert ask(guard, "GET /healthz")[0] == 502


def test_service_without_containers_is_told(guard: str, engine: Docker) -> None:
    engine.labels.clear()
    status, answer = ask(guard, "POST /localhost/restart")
    assert (status, answer) == (409, {"error": "localhost has no container"})


def test_containers_are_this_sandboxes(guard: str, engine: Docker) -> None:
    one = {"service": "localhost", "state": "running", "health": "healthy", "memory": 3000}
    assert ask(guard, "GET /containers") == (200, [one, one])
    assert not any(OTHERS in asked for asked in engine.asked)


def test_health_and_memory_are_shown(guard: str, client: FlaskClient, app: Flask) -> None:
    app.extensions["watch"].look()
    [service, *_] = [s for s in client.get("/api/services").json["services"] if s["name"] == "localhost"]
    assert (service["health"], service["memory"]) == ("running, healthy", 6000)


def test_console_passes_on_and_remembers(guard: str, engine: Docker, signed_in: FlaskClient) -> None:
    engine.prints = {OURS: (0, '{"errors": 0.1}')}
    assert signed_in.post("/api/services/localhost/restart").json == {"containers": 2}
    assert signed_in.put("/api/services/localhost/faults/errors", json={"amount": 0.25}).json == {"errors": 0.25}
    [_, errors] = signed_in.get("/api/services/localhost/faults").json["faults"]
    assert errors == {"name": "errors", "summary": "Fails.", "amount": 0.3, "unit": "of 1", "alert": "", "active": 0.1}
    assert signed_in.delete("/api/services/localhost/faults").status_code == 200
    told = [change["text"] for change in signed_in.get("/api/services").json["changes"]]
    assert told == ["is rid of all faults", "got the fault errors (0.25 of 1)", "was restarted from the console"]
