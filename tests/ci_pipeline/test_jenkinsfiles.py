"""Every Jenkinsfile in valid/ and invalid/ says at its head what Jenkins makes of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sandbox.ci.groovy.worker import GroovyWorker
from sandbox.ci.pipeline.lint import check
from sandbox.ci.pipeline.run import execute
from tests.ci_pipeline.conftest import Building

HERE = Path(__file__).parent
VALID = sorted((HERE / "valid").glob("*.jenkinsfile"))
INVALID = sorted((HERE / "invalid").glob("*.jenkinsfile"))


def said(text: str, word: str) -> list[str]:
    return re.findall(rf"^// {word} (.*)$", text, re.MULTILINE)


@pytest.mark.parametrize("file", INVALID, ids=lambda file: file.stem)
def test_an_invalid_file_has_exactly_these_problems(file: Path, worker: GroovyWorker) -> None:
    text = file.read_text()
    _, problems = check(worker, text)
    found = [f"{p.place.key} {p.message}" for p in problems]
    expected = said(text, "error")
    assert expected
    assert [f[: len(e)] for f, e in zip(found, expected, strict=True)] == expected


@pytest.mark.parametrize("file", VALID, ids=lambda file: file.stem)
def test_a_valid_file_has_no_problems(file: Path, worker: GroovyWorker) -> None:
    assert check(worker, file.read_text())[1] == []


@pytest.mark.parametrize("file", VALID, ids=lambda file: file.stem)
def test_a_valid_file_runs_to_its_result(file: Path, worker: GroovyWorker, place: Building) -> None:
    text = file.read_text()
    result = execute(worker, text, place)
    assert [result.name] == said(text, "result"), place.log
    position = 0
    for snippet in said(text, "log"):
        position = place.log.find(snippet, position) + 1
        assert position, f"{snippet!r} is not in its place in\n{place.log}"
    for snippet in said(text, "has"):
        assert snippet in place.log
    for snippet in said(text, "not"):
        assert snippet not in place.log
    assert place.log.endswith(f"Finished: {result.name}\n")
