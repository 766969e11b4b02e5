"""The sample applications' own tests, in an environment that holds just what they need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.resources import compose_folder


@pytest.mark.parametrize("app", ["shop", "inbox"])
def test_application_passes_its_own_tests(app: str, tmp_path: Path) -> None:
    folder = compose_folder() / "apps" / app
    wanted = folder / "requirements-test.txt"
    packages = ["-r", str(wanted)] if wanted.exists() else ["pytest"]
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True, timeout=300)
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout
