"""Lessons as folders: `lesson.md` with a `## ` section per step, `steps.yml`, and scripts for `sh`.

`setup.sh` puts the sandbox into the lesson's first state, `clean.sh` takes all of it back, `solve/<step>.sh` solves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox import expression, yamlfile
from sandbox.errors import ConfigurationError, UsageError, did_you_mean
from sandbox.yamlfile import YamlFile

# Kind of check -> the keys it must have, and those it may have.
KINDS: Mapping[str, tuple[set[str], set[str]]] = {
    "http": ({"service"}, {"endpoint", "path", "expect", "contains", "show"}),
    "promql": ({"query"}, {"above", "below", "equals"}),
    "logs": ({"service"}, {"where", "contains"}),
    "search": ({"query"}, {"service", "least"}),
    "build": ({"job"}, {"number", "result", "contains", "expect", "show"}),
    "aws": ({"service", "operation", "expect"}, {"with"}),
    "file": ({"path"}, {"matches"}),
    "command": ({"service", "run"}, {"contains"}),
}
KEYS = {"title", "summary", "minutes", "needs", "programs", "steps"}
STEP_KEYS = {"name", "checks", "hints"}
NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


@dataclass(frozen=True)
class Check:
    """One question to the sandbox. `kind` is a key of KINDS, `asked` its arguments, `wanted` the aim in words."""

    kind: str
    asked: Mapping[str, Any]
    wanted: str


@dataclass(frozen=True)
class Step:
    """One step: `title` and `text` come from lesson.md."""

    name: str
    title: str
    text: str
    checks: tuple[Check, ...]
    hints: tuple[str, ...]


@dataclass(frozen=True)
class Lesson:
    """A lesson. `needs` are services that must run, `programs` those that this computer must have."""

    name: str
    title: str
    summary: str
    minutes: int
    needs: tuple[str, ...]
    programs: tuple[str, ...]
    intro: str
    steps: tuple[Step, ...]
    folder: Path

    def step(self, name: str) -> Step:
        """A step by its name or its number, from 1. Raises UsageError."""
        if name.isdecimal() and 1 <= int(name) <= len(self.steps):
            return self.steps[int(name) - 1]
        found = next((step for step in self.steps if step.name == name), None)
        if found is None:
            names = [step.name for step in self.steps]
            raise UsageError(f"{self.name} has no step {name}{did_you_mean(name, names)}", f"steps: {', '.join(names)}")
        return found


def read_all(folder: Path) -> dict[str, Lesson]:
    """Every lesson of a folder, by name. Raises ConfigurationError with all problems."""
    problems: list[str] = []
    lessons = [_read(path.parent, problems) for path in sorted(folder.glob("*/steps.yml"))]
    if problems:
        raise ConfigurationError(problems)
    return {lesson.name: lesson for lesson in lessons if lesson}


def script(path: Path) -> str:
    """A script's text. Windows line ends, which editors and zip programs leave behind, are mended."""
    return path.read_text(encoding="utf-8").replace("\r\n", "\n")


def _read(folder: Path, problems: list[str]) -> Lesson | None:
    file = yamlfile.read(folder / "steps.yml")
    if not isinstance(file.data, dict) or not isinstance(file.data.get("steps"), list):
        file.problem("must hold `steps:`, a list")
        problems += file.problems
        return None
    for key in file.data.keys() - KEYS:
        file.problem(f"unknown key {key}{did_you_mean(str(key), KEYS)}", str(key))
    intro, *sections = re.split(r"^## +", script(folder / "lesson.md"), flags=re.MULTILINE)
    if len(sections) != len(file.data["steps"]):
        file.problem(f"lesson.md has {len(sections)} sections (`## `), steps.yml {len(file.data['steps'])} steps")
    steps = []
    for number, (data, section) in enumerate(zip(file.data["steps"], sections, strict=False)):
        if step := _step(file, number, data, section):
            steps.append(step)
            if not (folder / "solve" / f"{step.name}.sh").is_file():
                file.problem(f"there is no solve/{step.name}.sh", "steps", str(number))
    problems += file.problems
    return Lesson(
        name=folder.name,
        title=str(file.data.get("title") or folder.name),
        summary=str(file.data.get("summary") or ""),
        minutes=int(file.data.get("minutes") or 0),
        needs=tuple(file.data.get("needs") or ()),
        programs=tuple(file.data.get("programs") or ()),
        intro=re.sub(r"^# .*\n", "", intro).strip(),
        steps=tuple(steps),
        folder=folder,
    )


def _step(file: YamlFile, number: int, data: Any, section: str) -> Step | None:
    at = ("steps", str(number))
    if not isinstance(data, dict) or not NAME.fullmatch(str(data.get("name", ""))) or not data.get("checks"):
        file.problem("a step needs a name (a-z, 0-9, -) and checks", *at)
        return None
    for key in data.keys() - STEP_KEYS:
        file.problem(f"unknown key {key}{did_you_mean(str(key), STEP_KEYS)}", *at, str(key))
    checks = [_check(file, item, *at, "checks", str(index)) for index, item in enumerate(data["checks"])]
    title, _, text = section.partition("\n")
    hints = tuple(str(hint) for hint in data.get("hints") or ())
    return Step(str(data["name"]), title.strip(), text.strip(), tuple(c for c in checks if c), hints)


def _check(file: YamlFile, data: Any, *at: str) -> Check | None:
    kinds = [kind for kind in KINDS if isinstance(data, dict) and isinstance(data.get(kind), dict)]
    if len(kinds) != 1 or set(data) != {kinds[0], "wanted"}:
        file.problem(f"a check has `wanted:` and one of {', '.join(KINDS)}", *at)
        return None
    (kind,) = kinds
    must, may = KINDS[kind]
    asked = data[kind]
    for key in sorted(must - asked.keys()):
        file.problem(f"{kind} needs {key}", *at)
    for key in asked.keys() - must - may:
        file.problem(f"unknown key {key}{did_you_mean(str(key), must | may)}", *at, kind, str(key))
    for key in ("expect", "where", "show"):
        if wrong := expression.problem(str(asked.get(key, ""))):
            file.problem(f"{key} is not JMESPath: {wrong}", *at, kind, key)
    return Check(kind, asked, str(data["wanted"]))
