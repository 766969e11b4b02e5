"""What goes wrong on real computers: ^C, two at once, a dead engine, a full disk, a folder gone or read-only."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .conftest import Run
from .private_engine import PrivateEngine
from .registry import docker

PROJECT = "sandbox-tests-faults"
RUNNING = "init: true\n    command: [python3, -m, http.server, '8000', --directory, /tmp]"
NEVER_HEALTHY = "\n    healthcheck: {test: ['CMD', 'false'], interval: 1s, retries: 999}"


@pytest.fixture(scope="module")
def image(stack: Run) -> str:
    """An image that is on this computer and can run Python."""
    plans = json.loads(stack("images", "list", "--profile", "lite", "--json").stdout)
    return str(next(row["image"] for row in plans if row["service"] == "traffic"))


@pytest.fixture
def folder(tmp_path: Path, image: str, stack: Run) -> Iterator[Path]:
    """A folder whose sandbox.yml runs a small service of its own."""
    write(tmp_path, f"services:\n  web:\n    image: {image}\n    {RUNNING}\n")
    yield tmp_path
    stack("down", "--volumes", project=PROJECT)
    assert ours() == ""


def write(folder: Path, fragment: str) -> None:
    (folder / "web.yml").write_text(fragment)
    (folder / "sandbox.yml").write_text("include: [web.yml]\nservices: [web]\n")


def ours(kind: str = "ps -aq") -> str:
    return docker(*kind.split(), "--filter", f"label=sandbox.project={PROJECT}")


@pytest.fixture
def start(home: Path, folder: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts `sandbox ARGUMENTS` in a process group of its own, as a terminal does."""

    def started(*arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "sandbox", "--project", PROJECT, *arguments],
            cwd=folder,
            env={**os.environ, "SANDBOX_HOME": str(home)},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    return started


def interrupt_at(process: subprocess.Popen[str], word: str) -> str:
    """Sends ^C to the whole group once a line with the word appears; what was said on stderr after it."""
    assert process.stderr
    for line in process.stderr:
        if word in line:
            break
    else:
        raise AssertionError(f"it ended before it said {word}")
    os.killpg(process.pid, signal.SIGINT)
    _, rest = process.communicate(timeout=60)
    return rest


def test_interrupted_build_is_finished_by_up(start: Callable[..., subprocess.Popen[str]], folder: Path) -> None:
    recipe = folder / "images" / "web"
    recipe.mkdir(parents=True)
    (recipe / "Dockerfile").write_text("ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nRUN [ -e /tmp/x ] || sleep 8\n")
    write(folder, f"services:\n  web:\n    image: ${{WEB_IMAGE:-sandbox/web:local}}\n    {RUNNING}\n")
    building = start("up")
    assert "interrupted" in interrupt_at(building, "building")
    assert building.returncode == 130
    assert ours() == ""
    again = start("up")
    assert again.communicate(timeout=120) and again.returncode == 0
    used = docker("ps", "--filter", f"label=sandbox.project={PROJECT}", "--format", "{{.Image}}")
    start("down").communicate(timeout=60)
    docker("rmi", used)


@pytest.mark.parametrize("then", ["up", "down"])
def test_interrupted_creation(start: Callable[..., subprocess.Popen[str]], folder: Path, image: str, then: str) -> None:
    slow = (
        f"  web-store:\n    image: {image}\n    {RUNNING}\n"
        "    healthcheck: {test: ['CMD', 'sh', '-c', 'test -e /tmp/x || { sleep 4; touch /tmp/x; }'],"
        " interval: 1s, timeout: 9s, start_period: 30s, start_interval: 500ms}\n"
    )
    needs = "    depends_on: {web-store: {condition: service_healthy}}\n"
    write(folder, f"services:\n  web:\n    image: {image}\n    {RUNNING}\n{needs}{slow}")
    creating = start("up")
    assert "interrupted" in interrupt_at(creating, "web: created")
    assert creating.returncode == 130
    again = start(then)
    assert again.communicate(timeout=60) and again.returncode == 0
    assert len(ours("ps -q").split()) == (2 if then == "up" else 0)


@pytest.mark.parametrize("then", ["up", "down"])
def test_interrupted_wait(start: Callable[..., subprocess.Popen[str]], folder: Path, image: str, then: str) -> None:
    write(folder, f"services:\n  web:\n    image: {image}\n    {RUNNING}{NEVER_HEALTHY}\n")
    waiting = start("up")
    assert "interrupted" in interrupt_at(waiting, "web: starting")
    assert waiting.returncode == 130
    write(folder, f"services:\n  web:\n    image: {image}\n    {RUNNING}\n")
    again = start(then)
    assert again.communicate(timeout=60) and again.returncode == 0
    assert len(ours("ps -q").split()) == (1 if then == "up" else 0)


