"""A bundle on its way: saved here, loaded by an engine in a network without a way out, and `up` from nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.bundle import Bundle
from sandbox.engine import ComposeEngine
from sandbox.errors import SandboxError

from .conftest import Run
from .private_engine import PrivateEngine

PROJECT = "sandbox-tests-bundle"
NO_WAY_OUT = "import socket; socket.create_connection(('192.0.2.1', 80), 2)"


@pytest.fixture(scope="module")
def bundle(stack: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lite profile and the Python packages."""
    path = tmp_path_factory.mktemp("stick") / "lite.bundle"
    done = stack("bundle", "save", "--profile", "lite", str(path))
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateEngine]:
    if os.geteuid() != 0:
        pytest.skip("an engine of its own needs root")
    engine = PrivateEngine(tmp_path_factory.mktemp("engine"))
    yield engine
    engine.close()


def finished(process: subprocess.Popen[str]) -> tuple[int, str]:
    out, said = process.communicate(timeout=300)
    return process.returncode, out + said


def test_saved_bundle_is_whole(stack: Run, bundle: Path) -> None:
    done = stack("bundle", "verify", str(bundle))
    assert done.returncode == 0, done.stderr
    assert f"whole: {len(Bundle(bundle).names)} images for linux/" in done.stdout


def test_up_needs_nothing_but_the_bundle(engine: PrivateEngine, bundle: Path, tmp_path: Path) -> None:
    out = subprocess.run(engine.inside([sys.executable, "-c", NO_WAY_OUT]), capture_output=True, text=True, check=False)
    assert "Network is unreachable" in out.stderr
    assert engine.docker("images", "-q").stdout == ""

    def sandbox(*arguments: str) -> subprocess.Popen[str]:
        return engine.sandbox("--project", PROJECT, *arguments, home=tmp_path / "home", cwd=tmp_path)

    loading = sandbox("bundle", "load", str(bundle))
    assert loading.stderr
    next(line for line in loading.stderr if line.endswith(": present\n"))
    os.killpg(loading.pid, signal.SIGINT)
    loading.communicate(timeout=60)
    assert loading.returncode == 130
    there = len(engine.docker("images", "-q").stdout.split())
    held = len(Bundle(bundle).names)
    assert 0 < there < held
    code, said = finished(sandbox("bundle", "load", str(bundle)))
    assert code == 0, said
    assert f"{held - there} images loaded, {there} were there" in said
    code, said = finished(sandbox("up", "--profile", "lite"))
    assert code == 0, said
    for _ in range(10):  # on a busy computer a scrape may be late, and its target is down until the next
        code, said = finished(sandbox("status"))
        if code == 0:
            break
        time.sleep(2)
    assert code == 0, said
    finished(sandbox("down"))
    gone = next(name for name in Bundle(bundle).names if "traffic" in name)
    engine.docker("rmi", gone)
    code, said = finished(sandbox("up", "--profile", "lite", "--bundle", str(bundle)))
    assert code == 0, said
    assert "images: 1 to load" in said
    finished(sandbox("down", "--volumes"))


def test_packages_install_where_no_index_is(engine: PrivateEngine, bundle: Path, tmp_path: Path) -> None:
    with tarfile.open(bundle) as tar:
        tar.extractall(tmp_path, [member for member in tar if member.name.startswith("wheels/")], filter="data")
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    install = ["-m", "pip", "install", "--quiet", "--no-index", "--find-links", str(tmp_path / "wheels")]
    for command in (["bin/python", *install, "sandbox-devops"], ["bin/sandbox", "services"]):
        inside = engine.inside([str(environment / command[0]), *command[1:]])
        clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run(inside, capture_output=True, text=True, check=False, cwd=tmp_path, env=clean)
        assert done.returncode == 0, done.stderr
    assert "prometheus" in done.stdout


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a memory disk of a size, or makes it larger."""
    target = tmp_path / "disk"

    def mounted(size: str) -> Path:
        again = ["remount,"] if target.exists() else [""]
        target.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"{again[0]}size={size}", "tmpfs", str(target)], check=True)
        return target

    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    yield mounted
    subprocess.run(["umount", "-l", str(target)], check=True)


def test_save_on_a_full_disk_is_told_and_goes_on_with_more_room(stack: Run, mount: Callable[[str], Path]) -> None:
    target = mount("120m")
    save = ("bundle", "save", "--profile", "lite", "--without-wheels", str(target / "x.bundle"))
    full = stack(*save)
    assert full.returncode == 1
    assert "No space left on device" in full.stderr
    assert "make room, then run it again" in full.stderr
    mount("2g")
    again = stack(*save)
    assert again.returncode == 0, again.stderr
    assert "going on where the last save ended" in again.stderr
    assert stack("bundle", "verify", str(target / "x.bundle")).returncode == 0


def test_load_on_a_full_disk_is_told_before_and_during(
    tmp_path_factory: pytest.TempPathFactory,
    bundle: Path,
    mount: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    full = PrivateEngine(tmp_path_factory.mktemp("engine"), data_root=mount("300m"))
    try:
        monkeypatch.setenv("DOCKER_HOST", full.address)
        with pytest.raises(SandboxError, match="disk: loading needs"):
            Bundle(bundle).load(ComposeEngine(), lambda event: None)
        monkeypatch.setattr("sandbox.host.free_disk", lambda folder: 10**12)
        with pytest.raises(SandboxError, match="no space left on device") as caught:
            Bundle(bundle).load(ComposeEngine(), lambda event: None)
        assert "the disk is full" in caught.value.hint
    finally:
        full.close()
