"""Checks Jenkinsfiles without running them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sandbox.ci import recipes
from sandbox.ci.groovy.worker import GroovyWorker, Parsed
from sandbox.ci.pipeline import words
from sandbox.ci.pipeline.declarative import Pipeline, Problem
from sandbox.ci.pipeline.parser import Parser
from sandbox.ci.pipeline.tree import Place
from sandbox.ci.pipeline.validator import validate

UNREADABLE = "cannot be read"
UNRESOLVED = re.compile(r"unable to resolve class ([\w.$]+)")


def check(worker: GroovyWorker, text: str, name: str = "WorkflowScript") -> tuple[list[Pipeline], list[Problem]]:
    """The declarative pipelines of a script and everything that is wrong with it; no pipeline for a scripted one.

    Raises WorkerLost.
    """
    return understand(worker.parse(text, name), text)


def understand(parsed: Parsed, text: str) -> tuple[list[Pipeline], list[Problem]]:
    """The same, of a script that was parsed already."""
    syntax = [_problem(error) for error in parsed.errors if not _elsewhere(error["message"], parsed.tree)]
    parser = Parser(parsed.tree, text)
    pipelines = parser.parse()
    rules = [problem for pipeline in pipelines for problem in validate(pipeline)]
    return pipelines, [*syntax, *parser.problems, *rules]


def _problem(error: Mapping[str, Any]) -> Problem:
    return Problem(Place(max(1, error["line"]), max(1, error["column"])), error["message"].strip())


def _elsewhere(message: str, tree: Mapping[str, Any]) -> bool:
    """Whether an error is only about a class that Jenkins, a plugin or a shared library would bring."""
    found = UNRESOLVED.match(message)
    if not found or not tree:
        return False
    name = found[1]
    imports: Sequence[str] = tree.get("imports", ())
    return "." in name or bool(tree.get("libraries")) or any(i.split(".")[-1] == name for i in imports)


def as_data(file: str, problems: Sequence[Problem]) -> dict[str, Any]:
    """One entry of `sandbox ci lint --json`."""
    errors = [{"line": p.place.line, "column": p.place.column, "message": p.message} for p in problems]
    return {"file": file, "valid": not errors, "errors": errors}


def unreadable(path: Path) -> str:
    """Why a file cannot be read; empty if it can."""
    try:
        with path.open("rb"):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def files(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Checks files with one worker. Raises SandboxError without Java or Groovy, unless none is a Jenkinsfile."""
    needed = any(not recipes.is_other(path.name) and not unreadable(path) for path in paths)
    worker = GroovyWorker(heap_mb=512) if needed else None
    try:
        return [_file(worker, path) for path in paths]
    finally:
        if worker:
            worker.close()


def _file(worker: GroovyWorker | None, path: Path) -> dict[str, Any]:
    try:
        data = path.read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        return as_data(str(path), [Problem(Place(1, 1), f"{UNREADABLE}: {error.strerror}")])
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8").split("\n")
        message = f"Not UTF-8: byte 0x{data[error.start]:02X}. Save the file as UTF-8."
        return as_data(str(path), [Problem(Place(len(before), len(before[-1]) + 1), message)])
    if not text.strip():
        return as_data(str(path), [Problem(Place(1, 1), words.EMPTY_FILE)])
    if worker is None or recipes.is_other(path.name):
        return as_data(str(path), [Problem(Place(line, 1), told) for line, told in recipes.problems(text, path.name)])
    return as_data(str(path), check(worker, text)[1])
