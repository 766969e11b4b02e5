"""A trainer's laptop serves a room: laptops that reach nothing but its address get images and packages from there."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from .conftest import Run
from .private_engine import PrivateEngine
from .registry import docker

PROJECT = "sandbox-tests-room"
ADDRESS, GUEST = "10.98.77.1", "10.98.77.2"
OTHERS = (
    "alertmanager,blackbox-exporter,ci,console,container-exporter,inbox,logstore,ministack,node-exporter,orders,prometheus"
    ",shipper,traffic"
)
CLIENTS = 50


@dataclass
class Room:
    """What `serve-images` said, and a laptop whose network reaches only its address."""

    line: str
    laptop: PrivateEngine

    @property
    def registry(self) -> str:
        return self.line.split()[-1]


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


@pytest.fixture(scope="module")
def room(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    if os.geteuid() != 0:
        pytest.skip("a network of its own needs root")
    laptop = PrivateEngine(tmp_path_factory.mktemp("laptop"))
    ip("link", "add", "sbroom0", "type", "veth", "peer", "name", "sbroom1", "netns", str(laptop.network.pid))
    try:
        ip("addr", "add", f"{ADDRESS}/24", "dev", "sbroom0")
        ip("link", "set", "sbroom0", "up")
        for command in (["addr", "add", f"{GUEST}/24", "dev", "sbroom1"], ["link", "set", "sbroom1", "up"]):
            subprocess.run(laptop.inside(["ip", *command]), check=True)
        serve = ("serve-images", "--address", ADDRESS, "--port", "5971", "--packages-port", "5972")
        done = run(*serve, "--profile", "lite", "--without", OTHERS, project=PROJECT)
        assert done.returncode == 0, done.stderr
        yield Room(done.stdout.splitlines()[-1], laptop)
    finally:
        run("down", "--volumes", project=PROJECT)
        laptop.close()
        subprocess.run(["ip", "link", "del", "sbroom0"], check=False, capture_output=True)


def test_it_listens_on_its_address_alone_and_takes_nothing(room: Room) -> None:
    for port in (5971, 5972):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 2)
    assert requests.post(f"{room.registry}/v2/evil/blobs/uploads/", timeout=5).status_code == 405
    assert room.line.startswith(f"pip install --index-url http://{ADDRESS}:5972/simple/")


def test_an_attendee_types_one_line(room: Room, tmp_path: Path) -> None:
    image = f"{ADDRESS}:5971/library/haproxy:3.2.23"
    refused = room.laptop.docker("pull", image, check=False)
    assert "server gave HTTP response to HTTPS client" in refused.stderr, "engines want TLS: hence the relay"
    up = room.laptop.sandbox(
        *("--project", PROJECT, "up", "storefront", "--registry", room.registry), home=tmp_path / "home", cwd=tmp_path
    )
    _, said = up.communicate(timeout=300)
    assert up.returncode == 0, said
    assert "images: 2 to pull" in said
    down = room.laptop.sandbox("--project", PROJECT, "down", home=tmp_path / "home", cwd=tmp_path)
    assert down.communicate(timeout=60) and down.returncode == 0


def test_packages_come_from_the_room(room: Room, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    command = room.line.partition(" && ")[0].split()
    clean = {n: v for n, v in os.environ.items() if not n.startswith(("PIP_", "PYTHON"))} | {
        "PIP_CONFIG_FILE": os.devnull
    }
    inside = room.laptop.inside([str(environment / "bin" / command[0]), *command[1:]])
    done = subprocess.run(inside, env=clean, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    version = subprocess.run([environment / "bin/sandbox", "--version"], capture_output=True, check=True, cwd=tmp_path)
    assert version.stdout.startswith(b"sandbox, version")


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
    container = docker("ps", "-q", "--filter", f"label=sandbox.project={PROJECT}", "--filter", "name=-room-1")

    def sleep_and_return() -> None:
        time.sleep(1)
        docker("pause", container)
        time.sleep(3)
        docker("unpause", container)

    began = time.monotonic()
    nap = threading.Thread(target=sleep_and_return)
    nap.start()
    with ThreadPoolExecutor(CLIENTS) as pool, requests.Session() as session:
        session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=CLIENTS))
        received = list(pool.map(lambda _: pull(room.registry, session), range(CLIENTS)))
    nap.join()
    assert len(received) == CLIENTS
    assert len(set(received)) == 1
    print(f"{CLIENTS} pulls of {received[0] / 1e6:.0f} MB in {time.monotonic() - began:.1f} s, 3 s of it asleep")
