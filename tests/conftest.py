"""Rails: unit tests never reach Docker or the real home; Docker tests cannot be skipped silently."""

from __future__ import annotations

import shutil
import signal
import subprocess
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from filelock import FileLock

from .stack import home, only_one, run, stack

__all__ = ["home", "only_one", "run", "stack"]
# Installed, our plugin is there already.
INSTALLED = bool(entry_points(group="pytest11", name="sandbox"))
pytest_plugins = ["pytester", *([] if INSTALLED else ["sandbox.testing.plugin"])]
NPM = Path(__file__).parent / "npm"


def pytest_configure() -> None:
    # A shell that starts us in the background has us ignore ^C, and so would the programs that the tests interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--require-docker", action="store_true", help="Fail, rather than skip, without a Docker engine.")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if {"integration", "examples"} & set(item.path.parts):
            item.add_marker(pytest.mark.docker)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("docker"):
        from sandbox.host import engine_is_there

        if not engine_is_there():
            if item.config.getoption("--require-docker"):
                pytest.fail("no Docker engine is running: `sandbox doctor --fix`")
            pytest.skip("no Docker engine is running")


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Each test has a home of its own; a unit test that reaches for the engine finds none."""
    if request.node.get_closest_marker("docker"):
        return
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SANDBOX_HOME", str(tmp_path / "sandboxes"))
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/unit-tests-do-not-touch-docker.sock")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def base_image(only_one: FileLock) -> str:
    """The image that our recipes stand on, in the real engine; it has a shell and Python."""
    from sandbox import images
    from sandbox.engine import ComposeEngine
    from sandbox.resources import compose_folder

    folder = compose_folder() / "images"
    with only_one:
        images.build_all([folder / "registry"], ComposeEngine(), "auto", "", lambda event: None)
    return images.built_name(folder / "base")


@pytest.fixture
def plugin() -> list[str]:
    """Options that load our plugin into a pytest of a test's own, where it is not installed."""
    return [] if INSTALLED else ["-p", "sandbox.testing.plugin"]


@pytest.fixture(scope="session")
def npm(request: pytest.FixtureRequest, only_one: FileLock) -> Path:
    """The folder of what tests need of npm, installed as its lock says."""
    with only_one:
        return _installed_npm(request)


def _installed_npm(request: pytest.FixtureRequest) -> Path:
    lock, installed = NPM / "package-lock.json", NPM / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        if shutil.which("npm") is None:
            if request.config.getoption("--require-docker"):
                pytest.fail("npm is not installed: apt-get install npm")
            pytest.skip("npm is not installed")
        done = subprocess.run(["npm", "ci", "--ignore-scripts"], cwd=NPM, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return NPM
