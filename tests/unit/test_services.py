"""The fixtures' clients against small servers that answer as the services are documented to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from sandbox.errors import SandboxError
from sandbox.testing.services import Alerts, Ci, Grafana, Logstore, Prometheus

Answer = tuple[int, dict[str, str], Any]


class Server:
    """Answers by `answers["GET /path"]`, a value or a function of the request; `asked` is what came."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[tuple[str, dict[str, str], dict[str, list[str]], bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                parts = urlsplit(self.path)
                outer.asked.append((f"{self.command} {parts.path}", dict(self.headers), parse_qs(parts.query), body))
                answer = outer.answers.get(f"{self.command} {parts.path}", (404, {}, "not here"))
                status, headers, data = answer() if callable(answer) else answer
                text = data if isinstance(data, str) else json.dumps(data)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            do_POST = do_GET

            def log_message(self, *arguments: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://localhost:{self.http.server_address[1]}"

    # What the clients ask of a running sandbox:
    def base_url(self, service: str, endpoint: str = "") -> str:
        return self.url

    def login(self, service: str) -> tuple[str, str] | None:
        return "admin", "secret"


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    with server.http:
        threading.Thread(target=server.http.serve_forever, daemon=True).start()
        yield server
        server.http.shutdown()


@pytest.fixture
def client(server: Server, request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    def made(kind: Any) -> Any:
        client = kind(server, kind.__name__.lower())
        request.addfinalizer(client.close)
        return client

    return made


def in_turn(*answers: Any) -> Callable[[], Answer]:
    """The answers one after the other; the last for ever."""
    rest = list(answers)
    return lambda: (200, {}, rest.pop(0) if len(rest) > 1 else rest[0])


def vector(*values: str) -> dict[str, Any]:
    return {"data": {"resultType": "vector", "result": [{"metric": {"n": v}, "value": [1, v]} for v in values]}}


def test_prometheus_waits_until_a_series_meets_the_condition(server: Server, client: Any) -> None:
    server.answers["GET /api/v1/query"] = in_turn(vector(), vector("1"), vector("1", "7"))
    assert client(Prometheus).wait_for("x", lambda value: value > 5) == 7
    assert len(server.asked) == 3


def test_prometheus_scalars_and_errors(server: Server, client: Any) -> None:
    server.answers["GET /api/v1/query"] = (200, {}, {"data": {"resultType": "scalar", "result": [1, "2.5"]}})
    assert client(Prometheus).query("scalar(x)")[0].value == 2.5
    server.answers["GET /api/v1/query"] = (400, {}, {"error": "parse error: unexpected end"})
    with pytest.raises(SandboxError, match="parse error"):
        client(Prometheus).query("(")


def test_waiting_in_vain_shows_what_there_is(server: Server, client: Any) -> None:
    server.answers["GET /api/v1/query"] = (200, {}, vector("3"))
    with pytest.raises(AssertionError, match=r"waited 0.1 s for up; there is: .*value=3"):
        client(Prometheus).wait_for("up", lambda value: value == 0, timeout=0.1)


def test_alerts_fire_and_resolve(server: Server, client: Any) -> None:
    alert = {"labels": {"alertname": "Down", "job": "a"}, "annotations": {}, "startsAt": "2026-01-01T00:00:00Z"}
    other = {**alert, "labels": {"alertname": "Down", "job": "b"}}
    server.answers["GET /api/v2/alerts"] = in_turn([], [alert], [alert, other], [other], [])
    alerts = client(Alerts)
    assert alerts.wait_for("Down", job="b").labels["job"] == "b"
    alerts.wait_until_resolved("Down")
    assert len(server.asked) == 5


def test_logstore_asks_for_the_newest(server: Server, client: Any) -> None:
    hit = {"_source": {"message": "found"}}
    server.answers["POST /logs-*/_search"] = in_turn({"hits": {"hits": []}}, {"hits": {"hits": [hit]}})
    assert client(Logstore).wait_for("level:error") == {"message": "found"}
    body = json.loads(server.asked[-1][3])
    assert body["query"] == {"query_string": {"query": "level:error"}}
    assert body["sort"] == [{"@timestamp": {"order": "desc", "unmapped_type": "date"}}]
    assert server.asked[-1][1]["Authorization"].startswith("Basic ")


def test_grafana_tells_dashboards_and_broken_sources(server: Server, client: Any) -> None:
    server.answers["GET /api/search"] = (200, {}, [{"uid": "overview", "title": "Overview"}])
    server.answers["GET /api/datasources/uid/a/health"] = (200, {}, {"status": "OK"})
    server.answers["GET /api/datasources/uid/b/health"] = (400, {}, {"message": "refused"})
    grafana = client(Grafana)
    assert grafana.dashboards() == {"overview": "Overview"}
    assert (grafana.problem_of("a"), grafana.problem_of("b")) == ("", "refused")


def jenkins(server: Server) -> None:
    server.answers = {
        "GET /crumbIssuer/api/json": (200, {}, {"crumbRequestField": "Jenkins-Crumb", "crumb": "c"}),
        "POST /job/team/job/shop/build": (201, {"Location": f"{server.url}/queue/item/3/"}, ""),
        "POST /job/team/job/shop/buildWithParameters": (201, {"Location": f"{server.url}/queue/item/3/"}, ""),
        "GET /queue/item/3/api/json": in_turn({"why": "busy"}, {"executable": {"number": 7}}),
        "GET /job/team/job/shop/7/api/json": in_turn({"building": True}, {"building": False, "result": "UNSTABLE"}),
        "GET /job/team/job/shop/7/consoleText": (200, {}, "one\ntwo\n"),
    }


def test_ci_builds_with_parameters_to_the_end(server: Server, client: Any) -> None:
    jenkins(server)
    build = client(Ci).build("team/shop", {"BRANCH": "main"})
    assert (build.number, build.result, build.log) == (7, "UNSTABLE", "one\ntwo\n")
    assert build.url == f"{server.url}/job/team/job/shop/7/"
    asked = {path: (headers, body) for path, headers, _, body in server.asked}
    headers, body = asked["POST /job/team/job/shop/buildWithParameters"]
    assert (headers["Jenkins-Crumb"], body) == ("c", b"BRANCH=main")


def test_ci_builds_where_there_are_no_crumbs(server: Server, client: Any) -> None:
    jenkins(server)
    del server.answers["GET /crumbIssuer/api/json"]
    assert client(Ci).build("team/shop").number == 7


def test_ci_says_why_a_build_does_not_start_or_end(server: Server, client: Any) -> None:
    jenkins(server)
    server.answers["GET /job/team/job/shop/7/api/json"] = (200, {}, {"building": True})
    with pytest.raises(AssertionError, match="the end of team/shop #7; there is: one\ntwo"):
        client(Ci).build("team/shop", timeout=0.5)
    server.answers["GET /queue/item/3/api/json"] = (200, {}, {"why": "no executor is free"})
    with pytest.raises(AssertionError, match="to leave the queue; there is: no executor is free"):
        client(Ci).build("team/shop", timeout=0.1)
    server.answers["GET /queue/item/3/api/json"] = (200, {}, {"cancelled": True})
    with pytest.raises(AssertionError, match="was cancelled"):
        client(Ci).build("team/shop")
    with pytest.raises(SandboxError, match="does not build other: HTTP 404"):
        client(Ci).build("other")
