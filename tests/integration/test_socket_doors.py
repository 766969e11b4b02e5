"""The doors to the Docker socket that HAProxy keeps, before an engine that notes what it hears."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from sandbox.images import built_name
from sandbox.resources import compose_folder, configs_folder
from tests.integration.conftest import Run
from tests.integration.registry import docker

IMAGE = built_name(compose_folder() / "images" / "gateway")
DOORS = sorted(configs_folder().glob("*/socket.cfg"))
HEADERS = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"


@contextmanager
def engine(path: Path) -> Iterator[list[str]]:
    """Answers every request with 200; what it heard, less HAProxy's own pings."""
    heard: list[str] = []
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()

    def answer() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with connection:
                    request = connection.recv(65536).decode()
                    if "/_ping" not in request:
                        heard.append(request)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    threading.Thread(target=answer, daemon=True).start()
    yield heard
    listening.close()


def ask(path: Path, text: str) -> bytes:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(str(path))
        client.sendall(text.encode())
        return client.recv(65536)


@pytest.mark.parametrize("door", DOORS, ids=lambda path: path.parent.name)
def test_no_request_can_turn_its_connection_into_another(stack: Run, door: Path) -> None:
    # The path of a socket must be short.
    with TemporaryDirectory(dir="/tmp") as name, engine(Path(name) / "engine.sock") as heard:
        folder = Path(name)
        mounts = (f"{door}:/socket.cfg:ro", f"{folder}/engine.sock:/var/run/docker.sock", f"{folder}:/run/docker")
        options = [option for mount in mounts for option in ("-v", mount)]
        haproxy = ("haproxy", "-W", "-db", "-f", "/socket.cfg")
        limits = ("--network", "none", "--user", "0:0", "--memory", "64m", "--env", "SANDBOX_PROJECT=x")
        container = docker("run", "-d", "--rm", *limits, *options, IMAGE, *haproxy)
        try:
            asked = f"GET /v1.43/containers/json HTTP/1.1\r\nHost: x\r\n{HEADERS}\r\n"
            for _ in range(300):
                with suppress(OSError):
                    if b" 200 " in ask(folder / "docker.sock", asked):
                        break
                time.sleep(0.1)
            assert heard, docker("logs", container)
            assert heard[-1].startswith("GET /v1.43/containers/json?")
            assert not [word for word in ("upgrade", "http2-settings", "h2c") if word in heard[-1].lower()], heard[-1]
        finally:
            subprocess.run(["docker", "kill", container], check=False, capture_output=True)
