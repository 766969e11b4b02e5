"""A workshop: a bundle is saved, loaded where no network is, and served to a room by the trainer's laptop."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from sandbox.bundle import Bundle
from sandbox.engine import ComposeEngine
from sandbox.errors import SandboxError

from .conftest import Run
from .private_engine import PrivateEngine
from .registry import docker

PROJECT = "sandbox-tests-workshop"
ROOM = "sandbox-tests-room"
# Enough of lite to see all kinds of services work; the others would only take longer.
TAKEN = {"gateway", "ministack", "prometheus", "storefront", "traffic"}
NO_WAY_OUT = "import socket; socket.create_connection(('192.0.2.1', 80), 2)"
ADDRESS, GUEST = "10.98.77.1", "10.98.77.2"
CLIENTS = 50


@pytest.fixture(scope="module")
def profile(run: Run) -> tuple[str, ...]:
    """The options that choose what the workshop needs."""
    lite = json.loads(run("profiles", "--json").stdout)["lite"]
    return ("--profile", "lite", "--without", ",".join(name for name in lite if name not in TAKEN))


@pytest.fixture(scope="module")
def bundle(run: Run, profile: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stick") / "lite.bundle"
    done = run("bundle", "save", *profile, str(path))
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateEngine]:
    """An attendee's laptop: an engine without images, in a network without a way out."""
    if os.geteuid() != 0:
        pytest.skip("an engine of its own needs root")
    engine = PrivateEngine(tmp_path_factory.mktemp("laptop"))
    yield engine
    engine.close()


def finished(process: subprocess.Popen[str]) -> tuple[int, str]:
    out, said = process.communicate(timeout=900)
    return process.returncode, out + said


# --- the bundle ----------------------------------------------------------------------------------


def test_saved_bundle_is_whole(run: Run, bundle: Path) -> None:
    done = run("bundle", "verify", str(bundle))
    assert done.returncode == 0, done.stderr
    assert f"whole: {len(Bundle(bundle).names)} images for linux/" in done.stdout


def test_up_needs_nothing_but_the_bundle(
    laptop: PrivateEngine, bundle: Path, profile: tuple[str, ...], tmp_path: Path
) -> None:
    out = subprocess.run(laptop.inside([sys.executable, "-c", NO_WAY_OUT]), capture_output=True, text=True, check=False)
    assert "Network is unreachable" in out.stderr
    assert laptop.docker("images", "-q").stdout == ""

    def sandbox(*arguments: str) -> subprocess.Popen[str]:
        return laptop.sandbox("--project", PROJECT, *arguments, home=tmp_path / "home", cwd=tmp_path)

    loading = sandbox("bundle", "load", str(bundle))
    assert loading.stderr
    next(line for line in loading.stderr if line.endswith(": present\n"))
    os.killpg(loading.pid, signal.SIGINT)
    loading.communicate(timeout=60)
    assert loading.returncode == 130
    there = len(laptop.docker("images", "-q").stdout.split())
    held = len(Bundle(bundle).names)
    assert 0 < there < held
    code, said = finished(sandbox("bundle", "load", str(bundle)))
    assert code == 0, said
    assert f"{held - there} images loaded, {there} were there" in said
    gone = next(name for name in Bundle(bundle).names if "traffic" in name)
    laptop.docker("rmi", gone)
    try:
        code, said = finished(sandbox("up", *profile, "--timeout", "600", "--bundle", str(bundle)))
        assert code == 0, said
        assert "images: 1 to load" in said
        for _ in range(30):  # on a busy computer a scrape may be late, and its target is down until the next
            code, said = finished(sandbox("status"))
            if code == 0:
                break
            time.sleep(1)
        assert code == 0, said
    finally:
        finished(sandbox("down", "--volumes"))


def test_packages_install_where_no_index_is(laptop: PrivateEngine, bundle: Path, tmp_path: Path) -> None:
    with tarfile.open(bundle) as tar:
        tar.extractall(tmp_path, [member for member in tar if member.name.startswith("wheels/")], filter="data")
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(environment / "bin/python"), "install", "--quiet"]
    install = [*pip, "--no-index", "--find-links", str(tmp_path / "wheels"), "sandbox-devops"]
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    for command in (install, [str(environment / "bin/sandbox"), "services"]):
        done = subprocess.run(
            laptop.inside(command), capture_output=True, text=True, check=False, cwd=tmp_path, env=clean
        )
        assert done.returncode == 0, done.stderr
    assert "prometheus" in done.stdout


# --- the room ------------------------------------------------------------------------------------


@dataclass
class Room:
    """What `serve-images` said, and a laptop whose network reaches only its address."""

    line: str
    laptop: PrivateEngine

    @property
    def registry(self) -> str:
        return self.line.split()[-1]

    def dozes(self, seconds: float) -> None:
        """The trainer's laptop falls asleep, and wakes up. (A busy computer may refuse `docker pause`.)"""
        container = docker("ps", "-q", "--filter", f"label=sandbox.project={ROOM}", "--filter", "name=-room-1")
        docker("kill", "--signal", "STOP", container)
        try:
            time.sleep(seconds)
        finally:
            docker("kill", "--signal", "CONT", container)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


