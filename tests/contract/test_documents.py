"""What the documents show can be copied: code parses, YAML is what the CI services take, options exist."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from importlib.metadata import metadata
from pathlib import Path

import click
import pytest
import yaml

from sandbox.ci.groovy import java
from sandbox.ci.pipeline import lint
from sandbox.cli import root
from sandbox.testing import plugin

ROOT = Path(__file__).parents[2]
BLOCKS = [
    (path.name, language, text)
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    for language, text in re.findall(r"```(\w+)\n(.*?)```", path.read_text(), re.DOTALL)
]


def blocks(language: str) -> list[str]:
    return [text for _, kind, text in BLOCKS if kind == language]


@pytest.mark.parametrize("text", blocks("python"))
def test_python_parses(text: str) -> None:
    assert ast.parse(text).body


def test_yaml_is_what_the_services_take() -> None:
    files = [yaml.safe_load(text) for text in blocks("yaml")]
    github = next(file for file in files if "jobs" in file)
    steps = github["jobs"]["tests"]["steps"]
    assert all(("uses" in step) != ("run" in step) for step in steps)
    assert github["jobs"]["tests"]["runs-on"]
    gitlab = next(file for file in files if "script" in file.get("tests", {}))
    assert all(isinstance(line, str) for line in gitlab["tests"]["script"])
    assert gitlab["tests"]["artifacts"]["reports"]["junit"] == "results.xml"


@pytest.mark.skipif(not java.is_there(), reason="Java or Groovy 2.4 is not installed")
def test_jenkinsfiles_are_valid(tmp_path: Path) -> None:
    files = []
    for number, text in enumerate(blocks("groovy")):
        files.append(tmp_path / f"{number}.groovy")
        files[-1].write_text(text)
    assert files
    assert [(answer["file"], answer["errors"]) for answer in lint.files(files) if not answer["valid"]] == []


def commands(program: str) -> list[list[str]]:
    """The arguments of every call of a program in the snippets for CI services: GitHub's, GitLab's and ours."""
    lines: list[str] = []
    for name, language, text in BLOCKS:
        if name == "fixtures.md" and language == "groovy":
            lines += [line.strip().removeprefix("sh '").rstrip("'") for line in text.splitlines()]
        elif name == "fixtures.md" and language == "yaml":
            tests = (file := yaml.safe_load(text)).get("tests") or file["jobs"]["tests"]
            lines += [*tests.get("script", ()), *tests.get("after_script", ())]
            lines += [step["run"] for step in tests.get("steps", ()) if "run" in step]
    called = [line for line in lines if re.match(rf"(\.venv/bin/)?{program} ", line)]
    assert called, f"no snippet calls {program}"
    return [shlex.split(line)[1:] for line in called]


@pytest.mark.parametrize("arguments", commands("sandbox"), ids=" ".join)
def test_commands_of_snippets_exist(arguments: list[str]) -> None:
    context = root.make_context("sandbox", [*arguments])
    name, command, rest = root.resolve_command(context, arguments)
    assert isinstance(command, click.Command)
    command.make_context(name, rest, parent=context)


@pytest.mark.parametrize("arguments", commands("pytest"), ids=" ".join)
def test_options_of_pytest_in_snippets_exist(arguments: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "--collect-only", *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == pytest.ExitCode.NO_TESTS_COLLECTED, done.stderr


@pytest.mark.parametrize("arguments", commands("pip"), ids=" ".join)
def test_packages_of_snippets_are_ours_with_an_extra_that_exists(arguments: list[str]) -> None:
    ours = next(re.fullmatch(r"sandbox-devops\[(\w+)\]", word) for word in arguments if word.startswith("sandbox"))
    assert ours
    assert ours[1] in (metadata("sandbox-devops").get_all("Provides-Extra") or ())


def test_options_of_the_plugin_are_all_described_and_exist() -> None:
    text = (ROOT / "docs" / "fixtures.md").read_text()
    described = set(re.findall(r"`--sandbox-([a-z-]+)", text))
    assert described == {name.replace("_", "-") for name in plugin.OPTIONS} | {"keep"}


def test_fixtures_are_all_described() -> None:
    table = (ROOT / "docs" / "fixtures.md").read_text().partition("## Fixtures")[2].partition("## Options")[0]
    assert {name for name in [*plugin.NEEDS, "sandbox"] if f"`{name}`" not in table} == set()
