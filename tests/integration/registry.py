"""A real image registry on loopback, and a proxy before it that misbehaves as networks do."""

from __future__ import annotations

import select
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import requests

from sandbox import images
from sandbox.engine import ComposeEngine
from sandbox.resources import compose_folder

LARGE = 1_000_000  # bytes in one connection that only a layer sends


@contextmanager
def registry() -> Iterator[int]:
    """Runs Debian's docker-registry from our recipe; its port on loopback."""
    recipe = compose_folder() / "images" / "registry"
    images.build_all([recipe], ComposeEngine(), "auto", "", lambda event: None)
    name = f"sandbox-tests-registry-{time.time_ns()}"
    docker("run", "-d", "--rm", "--name", name, "-p", "127.0.0.1::5000", images.built_name(recipe))
    try:
        port = int(docker("port", name, "5000").rpartition(":")[2])
        for _ in range(100):
            try:
                requests.get(f"http://localhost:{port}/v2/", timeout=1).raise_for_status()
                break
            except requests.RequestException:
                time.sleep(0.1)
        yield port
    finally:
        docker("rm", "-f", name)


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class BadNetwork:
    """Passes connections on to a port, but cuts the first `cuts` of those that carry a layer, half way;
    `slow` is the pause, in seconds, after each piece of a layer.
    """

    def __init__(self, target: int, cuts: int = 0, slow: float = 0) -> None:
        self.target, self.cuts, self.slow = target, cuts, slow
        self.cut = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self.target)) as server:
            carried = 0
            while True:
                for source in select.select([client, server], [], [])[0]:
                    try:
                        data = source.recv(65536)
                        if not data:
                            return
                        (server if source is client else client).sendall(data)
                    except OSError:
                        return
                    carried += len(data)
                if carried > LARGE and self.cut < self.cuts:
                    self.cut += 1
                    return
                if carried > LARGE and self.slow:
                    time.sleep(self.slow)
