"""Whether the process behind a label still runs, told by what no later process can repeat."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import owner


def test_we_are_alive() -> None:
    assert not owner.is_gone(owner.label())


def test_process_is_alive_until_it_ends() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        label = owner.label(process.pid)
        assert not owner.is_gone(label)
        process.kill()
    assert owner.is_gone(label)


def test_ended_process_that_nobody_waited_for_is_gone() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        label = owner.label(process.pid)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert owner.is_gone(label)


def test_later_process_with_the_same_number_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    label = owner.label()
    monkeypatch.setattr(owner, "_began", lambda pid: "later")
    assert owner.is_gone(label)


def test_everything_from_before_the_last_boot_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    label = owner.label()
    monkeypatch.setattr(owner, "_boot", lambda: "another")
    assert owner.is_gone(label)


@pytest.mark.parametrize("place", ["elsewhere/402", "{computer}/1"], ids=["another computer", "another container"])
def test_what_runs_elsewhere_is_left_alone(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    computer = owner._place().partition("/")[0]
    monkeypatch.setattr(owner, "_began", lambda pid: "")
    label = owner.label().replace(owner._place(), place.format(computer=computer))
    assert not owner.is_gone(label)


def test_what_is_no_label_is_left_alone() -> None:
    assert not owner.is_gone("")
    assert not owner.is_gone("somebody")


def test_without_proc_the_words_of_ps_are_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(owner, "NAMESPACE", tmp_path / "none")
    monkeypatch.setattr(owner, "BOOT", tmp_path / "none")
    monkeypatch.setattr(owner.processes, "output", lambda command, seconds: f"Tue {command[-1]}\n")
    label = owner.label(7)
    assert label.endswith(" 7 Tue 7")
    assert not owner.is_gone(label)
    monkeypatch.setattr(owner.processes, "output", lambda command, seconds: "")
    assert owner.is_gone(label)
