"""Lines sent into a log pipeline: batches, traces, what the command line adds, and a pipeline that cannot take more."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from sandbox import logsend
from sandbox.cli import root
from sandbox.errors import SandboxError
from sandbox.logsend import LogInput, events
from sandbox.resources import compose_folder, configs_folder


class Pipeline(HTTPServer):
    """Answers with each of `statuses` first, then 200; keeps what it took."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.taken: list[dict[str, Any]] = []
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    server: Pipeline

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        if status == 200:
            self.server.taken += body
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b"no room")

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@pytest.fixture
def pipeline() -> Iterator[Pipeline]:
    with Pipeline() as pipeline:
        thread = threading.Thread(target=pipeline.serve_forever)
        thread.start()
        yield pipeline
        pipeline.shutdown()
        thread.join()


def sending(pipeline: Pipeline) -> LogInput:
    return LogInput(f"http://127.0.0.1:{pipeline.server_port}")


def texts(*lines: str) -> list[str]:
    return [event["message"] for batch in events(lines) for event in batch]


def test_lines_are_events_and_traces_stay_together() -> None:
    trace = ["Traceback (most recent call last):", '  File "x"', "ValueError: no"]
    assert texts("one\n", "two\r\n", "", *trace, "", "three") == ["one", "two", "\n".join(trace), "three"]
    assert texts('{"a":1}', "  alone") == ['{"a":1}', "  alone"]
    assert texts("", "\n") == []


def test_lines_go_off_in_batches() -> None:
    batches = list(events(f"line {n}" for n in range(1200)))
    assert [len(batch) for batch in batches] == [500, 500, 200]
    assert [event["message"] for batch in batches for event in batch] == [f"line {n}" for n in range(1200)]


def test_line_goes_off_though_no_other_comes() -> None:
    more = threading.Event()

    def lines() -> Iterator[str]:
        yield "first"
        assert more.wait(30)
        yield "second"

    batches = events(lines())
    assert [event["message"] for event in next(batches)] == ["first"]
    more.set()
    assert [event["message"] for event in next(batches)] == ["second"]


def test_command_line_counts_more_than_the_line() -> None:
    [[plain, of_json]] = events(["x", '{"message":"y","service.name":"other","n":1}'], "till", "error")
    assert plain == {
        "message": "x", "service": {"name": "till"}, "data_stream": {"dataset": "till"}, "log": {"level": "error"},
    }  # fmt: skip
    expected = {"message": "y", "service.name": "till", "n": 1, "log.level": "error"}
    assert json.loads(of_json["message"]) == expected


def test_file_that_cannot_be_read_to_its_end_is_told() -> None:
    def lines() -> Iterator[str]:
        yield "x"
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(events(lines()))


def test_pipeline_that_cannot_take_more_is_asked_again(pipeline: Pipeline) -> None:
    pipeline.statuses = [503, 429]
    assert sending(pipeline).send(events(["a", "b"])) == 2
    assert [event["message"] for event in pipeline.taken] == ["a", "b"]


def test_pipeline_that_refuses_or_is_gone_is_named(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline.statuses = [200, 413]
    with pytest.raises(SandboxError, match=r"HTTP 413: no room \(500 lines had been taken\)"):
        sending(pipeline).send(events(f"line {n}" for n in range(600)))
    monkeypatch.setattr(logsend, "PATIENCE", 0.0)
    pipeline.statuses = [503]
    with pytest.raises(SandboxError, match="HTTP 503"):
        sending(pipeline).send(events(["a"]))
    with pytest.raises(SandboxError, match="does not answer"):
        LogInput("http://127.0.0.1:9").send(events(["a"]))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["x", "--level", "loud"], "is not one of 'trace'"),
        (["x", "--file", "/dev/null"], "either TEXT or --file"),
        (["--file", "/nowhere"], "No such file"),
    ],
)
def test_usage_errors_of_the_command(arguments: list[str], words: str) -> None:
    done = CliRunner().invoke(root, ["logs", "send", *arguments])
    assert done.exit_code == 2
    assert words in done.output


def test_all_join_traces_alike() -> None:
    """The pattern stands here, in the shipper and in Filebeat's settings: none of them can read the other's."""
    [source] = yaml.safe_load((configs_folder() / "filebeat" / "filebeat.yml").read_text())["filebeat.inputs"]
    [multiline] = [parser["multiline"] for parser in source["parsers"] if "multiline" in parser]
    assert multiline["pattern"] == f"^(?:{logsend.CONTINUED.pattern})"
    shipper = Path(compose_folder() / "apps/shipper/shipper/traces.py").read_text()
    assert logsend.CONTINUED.pattern in shipper
