"""A stack of our own name, brought up once by the real command line, and removed at the end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock

Run = Callable[..., subprocess.CompletedProcess[str]]
PROJECT = f"sandbox-tests-{os.getpid()}"  # two checkouts may test on one computer at once


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sandbox homé with spaces")


@pytest.fixture(scope="session")
def only_one(tmp_path_factory: pytest.TempPathFactory) -> FileLock:
    """Held by one of the test runner's processes at a time."""
    return FileLock(tmp_path_factory.getbasetemp().parent / "only-one.lock")


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
def stack(run: Run, only_one: FileLock) -> Iterator[Run]:
    """The lite profile, ready. Each of the test runner's processes has one."""
    with only_one:  # they would build the same images, and find the same ports free
        done = run("up", "--profile", "lite")
    try:
        assert done.returncode == 0, done.stderr
        yield run
    finally:
        run("down", "--volumes")
