"""Lines as documents; the engine and the store are small real servers, over a Unix socket and TCP."""

from __future__ import annotations

import http.server
import json
import os
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from shipper.__main__ import seconds
from shipper.docker import Container, Docker, Line
from shipper.documents import document, plain

Run = Callable[[], None]
APP = Path(__file__).parent.parent
TIME = "2026-11-24T10:00:00.123456789Z"
CONTAINER = Container("c" * 64, "demo-web-shop-1", "shop:1", "web-shop", "web-shop", True)


def made(text: str) -> dict[str, Any]:
    return document(Line(CONTAINER, TIME, text), "demo")[2]


def test_plain_line() -> None:
    stream, _, found = document(Line(CONTAINER, TIME, "10:00 WARN  disk almost full"), "demo")
    assert stream == "logs-web_shop-sandbox"
    assert found == {
        "@timestamp": TIME,
        "message": "10:00 WARN  disk almost full",
        "log.level": "warning",
        "service.name": "web-shop",
        "event.created": TIME,
        "container.id": CONTAINER.id,
        "container.name": "demo-web-shop-1",
        "container.image.name": "shop:1",
        "labels.sandbox_project": "demo",
        "data_stream.type": "logs",
        "data_stream.dataset": "web_shop",
        "data_stream.namespace": "sandbox",
    }


def test_json_line_keeps_its_fields_time_and_service() -> None:
    line = {"@timestamp": "2026-11-24T09:59:59.5+00:00", "log": {"level": "ERROR"}, "message": "no", "n": 1,
            "service.name": "other"}  # fmt: skip
    found = made(json.dumps(line))
    assert found["@timestamp"] == "2026-11-24T09:59:59.5+00:00"
    assert (found["log.level"], found["message"], found["n"], found["service.name"]) == ("error", "no", 1, "other")
    assert found["event.created"] == TIME


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ('{"level":"warn","msg":"m"}', "log.level", "warning"),
        ('{"level":"warn","msg":"m"}', "message", "m"),
        ('{"time":1795514400.5,"message":"m"}', "@timestamp", "2026-11-24"),
        ('{"ts":1795514400500,"message":"m"}', "@timestamp", "2026-11-24"),
        ('{"time":"noon","message":"m"}', "@timestamp", TIME),
        ('{"message":{"a":1}}', "message", '{"message":{"a":1}}'),
        ('{"broken":', "message", '{"broken":'),
        ("[1,2]", "message", "[1,2]"),
        ("", "message", ""),
        ('time=x level=ERROR msg="y"', "log.level", "error"),
        ("[2026] a/INFO/locust.main: started", "log.level", "info"),
        ("login with password=hunter2 done", "message", "login with password=[redacted] done"),
        ('{"message":"Authorization: Bearer abcdefghijkl"}', "message", "Authorization: Bearer [redacted]"),
        ("key AKIAABCDEFGHIJKLMNOP used", "message", "key [redacted] used"),
    ],
)
def test_field(text: str, field: str, value: str) -> None:
    assert made(text)[field].startswith(value)


def test_line_without_a_level_has_none() -> None:
    assert "log.level" not in made("information about errors")


def test_same_line_has_the_same_id_and_another_does_not() -> None:
    first, again = document(Line(CONTAINER, TIME, "x"), "demo")[1], document(Line(CONTAINER, TIME, "x"), "demo")[1]
    others = [Line(CONTAINER, TIME, "y"), Line(CONTAINER, TIME[:-2] + "8Z", "x")]
    assert first == again
    assert len({first, *(document(line, "demo")[1] for line in others)}) == 3


def test_refused_line_is_kept_as_text() -> None:
    kept = plain(made('{"message":"\\ud800","user":"x"}'), "user is an object")
    assert kept["tags"] == ["refused"]
    assert "user" in kept["message"]
    json.dumps(kept, ensure_ascii=False).encode()


def test_seconds() -> None:
    assert seconds("1970-01-01T00:00:01.5Z") == 1.5
    assert seconds("1970-01-01T00:00:01Z") == 1
    assert seconds("1970-01-01T00:00:01.000001999Z") == 1.000001


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


def test_lines_are_put_together_from_frames(engine: Engine) -> None:
    engine.frames = [
        frame(1, f"{TIME} one\n"), frame(1, f"{TIME} begun "), frame(2, f"{TIME} err\r\n"), frame(1, f"{TIME} ended\n"),
        frame(1, f"{TIME} \n"), frame(1, f"{TIME} ünï\n"), frame(2, f"{TIME} last"),
    ]  # fmt: skip
    lines = list(Docker(engine.path).lines(CONTAINER, "0"))
    assert [line.text for line in lines] == ["one", "err", "begun ended", "", "ünï", "last"]


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
def run(engine: Engine, store: Store, tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Starts the real program between the two."""
    environ = {
        **os.environ,
        "SHIPPER_PROJECT": "demo",
        "SHIPPER_PASSWORD": "x",
        "SHIPPER_URL": f"http://127.0.0.1:{store.server_port}",
        "SHIPPER_SOCKET": engine.path,
        "SHIPPER_ALIVE": str(tmp_path / "alive"),
    }
    started = []
    yield lambda: started.append(subprocess.Popen([sys.executable, "-m", "shipper"], cwd=APP, env=environ))
    for process in started:
        process.terminate()
        assert process.wait(10) == 0


def wait_for(store: Store, count: int) -> list[str]:
    for _ in range(400):
        if len(store.documents) >= count:
            break
        time.sleep(0.025)
    return [found["message"] for found in store.documents.values()]


def test_lines_arrive_once_though_the_store_fails_at_first(engine: Engine, store: Store, run: Run) -> None:
    engine.frames = [frame(1, f"2026-11-24T10:00:00.{n:09}Z line {n}\n") for n in range(500)]
    store.failures = [503, 429]
    run()
    assert wait_for(store, 500) == [f"line {n}" for n in range(500)]


def test_reading_goes_on_where_the_store_is(engine: Engine, store: Store, run: Run) -> None:
    store.newest = 1_795_514_400_000.0
    engine.frames = [frame(1, f"{TIME} x\n")]
    run()
    wait_for(store, 1)
    [asked] = [path for path in engine.asked if "/logs" in path]
    since = float(asked.partition("since=")[2])
    assert 1_795_514_400 - 60 <= since < 1_795_514_400 or since <= time.time() - 29


def test_refused_line_arrives_as_text(engine: Engine, store: Store, run: Run) -> None:
    store.refuse = "user"
    engine.frames = [frame(1, f'{TIME} {{"message":"a","user":1}}\n'), frame(1, f'{TIME} {{"message":"b"}}\n')]
    run()
    messages = wait_for(store, 2)
    assert "b" in messages
    assert [found["tags"] for found in store.documents.values() if "tags" in found] == [["refused"]]
