"""Sandboxes that outlived the test run they belonged to: found by label and by folder, and removed."""

from __future__ import annotations

from pathlib import Path

from sandbox import owner
from sandbox.engine import Engine
from sandbox.model import Say
from sandbox.sandbox import Sandbox
from sandbox.workspace import Workspace


def owners(engine: Engine, home: Path) -> dict[str, str]:
    """The sandboxes of test runs: project -> label of the owner."""
    folders = [path.name for path in home.iterdir() if path.is_dir()] if home.is_dir() else []
    rendered = {name: Workspace(home, name).owner for name in folders if not name.startswith(".")}
    return {name: label for name, label in {**rendered, **engine.owners()}.items() if label}


def find(engine: Engine, home: Path) -> dict[str, str]:
    """Project -> label of an owner that has ended."""
    return {project: label for project, label in sorted(owners(engine, home).items()) if owner.is_gone(label)}


def remove(engine: Engine, home: Path, say: Say) -> int:
    """Removes them with their data and their folders. Returns how many containers there were."""
    return sum(remove_one(Sandbox(project, home, engine, say)) for project in find(engine, home))


def remove_one(sandbox: Sandbox) -> int:
    """Removes a test run's sandbox, its data and its folder. Returns how many containers there were."""
    with sandbox.workspace.locked(lambda: None):
        count = sandbox.down(volumes=True)
        sandbox.workspace.remove()
    return count
