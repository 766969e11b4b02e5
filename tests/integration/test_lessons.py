"""Each lesson from start to end: first every check fails, then each solution makes its step pass."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.engine import ComposeEngine
from sandbox.errors import SandboxError
from sandbox.labs import checks
from sandbox.labs.lab import PATIENCE, PROGRESS, Lab
from sandbox.labs.lessons import Check, Lesson, Step, read_all
from sandbox.resources import labs_folder
from sandbox.sandbox import Sandbox

from .conftest import PROJECT, Run

LESSONS = read_all(labs_folder())


@pytest.fixture
def lab(stack: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    lab = Lab(Sandbox(PROJECT, home, ComposeEngine(), lambda event: None), LESSONS)
    yield lab
    if (lab.folder / PROGRESS).exists():
        lab.clean(lab.current()[0])


def failing(lab: Lab, step: Step) -> list[bool]:
    lesson, progress, _ = lab.current()
    return [not seen.passed for seen in checks.ask(step, lab.sandbox, lab.work(lesson), progress.since)]


def start(lab: Lab, name: str) -> Lesson:
    """Skips, with words, what this computer has no programs for: Terraform's provider comes from its own registry."""
    try:
        return lab.start(name)
    except SandboxError as error:
        if name == "terraform" and ("not installed" in error.message or "provider cannot be had" in error.message):
            pytest.skip(error.message.splitlines()[-1])
        raise


@pytest.mark.parametrize("name", LESSONS)
def test_every_check_fails_first_and_its_solution_passes(lab: Lab, name: str) -> None:
    lesson = start(lab, name)
    deadline = time.monotonic() + PATIENCE  # what the set-up broke takes a moment to show
    while left := [s.name for s in lesson.steps if not all(failing(lab, s))]:
        assert time.monotonic() < deadline, f"passes before it is solved: {left}"
        time.sleep(1)
    for step in lesson.steps:
        done, seen = lab.solve()
        assert done == step
        assert [item for item in seen if not item.passed] == []
        assert all(item.saw for item in seen)
    assert lab.current()[2] is None


def test_the_command_line_leads_through_a_lesson(stack: Run) -> None:
    assert "no lesson is started" in stack("lab", "status").stderr
    started = stack("lab", "start", "first-look")
    assert started.returncode == 0, started.stderr
    assert "## 1. Buy something" in started.stdout
    failed = stack("lab", "check")
    assert failed.returncode == 1
    assert "✗ order.txt holds the id of your order\n    there is no file" in failed.stdout
    assert "order is not known yet" in failed.stdout
    assert [stack("lab", "hint").stdout for _ in range(4)][2:] == [stack("lab", "hint").stdout] * 2
    assert "curl" in stack("lab", "solve", "--show").stdout
    solved = stack("lab", "solve")
    assert solved.returncode == 0, solved.stderr
    assert "## 2. Store something" in solved.stdout
    status = json.loads(stack("lab", "status", "--json").stdout)
    assert (status["current"], [step["done"] for step in status["steps"]]) == ("bucket", [True, False, False])
    gone = stack("lab", "goto", "3")
    assert gone.returncode == 0, gone.stderr
    assert json.loads(stack("lab", "status", "--json").stdout)["current"] == "visitors"
    assert stack("lab", "goto", "vistors").stderr.startswith("error: first-look has no step vistors, did you mean")
    began = time.monotonic()
    assert stack("lab", "reset").returncode == 0
    print(f"reset in {time.monotonic() - began:.1f} s")
    assert json.loads(stack("lab", "status", "--json").stdout)["current"] == "order"


@pytest.mark.parametrize(
    ("check", "passed"),
    [
        (Check("aws", {"service": "s3", "operation": "list_buckets", "expect": "Buckets"}, "x"), True),
        (Check("aws", {"service": "s3", "operation": "list_buckets", "expect": "Nothing"}, "x"), False),
        (
            Check("aws", {"service": "s3", "operation": "head_bucket", "with": {"Bucket": "no"}, "expect": "@"}, "x"),
            False,
        ),
        (Check("command", {"service": "storefront", "run": ["echo", "hello"], "contains": "hello"}, "x"), True),
        (Check("command", {"service": "storefront", "run": ["false"]}, "x"), False),
        (Check("command", {"service": "nothing", "run": ["true"]}, "x"), False),
        (Check("promql", {"query": "sum("}, "x"), False),
        (Check("promql", {"query": "vector(2)", "above": 1, "below": 3}, "x"), True),
        (Check("http", {"service": "storefront", "path": "/none"}, "x"), False),
        (Check("search", {"query": "no-such-word-anywhere"}, "x"), False),
        (Check("build", {"job": "hello", "number": "lastSuccessfulBuild"}, "x"), False),  # built before the lesson
        (Check("build", {"job": "nothing"}, "x"), False),
    ],
)
def test_each_kind_of_check_says_what_it_saw(lab: Lab, check: Check, passed: bool) -> None:
    if check.kind == "aws":
        lab.start("first-look")
        lab._run(LESSONS["first-look"], "solve/bucket.sh")
    (seen,) = checks.ask(Step("s", "S", "", (check,), ()), lab.sandbox, lab.folder, time.time())
    assert seen.passed == passed, seen.saw
    assert seen.saw
