"""What the documents show can be copied: code parses, YAML is what the CI services take, options exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml

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


def test_options_of_the_plugin_are_all_described_and_exist() -> None:
    text = (ROOT / "docs" / "fixtures.md").read_text()
    described = set(re.findall(r"`--sandbox-([a-z-]+)", text))
    assert described == {name.replace("_", "-") for name in plugin.OPTIONS} | {"keep"}


def test_fixtures_are_all_described() -> None:
    table = (ROOT / "docs" / "fixtures.md").read_text().partition("## Fixtures")[2].partition("## Options")[0]
    assert {name for name in [*plugin.NEEDS, "sandbox"] if f"`{name}`" not in table} == set()
