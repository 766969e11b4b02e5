"""The progress board: it hears those who opted in, refuses nonsense, and never stops anybody from learning."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from sandbox.errors import SandboxError, UsageError
from sandbox.labs.board import Board, Report, Standing
from sandbox.labs.lab import Lab
from sandbox.labs.lessons import read_all
from sandbox.sandbox import Sandbox
from tests.unit.test_lessons import sandbox, write  # noqa: F401 - the fixture of a sandbox with a service `web`


@pytest.fixture
def board() -> Iterator[Board]:
    board = Board("127.0.0.1", 0)
    threading.Thread(target=board.serve, daemon=True).start()
    yield board
    board.close()


@pytest.fixture
def lab(tmp_path: Path, sandbox: Sandbox) -> Lab:  # noqa: F811
    return Lab(sandbox, read_all(write(tmp_path)))


def get(board: Board, path: str) -> str:
    with urlopen(board.url + path, timeout=5) as answer:
        return str(answer.read().decode())


def test_only_who_opts_in_is_seen(board: Board, lab: Lab) -> None:
    lab.start("try")
    assert json.loads(get(board, "/progress")) == []
    lab.sharing.begin(board.url, "A <b>", lab.standing())
    lab.solve()
    (row,) = json.loads(get(board, "/progress"))
    assert {key: row[key] for key in ("name", "lesson", "done", "steps", "current", "hints")} == {
        "name": "A <b>",
        "lesson": "try",
        "done": 1,
        "steps": 2,
        "current": "two",
        "hints": 0,
    }
    page = get(board, "/")
    assert "A &lt;b&gt;" in page
    assert f"sandbox lab share {board.url} --name YOURNAME" in page
    again = Lab(lab.sandbox, lab.lessons)
    assert again.sharing.url == board.url
    again.sharing.end()
    again.check()
    assert json.loads(get(board, "/progress"))[0]["done"] == 1


def test_a_board_that_is_away_is_told_and_stops_nobody(lab: Lab) -> None:
    board = Board("127.0.0.1", 0)
    threading.Thread(target=board.serve, daemon=True).start()
    lab.sharing.begin(board.url, "me", lab.standing())
    board.close()
    said: list[str] = []
    lab.sandbox.say = lambda event: said.append(event.text)
    lab.start("try")
    assert all(item.passed for item in lab.solve()[1])
    assert any(f"the board at {board.url} was not told" in text for text in said)
    with pytest.raises(SandboxError, match="was not told"):
        lab.sharing.begin(board.url, "me", lab.standing())


@pytest.mark.parametrize("url", ["192.168.1.10:5002", "ftp://x", "http://", "http://x/y"])
def test_what_is_no_address_of_a_board_is_refused(lab: Lab, url: str) -> None:
    with pytest.raises(UsageError, match="no address of a board"):
        lab.sharing.begin(url, "me", lab.standing())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{",
        b'{"id": "0123456789abcdef", "name": "x"}',
        b'{"id": "0123456789abcdef", "name": "", "standing": {"lesson": "x"}}',
        b'{"id": "no", "name": "x", "standing": {"lesson": "x"}}',
        b'{"id": "0123456789abcdef", "name": "x", "standing": {"lesson": "x", "done": 3, "steps": 2}}',
        b'{"id": "0123456789abcdef", "name": "x", "standing": {"lesson": "x", "more": 1}}',
        b" " * 10_000,
    ],
)
def test_nonsense_is_refused(board: Board, data: bytes) -> None:
    with pytest.raises(HTTPError, match="400"):
        urlopen(Request(f"{board.url}/progress", data), timeout=5)
    assert board.rows() == []


def test_two_of_one_name_are_two_and_the_board_has_an_end(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    for id in ("0" * 16, "1" * 16, "1" * 16):
        board.take(Report(id, "Kim", Standing("try", 1, 2)))
    assert len(board.rows()) == 2
    monkeypatch.setattr("sandbox.labs.board.MOST", 2)
    with pytest.raises(ValueError, match="full"):
        board.take(Report("2" * 16, "Lee", Standing("try", 1, 2)))


def test_a_port_that_is_taken_is_told(board: Board) -> None:
    with pytest.raises(SandboxError, match="cannot listen at 127"):
        Board("127.0.0.1", int(board.url.rpartition(":")[2]))
