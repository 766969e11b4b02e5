"""`make verify-grafana` on a stand-in that answers as Grafana's API does: it sees what is wrong, and only that."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import promql_parser
import pytest

from ..dashboards import FILES, promql, read
from ..verify_grafana import Grafana, findings, main

SOURCES = [{"type": "prometheus", "uid": "prometheus"}, {"type": "elasticsearch", "uid": "elasticsearch"}]
DASHBOARDS = {read(path)["uid"]: read(path) for path in FILES}


def misunderstood(body: dict[str, Any], query: dict[str, Any]) -> str:
    """What Grafana 12 would not understand of a query."""
    if not (body["from"].startswith("now-") and body["to"] == "now"):
        return "no range of time"
    if query["datasource"] not in SOURCES:
        return f"unknown data source {query['datasource']}"
    if query["datasource"]["type"] == "elasticsearch":
        histogram = [bucket["type"] for bucket in query["bucketAggs"]][-1:] == ["date_histogram"]
        return "" if histogram or query["metrics"][0]["type"] == "logs" else "a series needs a date_histogram, last"
    try:
        promql_parser.parse(promql(query["expr"]))
    except ValueError as error:
        return f"bad_data: {error}"
    return "" if query.get("instant") or query.get("range") else "neither instant nor range"


class StandIn:
    """Grafana's API over our files. `change` maps a path, or a query's expression, to another answer."""

    def __init__(self) -> None:
        self.change: dict[str, tuple[int, Any]] = {}
        self.queries: list[dict[str, Any]] = []
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "null")
                path = self.path.partition("?")[0]
                status, data = stand_in.change.get(path) or stand_in.says(path, body)
                content = json.dumps(data).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = answer

            def log_message(self, *args: object) -> None:
                """Tests are quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"

    def says(self, path: str, body: Any) -> tuple[int, Any]:
        if path == "/api/health":
            return 200, {"database": "ok"}
        if path == "/api/search":
            return 200, [{"uid": uid, "folderUid": "sandbox"} for uid in DASHBOARDS]
        if path.startswith("/api/dashboards/uid/"):
            return 200, {"meta": {}, "dashboard": DASHBOARDS[path.rpartition("/")[2]]}
        if path.endswith("/health"):
            return 200, {"status": "OK"}
        if path == "/api/ds/query":
            [query] = body["queries"]
            self.queries.append(query)
            if wrong := misunderstood(body, query):
                return 400, {"message": wrong}
            frame = {"schema": {"fields": []}, "data": {"values": [[1], [2.0]]}}
            status, result = self.change.get(query.get("expr", "")) or (200, {"status": 200, "frames": [frame]})
            return status, {"results": {query["refId"]: result}}
        return 404, {"message": "Not found"}


@pytest.fixture
def grafana() -> Iterator[StandIn]:
    stand_in = StandIn()
    thread = threading.Thread(target=stand_in.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield stand_in
    stand_in.server.shutdown()
    stand_in.server.server_close()
    thread.join()


def wrong(grafana: StandIn) -> dict[str, str]:
    return {place: problem for place, problem in findings(Grafana(grafana.url)) if problem}


def test_grafana_that_is_well(grafana: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(grafana.url) == 0
    assert capsys.readouterr().out.endswith("all is well\n")
    asked = {query.get("expr", "") for query in grafana.queries}
    assert any("$__rate_interval" in expression for expression in asked)  # Grafana's to fill in
    assert not any("$service" in expression for expression in asked)  # people's to choose
    targets = sum(len(panel.get("targets", [])) for d in DASHBOARDS.values() for panel in d["panels"])
    assert len(grafana.queries) == targets


@pytest.mark.parametrize(
    ("change", "place", "problem"),
    [
        ({"/api/health": (503, {"database": "failing"})}, "health", "status 503"),
        ({"/api/search": (200, [])}, "dashboard overview", "Grafana does not have it"),
        (
            {"/api/dashboards/uid/overview": (200, {"dashboard": {"panels": []}})},
            "dashboard overview: panels",
            "is right",
        ),
        (
            {"/api/datasources/uid/prometheus/health": (400, {"message": "plugin gone"})},
            "dashboard overview: data source prometheus",
            "plugin gone",
        ),
        (
            {"probe_success": (200, {"status": 200, "frames": []})},
            "dashboard overview: Services as users see them: A",
            "no data",
        ),
        (
            {"probe_success": (400, {"status": 400, "error": "bad_data"})},
            "dashboard overview: Services as users see them: A",
            "bad_data",
        ),
        ({"/api/ds/query": (200, {"other": 1})}, "dashboard overview: CPU: A", "another shape"),
    ],
)
def test_what_is_wrong_is_named(grafana: StandIn, change: dict[str, Any], place: str, problem: str) -> None:
    grafana.change = change
    assert problem in wrong(grafana)[place]


def test_panel_that_may_be_empty_may_be_empty(grafana: StandIn) -> None:
    alerts = next(panel for panel in DASHBOARDS["overview"]["panels"] if panel["title"] == "Alerts")
    grafana.change = {alerts["targets"][0]["expr"]: (200, {"status": 200, "frames": []})}
    assert wrong(grafana) == {}


def test_panel_of_a_service_that_was_not_chosen_may_be_empty(grafana: StandIn) -> None:
    nothing = (200, {"status": 200, "frames": []})
    grafana.change = {"probe_success": nothing, 'up{job="blackbox-exporter"}': nothing}
    assert wrong(grafana) == {}


def test_no_grafana_at_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main("http://127.0.0.1:1") == 1
    assert "WRONG health" in capsys.readouterr().out
