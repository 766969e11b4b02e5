"""The line of a preflight, on its way through chat windows to the trainer's table."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from sandbox import catalogue, diagnosis, host
from sandbox.catalogue import Catalogue
from sandbox.cli import root
from sandbox.diagnosis import Finding
from sandbox.errors import EngineError
from sandbox.model import EngineInfo
from sandbox.preflight import collect, line, summary
from sandbox.resources import compose_folder, configs_folder
from tests.fake_engine import FakeEngine

GOOD = [Finding("engine", "ok", "27.1.0"), Finding("memory", "ok", "7.6 GB for Docker, 4 CPUs")]
FIXABLE = [*GOOD, Finding("disk", "fail", "0.2 GB free", "free some space")]
HOPELESS = [Finding("engine", "ask", "this user may not"), Finding("disk", "warn", "3.0 GB free")]


@pytest.fixture
def known() -> Catalogue:
    return catalogue.read(compose_folder(), configs_folder())


@pytest.mark.parametrize(
    ("findings", "severity", "problems"), [(GOOD, 0, ""), (FIXABLE, 1, "disk"), (HOPELESS, 2, "engine,disk")]
)
def test_line_is_understood(findings: list[Finding], severity: int, problems: str) -> None:
    (attendee,), corrupted = collect([line(findings)])
    assert (attendee.severity, attendee.problems, corrupted) == (severity, problems, [])
    assert attendee.memory == ("7.6-GB" if findings is not HOPELESS else "")


@pytest.mark.parametrize("around", ["> {}", "  `{}`  ", "Ana: {} thanks!", "\ufeff{}", "{}\r\n"])
def test_line_survives_what_chats_add(around: str) -> None:
    attendees, corrupted = collect([around.format(line(GOOD))])
    assert (len(attendees), corrupted) == (1, [])


def test_damaged_lines_are_named_and_others_count() -> None:
    whole = line(GOOD)
    lines = ["hello", whole, whole.replace("27.1", "28.1"), whole[:-4], whole.replace("sum=", "sam="), ""]
    attendees, corrupted = collect(lines)
    assert len(attendees) == 1
    assert [bad.number for bad in corrupted] == [3, 4, 5]
    assert "checksum" in corrupted[0].reason
    assert summary(attendees, corrupted) == "1 attendee: 1 ready; 3 corrupted lines"


def test_every_flipped_character_is_noticed() -> None:
    whole = line(GOOD)
    for index, character in enumerate(whole):
        other = "x" if character != "x" else "y"
        attendees, _ = collect([whole[:index] + other + whole[index + 1 :]])
        assert attendees == [], whole[:index]


def test_the_last_line_of_a_computer_counts_and_the_worst_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [line(FIXABLE), line(GOOD)]
    monkeypatch.setattr("platform.node", lambda: "another")
    lines.append(line(HOPELESS))
    attendees, _ = collect(lines)
    assert [attendee.severity for attendee in attendees] == [2, 0]


def test_line_tells_nothing_of_the_person(tmp_path: Path) -> None:
    text = line([*GOOD, Finding("folder", "fail", str(tmp_path), "x"), Finding("proxy", "ok", "HTTP_PROXY")])
    assert str(tmp_path) not in text
    assert str(Path.home()) not in text
    assert len(text) < 400


@pytest.fixture
def deaf(tmp_path: Path) -> Iterator[str]:
    """An engine's socket that takes questions and never answers."""
    path = tmp_path / "deaf.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        yield f"unix://{path}"


def test_engine_that_hangs_is_a_finding(known: Catalogue, tmp_path: Path, deaf: str) -> None:
    code = (
        "from sandbox import catalogue, diagnosis, engine, resources; from pathlib import Path;"
        "known = catalogue.read(resources.compose_folder(), resources.configs_folder());"
        "found = diagnosis.examine(known, engine.ComposeEngine(), Path('.'), 1.0); print(found[-1].found)"
    )
    environ = {"DOCKER_HOST": deaf, "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    checkout = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, cwd=checkout, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stdout == "no answer within 1 s\n", done.stderr


class Told(FakeEngine):
    """An engine that says of itself what a test wants."""

    def __init__(self, **said: object) -> None:
        super().__init__()
        self.said = said

    def info(self) -> EngineInfo:
        return replace(super().info(), **self.said)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "name", "status"),
    [
        ({}, "engine", "ok"),
        ({"version": "20.10.1"}, "engine", "fail"),
        ({"version": ""}, "engine", "fail"),
        ({"memory": 1024**3}, "memory", "warn"),
        ({"time": 1.0}, "clock", "fail"),
        ({"time": None}, "clock", "ok"),
    ],
)
def test_findings(known: Catalogue, tmp_path: Path, said: dict[str, object], name: str, status: str) -> None:
    now = {key: time.time() if value is None else value for key, value in said.items()}
    findings = {f.name: f for f in diagnosis.examine(known, Told(**now), tmp_path)}
    assert findings[name].status == status
    assert bool(findings[name].fix) == (status != "ok")


def test_a_clock_in_the_past_is_a_finding(known: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.diagnosis.time.time", lambda: 1_000_000.0)
    findings = {f.name: f for f in diagnosis.examine(known, FakeEngine(), tmp_path)}
    assert findings["clock"].status == "fail"


def test_a_folder_that_cannot_be_written_is_a_finding(known: Catalogue) -> None:
    findings = {f.name: f for f in diagnosis.examine(known, FakeEngine(), Path("/proc/sandbox"))}
    assert findings["folder"].status == "fail"


@pytest.mark.parametrize(("may", "severity"), [(True, 1), (False, 2)])
def test_no_engine_is_mended_by_root_and_asked_of_others(
    known: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, may: bool, severity: int
) -> None:
    monkeypatch.setattr(host, "is_root", lambda: may)
    engine = FakeEngine()
    engine.running = False
    findings = diagnosis.examine(known, engine, tmp_path)
    assert diagnosis.severity(findings) == severity


def test_an_unforeseen_error_is_not_swallowed(known: Catalogue, tmp_path: Path) -> None:
    class Broken(FakeEngine):
        def info(self) -> EngineInfo:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        diagnosis.examine(known, Broken(), tmp_path)


def test_a_docker_group_is_advised(known: Catalogue, tmp_path: Path) -> None:
    class Refusing(FakeEngine):
        def info(self) -> EngineInfo:
            raise EngineError("may not", "add the user to the docker group")

    assert diagnosis.examine(known, Refusing(), tmp_path)[-1].fix == "add the user to the docker group"


def test_the_command_line_collects_from_a_file_with_windows_line_ends(tmp_path: Path) -> None:
    (tmp_path / "chat.txt").write_bytes(f"\ufeff{line(GOOD)}\r\n{line(GOOD)[:80]}\r\n".encode())
    done = CliRunner().invoke(root, ["preflight", "--collect", str(tmp_path / "chat.txt")])
    assert done.exit_code == 1
    assert "ready" in done.stdout
    assert "line 2 is corrupted (it is not whole)" in done.stderr


def test_the_command_line_ends_in_the_line() -> None:
    command, checkout = [sys.executable, "-m", "sandbox", "preflight"], Path(__file__).parents[2]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=60, check=False)
    (attendee,), corrupted = collect([done.stdout.splitlines()[-1]])
    assert (done.returncode, corrupted) == (attendee.severity, [])
    assert done.returncode > 0, "unit tests reach no engine"