def test_two_ups_at_once_end_in_one_stack(start: Callable[..., subprocess.Popen[str]]) -> None:
    both = [start("up"), start("up")]
    said = [process.communicate(timeout=60)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert any("another command works on this sandbox: waiting for it" in text for text in said)
    assert len(ours("ps -q").split()) == 1


def test_down_works_after_the_folder_is_gone(stack: Run, folder: Path, home: Path, image: str) -> None:
    write(
        folder,
        f"services:\n  web:\n    image: {image}\n    {RUNNING}\n    volumes: ['web-data:/data']\n"
        "volumes: {web-data: {}}\n",
    )
    assert stack("up", project=PROJECT, cwd=folder).returncode == 0
    shutil.rmtree(home / PROJECT)
    status = stack("status", project=PROJECT, cwd=folder)
    assert "web" in status.stdout
    assert stack("down", "--volumes", project=PROJECT, cwd=folder).returncode == 0
    assert ours() == ours("volume ls -q") == ours("network ls -q") == ""


def test_broken_fragment_is_told_with_its_line_and_nothing_starts(stack: Run, folder: Path) -> None:
    write(folder, "services:\n  web:\n    image: 'example/web:1\n")
    done = stack("up", project=PROJECT, cwd=folder)
    assert done.returncode == 2
    assert "web.yml:" in done.stderr
    assert "not valid YAML" in done.stderr
    assert ours() == ""


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a memory disk with the given options; where it is."""
    target = tmp_path / "disk"

    def mounted(options: str) -> Path:
        target.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(target)], check=True)
        return target

    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    yield mounted
    subprocess.run(["umount", "-l", str(target)], check=True)


def test_read_only_home_is_told(folder: Path, mount: Callable[[str], Path]) -> None:
    disk = mount("ro,size=1m")
    environ = {**os.environ, "HOME": str(disk)}
    environ.pop("SANDBOX_HOME", None)
    done = subprocess.run(
        [sys.executable, "-m", "sandbox", "--project", PROJECT, "up"],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert f"cannot write to {disk}/.sandbox/{PROJECT}: Read-only file system" in done.stderr
    assert "set SANDBOX_HOME to a folder you can write to" in done.stderr


@pytest.fixture
def engine(tmp_path_factory: pytest.TempPathFactory, image: str) -> Iterator[PrivateEngine]:
    if os.geteuid() != 0:
        pytest.skip("an engine of its own needs root")
    engine = PrivateEngine(tmp_path_factory.mktemp("engine"))
    engine.copy_image(image)
    yield engine
    engine.close()


def test_engine_killed_in_the_middle_is_told_and_up_goes_on(engine: PrivateEngine, folder: Path, image: str) -> None:
    write(folder, f"services:\n  web:\n    image: {image}\n    {RUNNING}{NEVER_HEALTHY}\n")
    waiting = engine.sandbox("--project", PROJECT, "up", home=folder / "home", cwd=folder)
    assert waiting.stderr
    for line in waiting.stderr:
        if "web: starting" in line:
            break
    engine.kill()
    _, said = waiting.communicate(timeout=60)
    assert waiting.returncode == 3
    assert "the Docker engine does not answer" in said
    engine.start()
    write(folder, f"services:\n  web:\n    image: {image}\n    {RUNNING}\n")
    again = engine.sandbox("--project", PROJECT, "up", home=folder / "home", cwd=folder)
    _, said = again.communicate(timeout=60)
    assert again.returncode == 0, said


def test_full_disk_is_told_before_and_during(
    tmp_path_factory: pytest.TempPathFactory, folder: Path, mount: Callable[[str], Path], base_image: str
) -> None:
    recipe = folder / "images" / "web"
    recipe.mkdir(parents=True)
    (recipe / "Dockerfile").write_text(
        "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nUSER root\nRUN dd if=/dev/zero of=/large bs=1M\n"
    )
    fragment = f"services:\n  web:\n    image: ${{WEB_IMAGE:-sandbox/web:local}}\n    {RUNNING}\n"
    engine = PrivateEngine(tmp_path_factory.mktemp("engine"), data_root=mount("size=700m"))
    try:
        engine.copy_image(base_image)
        write(folder, f"x-sandbox: {{disk: 900m}}\n{fragment}")
        small = engine.sandbox("--project", PROJECT, "up", home=folder / "home", cwd=folder)
        _, said = small.communicate(timeout=60)
        assert small.returncode == 1
        assert "disk: the images need 900 MB and some room to work" in said
        write(folder, fragment)
        full = engine.sandbox("--project", PROJECT, "up", home=folder / "home", cwd=folder)
        _, said = full.communicate(timeout=120)
        assert full.returncode == 1
        assert "No space left on device" in said
        assert "hint: the disk is full" in said
    finally:
        engine.close()
