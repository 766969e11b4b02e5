"""A stack of our own name, brought up once by the real command line, and removed at the end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
PROJECT = f"sandbox-tests-{os.getpid()}"  # two checkouts may test on one computer at once


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sandbox homé with spaces")


@pytest.fixture(scope="session")
def run(home: Path) -> Run:
    """Runs `sandbox ARGUMENTS` as a user would; `project` and `cwd` may be given."""

    def call(*arguments: str, project: str = PROJECT, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "sandbox", "--project", project, *arguments]
        environ = {**os.environ, "SANDBOX_HOME": str(home)}
        return subprocess.run(
            command, capture_output=True, text=True, timeout=600, check=False, env=environ, cwd=cwd or home
        )

    return call


@pytest.fixture(scope="session")
def stack(run: Run) -> Iterator[Run]:
    """The lite profile, ready."""
    done = run("up", "--profile", "lite")
    try:
        assert done.returncode == 0, done.stderr
        yield run
    finally:
        run("down", "--volumes")
