"""Reads a CodeBuild `buildspec.yml`, version 0.2: what it says as data, and every mistake with its line and key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox import yamlfile
from sandbox.yamlfile import YamlFile

PHASES = ("install", "pre_build", "build", "post_build")
SHELLS = ("sh", "bash", "/bin/sh", "/bin/bash")
TOP = {"version", "run-as", "env", "proxy", "batch", "phases", "reports", "artifacts", "cache"}
ENV = {"shell", "variables", "parameter-store", "secrets-manager", "exported-variables", "git-credential-helper"}
PHASE = {"commands", "finally", "on-failure", "run-as", "runtime-versions"}
ARTIFACTS = {"files", "name", "base-directory", "discard-paths", "exclude-paths", "enable-symlinks", "s3-prefix"}
REPORT = {"files", "file-format", "base-directory", "discard-paths"}


@dataclass(frozen=True)
class Phase:
    """One of PHASES. `on_failure` is ABORT or CONTINUE; without it, only build goes on, to post_build."""

    name: str
    commands: tuple[str, ...] = ()
    last: tuple[str, ...] = ()
    on_failure: str = ""

    @property
    def goes_on(self) -> bool:
        """Whether the next phase runs after this one has failed."""
        return self.on_failure == "CONTINUE" or (self.name == "build" and not self.on_failure)


@dataclass(frozen=True)
class Files:
    """Files to keep: artifacts, or a report group's."""

    name: str
    files: tuple[str, ...]
    base: str = "."
    excludes: tuple[str, ...] = ()
    flat: bool = False


@dataclass(frozen=True)
class Buildspec:
    """A valid one. `parameters` and `secrets` map a variable to where its value is."""

    shell: str = "sh"
    variables: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    exported: tuple[str, ...] = ()
    phases: tuple[Phase, ...] = ()
    reports: tuple[Files, ...] = ()
    artifacts: tuple[Files, ...] = ()


def read(text: str, path: Path) -> tuple[Buildspec, list[tuple[int, str]]]:
    """The buildspec and its mistakes, (line, message). It may be run only if there are none."""
    file = yamlfile.parse(path, text)
    if file.problems:
        return Buildspec(), [_placed(problem) for problem in file.problems]
    reader = _Reader(file)
    found = reader.buildspec()
    return found, sorted(reader.problems)


def _placed(problem: str) -> tuple[int, str]:
    """`path:line: message` taken apart."""
    place, _, message = problem.partition(": ")
    line = place.rpartition(":")[2]
    return int(line) if line.isdecimal() else 1, message


