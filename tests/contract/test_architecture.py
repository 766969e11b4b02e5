"""The arrows of the design: domain modules know no libraries of the outside; each library has one home."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import sandbox

PACKAGE = Path(sandbox.__file__).parent
HOMES = {
    "docker": {"engine"},
    "python_on_whales": {"engine"},
    "requests": {"readiness", "services", "logsearch", "logsend", "client"},
    "yaml": {"yamlfile"},
    "jmespath": {"expression"},
    "filelock": {"workspace"},
    "subprocess": {"processes", "repositories"},
    "rich": {"output"},
    "zstandard": {"bundle_format"},
    # Only test suites and lessons have these.
    "pytest": {"plugin"},
    "boto3": {"services", "aws"},
    "botocore": {"services", "aws"},
    "testcontainers": {"containers"},
}
MODULES = sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_each_library_has_one_home(path: Path) -> None:
    for library, homes in HOMES.items():
        if library in imports(path):
            assert path.stem in homes, f"{library} belongs to {homes}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_command_line_knows_click(path: Path) -> None:
    if "click" in imports(path):
        assert path.stem == "cli" or path.parent.name == "commands"
