"""What people and machines read."""

from __future__ import annotations

import json

import pytest

from sandbox import output
from sandbox.model import Event, Report, ServiceState

READY = ServiceState("web", "running", "healthy", True, "http://localhost:1/", ("admin", "pw"), 5 * 1024**2)
WAITING = ServiceState("db", "running", "starting", False, "", None, 0, "its health check")


def test_status_as_data_has_the_documented_shape() -> None:
    data = output.report_as_data(Report("shop", (READY, WAITING)))
    assert data["project"] == "shop"
    web, db = data["services"]
    assert list(web) == ["name", "state", "health", "ready", "url", "login", "memory", "waiting"]
    assert web["login"] == {"user": "admin", "password": "pw"}
    assert db["login"] is None


def test_status_as_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    output.report(Report("shop", (READY, WAITING)))
    out = capsys.readouterr().out
    assert "web      ready             5 MB" in out
    assert "admin / pw" in out
    assert "its health check" in out
    assert out.endswith("2 services, 5 MB\n")


def test_progress_without_a_terminal_is_plain_lines_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    with output.Progress(as_json=False) as progress:
        progress(Event("notice", text="port 1 is taken"))
        progress(Event("service", "web", "healthy", seconds=1.5))
        progress(Event("service", "web", "healthy", seconds=1.6))
        progress(Event("image", "big:1", "pulling", "5 of 10 MB", percent=50))
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "port 1 is taken\n   1.5 s  web: healthy\n"


def test_progress_as_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with output.Progress(as_json=True) as progress:
        progress(Event("image", "big:1", "pulling", percent=50.0))
        progress(Event("done", "shop", "ready"))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        {"kind": "image", "subject": "big:1", "state": "pulling", "percent": 50.0},
        {"kind": "done", "subject": "shop", "state": "ready"},
    ]