class _Reader:
    def __init__(self, file: YamlFile) -> None:
        self.file = file
        self.problems: list[tuple[int, str]] = []

    def wrong(self, message: str, *keys: str) -> None:
        place = keys
        while place and place not in self.file.lines:
            place = place[:-1]
        self.problems.append((self.file.lines.get(place, 1), f"{'.'.join(keys)}: {message}" if keys else message))

    def mapping(self, data: Any, known: set[str] | None, *keys: str) -> dict[str, Any]:
        if data is None:
            return {}
        if not isinstance(data, dict):
            self.wrong("must hold names and values", *keys)
            return {}
        for name in data:
            if known is not None and name not in known:
                self.wrong(f"unknown key; known are {', '.join(sorted(known))}", *keys, str(name))
        return {str(name): value for name, value in data.items()}

    def words(self, data: Any, *keys: str) -> tuple[str, ...]:
        """A list of texts."""
        if not isinstance(data, list) or not data:
            self.wrong("must be a list with at least one entry", *keys)
            return ()
        for index, each in enumerate(data):
            if isinstance(each, dict | list) or each is None:
                self.wrong(f"must be a text, not {each!r}; a colon needs quotes", *keys, str(index))
        return tuple(str(each) for each in data)

    def texts(self, data: Any, *keys: str) -> dict[str, str]:
        found = self.mapping(data, None, *keys)
        for name, value in found.items():
            if isinstance(value, dict | list) or value is None:
                self.wrong("must be a text", *keys, name)
        return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in found.items()}

    def buildspec(self) -> Buildspec:
        top = self.mapping(self.file.data, TOP)
        if "version" not in top:
            self.wrong("version is missing: version: 0.2")
        elif str(top["version"]) not in ("0.1", "0.2"):
            self.wrong(f"{top['version']} is none of 0.1, 0.2", "version")
        for name in ("run-as", "batch"):
            if name in top:
                self.wrong("is not supported here: builds run as the service's own user, one at a time", name)
        env = self.mapping(top.get("env"), ENV, "env")
        shell = str(env.get("shell", "sh"))
        if shell not in SHELLS:
            self.wrong(f"{shell} is none of sh, bash", "env", "shell")
        if "phases" not in top:
            self.wrong("phases is missing")
        names = env.get("exported-variables")
        exported = self.words(names, "env", "exported-variables") if names is not None else ()
        return Buildspec(
            shell,
            self.texts(env.get("variables"), "env", "variables"),
            self.texts(env.get("parameter-store"), "env", "parameter-store"),
            self.texts(env.get("secrets-manager"), "env", "secrets-manager"),
            exported,
            self.phases(top.get("phases")),
            self.reports(top.get("reports")),
            self.artifacts(top.get("artifacts")),
        )

    def phases(self, data: Any) -> tuple[Phase, ...]:
        given = self.mapping(data, set(PHASES), "phases")
        found = []
        for name in (name for name in PHASES if name in given):
            phase = self.mapping(given[name], PHASE, "phases", name)
            if "run-as" in phase:
                self.wrong("is not supported here: builds run as the service's own user", "phases", name, "run-as")
            if "commands" not in phase and "runtime-versions" not in phase:
                self.wrong("commands is missing", "phases", name)
            how = str(phase.get("on-failure", ""))
            if "on-failure" in phase and how not in ("ABORT", "CONTINUE"):
                self.wrong(f"{how} is none of ABORT, CONTINUE", "phases", name, "on-failure")
            lists = {
                key: self.words(phase[key], "phases", name, key) if key in phase else ()
                for key in ("commands", "finally")
            }
            found.append(Phase(name, lists["commands"], lists["finally"], how))
        return tuple(found)

    def reports(self, data: Any) -> tuple[Files, ...]:
        found = []
        for name, value in self.mapping(data, None, "reports").items():
            report = self.mapping(value, REPORT, "reports", name)
            format = str(report.get("file-format", "JUNITXML")).upper()
            if format != "JUNITXML":
                self.wrong(f"{format} is not supported here: JUNITXML is", "reports", name, "file-format")
            found.append(self.files(name, report, "reports", name))
        return tuple(found)

    def artifacts(self, data: Any) -> tuple[Files, ...]:
        given = self.mapping(data, ARTIFACTS | {"secondary-artifacts"}, "artifacts")
        found = [self.files(str(given.get("name", "")), given, "artifacts")] if "files" in given else []
        if given and "files" not in given and "secondary-artifacts" not in given:
            self.wrong("files is missing", "artifacts")
        keys = ("artifacts", "secondary-artifacts")
        for name, value in self.mapping(given.get("secondary-artifacts"), None, *keys).items():
            found.append(self.files(name, self.mapping(value, ARTIFACTS, *keys, name), *keys, name))
        return tuple(found)

    def files(self, name: str, given: Mapping[str, Any], *keys: str) -> Files:
        if "files" not in given:
            self.wrong("files is missing", *keys)
            return Files(name, ())
        excludes = self.words(given["exclude-paths"], *keys, "exclude-paths") if "exclude-paths" in given else ()
        flat = str(given.get("discard-paths", "no")).lower() in ("yes", "true")
        base = str(given.get("base-directory", "."))
        return Files(name, self.words(given["files"], *keys, "files"), base, excludes, flat)