@pytest.fixture(scope="module")
def room(run: Run, laptop: PrivateEngine, bundle: Path, profile: tuple[str, ...]) -> Iterator[Room]:
    ip("link", "add", "sbroom0", "type", "veth", "peer", "name", "sbroom1", "netns", str(laptop.network.pid))
    try:
        ip("addr", "add", f"{ADDRESS}/24", "dev", "sbroom0")
        ip("link", "set", "sbroom0", "up")
        for command in (["addr", "add", f"{GUEST}/24", "dev", "sbroom1"], ["link", "set", "sbroom1", "up"]):
            subprocess.run(laptop.inside(["ip", *command]), check=True)
        serve = ("serve-images", "--address", ADDRESS, "--port", "5971", "--packages-port", "5972")
        done = run(*serve, *profile, "--bundle", str(bundle), project=ROOM)
        assert done.returncode == 0, done.stderr
        yield Room(done.stdout.splitlines()[-1], laptop)
    finally:
        run("down", "--volumes", project=ROOM)
        subprocess.run(["ip", "link", "del", "sbroom0"], check=False, capture_output=True)


def test_it_listens_on_its_address_alone_and_takes_nothing(room: Room) -> None:
    for port in (5971, 5972):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 2)
    assert requests.post(f"{room.registry}/v2/evil/blobs/uploads/", timeout=5).status_code == 405
    assert room.line.startswith(f"pip install --index-url http://{ADDRESS}:5972/simple/")


def test_an_attendee_types_one_line_and_the_trainers_laptop_dozes_meanwhile(room: Room, tmp_path: Path) -> None:
    refused = room.laptop.docker("pull", f"{ADDRESS}:5971/library/haproxy:3.2.23", check=False)
    assert "server gave HTTP response to HTTPS client" in refused.stderr, "engines want TLS: hence the relay"
    names = room.laptop.docker("images", "--format", "{{.Repository}}:{{.Tag}}").stdout.split()
    room.laptop.docker("rmi", *(name for name in names if "/gateway:" in name or "/shop:" in name))
    up = room.laptop.sandbox(
        *("--project", PROJECT, "up", "storefront", "--timeout", "600", "--registry", room.registry),
        home=tmp_path / "home",
        cwd=tmp_path,
    )
    assert up.stderr
    began = []
    for line in up.stderr:
        began.append(line)
        if "pulling" in line:
            break
    room.dozes(3)
    _, rest = up.communicate(timeout=900)
    said = "".join(began) + rest
    assert up.returncode == 0, said
    assert "images: 2 to pull" in said
    down = room.laptop.sandbox("--project", PROJECT, "down", home=tmp_path / "home", cwd=tmp_path)
    assert down.communicate(timeout=60) and down.returncode == 0


def test_packages_come_from_the_room(room: Room, tmp_path: Path) -> None:
    """All of them, with the right checksums: pip is the judge."""
    _, *install = room.line.partition(" && ")[0].split()
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    command = [sys.executable, "-m", "pip", *install, "--dry-run", "--ignore-installed", "--no-cache-dir"]
    done = subprocess.run(
        room.laptop.inside(command),
        env=clean | {"PIP_CONFIG_FILE": os.devnull},
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "Would install" in done.stdout
    assert "sandbox-devops-" in done.stdout


def pull(registry: str, session: requests.Session) -> int:
    """One client: the manifest, then every layer, compared with its digest; bytes received."""
    accept = {"Accept": "application/vnd.docker.distribution.manifest.v2+json"}
    manifest = session.get(f"{registry}/v2/library/haproxy/manifests/3.2.23", headers=accept, timeout=300).json()
    received = 0
    for layer in [manifest["config"], *manifest["layers"]]:
        digest, size = hashlib.sha256(), 0
        with session.get(f"{registry}/v2/library/haproxy/blobs/{layer['digest']}", stream=True, timeout=300) as answer:
            assert answer.status_code == 200
            for data in answer.raw.stream(1024**2, decode_content=False):
                digest.update(data)
                size += len(data)
        assert (f"sha256:{digest.hexdigest()}", size) == (layer["digest"], layer["size"])
        received += size
    return received


def test_fifty_at_once_are_served_though_the_laptop_sleeps(room: Room) -> None:
    began = time.monotonic()
    nap = threading.Timer(1, room.dozes, (3,))
    nap.start()
    with ThreadPoolExecutor(CLIENTS) as pool, requests.Session() as session:
        session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=CLIENTS))
        received = list(pool.map(lambda _: pull(room.registry, session), range(CLIENTS)))
    nap.join()
    assert len(received) == CLIENTS
    assert len(set(received)) == 1
    print(f"{CLIENTS} pulls of {received[0] / 1e6:.0f} MB in {time.monotonic() - began:.1f} s, 3 s of it asleep")


# --- full disks ----------------------------------------------------------------------------------


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


def test_save_on_a_full_disk_is_told_and_goes_on_with_more_room(
    run: Run, profile: tuple[str, ...], mount: Callable[[str], Path]
) -> None:
    target = mount("120m")
    save = ("bundle", "save", *profile, "--without-wheels", str(target / "x.bundle"))
    full = run(*save)
    assert full.returncode == 1
    assert "No space left on device" in full.stderr
    assert "make room, then run it again" in full.stderr
    mount("2g")
    again = run(*save)
    assert again.returncode == 0, again.stderr
    assert "going on where the last save ended" in again.stderr
    Bundle(target / "x.bundle")


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
