"""Lessons as files: mistakes are named with their line, Windows line ends do no harm, progress survives."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from sandbox.errors import ConfigurationError, SandboxError, UsageError
from sandbox.labs import checks
from sandbox.labs.lab import Lab
from sandbox.labs.lessons import Check, Step, read_all
from sandbox.model import ContainerState
from sandbox.resources import compose_folder, labs_folder
from sandbox.sandbox import Sandbox
from tests.fake_engine import FakeEngine

STEPS = """\
title: Try
minutes: 1
needs: [web]
steps:
  - name: one
    checks:
      - wanted: a file
        file: {path: one.txt, matches: '^(?P<word>o.*e)$'}
      - wanted: the same word in another file
        file: {path: two.txt, matches: '{word}'}
    hints: [first, second]
  - name: two
    checks: [{wanted: it prints, command: {service: web, run: [echo, hello], contains: hell}}]
"""
TEXT = "# Try\n\nIntro.\n\n## Step one\n\nDo it.\n\n## Step two\n\nAnd this.\n"


def write(folder: Path, steps: str = STEPS, text: str = TEXT, ends: str = "\n") -> Path:
    lesson = folder / "lessons" / "try"
    (lesson / "solve").mkdir(parents=True, exist_ok=True)
    files = {
        "steps.yml": steps,
        "lesson.md": text,
        "setup.sh": "echo set >setup.txt\n",
        "solve/one.sh": "for name in one two; do\n  echo one >$name.txt\ndone\n",
        "solve/two.sh": "true\n",
    }
    for name, content in files.items():
        (lesson / name).write_text(content, newline=ends)
    return folder / "lessons"


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    engine = FakeEngine()
    engine.states["1"] = ContainerState(
        "1", "p-web-1", "web", "web", "p", "running", "healthy", 0, "x:1", str(tmp_path), {}
    )
    (tmp_path / "home" / "p").mkdir(parents=True)
    return Sandbox("p", tmp_path / "home", engine, lambda event: None)


@pytest.fixture
def lab(tmp_path: Path, sandbox: Sandbox) -> Lab:
    return Lab(sandbox, read_all(write(tmp_path)))


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_lesson_goes_from_start_to_end(tmp_path: Path, sandbox: Sandbox, ends: str) -> None:
    lab = Lab(sandbox, read_all(write(tmp_path, ends=ends)))
    lesson = lab.start("try")
    assert (lesson.intro, [step.title for step in lesson.steps]) == ("Intro.", ["Step one", "Step two"])
    assert (lab.work(lesson) / "setup.txt").read_text() == "set\n"
    _, seen = lab.check()
    assert [item.passed for item in seen] == [False, False]
    assert "there is no file" in seen[0].saw
    assert seen[1].saw == "word is not known yet: see above"
    _, seen = lab.solve()
    assert [item.passed for item in seen] == [True, True]
    again = Lab(sandbox, lab.lessons)
    assert again.progress().done == ["one"]
    assert all(item.passed for item in again.check()[1])
    assert again.current()[2] is None
    with pytest.raises(UsageError, match="try is finished"):
        again.check()


def test_hints_come_one_by_one_and_the_console_shows_those_that_came(lab: Lab) -> None:
    lesson = lab.start("try")
    page = lab.sandbox.workspace.folder / "contributions/lessons/lesson.json"
    assert json.loads(page.read_text())["steps"][0]["hints"] == []
    assert [lab.hint() for _ in range(3)] == [("first", 1), ("second", 0), ("second", 0)]
    shown = json.loads(page.read_text())
    assert (shown["title"], shown["current"], shown["steps"][0]["hints"]) == ("Try", "one", ["first", "second"])
    lab.clean(lesson)
    assert not page.exists()


def test_goto_solves_what_is_before_and_reset_puts_files_aside(lab: Lab) -> None:
    said: list[str] = []
    lab.sandbox.say = lambda event: said.append(event.text)
    lesson = lab.start("try")
    (lab.work(lesson) / "mine.txt").write_text("mine")
    assert lab.goto("2").name == "two"
    assert lab.progress().done == ["one"]
    assert (lab.work(lesson) / "two.txt").exists()
    lab.reset()
    assert lab.progress().done == []
    assert not (lab.work(lesson) / "two.txt").exists()
    kept = [Path(text.rpartition(" ")[2]) for text in said if "are kept in" in text]
    assert (kept[0] / "mine.txt").read_text() == "mine"
    assert (kept[1] / "two.txt").exists()


def test_goto_takes_the_quick_way_of_a_lesson(tmp_path: Path, lab: Lab) -> None:
    quick = tmp_path / "lessons/try/goto/one.sh"
    quick.parent.mkdir()
    quick.write_text("echo quick >quick.txt\n")
    lesson = lab.start("try")
    lab.goto("two")
    assert (lab.work(lesson) / "quick.txt").exists()
    assert not (lab.work(lesson) / "one.txt").exists()


def test_another_lesson_takes_back_what_the_one_before_did(tmp_path: Path, sandbox: Sandbox) -> None:
    folder = write(tmp_path)
    shutil.copytree(folder / "try", folder / "other")
    (folder / "try" / "clean.sh").write_text(f"echo cleaned >{tmp_path}/cleaned.txt\n")
    lab = Lab(sandbox, read_all(folder))
    lab.start("try")
    (tmp_path / "cleaned.txt").unlink()
    lab.start("other")
    assert (tmp_path / "cleaned.txt").exists()


def test_answers_from_windows_editors_are_read(lab: Lab) -> None:
    lesson = lab.start("try")
    (lab.work(lesson) / "one.txt").write_bytes("\ufeffone\r\n".encode())
    assert lab.check()[1][0].passed


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ("title", "titel", 'steps.yml:1: unknown key titel, did you mean "title"'),
        ("  - name: two", "  - nam: two", "a step needs a name"),
        ("file: {path: two.txt", "fil: {path: two.txt", "a check has `wanted:` and one of"),
        ("service: web, run", "servic: web, run", "command needs service"),
        ("name: two", "name: three", "there is no solve/three.sh"),
        ("  - name: two\n    checks", "  - name: two\n    check", "a step needs a name"),
        (
            "command: {service: web, run: [echo, hello], contains: hell}",
            "http: {service: web, expect: '['}",
            "JMESPath",
        ),
        (STEPS, "steps: 3", "must hold `steps:`"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, was: str, now: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_all(write(tmp_path, STEPS.replace(was, now)))
    assert said in caught.value.message


def test_text_and_steps_must_agree(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="has 1 sections"):
        read_all(write(tmp_path, text=TEXT.partition("## Step two")[0]))


def test_what_is_not_there_is_told(lab: Lab, sandbox: Sandbox) -> None:
    with pytest.raises(UsageError, match="no lesson is started"):
        lab.check()
    with pytest.raises(UsageError, match='did you mean "try"'):
        lab.start("tri")
    assert isinstance(sandbox.engine, FakeEngine)
    sandbox.engine.states.clear()
    with pytest.raises(SandboxError, match="try needs web"):
        lab.start("try")


def test_a_program_that_is_not_there_is_told(tmp_path: Path, sandbox: Sandbox) -> None:
    lab = Lab(sandbox, read_all(write(tmp_path, STEPS.replace("minutes: 1", "programs: [no-such-program]"))))
    with pytest.raises(SandboxError, match="try needs no-such-program, not installed here"):
        lab.start("try")


def test_broken_progress_is_told(lab: Lab) -> None:
    lab.start("try")
    (lab.folder / "progress.json").write_text("{")
    with pytest.raises(SandboxError, match="cannot be read"):
        lab.check()


def test_no_write_access_is_told(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **more: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(SandboxError, match=r"labs/try cannot be written: Permission denied") as caught:
        lab.start("try")
    assert "whose it is" in caught.value.hint


def test_a_clock_that_was_put_back_does_no_harm(lab: Lab) -> None:
    lab.start("try")
    step = Step("s", "S", "", (Check("command", {"service": "web", "run": ["echo", "{elapsed}"]}, "x"),), ())
    (seen,) = checks.ask(step, lab.sandbox, lab.folder, time.time() + 3600)
    assert "ended with 0: 1" in seen.saw


def test_a_solution_that_fails_is_told_with_its_words(tmp_path: Path, lab: Lab) -> None:
    lab.start("try")
    (tmp_path / "lessons/try/solve/one.sh").write_text("echo no luck; false\n")
    with pytest.raises(SandboxError, match="no luck"):
        lab.solve()


def test_shipped_lessons_are_whole() -> None:
    lessons = read_all(labs_folder())
    assert list(lessons) == [
        "autoscaling",
        "canary-that-fails",
        "first-look",
        "incident",
        "metrics-and-an-alert",
        "pipeline-from-nothing",
        "read-the-logs",
        "terraform",
    ]
    services = {path.stem for path in compose_folder().glob("*.yml")}
    for lesson in lessons.values():
        assert lesson.summary.endswith(".")
        assert lesson.intro
        assert set(lesson.needs) <= services
        assert all(step.hints and step.text for step in lesson.steps)


def test_unknown_names_in_a_check_stay_as_they_are() -> None:
    assert checks._filled({"a": ["{x} {y}"]}, {"x": "1"}) == {"a": ["1 {y}"]}
